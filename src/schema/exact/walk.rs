//! A document through the automaton. A mistake does not end the walk: what is wrong counts as if it were right, so that
//! one report tells everything.

use super::derive::{Automaton, Tag};
use super::states::{EMPTY, NOT_ALLOWED, Shape, State};
use crate::schema::rng::{NameClass, NameId, PatternId};
use crate::schema::xml::{Elem, Node};
use std::collections::BTreeSet;

/// No more problems are told: nobody makes so many mistakes, but somebody may hand over any document.
const MOST_PROBLEMS: usize = 500;

/// Something that the schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The element: which child of which child of the root.
    pub(super) path: Vec<usize>,
    pub(super) fault: Fault,
}

/// What is wrong with an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may not be here.
    Element { allowed: Vec<NameId> },
    /// It may not have this attribute.
    Attribute { name: String, allowed: Vec<NameId> },
    /// This attribute may have one of these contents only.
    Value { name: String, value: String, contents: Vec<PatternId> },
    /// Its text may only be one of these.
    Text { text: String, contents: Vec<PatternId> },
    /// One of these attributes is missing.
    MissingAttribute { any_of: Vec<NameId> },
    /// One of these elements is missing; if there are none, a text is.
    MissingElement { any_of: Vec<NameId> },
}

impl Fault {
    /// The attribute that is wrong, if one is.
    pub(super) fn field(&self) -> Option<&String> {
        match self {
            Self::Attribute { name, .. } | Self::Value { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// What keeps the schema from allowing a document.
pub(super) fn problems(automaton: &mut Automaton, root: &Elem) -> Vec<Problem> {
    let mut walk = Walk { automaton, path: Vec::new(), problems: Vec::new() };
    let start = walk.automaton.start();
    walk.element(start, root);
    walk.problems
}

struct Walk<'a> {
    automaton: &'a mut Automaton,
    path: Vec<usize>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn find(&mut self, fault: Fault) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { path: self.path.clone(), fault });
        }
    }

    /// The state after an element; it is never one that allows nothing.
    fn element(&mut self, before: State, elem: &Elem) -> State {
        let tag = self.automaton.tag(&elem.name.space, &elem.name.local);
        let opened = self.automaton.open(before, tag);
        if opened == NOT_ALLOWED {
            let allowed = self.first(before, false);
            self.find(Fault::Element { allowed });
            return before;
        }
        let found = self.problems.len();
        let attributes = self.attributes(opened, elem);
        let mut state = self.automaton.close(attributes);
        if state == NOT_ALLOWED {
            if !self.is_faulty(found) {
                let any_of = self.missing_attributes(attributes);
                self.find(Fault::MissingAttribute { any_of });
            }
            state = self.automaton.without_attributes(attributes, EMPTY);
        }
        state = self.content(state, elem);
        let ended = self.automaton.end(state, true);
        if ended != NOT_ALLOWED {
            return ended;
        }
        if !self.is_faulty(found) {
            let any_of = self.missing_elements(state);
            self.find(Fault::MissingElement { any_of });
        }
        self.automaton.end(state, false)
    }

    /// Whether the element itself has problems since that many were known: then what seems to be missing is most likely
    /// what is wrong.
    fn is_faulty(&self, known: usize) -> bool {
        self.problems[known..].iter().any(|problem| problem.path == self.path)
    }

    fn attributes(&mut self, opened: State, elem: &Elem) -> State {
        let mut state = opened;
        for attr in &elem.attrs {
            let tag = self.automaton.tag(&attr.name.space, &attr.name.local);
            let contents = self.automaton.contents(state, tag);
            let fits = |pattern: &PatternId| self.automaton.accepts(*pattern, &attr.value);
            let fitting: Vec<PatternId> = contents.iter().copied().filter(fits).collect();
            let next = self.automaton.attribute(state, tag, fitting);
            if next != NOT_ALLOWED {
                state = next;
                continue;
            }
            let name = attr.name.local.clone();
            if contents.is_empty() {
                let allowed = self.first(state, true);
                self.find(Fault::Attribute { name, allowed });
            } else {
                let contents = contents.to_vec();
                // It counts as there, with whatever value is right.
                state = self.automaton.attribute(state, tag, contents.clone());
                self.find(Fault::Value { name, value: attr.value.clone(), contents });
            }
        }
        state
    }

    fn content(&mut self, mut state: State, elem: &Elem) -> State {
        if elem.children().next().is_none() {
            let text = elem.text();
            let mut next = self.automaton.text(state, &text);
            if text.trim().is_empty() {
                next = self.automaton.states.choice(state, next);
            }
            return if next == NOT_ALLOWED { self.wrong_text(state, &text) } else { next };
        }
        let mut at = 0;
        for node in &elem.nodes {
            match node {
                Node::Text(text) if text.trim().is_empty() => {}
                Node::Text(text) => {
                    let next = self.automaton.text(state, text);
                    state = if next == NOT_ALLOWED { self.wrong_text(state, text) } else { next };
                }
                Node::Elem(child) => {
                    self.path.push(at);
                    state = self.element(state, child);
                    self.path.pop();
                    at += 1;
                }
            }
        }
        state
    }

    fn wrong_text(&mut self, state: State, text: &str) -> State {
        let mut contents = BTreeSet::new();
        self.automaton.each(state, &mut |shape| {
            if let Shape::Value(pattern) = shape {
                contents.insert(pattern);
            }
        });
        self.find(Fault::Text { text: text.to_string(), contents: contents.into_iter().collect() });
        state
    }

    /// The names of attributes or elements that may come next.
    fn first(&self, state: State, attributes: bool) -> Vec<NameId> {
        let mut found = BTreeSet::new();
        self.automaton.each(state, &mut |shape| match shape {
            Shape::Attribute(pattern) if attributes => names(self.automaton.named(pattern).0, &mut found),
            Shape::Element(pattern) if !attributes => names(self.automaton.named(pattern).0, &mut found),
            _ => {}
        });
        found.into_iter().collect()
    }

    /// The attributes of which any one would do.
    fn missing_attributes(&mut self, state: State) -> Vec<NameId> {
        let mut found = self.first(state, true);
        found.retain(|&name| {
            let contents = self.automaton.contents(state, Some(name)).to_vec();
            let given = self.automaton.attribute(state, Some(name), contents);
            self.automaton.close(given) != NOT_ALLOWED
        });
        found
    }

    /// The elements of which any one would do.
    fn missing_elements(&mut self, state: State) -> Vec<NameId> {
        let mut found = self.first(state, false);
        found.retain(|&name| {
            let tag: Tag = Some(name);
            let opened = self.automaton.open(state, tag);
            let closed = self.automaton.end(opened, false);
            self.automaton.end(closed, true) != NOT_ALLOWED
        });
        found
    }
}

fn names(class: &NameClass, found: &mut BTreeSet<NameId>) {
    match class {
        NameClass::Name(name) => {
            found.insert(*name);
        }
        NameClass::Choice(classes) => classes.iter().for_each(|class| names(class, found)),
        NameClass::Any => {}
    }
}
