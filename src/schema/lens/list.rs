//! The elements of one name, or of a sequence, as a list.

use super::set::place;
use super::{Element, Item, refuse};
use crate::floor::{Code, Error, Result, Value};
use crate::schema::map;
use crate::schema::table::ChildSlot;
use crate::schema::xml::{Elem, Node};

/// A list of elements in a document, which changes with it. Clones mean the same list.
#[derive(Debug, Clone)]
pub struct Elements {
    parent: Element,
    /// The child that repeats; none for a sequence, whose entries are maps of one element each.
    slot: Option<&'static ChildSlot>,
}

impl Elements {
    pub(super) fn new(parent: Element, slot: Option<&'static ChildSlot>) -> Self {
        Self { parent, slot }
    }

    fn holds(&self, elem: &Elem) -> bool {
        if let Some(slot) = self.slot {
            return slot.is(elem);
        }
        let ty = self.parent.ty();
        ty.child(&elem.name).is_some_and(|slot| ty.in_sequence(slot))
    }

    fn key(&self) -> &'static str {
        let ty = self.parent.ty();
        self.slot.map_or(ty.sequence.as_deref().unwrap_or_default(), |slot| slot.key.as_str())
    }

    fn view(&self, elem: &Elem) -> Item {
        if let Some(slot) = self.slot {
            return self.parent.view(elem, slot, false);
        }
        let slot = self.parent.ty().child(&elem.name);
        let table = &self.parent.document.schema.table;
        let entry = slot.map(|slot| (slot.name.clone(), map::to_value(table, elem, slot.ty, false)));
        Item::Value(Value::Map(entry.into_iter().collect()))
    }

    /// How many there are.
    pub fn len(&self) -> Result<usize> {
        self.parent.read(|elem| elem.children().filter(|child| self.holds(child)).count())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// All of them.
    pub fn items(&self) -> Result<Vec<Item>> {
        self.parent
            .read(|elem| elem.children().filter(|child| self.holds(child)).map(|child| self.view(child)).collect())
    }

    /// The one at an index; a negative one counts from the end.
    pub fn get(&self, index: i64) -> Result<Item> {
        let at = self.at(index)?;
        let found = self
            .parent
            .read(|elem| elem.children().filter(|child| self.holds(child)).nth(at).map(|child| self.view(child)))?;
        found.ok_or_else(|| self.outside(index))
    }

    /// Puts a value into the place of the one at an index.
    pub fn set(&self, index: i64, value: &Value) -> Result<()> {
        let at = self.at(index)?;
        let new = self.make(value)?;
        self.parent.write(|elem| {
            if let Some(node) = nth(elem, at, |child| self.holds(child)) {
                elem.nodes[node] = Node::Elem(new);
            }
        })
    }

    /// Adds a value at the end.
    pub fn push(&self, value: &Value) -> Result<()> {
        self.insert(i64::MAX, value)
    }

    /// Adds a value before the one at an index; beyond the end it goes to the end.
    pub fn insert(&self, index: i64, value: &Value) -> Result<()> {
        let new = self.make(value)?;
        let count = i64::try_from(self.len()?).unwrap_or(i64::MAX);
        let index = if index < 0 { (count + index).max(0) } else { index.min(count) };
        let index = usize::try_from(index).unwrap_or_default();
        self.parent.write(|elem| {
            let last = elem.nodes.iter().rposition(|node| matches!(node, Node::Elem(child) if self.holds(child)));
            let at = nth(elem, index, |child| self.holds(child)).unwrap_or_else(|| match last {
                Some(last) => last + 1,
                None => place(elem, self.parent.rank(&new), &|child| self.parent.rank(child)),
            });
            elem.nodes.insert(at, Node::Elem(new));
        })
    }

    /// Takes out the one at an index.
    pub fn remove(&self, index: i64) -> Result<()> {
        let at = self.at(index)?;
        self.parent.write(|elem| {
            if let Some(node) = nth(elem, at, |child| self.holds(child)) {
                elem.nodes.remove(node);
            }
        })
    }

    /// Takes out this very element; false if it is not in the list.
    pub fn remove_element(&self, element: &Element) -> Result<bool> {
        self.parent.write(|elem| {
            let is = |node: &Node| {
                matches!(node, Node::Elem(child) if self.holds(child) && element.path.last() == Some(&child.id))
            };
            elem.nodes.iter().position(is).map(|at| elem.nodes.remove(at)).is_some()
        })
    }

    /// All of them as values.
    pub fn to_value(&self) -> Result<Value> {
        let table = &self.parent.document.schema.table;
        let items = self.items()?.into_iter().map(|item| match item {
            Item::Value(value) => Ok(value),
            Item::Element(element) => element.read(|elem| map::to_value(table, elem, element.ty, false)),
            Item::List(list) => list.to_value(),
        });
        items.collect::<Result<Vec<_>>>().map(Value::List)
    }

    /// Whether both mean the same list of the same document.
    pub fn is(&self, other: &Self) -> bool {
        let slots = (self.slot.map(std::ptr::from_ref), other.slot.map(std::ptr::from_ref));
        self.parent.is(&other.parent) && slots.0 == slots.1
    }

    fn at(&self, index: i64) -> Result<usize> {
        let count = self.len()?;
        let from_start = if index < 0 { i64::try_from(count).unwrap_or(i64::MAX) + index } else { index };
        usize::try_from(from_start).ok().filter(|at| *at < count).ok_or_else(|| self.outside(index))
    }

    fn outside(&self, index: i64) -> Error {
        let count = self.len().unwrap_or_default();
        let mut error = Error::argument(format!("`{}` has no item {index}: there are {count}", self.key()));
        error.code = Code::NotFound;
        error
    }

    /// The one element that a value makes.
    fn make(&self, value: &Value) -> Result<Elem> {
        let table = &self.parent.document.schema.table;
        let key = self.key();
        let one = Value::List(vec![value.clone()]);
        let (made, findings) = match self.slot {
            Some(slot) => map::children(table, slot, &one, key),
            None => map::sequence(table, self.parent.ty(), &one, key),
        };
        refuse(key, &format!("{key}[0]"), findings)?;
        made.into_iter().next().ok_or_else(|| Error::argument(format!("{} is no item of `{key}`", value.show())))
    }
}

/// Which node the nth such element is.
fn nth(elem: &Elem, at: usize, is: impl Fn(&Elem) -> bool) -> Option<usize> {
    let nodes = elem.nodes.iter().enumerate();
    nodes.filter(|(_, node)| matches!(node, Node::Elem(child) if is(child))).nth(at).map(|(node, _)| node)
}
