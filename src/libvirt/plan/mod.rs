//! What is planned to go wrong on a host, for tests of recipes: calls that fail, are slow or are left out, addresses that
//! appear late, agents that never answer, guests that go off.
//!
//! A plan belongs to a connection to libvirt's embedded test driver; without one nothing here costs more than a look
//! whether there is one.

mod verbs;

use super::address::{Address, Family, Interface, Source};
use super::cause::Explain;
use super::filter::glob;
use super::object::Object;
use super::wiring::Wiring;
use super::{Domain, Host};
use crate::floor::{Area, Code, Error, Result, clock};
use ipnet::IpNet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use verbs::Verb;
use virt::sys;

/// The plan of a host.
#[derive(Debug, Default)]
pub(super) struct Plan(Mutex<Items>);

#[derive(Debug, Default)]
struct Items {
    calls: Vec<Counted<(Verb, Turn)>>,
    answers: Vec<Counted<(Source, Answer)>>,
    ends: Vec<Counted<End>>,
    ports: Vec<Counted<u16>>,
}

/// When something planned comes to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// The name of the object, or its kind and name; `*` stands for any text.
    pub object: String,
    /// How often it is as if nothing was planned.
    pub after: u64,
    /// How often it comes to pass then; always if this is not given.
    pub times: Option<u64>,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It is not made, and fails.
    Fail {
        /// With this code.
        code: Code,
        /// Libvirt's words, as it were.
        words: String,
    },
    /// It is not made, and counts as done.
    Skip,
    /// It is made, but takes so much longer.
    Slow(Duration),
}

/// What a source knows of a domain's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This address, and none before the time has come.
    Address(IpNet),
    /// That there is none.
    NoAddress,
    /// It does not answer; of a source other than the agent, that is the same.
    Nothing,
}

/// How a guest goes off by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It crashes.
    Crash,
    /// It shuts down.
    Shutdown,
}

#[derive(Debug)]
struct Counted<T> {
    when: When,
    seen: u64,
    what: T,
}

impl<T> Counted<T> {
    fn new(when: When, what: T) -> Self {
        Self { when, seen: 0, what }
    }

    fn fits(&self, object: &Object) -> bool {
        glob(&self.when.object, &object.name) || glob(&self.when.object, &object.plain())
    }

    /// Counts; whether it comes to pass this time.
    fn is_due(&mut self) -> bool {
        self.seen += 1;
        let last = self.when.times.map_or(u64::MAX, |times| self.when.after.saturating_add(times));
        (self.when.after + 1..=last).contains(&self.seen)
    }
}

impl Host {
    /// Plans what becomes of the calls of a verb, such as `define_domain`.
    pub fn plan_call(&self, verb: &str, turn: Turn, when: When) -> Result<()> {
        let verb = if turn == Turn::Skip { verbs::skipped(verb)? } else { verbs::named(verb)? };
        self.planned_anew()?.lock().calls.push(Counted::new(when, (verb, turn)));
        Ok(())
    }

    /// Plans what a source tells of a domain's addresses.
    pub fn plan_answer(&self, source: Source, answer: Answer, when: When) -> Result<()> {
        let answers = &mut self.planned_anew()?.lock().answers;
        // What is planned last counts, and a domain has one address.
        if matches!(answer, Answer::Address(_)) {
            answers.retain(|one| one.when.object != when.object || one.what.1 == Answer::Nothing);
        }
        answers.insert(0, Counted::new(when, (source, answer)));
        Ok(())
    }

    /// Plans how a guest goes off, counted in looks at its state.
    pub fn plan_end(&self, end: End, when: When) -> Result<()> {
        self.planned_anew()?.lock().ends.push(Counted::new(when, end));
        Ok(())
    }

    /// Plans that somebody listens on a port of a guest, counted in looks at it.
    pub fn plan_port(&self, port: u16, when: When) -> Result<()> {
        self.planned_anew()?.lock().ports.push(Counted::new(when, port));
        Ok(())
    }

    /// Begins a plan without anything in it: from now on its guests are reached by nothing but what is planned.
    pub fn begin_plan(&self) -> Result<()> {
        self.planned_anew().map(drop)
    }

    fn planned_anew(&self) -> Result<&Plan> {
        if self.uri().starts_with("test:") {
            return Ok(self.plan_or_new());
        }
        let message = format!("nothing can be planned to go wrong on `{}`", self.uri());
        Err(Error::new(Code::Unsupported, Area::Host, message)
            .hint("plans are for libvirt's test driver; `vmscript test` gives each test a host of its own"))
    }

    /// Fails, or takes longer, if that is planned for this call.
    pub(super) fn attempt(&self, verb: &str, object: &Object) -> Result<()> {
        self.is_skipped(verb, object).map(drop)
    }

