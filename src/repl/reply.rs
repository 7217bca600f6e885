//! What a step of the REPL gives back.

use crate::floor::hide;
use crate::script::Failure;
use std::time::Duration;

/// The answer to a line: what to write where, and how it goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// For standard output, without the last line break; empty for nothing.
    pub out: String,
    /// For standard error, likewise.
    pub err: String,
    /// The exit code if this was the last line: 0 unless the line failed.
    pub code: u8,
    /// How it goes on.
    pub then: Then,
}

/// How it goes on after a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Then {
    /// With the next line.
    #[default]
    Next,
    /// With more of the same line: a bracket is open, say.
    More,
    /// With this expression, shown again and again until somebody presses a key.
    Watch(String, Duration),
    /// With what [`crate::repl::Repl::events`] gives, until somebody presses a key.
    Events,
    /// Not at all: the REPL ends with [`Reply::code`].
    Leave,
}

/// What a command or a line came to.
pub(super) type Answer = Result<Reply, Failure>;

impl Reply {
    /// Something for standard output; secrets are hidden.
    pub(super) fn text(out: impl Into<String>) -> Self {
        let mut out = hide(&out.into()).into_owned();
        out.truncate(out.trim_end_matches('\n').len());
        Self { out, ..Self::default() }
    }

    /// The end.
    pub(super) fn leave(code: u8) -> Self {
        Self { code, then: Then::Leave, ..Self::default() }
    }
}
