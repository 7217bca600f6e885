//! From patterns to the table: starting at the roots, each set of elements that one name can mean becomes a type.

use super::model::{Model, Models};
use super::{AttrSlot, ChildSlot, Datatype, DatatypeId, Pattern, Table, Type, TypeId, collect, keys};
use crate::schema::overlay;
use crate::schema::rng::{Grammar, NameId, Pattern as Rng, PatternId};
use std::collections::{BTreeSet, HashMap};

/// The table of a grammar, or why there is none.
pub(crate) fn compile(grammar: &Grammar) -> Result<Table, String> {
    let mut compiler = Compiler {
        grammar,
        models: Models::new(grammar),
        table: Table::default(),
        types: HashMap::new(),
        waiting: Vec::new(),
        datatypes: HashMap::new(),
    };
    compiler.table.patterns = grammar.regexes.iter().cloned().map(Pattern::new).collect();
    let start = compiler.models.of(grammar.start, 0)?;
    for (&name, occurs) in &start.children {
        let root = grammar.names[name].local.clone();
        let ty = compiler.type_of(&occurs.patterns, root.clone(), name);
        compiler.table.roots.push((root, ty));
    }
    // Building a type finds its children, which wait at the end: the walk is breadth first.
    let mut next = 0;
    while next < compiler.waiting.len() {
        let (elements, label, name) = compiler.waiting[next].clone();
        let ty = compiler.build(&elements, label, &grammar.names[name].space)?;
        compiler.table.types.push(ty);
        next += 1;
    }
    Ok(compiler.table)
}

struct Compiler<'g> {
    grammar: &'g Grammar,
    models: Models<'g>,
    table: Table,
    /// The types that have a number, by the elements they can be.
    types: HashMap<BTreeSet<PatternId>, TypeId>,
    /// By number: the elements, the label and the name of each.
    waiting: Vec<(BTreeSet<PatternId>, String, NameId)>,
    datatypes: HashMap<Datatype, DatatypeId>,
}

impl Compiler<'_> {
    fn type_of(&mut self, elements: &BTreeSet<PatternId>, label: String, name: NameId) -> TypeId {
        if let Some(&known) = self.types.get(elements) {
            return known;
        }
        let ty = self.waiting.len();
        self.types.insert(elements.clone(), ty);
        self.waiting.push((elements.clone(), label, name));
        ty
    }

    fn build(&mut self, elements: &BTreeSet<PatternId>, label: String, space: &str) -> Result<Type, String> {
        let mut model: Option<Model> = None;
        for &element in elements {
            let Rng::Element(_, content) = &self.grammar.patterns[element] else { continue };
            let other = self.models.of(*content, 0)?;
            match &mut model {
                None => model = Some((*other).clone()),
                Some(model) => model.or(&other),
            }
        }
        let model = model.unwrap_or_default();
        let mut ty = Type { free: model.any && model.children.is_empty(), label, ..Type::default() };
        for (&name, occurs) in &model.attrs {
            let datatype = self.datatype(&occurs.patterns)?;
            let name = self.grammar.names[name].local.clone();
            let required = occurs.required;
            ty.attrs.push(AttrSlot { key: String::new(), name, datatype, required, since: None, installed: true });
        }
        // libvirt writes the type first, and it is what a reader wants to know first.
        ty.attrs.sort_by_key(|attr| attr.name != "type");
        for name in ordered(&model) {
            let occurs = &model.children[&name];
            let qname = &self.grammar.names[name];
            ty.children.push(ChildSlot {
                key: String::new(),
                space: qname.space.clone(),
                name: qname.local.clone(),
                ty: self.type_of(&occurs.patterns, format!("{}/{}", ty.label, qname.local), name),
                required: occurs.required,
                many: occurs.many,
                shorthand: None,
                since: None,
                installed: true,
            });
        }
        if let Some(text) = model.text.filter(|_| !ty.free) {
            ty.text = Some(self.datatype(&text.patterns)?);
            ty.text_required = text.required;
        }
        if let Some(order) = overlay::order(&ty.label) {
            sort_children(&mut ty.children, order);
        }
        keys::assign(&mut ty, space);
        Ok(ty)
    }

    fn datatype(&mut self, patterns: &BTreeSet<PatternId>) -> Result<DatatypeId, String> {
        let datatype = collect::datatype(self.grammar, patterns)?;
        let table = &mut self.table;
        Ok(*self.datatypes.entry(datatype).or_insert_with_key(|datatype| {
            table.datatypes.push(datatype.clone());
            table.datatypes.len() - 1
        }))
    }
}

/// The children in an order that respects the schema's groups, else by first appearance.
fn ordered(model: &Model) -> Vec<NameId> {
    let mut left: Vec<NameId> = model.children.keys().copied().collect();
    let mut found = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = |name: NameId| !left.iter().any(|&other| other != name && model.order.contains(&(other, name)));
        // Alternatives that order the same children differently leave none free; any order will do then.
        let at = left.iter().position(|&name| free(name)).unwrap_or(0);
        found.push(left.remove(at));
    }
    found
}

/// Sorts children that the overlay names as it does; those it does not name stay behind the one they followed.
fn sort_children(children: &mut [ChildSlot], order: &str) {
    let mut rank = 0;
    let ranks: HashMap<(String, String), usize> = children
        .iter()
        .map(|child| {
            let written = order.split_whitespace().position(|name| name == child.name);
            rank = written.unwrap_or(rank);
            ((child.space.clone(), child.name.clone()), rank)
        })
        .collect();
    children.sort_by_key(|child| ranks[&(child.space.clone(), child.name.clone())]);
}
