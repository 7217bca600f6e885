//! A connection that comes back: what was lost is made anew, and what hung on it is looked up again.

use super::cause::connect_error;
use super::events::{Event, Hub, Raw};
use super::ffi;
use super::ssh::Way;
use crate::floor::{Area, Code, Error, Result, interrupt, libvirts_host};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};
use virt::connect::Connect;
use virt::error::Error as VirtError;

/// How long a host that went away may take to come back.
pub(super) const COME_BACK: Duration = Duration::from_secs(30);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// How long one try may take: a daemon that hangs accepts a connection and never answers.
const TRY: Duration = Duration::from_secs(10);

/// How long the first one may take: a daemon may have to look at its QEMU first, elsewhere somebody may be asked for a password.
pub(super) fn first(uri: Option<&str>) -> Duration {
    Duration::from_secs(if uri.is_some_and(|uri| !uri.contains(":///")) { 600 } else { 60 })
}

/// How a connection is opened.
pub(super) type Open = fn(Option<&str>) -> Result<Connect, VirtError>;

/// A connection with all that it takes to make it anew.
#[derive(Debug)]
pub(super) struct Link {
    uri: String,
    open: Open,
    hub: Hub,
    current: Mutex<Current>,
    /// Held by the one who makes the connection anew.
    lost: Mutex<Option<Lost>>,
}

/// Since when a connection is lost, and when the next try is due.
#[derive(Debug, Clone, Copy)]
struct Lost {
    since: Instant,
    next: Instant,
}

/// A connection and how many there were before it.
#[derive(Debug, Clone)]
struct Current {
    /// Nothing while it is closed.
    connect: Option<Connect>,
    number: u64,
}

impl Link {
    pub(super) fn new(connect: Connect, uri: String, open: Open, hub: Hub) -> Self {
        watch(&connect, &uri, &hub);
        Self {
            uri,
            open,
            hub,
            current: Mutex::new(Current { connect: Some(connect), number: 0 }),
            lost: Mutex::default(),
        }
    }

    /// The connection and its number. A host that went away is given the time to come back; if it does not, or if
    /// somebody asks to stop, this is the connection that was lost, whose calls say so. An error if it was closed.
    pub(super) fn get(&self) -> Result<(Connect, u64)> {
        loop {
            let (connect, number) = self.open()?;
            if alive(&connect) {
                return Ok((connect, number));
            }
            // Whoever is patient waits for the one who is at it.
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            if self.again(&mut lost) {
                continue;
            }
            let over = lost.is_some_and(|lost| lost.since.elapsed() >= COME_BACK);
            drop(lost);
            if over || interrupt::pause(PAUSE).is_err() {
                return Ok((connect, number));
            }
        }
    }

    /// The connection and its number, be it lost; an error if it was closed.
    pub(super) fn open(&self) -> Result<(Connect, u64)> {
        let current = self.current();
        let closed = || {
            Error::new(Code::InvalidState, Area::Connection, format!("the connection to `{}` was closed", self.uri))
                .about(format!("host {}", self.uri))
                .hint("`host.reconnect()` opens it again, for all that was had from it too")
        };
        current.connect.map(|connect| (connect, current.number)).ok_or_else(closed)
    }

    /// Gives the connection up. Subscriptions stay, and hear nothing until it is made anew.
    pub(super) fn close(&self) {
        if let Some(connect) = self.lock().connect.take() {
            self.hub.pause(&connect);
            ffi::off_close(&connect);
        }
    }

    /// Makes the connection anew, whatever became of the one before.
    pub(super) fn reconnect(&self) -> Result<()> {
        // Nobody else is at it meanwhile.
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let connect = connect(Some(&self.uri), self.open, TRY)?;
        self.replace(connect);
        *lost = None;
        Ok(())
    }

    /// The number of the connection: how many there were before it.
    pub(super) fn number(&self) -> u64 {
        self.current().number
    }

    /// Whether the connection stands.
    pub(super) fn is_alive(&self) -> bool {
        self.current().connect.is_some_and(|connect| alive(&connect))
    }

    /// Tries once to make a lost connection anew, unless somebody is at it.
    pub(super) fn try_again(&self) -> bool {
        if self.is_alive() {
            return true;
        }
        match self.lost.try_lock() {
            Ok(mut lost) => self.again(&mut lost),
            Err(TryLockError::Poisoned(lost)) => self.again(&mut lost.into_inner()),
            Err(TryLockError::WouldBlock) => false,
        }
    }

