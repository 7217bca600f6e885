//! The time that waits and pauses go by: the machine's, or one that runs ahead as soon as nobody has anything to do.

use super::{Result, interrupt};
use std::cell::Cell;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Tells the time and lets it pass.
pub trait Clock: Sync {
    /// The time since some fixed moment.
    fn now(&self) -> Duration;

    /// Sleeps for this long, or less if something may have changed; fails as soon as somebody asks to stop.
    fn pause(&self, time: Duration) -> Result<()>;

    /// Something begins that takes no time on this clock, but some on the machine's.
    fn begin(&self) {}

    /// It is over.
    fn end(&self) {}
}

static CLOCK: OnceLock<Box<dyn Clock + Send>> = OnceLock::new();
thread_local! {
    /// Whether a [`Task`] stands for this thread.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// Sets the clock of this process. Only the first call counts.
pub fn set(clock: Box<dyn Clock + Send>) {
    drop(CLOCK.set(clock));
}

/// The clock of this process.
pub fn current() -> &'static dyn Clock {
    CLOCK.get().map_or(&RealClock, |clock| clock.as_ref() as &dyn Clock)
}

/// The time since some fixed moment.
pub fn now() -> Duration {
    current().now()
}

/// The time of day in seconds since 1970: the machine's, or that at which the clock was first asked, and as much later as it says.
pub fn time_of_day() -> i64 {
    static BEGIN: LazyLock<(SystemTime, Duration)> = LazyLock::new(|| (SystemTime::now(), now()));
    let time = if CLOCK.get().is_some() { BEGIN.0 + now().saturating_sub(BEGIN.1) } else { SystemTime::now() };
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Sleeps for this long, or less if something may have changed; fails as soon as somebody asks to stop.
pub fn pause(time: Duration) -> Result<()> {
    current().pause(time)
}

/// Sleeps for this long; fails as soon as somebody asks to stop.
pub fn sleep(time: Duration) -> Result<()> {
    let end = now() + time;
    while now() < end {
        pause(end.saturating_sub(now()))?;
    }
    interrupt::check()
}

/// What comes through a channel, waited for at most this long.
pub fn receive<T>(from: &Receiver<T>, time: Duration) -> Result<T, RecvTimeoutError> {
    let Some(clock) = CLOCK.get() else { return from.recv_timeout(time) };
    if let Ok(found) = from.try_recv() {
        return Ok(found);
    }
    // Whoever asks sees by itself that somebody asked to stop.
    drop(clock.pause(time));
    from.try_recv().map_err(|_| RecvTimeoutError::Timeout)
}

/// Does what waits for other threads that sleep by this clock.
pub fn aside<T>(body: impl FnOnce() -> T) -> T {
    if !COUNTED.get() {
        return body();
    }
    current().end();
    COUNTED.set(false);
    let done = body();
    COUNTED.set(true);
    current().begin();
    done
}

/// Work that is done on another thread: a clock that runs ahead waits for it.
#[derive(Debug)]
pub struct Task(());

impl Task {
    /// Begins; it is over when this is dropped.
    #[must_use]
    pub fn begin() -> Self {
        current().begin();
        Self(())
    }

    /// Does it on this thread: while the thread sleeps, nobody waits for it.
    pub fn run<T>(self, body: impl FnOnce() -> T) -> T {
        let before = COUNTED.replace(true);
        let done = body();
        COUNTED.set(before);
        done
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        current().end();
    }
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

/// For so long a thread may work before the time goes on without it: it may itself wait for one that sleeps.
const GRACE: Duration = Duration::from_secs(1);

/// A time that stands still while somebody works, and goes to the next moment at which somebody wakes when all sleep.
#[derive(Debug)]
pub struct VirtualClock {
    /// Waits until what has happened by now is known.
    settle: fn(),
    inner: Mutex<Inner>,
    turned: Condvar,
}

#[derive(Debug)]
struct Inner {
    now: Duration,
    /// How many work.
    busy: usize,
    /// When each of the sleepers wakes.
    wakes: Vec<Duration>,
}

impl VirtualClock {
    /// A clock at its beginning, for the thread that makes it. Before the time goes on, `settle` waits until what has
    /// happened by now is known.
    pub fn new(settle: fn()) -> Self {
        COUNTED.set(true);
        Self {
            settle,
            inner: Mutex::new(Inner { now: Duration::ZERO, busy: 1, wakes: Vec::new() }),
            turned: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes to the next moment at which somebody wakes.
    fn turn(&self, inner: &mut Inner) {
        if let Some(next) = inner.wakes.iter().min() {
            inner.now = inner.now.max(*next);
            self.turned.notify_all();
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        self.lock().now
    }

    fn pause(&self, time: Duration) -> Result<()> {
        interrupt::check()?;
        (self.settle)();
        let counted = COUNTED.get();
        let mut inner = self.lock();
        let wake = inner.now + time;
        inner.wakes.push(wake);
        inner.busy -= usize::from(counted);
        let woken = loop {
            if inner.busy == 0 {
                self.turn(&mut inner);
            }
            if inner.now >= wake {
                break Ok(());
            }
            let (guard, waited) = self.turned.wait_timeout(inner, GRACE).unwrap_or_else(PoisonError::into_inner);
            inner = guard;
            if let Err(error) = interrupt::check() {
                break Err(error);
            }
            if waited.timed_out() {
                self.turn(&mut inner);
            }
        };
        if let Some(index) = inner.wakes.iter().position(|one| *one == wake) {
            inner.wakes.swap_remove(index);
        }
        inner.busy += usize::from(counted);
        woken
    }

    fn begin(&self) {
        self.lock().busy += 1;
    }

    fn end(&self) {
        let mut inner = self.lock();
        inner.busy -= 1;
        if inner.busy == 0 {
            self.turn(&mut inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn an_hour_passes_at_once() {
        let (clock, started) = (VirtualClock::new(|| ()), Instant::now());
        for _ in 0..60 {
            clock.pause(Duration::from_secs(60)).expect("nobody asks to stop");
        }
        assert_eq!(clock.now(), Duration::from_secs(3600));
        assert!(started.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn those_who_sleep_at_once_wake_in_the_order_of_time() {
        let (clock, woken, ready) = (VirtualClock::new(|| ()), Mutex::new(Vec::new()), Barrier::new(3));
        std::thread::scope(|scope| {
            for seconds in [30, 10, 20] {
                clock.begin();
                let (clock, woken, ready) = (&clock, &woken, &ready);
                scope.spawn(move || {
                    COUNTED.set(true);
                    ready.wait();
                    clock.pause(Duration::from_secs(seconds)).expect("nobody asks to stop");
                    woken.lock().expect("not poisoned").push((seconds, clock.now().as_secs()));
                    clock.end();
                });
            }
            clock.end();
        });
        assert_eq!(woken.into_inner().expect("not poisoned"), [(10, 10), (20, 20), (30, 30)]);
    }
}
