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
        let table = self.parent.document.schema.table;
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
        let found = self.parent.read(|elem| match elem.nodes.get(self.node(elem, index)?) {
            Some(Node::Elem(child)) => Some(self.view(child)),
            _ => None,
        })?;
        found.ok_or_else(|| self.outside(index))
    }

    /// Puts a value into the place of the one at an index.
    pub fn set(&self, index: i64, value: &Value) -> Result<()> {
        let new = self.make(value)?;
        let done = self.parent.write(|elem| {
            let at = self.node(elem, index)?;
            elem.nodes[at] = Node::Elem(new);
            Some(())
        })?;
        done.ok_or_else(|| self.outside(index))
    }

    /// Adds a value at the end.
    pub fn push(&self, value: &Value) -> Result<()> {
        self.insert(i64::MAX, value)
    }

    /// Adds a value before the one at an index; beyond an end it goes to that end.
    pub fn insert(&self, index: i64, value: &Value) -> Result<()> {
        let new = self.make(value)?;
        self.parent.write(|elem| {
            let nodes = self.nodes(elem);
            let at = match (nodes.first(), nodes.last()) {
                (Some(&first), Some(&last)) => {
                    let before = self.node(elem, index);
                    before.unwrap_or(if index < 0 { first } else { last + 1 })
                }
                _ => place(elem, self.parent.rank(&new), &|child| self.parent.rank(child)),
            };
            elem.nodes.insert(at, Node::Elem(new));
        })
    }

    /// Takes out the one at an index.
    pub fn remove(&self, index: i64) -> Result<()> {
        let done = self.parent.write(|elem| {
            let at = self.node(elem, index)?;
            elem.nodes.remove(at);
            Some(())
        })?;
        done.ok_or_else(|| self.outside(index))
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
        let table = self.parent.document.schema.table;
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

    /// Which nodes of the parent belong to the list.
    fn nodes(&self, parent: &Elem) -> Vec<usize> {
        let nodes = parent.nodes.iter().enumerate();
        nodes.filter(|(_, node)| matches!(node, Node::Elem(child) if self.holds(child))).map(|(at, _)| at).collect()
    }

    /// Which node of the parent is the item at an index.
    fn node(&self, parent: &Elem, index: i64) -> Option<usize> {
        let nodes = self.nodes(parent);
        let count = i64::try_from(nodes.len()).ok()?;
        let at = if index < 0 { count.checked_add(index)? } else { index };
        nodes.get(usize::try_from(at).ok()?).copied()
    }

    fn outside(&self, index: i64) -> Error {
        let count = self.len().unwrap_or_default();
        let mut error = Error::argument(format!("`{}` has no item {index}: there are {count}", self.key()));
        error.code = Code::NotFound;
        error
    }

    /// The one element that a value makes.
    fn make(&self, value: &Value) -> Result<Elem> {
        let table = self.parent.document.schema.table;
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
