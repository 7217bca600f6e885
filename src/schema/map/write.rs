//! Value to XML: names, datatypes, cardinality and required fields are checked, and all mistakes are collected.

use super::expected::expected;
use super::fields::{self, Field};
use super::scalar::{self, Wrong};
use super::{join, last};
use crate::floor::{Finding, Map, Value, nearest};
use crate::schema::overlay;
use crate::schema::table::{AttrSlot, ChildSlot, Table, Type, TypeId};
use crate::schema::xml::{Attr, Elem, Name, Node};

/// Deeper than any document that libvirt reads.
const MAX_DEPTH: usize = 200;

/// The document of a value, and what is wrong with it.
pub(crate) fn to_xml(table: &Table, root: &str, ty: TypeId, value: &Value) -> (Elem, Vec<Finding>) {
    let mut writer = Writer { table, findings: Vec::new(), depth: 0 };
    let mut elem = Elem::new(Name::plain(root));
    match value {
        Value::Map(map) => writer.map(&table.types[ty], &mut elem, map, ""),
        other => {
            let message = format!("{} must be a map, not {}", called(root), other.show());
            writer.findings.push(Finding { message, ..Finding::default() });
        }
    }
    (elem, writer.findings)
}

/// The elements that a value makes of a child, and what is wrong with it; `path` is the key it was given under.
pub(crate) fn children(table: &Table, slot: &ChildSlot, value: &Value, path: &str) -> (Vec<Elem>, Vec<Finding>) {
    let mut writer = Writer { table, findings: Vec::new(), depth: 0 };
    let mut holder = Elem::new(Name::plain(""));
    if !value.is_unit() {
        writer.children(&mut holder, slot, value, path);
    }
    (elements(holder), writer.findings)
}

/// The elements that a value makes of a list of all children.
pub(crate) fn sequence(table: &Table, ty: &Type, value: &Value, path: &str) -> (Vec<Elem>, Vec<Finding>) {
    let mut writer = Writer { table, findings: Vec::new(), depth: 0 };
    let mut holder = Elem::new(Name::plain(ty.name()));
    writer.sequence(ty, &mut holder, value, path);
    (elements(holder), writer.findings)
}

fn elements(holder: Elem) -> Vec<Elem> {
    let elements = holder.nodes.into_iter().filter_map(|node| match node {
        Node::Elem(elem) => Some(elem),
        Node::Text(_) => None,
    });
    elements.collect()
}

pub(super) struct Writer<'t> {
    pub(super) table: &'t Table,
    findings: Vec<Finding>,
    /// How deep the element at work lies.
    depth: usize,
}

/// A key of a map with the field it means.
struct Given<'v, 't> {
    field: Field<'t>,
    key: &'v str,
    value: &'v Value,
}

