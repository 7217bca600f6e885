//! The wish to stop: set once by Ctrl-C or SIGTERM, looked at by everything that takes time.

use super::{Error, Result};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

static WANTED: AtomicBool = AtomicBool::new(false);
thread_local! {
    static GROUP: RefCell<Group> = RefCell::default();
    static SHIELDED: Cell<bool> = const { Cell::new(false) };
}
/// How many threads do not see the wish.
static SHIELDS: AtomicUsize = AtomicUsize::new(0);
static INSISTENCE: OnceLock<Insistence> = OnceLock::new();
static LOCK: Mutex<()> = Mutex::new(());
static WAKE: Condvar = Condvar::new();

/// What follows when the wish is not honoured, because something waits for an answer that does not come.
#[derive(Debug, Clone, Copy)]
pub struct Insistence {
    /// For so long nothing is said.
    pub patience: Duration,
    /// Says what repeating the wish will do.
    pub tell: fn(),
    /// Is done when the wish is repeated; never while something is undone.
    pub deed: fn(),
}

/// Sets what follows when the wish is not honoured; the first setting counts.
pub fn insist(insistence: Insistence) {
    INSISTENCE.get_or_init(|| insistence);
}

/// Asks everything to stop, and wakes whoever sleeps. Gives whether somebody did so before.
pub fn ask_to_stop() -> bool {
    let again = WANTED.swap(true, Ordering::SeqCst);
    wake();
    again
}

/// The same for somebody who is there, and is told if it takes its time.
pub fn trigger() {
    let again = ask_to_stop();
    let Some(insistence) = INSISTENCE.get() else { return };
    let stuck = || WANTED.load(Ordering::SeqCst) && SHIELDS.load(Ordering::SeqCst) == 0;
    if again {
        if stuck() {
            (insistence.deed)();
        }
        return;
    }
    std::thread::spawn(move || {
        std::thread::sleep(insistence.patience);
        if stuck() {
            (insistence.tell)();
        }
    });
}

/// Wakes whoever sleeps in [`pause`], without asking to stop: something may have changed.
pub fn wake() {
    let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    WAKE.notify_all();
}

/// Whether somebody asked this thread to stop.
pub fn wanted() -> bool {
    !SHIELDED.get() && (WANTED.load(Ordering::Relaxed) || GROUP.with_borrow(Group::is_stopped))
}

/// Runs this without seeing the wish to stop, such as the undoing of a stopped run.
pub fn shielded<T>(body: impl FnOnce() -> T) -> T {
    let before = SHIELDED.replace(true);
    SHIELDS.fetch_add(1, Ordering::SeqCst);
    let result = body();
    SHIELDS.fetch_sub(1, Ordering::SeqCst);
    SHIELDED.set(before);
    result
}

/// Threads that can be stopped together, without stopping the others. A group that is made by a thread of another group
/// stops with that.
#[derive(Debug, Clone, Default)]
pub struct Group {
    stopped: Arc<AtomicBool>,
    outer: Option<Arc<Group>>,
}

impl Group {
    /// A group inside the one of this thread.
    #[must_use]
    pub fn new() -> Self {
        Self { stopped: Arc::default(), outer: Some(Arc::new(Self::current())) }
    }

    /// The group of this thread.
    #[must_use]
    pub fn current() -> Self {
        GROUP.with_borrow(Clone::clone)
    }

    /// Makes this thread one of the group.
    pub fn join(&self) {
        GROUP.set(self.clone());
    }

    /// Asks the group to stop, and wakes whoever sleeps.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        wake();
    }

    /// Whether it was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.outer.as_ref().is_some_and(|outer| outer.is_stopped())
    }
}

/// Forgets the wish: the REPL goes on after Ctrl-C.
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
