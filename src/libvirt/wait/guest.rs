//! Waiting for a guest's state and its agent; and noticing that a guest will never answer.

use super::agent::AgentProbe;
use super::poll::{Part, Poll};
use super::{Look, Tick, TimedOut, autopsy};
use crate::floor::{Area, Code, Error, Map, Result, did_you_mean};
use crate::libvirt::wiring::{Channel, Wiring};
use crate::libvirt::{Domain, State};

/// A domain that is waited for.
pub(super) struct Guest {
    pub(super) domain: Domain,
    pub(super) uuid: String,
    _part: Part,
}

impl Guest {
    pub(super) fn new(domain: &Domain) -> Result<Self> {
        let part = Poll::enter(domain.host())?;
        Ok(Self { domain: domain.clone(), uuid: domain.uuid()?, _part: part })
    }

    pub(super) fn state(&self, tick: Tick) -> Result<Option<State>> {
        let host = self.domain.host();
        host.link().open()?;
        // A look never waits for a host that went away; the wait as a whole does.
        if !host.link().try_again() {
            let message = format!("the connection to `{}` was lost", host.uri());
            return Err(Error::new(Code::NoConnection, Area::Connection, message).about(self.domain.object().plain()));
        }
        self.domain.host().poll().state(&self.domain, &self.uuid, tick)
    }

    /// Fails if the guest will never answer.
    pub(super) fn alive(&self, tick: Tick, waited_for: &str) -> Result<()> {
        let stopped = |how: &str| {
            let message = format!("{} {how} while its {waited_for} was waited for", self.domain.object());
            Error::new(Code::GuestStopped, Area::Domain, message).about(self.domain.object().plain())
        };
        match self.state(tick)? {
            Some(state) if state.is_over() || state.is_stuck() => {
                let mut error = stopped(&format!("is {state}"));
                error.facts.insert("state".to_string(), state.word().into());
                error.facts.insert("reason".to_string(), state.reason().into());
                if state.is_stuck() && state.reason() == "I/O error" {
                    error = error.hint(format!(
                        "free space for its disk, then `{}.resume()`",
                        self.domain.object().expression()
                    ));
                }
                Err(autopsy::with_log(error, &self.domain))
            }
            Some(_) => Ok(()),
            None => Err(stopped("is gone")),
        }
    }
}

/// The guest agent answers.
pub(super) struct AgentUp {
    domain: Domain,
    started: Option<(Guest, AgentProbe)>,
    said: String,
}

impl AgentUp {
    pub(super) fn new(domain: &Domain) -> Self {
        Self { domain: domain.clone(), started: None, said: String::new() }
    }
}

impl Look for AgentUp {
    fn what(&self) -> String {
        format!("agent of {}", self.domain.object())
    }

    fn word(&self) -> &'static str {
        "agent"
    }

    fn begin(&mut self) -> Result<()> {
        let guest = Guest::new(&self.domain)?;
        let wiring = Wiring::read(&self.domain.xml()?)?;
        self.started = Some((guest, AgentProbe::new(wiring.agent)));
        Ok(())
    }

    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        let Some((guest, probe)) = &mut self.started else { return Ok(None) };
        guest.alive(tick, "agent")?;
        let answer = probe.poll(&guest.domain, &guest.uuid, tick);
        self.said = match probe.channel() {
            Channel::Absent => "no agent channel".to_string(),
            Channel::Disconnected => "agent: not connected".to_string(),
            Channel::Connected | Channel::Unknown => "agent: connected, no answer".to_string(),
        };
        match answer {
            Some(Ok(_)) => {
                Ok(Some(fields([("object", self.domain.object().plain().into()), ("source", "agent".into())])))
            }
            Some(Err(error)) if error.code == Code::NoConnection => Err(error),
            // It will not grow a channel while it runs.
            Some(Err(error)) if probe.channel() == Channel::Absent => Err(error),
            Some(Err(error)) => {
                self.said = format!("agent: {}", error.cause.clone().unwrap_or_else(|| error.message.clone()));
                Ok(None)
            }
            None => Ok(None),
        }
    }

    fn said(&self) -> String {
        self.said.clone()
    }

    fn timed_out(&self, how: TimedOut) -> Error {
        let message = format!("the agent of {} did not answer within {:?}", self.domain.object(), how.limit);
        let error = Error::new(Code::Timeout, Area::Domain, message)
            .about(self.domain.object().plain())
            .note(self.said.clone());
        autopsy::explain(error, &self.domain, None, how)
    }
}

const WORDS: &[&str] =
    &["running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended", "no state", "gone"];

/// The domain is in a state.
pub(super) struct InState {
    domain: Domain,
    wanted: String,
    guest: Option<Guest>,
    said: String,
}

impl InState {
    pub(super) fn new(domain: &Domain, word: &str) -> Result<Self> {
        if !WORDS.contains(&word) {
            let hint =
                did_you_mean(word, WORDS.iter().copied()).unwrap_or_else(|| format!("states are {}", WORDS.join(", ")));
            return Err(Error::argument(format!("there is no state `{word}`")).hint(hint));
        }
        Ok(Self { domain: domain.clone(), wanted: word.to_string(), guest: None, said: String::new() })
    }
}

impl Look for InState {
    fn what(&self) -> String {
        format!("state `{}` of {}", self.wanted, self.domain.object())
    }

    fn word(&self) -> &'static str {
        "state"
    }

    fn begin(&mut self) -> Result<()> {
        self.guest = Some(Guest::new(&self.domain)?);
        Ok(())
    }

    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        let Some(guest) = &self.guest else { return Ok(None) };
        let state = guest.state(tick)?;
        let word = state.map_or("gone", State::word);
        self.said = state.map_or("gone".to_string(), |state| state.to_string());
        if word == self.wanted {
            let reason = state.map_or("", State::reason);
            let object = self.domain.object().plain();
            return Ok(Some(fields([("object", object.into()), ("state", word.into()), ("reason", reason.into())])));
        }
        if word == "gone" {
            let message = format!("{} is gone while it was waited to be {}", self.domain.object(), self.wanted);
            return Err(Error::new(Code::GuestStopped, Area::Domain, message).about(self.domain.object().plain()));
        }
        Ok(None)
    }

    fn said(&self) -> String {
        self.said.clone()
    }

    fn timed_out(&self, how: TimedOut) -> Error {
        let message = format!("{} is not {} after {:?}", self.domain.object(), self.wanted, how.limit);
        Error::new(Code::Timeout, Area::Domain, message)
            .about(self.domain.object().plain())
            .note(format!("state: {}", self.said))
    }
}

/// Fields of a result.
pub(super) fn fields<const N: usize>(fields: [(&str, crate::floor::Value); N]) -> Map {
    fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}
