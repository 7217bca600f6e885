//! Trying again where a failure is transient: libvirt is busy, the agent is not ready, a connection was reset.

use super::Host;
use crate::floor::{Code, Error, Result, clock};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A pool's scan after an upload is over in milliseconds: for so long it is looked at before attempts count.
const SCAN: Duration = Duration::from_secs(1);
const SCAN_PAUSE: Duration = Duration::from_millis(50);

/// How often, when and after which failures something is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// How often at most.
    pub attempts: u32,
    /// The pause before each attempt; the last one counts for all that follow.
    pub pauses: Vec<Duration>,
    /// By which part of itself a pause may vary, from 0 to 1.
    pub jitter: f64,
    /// Which failures are transient.
    pub on: Vec<Code>,
    /// The pause after something that libvirt finishes by itself later.
    pub settle: Duration,
    /// The same for pools of one type.
    pub settle_by_type: BTreeMap<String, Duration>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            pauses: [0, 2, 3, 4, 5].map(Duration::from_secs).into(),
            jitter: 0.0,
            on: vec![Code::AgentUnavailable, Code::Busy, Code::NoConnection],
            settle: Duration::ZERO,
            settle_by_type: BTreeMap::new(),
        }
    }
}

impl RetryPolicy {
    /// Calls until it succeeds or fails for good; `tell` gives the code and the words of a failure. The final failure comes
    /// with a note about each attempt, if there were several.
    pub fn run<T, E>(
        &self,
        mut call: impl FnMut() -> Result<T, E>,
        tell: impl Fn(&E) -> (Code, String),
    ) -> Result<T, (E, Vec<String>)> {
        let started = clock::now();
        let (mut notes, mut last) = (Vec::new(), String::new());
        for attempt in 1.. {
            let error = match call() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let (code, words) = tell(&error);
            if attempt > 1 || (attempt < self.attempts && self.on.contains(&code)) {
                let since = clock::now().saturating_sub(started).as_secs_f64();
                let told = if words == last { "the same" } else { words.as_str() };
                notes.push(format!("attempt {attempt} after {since:.1} s: {told}"));
                last.clone_from(&words);
            }
            if attempt >= self.attempts || !self.on.contains(&code) {
                return Err((error, notes));
            }
            let pause = self.pause(attempt);
            tracing::info!(attempt, pause = pause.as_secs_f64(), error = words, "transient failure, trying again");
            if clock::sleep(pause).is_err() {
                return Err((error, notes));
            }
        }
        unreachable!("attempts are limited")
    }

    /// The pause after so many attempts.
    fn pause(&self, attempts: u32) -> Duration {
        let index = usize::try_from(attempts).unwrap_or(usize::MAX);
        let pause = self.pauses.get(index).or(self.pauses.last()).copied().unwrap_or_default();
        // A number between -1 and 1 that differs from process to process and from attempt to attempt.
        let chance = f64::from(u32::try_from(RandomState::new().hash_one(attempts) >> 32).unwrap_or_default())
            / f64::from(u32::MAX)
            * 2.0
            - 1.0;
        pause.mul_f64((1.0 + self.jitter * chance).max(0.0))
    }
}

/// Calls until the answer is not "busy", as the host's policy says.
pub(super) fn while_busy<T>(host: &Host, mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let policy = RetryPolicy { on: vec![Code::Busy], ..host.retry() };
    let scanned = clock::now() + SCAN;
    let patient = || loop {
        match call() {
            Err(error) if error.code == Code::Busy && clock::now() < scanned => clock::sleep(SCAN_PAUSE)?,
            done => return done,
        }
    };
    let done = policy.run(patient, |error| (error.code, error.to_string()));
    done.map_err(|(error, notes)| notes.into_iter().fold(error, Error::note))
}

/// Calls what may safely be done twice until libvirt is not busy and the connection stands, as the host's policy says.
pub(super) fn repeatedly<T>(host: &Host, mut call: impl FnMut() -> Result<T>) -> Result<T> {
    despite_loss(host, "a change", || while_busy(host, &mut call), || Ok(None))
}

/// Asks what changes nothing, and asks again over a new connection if that is lost meanwhile.
pub(super) fn ask<T>(host: &Host, call: impl Fn() -> Result<T>) -> Result<T> {
    match call() {
        Err(error) if error.code == Code::NoConnection => {
            drop(host.link().get());
            if host.is_alive() { call() } else { Err(error) }
        }
        answer => answer,
    }
}

/// Calls; if the connection is lost meanwhile, looks over a new one whether it was done after all. If it was not, it is
/// called once more.
pub(super) fn despite_loss<T>(
    host: &Host,
    what: &str,
    mut call: impl FnMut() -> Result<T>,
    look: impl FnOnce() -> Result<Option<T>>,
) -> Result<T> {
    let lost = match call() {
        Err(error) if error.code == Code::NoConnection => error,
        done => return done,
    };
    drop(host.link().get());
    if !host.is_alive() {
        return Err(lost);
    }
    match look() {
        Ok(Some(done)) => {
            tracing::warn!("{what}: it was done although the connection was lost");
            Ok(done)
        }
        Ok(None) => {
            tracing::warn!("{what}: it was not done when the connection was lost, and is done again");
            call()
        }
        Err(error) => Err(lost.note(format!("whether it was done is not known: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::Area;

    fn fails(code: Code) -> Result<()> {
        Err(Error::new(code, Area::Domain, "no"))
    }

    #[test]
    fn transient_failures_are_tried_again_and_all_attempts_are_named() {
        let policy = RetryPolicy { attempts: 3, pauses: vec![Duration::from_millis(1)], ..RetryPolicy::default() };
        let tell = |error: &Error| (error.code, error.to_string());
        let mut calls = 0;
        let count = |calls: &mut u32, code| {
            *calls += 1;
            fails(code)
        };
        let (error, notes) = policy.run(|| count(&mut calls, Code::Busy), tell).expect_err("busy");
        assert_eq!((error.code, calls, notes.len()), (Code::Busy, 3, 3));
        assert!(notes[1].ends_with(": the same"), "{notes:?}");
        calls = 0;
        let (_, notes) = policy.run(|| count(&mut calls, Code::NotFound), tell).expect_err("final");
        assert_eq!((calls, notes.len()), (1, 0));
        assert_eq!(RetryPolicy::default().pause(1), Duration::from_secs(2));
        assert_eq!(RetryPolicy::default().pause(9), Duration::from_secs(5));
    }
}
