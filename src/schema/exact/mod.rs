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
pub(crate) struct Validator {
    automaton: Mutex<Option<Automaton>>,
    most_states: usize,
}

impl Default for Validator {
    fn default() -> Self {
        Self { automaton: Mutex::default(), most_states: MOST_STATES }
    }
}

impl Validator {
    /// What keeps the schema from allowing a document; nothing if it does.
    fn problems(&self, schema: &'static Schema, root: &Elem) -> Vec<Problem> {
        // A panic elsewhere leaves nothing half done here: states are only ever added.
        let mut kept = self.automaton.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|automaton| automaton.states.count() > self.most_states) {
            *kept = None;
        }
        let automaton = kept.get_or_insert_with(|| Automaton::new(&schema.grammar, schema.table));
        walk::problems(automaton, root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Kind, tables, xml};

    fn documents() -> Vec<Elem> {
        let texts = ["<forward/>", "<bridge/>", "<dns/>", "<ip address='10.0.0.1'/>", "<mtu size='9000'/>", "<odd/>"];
        let document = |text| format!("<network><name>lab</name>{text}</network>");
        texts.iter().map(|text| xml::parse(&document(text)).expect("the document is well-formed")).collect()
    }

    #[test]
    fn the_automaton_begins_anew_when_it_has_grown_too_large() {
        let (schema, _) = tables::of(Kind::Network).expect("the schemas are installed");
        let states = |validator: &Validator| {
            let kept = validator.automaton.lock().unwrap_or_else(PoisonError::into_inner);
            kept.as_ref().map_or(0, |automaton| automaton.states.count())
        };
        // By itself each document makes so many states, all of them together more.
        let alone = |document: &Elem| {
            let validator = Validator::default();
            let found = validator.problems(schema, document);
            (found, states(&validator))
        };
        let (together, capped) = (Validator::default(), Validator { most_states: 0, ..Validator::default() });
        let mut largest = 0;
        for document in &documents() {
            let (found, count) = alone(document);
            largest = largest.max(count);
            assert_eq!(together.problems(schema, document), found);
            assert_eq!(capped.problems(schema, document), found);
            assert_eq!(states(&capped), count, "nothing is left of the documents before");
        }
        assert!(states(&together) > largest, "states are kept below the cap");
    }
}
