//! The steps of the automaton: the derivative of a state by a tag, an attribute, a text (James Clark's algorithm).
//!
//! Steps that do not depend on a value are kept; an attribute's value is first judged by each datatype it may have, and
//! the verdicts are part of the key.

use super::states::{EMPTY, NOT_ALLOWED, Shape, State, States, TEXT};
use crate::schema::rng::{Data, Grammar, NameClass, NameId, Pattern, PatternId};
use crate::schema::table::Table;
use crate::schema::xsd;
use rustc_hash::FxHashMap as HashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A name of the grammar; none stands for all others.
pub(super) type Tag = Option<NameId>;

/// How [`Automaton::apply`] changes what follows an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Then {
    Group,
    Interleave,
    After,
}

/// A grammar as a lazy automaton.
pub(super) struct Automaton {
    pub(super) grammar: &'static Grammar,
    table: &'static Table,
    pub(super) states: States,
    names: HashMap<&'static str, Vec<NameId>>,
    opened: HashMap<(State, Tag), State>,
    closed: HashMap<State, State>,
    applied: HashMap<(Then, State, State), State>,
    contents: HashMap<(State, Tag), Arc<[PatternId]>>,
    attributes: HashMap<(State, Tag, Vec<PatternId>), State>,
}

impl Automaton {
    pub(super) fn new(grammar: &'static Grammar, table: &'static Table) -> Self {
        let mut names: HashMap<_, Vec<NameId>> = HashMap::default();
        for (id, name) in grammar.names.iter().enumerate() {
            names.entry(name.local.as_str()).or_default().push(id);
        }
        Self {
            grammar,
            table,
            states: States::new(),
            names,
            opened: HashMap::default(),
            closed: HashMap::default(),
            applied: HashMap::default(),
            contents: HashMap::default(),
            attributes: HashMap::default(),
        }
    }

    pub(super) fn start(&mut self) -> State {
        self.states.of(self.grammar, self.grammar.start)
    }

    pub(super) fn tag(&self, space: &str, local: &str) -> Tag {
        self.names.get(local)?.iter().copied().find(|&id| self.grammar.names[id].space == space)
    }

    /// The names and the content of an element or attribute pattern.
    pub(super) fn named(&self, pattern: PatternId) -> (&'static NameClass, PatternId) {
        match &self.grammar.patterns[pattern] {
            Pattern::Element(class, content) | Pattern::Attribute(class, content) => (class, *content),
            _ => unreachable!("only elements and attributes become states with a name"),
        }
    }

    /// After the name of a start tag.
    pub(super) fn open(&mut self, state: State, tag: Tag) -> State {
        if let Some(&known) = self.opened.get(&(state, tag)) {
            return known;
        }
        let next = match self.states.shape(state) {
            Shape::Choice(a, b) => {
                let (a, b) = (self.open(a, tag), self.open(b, tag));
                self.states.choice(a, b)
            }
            Shape::Element(pattern) => {
                let (class, content) = self.named(pattern);
                if class.takes(tag) {
                    let content = self.states.of(self.grammar, content);
                    self.states.after(content, EMPTY)
                } else {
                    NOT_ALLOWED
                }
            }
            Shape::Interleave(a, b) => {
                let (in_a, in_b) = (self.open(a, tag), self.open(b, tag));
                let (in_a, in_b) = (self.apply(Then::Interleave, in_a, b), self.apply(Then::Interleave, in_b, a));
                self.states.choice(in_a, in_b)
            }
            Shape::OneOrMore(a) => {
                let inside = self.open(a, tag);
                let more = self.states.choice(state, EMPTY);
                self.apply(Then::Group, inside, more)
            }
            Shape::Group(a, b) => {
                let in_a = self.open(a, tag);
                let in_a = self.apply(Then::Group, in_a, b);
                if self.states.nullable(a) {
                    let in_b = self.open(b, tag);
                    self.states.choice(in_a, in_b)
                } else {
                    in_a
                }
            }
            Shape::After(a, b) => {
                let inside = self.open(a, tag);
                self.apply(Then::After, inside, b)
            }
            _ => NOT_ALLOWED,
        };
        self.opened.insert((state, tag), next);
        next
    }

