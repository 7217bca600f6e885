//! Undoing: whatever is made inside a transaction is written down before it is made, and removed again, in reverse, if
//! the whole does not succeed. What was there before is never touched.

mod alive;
mod certain;
mod journal;
mod kept;
mod left;
mod made;
mod others;
mod recover;
mod removal;
mod strike;

pub use kept::Kept;
pub(super) use left::left_variables;
pub use left::{forget, left_over};
pub(super) use made::{Made, Named};
pub(super) use others::{is_being_filled, is_being_made, is_being_removed, is_needed};
pub use recover::{Recovered, recover};
pub(super) use removal::removing;
pub(super) use strike::gone;

use super::Host;
use super::turn::{Over, Side};
use crate::floor::{Code, Error, Result, interrupt};
use journal::Journal;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The last call of a run that was killed or lost its connection may still be on its way to the host when it is looked for.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

thread_local! {
    static CURRENT: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// What was made so far, and the place where it is written down.
#[derive(Debug)]
struct Scope {
    outer: Option<Arc<Scope>>,
    journal: Arc<Mutex<Journal>>,
    made: Mutex<Vec<Step>>,
    /// The machine that new volumes are meant for, see [`Transaction::beside`].
    machine: Option<Named>,
}

#[derive(Debug, Clone)]
struct Step {
    number: u64,
    host: Host,
    /// The number of the connection over which it was made.
    over: u64,
    made: Made,
    /// Whether libvirt said that it was made.
    answered: bool,
    /// Whether others had the time to make something else of that name.
    is_old: bool,
}

/// Everything that this thread makes from its beginning until it is committed or rolled back. A transaction inside
/// another one hands what it made to the outer one when it is committed.
#[derive(Debug)]
pub struct Transaction {
    scope: Arc<Scope>,
    /// What this thread was in before.
    before: Option<Arc<Scope>>,
}

impl Transaction {
    /// Begins.
    #[must_use]
    pub fn begin() -> Self {
        let outer = CURRENT.take();
        let journal = outer.as_ref().map_or_else(Arc::default, |outer| outer.journal.clone());
        let machine = outer.as_ref().and_then(|outer| outer.machine.clone());
        Self::enter(Scope { outer: outer.clone(), journal, made: Mutex::default(), machine }, outer)
    }

    /// Begins one that belongs to no other: what it made stays when it is committed, whatever becomes of those around it.
    #[must_use]
    pub fn begin_apart() -> Self {
        let scope = Scope { outer: None, journal: Arc::default(), made: Mutex::default(), machine: None };
        Self::enter(scope, CURRENT.take())
    }

    /// Begins one that stands for itself, whatever it is inside of: the volumes that are made in it are meant for a machine
    /// that is there. Undoing it, now or later, deletes those that the machine does not stand on at that moment.
    #[must_use]
    pub(super) fn beside(machine: Named) -> Self {
        let scope = Scope { outer: None, journal: Arc::default(), made: Mutex::default(), machine: Some(machine) };
        Self::enter(scope, CURRENT.take())
    }

    fn enter(scope: Scope, before: Option<Arc<Scope>>) -> Self {
        let scope = Arc::new(scope);
        CURRENT.set(Some(scope.clone()));
        Self { scope, before }
    }

    /// Keeps all that was made; what it gives can remove it after all.
    pub fn commit(self) -> Kept {
        let made = std::mem::take(&mut *self.scope.made());
        tracing::debug!(steps = made.len(), "committed");
        match &self.scope.outer {
            Some(outer) => outer.made().extend(made.iter().cloned()),
            None => self.scope.journal().close(made.iter().map(|step| step.number)),
        }
        Kept::new(made)
    }

    /// Removes all that was made, in reverse, because of an error, and returns that error. What cannot be removed
    /// becomes a note; it neither stops the rest nor hides the error. The wish to stop waits until all is undone.
    #[must_use]
    pub fn roll_back(self, mut error: Error) -> Error {
        for note in self.undo() {
            error = error.note(note);
        }
        error
    }

    /// Removes all that was made, in reverse; gives what there is to tell.
    pub fn undo(self) -> Vec<String> {
        interrupt::shielded(|| self.undo_now())
    }

    fn undo_now(&self) -> Vec<String> {
        let own = machines(Some(&self.scope));
        let steps = std::mem::take(&mut *self.scope.made());
        let Removed { mut notes, is_left, .. } = remove(steps, &own, |number| self.scope.journal().done(number));
        if is_left {
            self.scope.journal().leave();
            notes.push("`vmscript recover` finishes the undoing".to_string());
        }
        if self.scope.outer.is_none() {
            self.scope.journal().close([]);
        }
        notes
    }
}

/// What became of what was made.
#[derive(Debug, Default)]
struct Removed {
    /// What there is to tell.
    notes: Vec<String>,
    /// Whether something could not be removed.
    is_left: bool,
    /// Whether something is there that somebody else may have, or needs.
    is_kept: bool,
}

/// Removes what was made, in reverse, by a run whose machines are `own`.
fn remove(steps: Vec<Step>, own: &[String], mut done: impl FnMut(u64)) -> Removed {
    let Removed { mut notes, mut is_left, mut is_kept } = Removed::default();
    let mut stays: Vec<Made> = Vec::new();
    for step in steps.into_iter().rev() {
        if stays.iter().any(|other| step.made.hangs_on(other)) {
            is_left = true;
            notes.push(format!("left to do: {}", step.made));
            continue;
        }
        tracing::info!(what = %step.made, "undo");
        // A host that went away is given the time to come back.
        if step.host.link().get().is_ok_and(|(_, number)| number > step.over) {
            let note =
                format!("the connection to `{}` was lost: what is left to do is done over a new one", step.host.uri());
            if first_told(&note) {
                notes.push(note);
            }
        }
        // Others may have come to live in it meanwhile, and are about to in the next moment.
        let is_pool = matches!(step.made, Made::Pool { .. } | Made::Built { .. });
        let _alone = is_pool.then(|| Side::Gone.over(Over::Pools));
        let user = others::user(&step.host, &step.made, &[]).unwrap_or_default();
        if let Some(user) = user.or_else(|| others::comes_to(&step.made).then(|| "another run".to_string())) {
            notes.push(format!("did not {}: {user} uses it", step.made));
            is_kept = true;
            done(step.number);
            continue;
        }
        match step.remove(own) {
            Ok(None) => done(step.number),
            Ok(Some(doubt)) => {
                stays.push(step.made.clone());
                notes.push(format!("did not {}: {doubt}", step.made));
                is_kept = true;
                done(step.number);
            }
            Err(failure) => {
                is_left = true;
                stays.push(step.made.clone());
                notes.push(format!("cannot undo: {}: {failure}", step.made));
            }
        }
    }
    Removed { notes, is_left, is_kept }
}

impl Step {
    fn new(number: u64, host: &Host, made: Made) -> Self {
        Self { number, host: host.clone(), over: host.link().number(), made, answered: false, is_old: false }
    }

    /// Removes it; or tells why it may be somebody else's.
    fn remove(&self, own: &[String]) -> Result<Option<String>> {
        if !self.answered {
            // The call may still be on its way.
            std::thread::sleep(ON_ITS_WAY);
        }
        if self.is_old && !self.made.exists(&self.host)? {
            return Ok(Some("it is gone already".to_string()));
        }
        if (self.is_old || !self.answered)
            && let Some(doubt) = self.made.doubt(&self.host, own)?
        {
            return Ok(Some(doubt));
        }
        self.made.remove(&self.host).map(|()| None)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

impl Scope {
    fn made(&self) -> MutexGuard<'_, Vec<Step>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transaction of this thread, to be handed to another.
#[derive(Debug, Clone)]
pub struct Current(Option<Arc<Scope>>);

impl Current {
    /// Whether there is something to undo.
    pub fn has_made(&self) -> bool {
        let mut scope = self.0.as_ref();
        while let Some(current) = scope {
            if !current.made().is_empty() {
                return true;
            }
            scope = current.outer.as_ref();
        }
        false
    }

    /// The transaction of this thread, or none.
    pub fn get() -> Self {
        CURRENT.with_borrow(|current| Self(current.clone()))
    }

    /// Makes it the one of this thread.
    pub fn adopt(&self) {
        CURRENT.set(self.0.clone());
    }

    /// Makes it the one of this thread for as long as some work takes.
    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = Self::get();
        self.adopt();
        let done = work();
        before.adopt();
        done
    }
}

/// The machines that the transaction of this thread has made so far.
pub(super) fn own() -> Vec<String> {
    CURRENT.with_borrow(|current| machines(current.as_ref()))
}

fn machines(mut scope: Option<&Arc<Scope>>) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(current) = scope {
        found.extend(current.made().iter().filter_map(|step| step.made.machine().map(str::to_string)));
        scope = current.outer.as_ref();
    }
    found
}

/// The journals of the transaction of this thread and of those around it, and the one that is recovered.
fn own_journals() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = recover::RECOVERED.with_borrow(Clone::clone).into_iter().collect();
    let mut scope = CURRENT.with_borrow(Clone::clone);
    while let Some(current) = scope {
        let outer = current.outer.clone();
        found.extend(current.journal().path().map(Path::to_path_buf));
        scope = outer;
    }
    found
}

/// Whether nobody told this yet: many items may undo at once what they made over one connection.
fn first_told(note: &str) -> bool {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(note.to_string())
}

/// Whether what is made now can be undone.
pub(super) fn is_on() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Whether a domain was made in the transaction of this thread or in one around it, and goes if that fails.
pub(super) fn is_made_here(uuid: &str) -> bool {
    let innermost = CURRENT.with_borrow(Clone::clone);
    let mut scope = innermost.as_ref();
    while let Some(current) = scope {
        let is_it = |step: &Step| matches!(&step.made, Made::Domain { uuid: made, .. } if made == uuid);
        if current.made().iter().any(is_it) {
            return true;
        }
        scope = current.outer.as_ref();
    }
    false
}

/// Writes down that something has all that it is to hold.
pub(super) fn complete(made: &Made) {
    let Some(scope) = CURRENT.with_borrow(Clone::clone) else { return };
    let number = scope.made().iter().rev().find(|step| step.made.is(made)).map(|step| step.number);
    if let Some(number) = number {
        scope.journal().complete(number);
    }
}

/// Forgets what was written down and is settled by now, so that nobody undoes it.
pub(super) fn settled(which: impl Fn(&Made) -> bool) {
    let Some(scope) = CURRENT.with_borrow(Clone::clone) else { return };
    let numbers: Vec<u64> = scope.made().iter().filter(|step| which(&step.made)).map(|step| step.number).collect();
    scope.made().retain(|step| !numbers.contains(&step.number));
    for number in numbers {
        scope.journal().done(number);
    }
}

/// Writes down what is not made but to be looked at when this is undone, unless that is written down already.
pub(super) fn once(host: &Host, made: Made) -> Result<()> {
    let mut scope = CURRENT.with_borrow(Clone::clone);
    while let Some(current) = scope {
        let outer = current.outer.clone();
        if current.made().iter().any(|step| step.made == made) {
            return Ok(());
        }
        scope = outer;
    }
    record(host, made, || Ok(()))
}

/// Writes down what a call may make whose answer does not tell: undoing looks for it.
pub(super) fn expect(host: &Host, made: Made) {
    let Some(scope) = CURRENT.with_borrow(Clone::clone) else { return };
    let number = scope.journal().intend(host.uri(), &made);
    scope.made().push(Step::new(number, host, made));
}

/// Makes something, written down before. If the answer leaves open whether it was made, it counts as made.
pub(super) fn record<T>(host: &Host, made: Made, call: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(scope) = CURRENT.with_borrow(Clone::clone) else {
        return call().inspect(|_| strike::made_anew(host, &made));
    };
    let made = match (made, &scope.machine) {
        (Made::Volume { pool, name, shape }, Some(machine)) => {
            Made::Spare { pool, name, machine: machine.clone(), shape }
        }
        (made, _) => made,
    };
    let number = scope.journal().intend(host.uri(), &made);
    let mut step = Step::new(number, host, made);
    match call() {
        Err(error) if !matches!(error.code, Code::NoConnection | Code::Timeout | Code::Interrupted) => {
            scope.journal().done(number);
            Err(error)
        }
        other => {
            if other.is_ok() {
                step.answered = true;
                scope.journal().answered(number);
                // A killed run may have made one of that name too, which went in the meantime.
                strike::made_anew(host, &step.made);
            }
            scope.made().push(step);
            other
        }
    }
}
