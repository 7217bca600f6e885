//! What is planned to go wrong on a host, for tests of recipes: calls that fail, are slow or are left out, addresses that
//! appear late, agents that never answer, guests that go off.
//!
//! A plan belongs to a connection to libvirt's embedded test driver; without one nothing here costs more than a look
//! whether there is one.

mod agent;
mod guest;
mod verbs;

pub use guest::{Answer, End, FirstBoot};

use super::address::Source;
use super::object::Object;
use super::{Host, Volume};
use crate::floor::planned::{Counted, Program, When, first_due};
use crate::floor::{Area, Code, Error, Result, clock};
use agent::{Opened, Running};
use guest::fits;
use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use verbs::Verb;

/// The plan of a host.
#[derive(Debug, Default)]
pub(super) struct Plan(Mutex<Items>);

#[derive(Debug, Default)]
struct Items {
    agents: Vec<Counted<()>>,
    answers: Vec<Counted<(Source, Answer)>>,
    boots: Vec<Counted<FirstBoot>>,
    calls: Vec<Counted<(Verb, Turn)>>,
    consoles: Vec<Counted<String>>,
    ends: Vec<Counted<End>>,
    /// Path and content.
    guest_files: Vec<Counted<(String, Vec<u8>)>>,
    guest_programs: Vec<Counted<Program>>,
    opened: Vec<Opened>,
    own_programs: Vec<Counted<Program>>,
    ports: Vec<Counted<u16>>,
    running: Vec<Running>,
    /// What the volumes hold to which an upload was left out.
    uploads: HashMap<String, u64>,
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

impl Host {
    /// Plans what becomes of the calls of a verb, such as `define_domain`; gives its number in the plan.
    pub fn plan_call(&self, verb: &str, turn: Turn, when: When) -> Result<usize> {
        let verb = if turn == Turn::Skip { verbs::skipped(verb)? } else { verbs::named(verb)? };
        let calls = &mut self.planned_anew()?.lock().calls;
        calls.push(Counted::new(when, (verb, turn)));
        Ok(calls.len() - 1)
    }

    /// Whether what has this number in the plan of calls has come to pass.
    pub fn has_come_to_pass(&self, number: usize) -> bool {
        self.plan().is_some_and(|plan| plan.lock().calls.get(number).is_some_and(Counted::has_come))
    }

    /// Whether it has a plan.
    pub fn has_plan(&self) -> bool {
        self.plan().is_some()
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
        let (turn, is_skipped) = plan.lock().turn(verb, object);
        match turn {
            None | Some((_, Turn::Skip)) => Ok(is_skipped),
            Some((_, Turn::Slow(time))) => clock::sleep(time).map(|()| is_skipped),
            Some((verb, Turn::Fail { code, words })) => {
                let area = if code == Code::NoConnection { Area::Connection } else { object.kind.area() };
                let message = format!("cannot {} {object}: {words}", verb.doing);
                let cause = format!("operation failed: {words}");
                Err(Error::new(code, area, message).about(object.plain()).caused_by(cause))
            }
        }
    }
}

impl Volume {
    /// Remembers what an upload would have brought that is planned to be left out.
    pub(super) fn note_upload(&self, file: &Path) -> Result<()> {
        if let Some(plan) = self.host().plan() {
            let (path, hash) = (self.path()?, hash_of(file)?);
            plan.lock().uploads.insert(path, hash);
        }
        Ok(())
    }

    /// Whether that was the same as this file, if anything is remembered.
    pub(super) fn holds_upload(&self, file: &Path) -> Option<Result<bool>> {
        let path = self.path().ok()?;
        let known = *self.host().plan()?.lock().uploads.get(&path)?;
        Some(hash_of(file).map(|hash| hash == known))
    }
}

fn hash_of(file: &Path) -> Result<u64> {
    let unreadable = |error: std::io::Error| Error::io(file, "read", &error);
    let mut reader = BufReader::new(File::open(file).map_err(unreadable)?);
    let mut hasher = DefaultHasher::new();
    loop {
        let data = reader.fill_buf().map_err(unreadable)?;
        if data.is_empty() {
            return Ok(hasher.finish());
        }
        hasher.write(data);
        let length = data.len();
        reader.consume(length);
    }
}

impl Plan {
    fn lock(&self) -> MutexGuard<'_, Items> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Items {
    /// The failure or the slowness that is due for a call, and whether it is left out otherwise.
    fn turn(&mut self, verb: &str, object: &Object) -> (Option<(Verb, Turn)>, bool) {
        // A failure is planned for a case: a host that leaves the call out anyway is planned for all of them.
        let skips = |one: &Counted<(Verb, Turn)>| matches!(one.what.1, Turn::Skip);
        let meant = |one: &Counted<(Verb, Turn)>| one.what.0.name == verb && fits(&one.when, object);
        let failure = first_due(&mut self.calls, |one| meant(one) && !skips(one));
        (failure, first_due(&mut self.calls, |one| meant(one) && skips(one)).is_some())
    }
}
