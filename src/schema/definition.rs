//! A checked document.

use super::map::{self, Extra};
use super::table::TypeId;
use super::tables::Schema;
use super::xml::{self, Elem};
use super::{Kind, exact, tables};
use crate::floor::{Area, Code, Error, Finding, Result, Value};

/// A document of libvirt's with what this tool wants to know about it.
#[derive(Debug, Clone)]
pub struct Definition {
    kind: Kind,
    schema: &'static Schema,
    ty: TypeId,
    root: Elem,
    extras: Vec<Extra>,
}

impl Definition {
    /// Checks a value and makes the document from it; an error holds everything that is wrong.
    pub fn from_value(kind: Kind, value: &Value) -> Result<Self> {
        let (schema, ty) = tables::of(kind)?;
        let (root, extras, mut findings) = map::to_xml(&schema.table, kind.root(), ty, value);
        if findings.is_empty() {
            findings = exact::findings(schema, &root, 0, false);
        }
        if findings.is_empty() {
            return Ok(Self { kind, schema, ty, root, extras });
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
        Ok(Self { kind, schema, ty, root, extras: Vec::new() })
    }

    /// Reads a document of any kind; its root element tells which.
    pub fn read(text: &str) -> Result<Self> {
        let root = xml::parse(text)?;
        let kind = Kind::ALL.iter().find(|kind| root.name.is_plain(kind.root())).ok_or_else(|| {
            let message = format!("no kind of definition has the root element `{}`", root.name.written());
            Error::new(Code::InvalidDefinition, Area::Script, message)
        })?;
        Self::from_xml(*kind, text)
    }

    /// Checks the document against the whole schema, names that the schema does not know included.
    pub fn check(&self) -> Result<()> {
        let findings = exact::findings(self.schema, &self.root, 0, true);
        if findings.is_empty() { Ok(()) } else { Err(refused(self.kind, self.name().as_deref(), findings)) }
    }

    /// What kind of document this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name of the object that the document defines, if it has one.
    pub fn name(&self) -> Option<String> {
        self.root.attr("name").map(str::to_string).or_else(|| self.root.find_text("name"))
    }

    /// The document as indented text.
    pub fn xml(&self) -> String {
        xml::to_string_pretty(&self.root)
    }

    /// The document as a value, from which the same document can be made again.
    pub fn to_value(&self) -> Value {
        map::to_value(&self.schema.table, &self.root, self.ty)
    }

    /// The fields of this tool, in the order of the elements they belong to.
    pub fn extras(&self) -> &[Extra] {
        &self.extras
    }

    /// The document's root element.
    pub fn root(&self) -> &Elem {
        &self.root
    }
}

fn refused(kind: Kind, name: Option<&str>, findings: Vec<Finding>) -> Error {
    let what = name.map_or_else(|| kind.name().to_string(), |name| format!("{} `{name}`", kind.name()));
    Error::definition(&what, findings)
}
