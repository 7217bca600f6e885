//! The wish to stop: set once by Ctrl-C or SIGTERM, looked at by everything that takes time.

use super::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

static WANTED: AtomicBool = AtomicBool::new(false);
static LOCK: Mutex<()> = Mutex::new(());
static WAKE: Condvar = Condvar::new();

/// Asks everything to stop, and wakes whoever sleeps.
pub fn trigger() {
    WANTED.store(true, Ordering::SeqCst);
    wake();
}

/// Wakes whoever sleeps in [`pause`], without asking to stop: something may have changed.
pub fn wake() {
    let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    WAKE.notify_all();
}

/// Whether somebody asked to stop.
pub fn wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// Forgets the wish: the REPL goes on after Ctrl-C, and so does the undoing of a stopped run.
pub fn clear() -> bool {
    WANTED.swap(false, Ordering::SeqCst)
}

/// Fails if somebody asked to stop.
pub fn check() -> Result<()> {
    if wanted() { Err(Error::interrupted()) } else { Ok(()) }
}

/// Sleeps for this long; fails as soon as somebody asks to stop.
pub fn sleep(time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        pause(end - Instant::now())?;
    }
    check()
}

/// Sleeps until [`wake`] or at most for this long; fails as soon as somebody asks to stop.
pub fn pause(time: Duration) -> Result<()> {
    check()?;
    let guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    // The flag is set before the lock is taken, so a wish between the check above and here is seen now.
    check()?;
    drop(WAKE.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner));
    check()
}
