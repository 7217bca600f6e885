//! Commands about a value.

use crate::api;
use crate::floor::{Error, Result, Value, duration};
use crate::repl::complete::types;
use crate::repl::engine::failure;
use crate::repl::reply::{Answer, Reply, Then};
use crate::repl::show::{Look, format_time, show, source};
use crate::repl::{Repl, differences};
use crate::schema::Definition;
use crate::script::Failure;
use rhai::Dynamic;
use std::time::{Duration, Instant};

pub(super) fn all(repl: &mut Repl, _: &str) -> Answer {
    Ok(Reply::text(show(&repl.session, &repl.last, Look { lines: 0, ..repl.look() })))
}

pub(super) fn kind(repl: &mut Repl, expression: &str) -> Answer {
    let line = repl.session.parse_line("<type>", expression)?;
    if line.only_reads() {
        let value = repl.value(expression)?;
        return Ok(Reply::text(repl.session.type_of(&value)));
    }
    // A call is not run just to see what it gives: the reference tells.
    let known = types::of_text(&repl.session, expression);
    known.map(Reply::text).ok_or_else(|| failure(&Error::argument("only running it would tell the type")))
}

pub(super) fn xml(repl: &mut Repl, expression: &str) -> Answer {
    let value = repl.value(expression)?;
    match repl.session.property(&value, "xml") {
        Some(xml) => Ok(Reply::text(xml.to_string())),
        None => Err(without(repl, &value, "XML")),
    }
}

pub(super) fn script(repl: &mut Repl, expression: &str) -> Answer {
    let value = repl.value(expression)?;
    let definition = definition(repl, &value).ok_or_else(|| without(repl, &value, "definition"))?;
    Ok(Reply::text(source(&definition, repl.look().width)))
}

pub(super) fn diff(repl: &mut Repl, expressions: &str) -> Answer {
    let pair = repl.value(&format!("[{expressions}]"))?;
    let pair = pair.try_cast::<rhai::Array>().unwrap_or_default();
    let [left, right] = pair.as_slice() else {
        return Err(failure(&Error::argument("two values are needed, with a comma between them")));
    };
    let plain = |value: &Dynamic| -> Result<Value> {
        definition(repl, value).map_or_else(|| api::value(value, ""), |definition| Ok(definition.to_value()))
    };
    let (left, right) = (plain(left).map_err(|error| failure(&error))?, plain(right).map_err(|error| failure(&error))?);
    let lines = differences::of(&left, &right);
    Ok(Reply::text(if lines.is_empty() { "no difference".to_string() } else { lines.join("\n") }))
}

pub(super) fn time(repl: &mut Repl, expression: &str) -> Answer {
    let start = Instant::now();
    let outcome = repl.run_typed(expression)?;
    let took = format_time(start.elapsed().as_secs_f64());
    let mut reply = repl.shown(&outcome);
    if reply.then == Then::Next {
        reply.out = format!("{}\ntook {took}", reply.out).trim_start().to_string();
    }
    Ok(reply)
}

pub(super) fn watch(repl: &mut Repl, arguments: &str) -> Answer {
    let (expression, interval) = match arguments.rsplit_once(char::is_whitespace) {
        Some((expression, last)) if last.starts_with(|c: char| c.is_ascii_digit()) => {
            let last = last.trim_matches('"');
            match duration(&last.into()) {
                Ok(interval) => (expression, interval),
                Err(_) => (arguments, Duration::from_secs(2)),
            }
        }
        _ => (arguments, Duration::from_secs(2)),
    };
    // Parsed once before, so that a mistake is told once.
    repl.session.parse_line("<watch>", expression)?;
    Ok(Reply {
        then: Then::Watch(expression.to_string(), interval.max(Duration::from_millis(100))),
        ..Reply::default()
    })
}

/// The definition that a value is or has.
fn definition(repl: &Repl, value: &Dynamic) -> Option<Definition> {
    let own = value.read_lock::<Definition>().map(|definition| definition.clone());
    own.or_else(|| repl.session.property(value, "definition")?.try_cast())
}

fn without(repl: &Repl, value: &Dynamic, what: &str) -> Failure {
    failure(&Error::argument(format!("a value of type {} has no {what}", repl.session.type_of(value))))
}
