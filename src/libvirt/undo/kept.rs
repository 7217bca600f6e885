//! What transactions made and kept, for as long as somebody may have it removed after all: `:undo` at the prompt.

use super::{Made, Step, remove};
use crate::floor::interrupt;
use crate::libvirt::Host;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

type Steps = Mutex<Vec<Step>>;

/// All that is kept: what goes in another way is struck from it.
static ALL: Mutex<Vec<Weak<Steps>>> = Mutex::new(Vec::new());

/// What a transaction made and kept.
#[derive(Debug)]
pub struct Kept(Arc<Steps>);

impl Kept {
    pub(super) fn new(made: Vec<Step>) -> Self {
        let steps = Arc::new(Mutex::new(made));
        let mut all = lock(&ALL);
        all.retain(|steps| steps.strong_count() > 0);
        all.push(Arc::downgrade(&steps));
        Self(steps)
    }

    /// Whether nothing was made, or nothing of it is left.
    pub fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// What removing it does, in that order, such as ``remove domain `web` ``.
    pub fn steps(&self) -> Vec<String> {
        lock(&self.0).iter().rev().map(|step| step.made.to_string()).collect()
    }

    /// Removes it after all; gives what there is to tell, and whether all of it is gone. What somebody else may have made under a
    /// name meanwhile stays. The wish to stop waits.
    pub fn undo(self) -> (Vec<String>, bool) {
        let mut steps = std::mem::take(&mut *lock(&self.0));
        let own: Vec<String> = steps.iter().filter_map(|step| step.made.machine().map(str::to_string)).collect();
        for step in &mut steps {
            step.is_old = true;
        }
        let removed = interrupt::shielded(|| remove(steps, &own, |_| ()));
        (removed.notes, !removed.is_left && !removed.is_kept)
    }
}

/// Forgets what such steps made, of all that is kept.
pub(super) fn strike(which: impl Fn(&Host, &Made) -> bool) {
    let all: Vec<Arc<Steps>> = lock(&ALL).iter().filter_map(Weak::upgrade).collect();
    for steps in all {
        // The lock is not held while the host is asked.
        let gone: Vec<u64> =
            lock(&steps).clone().iter().filter(|step| which(&step.host, &step.made)).map(|step| step.number).collect();
        lock(&steps).retain(|step| !gone.contains(&step.number));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
