//! One error type for all rooms: what went wrong, to what, and what to do about it.
//!
//! Places in a script are not known here; the script room adds them.

use super::{Map, Place, did_you_mean};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in words that scripts may rely on (`err.code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The guest agent does not answer or is not there.
    AgentUnavailable,
    /// The object is there already.
    AlreadyExists,
    /// Another job holds the object; trying again later may help.
    Busy,
    /// The user was asked, and answered no.
    Declined,
    /// libvirt or the system refused the operation for a reason that fits no other code.
    Failed,
    /// The guest stopped, crashed or vanished while it was waited for or worked on.
    GuestStopped,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// A value handed to a function is wrong.
    InvalidArgument,
    /// A definition or a configuration was refused by validation.
    InvalidDefinition,
    /// The object is in a state that does not allow the operation.
    InvalidState,
    /// A file could not be read or written.
    Io,
    /// No connection to the host, or it was lost.
    NoConnection,
    /// No space is left for the data.
    NoSpace,
    /// No such object.
    NotFound,
    /// The host or the file system refused access.
    PermissionDenied,
    /// Time ran out.
    Timeout,
    /// The host's driver cannot do this.
    Unsupported,
}

impl Code {
    /// All codes, sorted by name.
    pub const ALL: &[Self] = &[
        Self::AgentUnavailable,
        Self::AlreadyExists,
        Self::Busy,
        Self::Declined,
        Self::Failed,
        Self::GuestStopped,
        Self::Interrupted,
        Self::InvalidArgument,
        Self::InvalidDefinition,
        Self::InvalidState,
        Self::Io,
        Self::NoConnection,
        Self::NoSpace,
        Self::NotFound,
        Self::PermissionDenied,
        Self::Timeout,
        Self::Unsupported,
    ];

    /// The stable name, such as `not-found`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AgentUnavailable => "agent-unavailable",
            Self::AlreadyExists => "already-exists",
            Self::Busy => "busy",
            Self::Declined => "declined",
            Self::Failed => "failed",
            Self::GuestStopped => "guest-stopped",
            Self::Interrupted => "interrupted",
            Self::InvalidArgument => "invalid-argument",
            Self::InvalidDefinition => "invalid-definition",
            Self::InvalidState => "invalid-state",
            Self::Io => "io",
            Self::NoConnection => "no-connection",
            Self::NoSpace => "no-space",
            Self::NotFound => "not-found",
            Self::PermissionDenied => "permission-denied",
            Self::Timeout => "timeout",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Which part of the work failed; with the [`Code`] it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Area {
    /// The connection to a host.
    Connection,
    /// A domain or something of it.
    Domain,
    /// A host: its capabilities, node devices and the like.
    Host,
    /// A network.
    Network,
    /// The script and its arguments.
    Script,
    /// A pool or a volume.
    Storage,
}

/// One of several mistakes in a definition, at a path inside the value that was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// Where in the value, such as `devices.disks[0].target`; empty for the value itself.
    pub path: String,
    /// Whether the key is wrong, else its value.
    pub on_key: bool,
    /// What is wrong, such as ``disk has no field `tareget` ``.
    pub message: String,
    /// What to do about it, such as ``did you mean `target`?``.
    pub hint: Option<String>,
    /// Where in a file of data it is, if the value came from one.
    pub place: Option<Place>,
}

/// The facts of an [`Error`].
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What kind of failure this is.
    pub code: Code,
    /// Which part of the work failed.
    pub area: Area,
    /// What went wrong: lower case, no full stop, names in backticks.
    pub message: String,
    /// The object, such as `domain web`.
    pub object: Option<String>,
    /// libvirt's, the system's or a server's own words.
    pub cause: Option<String>,
    /// Whether these words are libvirt's.
    pub by_libvirt: bool,
    /// Further facts: what each source answered, what could not be undone.
    pub notes: Vec<String>,
    /// What to do about it, a line each.
    pub hints: Vec<String>,
    /// The single mistakes, if a definition was refused.
    pub findings: Vec<Finding>,
    /// What is known about a failed wait, by name: `state`, `sources`, `leases` and more.
    pub facts: Map,
    /// The single failures, if this stands for several.
    pub failures: Vec<Error>,
}

/// Any failure. Cheap to pass on: the facts are boxed and reached through `Deref`.
#[derive(Debug, Clone, PartialEq)]
pub struct Error(Box<Report>);

impl Error {
    /// A failure of this kind with its message.
    pub fn new(code: Code, area: Area, message: impl Into<String>) -> Self {
        Self(Box::new(Report {
            code,
            area,
            message: message.into(),
            object: None,
            cause: None,
            by_libvirt: false,
            notes: Vec::new(),
            hints: Vec::new(),
            findings: Vec::new(),
            facts: Map::new(),
            failures: Vec::new(),
        }))
    }

    /// A wrong argument of a script function.
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, Area::Script, message)
    }

    /// The user's wish to stop.
    pub fn interrupted() -> Self {
        Self::new(Code::Interrupted, Area::Script, "interrupted")
    }

    /// The user's answer to a question was no; the message says what did not happen.
    pub fn declined(message: &str) -> Self {
        Self::new(Code::Declined, Area::Script, message)
    }

    /// A file that could not be read or written.
    pub fn io(path: &std::path::Path, doing: &str, cause: &std::io::Error) -> Self {
        let error = Self::new(Code::Io, Area::Script, format!("cannot {doing} `{}`", path.display()));
        let folder =
            path.parent().filter(|folder| doing == "write" && !folder.as_os_str().is_empty() && !folder.exists());
        let hint = folder.map(|folder| format!("there is no folder `{}`", folder.display()));
        let is_missed = doing == "read" && cause.kind() == std::io::ErrorKind::NotFound;
        let hint = hint.or_else(|| is_missed.then(|| beside(path)).flatten());
        hint.into_iter().fold(error.caused_by(cause.to_string()), Self::hint)
    }

    /// A refused definition with all its mistakes; `what` names it, such as ``domain `web` ``.
    pub fn definition(what: &str, findings: Vec<Finding>) -> Self {
        let message = match findings.as_slice() {
            [one] => one.message.clone(),
            many => format!("{what} has {} mistakes", many.len()),
        };
        let mut error = Self::new(Code::InvalidDefinition, Area::Script, message);
        error.0.findings = findings;
        error
    }

    /// One failure that stands for several: its code is that of the first, its notes and hints name each.
    pub fn together(message: &str, failures: Vec<Self>) -> Self {
        let first = failures.first();
        let (code, area) = first.map_or((Code::Failed, Area::Script), |first| (first.code, first.area));
        let mut error = Self::new(code, area, message);
        for failure in &failures {
            error = error.note(failure.to_string());
            error.0.notes.extend(failure.notes.iter().map(|note| format!("  {note}")));
            for hint in &failure.hints {
                if !error.0.hints.contains(hint) {
                    error.0.hints.push(hint.clone());
                }
            }
        }
        error.0.failures = failures;
        error
    }

    /// Names the object that the error is about, such as `domain web`.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.0.object = Some(object.into());
        self
    }

    /// Adds libvirt's own words.
    #[must_use]
    pub fn told_by_libvirt(mut self, words: impl Into<String>) -> Self {
        self.0.by_libvirt = true;
        self.caused_by(words)
    }

    /// Adds the system's, a server's or another program's own words.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Adds such a line where the error has this code: elsewhere it would be of no help.
    #[must_use]
    pub fn hint_for(self, code: Code, hint: impl Into<String>) -> Self {
        if self.code == code { self.hint(hint) } else { self }
    }

    /// Adds a further fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match (self.code, self.area) {
            (Code::Interrupted, _) => 130,
            (Code::InvalidDefinition, _) => 2,
            (Code::NoConnection, _) | (_, Area::Connection) => 3,
            (Code::Declined | Code::InvalidArgument, _) | (_, Area::Script) => 1,
            (_, Area::Storage) => 5,
            (_, Area::Domain | Area::Host | Area::Network) => 4,
        }
    }
}

/// What is in the folder of a file that is not there, and was meant instead.
fn beside(path: &std::path::Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let Ok(entries) = folder.read_dir() else { return Some(format!("there is no folder `{}`", folder.display())) };
    let names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    did_you_mean(path.file_name()?.to_str()?, names.iter().map(String::as_str))
}

impl Deref for Error {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Report {
        &mut self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.cause {
            // The message has the fact of libvirt's words.
            Some(cause) if !self.by_libvirt => write!(f, ": {cause}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
