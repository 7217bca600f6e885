//! From patterns to the table: starting at the roots, each set of elements that one name can mean becomes a type.

use super::model::{ENDLESS, MAX_DEPTH, Model, Models};
use super::{AttrSlot, ChildSlot, Datatype, DatatypeId, Form, Pattern, Table, Type, TypeId, keys};
use crate::schema::overlay;
use crate::schema::rng::{Data, Grammar, NameId, Pattern as Rng, PatternId};
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
        patterns: HashMap::new(),
    };
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
    patterns: HashMap<String, usize>,
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
            ty.attrs.push(AttrSlot { key: String::new(), name, datatype, required: occurs.required });
        }
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
        let mut datatype = Datatype::default();
        for &pattern in patterns {
            self.collect(pattern, "", 0, &mut datatype)?;
        }
        datatype.forms.sort();
        datatype.forms.dedup();
        let mut seen = BTreeSet::new();
        datatype.values.retain(|value| seen.insert(value.clone()));
        let table = &mut self.table;
        Ok(*self.datatypes.entry(datatype).or_insert_with_key(|datatype| {
            table.datatypes.push(datatype.clone());
            table.datatypes.len() - 1
        }))
    }

    fn collect(
        &mut self,
        pattern: PatternId,
        meaning: &str,
        depth: usize,
        datatype: &mut Datatype,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(ENDLESS.to_string());
        }
        let grammar = self.grammar;
        match &grammar.patterns[pattern] {
            Rng::Text => datatype.any = true,
            Rng::Empty => datatype.values.push(String::new()),
            Rng::Value(value) => datatype.values.push(value.clone()),
            Rng::Choice(parts) | Rng::Group(parts) | Rng::Interleave(parts) => {
                for &part in parts {
                    self.collect(part, meaning, depth + 1, datatype)?;
                }
            }
            Rng::OneOrMore(inner) => self.collect(*inner, meaning, depth + 1, datatype)?,
            Rng::Ref(definition) => {
                let definition = &grammar.definitions[*definition];
                // The outermost name says most.
                let meaning = if meaning.is_empty() { &definition.name } else { meaning };
                self.collect(definition.pattern, meaning, depth + 1, datatype)?;
            }
            Rng::Data(data) => {
                let form = self.form(data, meaning, depth)?;
                datatype.forms.push(form);
            }
            Rng::NotAllowed | Rng::Element(..) | Rng::Attribute(..) => {}
        }
        Ok(())
    }

    fn form(&mut self, data: &Data, meaning: &str, depth: usize) -> Result<Form, String> {
        let mut form = Form {
            base: data.base.clone(),
            meaning: meaning.to_string(),
            pattern: None,
            min: None,
            max: None,
            except: Vec::new(),
        };
        for (name, value) in &data.params {
            match name.as_str() {
                "pattern" => form.pattern = Some(self.pattern(value.clone())),
                "maxLength" => form.pattern = Some(self.pattern(format!("(.|\\n){{0,{}}}", value.trim()))),
                "minInclusive" => form.min = value.trim().parse().ok(),
                "maxInclusive" => form.max = value.trim().parse().ok(),
                // Another restriction is left to libvirt.
                _ => {}
            }
        }
        if let Some(except) = data.except {
            let mut excepted = Datatype::default();
            self.collect(except, "", depth + 1, &mut excepted)?;
            form.except = excepted.values;
        }
        Ok(form)
    }

    fn pattern(&mut self, source: String) -> usize {
        let patterns = &mut self.table.patterns;
        *self.patterns.entry(source).or_insert_with_key(|source| {
            patterns.push(Pattern::new(source.clone()));
            patterns.len() - 1
        })
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
