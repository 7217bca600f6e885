//! The thread that runs libvirt's event loop.

use super::check;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;
use virt::error::Error;
use virt::sys;

/// How many transfers are under way.
static TRANSFERS: AtomicUsize = AtomicUsize::new(0);

/// How long the loop rests between two rounds meanwhile; so late an event may then be heard.
const REST: Duration = Duration::from_millis(20);

/// Data goes through a stream as long as this lives.
///
/// Whoever waits for a stream reads from the connection itself. If the event loop read from it at the same time, both would
/// wake each other for each message, and what a slow disk cannot take as fast as the host sends it would fill the memory:
/// the loop reads on for as long as there is something. So it rests between two rounds, each of which takes one message.
#[derive(Debug)]
pub(in super::super) struct Transferring(());

impl Transferring {
    pub(in super::super) fn begin() -> Self {
        TRANSFERS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Transferring {
    fn drop(&mut self) {
        TRANSFERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts libvirt's event loop on a thread of its own. It must run before the first connection is opened.
pub(in super::super) fn start_event_loop() -> Result<(), Error> {
    // SAFETY: called once, before any connection is opened.
    check(unsafe { sys::virEventRegisterDefaultImpl() })?;
    let started = thread::Builder::new().name("events".to_string()).spawn(|| {
        // SAFETY: the default implementation is registered, and only this thread runs it.
        while unsafe { sys::virEventRunDefaultImpl() } >= 0 {
            if TRANSFERS.load(Ordering::Relaxed) > 0 {
                thread::sleep(REST);
            }
        }
        tracing::warn!("libvirt's event loop has ended");
    });
    if let Err(error) = started {
        tracing::warn!(%error, "libvirt's event loop cannot run");
    }
    Ok(())
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
