//! Commands about a value.

use crate::api;
use crate::floor::{Error, duration};
use crate::repl::complete::types;
use crate::repl::engine::failure;
use crate::repl::reply::{Answer, Reply, Then};
use crate::repl::show::{Look, format_time, show};
use crate::repl::{Repl, differences};
use crate::schema::Definition;
use crate::script::Failure;
use rhai::Dynamic;
use std::time::{Duration, Instant};

/// So long `:type` waits for a host.
const PATIENCE: Duration = Duration::from_secs(5);

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
    let known = types::of_text(&repl.live(PATIENCE), expression);
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
    Ok(Reply::text(api::script_of(&definition, repl.look().width)))
}

pub(super) fn diff(repl: &mut Repl, expressions: &str) -> Answer {
    let [left, right] = pair(repl, expressions)?;
    let (left_definition, right_definition) = (definition(repl, &left), definition(repl, &right));
    let changes = match (left_definition, right_definition) {
        (Some(left), Some(right)) => left.diff(&right),
        _ => api::shown(&left).and_then(|left| Ok(differences::between(&left, &api::shown(&right)?))),
    };
    Ok(Reply::text(differences::lines(&changes.map_err(|error| failure(&error))?)))
}

/// Two expressions with a comma or only a blank between.
fn pair(repl: &mut Repl, text: &str) -> std::result::Result<[Dynamic; 2], Failure> {
    let parses = |text: &str| !text.trim().is_empty() && repl.session.parse_line("<diff>", text).is_ok();
    let listed = format!("[{text}]");
    let both = if parses(&listed) {
        listed
    } else {
        let blanks = text.match_indices(char::is_whitespace).map(|(at, _)| text.split_at(at));
        let found = blanks.into_iter().find(|(left, right)| parses(left) && parses(right));
        found.map_or(listed, |(left, right)| format!("[{left}, {right}]"))
    };
    let values = repl.value(&both)?.try_cast::<rhai::Array>().unwrap_or_default();
    values.try_into().map_err(|_| failure(&Error::argument("two values are needed")))
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
    let session = &repl.session;
    own.or_else(|| session.property(value, "definition")?.try_cast())
        .or_else(|| Definition::read(&session.property(value, "xml")?.to_string()).ok())
}

fn without(repl: &Repl, value: &Dynamic, what: &str) -> Failure {
    failure(&Error::argument(format!("a value of type {} has no {what}", repl.session.type_of(value))))
}
