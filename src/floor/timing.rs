//! How long each step took for each object, if somebody wants to know.

use super::progress;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static WANTED: AtomicBool = AtomicBool::new(false);
static DONE: Mutex<Vec<Timing>> = Mutex::new(Vec::new());

/// A step that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// What it was about, such as `domain web`.
    pub object: String,
    /// What was done, such as `start`.
    pub step: String,
    /// How long it took.
    pub took: Duration,
}

/// Begins to keep what steps take.
pub fn enable() {
    WANTED.store(true, Ordering::Relaxed);
}

/// Does a step, and keeps what it took. One that goes well is progress.
pub fn timed<T, E>(object: &str, step: &str, body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let started = Instant::now();
    let result = body();
    match result {
        Ok(_) => record(object, step, started.elapsed()),
        Err(_) => keep(object, step, started.elapsed()),
    }
    result
}

/// Does something that is no step for who watches, and keeps what it took.
pub fn noted<T>(object: &str, step: &str, body: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = body();
    keep(object, step, started.elapsed());
    result
}

/// Keeps what a step took that went well.
pub fn record(object: &str, step: &str, took: Duration) {
    progress::done(&format!("{object}: {step}"), took);
    keep(object, step, took);
}

/// Keeps what something took that is no step for who watches.
pub fn keep(object: &str, step: &str, took: Duration) {
    if WANTED.load(Ordering::Relaxed) {
        let timing = Timing { object: object.to_string(), step: step.to_string(), took };
        DONE.lock().unwrap_or_else(PoisonError::into_inner).push(timing);
    }
}

/// Takes what was kept, in the order in which the steps ended.
pub fn take() -> Vec<Timing> {
    std::mem::take(&mut *DONE.lock().unwrap_or_else(PoisonError::into_inner))
}
