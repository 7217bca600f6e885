//! The exact check: whether a document is one that the schema allows, all correlations included.
//!
//! The mapper checks names and values, all alternatives united. What it cannot see, such as that a disk of type `file` has
//! no `source.dev`, is found here, by a lazy automaton over the schema's own patterns.

mod derive;
mod hint;
mod report;
mod states;
mod walk;

pub(crate) use report::findings;

use crate::schema::tables::Schema;
use crate::schema::xml::Elem;
use derive::Automaton;
use std::sync::{Mutex, PoisonError};
use walk::Problem;

/// So many states are kept; beyond, the automaton begins anew. This is some ten megabytes.
const MOST_STATES: usize = 50_000;

/// The automaton of a schema, made when it is first needed and shared by all threads.
#[derive(Default)]
pub(crate) struct Validator {
    automaton: Mutex<Option<Automaton>>,
}

impl Validator {
    /// What keeps the schema from allowing a document; nothing if it does.
    fn problems(&self, schema: &'static Schema, root: &Elem) -> Vec<Problem> {
        // A panic elsewhere leaves nothing half done here: states are only ever added.
        let mut kept = self.automaton.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|automaton| automaton.states.count() > MOST_STATES) {
            *kept = None;
        }
        let automaton = kept.get_or_insert_with(|| Automaton::new(&schema.grammar, schema.table));
        walk::problems(automaton, root)
    }
}
