//! An event loop for libvirt, on epoll: what it watches, and its timers.
//!
//! Around every call libvirt stops watching the connection, and begins again. Its own loop is woken by that four times, which
//! takes longer than many a call; with epoll nobody is woken, because what is watched can change while somebody waits.

use super::loops;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_uint, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};
use virt::sys;

static LOOP: OnceLock<Loop> = OnceLock::new();

/// The number under which epoll knows what wakes the loop; libvirt's are from 1.
const BELL: c_int = 0;

/// So many events are taken at once.
const AT_ONCE: usize = 16;

struct Loop {
    epoll: OwnedFd,
    bell: OwnedFd,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    watches: BTreeMap<c_int, Watch>,
    timers: BTreeMap<c_int, Timer>,
    /// The last number that was given.
    last: c_int,
    /// What is to be given back. libvirt holds locks while it removes, so the loop does it afterwards.
    gone: Vec<(sys::virFreeCallback, Opaque)>,
    /// When the loop looks at its timers again by itself.
    wakes: Option<Instant>,
}

struct Watch {
    /// What libvirt calls it.
    fd: c_int,
    /// A copy: epoll knows each only once, and it must not be another one all at once.
    own: OwnedFd,
    events: c_int,
    callback: sys::virEventHandleCallback,
    opaque: Opaque,
    free: sys::virFreeCallback,
}

struct Timer {
    /// Nothing while it is switched off.
    due: Option<Instant>,
    every: Duration,
    callback: sys::virEventTimeoutCallback,
    opaque: Opaque,
    free: sys::virFreeCallback,
}

/// What libvirt wants to be given back with a call.
#[derive(Clone, Copy)]
struct Opaque(*mut c_void);

// SAFETY: libvirt gives it to be handed to callbacks on the loop's thread, whichever that is.
unsafe impl Send for Opaque {}

/// Starts the loop on a thread of its own, for all connections that are opened from now on. For the first caller only.
pub(in super::super) fn start_event_loop() -> io::Result<()> {
    let own = Loop {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        known: Mutex::default(),
    };
    epoll::add(&own.epoll, &own.bell, data(BELL), epoll::EventFlags::IN)?;
    if LOOP.set(own).is_err() {
        return Ok(());
    }
    thread::Builder::new().name("events".to_string()).spawn(|| {
        if let Some(own) = LOOP.get() {
            own.run();
        }
    })?;
    // SAFETY: the functions are of the types that libvirt declares, and there for the whole run of the program.
    unsafe {
        sys::virEventRegisterImpl(
            Some(add_handle),
            Some(update_handle),
            Some(remove_handle),
            Some(add_timeout),
            Some(update_timeout),
            Some(remove_timeout),
        );
    }
    Ok(())
}

