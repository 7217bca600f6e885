//! What a definition can hold, described: for completion inside map literals and for the field reference.

use super::map::{Field as Slot, entry, expected, resolve};
use super::table::{AttrSlot, ChildSlot, DatatypeId, Table, Type, TypeId};
use super::{Kind, tables};
use crate::floor::Result;

/// A field that a map may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key in scripts.
    pub key: String,
    /// libvirt's name: an attribute as `@name`, an element as `name`, the text as `text()`; empty for this tool's own.
    pub xml: String,
    /// What it takes, such as `true or false`, `an integer of at least 1` or `a map`.
    pub takes: String,
    /// The values to choose from as they are written in scripts, if there are such.
    pub values: Vec<String>,
    /// Whether it is a list.
    pub list: bool,
    /// Whether it must be there, whatever the other fields are.
    pub required: bool,
    /// Whether it has fields of its own.
    pub nested: bool,
}

/// The fields at a path such as `devices.disks[0]` in a definition of this kind that the installed libvirt knows, in order;
/// none if there is nothing with fields. List indices may be left out.
pub fn fields(kind: Kind, path: &str) -> Result<Vec<Field>> {
    let (schema, ty) = tables::of(kind)?;
    let found = walk(schema.table, ty, path);
    Ok(found.map_or_else(Vec::new, |found| match found {
        Found::Type(ty) => of_type(schema.table, &schema.table.types[ty]),
        Found::Sequence(ty) => of_sequence(schema.table, &schema.table.types[ty]),
        Found::Scalar(_) => Vec::new(),
    }))
}

/// The values to choose from at a path such as `devices.disks[0].device`, as they are written in scripts.
pub fn values(kind: Kind, path: &str) -> Result<Vec<String>> {
    let (schema, ty) = tables::of(kind)?;
    Ok(walk(schema.table, ty, path).map_or_else(Vec::new, |found| match found {
        Found::Type(ty) => bare_values(schema.table, &schema.table.types[ty], None),
        Found::Scalar(datatype) => literals(schema.table, datatype),
        Found::Sequence(_) => Vec::new(),
    }))
}

enum Found {
    Type(TypeId),
    /// The list of all children of a type.
    Sequence(TypeId),
    Scalar(DatatypeId),
}

fn walk(table: &Table, root: TypeId, path: &str) -> Option<Found> {
    let mut found = Found::Type(root);
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let key = step.split('[').next().unwrap_or(step);
        found = match found {
            Found::Scalar(_) => return None,
            Found::Sequence(ty) => Found::Type(entry(&table.types[ty], key)?.ty),
            Found::Type(ty) => match resolve(&table.types[ty], key)? {
                Slot::Attr(slot) => Found::Scalar(slot.datatype),
                Slot::Child(slot) => Found::Type(slot.ty),
                Slot::Text => Found::Scalar(table.types[ty].text?),
                Slot::Sequence => Found::Sequence(ty),
                Slot::Raw | Slot::RawAttrs | Slot::Extension => return None,
            },
        };
    }
    Some(found)
}

/// All fields of a type that the installed libvirt knows, but `_xml` and `_attrs`, which every type has.
pub(super) fn of_type(table: &Table, ty: &Type) -> Vec<Field> {
    let attrs = ty.attrs.iter().filter(|slot| slot.installed);
    let mut found: Vec<Field> = attrs.map(|slot| of_attr(table, slot)).collect();
    if let Some(text) = ty.text {
        found.push(Field {
            key: super::table::TEXT.to_string(),
            xml: "text()".to_string(),
            takes: expected(table, &table.datatypes[text]),
            values: literals(table, text),
            list: false,
            required: ty.text_required,
            nested: false,
        });
    }
    if let Some(key) = &ty.sequence {
        found.push(own(key, "maps with one of the entries each", true));
    }
    let children = ty.children.iter().filter(|slot| slot.installed && !ty.in_sequence(slot));
    found.extend(children.map(|slot| of_child(table, slot)));
    found.extend(ty.extensions.iter().map(|key| own(key, "options of this tool", false)));
    found
}

/// The entries of the one list of all children.
pub(super) fn of_sequence(table: &Table, ty: &Type) -> Vec<Field> {
    let entries = ty.children.iter().filter(|child| ty.in_sequence(child));
    entries.map(|child| Field { key: child.name.clone(), list: false, ..of_child(table, child) }).collect()
}

fn of_attr(table: &Table, slot: &AttrSlot) -> Field {
    Field {
        key: slot.key.clone(),
        xml: format!("@{}", slot.name),
        takes: expected(table, &table.datatypes[slot.datatype]),
        values: literals(table, slot.datatype),
        list: false,
        required: slot.required,
        nested: false,
    }
}

fn of_child(table: &Table, slot: &ChildSlot) -> Field {
    let ty = &table.types[slot.ty];
    Field {
        key: slot.key.clone(),
        xml: slot.name.clone(),
        takes: takes(table, ty, slot.shorthand.as_deref()),
        values: bare_values(table, ty, slot.shorthand.as_deref()),
        list: slot.many,
        required: slot.required,
        nested: has_fields(ty),
    }
}

fn own(key: &str, takes: &str, list: bool) -> Field {
    Field {
        key: key.to_string(),
        xml: String::new(),
        takes: takes.to_string(),
        values: Vec::new(),
        list,
        required: false,
        nested: list,
    }
}

fn has_fields(ty: &Type) -> bool {
    !ty.attrs.is_empty() || !ty.children.is_empty() || !ty.extensions.is_empty()
}

/// What an element takes: a map, a bare value in its place, or both.
fn takes(table: &Table, ty: &Type, shorthand: Option<&str>) -> String {
    if ty.free {
        return "XML in a string".to_string();
    }
    let size = ty.text.filter(|&text| ty.attr("unit").is_some() && table.datatypes[text].int);
    let bare = bare(table, ty, shorthand).map(|datatype| expected(table, &table.datatypes[datatype]));
    let bare = if size.is_some() { Some("a size such as \"2 GiB\"".to_string()) } else { bare };
    match (bare, has_fields(ty)) {
        (Some(bare), true) => format!("{bare}, or a map"),
        (Some(bare), false) => bare,
        (None, true) => "a map".to_string(),
        (None, false) => "true or false".to_string(),
    }
}

/// The datatype of a bare value in an element's place.
fn bare(table: &Table, ty: &Type, shorthand: Option<&str>) -> Option<DatatypeId> {
    let attr = || shorthand.and_then(|name| ty.bare(name)).or_else(|| table.switch(ty));
    ty.text.or_else(|| attr().map(|slot| slot.datatype))
}

fn bare_values(table: &Table, ty: &Type, shorthand: Option<&str>) -> Vec<String> {
    match bare(table, ty, shorthand) {
        Some(datatype) => literals(table, datatype),
        None if !has_fields(ty) && !ty.free => vec!["true".to_string(), "false".to_string()],
        None => Vec::new(),
    }
}

fn literals(table: &Table, datatype: DatatypeId) -> Vec<String> {
    let datatype = &table.datatypes[datatype];
    let bool = datatype.bool;
    let words = datatype.values.iter().filter(|value| !value.is_empty());
    let words =
        words.filter(|value| bool.and_then(|bool| bool.value(value)).is_none()).map(|value| format!("{value:?}"));
    bool.iter().flat_map(|_| ["true".to_string(), "false".to_string()]).chain(words).collect()
}
