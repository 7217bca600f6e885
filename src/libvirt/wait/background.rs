//! Questions that may take long, asked on a thread of their own.

use crate::floor::{clock::Task, interrupt};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

/// At most one question that is being asked.
pub(super) struct Background<T>(Option<Receiver<T>>);

impl<T> Default for Background<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Send + 'static> Background<T> {
    /// Whether a question is being asked.
    pub(super) fn is_busy(&self) -> bool {
        self.0.is_some()
    }

    /// Asks; the waits look again when the answer is there.
    pub(super) fn ask(&mut self, name: &str, question: impl FnOnce() -> T + Send + 'static) {
        let (sender, receiver) = mpsc::channel();
        let task = Task::begin();
        let thread = thread::Builder::new().name(name.to_string()).spawn(move || {
            // Nobody may be waiting for the answer any more.
            drop(sender.send(question()));
            drop(task);
            interrupt::wake();
        });
        self.0 = thread.is_ok().then_some(receiver);
    }

    /// The answer, once.
    pub(super) fn take(&mut self) -> Option<T> {
        match self.0.as_ref()?.try_recv() {
            Err(TryRecvError::Empty) => None,
            answer => {
                self.0 = None;
                answer.ok()
            }
        }
    }
}
