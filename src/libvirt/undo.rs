//! Undoing: what was done is remembered with its inverse, and undone in reverse if the whole does not succeed.

use crate::floor::{Error, Result, interrupt};
use std::fmt;

type Step = Box<dyn FnOnce() -> Result<()> + Send>;

/// The inverses of what was done so far.
#[derive(Default)]
pub struct Undo {
    steps: Vec<(String, Step)>,
}

impl Undo {
    /// Remembers how to undo something that was just done; `what` describes the undoing, such as ``delete volume `a` ``.
    pub fn push(&mut self, what: impl Into<String>, step: impl FnOnce() -> Result<()> + Send + 'static) {
        self.steps.push((what.into(), Box::new(step)));
    }

    /// Keeps all that was done.
    pub fn commit(self) {
        tracing::debug!(steps = self.steps.len(), "committed");
    }

    /// Undoes all in reverse because of an error, and returns that error. What could not be undone becomes a note; it
    /// neither stops the rest nor hides the error. The wish to stop waits until all is undone.
    #[must_use]
    pub fn roll_back(self, mut error: Error) -> Error {
        let mut wanted = false;
        for (what, step) in self.steps.into_iter().rev() {
            wanted |= interrupt::clear();
            tracing::info!(what, "undo");
            if let Err(failure) = step() {
                error = error.note(format!("cannot undo: {what}: {failure}"));
            }
        }
        if wanted {
            interrupt::trigger();
        }
        error
    }
}

impl fmt::Debug for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|(what, _)| what)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::{Area, Code};
    use std::sync::{Arc, Mutex};

    #[test]
    fn undoes_in_reverse_and_collects_failures() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut undo = Undo::default();
        for number in 1..=3 {
            let order = Arc::clone(&order);
            undo.push(format!("step {number}"), move || {
                order.lock().expect("not poisoned").push(number);
                if number == 2 { Err(Error::new(Code::Failed, Area::Domain, "stuck")) } else { Ok(()) }
            });
        }
        let error = undo.roll_back(Error::new(Code::Timeout, Area::Domain, "no address"));
        assert_eq!(*order.lock().expect("not poisoned"), [3, 2, 1]);
        assert_eq!(error.code, Code::Timeout);
        assert_eq!(error.notes, ["cannot undo: step 2: stuck"]);
    }
}
