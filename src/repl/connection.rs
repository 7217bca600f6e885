//! The host of the REPL: connected in the background, waited for only by a line that uses it.

use crate::api::Context;
use crate::floor::{Area, Code, Error, Result, interrupt, libvirts_host};
use rhai::Dynamic;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};

/// A connection that is there, on its way, or failed.
pub(super) struct Connection {
    context: Context,
    uri: Option<String>,
    state: State,
}

enum State {
    Connecting(Receiver<Result<Dynamic>>),
    Ready(Dynamic),
    Failed(Error),
}

impl Connection {
    /// Begins to connect.
    pub(super) fn open(context: Context, uri: Option<String>) -> Self {
        let state = State::Connecting(begin(context.clone(), uri.clone()));
        Self { context, uri, state }
    }

    /// How the host is called as long as it has not said so itself.
    pub(super) fn name(&self) -> String {
        self.uri.clone().or_else(libvirts_host).unwrap_or_else(|| "libvirt's default host".to_string())
    }

    /// What there is right now: the host, the failure, or nothing yet.
    pub(super) fn now(&mut self) -> Option<Result<Dynamic>> {
        if let State::Connecting(result) = &self.state {
            match result.try_recv() {
                Ok(result) => self.settle(result),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => self.settle(Err(lost())),
            }
        }
        match &self.state {
            State::Ready(host) => Some(Ok(host.clone())),
            State::Failed(error) => Some(Err(error.clone())),
            State::Connecting(_) => None,
        }
    }

    /// Waits for the host, at most until the deadline; tries anew after a failure. Ctrl-C ends the wait.
    pub(super) fn wait(&mut self, deadline: Option<Instant>) -> Result<Option<Dynamic>> {
        if matches!(self.state, State::Failed(_)) && deadline.is_none() {
            self.state = State::Connecting(begin(self.context.clone(), self.uri.clone()));
        }
        while let State::Connecting(result) = &self.state {
            interrupt::check()?;
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            match result.recv_timeout(left.min(Duration::from_millis(50))) {
                Ok(result) => self.settle(result),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.settle(Err(lost())),
            }
        }
        self.now().transpose()
    }

    fn settle(&mut self, result: Result<Dynamic>) {
        self.state = match result {
            Ok(host) => State::Ready(host),
            Err(error) => State::Failed(error),
        };
    }
}

fn begin(context: Context, uri: Option<String>) -> Receiver<Result<Dynamic>> {
    let (send, result) = channel();
    // Whoever waited may be gone by then: nobody misses the result.
    std::thread::spawn(move || drop(send.send(context.host(uri.as_deref()))));
    result
}

fn lost() -> Error {
    Error::new(Code::NoConnection, Area::Connection, "connecting ended without a result")
}