    /// Joins what follows the open element with what comes after it.
    fn apply(&mut self, then: Then, state: State, rest: State) -> State {
        if let Some(&known) = self.applied.get(&(then, state, rest)) {
            return known;
        }
        let next = match self.states.shape(state) {
            Shape::After(inside, follows) => {
                let follows = match then {
                    Then::Group => self.states.group(follows, rest),
                    Then::Interleave => self.states.interleave(follows, rest),
                    Then::After => self.states.after(follows, rest),
                };
                self.states.after(inside, follows)
            }
            Shape::Choice(a, b) => {
                let (a, b) = (self.apply(then, a, rest), self.apply(then, b, rest));
                self.states.choice(a, b)
            }
            _ => NOT_ALLOWED,
        };
        self.applied.insert((then, state, rest), next);
        next
    }

    /// What the value of an attribute may be: the contents of all attribute patterns of this name.
    pub(super) fn contents(&mut self, state: State, tag: Tag) -> Arc<[PatternId]> {
        if let Some(known) = self.contents.get(&(state, tag)) {
            return Arc::clone(known);
        }
        let mut found = BTreeSet::new();
        self.each(state, &mut |shape| {
            if let Shape::Attribute(pattern) = shape
                && let Pattern::Attribute(class, content) = &self.grammar.patterns[pattern]
                && class.takes(tag)
            {
                found.insert(*content);
            }
        });
        let found: Arc<[PatternId]> = found.into_iter().collect();
        self.contents.insert((state, tag), Arc::clone(&found));
        found
    }

    /// Visits what may come inside the open element, whatever stands before it.
    pub(super) fn each(&self, state: State, visit: &mut impl FnMut(Shape)) {
        match self.states.shape(state) {
            Shape::Choice(a, b) | Shape::Group(a, b) | Shape::Interleave(a, b) => {
                self.each(a, visit);
                self.each(b, visit);
            }
            Shape::OneOrMore(a) | Shape::After(a, _) => self.each(a, visit),
            shape => visit(shape),
        }
    }

    /// After an attribute whose value fits these contents.
    pub(super) fn attribute(&mut self, state: State, tag: Tag, fitting: Vec<PatternId>) -> State {
        let key = (state, tag, fitting);
        if let Some(&known) = self.attributes.get(&key) {
            return known;
        }
        let next = self.take(state, tag, &key.2);
        self.attributes.insert(key, next);
        next
    }

    fn take(&mut self, state: State, tag: Tag, fitting: &[PatternId]) -> State {
        match self.states.shape(state) {
            Shape::After(a, b) => {
                let a = self.take(a, tag, fitting);
                self.states.after(a, b)
            }
            Shape::Choice(a, b) => {
                let (a, b) = (self.take(a, tag, fitting), self.take(b, tag, fitting));
                self.states.choice(a, b)
            }
            Shape::Group(a, b) => {
                let (in_a, in_b) = (self.take(a, tag, fitting), self.take(b, tag, fitting));
                let (in_a, in_b) = (self.states.group(in_a, b), self.states.group(a, in_b));
                self.states.choice(in_a, in_b)
            }
            Shape::Interleave(a, b) => {
                let (in_a, in_b) = (self.take(a, tag, fitting), self.take(b, tag, fitting));
                let (in_a, in_b) = (self.states.interleave(in_a, b), self.states.interleave(a, in_b));
                self.states.choice(in_a, in_b)
            }
            Shape::OneOrMore(a) => {
                let inside = self.take(a, tag, fitting);
                let more = self.states.choice(state, EMPTY);
                self.states.group(inside, more)
            }
            Shape::Attribute(pattern) => {
                let (class, content) = self.named(pattern);
                if class.takes(tag) && fitting.contains(&content) { EMPTY } else { NOT_ALLOWED }
            }
            _ => NOT_ALLOWED,
        }
    }

    /// After the last attribute of a start tag.
    pub(super) fn close(&mut self, state: State) -> State {
        if let Some(&known) = self.closed.get(&state) {
            return known;
        }
        let next = self.without_attributes(state, NOT_ALLOWED);
        self.closed.insert(state, next);
        next
    }

