//! How far a domain is with its addresses, and what was found on the way.

use std::time::{SystemTime, UNIX_EPOCH};

/// How far a domain is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// It is not running yet, or not any more.
    #[default]
    Pending,
    /// It is defined with its addresses, and those of others are looked at once more.
    Validating,
    /// It is being made.
    Creating,
    /// It is there.
    Running,
    /// It could not be made, and was left for inspection.
    Failed,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Pending, Self::Validating, Self::Creating, Self::Running, Self::Failed];

    /// The word for it, such as `Running`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Failed => "Failed",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Validating => "Validating",
        }
    }

    /// The phase of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.word() == word)
    }
}

/// Something that is or is not so, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkCondition {
    /// What it is about, such as `GatewayReachable`.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word for the reason, such as `GatewayUnreachable`.
    pub reason: String,
    /// The reason as a sentence.
    pub message: String,
    /// When this was found, in seconds since 1970.
    pub time: i64,
}

impl NetworkCondition {
    pub(in crate::libvirt) fn now(kind: &str, status: &str, reason: &str, message: impl Into<String>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            kind: kind.to_string(),
            status: status.to_string(),
            reason: reason.to_string(),
            message: message.into(),
            time: i64::try_from(now).unwrap_or(i64::MAX),
        }
    }
}