    /// Whether a call is planned to be left out; fails, or takes longer, if that is planned.
    pub(super) fn is_skipped(&self, verb: &str, object: &Object) -> Result<bool> {
        let Some(plan) = self.plan() else { return Ok(false) };
        debug_assert!(verbs::named(verb).is_ok(), "`{verb}` is in the table of verbs");
        let turn = plan.lock().turn(verb, object);
        match turn {
            None => Ok(false),
            Some((_, Turn::Skip)) => Ok(true),
            Some((_, Turn::Slow(time))) => clock::sleep(time).map(|()| false),
            Some((verb, Turn::Fail { code, words })) => {
                let area = if code == Code::NoConnection { Area::Connection } else { object.kind.area() };
                let message = format!("cannot {} {object}: {words}", verb.doing);
                let cause = format!("operation failed: {words}");
                Err(Error::new(code, area, message).about(object.plain()).caused_by(cause))
            }
        }
    }
}

impl Domain {
    /// What a source tells of its addresses, if that is planned.
    pub(super) fn planned_answer(&self, source: Source) -> Option<Result<Vec<Interface>>> {
        let plan = self.host().plan()?;
        let known = plan.lock().answer(source, self.object())?;
        let address = match known {
            Answer::Address(address) => address,
            // Who has no agent hears nothing; the others just know no address.
            Answer::Nothing if source == Source::Agent => return Some(Err(self.silent_agent())),
            Answer::NoAddress | Answer::Nothing => return Some(Ok(Vec::new())),
        };
        Some(self.xml().and_then(|xml| Wiring::read(&xml)).map(|wiring| {
            let nic = wiring.nics.into_iter().next();
            nic.map_or(Vec::new(), |nic| vec![interface(nic.mac, source, address)])
        }))
    }

    /// Whether its agent answers, if that is planned.
    pub(super) fn planned_agent(&self) -> Option<bool> {
        self.host().plan()?.lock().has_agent(self.object())
    }

    /// Whether somebody listens on a port of it, if the host has a plan: then there is no guest that could be asked.
    pub(super) fn planned_port(&self, port: u16) -> Option<bool> {
        Some(self.host().plan()?.lock().listens(port, self.object()))
    }

    /// What an agent that does not answer fails with.
    pub(super) fn silent_agent(&self) -> Error {
        let words = "Guest agent is not responding: Guest agent not available for now";
        Error::new(Code::AgentUnavailable, Area::Domain, format!("cannot use the agent of {}: {words}", self.object()))
            .about(self.object().plain())
            .caused_by(words)
    }

    /// Lets it go off if the time that is planned for that has come.
    pub(super) fn planned_end(&self) -> Result<()> {
        let Some(plan) = self.host().plan() else { return Ok(()) };
        let end = plan.lock().end(self.object());
        let done = match end {
            None => return Ok(()),
            Some(End::Shutdown) => self.raw()?.shutdown().map(drop),
            // The driver lets a guest crash with a dump of its memory, which nobody wants.
            Some(End::Crash) => self.raw()?.core_dump("/dev/null", sys::VIR_DUMP_CRASH).map(drop),
        };
        done.explain("let go off", self.object())
    }
}

impl Plan {
    fn lock(&self) -> MutexGuard<'_, Items> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Items {
    fn turn(&mut self, verb: &str, object: &Object) -> Option<(Verb, Turn)> {
        // All of them count the call, and the first whose time has come decides.
        let fitting = self.calls.iter_mut().filter(|one| one.what.0.name == verb && one.fits(object));
        let due: Vec<_> = fitting.filter_map(|one| one.is_due().then(|| one.what.clone())).collect();
        due.into_iter().next()
    }

    /// What a source tells, if that is planned.
    fn answer(&mut self, source: Source, object: &Object) -> Option<Answer> {
        let own = self.answers.iter_mut().find(|one| one.what.0 == source && one.fits(object));
        if let Some(one) = own {
            return Some(if one.is_due() { one.what.1.clone() } else { Answer::NoAddress });
        }
        // Where an address is planned for one source, the others know nothing by themselves.
        let elsewhere = |one: &Counted<(Source, Answer)>| one.fits(object) && one.what.1 != Answer::Nothing;
        self.answers.iter().any(elsewhere).then_some(Answer::Nothing)
    }

    fn listens(&mut self, port: u16, object: &Object) -> bool {
        let planned = self.ports.iter_mut().find(|one| one.what == port && one.fits(object));
        planned.is_some_and(Counted::is_due)
    }

    fn has_agent(&self, object: &Object) -> Option<bool> {
        let own = self.answers.iter().find(|one| one.what.0 == Source::Agent && one.fits(object))?;
        Some(own.what.1 != Answer::Nothing)
    }

    fn end(&mut self, object: &Object) -> Option<End> {
        let one = self.ends.iter_mut().find(|one| one.fits(object))?;
        one.is_due().then_some(one.what)
    }
}

fn interface(mac: Option<String>, source: Source, address: IpNet) -> Interface {
    let family = if address.addr().is_ipv4() { Family::V4 } else { Family::V6 };
    let addr = Address { family, addr: address.addr().to_string(), prefix: address.prefix_len().into(), source };
    Interface { name: "eth0".to_string(), hwaddr: mac, addrs: vec![addr] }
}
