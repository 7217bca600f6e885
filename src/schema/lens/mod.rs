//! Cursors into a document: every field is checked when it is read and when it is written, what a field reads as does not
//! depend on the document, and what is not touched stays as it is.

mod list;
mod set;

pub use list::Elements;

use super::definition::Document;
use super::map::{self, Field};
use super::overlay;
use super::table::{ChildSlot, Type, TypeId};
use super::xml::{self, Elem};
use crate::floor::{Area, Code, Error, Finding, Result, Value, did_you_mean, size};
use std::sync::Arc;

/// An element of a document. Clones mean the same element; it stays the same wherever it moves in its list.
#[derive(Debug, Clone)]
pub struct Element {
    document: Arc<Document>,
    /// The ids of the elements from the root's child to this one.
    path: Vec<u64>,
    ty: TypeId,
}

/// What a field reads as.
#[derive(Debug, Clone)]
pub enum Item {
    /// A plain value; `()` if the field is absent.
    Value(Value),
    /// An element with fields of its own.
    Element(Element),
    /// All elements of one name.
    List(Elements),
}

impl Element {
    pub(super) fn root(document: &Arc<Document>, ty: TypeId) -> Self {
        Self { document: Arc::clone(document), path: Vec::new(), ty }
    }

    fn ty(&self) -> &'static Type {
        &self.document.schema.table.types[self.ty]
    }

    /// The field that a key means.
    fn field(&self, key: &str) -> Result<Field<'static>> {
        let ty = self.ty();
        map::resolve(ty, key).ok_or_else(|| {
            let message = format!("{} has no field `{key}`", map::called(ty.name()));
            let error = Error::new(Code::InvalidDefinition, Area::Script, message);
            match did_you_mean(key, ty.keys()) {
                Some(hint) => error.hint(hint),
                None => error.hint(map::known_fields(ty)),
            }
        })
    }

    /// Looks at the element.
    fn read<T>(&self, look: impl FnOnce(&Elem) -> T) -> Result<T> {
        self.document
            .read(|root| {
                let found = self.path.iter().try_fold(root, |elem, id| elem.children().find(|child| child.id == *id));
                found.map(look)
            })
            .ok_or_else(|| self.gone())
    }

    /// Changes the element.
    fn write<T>(&self, change: impl FnOnce(&mut Elem) -> T) -> Result<T> {
        self.document
            .write(|root| {
                let found =
                    self.path.iter().try_fold(root, |elem, id| elem.children_mut().find(|child| child.id == *id));
                found.map(change)
            })
            .ok_or_else(|| self.gone())
    }

    fn gone(&self) -> Error {
        let message = format!("this {} was removed from its definition", self.ty().name());
        Error::new(Code::InvalidState, Area::Script, message)
    }

    /// A field's value; a field that is not there reads as `()`, a list that is not there as empty.
    pub fn get(&self, key: &str) -> Result<Item> {
        let table = self.document.schema.table;
        Ok(match self.field(key)? {
            Field::Attr(slot) => Item::Value(self.read(|elem| {
                let text = elem.attr(&slot.name);
                text.map(|text| map::scalar_value(&table.datatypes[slot.datatype], text)).into()
            })?),
            Field::Text => Item::Value(self.read(|elem| text_of(self, elem))?),
            Field::Child(slot) if slot.many => Item::List(Elements::new(self.clone(), Some(slot))),
            Field::Sequence => Item::List(Elements::new(self.clone(), None)),
            Field::Child(slot) => self
                .read(|elem| elem.children().find(|child| slot.is(child)).map(|child| self.view(child, slot, true)))?
                .unwrap_or(Item::Value(Value::Unit)),
            Field::Extension => {
                Item::Value(self.read(|elem| {
                    elem.extras.as_ref().and_then(|extras| extras.get(key)).cloned().unwrap_or_default()
                })?)
            }
            Field::Raw | Field::RawAttrs => {
                let value = self.to_value()?;
                Item::Value(value.as_map().and_then(|map| map.get(key)).cloned().unwrap_or_default())
            }
        })
    }

    /// A child as it is read: what has fields is a cursor, everything else a value.
    fn view(&self, child: &Elem, slot: &ChildSlot, alone: bool) -> Item {
        let table = self.document.schema.table;
        if table.types[slot.ty].plain {
            return Item::Value(map::to_value(table, child, slot.ty, alone));
        }
        Item::Element(self.child(child, slot.ty))
    }

    fn child(&self, child: &Elem, ty: TypeId) -> Self {
        let mut path = self.path.clone();
        path.push(child.id);
        Self { document: Arc::clone(&self.document), path, ty }
    }

    /// The element as a value, from which the same element can be made again.
    pub fn to_value(&self) -> Result<Value> {
        self.read(|elem| map::to_value(self.document.schema.table, elem, self.ty, false))
    }

    /// The element as indented text.
    pub fn xml(&self) -> Result<String> {
        self.read(xml::to_string_pretty)
    }

    /// The element's text, with its unit if it is a size; none if elements of this type have no text.
    pub fn text(&self) -> Result<Option<Value>> {
        if self.ty().text.is_none() {
            return Ok(None);
        }
        self.read(|elem| match (elem.attr("unit"), self.ty().attr("unit")) {
            (Some(unit), Some(_)) => Some(format!("{} {unit}", elem.text().trim()).into()),
            _ => Some(text_of(self, elem)),
        })
    }

    /// The size that the element says, in bytes.
    pub fn bytes(&self) -> Result<u64> {
        let ty = self.ty();
        let wrong = || Error::argument(format!("{} is not a size", ty.name()));
        if ty.text.is_none() || ty.attr("unit").is_none() {
            return Err(wrong());
        }
        let (number, unit) = self.read(|elem| {
            let unit = elem.attr("unit").map_or_else(|| overlay::unit(&ty.label).to_string(), str::to_string);
            (elem.text().trim().to_string(), unit)
        })?;
        size(&format!("{number} {unit}").into()).map_err(|_| wrong())
    }

    /// Whether the element says the same as a value: a text as it is, a size in any unit, everything else as a whole.
    pub fn says(&self, value: &Value) -> Result<bool> {
        if let (Ok(mine), Value::String(_)) = (self.bytes(), value)
            && let Ok(bytes) = size(value)
        {
            return Ok(mine == bytes);
        }
        Ok(self.text()?.is_some_and(|text| text == *value) || self.to_value()? == *value)
    }

    /// Whether both mean the same element of the same document.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.document, &other.document) && self.path == other.path
    }
}

fn text_of(element: &Element, elem: &Elem) -> Value {
    let text = elem.text();
    let text = text.trim();
    match element.ty().text {
        Some(datatype) if !text.is_empty() => {
            map::scalar_value(&element.document.schema.table.datatypes[datatype], text)
        }
        _ => Value::Unit,
    }
}

/// What is wrong with a value, told relative to that value, which was given under `key`.
fn refuse(what: &str, key: &str, findings: Vec<Finding>) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let relative = |mut finding: Finding| {
        let rest = finding.path.strip_prefix(key).unwrap_or(&finding.path);
        finding.path = rest.trim_start_matches('.').to_string();
        finding
    };
    Err(Error::definition(&format!("`{what}`"), findings.into_iter().map(relative).collect()))
}
