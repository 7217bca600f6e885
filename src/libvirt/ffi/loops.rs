//! How far libvirt's event loop goes, and whether it has come there.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;
use virt::sys;

/// How many downloads are under way.
static DOWNLOADS: AtomicUsize = AtomicUsize::new(0);

/// How many rounds of the loop are left until somebody takes what has come; each receives a message at most.
static ROUNDS: AtomicI64 = AtomicI64::new(0);

/// How many rounds there are at most until a piece is taken: about so many messages of a quarter of a MiB wait.
const AHEAD: i64 = 8;

/// How long the loop rests before a round beyond those; so late an event may then be heard.
const REST: Duration = Duration::from_millis(20);

/// Data comes through a stream as long as this lives.
///
/// The loop reads whatever the host sends, ahead of whoever waits for it, which is good for the speed. What a slow disk
/// cannot take as fast as that would fill the memory, so the loop does not go far ahead.
#[derive(Debug)]
pub(in super::super) struct Downloading(());

impl Downloading {
    pub(in super::super) fn begin() -> Self {
        ROUNDS.store(AHEAD, Ordering::Relaxed);
        DOWNLOADS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Downloading {
    fn drop(&mut self) {
        DOWNLOADS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A piece is about to be taken: another one may come for it.
pub(super) fn taking() {
    // A round that the loop begins meanwhile may be lost: a message more waits.
    ROUNDS.store((ROUNDS.load(Ordering::Relaxed).max(0) + 1).min(AHEAD), Ordering::Relaxed);
}

/// Between two rounds of the loop.
pub(super) fn rest() {
    if DOWNLOADS.load(Ordering::Relaxed) > 0 && ROUNDS.fetch_sub(1, Ordering::Relaxed) <= 0 {
        thread::sleep(REST);
    }
}

/// Waits until libvirt's event loop has told all that there is to tell by now; not for long, if it does not run.
pub(in super::super) fn flush_events() {
    unsafe extern "C" fn ring(_: c_int, opaque: *mut c_void) {
        // SAFETY: the timer was added with a box of this type, which lives until `free` is called.
        let bell = unsafe { &*opaque.cast::<Sender<()>>() };
        // It rings until it is removed; once is enough.
        if bell.send(()).is_err() {
            tracing::trace!("nobody waits for libvirt's events any more");
        }
    }
    unsafe extern "C" fn free(opaque: *mut c_void) {
        // SAFETY: libvirt gives back what it was given, once.
        drop(unsafe { Box::from_raw(opaque.cast::<Sender<()>>()) });
    }
    let (sender, rung) = mpsc::channel();
    let opaque: *mut Sender<()> = Box::into_raw(Box::new(sender));
    // SAFETY: the callbacks fit the type of what they are given.
    let timer = unsafe { sys::virEventAddTimeout(0, Some(ring), opaque.cast(), Some(free)) };
    if timer < 0 {
        // SAFETY: libvirt did not take it.
        drop(unsafe { Box::from_raw(opaque) });
        return;
    }
    if rung.recv_timeout(Duration::from_millis(100)).is_err() {
        tracing::debug!("libvirt's event loop does not answer");
    }
    // SAFETY: the timer is there until now.
    unsafe { sys::virEventRemoveTimeout(timer) };
}
