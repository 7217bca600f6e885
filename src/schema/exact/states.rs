//! The states of the lazy automaton: patterns made of patterns, each once, so equal ones have equal numbers.

use crate::schema::rng::{Grammar, Pattern, PatternId};
use rustc_hash::FxHashMap as HashMap;
use std::collections::BTreeSet;

/// Where a shape stands in [`States`].
pub(super) type State = u32;

/// What is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    Empty,
    NotAllowed,
    Text,
    Choice(State, State),
    Group(State, State),
    Interleave(State, State),
    OneOrMore(State),
    /// A `data` or `value` pattern of the grammar.
    Value(PatternId),
    /// An `attribute` pattern of the grammar.
    Attribute(PatternId),
    /// An `element` pattern of the grammar.
    Element(PatternId),
    /// First the inside of an open element, then what follows it.
    After(State, State),
}

pub(super) const EMPTY: State = 0;
pub(super) const NOT_ALLOWED: State = 1;
pub(super) const TEXT: State = 2;

/// All states met so far.
pub(super) struct States {
    shapes: Vec<Shape>,
    nullable: Vec<bool>,
    numbers: HashMap<Shape, State>,
    converted: HashMap<PatternId, State>,
}

impl States {
    pub(super) fn new() -> Self {
        let mut states = Self {
            shapes: Vec::new(),
            nullable: Vec::new(),
            numbers: HashMap::default(),
            converted: HashMap::default(),
        };
        for shape in [Shape::Empty, Shape::NotAllowed, Shape::Text] {
            states.number(shape);
        }
        states
    }

    pub(super) fn count(&self) -> usize {
        self.shapes.len()
    }

    pub(super) fn shape(&self, state: State) -> Shape {
        self.shapes[state as usize]
    }

    /// Whether nothing more need come.
    pub(super) fn nullable(&self, state: State) -> bool {
        self.nullable[state as usize]
    }

    fn number(&mut self, shape: Shape) -> State {
        if let Some(&known) = self.numbers.get(&shape) {
            return known;
        }
        let nullable = match shape {
            Shape::Empty | Shape::Text => true,
            Shape::Choice(a, b) => self.nullable(a) || self.nullable(b),
            Shape::Group(a, b) | Shape::Interleave(a, b) => self.nullable(a) && self.nullable(b),
            Shape::OneOrMore(a) => self.nullable(a),
            _ => false,
        };
        let number =
            State::try_from(self.shapes.len()).expect("the automaton is dropped long before it grows so large");
        self.shapes.push(shape);
        self.nullable.push(nullable);
        self.numbers.insert(shape, number);
        number
    }

    /// One or the other; flat and sorted, which keeps the number of states small.
    pub(super) fn choice(&mut self, a: State, b: State) -> State {
        if a == NOT_ALLOWED || a == b {
            return b;
        }
        if b == NOT_ALLOWED {
            return a;
        }
        let mut alternatives = BTreeSet::new();
        self.alternatives(a, &mut alternatives);
        self.alternatives(b, &mut alternatives);
        let joined = alternatives.into_iter().rev().reduce(|rest, first| self.number(Shape::Choice(first, rest)));
        joined.unwrap_or(NOT_ALLOWED)
    }

    /// The parts of a choice, or the state itself.
    pub(super) fn alternatives(&self, state: State, found: &mut BTreeSet<State>) {
        if let Shape::Choice(a, b) = self.shape(state) {
            self.alternatives(a, found);
            self.alternatives(b, found);
        } else {
            found.insert(state);
        }
    }

    pub(super) fn group(&mut self, a: State, b: State) -> State {
        match (a, b) {
            (NOT_ALLOWED, _) | (_, NOT_ALLOWED) => NOT_ALLOWED,
            (EMPTY, only) | (only, EMPTY) => only,
            _ => self.number(Shape::Group(a, b)),
        }
    }

    pub(super) fn interleave(&mut self, a: State, b: State) -> State {
        match (a, b) {
            (NOT_ALLOWED, _) | (_, NOT_ALLOWED) => NOT_ALLOWED,
            (EMPTY, only) | (only, EMPTY) => only,
            _ => self.number(Shape::Interleave(a, b)),
        }
    }

    pub(super) fn after(&mut self, a: State, b: State) -> State {
        if a == NOT_ALLOWED || b == NOT_ALLOWED { NOT_ALLOWED } else { self.number(Shape::After(a, b)) }
    }

    pub(super) fn one_or_more(&mut self, a: State) -> State {
        if a == NOT_ALLOWED { NOT_ALLOWED } else { self.number(Shape::OneOrMore(a)) }
    }

    /// The state of a pattern of the grammar.
    pub(super) fn of(&mut self, grammar: &Grammar, pattern: PatternId) -> State {
        if let Some(&known) = self.converted.get(&pattern) {
            return known;
        }
        let state = match &grammar.patterns[pattern] {
            Pattern::Empty => EMPTY,
            Pattern::NotAllowed => NOT_ALLOWED,
            Pattern::Text => TEXT,
            Pattern::Ref(definition) => self.of(grammar, grammar.definitions[*definition].pattern),
            Pattern::Choice(parts) => parts.iter().fold(NOT_ALLOWED, |all, &part| {
                let part = self.of(grammar, part);
                self.choice(all, part)
            }),
            Pattern::Group(parts) => self.balanced(grammar, parts, Self::group),
            Pattern::Interleave(parts) => self.balanced(grammar, parts, Self::interleave),
            Pattern::OneOrMore(repeated) => {
                let repeated = self.of(grammar, *repeated);
                self.one_or_more(repeated)
            }
            Pattern::Data(_) | Pattern::Value(_) => self.number(Shape::Value(pattern)),
            Pattern::Attribute(..) => self.number(Shape::Attribute(pattern)),
            Pattern::Element(..) => self.number(Shape::Element(pattern)),
        };
        self.converted.insert(pattern, state);
        state
    }

    /// Joins parts as a tree rather than a chain: a step then changes few states.
    fn balanced(
        &mut self,
        grammar: &Grammar,
        parts: &[PatternId],
        join: fn(&mut Self, State, State) -> State,
    ) -> State {
        match parts {
            [] => EMPTY,
            [one] => self.of(grammar, *one),
            _ => {
                let (left, right) = parts.split_at(parts.len() / 2);
                let left = self.balanced(grammar, left, join);
                let right = self.balanced(grammar, right, join);
                join(self, left, right)
            }
        }
    }
}
