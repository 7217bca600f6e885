//! The commands: lines that begin with a colon.

#![allow(clippy::unnecessary_wraps, reason = "all commands have one signature")]

mod about;
mod host;
mod keep;
mod setting;
mod value;

use super::Repl;
use super::engine::failure;
use super::input;
use super::reply::Answer;
use super::show::table;
use crate::floor::{Error, did_you_mean};

/// A command.
pub(super) struct Command {
    /// Its name without the colon.
    pub(super) name: &'static str,
    /// What follows the name.
    pub(super) arguments: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    /// What its arguments are, for completion and for lines that go on.
    pub(super) takes: Takes,
    run: fn(&mut Repl, &str) -> Answer,
}

/// What the arguments of a command are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Code,
    File,
    Function,
    Setting,
    Level,
    Words,
}

/// All commands, sorted.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "!", arguments: "COMMAND", about: "run a command of the shell", takes: Takes::Words, run: keep::shell },
    Command { name: "all", arguments: "", about: "show the last value in full", takes: Takes::Nothing, run: value::all },
    Command { name: "connect", arguments: "URI", about: "connect to another host", takes: Takes::Words, run: host::connect },
    Command { name: "diff", arguments: "A B", about: "how two definitions or values differ", takes: Takes::Code, run: value::diff },
    Command { name: "doc", arguments: "NAME", about: "signature, text and example of a function or type", takes: Takes::Function, run: about::doc },
    Command { name: "edit", arguments: "", about: "change the last line in $EDITOR and run it", takes: Takes::Nothing, run: keep::edit },
    Command { name: "events", arguments: "", about: "what happens on the host until a key is pressed", takes: Takes::Nothing, run: host::events },
    Command { name: "fns", arguments: "", about: "the functions that this session has defined and imported", takes: Takes::Nothing, run: about::functions },
    Command { name: "help", arguments: "[NAME]", about: "this list, or help on a command, function or type", takes: Takes::Function, run: about::help },
    Command { name: "history", arguments: "[COUNT]", about: "the last lines", takes: Takes::Words, run: keep::history },
    Command { name: "host", arguments: "", about: "the host and what it holds", takes: Takes::Nothing, run: host::host },
    Command { name: "load", arguments: "FILE", about: "run a script and keep what it defines", takes: Takes::File, run: keep::load },
    Command { name: "log", arguments: "LEVEL", about: "how much is logged: error, warn, info, debug, trace", takes: Takes::Level, run: setting::log },
    Command { name: "quit", arguments: "", about: "leave; so does Ctrl-D", takes: Takes::Nothing, run: setting::quit },
    Command { name: "reset", arguments: "", about: "forget variables, functions and imports", takes: Takes::Nothing, run: setting::reset },
    Command { name: "save", arguments: "FILE", about: "write the lines that had an effect as a script", takes: Takes::File, run: keep::save },
    Command { name: "script", arguments: "EXPR", about: "the script that makes a definition", takes: Takes::Code, run: value::script },
    Command { name: "set", arguments: "[NAME VALUE]", about: "the settings, or change one", takes: Takes::Setting, run: setting::set },
    Command { name: "time", arguments: "EXPR", about: "how long an expression takes", takes: Takes::Code, run: value::time },
    Command { name: "try", arguments: "[NAME]", about: "run the example of a function on an embedded host", takes: Takes::Function, run: about::try_example },
    Command { name: "type", arguments: "EXPR", about: "the type of an expression; calls are not run", takes: Takes::Code, run: value::kind },
    Command { name: "undo", arguments: "", about: "remove what the last line that made something made", takes: Takes::Nothing, run: keep::undo },
    Command { name: "vars", arguments: "", about: "the variables", takes: Takes::Nothing, run: about::variables },
    Command { name: "watch", arguments: "EXPR [INTERVAL]", about: "show it again and again until a key is pressed", takes: Takes::Code, run: value::watch },
    Command { name: "xml", arguments: "EXPR", about: "the XML of an object or a definition", takes: Takes::Code, run: value::xml },
];

impl Command {
    /// How it is written.
    pub(super) fn usage(&self) -> String {
        format!(":{} {}", self.name, self.arguments).trim_end().to_string()
    }
}

/// A command and its arguments, if the text is one; nothing for the command if there is none of that name.
pub(super) fn parse(text: &str) -> Option<(Option<&'static Command>, &str)> {
    let text = text.trim().strip_prefix(':')?;
    let end = if text.starts_with('!') { 1 } else { text.find(char::is_whitespace).unwrap_or(text.len()) };
    let (name, arguments) = text.split_at(end);
    Some((COMMANDS.iter().find(|command| command.name == name), arguments.trim()))
}

/// Whether more must follow before a text is a whole line; the arguments of most commands end with the line.
pub(super) fn goes_on(text: &str) -> bool {
    match parse(text) {
        Some((command, arguments)) => command.is_some_and(|it| it.takes == Takes::Code) && input::goes_on(arguments),
        None => input::goes_on(text),
    }
}

/// Runs a command.
pub(super) fn run(repl: &mut Repl, text: &str) -> Answer {
    let (command, arguments) = parse(text).unwrap_or((None, ""));
    let Some(command) = command else {
        let name = text.trim().trim_start_matches(':').split_whitespace().next().unwrap_or_default();
        let error = Error::argument(format!("no command `:{name}`"));
        let near = did_you_mean(name, COMMANDS.iter().map(|command| command.name));
        let hint = near.map_or_else(|| "`:help` lists them".to_string(), |near| near.replacen('`', "`:", 1));
        return Err(failure(&error.hint(hint)));
    };
    if arguments.is_empty() && !command.arguments.is_empty() && !command.arguments.starts_with('[') {
        return Err(usage(command));
    }
    if !arguments.is_empty() && command.takes == Takes::Nothing {
        return Err(usage(command));
    }
    (command.run)(repl, arguments)
}

fn usage(command: &Command) -> crate::script::Failure {
    failure(&Error::argument(format!("`:{}` is written `{}`", command.name, command.usage())))
}

/// The list of commands.
fn overview(width: usize) -> String {
    let rows: Vec<_> = COMMANDS.iter().map(|command| vec![command.usage(), command.about.to_string()]).collect();
    table(&rows, width)
}