    fn again(&self, lost: &mut Option<Lost>) -> bool {
        // One that was closed does not come back by itself.
        let Some(old) = self.current().connect else { return false };
        if alive(&old) {
            return true;
        }
        let begun = lost.get_or_insert_with(|| {
            tracing::warn!(uri = self.uri, "the connection was lost: waiting for the host to come back");
            Lost { since: Instant::now(), next: Instant::now() }
        });
        if Instant::now() < begun.next {
            return false;
        }
        let connect = match connect(Some(&self.uri), self.open, TRY) {
            Ok(connect) => connect,
            Err(error) => {
                tracing::info!(%error, "the host is not back");
                begun.next = Instant::now() + PAUSE;
                return false;
            }
        };
        self.replace(connect);
        *lost = None;
        tracing::warn!(uri = self.uri, "the host is back: going on over a new connection");
        true
    }

    fn replace(&self, connect: Connect) {
        watch(&connect, &self.uri, &self.hub);
        self.close();
        self.hub.resume(&connect);
        let mut current = self.lock();
        *current = Current { connect: Some(connect), number: current.number + 1 };
    }

    fn current(&self) -> Current {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

/// Something of libvirt's that hangs on a connection, and is looked up again on a new one.
#[derive(Debug, Clone)]
pub(super) struct Live<T>(Arc<Mutex<(u64, T)>>);

impl<T: Clone> Live<T> {
    pub(super) fn new(link: &Link, raw: T) -> Self {
        Self(Arc::new(Mutex::new((link.number(), raw))))
    }

    /// It, on the connection of now. What is not there any more stays what it was, and its calls fail. An error if the
    /// connection was closed.
    pub(super) fn get(&self, link: &Link, again: impl FnOnce(&Connect, &T) -> Result<T, VirtError>) -> Result<T> {
        let (connect, number) = link.get()?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != number {
            match again(&connect, &held.1) {
                Ok(raw) => *held = (number, raw),
                Err(error) => tracing::info!(libvirt = error.message(), "it is not on the host that came back"),
            }
        }
        Ok(held.1.clone())
    }
}

/// Whether a connection stands; a driver that cannot tell has nothing to lose.
fn alive(connect: &Connect) -> bool {
    connect.is_alive().unwrap_or(true)
}

/// Opens a connection, libvirt's own default without a URI.
pub(super) fn connect(uri: Option<&str>, open: Open, patience: Duration) -> Result<Connect> {
    match uri.and_then(Way::of) {
        Some(way) => way.connect(open, patience),
        None => open_in_time(uri, uri, open, patience),
    }
}

/// Opens a connection to what is called `uri`, libvirt's own default without one, by a `way` that may say more than that.
/// Waits until somebody asks to stop, or for so long.
pub(super) fn open_in_time(uri: Option<&str>, way: Option<&str>, open: Open, patience: Duration) -> Result<Connect> {
    const SLICE: Duration = Duration::from_millis(50);
    let (sender, receiver) = mpsc::channel();
    let way = way.map(str::to_string);
    let late = |why: &str| {
        let message = format!("cannot connect to `{}`: {why}", uri.unwrap_or("the default host"));
        Error::new(Code::NoConnection, Area::Connection, message)
    };
    let thread = thread::Builder::new().name("connect".to_string()).spawn(move || {
        // The test driver checks definitions in this process.
        if way.clone().or_else(libvirts_host).is_some_and(|way| way.starts_with("test:")) {
            ffi::load_schema_types();
        }
        // Nobody may be waiting any more.
        drop(sender.send(open(way.as_deref())));
    });
    thread.map_err(|error| late(&error.to_string()))?;
    let end = Instant::now() + patience;
    while Instant::now() < end {
        interrupt::check()?;
        match receiver.recv_timeout(SLICE) {
            Ok(opened) => return opened.map_err(|error| connect_error(uri, &error)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let seconds = patience.as_secs();
    Err(late(&format!("no answer for {seconds} s"))
        .hint("something accepts the connection and does not answer: the host's daemon may hang"))
}

/// Has libvirt notice a host that went away, and tell. Drivers without a wire have no use for it and refuse.
fn watch(connect: &Connect, uri: &str, hub: &Hub) {
    const INTERVAL: i32 = 5;
    const COUNT: u32 = 5;
    let (hub, uri) = (hub.clone(), uri.to_string());
    let sink = Box::new(move |raw: Raw| {
        hub.publish(&Event::closed(&uri, raw.numbers.first().copied().unwrap_or_default()));
    });
    for refused in [connect.set_keep_alive(INTERVAL, COUNT).map(drop), ffi::on_close(connect, sink)] {
        if let Err(error) = refused {
            tracing::debug!(libvirt = error.message(), "the connection is not watched");
        }
    }
}
