//! A checked document.

use super::lens::Element;
use super::table::{Type, TypeId};
use super::tables::Schema;
use super::xml::{self, Elem};
use super::{Change, Kind, diff, exact, map, release, tables};
use crate::floor::{Area, Code, Error, Finding, Map, Result, Value};
use std::sync::{Arc, PoisonError, RwLock};

/// A document of libvirt's with what this tool wants to know about it. Clones share one document.
#[derive(Debug, Clone)]
pub struct Definition(Arc<Document>);

/// What a definition and the cursors into it share.
#[derive(Debug)]
pub(super) struct Document {
    kind: Kind,
    pub(super) schema: &'static Schema,
    ty: TypeId,
    root: RwLock<Elem>,
}

impl Document {
    pub(super) fn read<T>(&self, look: impl FnOnce(&Elem) -> T) -> T {
        look(&self.root.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn write<T>(&self, change: impl FnOnce(&mut Elem) -> T) -> T {
        change(&mut self.root.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A field of this tool in a definition; it is never part of the XML.
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    /// The element that has it, such as `devices.interfaces[0]`: keys as the reference spells them, every list counted.
    pub path: String,
    /// The field, such as `wait_for_ip`.
    pub key: String,
    /// What it was given.
    pub value: Value,
}

impl Definition {
    /// Checks a value and makes the document from it; an error holds everything that is wrong.
    pub fn from_value(kind: Kind, value: &Value) -> Result<Self> {
        Self::from_value_with(kind, value, |_, _| Vec::new())
    }

    /// The same with a check of the fields of this tool, whose mistakes join those of the document.
    pub fn from_value_with(
        kind: Kind,
        value: &Value,
        check: impl FnOnce(&Elem, &[Extra]) -> Vec<Finding>,
    ) -> Result<Self> {
        let (schema, ty) = tables::of(kind)?;
        let (root, mut findings) = map::to_xml(schema.table, kind.root(), ty, value);
        let mut extras = Vec::new();
        collect(&schema.table.types, &schema.table.types[ty], &root, "", &mut extras);
        findings.extend(check(&root, &extras));
        if findings.is_empty() {
            findings = release::judged(exact(kind, schema, &root, false));
        }
        if findings.is_empty() {
            return Ok(Self::new(kind, schema, ty, root));
        }
        let name = value.as_map().and_then(|map| map.get("name")).and_then(Value::as_str);
        Err(refused(kind, name, findings))
    }

    /// Reads a document. Only its root is checked: libvirt knows what it says, and may be newer than the schemas here.
    pub fn from_xml(kind: Kind, text: &str) -> Result<Self> {
        let root = xml::parse(text)?;
        if !root.name.is_plain(kind.root()) {
            let message = format!("expected the element `{}`, not `{}`", kind.root(), root.name.written());
            return Err(Error::new(Code::InvalidDefinition, Area::Script, message));
        }
        let (schema, ty) = tables::of(kind)?;
        Ok(Self::new(kind, schema, ty, root))
    }

    /// Reads a document of any kind; its root element tells which.
    pub fn read(text: &str) -> Result<Self> {
        let root = xml::parse(text)?;
        let kind = Kind::of_root(&root.name).ok_or_else(|| {
            let message = format!("no kind of definition has the root element `{}`", root.name.written());
            Error::new(Code::InvalidDefinition, Area::Script, message)
        })?;
        Self::from_xml(kind, text)
    }

    fn new(kind: Kind, schema: &'static Schema, ty: TypeId, root: Elem) -> Self {
        Self(Arc::new(Document { kind, schema, ty, root: RwLock::new(root) }))
    }

    /// Checks the document against the whole schema, names that the schema does not know included.
    pub fn check(&self) -> Result<()> {
        let findings = self.0.read(|root| exact(self.0.kind, self.0.schema, root, true));
        if findings.is_empty() { Ok(()) } else { Err(refused(self.0.kind, self.name().as_deref(), findings)) }
    }

    /// A copy that shares nothing with this one.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::new(self.0.kind, self.0.schema, self.0.ty, self.root())
    }

    /// What another document of the same kind says differently. The order of differently named siblings, spellings of
    /// one size, what libvirt fills in by itself and what it expands (`q35`) do not count.
    pub fn diff(&self, other: &Self) -> Result<Vec<Change>> {
        if self.kind() != other.kind() {
            let message = format!("a {} cannot be compared with a {}", self.kind().name(), other.kind().name());
            return Err(Error::argument(message));
        }
        let table = self.0.schema.table;
        // One after the other: both may be the same document, and two read locks of one thread can block each other.
        let (before, after) = (self.root(), other.root());
        Ok(diff::changes(table, &table.types[self.0.ty], &before, &after))
    }

    /// The document's root as a cursor, to read and change fields.
    pub fn element(&self) -> Element {
        Element::root(&self.0, self.0.ty)
    }

    /// What kind of document this is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The name of the object that the document defines, if it has one.
    pub fn name(&self) -> Option<String> {
        self.0.read(|root| root.attr("name").map(str::to_string).or_else(|| root.find_text("name")))
    }

    /// The document as indented text.
    pub fn xml(&self) -> String {
        self.0.read(xml::to_string_pretty)
    }

    /// The document as a value, from which the same document can be made again.
    pub fn to_value(&self) -> Value {
        self.0.read(|root| map::to_value(self.0.schema.table, root, self.0.ty, true))
    }

    /// The fields of this tool, in the order of the elements they belong to.
    pub fn extras(&self) -> Vec<Extra> {
        let table = self.0.schema.table;
        let mut found = Vec::new();
        self.0.read(|root| collect(&table.types, &table.types[self.0.ty], root, "", &mut found));
        found
    }

    /// The document's root element as it is now.
    pub fn root(&self) -> Elem {
        self.0.read(Elem::clone)
    }
}

fn exact(kind: Kind, schema: &'static Schema, root: &Elem, strict: bool) -> Vec<Finding> {
    match kind.skeleton() {
        None => exact::findings(schema, root, 0, strict),
        Some(skeleton) => {
            let mut whole = xml::parse(skeleton).expect("skeletons are well-formed");
            let devices = whole.children_mut().last().expect("a skeleton ends with the devices");
            devices.nodes.push(xml::Node::Elem(root.clone()));
            exact::findings(schema, &whole, 2, strict)
        }
    }
}

fn refused(kind: Kind, name: Option<&str>, findings: Vec<Finding>) -> Error {
    let what = name.map_or_else(|| kind.name().to_string(), |name| format!("{} `{name}`", kind.name()));
    Error::definition(&what, findings)
}

fn collect(types: &[Type], ty: &Type, elem: &Elem, path: &str, found: &mut Vec<Extra>) {
    let extras = elem.extras.as_deref().into_iter().flat_map(Map::iter);
    found.extend(extras.map(|(key, value)| Extra { path: path.to_string(), key: key.clone(), value: value.clone() }));
    for (at, child) in elem.children().enumerate() {
        let Some(slot) = ty.child(&child.name) else { continue };
        let mut path = map::join(path, &slot.key);
        if slot.many {
            let before = elem.children().take(at).filter(|before| before.name == child.name).count();
            path.push_str(&format!("[{before}]"));
        }
        collect(types, &types[slot.ty], child, &path, found);
    }
}