impl Writer<'_> {
    pub(super) fn find(&mut self, path: String, on_key: bool, message: String, hint: Option<String>) {
        self.findings.push(Finding { path, on_key, message, hint, place: None });
    }

    pub(super) fn wrong(&mut self, wrong: Wrong, path: &str) {
        self.findings.push(wrong.at(path, last(path, "")));
    }

    /// The element that a value makes; none if the value says that there is none.
    fn element(&mut self, slot: &ChildSlot, value: &Value, path: &str) -> Option<Elem> {
        let prefix = overlay::prefix_of(&slot.space).unwrap_or_default();
        let mut elem = Elem::new(Name::new(&slot.space, prefix, &slot.name));
        elem.origin = path.to_string();
        let ty = &self.table.types[slot.ty];
        if self.depth > MAX_DEPTH {
            self.wrong(Wrong::new("is nested too deeply".to_string()), path);
            return None;
        }
        match value {
            _ if ty.free => self.free(&mut elem, value, path),
            Value::Map(map) => self.map(ty, &mut elem, map, path),
            scalar => {
                if !self.scalar(slot, ty, &mut elem, scalar, path) {
                    return None;
                }
            }
        }
        Some(elem)
    }

    /// A bare value in an element's place; false if it says that there is no element.
    fn scalar(&mut self, slot: &ChildSlot, ty: &Type, elem: &mut Elem, value: &Value, path: &str) -> bool {
        if let Value::Bool(given) = value {
            if let Some(switch) = self.table.switch(ty) {
                self.attr(elem, switch, value, path);
                return true;
            }
            if self.may_be_empty(ty) {
                return *given;
            }
        }
        if let Some(datatype) = ty.text {
            if !self.size(ty, elem, value, path) {
                self.text(elem, datatype, value, path);
            }
        } else if let Some(attr) = slot.shorthand.as_deref().and_then(|name| ty.bare(name)) {
            self.attr(elem, attr, value, path);
        } else {
            let fields = ty.keys().next().is_some();
            let wanted = if fields { "a map" } else { "true or false" };
            self.wrong(Wrong::new(format!("must be {wanted}, not {}", value.show())), path);
        }
        true
    }

    /// Whether the element means something with nothing in it.
    fn may_be_empty(&self, ty: &Type) -> bool {
        let text = ty.text.map(|text| &self.table.datatypes[text]);
        text.is_none_or(|text| text.bool.is_none() && !ty.text_required && !text.any)
            && !ty.attrs.iter().any(|attr| attr.required)
            && !ty.children.iter().any(|child| child.required)
    }

    /// A size such as `"2 GiB"`; false if this is no text or the element no size.
    fn size(&mut self, ty: &Type, elem: &mut Elem, value: &Value, path: &str) -> bool {
        let (Some(text), Some(unit)) = (ty.text, ty.attr("unit")) else { return false };
        let Value::String(size) = value else { return false };
        let (number, unit_of) = (&self.table.datatypes[text], &self.table.datatypes[unit.datatype]);
        if !number.int || number.accepts(self.table, size) {
            return false;
        }
        match scalar::split_size(size) {
            Some((digits, unit)) if number.accepts(self.table, digits) && unit_of.accepts(self.table, unit) => {
                elem.attrs.push(Attr { name: Name::plain("unit"), value: unit.to_string() });
                elem.push_text(digits);
            }
            _ => self.wrong(Wrong::new(format!("must be a size such as \"2 GiB\", not {}", value.show())), path),
        }
        true
    }

    fn attr(&mut self, elem: &mut Elem, slot: &AttrSlot, value: &Value, path: &str) {
        match scalar::to_text(self.table, &self.table.datatypes[slot.datatype], value) {
            Ok(value) => elem.attrs.push(Attr { name: Name::plain(&slot.name), value }),
            Err(wrong) => self.wrong(wrong, path),
        }
    }

    fn text(&mut self, elem: &mut Elem, datatype: usize, value: &Value, path: &str) {
        match scalar::to_text(self.table, &self.table.datatypes[datatype], value) {
            Ok(text) => elem.push_text(&text),
            Err(wrong) => self.wrong(wrong, path),
        }
    }

    fn map(&mut self, ty: &Type, elem: &mut Elem, map: &Map, path: &str) {
        let (given, meant) = self.resolve(ty, elem, map, path);
        for slot in &ty.attrs {
            if let Some(found) = given.iter().find(|given| given.field.is_attr(slot)) {
                self.attr(elem, slot, found.value, &join(path, found.key));
            } else if slot.required && !meant.contains(&slot.key) && !has(&given, Field::RawAttrs) {
                let wanted = expected(self.table, &self.table.datatypes[slot.datatype]);
                self.find(path.to_string(), true, format!("{} needs `{}` ({wanted})", elem.local(), slot.key), None);
            }
        }
        for given in &given {
            let path = join(path, given.key);
            match (given.field, ty.text) {
                (Field::Text, Some(datatype)) => self.text(elem, datatype, given.value, &path),
                (Field::RawAttrs, _) => self.raw_attrs(elem, given.value, &path),
                (Field::Extension, _) => {
                    elem.extras.get_or_insert_default().insert(given.key.to_string(), given.value.clone());
                }
                _ => {}
            }
        }
        for slot in &ty.children {
            if let Some(found) = given.iter().find(|given| given.field.is_child(slot)) {
                self.children(elem, slot, found.value, &join(path, found.key));
            } else if slot.required
                && !meant.contains(&slot.key)
                && !has(&given, Field::Raw)
                && !has(&given, Field::Sequence)
            {
                self.find(path.to_string(), true, format!("{} needs `{}`", elem.local(), slot.key), None);
            }
        }
        for given in &given {
            match given.field {
                Field::Sequence => self.sequence(ty, elem, given.value, &join(path, given.key)),
                Field::Raw => self.raw(elem, given.value, &join(path, given.key)),
                _ => {}
            }
        }
    }

    /// The fields that the keys of a map mean, and the keys that misspelt ones probably mean.
    fn resolve<'v, 't>(
        &mut self,
        ty: &'t Type,
        elem: &Elem,
        map: &'v Map,
        path: &str,
    ) -> (Vec<Given<'v, 't>>, Vec<String>) {
        let mut found: Vec<Given<'v, 't>> = Vec::new();
        let mut meant = Vec::new();
        for (key, value) in map.iter().filter(|(_, value)| !value.is_unit()) {
            let Some(field) = fields::resolve(ty, key) else {
                let near = nearest(key, ty.keys());
                meant.extend(near.map(str::to_string));
                let hint = near.map_or_else(|| known_fields(ty), |near| format!("did you mean `{near}`?"));
                self.find(join(path, key), true, format!("{} has no field `{key}`", called(elem.local())), Some(hint));
                continue;
            };
            if let Some(before) = found.iter().find(|before| before.field.is(field)) {
                let message = format!("`{}` and `{key}` are the same field", before.key);
                let hint = format!("write it once, as `{}`", before.key);
                self.find(join(path, key), true, message, Some(hint));
            } else {
                found.push(Given { field, key, value });
            }
        }
        (found, meant)
    }

    fn children(&mut self, elem: &mut Elem, slot: &ChildSlot, value: &Value, path: &str) {
        let Value::List(list) = value else {
            self.child(elem, slot, value, path);
            return;
        };
        if !slot.many {
            self.wrong(Wrong::new("is a single value, not a list".to_string()), path);
            return;
        }
        for (at, value) in list.iter().enumerate().filter(|(_, value)| !value.is_unit()) {
            self.child(elem, slot, value, &format!("{path}[{at}]"));
        }
    }

    fn child(&mut self, elem: &mut Elem, slot: &ChildSlot, value: &Value, path: &str) {
        self.depth += 1;
        elem.nodes.extend(self.element(slot, value, path).map(Node::Elem));
        self.depth -= 1;
    }

    /// Children of several names in one list, each in a map of its own.
    fn sequence(&mut self, ty: &Type, elem: &mut Elem, value: &Value, path: &str) {
        let one = std::slice::from_ref(value);
        let list = if let Value::List(list) = value { list.as_slice() } else { one };
        for (at, entry) in list.iter().enumerate().filter(|(_, entry)| !entry.is_unit()) {
            let path = format!("{path}[{at}]");
            let Value::Map(entry) = entry else {
                self.wrong(Wrong::new(format!("must be a map with one of {}, not {}", names(ty), entry.show())), &path);
                continue;
            };
            for (name, value) in entry.iter().filter(|(_, value)| !value.is_unit()) {
                if let Some(slot) = fields::entry(ty, name) {
                    self.child(elem, slot, value, &join(&path, name));
                    continue;
                }
                let near = nearest(name, entries(ty));
                let hint =
                    near.map_or_else(|| format!("entries: {}", names(ty)), |near| format!("did you mean `{near}`?"));
                self.find(join(&path, name), true, format!("{} has no entry `{name}`", elem.local()), Some(hint));
            }
        }
    }
}

fn has(given: &[Given<'_, '_>], field: Field<'_>) -> bool {
    given.iter().any(|given| given.field.is(field))
}

pub(crate) fn known_fields(ty: &Type) -> String {
    let mut keys: Vec<&str> = ty.keys().collect();
    keys.sort_unstable();
    if keys.is_empty() { "it takes no fields".to_string() } else { format!("fields: {}", keys.join(", ")) }
}

fn entries(ty: &Type) -> impl Iterator<Item = &str> {
    ty.children.iter().filter(|child| ty.in_sequence(child)).map(|child| child.name.as_str())
}

/// What scripts call a document whose element is called so.
pub(crate) fn called(root: &str) -> &str {
    match root {
        "domainbackup" | "domaincheckpoint" | "domainsnapshot" => root.trim_start_matches("domain"),
        other => other,
    }
}

fn names(ty: &Type) -> String {
    entries(ty).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