impl Loop {
    fn run(&self) {
        loop {
            let gone = std::mem::take(&mut self.lock().gone);
            for (free, opaque) in gone {
                if let Some(free) = free {
                    // SAFETY: libvirt gave both together, and hears of it once.
                    unsafe { free(opaque.0) };
                }
            }
            match self.wait() {
                Ok(ready) => ready.into_iter().for_each(|(watch, events)| self.tell(watch, events)),
                Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::warn!(%error, "libvirt's event loop has ended");
                    return;
                }
            }
            self.ring();
            loops::rest();
        }
    }

    /// Waits until something happens or a timer is due: the watches on which something happened.
    fn wait(&self) -> Result<Vec<(c_int, epoll::EventFlags)>, Errno> {
        let timeout = {
            let mut known = self.lock();
            known.wakes = known.timers.values().filter_map(|timer| timer.due).min();
            // Not all of epoll counts finer than milliseconds: one more is never too early.
            let left = known.wakes.map(|due| due.saturating_duration_since(Instant::now()));
            let left = left.map(|left| if left.is_zero() { left } else { left + Duration::from_millis(1) });
            if known.gone.is_empty() { left } else { Some(Duration::ZERO) }
        };
        let timeout = timeout.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut events = [MaybeUninit::uninit(); AT_ONCE];
        let (ready, _) = epoll::wait(&self.epoll, &mut events, timeout.as_ref())?;
        let mut found = Vec::new();
        for event in ready {
            let (flags, number) = (event.flags, event.data.u64());
            match c_int::try_from(number) {
                Ok(BELL) => drop(rustix::io::read(&self.bell, &mut [0; 8])),
                Ok(watch) => found.push((watch, flags)),
                Err(_) => {}
            }
        }
        Ok(found)
    }

    /// Tells libvirt what happened, if it still watches.
    fn tell(&self, number: c_int, happened: epoll::EventFlags) {
        let (fd, events, callback, opaque) = {
            let known = self.lock();
            let Some(watch) = known.watches.get(&number).filter(|watch| watch.events != 0) else { return };
            (watch.fd, told(happened, watch.events), watch.callback, watch.opaque)
        };
        if let (Some(callback), true) = (callback, events != 0) {
            // SAFETY: libvirt gave both together. What it hands over lives until `gone` is emptied, on this thread.
            unsafe { callback(number, fd, events, opaque.0) };
        }
    }

    /// Rings the timers that are due.
    fn ring(&self) {
        let now = Instant::now();
        let is_due = |timer: &Timer| timer.due.is_some_and(|due| due <= now);
        let due: Vec<c_int> =
            self.lock().timers.iter().filter(|(_, timer)| is_due(timer)).map(|(number, _)| *number).collect();
        for number in due {
            let (callback, opaque) = {
                let mut known = self.lock();
                // Another one may have changed it.
                let Some(timer) = known.timers.get_mut(&number).filter(|timer| is_due(timer)) else { continue };
                timer.due = Some(now + timer.every);
                (timer.callback, timer.opaque)
            };
            if let Some(callback) = callback {
                // SAFETY: as for `tell`.
                unsafe { callback(number, opaque.0) };
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        if let Err(error) = rustix::io::write(&self.bell, &1_u64.to_ne_bytes()) {
            tracing::warn!(%error, "libvirt's event loop cannot be woken");
        }
    }

    fn watch(
        &self,
        fd: c_int,
        events: c_int,
        callback: sys::virEventHandleCallback,
        opaque: Opaque,
        free: sys::virFreeCallback,
    ) -> io::Result<c_int> {
        // SAFETY: libvirt's file is open while it asks to have it watched.
        let own = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()?;
        let mut known = self.lock();
        let number = known.next();
        if events != 0 {
            epoll::add(&self.epoll, &own, data(number), wanted(events))?;
        }
        known.watches.insert(number, Watch { fd, own, events, callback, opaque, free });
        Ok(number)
    }

    fn change(&self, number: c_int, events: c_int) -> io::Result<()> {
        let mut known = self.lock();
        let Some(watch) = known.watches.get_mut(&number) else { return Ok(()) };
        let before = std::mem::replace(&mut watch.events, events);
        // What nobody wants to hear of would be told all the same, if it is that the other side has hung up.
        match (before, events) {
            (before, events) if before == events => {}
            (0, _) => epoll::add(&self.epoll, &watch.own, data(number), wanted(events))?,
            (_, 0) => epoll::delete(&self.epoll, &watch.own)?,
            _ => epoll::modify(&self.epoll, &watch.own, data(number), wanted(events))?,
        }
        Ok(())
    }

    fn forget(&self, number: c_int) -> bool {
        let mut known = self.lock();
        let Some(watch) = known.watches.remove(&number) else { return false };
        // epoll forgets a file of which nobody else has a copy; this one libvirt may still have.
        if watch.events != 0
            && let Err(error) = epoll::delete(&self.epoll, &watch.own)
        {
            tracing::warn!(%error, "libvirt's connection is still watched");
        }
        known.gone.push((watch.free, watch.opaque));
        drop(known);
        self.wake();
        true
    }

    /// Sets a timer, or switches it off with a negative number.
    fn set(&self, number: c_int, timeout: c_int) {
        let mut known = self.lock();
        let wakes = known.wakes;
        let Some(timer) = known.timers.get_mut(&number) else { return };
        timer.every = Duration::from_millis(timeout.try_into().unwrap_or_default());
        timer.due = (timeout >= 0).then(|| Instant::now() + timer.every);
        let is_sooner = timer.due.is_some_and(|due| wakes.is_none_or(|wakes| due < wakes));
        drop(known);
        if is_sooner {
            self.wake();
        }
    }
}

impl Known {
    fn next(&mut self) -> c_int {
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.last
    }
}

fn data(number: c_int) -> epoll::EventData {
    epoll::EventData::new_u64(u64::try_from(number).unwrap_or_default())
}

/// libvirt's events and epoll's.
const EVENTS: [(c_uint, epoll::EventFlags); 4] = [
    (sys::VIR_EVENT_HANDLE_READABLE, epoll::EventFlags::IN),
    (sys::VIR_EVENT_HANDLE_WRITABLE, epoll::EventFlags::OUT),
    (sys::VIR_EVENT_HANDLE_ERROR, epoll::EventFlags::ERR),
    (sys::VIR_EVENT_HANDLE_HANGUP, epoll::EventFlags::HUP),
];

fn wanted(events: c_int) -> epoll::EventFlags {
    let wanted = EVENTS.iter().filter(|(own, _)| events.cast_unsigned() & own != 0);
    wanted.fold(epoll::EventFlags::empty(), |all, (_, flag)| all | *flag)
}

/// What happened in libvirt's words. That the other side is gone is told whoever wants to hear of anything.
fn told(happened: epoll::EventFlags, events: c_int) -> c_int {
    let always = sys::VIR_EVENT_HANDLE_ERROR | sys::VIR_EVENT_HANDLE_HANGUP;
    let found = EVENTS.iter().filter(|(_, flag)| happened.contains(*flag)).fold(0, |all, (own, _)| all | own);
    (found & (events.cast_unsigned() | always)).cast_signed()
}

/// What libvirt calls, on whatever thread.
fn with<T>(otherwise: T, call: impl FnOnce(&Loop) -> T) -> T {
    LOOP.get().map_or(otherwise, call)
}

unsafe extern "C" fn add_handle(
    fd: c_int,
    events: c_int,
    callback: sys::virEventHandleCallback,
    opaque: *mut c_void,
    free: sys::virFreeCallback,
) -> c_int {
    with(-1, |own| {
        own.watch(fd, events, callback, Opaque(opaque), free).unwrap_or_else(|error| {
            tracing::warn!(%error, "libvirt's connection cannot be watched");
            -1
        })
    })
}

unsafe extern "C" fn update_handle(watch: c_int, events: c_int) {
    with((), |own| {
        if let Err(error) = own.change(watch, events) {
            tracing::warn!(%error, "libvirt's connection cannot be watched");
        }
    });
}

unsafe extern "C" fn remove_handle(watch: c_int) -> c_int {
    with(-1, |own| if own.forget(watch) { 0 } else { -1 })
}

unsafe extern "C" fn add_timeout(
    timeout: c_int,
    callback: sys::virEventTimeoutCallback,
    opaque: *mut c_void,
    free: sys::virFreeCallback,
) -> c_int {
    with(-1, |own| {
        let mut known = own.lock();
        let number = known.next();
        let timer = Timer { due: None, every: Duration::ZERO, callback, opaque: Opaque(opaque), free };
        known.timers.insert(number, timer);
        drop(known);
        own.set(number, timeout);
        number
    })
}

unsafe extern "C" fn update_timeout(timer: c_int, timeout: c_int) {
    with((), |own| own.set(timer, timeout));
}

unsafe extern "C" fn remove_timeout(timer: c_int) -> c_int {
    with(-1, |own| {
        let mut known = own.lock();
        let Some(timer) = known.timers.remove(&timer) else { return -1 };
        known.gone.push((timer.free, timer.opaque));
        drop(known);
        own.wake();
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write, pipe};
    use std::os::fd::AsRawFd;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const PATIENCE: Duration = Duration::from_secs(10);

    /// What a callback heard: its number, and the events, none for a timer; nothing at all when it was given back.
    type Heard = Option<(c_int, c_int)>;

    unsafe extern "C" fn happened(watch: c_int, _: c_int, events: c_int, opaque: *mut c_void) {
        // SAFETY: the tests give a box of this type, which lives until `given_back`.
        unsafe { &*opaque.cast::<Sender<Heard>>() }.send(Some((watch, events))).expect("the test listens");
    }

    unsafe extern "C" fn rang(timer: c_int, opaque: *mut c_void) {
        // SAFETY: as above.
        unsafe { &*opaque.cast::<Sender<Heard>>() }.send(Some((timer, 0))).expect("the test listens");
    }

    unsafe extern "C" fn given_back(opaque: *mut c_void) {
        // SAFETY: it comes back once.
        unsafe { Box::from_raw(opaque.cast::<Sender<Heard>>()) }.send(None).expect("the test listens");
    }

    fn ears() -> (*mut c_void, Receiver<Heard>) {
        start_event_loop().expect("the loop runs");
        let (sender, receiver) = channel::<Heard>();
        (Box::into_raw(Box::new(sender)).cast(), receiver)
    }

    /// Hears what it is told until it is given back.
    fn rest(receiver: &Receiver<Heard>) -> Vec<(c_int, c_int)> {
        std::iter::from_fn(|| receiver.recv_timeout(PATIENCE).expect("it is given back")).collect()
    }

    #[test]
    fn a_file_is_told_of_only_while_somebody_wants_to_hear() {
        let (opaque, heard) = ears();
        let (mut reader, mut writer) = pipe().expect("a pipe");
        let readable = sys::VIR_EVENT_HANDLE_READABLE.cast_signed();
        // SAFETY: the pipe is open, and the callbacks fit what they are given.
        let watch = unsafe { add_handle(reader.as_raw_fd(), 0, Some(happened), opaque, Some(given_back)) };
        writer.write_all(b"a").expect("written");
        assert!(heard.recv_timeout(Duration::from_millis(50)).is_err(), "nobody wants to hear");
        // SAFETY: the watch is there.
        unsafe { update_handle(watch, readable) };
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(Some((watch, readable))));
        // SAFETY: as above.
        unsafe { update_handle(watch, 0) };
        reader.read_exact(&mut [0; 1]).expect("a byte");
        drop(writer);
        while heard.recv_timeout(Duration::from_millis(50)).is_ok() {}
        let hangup = sys::VIR_EVENT_HANDLE_HANGUP.cast_signed();
        // SAFETY: as above.
        unsafe { update_handle(watch, readable) };
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(Some((watch, hangup))), "it is told without being asked for");
        // SAFETY: as above.
        assert_eq!(unsafe { remove_handle(watch) }, 0);
        rest(&heard);
        // SAFETY: libvirt's numbers may be of anything.
        assert_eq!(unsafe { remove_handle(watch) }, -1);
    }

    #[test]
    fn a_timer_rings_again_and_again_until_it_is_switched_off() {
        let (opaque, heard) = ears();
        // SAFETY: the callbacks fit what they are given.
        let timer = unsafe { add_timeout(-1, Some(rang), opaque, Some(given_back)) };
        assert!(heard.recv_timeout(Duration::from_millis(30)).is_err(), "it is off");
        let begin = Instant::now();
        // SAFETY: the timer is there.
        unsafe { update_timeout(timer, 20) };
        for _ in 0..3 {
            assert_eq!(heard.recv_timeout(PATIENCE), Ok(Some((timer, 0))));
        }
        assert!(begin.elapsed() >= Duration::from_millis(60), "{:?}", begin.elapsed());
        // SAFETY: as above. What sleeps for an hour is woken for what is due before.
        unsafe { update_timeout(timer, 3_600_000) };
        while heard.recv_timeout(Duration::from_millis(50)).is_ok() {}
        // SAFETY: as above.
        unsafe { update_timeout(timer, 0) };
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(Some((timer, 0))));
        // SAFETY: as above.
        assert_eq!(unsafe { remove_timeout(timer) }, 0);
        assert!(rest(&heard).iter().all(|one| *one == (timer, 0)));
    }
}
