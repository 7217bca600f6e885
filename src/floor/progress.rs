//! Progress of long work as events; whoever has a terminal draws them.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What happens to a piece of long work.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// It begins; `total` counts bytes if it is known.
    Begin {
        /// What is done, such as `upload web.qcow2`.
        label: &'a str,
        /// How much there is to do.
        total: Option<u64>,
    },
    /// So much is done by now.
    At(u64),
    /// How much there is to do, where that was not known at the beginning.
    Total(Option<u64>),
    /// What is going on right now, such as `no lease yet, agent not connected`.
    Status(&'a str),
    /// It is over, well or not.
    End,
    /// A step went well.
    Done {
        /// What was done, such as `domain web: start`.
        step: &'a str,
        /// How long it took.
        took: Duration,
        /// How many bytes it moved.
        moved: u64,
    },
}

/// Draws events; the number tells pieces of work apart.
pub type Sink = Box<dyn Fn(u64, Event<'_>) + Send + Sync>;

static SINK: OnceLock<Sink> = OnceLock::new();
static NEXT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// How many bytes the last piece of work of this thread moved.
    static MOVED: Cell<u64> = const { Cell::new(0) };
}

/// Sets who draws. Only the first call counts.
pub fn set_sink(sink: Sink) {
    drop(SINK.set(sink));
}

fn send(id: u64, event: Event<'_>) {
    if let Some(sink) = SINK.get() {
        sink(id, event);
    }
}

/// Tells that a step went well, and how many bytes moved in it on this thread.
pub(super) fn done(step: &str, took: Duration) {
    send(NEXT.fetch_add(1, Ordering::Relaxed), Event::Done { step, took, moved: MOVED.take() });
}

/// A piece of long work; it is over when this is dropped.
#[derive(Debug)]
pub struct Progress {
    id: u64,
}

impl Progress {
    /// Begins a piece of work.
    pub fn begin(label: &str, total: Option<u64>) -> Self {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        MOVED.set(0);
        send(id, Event::Begin { label, total });
        Self { id }
    }

    /// Tells how much is done by now.
    pub fn at(&self, done: u64) {
        MOVED.set(done);
        send(self.id, Event::At(done));
    }

    /// Tells how much there is to do, where that was not known at the beginning.
    pub fn total(&self, total: Option<u64>) {
        send(self.id, Event::Total(total));
    }

    /// Tells what is going on right now.
    pub fn status(&self, text: &str) {
        send(self.id, Event::Status(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        send(self.id, Event::End);
    }
}
