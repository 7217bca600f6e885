//! Answers that all waits on a host share, so that fifty waits cost no more than one: the states of all domains in one
//! call, the leases of each network in one call, and a limit on questions that can only be asked domain by domain.

use super::Tick;
use crate::floor::{Code, Result};
use crate::libvirt::{Domain, EventKind, Events, Host, Lease, Network, State, ffi};
use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How old the states may become where events tell of each change.
const STATES_WITH_EVENTS: Duration = Duration::from_secs(1);
/// How old leases may become where dnsmasq's file tells of each change.
const LEASES_WITH_FILE: Duration = Duration::from_secs(1);
/// The time between two questions to single domains, of all waits together; after a silence some may come at once.
const QUESTION_PAUSE: Duration = Duration::from_millis(250);
const AT_ONCE: u32 = 4;

/// The shared answers of a connection.
#[derive(Debug, Default)]
pub(in crate::libvirt) struct Poll(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waits: usize,
    events: Option<Events>,
    /// By UUID.
    states: Answer<Arc<HashMap<String, State>>>,
    leases: HashMap<String, Leases>,
    /// Whether the agents are connected, as events told.
    agents: HashMap<String, bool>,
    next_question: Duration,
    /// The number of the connection over which all this was told.
    over: u64,
}

#[derive(Debug, Default)]
struct Leases {
    answer: Answer<Arc<Vec<Lease>>>,
    /// dnsmasq's file, if it is of this machine, and when it changed last.
    file: Option<(String, Option<SystemTime>)>,
    looked_for_file: bool,
}

/// An answer and when it was given; none if it must be asked for again.
#[derive(Debug)]
struct Answer<T>(Option<(Duration, T)>);

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone> Answer<T> {
    fn fresh(&self, now: Duration, age: Duration) -> Option<T> {
        self.0.as_ref().filter(|(at, _)| now.saturating_sub(*at) < age).map(|(_, answer)| answer.clone())
    }
}

/// A wait that takes part; the last to leave ends the subscription.
#[derive(Debug)]
pub(in crate::libvirt) struct Part(Host);

impl Drop for Part {
    fn drop(&mut self) {
        let mut inner = self.0.poll().lock();
        inner.waits -= 1;
        if inner.waits == 0 {
            *inner = Inner::default();
        }
    }
}

impl Poll {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes part in the shared answers of a host.
    pub(super) fn enter(host: &Host) -> Result<Part> {
        let mut inner = host.poll().lock();
        if inner.events.is_none() {
            inner.events = Some(host.events(&[EventKind::Agent, EventKind::IoError, EventKind::Lifecycle])?);
        }
        inner.waits += 1;
        Ok(Part(host.clone()))
    }

    /// The state of a domain; none if it is gone.
    pub(super) fn state(&self, domain: &Domain, uuid: &str, tick: Tick) -> Result<Option<State>> {
        domain.planned_end()?;
        let mut inner = self.lock();
        let over = domain.host().link().number();
        if inner.over != over {
            // Nobody told what happened while there was no connection.
            (inner.over, inner.states) = (over, Answer::default());
            inner.agents.clear();
        }
        inner.hear();
        if let Some(states) = inner.states.fresh(tick.now, STATES_WITH_EVENTS) {
            return Ok(states.get(uuid).copied());
        }
        if let Ok(states) = ffi::domain_states(&domain.host().raw()?) {
            let state = states.get(uuid).copied();
            inner.states = Answer(Some((tick.now, Arc::new(states))));
            return Ok(state);
        }
        drop(inner);
        match domain.state() {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.code == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The leases of a network.
    pub(super) fn leases(&self, network: &Network, tick: Tick) -> Result<Arc<Vec<Lease>>> {
        let mut inner = self.lock();
        let leases = inner.leases.entry(network.name().to_string()).or_default();
        if !leases.looked_for_file {
            leases.looked_for_file = true;
            leases.file = status_file(network).map(|path| (path, None));
        }
        let age = match &mut leases.file {
            None => tick.age,
            Some((path, seen)) => {
                let changed = fs::metadata(path).and_then(|data| data.modified()).ok();
                if *seen == changed && changed.is_some() {
                    LEASES_WITH_FILE
                } else {
                    *seen = changed;
                    Duration::ZERO
                }
            }
        };
        if let Some(answer) = leases.answer.fresh(tick.now, age) {
            return Ok(answer);
        }
        let answer = Arc::new(network.own_leases()?);
        leases.answer = Answer(Some((tick.now, answer.clone())));
        Ok(answer)
    }

    /// Whether an agent is connected, if an event told.
    pub(super) fn agent(&self, uuid: &str) -> Option<bool> {
        let mut inner = self.lock();
        inner.hear();
        inner.agents.get(uuid).copied()
    }

    /// Whether one more question to a single domain may be asked now.
    pub(super) fn may_ask(&self, now: Duration) -> bool {
        let mut inner = self.lock();
        let now = now + QUESTION_PAUSE * (AT_ONCE - 1);
        let next = inner.next_question.max(now.saturating_sub(QUESTION_PAUSE * (AT_ONCE - 1)));
        let may = next <= now;
        if may {
            inner.next_question = next + QUESTION_PAUSE;
        }
        may
    }
}

impl Inner {
    /// Takes in what events told since the last time.
    fn hear(&mut self) {
        while let Some(event) = self.events.as_ref().and_then(Events::try_next) {
            match event.kind {
                EventKind::Agent => {
                    let connected = event.fields.get("state").and_then(|state| state.as_str()) == Some("connected");
                    self.agents.insert(event.uuid, connected);
                }
                _ => self.states = Answer::default(),
            }
        }
    }
}

/// The file in which dnsmasq's helper keeps the leases of a network, if the host is this machine.
fn status_file(network: &Network) -> Option<String> {
    let uri = network.host().uri();
    let local = uri.starts_with("qemu:///system") || uri.starts_with("qemu+unix:///system");
    if !local || uri.contains("socket=") {
        return None;
    }
    let path = format!("/var/lib/libvirt/dnsmasq/{}.status", network.bridge()?);
    fs::metadata(&path).is_ok().then_some(path)
}
