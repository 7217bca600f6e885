//! The REPL without a terminal: lines in, replies out.

use super::connection::Connection;
use super::history::History;
use super::kept::Kept;
use super::reply::{Answer, Reply, Then};
use super::settings::{Preferences, Surroundings};
use super::show::{Look, show};
use super::{commands, input};
use crate::api::{Context, Events, Kept as Made, Transaction};
use crate::floor::{Error, interrupt};
use crate::script::{Diagnostic, Failure, Line, Outcome, Session, render};
use rhai::Dynamic;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A read-eval-print loop: the caller reads and prints.
pub struct Repl {
    pub(super) session: Session,
    pub(super) surroundings: Surroundings,
    pub(super) preferences: Preferences,
    pub(super) connection: Connection,
    pub(super) history: History,
    pub(super) kept: Kept,
    /// The lines that made something on a host, and what they made.
    pub(super) made: Vec<(String, Made)>,
    /// The events of the host, from the first `:events` on.
    pub(super) events: Option<Events>,
    /// The last value that was shown.
    pub(super) last: Dynamic,
    /// What `:doc` told about last.
    pub(super) topic: Option<String>,
    consent: Arc<Consent>,
    /// Whether the host owes an answer to the line editor.
    pub(super) unanswered: Arc<AtomicBool>,
    /// Whether the user was told that the host is still on its way.
    awaited: bool,
    /// The beginning of a line that goes on.
    pending: String,
    count: usize,
}

/// What the user was asked about, and whether that is wanted.
#[derive(Default)]
struct Consent {
    off: AtomicBool,
    given: Mutex<HashSet<String>>,
}

impl Repl {
    /// Opens a session and begins to connect to its host.
    pub fn new(surroundings: Surroundings) -> Self {
        let consent = Arc::new(Consent::default());
        let mut surroundings = surroundings;
        if let Some(ask) = surroundings.ask.clone() {
            let consent = consent.clone();
            surroundings.script.confirm = Some(Arc::new(move |method, object| consent.get(method, object, &*ask)));
        }
        let context = Context::new(surroundings.script.uri.clone());
        let connection = Connection::open(context.clone(), surroundings.script.uri.clone());
        Self {
            session: session(&surroundings, &context),
            preferences: Preferences::new(surroundings.color),
            history: History::open(surroundings.history.clone()),
            surroundings,
            connection,
            kept: Kept::default(),
            made: Vec::new(),
            events: None,
            last: Dynamic::UNIT,
            topic: None,
            consent,
            unanswered: Arc::default(),
            awaited: false,
            pending: String::new(),
            count: 0,
        }
    }

    /// Says who the host is, if it answers in time; where it does not, the session goes on without it.
    pub fn greet(&mut self, patience: Duration) -> Reply {
        let name = self.connection.name();
        match self.connection.wait(Some(Instant::now() + patience)) {
            Ok(Some(host)) => {
                self.awaited = false;
                self.take_host();
                Reply::text(format!("{}; `:help` for help", show(&self.session, &host, self.look())))
            }
            Ok(None) => {
                self.awaited = true;
                Reply::text(format!("connecting to {name} ...; `:help` for help"))
            }
            Err(error) => {
                self.awaited = false;
                let error = error.hint("`:connect URI` connects to another host; without one everything else works");
                self.failed((vec![Diagnostic::from_error(&error)], 0))
            }
        }
    }

    /// Takes a line.
    pub fn step(&mut self, line: &str) -> Reply {
        let text = if self.pending.is_empty() { line.to_string() } else { format!("{}\n{line}", self.pending) };
        if commands::goes_on(&text) {
            self.pending = text;
            return Reply { then: Then::More, ..Reply::default() };
        }
        self.pending.clear();
        self.whole(&text)
    }

    /// Takes what is there of a line that goes on, because nothing more will come.
    pub fn finish(&mut self) -> Reply {
        let text = std::mem::take(&mut self.pending);
        self.whole(&text)
    }

    /// Forgets the beginning of a line that goes on.
    pub fn cancel(&mut self) {
        self.pending.clear();
    }

    /// Runs a script and stays: its variables and functions are there afterwards.
    pub fn load(&mut self, file: &Path) -> Reply {
        let answer = self.run_file(file);
        self.settle(answer)
    }

