//! Which field of an element a key of a map means.

use super::{RAW, RAW_ATTRS};
use crate::schema::overlay;
use crate::schema::table::{AttrSlot, ChildSlot, TEXT, Type, snake};

/// A field of an element.
#[derive(Clone, Copy)]
pub(crate) enum Field<'t> {
    Attr(&'t AttrSlot),
    Child(&'t ChildSlot),
    Text,
    /// All children in one list.
    Sequence,
    Raw,
    RawAttrs,
    /// A field of this tool.
    Extension,
}

impl Field<'_> {
    pub(crate) fn is_attr(self, slot: &AttrSlot) -> bool {
        matches!(self, Field::Attr(mine) if std::ptr::eq(mine, slot))
    }

    pub(crate) fn is_child(self, slot: &ChildSlot) -> bool {
        matches!(self, Field::Child(mine) if std::ptr::eq(mine, slot))
    }

    pub(crate) fn is(self, other: Self) -> bool {
        match other {
            Field::Attr(slot) => self.is_attr(slot),
            Field::Child(slot) => self.is_child(slot),
            Field::Extension => false,
            other => std::mem::discriminant(&self) == std::mem::discriminant(&other),
        }
    }
}

/// The field that a key means: its own spelling, libvirt's, the singular of a list, or a script keyword with `_`.
pub(crate) fn resolve<'t>(ty: &'t Type, key: &str) -> Option<Field<'t>> {
    exact(ty, key).or_else(|| libvirts(ty, key)).or_else(|| {
        let keyword = key.strip_suffix('_')?;
        exact(ty, keyword)
    })
}

fn exact<'t>(ty: &'t Type, key: &str) -> Option<Field<'t>> {
    if let Some(attr) = ty.attrs.iter().find(|attr| attr.key == key) {
        return Some(Field::Attr(attr));
    }
    match key {
        RAW => return Some(Field::Raw),
        RAW_ATTRS => return Some(Field::RawAttrs),
        TEXT if ty.text.is_some() => return Some(Field::Text),
        _ if ty.sequence.as_deref() == Some(key) => return Some(Field::Sequence),
        _ if ty.extensions.iter().any(|extension| extension == key) => return Some(Field::Extension),
        _ => {}
    }
    child(ty, |child| child.key == key)
}

fn libvirts<'t>(ty: &'t Type, key: &str) -> Option<Field<'t>> {
    if let Some(attr) = ty.attrs.iter().find(|attr| attr.name == key) {
        return Some(Field::Attr(attr));
    }
    child(ty, |child| child.space.is_empty() && child.name == key)
        .or_else(|| child(ty, |child| child.name == key || snake(&child.name) == key))
        .or_else(|| {
            child(ty, |child| prefixed(child).is_some_and(|(written, spelled)| written == key || spelled == key))
        })
}

/// The two spellings of a child in a foreign namespace: `qemu:commandline` and `qemu_commandline`.
fn prefixed(child: &ChildSlot) -> Option<(String, String)> {
    let prefix = overlay::prefix_of(&child.space)?;
    Some((format!("{prefix}:{}", child.name), format!("{prefix}_{}", snake(&child.name))))
}

/// A child by its name in a list of all children.
pub(crate) fn entry<'t>(ty: &'t Type, name: &str) -> Option<&'t ChildSlot> {
    let mut entries = ty.children.iter().filter(|child| ty.in_sequence(child));
    entries.find(|child| child.name == name || child.key == name || snake(&child.name) == name)
}

fn child(ty: &Type, found: impl Fn(&ChildSlot) -> bool) -> Option<Field<'_>> {
    ty.children.iter().filter(|slot| !ty.in_sequence(slot)).find(|slot| found(slot)).map(Field::Child)
}
