//! Commands that tell what there is: functions, variables, examples.

use super::{COMMANDS, overview};
use crate::floor::{Error, did_you_mean};
use crate::repl::Repl;
use crate::repl::engine::failure;
use crate::repl::reply::{Answer, Reply};
use crate::repl::show::{Look, show, table};
use crate::script::{Function, Outcome, Reference, Session, Settings};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The host of the examples: the same on which the tests run every one of them.
const EXAMPLE_HOST: &str = include_str!("../../../tests/driver/host.xml");

pub(super) fn help(repl: &mut Repl, name: &str) -> Answer {
    if name.is_empty() {
        let text = "A line is Rhai; `host` is the host. Tab completes. Commands:\n\n";
        return Ok(Reply::text(format!("{text}{}", overview(repl.look().width))));
    }
    match COMMANDS.iter().find(|command| command.name == name.trim_start_matches(':')) {
        Some(command) => Ok(Reply::text(format!("{}\n  {}", command.usage(), command.about))),
        None => doc(repl, name),
    }
}

pub(super) fn doc(repl: &mut Repl, name: &str) -> Answer {
    let own: Vec<_> = own_functions(&repl.session).into_iter().filter(|function| function.name == name).collect();
    let text = if own.is_empty() {
        Reference::shared().explain(name).map_err(|error| failure(&error))?
    } else {
        own.iter().map(Function::describe).collect::<Vec<_>>().join("\n\n")
    };
    repl.topic = Some(name.to_string());
    Ok(Reply::text(text))
}

pub(super) fn try_example(repl: &mut Repl, name: &str) -> Answer {
    let name = match (name, &repl.topic) {
        ("", None) => return Err(failure(&Error::argument("no function is given").hint("write `:try NAME`"))),
        ("", Some(topic)) => topic.clone(),
        (name, _) => name.to_string(),
    };
    let reference = Reference::shared();
    let Some(example) = reference.named(&name).find_map(|(_, function)| function.examples.first()) else {
        let error = Error::argument(format!("there is no example of `{name}`"));
        let near = did_you_mean(&name, reference.functions().map(|(_, function)| function.name.as_str()));
        return Err(failure(&near.into_iter().fold(error, Error::hint)));
    };
    let code: Vec<_> = example.code.lines().map(|line| format!("> {line}")).collect();
    let code = code.join("\n");
    if example.live {
        return Ok(Reply::text(format!("{code}\nit needs a real host: the embedded one cannot do this")));
    }
    let printed = run_example(&example.code, repl.look())?;
    let printed = if printed.is_empty() { "it ran well and printed nothing" } else { &printed };
    Ok(Reply::text(format!("{code}\n{printed}")))
}

pub(super) fn variables(repl: &mut Repl, _: &str) -> Answer {
    // `host` is one of them, as soon as it has answered.
    repl.expect_host(Duration::from_secs(1));
    let look = Look { lines: 1, ..repl.look() };
    let session = &repl.session;
    let rows: Vec<_> = session
        .variables()
        .into_iter()
        .filter(|(name, ..)| name != "args" || !repl.surroundings.script.args.is_empty())
        .map(|(name, constant, value)| {
            let name = if constant { format!("const {name}") } else { name };
            let whole = Look { lines: 0, width: usize::MAX, ..look };
            let list = value.as_array_ref().ok().filter(|items| items.len() > 3).map(|items| items.len());
            let text = list.map_or_else(|| show(session, &value, whole), |count| format!("{count} items"));
            vec![name, session.type_of(&value), text.split_whitespace().collect::<Vec<_>>().join(" ")]
        })
        .collect();
    Ok(Reply::text(table(&rows, look.width)))
}

pub(super) fn functions(repl: &mut Repl, _: &str) -> Answer {
    let rows: Vec<_> = own_functions(&repl.session)
        .iter()
        .map(|function| vec![function.signature(), function.summary.clone()])
        .collect();
    let none = "this session has defined and imported no functions";
    Ok(Reply::text(if rows.is_empty() { none.to_string() } else { table(&rows, repl.look().width) }))
}

/// What the session defined, and what it imported with the module's name before it.
fn own_functions(session: &Session) -> Vec<Function> {
    let mut all = session.functions();
    for (alias, functions) in session.modules() {
        all.extend(
            functions.into_iter().map(|function| Function { name: format!("{alias}::{}", function.name), ..function }),
        );
    }
    all
}

/// Runs a script on a host of its own; gives what it printed.
fn run_example(code: &str, look: Look) -> Result<String, crate::script::Failure> {
    let wrong = |cause: &std::io::Error| failure(&Error::io(&std::env::temp_dir(), "make a host in", cause));
    let mut file = tempfile::Builder::new().suffix(".xml").tempfile().map_err(|cause| wrong(&cause))?;
    std::io::Write::write_all(&mut file, EXAMPLE_HOST.as_bytes()).map_err(|cause| wrong(&cause))?;
    let printed: Arc<Mutex<String>> = Arc::default();
    let lines = printed.clone();
    let mut session = Session::new(&Settings {
        uri: Some(format!("test://{}", file.path().display())),
        print: Some(Arc::new(move |line| {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_str(line);
            lines.push('\n');
        })),
        ..Settings::default()
    });
    let line = session.parse_line("<example>", code)?;
    let outcome = session.run_line(&line)?;
    let mut text = printed.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Outcome::Value(value) = outcome {
        text.push_str(&show(&session, &value, look));
    }
    Ok(text)
}
