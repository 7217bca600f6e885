//! The table of a schema: for every element in every context its fields, datatypes and cardinality.
//!
//! A type is the set of schema patterns that one element name can mean in one context, all alternatives united.
//! So every element of a document has exactly one type, and a user sees one stable set of names.

mod collect;
mod compile;
mod datatype;
mod keys;
mod model;

pub(crate) use collect::datatype;
pub(crate) use compile::compile;
pub(crate) use datatype::{Bool, Datatype, Form, Pattern};
pub(crate) use keys::{derive, snake};

use super::overlay;
use super::xml::{Elem, Name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a type stands in [`Table::types`].
pub(crate) type TypeId = usize;
/// Where a datatype stands in [`Table::datatypes`].
pub(crate) type DatatypeId = usize;

/// An attribute of a type.
#[derive(Serialize, Deserialize)]
pub(crate) struct AttrSlot {
    /// The name in scripts.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) datatype: DatatypeId,
    pub(crate) required: bool,
    /// The first release in [`Table::releases`] that has it, where the element is that old itself; none if it is newer
    /// than all of them.
    pub(crate) since: Option<u8>,
    /// Whether the installed libvirt's schemas have it.
    pub(crate) installed: bool,
}

/// A child element of a type.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChildSlot {
    /// The name in scripts; a plural if the child may repeat.
    pub(crate) key: String,
    /// Empty for libvirt's own elements outside of any namespace.
    pub(crate) space: String,
    pub(crate) name: String,
    pub(crate) ty: TypeId,
    pub(crate) required: bool,
    /// Whether the child may repeat.
    pub(crate) many: bool,
    /// The attribute of the child that a bare scalar stands for.
    pub(crate) shorthand: Option<String>,
    /// The first release in [`Table::releases`] that has it, where the element is that old itself; none if it is newer
    /// than all of them.
    pub(crate) since: Option<u8>,
    /// Whether the installed libvirt's schemas have it.
    pub(crate) installed: bool,
}

impl ChildSlot {
    /// Whether an element is such a child.
    pub(crate) fn is(&self, elem: &Elem) -> bool {
        self.name == elem.name.local && self.space == *elem.name.space
    }
}

/// An element in a context.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Type {
    /// The first context it was met in, such as `domain/devices/disk`.
    pub(crate) label: String,
    pub(crate) attrs: Vec<AttrSlot>,
    /// In the order in which libvirt writes them.
    pub(crate) children: Vec<ChildSlot>,
    pub(crate) text: Option<DatatypeId>,
    pub(crate) text_required: bool,
    /// Whether it holds XML that the schema says nothing about, such as `metadata`.
    pub(crate) free: bool,
    /// The key of the one list that holds all children that may repeat, where their order has a meaning.
    pub(crate) sequence: Option<String>,
    /// Keys that belong to this tool and not to libvirt.
    pub(crate) extensions: Vec<String>,
    /// Whether it reads as a plain value: there is nothing in it but a text, or nothing at all.
    pub(crate) plain: bool,
}

impl Type {
    /// The element's name.
    pub(crate) fn name(&self) -> &str {
        self.label.rsplit('/').next().unwrap_or(&self.label)
    }

    /// Every key that may be written, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.attrs
            .iter()
            .map(|attr| attr.key.as_str())
            .chain(self.text.map(|_| TEXT))
            .chain(self.sequence.as_deref())
            .chain(self.children.iter().filter(|child| !self.in_sequence(child)).map(|child| child.key.as_str()))
            .chain(self.extensions.iter().map(String::as_str))
    }

    /// The attribute of this name, if an element of this type can be written with nothing else.
    pub(crate) fn bare(&self, name: &str) -> Option<&AttrSlot> {
        let others = || self.attrs.iter().any(|attr| attr.required && attr.name != name);
        self.attr(name).filter(|_| self.text.is_none() && !others())
    }

    /// Whether a child belongs into the one list of all children.
    pub(crate) fn in_sequence(&self, child: &ChildSlot) -> bool {
        self.sequence.is_some() && child.many
    }

    /// The child that an element of this name is.
    pub(crate) fn child(&self, name: &Name) -> Option<&ChildSlot> {
        self.children.iter().find(|slot| slot.name == name.local && slot.space == *name.space)
    }

    pub(crate) fn attr(&self, name: &str) -> Option<&AttrSlot> {
        self.attrs.iter().find(|attr| attr.name == name)
    }
}

/// The key of an element's text where it has other fields as well.
pub(crate) const TEXT: &str = "value";

/// The table of one schema file.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) types: Vec<Type>,
    pub(crate) datatypes: Vec<Datatype>,
    pub(crate) patterns: Vec<Pattern>,
    /// The elements a document may begin with.
    pub(crate) roots: Vec<(String, TypeId)>,
    /// libvirt's releases that the shape was merged from, the oldest first.
    pub(crate) releases: Vec<String>,
}

impl Table {
    /// The type of a root element.
    pub(crate) fn root(&self, name: &str) -> Option<TypeId> {
        self.roots.iter().find(|(root, _)| root == name).map(|&(_, ty)| ty)
    }

    /// The attribute that a bare `true` or `false` stands for, if the type has one.
    pub(crate) fn switch<'t>(&self, ty: &'t Type) -> Option<&'t AttrSlot> {
        let found = overlay::SWITCHES.iter().find_map(|name| ty.bare(name))?;
        self.datatypes[found.datatype].bool.map(|_| found)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} types)", self.types.len())
    }
}
