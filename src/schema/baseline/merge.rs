//! Two tables walked in parallel and made one.

use crate::schema::overlay;
use crate::schema::table::{AttrSlot, ChildSlot, Datatype, DatatypeId, Form, Pattern, Table, Type, TypeId};
use crate::schema::xml::Name;
use crate::schema::xsd;
use std::collections::HashMap;

/// What is done where both tables know something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The first table says what a field looks like, the second, of the installed libvirt, which values are allowed and
    /// what is required. What only the first knows is kept, marked as not installed.
    Installed,
    /// Both are releases, the second the newer one: what either allows is allowed, what either repeats is a list.
    #[cfg_attr(not(test), allow(dead_code, reason = "only the test that writes the shape merges releases"))]
    Release,
}

/// Both tables as one, with the roots of the second, or of both if they are releases.
pub(crate) fn merged(shape: &Table, fresh: &Table, rule: Rule) -> Table {
    let mut merger = Merger {
        shape,
        fresh,
        rule,
        table: Table { releases: shape.releases.clone(), ..Table::default() },
        types: HashMap::new(),
        waiting: Vec::new(),
        datatypes: HashMap::new(),
    };
    if rule == Rule::Installed {
        merger.table.patterns = fresh.patterns.iter().map(|pattern| Pattern::new(pattern.source.clone())).collect();
    } else {
        merger.table.releases.clone_from(&fresh.releases);
    }
    let new = fresh.roots.iter().map(|(root, _)| root);
    let old = shape.roots.iter().map(|(root, _)| root).filter(|_| rule == Rule::Release);
    for root in old.clone().chain(new.filter(|new| !old.clone().any(|old| old == *new))) {
        let ty = merger.type_of((shape.root(root), fresh.root(root)));
        merger.table.roots.push((root.clone(), ty));
    }
    let mut next = 0;
    while next < merger.waiting.len() {
        let ty = merger.build(merger.waiting[next]);
        merger.table.types.push(ty);
        next += 1;
    }
    merger.table
}

/// The types of an element in both tables; at least one of them knows it.
type Pair = (Option<TypeId>, Option<TypeId>);

struct Merger<'t> {
    shape: &'t Table,
    fresh: &'t Table,
    rule: Rule,
    table: Table,
    types: HashMap<Pair, TypeId>,
    waiting: Vec<Pair>,
    datatypes: HashMap<Datatype, DatatypeId>,
}

