//! Time as waits see it, so that a test can let five minutes pass in a moment.

use crate::floor::{Result, interrupt};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Tells the time and lets it pass.
pub trait Clock: Sync {
    /// The time since some fixed moment.
    fn now(&self) -> Duration;

    /// Sleeps for this long, or less if something may have changed; fails as soon as somebody asks to stop.
    fn pause(&self, time: Duration) -> Result<()>;
}

/// The time of the machine.
#[derive(Debug, Clone, Copy)]
pub struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }

    fn pause(&self, time: Duration) -> Result<()> {
        interrupt::pause(time)
    }
}
