//! The states of a domain in the words of `virsh domstate`.

use std::fmt;
use virt::sys;

/// A domain's state and how it came to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    number: u32,
    reason: i32,
}

impl State {
    pub(super) fn new(number: u32, reason: i32) -> Self {
        Self { number, reason }
    }

    /// `running`, `idle`, `paused`, `in shutdown`, `shut off`, `crashed`, `pmsuspended` or `no state`.
    pub fn word(self) -> &'static str {
        match self.number {
            sys::VIR_DOMAIN_RUNNING => "running",
            sys::VIR_DOMAIN_BLOCKED => "idle",
            sys::VIR_DOMAIN_PAUSED => "paused",
            sys::VIR_DOMAIN_SHUTDOWN => "in shutdown",
            sys::VIR_DOMAIN_SHUTOFF => "shut off",
            sys::VIR_DOMAIN_CRASHED => "crashed",
            sys::VIR_DOMAIN_PMSUSPENDED => "pmsuspended",
            _ => "no state",
        }
    }

    /// How the domain came to its state, such as `booted`, `destroyed` or `I/O error`.
    pub fn reason(self) -> &'static str {
        let reasons: &[&str] = match self.number {
            sys::VIR_DOMAIN_RUNNING => &[
                "unknown",
                "booted",
                "migrated",
                "restored",
                "from snapshot",
                "unpaused",
                "migration canceled",
                "save canceled",
                "event wakeup",
                "crashed",
                "post-copy",
                "post-copy failed",
            ],
            sys::VIR_DOMAIN_PAUSED => &[
                "unknown",
                "user",
                "migrating",
                "saving",
                "dumping",
                "I/O error",
                "watchdog",
                "from snapshot",
                "shutting down",
                "creating snapshot",
                "crashed",
                "starting up",
                "post-copy",
                "post-copy failed",
                "api error",
            ],
            sys::VIR_DOMAIN_SHUTDOWN => &["unknown", "user"],
            sys::VIR_DOMAIN_SHUTOFF => &[
                "unknown",
                "shutdown",
                "destroyed",
                "crashed",
                "migrated",
                "saved",
                "failed",
                "from snapshot",
                "daemon",
            ],
            sys::VIR_DOMAIN_CRASHED => &["unknown", "panicked"],
            _ => &[],
        };
        usize::try_from(self.reason).ok().and_then(|index| reasons.get(index)).copied().unwrap_or("unknown")
    }

    /// Whether the guest is over: nothing will happen in it until it is started again.
    pub fn is_over(self) -> bool {
        matches!(self.number, sys::VIR_DOMAIN_SHUTOFF | sys::VIR_DOMAIN_CRASHED)
    }

    /// Whether the guest is stuck: stopped by a failure, and nobody will resume it by itself.
    pub fn is_stuck(self) -> bool {
        self.number == sys::VIR_DOMAIN_PAUSED && matches!(self.reason(), "I/O error" | "watchdog" | "crashed")
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            "unknown" => f.write_str(self.word()),
            reason => write!(f, "{} ({reason})", self.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_virsh() {
        assert_eq!(State::new(sys::VIR_DOMAIN_RUNNING, 1).to_string(), "running (booted)");
        assert_eq!(State::new(sys::VIR_DOMAIN_SHUTOFF, 2).to_string(), "shut off (destroyed)");
        assert_eq!(State::new(sys::VIR_DOMAIN_PAUSED, 5).to_string(), "paused (I/O error)");
        assert!(State::new(sys::VIR_DOMAIN_PAUSED, 5).is_stuck());
        assert!(!State::new(sys::VIR_DOMAIN_PAUSED, 1).is_stuck());
        assert!(State::new(sys::VIR_DOMAIN_CRASHED, 1).is_over());
        // Numbers of a newer libvirt.
        assert_eq!(State::new(99, 99).to_string(), "no state");
        assert_eq!(State::new(sys::VIR_DOMAIN_RUNNING, -1).to_string(), "running");
    }
}