impl Merger<'_> {
    fn type_of(&mut self, pair: Pair) -> TypeId {
        *self.types.entry(pair).or_insert_with(|| {
            self.waiting.push(pair);
            self.waiting.len() - 1
        })
    }

    fn build(&mut self, (old, new): Pair) -> Type {
        let none = Type::default();
        let (shape, fresh) = (self.shape, self.fresh);
        let old = old.map(|ty| &shape.types[ty]);
        let new = new.map(|ty| &fresh.types[ty]);
        // What a type is called decides what the overlay says of it; both say the same of one that both know.
        let known = if self.rule == Rule::Installed { new.or(old) } else { old.or(new) };
        let known = known.expect("at least one of the tables knows the type");
        let both = old.is_some() && new.is_some();
        let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
        let mut ty = Type {
            label: known.label.clone(),
            free: if both && self.rule == Rule::Release { old.free && new.free } else { known.free },
            sequence: known.sequence.clone(),
            extensions: known.extensions.clone(),
            ..Type::default()
        };
        ty.plain = if both { old.plain } else { known.plain };
        let all = united(&old.attrs, &new.attrs, |attr| attr.name.as_str());
        for name in all {
            let pair = (old.attr(name), new.attr(name));
            let key = |wanted: &str| free_key([old, &ty], wanted, "attribute");
            let attr = self.attr(pair, both, key);
            ty.attrs.push(attr);
        }
        if let Some((datatype, required)) = self.text((old, new), both) {
            (ty.text, ty.text_required) = (Some(datatype), required);
        }
        let all = united(&old.children, &new.children, |child| (child.space.as_str(), child.name.as_str()));
        for (space, name) in all {
            let name = Name::new(space, "", name);
            let key = |wanted: &str| free_key([old, &ty], wanted, "element");
            let child = self.child((old.child(&name), new.child(&name)), both, key);
            ty.children.push(child);
        }
        ty
    }

    fn attr(
        &mut self,
        (old, new): (Option<&AttrSlot>, Option<&AttrSlot>),
        both: bool,
        free_key: impl Fn(&str) -> String,
    ) -> AttrSlot {
        let slot = old.or(new).expect("at least one of the tables knows the attribute");
        let datatype = self.datatype(
            old.map(|old| &self.shape.datatypes[old.datatype]),
            new.map(|new| &self.fresh.datatypes[new.datatype]),
        );
        let key = if old.is_some() { slot.key.clone() } else { free_key(&slot.key) };
        AttrSlot {
            key,
            name: slot.name.clone(),
            datatype,
            required: self.required(old.map(|old| old.required), new.map(|new| new.required), both),
            since: self.since(old.and_then(|old| old.since), new.and_then(|new| new.since), both),
            installed: new.is_some() || self.rule == Rule::Release,
        }
    }

    fn child(
        &mut self,
        (old, new): (Option<&ChildSlot>, Option<&ChildSlot>),
        both: bool,
        free_key: impl Fn(&str) -> String,
    ) -> ChildSlot {
        let slot = old.or(new).expect("at least one of the tables knows the child");
        let inner = self.type_of((old.map(|old| old.ty), new.map(|new| new.ty)));
        let more = self.rule == Rule::Release && new.is_some_and(|new| new.many);
        // What becomes a list gets the key of a list.
        let slot = if more && !slot.many { new.unwrap_or(slot) } else { slot };
        let frozen = old.is_some_and(|old| old.key == slot.key);
        let key = if frozen { slot.key.clone() } else { free_key(&slot.key) };
        ChildSlot {
            key,
            space: slot.space.clone(),
            name: slot.name.clone(),
            ty: inner,
            required: self.required(old.map(|old| old.required), new.map(|new| new.required), both),
            many: slot.many,
            shorthand: new.or(old).and_then(|slot| slot.shorthand.clone()),
            since: self.since(old.and_then(|old| old.since), new.and_then(|new| new.since), both),
            installed: new.is_some() || self.rule == Rule::Release,
        }
    }

    /// The release that brought a field into its element; in an element that is new itself nothing counts as new.
    fn since(&self, old: Option<u8>, new: Option<u8>, both: bool) -> Option<u8> {
        match self.rule {
            Rule::Installed => old,
            Rule::Release if both => old.or(new),
            Rule::Release => old.or(Some(0)),
        }
    }

    /// Whether a field must be there; `both` is whether both tables know the element that has it.
    fn required(&self, old: Option<bool>, new: Option<bool>, both: bool) -> bool {
        match self.rule {
            Rule::Installed if both => new.unwrap_or(false),
            Rule::Release if both => old.unwrap_or(false) && new.unwrap_or(false),
            _ => old.or(new).unwrap_or(false),
        }
    }

    fn text(&mut self, (old, new): (&Type, &Type), both: bool) -> Option<(DatatypeId, bool)> {
        // Where an element has no text any more, there is none to be written.
        if self.rule == Rule::Installed && both && new.text.is_none() {
            return None;
        }
        if old.text.is_none() && new.text.is_none() {
            return None;
        }
        let datatype = self.datatype(
            old.text.map(|text| &self.shape.datatypes[text]),
            new.text.map(|text| &self.fresh.datatypes[text]),
        );
        let one = |ty: &Type| ty.text.map(|_| ty.text_required);
        Some((datatype, self.required(one(old), one(new), both)))
    }

    fn datatype(&mut self, old: Option<&Datatype>, new: Option<&Datatype>) -> DatatypeId {
        let datatype = match (old, new) {
            (Some(old), Some(new)) if self.rule == Rule::Release => Datatype {
                any: old.any || new.any,
                values: united(&old.values, &new.values, String::as_str).into_iter().map(str::to_string).collect(),
                forms: old.forms.iter().chain(&new.forms).cloned().collect(),
                later: Vec::new(),
                ..*old
            },
            (Some(old), Some(new)) => {
                let later = old.values.iter().filter(|value| !new.values.contains(value)).cloned().collect();
                Datatype { bool: old.bool, int: old.int, later, ..new.clone() }
            }
            (one, other) => one.or(other).cloned().unwrap_or_default(),
        };
        let datatype = if self.rule == Rule::Release { reduced(datatype) } else { datatype };
        *self.datatypes.entry(datatype).or_insert_with_key(|datatype| {
            self.table.datatypes.push(datatype.clone());
            self.table.datatypes.len() - 1
        })
    }
}

/// A datatype without ranges and patterns, which are the installed libvirt's to say; of a pattern its meaning is left.
fn reduced(mut datatype: Datatype) -> Datatype {
    let int = datatype.int;
    let reduced = |form: Form| {
        if int && xsd::is_whole(&form.base) {
            return Form { base: "integer".to_string(), ..Form::default() };
        }
        let known = overlay::meaning(&form.meaning).is_some();
        let meaning = if known { form.meaning } else { String::new() };
        Form { base: "string".to_string(), meaning, ..Form::default() }
    };
    let mut forms: Vec<Form> = datatype.forms.into_iter().map(reduced).collect();
    forms.sort();
    forms.dedup();
    datatype.forms = forms;
    datatype
}

/// The names of two lists: those of the first, and each that only the second has behind the one it follows there.
fn united<'t, T, N: PartialEq + Copy + 't>(old: &'t [T], new: &'t [T], name: impl Fn(&'t T) -> N) -> Vec<N> {
    let mut names: Vec<N> = old.iter().map(&name).collect();
    let mut behind = 0;
    for one in new.iter().map(&name) {
        let at = names.iter().position(|known| *known == one).unwrap_or_else(|| {
            names.insert(behind, one);
            behind
        });
        behind = at + 1;
    }
    names
}

/// A key for a field that is new: one that no other field has.
fn free_key(others: [&Type; 2], wanted: &str, what: &str) -> String {
    let mut taken = others.iter().flat_map(|ty| ty.keys());
    if taken.any(|known| known == wanted) { format!("{wanted}_{what}") } else { wanted.to_string() }
}
