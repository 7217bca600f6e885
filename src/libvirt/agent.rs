//! Asking the guest agent without being kept by a guest that hangs.

use super::{Domain, Interface, Source};
use crate::floor::{Result, interrupt};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

/// The pause between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks the agent for addresses on a thread of its own, as a guest that hangs may keep the question for seconds.
pub(super) struct AgentProbe {
    asked: Option<Receiver<Result<Vec<Interface>>>>,
    next: Instant,
}

impl Default for AgentProbe {
    fn default() -> Self {
        Self { asked: None, next: Instant::now() }
    }
}

impl AgentProbe {
    /// The answer if there is a new one; asks again when it is time.
    pub(super) fn poll(&mut self, domain: &Domain) -> Option<Result<Vec<Interface>>> {
        if let Some(asked) = &self.asked {
            match asked.try_recv() {
                Err(TryRecvError::Empty) => return None,
                answer => {
                    self.asked = None;
                    self.next = Instant::now() + PAUSE;
                    return answer.ok();
                }
            }
        }
        if self.next <= Instant::now() {
            let (answer, asked) = mpsc::channel();
            let domain = domain.clone();
            let thread = thread::Builder::new().name("agent".to_string()).spawn(move || {
                // Nobody may be waiting for the answer any more.
                drop(answer.send(domain.ask(Source::Agent)));
                interrupt::wake();
            });
            self.asked = thread.is_ok().then_some(asked);
        }
        None
    }
}
