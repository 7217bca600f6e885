//! Writing through a cursor.

use super::{Element, refuse};
use crate::floor::{Error, Result, Value};
use crate::schema::map::{self, Field};
use crate::schema::table::{AttrSlot, ChildSlot, DatatypeId};
use crate::schema::xml::{Attr, Elem, Name, Node};

impl Element {
    /// Gives a field a value; `()` removes it.
    pub fn set(&self, key: &str, value: &Value) -> Result<()> {
        match self.field(key)? {
            Field::Attr(slot) => self.set_attr(slot, key, value),
            Field::Text => match self.ty().text {
                Some(datatype) => self.set_text(datatype, key, value),
                None => Ok(()),
            },
            Field::Child(slot) => self.set_child(slot, key, value),
            Field::Sequence => {
                let (made, findings) = map::sequence(self.document.schema.table, self.ty(), value, key);
                refuse(key, key, findings)?;
                let ty = self.ty();
                let is = |elem: &Elem| ty.child(&elem.name).is_some_and(|slot| ty.in_sequence(slot));
                self.write(|elem| replace(elem, is, made, |_| 0))
            }
            Field::Extension => self.write(|elem| {
                let extras = elem.extras.get_or_insert_default();
                if value.is_unit() {
                    extras.shift_remove(key);
                } else {
                    extras.insert(key.to_string(), value.clone());
                }
            }),
            Field::Raw | Field::RawAttrs => {
                let hint = format!("assign the whole {} as a map", self.ty().name());
                Err(Error::argument(format!("`{key}` cannot be set by itself")).hint(hint))
            }
        }
    }

    fn set_attr(&self, slot: &AttrSlot, key: &str, value: &Value) -> Result<()> {
        if value.is_unit() {
            self.may_go(slot.required, key)?;
            return self.write(|elem| elem.attrs.retain(|attr| !attr.name.is_plain(&slot.name)));
        }
        let table = self.document.schema.table;
        let text = map::to_text(table, &table.datatypes[slot.datatype], value).map_err(|wrong| wrong.error(key))?;
        let order = &self.ty().attrs;
        let rank = |name: &Name| order.iter().position(|slot| name.is_plain(&slot.name)).unwrap_or(order.len());
        self.write(|elem| {
            let name = Name::plain(&slot.name);
            if let Some(attr) = elem.attrs.iter_mut().find(|attr| attr.name == name) {
                attr.value = text;
            } else {
                let at = elem.attrs.iter().position(|attr| rank(&attr.name) > rank(&name)).unwrap_or(elem.attrs.len());
                elem.attrs.insert(at, Attr { name, value: text });
            }
        })
    }

    fn set_text(&self, datatype: DatatypeId, key: &str, value: &Value) -> Result<()> {
        let table = self.document.schema.table;
        let text = match value {
            Value::Unit => {
                self.may_go(self.ty().text_required, key)?;
                String::new()
            }
            value => map::to_text(table, &table.datatypes[datatype], value).map_err(|wrong| wrong.error(key))?,
        };
        self.write(|elem| {
            elem.nodes.retain(|node| matches!(node, Node::Elem(_)));
            if !text.is_empty() {
                elem.nodes.insert(0, Node::Text(text));
            }
        })
    }

    fn set_child(&self, slot: &ChildSlot, key: &str, value: &Value) -> Result<()> {
        let table = self.document.schema.table;
        let (made, findings) = map::children(table, slot, value, key);
        refuse(key, key, findings)?;
        if made.is_empty() {
            self.may_go(slot.required, key)?;
        }
        // `d.vcpu = 4` changes what it says and keeps the rest.
        let plain = !slot.many && !matches!(value, Value::Map(_) | Value::List(_)) && !table.types[slot.ty].free;
        if let ([new], true) = (made.as_slice(), plain) {
            let changed =
                self.write(|elem| elem.children_mut().find(|child| slot.is(child)).map(|old| say(old, new)))?;
            if changed.is_some() {
                return Ok(());
            }
        }
        self.write(|elem| replace(elem, |child| slot.is(child), made, |child| self.rank(child)))
    }

    fn may_go(&self, required: bool, key: &str) -> Result<()> {
        if required {
            return Err(Error::argument(format!("{} needs `{key}`", self.ty().name())));
        }
        Ok(())
    }

    /// Where a child stands in libvirt's writing order; what is not known stands last.
    pub(super) fn rank(&self, child: &Elem) -> usize {
        let order = &self.ty().children;
        order.iter().position(|slot| slot.is(child)).unwrap_or(order.len())
    }
}

/// Lets an element say what a new one says by its text and attributes, without losing what the new one does not mention.
fn say(old: &mut Elem, new: &Elem) {
    let text = new.nodes.iter().any(|node| matches!(node, Node::Text(_)));
    if text {
        old.nodes.retain(|node| matches!(node, Node::Elem(_)));
        old.nodes.splice(0..0, new.nodes.iter().cloned());
        old.attrs.retain(|attr| !attr.name.is_plain("unit"));
    }
    for attr in &new.attrs {
        match old.attrs.iter_mut().find(|known| known.name == attr.name) {
            Some(known) => known.value.clone_from(&attr.value),
            None => old.attrs.push(attr.clone()),
        }
    }
}

/// Puts elements into the place of others, or where their rank says if there were none.
pub(super) fn replace(elem: &mut Elem, is: impl Fn(&Elem) -> bool, new: Vec<Elem>, rank: impl Fn(&Elem) -> usize) {
    let Some(first) = new.first() else {
        elem.nodes.retain(|node| !matches!(node, Node::Elem(child) if is(child)));
        return;
    };
    let old = elem.nodes.iter().position(|node| matches!(node, Node::Elem(child) if is(child)));
    let at = old.unwrap_or_else(|| place(elem, rank(first), &rank));
    let before = elem.nodes[..at].to_vec();
    let mut after = elem.nodes.split_off(before.len());
    after.retain(|node| !matches!(node, Node::Elem(child) if is(child)));
    elem.nodes.extend(new.into_iter().map(Node::Elem));
    elem.nodes.append(&mut after);
}

/// Behind the last child of the same or a lower rank.
pub(super) fn place(elem: &Elem, wanted: usize, rank: &impl Fn(&Elem) -> usize) -> usize {
    let lower = |node: &Node| matches!(node, Node::Elem(child) if rank(child) <= wanted);
    elem.nodes.iter().rposition(lower).map_or(0, |at| at + 1)
}