    /// Runs the lines of a file: Rhai, and commands where a line begins with a colon.
    pub fn init(&mut self, file: &Path) -> Reply {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(cause) => return self.settle(Err(failure(&Error::io(file, "read", &cause)))),
        };
        let mut all = Reply::default();
        let mut script = String::new();
        for line in text.lines().chain([":"]) {
            if !line.starts_with(':') {
                script.push_str(line);
                script.push('\n');
                continue;
            }
            let script = std::mem::take(&mut script);
            let name = file.display().to_string();
            let answer = self.run(&name, &script).and_then(|_| match line.trim() {
                ":" => Ok(Reply::default()),
                command => commands::run(self, command),
            });
            let reply = self.settle(answer);
            for (all, one) in [(&mut all.out, reply.out), (&mut all.err, reply.err)] {
                if !one.is_empty() && !all.is_empty() {
                    all.push('\n');
                }
                all.push_str(&one);
            }
            if reply.code != 0 || reply.then == Then::Leave {
                return Reply { code: reply.code, then: reply.then, ..all };
            }
        }
        all
    }

    /// Shows an expression once more for `:watch`.
    pub fn watch(&mut self, expression: &str) -> Reply {
        let answer = self.run("<watch>", expression).map(|outcome| self.shown(&outcome));
        self.settle(answer)
    }

    /// The events of the host since the last time, for `:events`.
    pub fn events(&mut self) -> Reply {
        let events = self.events.iter().flat_map(|events| std::iter::from_fn(|| events.try_next()));
        let lines = events.map(|event| {
            let fields = event.fields.iter().map(|(key, value)| format!("{key}: {}", value.show()));
            let parts = [event.kind.word().to_string(), event.name.clone()].into_iter().chain(fields);
            parts.collect::<Vec<_>>().join("  ")
        });
        Reply::text(lines.collect::<Vec<_>>().join("\n"))
    }

    /// Tells the width of the terminal.
    pub fn set_width(&mut self, width: usize) {
        self.preferences.width = width.max(20);
    }

    /// What happened in the background since the last line: the host is there, or cannot be reached.
    pub(super) fn news(&mut self) -> Reply {
        if !self.awaited {
            return Reply::default();
        }
        match self.connection.now() {
            None => Reply::default(),
            Some(_) => self.greet(Duration::ZERO),
        }
    }

    /// The lines of this and former sessions.
    pub(super) fn history_lines(&self) -> &[String] {
        self.history.lines()
    }

    /// Whether the keys are vi's, and whether the line is coloured.
    pub(super) fn line_style(&self) -> (bool, bool) {
        (self.preferences.vi, self.preferences.color)
    }

    /// Tidies up at the end.
    pub(super) fn close(&self) {
        self.history.tidy();
    }

    /// Parses and runs a text; connects first if it uses the host.
    pub(super) fn run(&mut self, name: &str, text: &str) -> Result<Outcome, Failure> {
        let line = self.session.parse_line(name, text)?;
        self.run_line(&line, text)
    }

    /// Runs a line in a transaction that is kept in any case, so that `:undo` knows what it made.
    fn run_line(&mut self, line: &Line, text: &str) -> Result<Outcome, Failure> {
        self.connect_for(line)?;
        let transaction = Transaction::begin();
        let result = self.session.run_line(line);
        let made = transaction.commit();
        if !made.is_empty() {
            self.made.push((text.to_string(), made));
        }
        let outcome = result?;
        self.kept.add(text, line);
        Ok(outcome)
    }

    /// [`Repl::run`] for what is typed.
    pub(super) fn run_typed(&mut self, text: &str) -> Result<Outcome, Failure> {
        self.count += 1;
        self.run(&format!("<line {}>", self.count), text)
    }

    /// [`Repl::run`] for a file.
    pub(super) fn run_file(&mut self, file: &Path) -> Answer {
        let line = self.session.parse_file(file)?;
        let text = self.session.sources().get(&file.display().to_string()).unwrap_or_default();
        Ok(match self.run_line(&line, &text)? {
            Outcome::Exit(code) => Reply::leave(code),
            Outcome::Value(_) => Reply::default(),
        })
    }

    /// The value of an expression, for a command; `exit()` in it is an error.
    pub(super) fn value(&mut self, text: &str) -> Result<Dynamic, Failure> {
        match self.run_typed(text)? {
            Outcome::Value(value) => Ok(value),
            Outcome::Exit(_) => Err(failure(&Error::argument("the expression ends the session; use `:quit`"))),
        }
    }

    /// A value as reply; it is what `:all` shows.
    pub(super) fn shown(&mut self, outcome: &Outcome) -> Reply {
        match outcome {
            Outcome::Exit(code) => Reply::leave(*code),
            Outcome::Value(value) => {
                self.last = value.clone();
                Reply::text(show(&self.session, value, self.look()))
            }
        }
    }

    pub(super) fn look(&self) -> Look {
        let Preferences { width, lines, xml, .. } = self.preferences;
        Look { width, lines, xml }
    }

    /// Begins anew, with the same host.
    pub(super) fn reset(&mut self) {
        self.session = session(&self.surroundings, &self.session.context());
        self.kept.clear();
        self.last = Dynamic::UNIT;
        self.take_host();
    }

    /// Takes over another host.
    pub(super) fn set_connection(&mut self, connection: Connection) {
        self.connection = connection;
        self.events = None;
        self.session.set_variable("host", Dynamic::UNIT);
        self.take_host();
    }

    /// Gives `host` its value if the host has come by now and the script has not made one of its own.
    pub(super) fn take_host(&mut self) {
        let open = self.session.variable("host").is_some_and(|host| host.is_unit());
        if let (true, Some(Ok(host))) = (open, self.connection.now()) {
            self.session.set_variable("host", host);
        }
    }

    /// The same for a host that is on its way: it is waited for so long.
    pub(super) fn expect_host(&mut self, patience: Duration) {
        if self.session.variable("host").is_some_and(|host| host.is_unit()) {
            // Without a host there are fewer names, and nothing else is amiss.
            drop(self.connection.wait(Some(Instant::now() + patience)));
        }
        self.take_host();
    }

    fn connect_for(&mut self, line: &Line) -> Result<(), Failure> {
        self.take_host();
        let Some(place) = line.uses("host") else { return Ok(()) };
        if self.session.variable("host").is_some_and(|host| host.is_unit()) {
            let wait = self.connection.wait(None);
            wait.map_err(|error| (vec![Diagnostic::from_error(&error).at(Some(place))], error.exit_code()))?;
            self.take_host();
        }
        Ok(())
    }

    fn whole(&mut self, text: &str) -> Reply {
        interrupt::clear();
        self.consent.begin(self.preferences.confirm);
        if text.trim().is_empty() {
            return Reply::default();
        }
        let kept = self.history.add(text);
        let answer = match commands::parse(text) {
            Some(_) => commands::run(self, text),
            // A semicolon at the end asks for silence.
            None => self.run_typed(text).map(|outcome| match outcome {
                Outcome::Value(_) if input::is_quiet(text) => Reply::default(),
                outcome => self.shown(&outcome),
            }),
        };
        let mut reply = self.settle(answer);
        if let Err(error) = kept {
            let told = self.failed(failure(&error));
            reply.err = [reply.err, told.err].concat();
        }
        interrupt::clear();
        reply
    }

    fn settle(&self, answer: Answer) -> Reply {
        answer.unwrap_or_else(|failure| self.failed(failure))
    }

    fn failed(&self, (diagnostics, code): Failure) -> Reply {
        let sources = self.session.sources();
        let texts: Vec<_> = diagnostics.iter().map(|shown| render(shown, sources, self.preferences.color)).collect();
        Reply { err: texts.join("\n").trim_end_matches('\n').to_string(), code, ..Reply::default() }
    }
}

/// A failure without a place.
pub(super) fn failure(error: &Error) -> Failure {
    (vec![Diagnostic::from_error(error)], error.exit_code())
}

fn session(surroundings: &Surroundings, context: &Context) -> Session {
    let mut session = Session::within(&surroundings.script, context);
    // It satisfies the parser; the host takes its place as soon as it is there.
    session.set_variable("host", Dynamic::UNIT);
    session
}

impl Consent {
    /// Forgets what was allowed for the line before.
    fn begin(&self, wanted: bool) {
        self.off.store(!wanted, Ordering::Relaxed);
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether the user lets this happen; each object is asked about once in a line.
    fn get(&self, method: &str, object: &str, ask: &dyn Fn(&str) -> bool) -> bool {
        if self.off.load(Ordering::Relaxed) {
            return true;
        }
        if self.given.lock().unwrap_or_else(PoisonError::into_inner).contains(object) {
            return true;
        }
        let yes = ask(&format!("{method} {object}?"));
        if yes {
            self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(object.to_string());
        }
        yes
    }
}
