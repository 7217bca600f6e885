//! What a pattern can hold: its attributes, children and text with their cardinality, all alternatives united.

use crate::schema::rng::{Grammar, NameClass, NameId, Pattern, PatternId};
use indexmap::IndexMap;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

/// How often something occurs, and the patterns it can be.
#[derive(Debug, Clone, Default)]
pub(super) struct Occurs {
    pub(super) required: bool,
    pub(super) many: bool,
    pub(super) patterns: BTreeSet<PatternId>,
}

impl Occurs {
    fn once(pattern: PatternId) -> Self {
        Self { required: true, many: false, patterns: BTreeSet::from([pattern]) }
    }
}

/// What a pattern can hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    /// By name; the patterns are the contents.
    pub(super) attrs: IndexMap<NameId, Occurs>,
    /// By name in order of first appearance; the patterns are the elements.
    pub(super) children: IndexMap<NameId, Occurs>,
    pub(super) text: Option<Occurs>,
    /// Pairs of children of which the first always stands before the second.
    pub(super) order: HashSet<(NameId, NameId)>,
    /// Whether elements of any name may occur.
    pub(super) any: bool,
}

/// Whether two patterns are alternatives, or stand together in this order or any.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    Choice,
    Group,
    Interleave,
}

impl Model {
    fn join(&mut self, other: &Self, join: Join) {
        if join == Join::Group {
            for &before in self.children.keys() {
                self.order
                    .extend(other.children.keys().filter(|&&after| after != before).map(|&after| (before, after)));
            }
        }
        self.order.extend(&other.order);
        self.any |= other.any;
        join_all(&mut self.attrs, &other.attrs, join);
        join_all(&mut self.children, &other.children, join);
        match (&mut self.text, &other.text) {
            (Some(mine), Some(other)) => join_one(mine, other, join),
            (Some(mine), None) => mine.required &= join != Join::Choice,
            (None, Some(other)) => {
                let required = other.required && join != Join::Choice;
                self.text = Some(Occurs { required, ..other.clone() });
            }
            (None, None) => {}
        }
    }

    /// Unites alternatives.
    pub(super) fn or(&mut self, other: &Self) {
        self.join(other, Join::Choice);
    }
}

fn join_all(mine: &mut IndexMap<NameId, Occurs>, others: &IndexMap<NameId, Occurs>, join: Join) {
    if join == Join::Choice {
        for (name, occurs) in &mut *mine {
            occurs.required &= others.contains_key(name);
        }
    }
    for (&name, other) in others {
        if let Some(occurs) = mine.get_mut(&name) {
            join_one(occurs, other, join);
        } else {
            let required = other.required && join != Join::Choice;
            mine.insert(name, Occurs { required, ..other.clone() });
        }
    }
}

fn join_one(mine: &mut Occurs, other: &Occurs, join: Join) {
    mine.patterns.extend(&other.patterns);
    if join == Join::Choice {
        mine.required &= other.required;
        mine.many |= other.many;
    } else {
        mine.required |= other.required;
        mine.many = true;
    }
}

/// Computes models, each pattern's once.
pub(super) struct Models<'g> {
    grammar: &'g Grammar,
    known: Vec<Option<Rc<Model>>>,
}

/// How deep patterns may refer to each other before they count as endless.
pub(super) const MAX_DEPTH: usize = 150;

pub(super) const ENDLESS: &str = "definitions refer to each other without end";

impl<'g> Models<'g> {
    pub(super) fn new(grammar: &'g Grammar) -> Self {
        Self { grammar, known: vec![None; grammar.patterns.len()] }
    }

    /// What the pattern can hold; an error if it refers to itself outside of an element.
    pub(super) fn of(&mut self, pattern: PatternId, depth: usize) -> Result<Rc<Model>, String> {
        if let Some(known) = &self.known[pattern] {
            return Ok(Rc::clone(known));
        }
        if depth > MAX_DEPTH {
            return Err(ENDLESS.to_string());
        }
        let grammar = self.grammar;
        let mut model = Model::default();
        let shared = match &grammar.patterns[pattern] {
            Pattern::Empty | Pattern::NotAllowed => Rc::new(model),
            Pattern::Text => {
                model.text = Some(Occurs { required: false, ..Occurs::once(pattern) });
                Rc::new(model)
            }
            Pattern::Data(_) | Pattern::Value(_) => {
                model.text = Some(Occurs::once(pattern));
                Rc::new(model)
            }
            Pattern::Ref(definition) => {
                let inner = self.of(grammar.definitions[*definition].pattern, depth + 1)?;
                match &inner.text {
                    // A datatype stays behind its name, which tells what it means.
                    Some(text) if inner.children.is_empty() && inner.attrs.is_empty() => {
                        model.text = Some(Occurs { patterns: BTreeSet::from([pattern]), ..text.clone() });
                        Rc::new(model)
                    }
                    _ => inner,
                }
            }
            Pattern::Choice(alternatives) => {
                let possible = |id: &&PatternId| !matches!(grammar.patterns[**id], Pattern::NotAllowed);
                for (at, &alternative) in alternatives.iter().filter(possible).enumerate() {
                    let other = self.of(alternative, depth + 1)?;
                    if at == 0 {
                        model = (*other).clone();
                    } else {
                        model.or(&other);
                    }
                }
                Rc::new(model)
            }
            joined @ (Pattern::Group(parts) | Pattern::Interleave(parts)) => {
                let join = if matches!(joined, Pattern::Group(_)) { Join::Group } else { Join::Interleave };
                for &part in parts {
                    model.join(&*self.of(part, depth + 1)?, join);
                }
                Rc::new(model)
            }
            Pattern::OneOrMore(repeated) => {
                model = (*self.of(*repeated, depth + 1)?).clone();
                for occurs in model.children.values_mut() {
                    occurs.many = true;
                }
                Rc::new(model)
            }
            Pattern::Element(class, content) => {
                if !matches!(grammar.patterns[*content], Pattern::NotAllowed) {
                    for name in names(class) {
                        model.children.insert(name, Occurs::once(pattern));
                    }
                    model.any = matches!(class, NameClass::Any);
                }
                Rc::new(model)
            }
            Pattern::Attribute(class, content) => {
                for name in names(class) {
                    model.attrs.insert(name, Occurs::once(*content));
                }
                Rc::new(model)
            }
        };
        self.known[pattern] = Some(Rc::clone(&shared));
        Ok(shared)
    }
}

fn names(class: &NameClass) -> Vec<NameId> {
    match class {
        NameClass::Name(name) => vec![*name],
        NameClass::Choice(classes) => classes.iter().flat_map(names).collect(),
        NameClass::Any => Vec::new(),
    }
}