    /// The state with each attribute replaced: by nothing if they may be missing.
    pub(super) fn without_attributes(&mut self, state: State, replacement: State) -> State {
        match self.states.shape(state) {
            Shape::Attribute(_) => replacement,
            Shape::After(a, b) => {
                let a = self.without_attributes(a, replacement);
                self.states.after(a, b)
            }
            Shape::OneOrMore(a) => {
                let a = self.without_attributes(a, replacement);
                self.states.one_or_more(a)
            }
            shape @ (Shape::Choice(a, b) | Shape::Group(a, b) | Shape::Interleave(a, b)) => {
                let (a, b) = (self.without_attributes(a, replacement), self.without_attributes(b, replacement));
                match shape {
                    Shape::Choice(..) => self.states.choice(a, b),
                    Shape::Group(..) => self.states.group(a, b),
                    _ => self.states.interleave(a, b),
                }
            }
            _ => state,
        }
    }

    /// After a text.
    pub(super) fn text(&mut self, state: State, text: &str) -> State {
        match self.states.shape(state) {
            Shape::Choice(a, b) => {
                let (a, b) = (self.text(a, text), self.text(b, text));
                self.states.choice(a, b)
            }
            Shape::Interleave(a, b) => {
                let (in_a, in_b) = (self.text(a, text), self.text(b, text));
                let (in_a, in_b) = (self.states.interleave(in_a, b), self.states.interleave(a, in_b));
                self.states.choice(in_a, in_b)
            }
            Shape::Group(a, b) => {
                let in_a = self.text(a, text);
                let in_a = self.states.group(in_a, b);
                if self.states.nullable(a) {
                    let in_b = self.text(b, text);
                    self.states.choice(in_a, in_b)
                } else {
                    in_a
                }
            }
            Shape::After(a, b) => {
                let a = self.text(a, text);
                self.states.after(a, b)
            }
            Shape::OneOrMore(a) => {
                let inside = self.text(a, text);
                let more = self.states.choice(state, EMPTY);
                self.states.group(inside, more)
            }
            Shape::Text => TEXT,
            Shape::Value(pattern) if self.accepts(pattern, text) => EMPTY,
            _ => NOT_ALLOWED,
        }
    }

    /// After an end tag; `complete` asks that nothing is missing before it.
    pub(super) fn end(&mut self, state: State, complete: bool) -> State {
        match self.states.shape(state) {
            Shape::Choice(a, b) => {
                let (a, b) = (self.end(a, complete), self.end(b, complete));
                self.states.choice(a, b)
            }
            Shape::After(a, b) if !complete || self.states.nullable(a) => b,
            _ => NOT_ALLOWED,
        }
    }

    /// Whether a text fits a pattern without elements and attributes.
    pub(super) fn accepts(&self, pattern: PatternId, text: &str) -> bool {
        self.fits(pattern, text, &xsd::token(text))
    }

    fn fits(&self, pattern: PatternId, text: &str, token: &str) -> bool {
        match &self.grammar.patterns[pattern] {
            Pattern::Empty => token.is_empty(),
            Pattern::Text => true,
            Pattern::Value(value) => value == token,
            Pattern::Data(data) => self.data(data, text),
            Pattern::Ref(definition) => self.fits(self.grammar.definitions[*definition].pattern, text, token),
            Pattern::Choice(parts) => parts.iter().any(|&part| self.fits(part, text, token)),
            // One part takes the text, and the others do without.
            Pattern::Group(parts) | Pattern::Interleave(parts) => parts.iter().any(|one| {
                parts.iter().all(
                    |part| {
                        if part == one { self.fits(*part, text, token) } else { self.fits(*part, "", "") }
                    },
                )
            }),
            Pattern::OneOrMore(inner) => self.fits(*inner, text, token),
            Pattern::NotAllowed | Pattern::Element(..) | Pattern::Attribute(..) => false,
        }
    }

    fn data(&self, data: &Data, text: &str) -> bool {
        let lexical = if data.base == "string" { text } else { text.trim() };
        xsd::accepts(&data.base, text, data.min, data.max)
            && data.max_length.is_none_or(|most| text.chars().count() <= most)
            && data.regex.is_none_or(|at| self.table.patterns[at].matches(lexical))
            && !data.except.is_some_and(|except| self.accepts(except, text))
    }
}
