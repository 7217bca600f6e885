//! Trying again where libvirt is busy for a moment: it scans a pool again by itself after each upload.

use crate::floor::{Code, Result, interrupt};
use std::time::Duration;

const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(750),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// Calls until the answer is not "busy", a few times with growing pauses.
pub(super) fn while_busy<T>(call: impl Fn() -> Result<T>) -> Result<T> {
    for (attempt, pause) in PAUSES.into_iter().enumerate() {
        match call() {
            Err(error) if error.code == Code::Busy => {
                tracing::info!(attempt = attempt + 1, %error, "busy, trying again");
                interrupt::sleep(pause)?;
            }
            done => return done,
        }
    }
    call().map_err(|error| error.note(format!("tried {} times", PAUSES.len() + 1)))
}
