//! XML to value. What the table does not know is kept under `_xml` and `_attrs`, so nothing is lost.

use super::{RAW, RAW_ATTRS, scalar};
use crate::floor::{Map, Value};
use crate::schema::table::{TEXT, Table, Type, TypeId};
use crate::schema::xml::{self, Elem, Node};

/// The value of a document or a part of it; `alone` is whether it stands for itself and not in a list.
pub(crate) fn to_value(table: &Table, elem: &Elem, ty: TypeId, alone: bool) -> Value {
    Reader { table }.element(elem, &table.types[ty], alone)
}

struct Reader<'t> {
    table: &'t Table,
}

impl Reader<'_> {
    fn element(&self, elem: &Elem, ty: &Type, alone: bool) -> Value {
        if ty.free {
            return free(elem);
        }
        let has_children = elem.children().next().is_some();
        let text = elem.text();
        let datatype = ty.text.map(|text| &self.table.datatypes[text]);
        // Blanks count only where any text will do and nothing else is there.
        let verbatim = datatype.is_some_and(|datatype| datatype.any) && !has_children;
        let text = if verbatim { &text[..] } else { text.trim() };
        if elem.attrs.is_empty() && !has_children && elem.extras.is_none() {
            let empty = text.is_empty() && alone;
            match datatype {
                Some(datatype) if empty && !ty.text_required && !datatype.any => return true.into(),
                Some(datatype) => return scalar::to_value(datatype, text),
                None if empty && self.table.switch(ty).is_none() && may_be_bare(ty) => return true.into(),
                None => {}
            }
        }
        if let Some(size) = self.size(elem, ty, text).filter(|_| !has_children) {
            return size.into();
        }
        self.map(elem, ty, text).into()
    }

    /// A number with its unit as one text.
    fn size(&self, elem: &Elem, ty: &Type, text: &str) -> Option<String> {
        let [attr] = elem.attrs.as_slice() else { return None };
        let slot = ty.attr("unit").filter(|_| attr.name.is_plain("unit"))?;
        let number = self.table.datatypes[ty.text?].int && text.bytes().all(|byte| byte.is_ascii_digit());
        let size = format!("{text} {}", attr.value);
        let readable = scalar::split_size(&size) == Some((text, &attr.value));
        (number && readable && self.table.datatypes[slot.datatype].accepts(self.table, &attr.value)).then_some(size)
    }

    fn map(&self, elem: &Elem, ty: &Type, text: &str) -> Map {
        let mut map = Map::new();
        let mut raw_attrs = Map::new();
        let mut raw = Vec::new();
        for attr in &elem.attrs {
            let slot = ty.attrs.iter().find(|slot| attr.name.is_plain(&slot.name));
            match slot {
                Some(slot) => {
                    let datatype = &self.table.datatypes[slot.datatype];
                    map.insert(slot.key.clone(), scalar::to_value(datatype, &attr.value));
                }
                None => {
                    raw_attrs.insert(attr_key(&attr.name), attr.value.as_str().into());
                }
            }
        }
        if !text.is_empty() {
            match ty.text {
                Some(datatype) => {
                    map.insert(TEXT.to_string(), scalar::to_value(&self.table.datatypes[datatype], text));
                }
                None => raw.push(xml::escape_text(text).into()),
            }
        }
        for child in elem.children() {
            if !self.child(&mut map, ty, child) {
                raw.push(xml::to_string(child).into());
            }
        }
        if !raw_attrs.is_empty() {
            map.insert(RAW_ATTRS.to_string(), raw_attrs.into());
        }
        if !raw.is_empty() {
            map.insert(RAW.to_string(), Value::List(raw));
        }
        if let Some(extras) = &elem.extras {
            map.extend(extras.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        let order: Vec<&str> = ty.keys().collect();
        map.sort_by_cached_key(|key, _| order.iter().position(|known| known == key).unwrap_or(order.len()));
        map
    }

    /// Puts a child into its element's map; false if there is no place for it.
    fn child(&self, map: &mut Map, ty: &Type, child: &Elem) -> bool {
        let Some(slot) = ty.child(&child.name) else { return false };
        let inner = &self.table.types[slot.ty];
        if let Some(sequence) = ty.sequence.as_ref().filter(|_| slot.many) {
            let entry = Map::from([(slot.name.clone(), self.element(child, inner, false))]);
            push(map, sequence, entry.into());
        } else if slot.many {
            push(map, &slot.key, self.element(child, inner, false));
        } else if map.contains_key(&slot.key) {
            return false;
        } else {
            map.insert(slot.key.clone(), self.element(child, inner, true));
        }
        true
    }
}

fn push(map: &mut Map, key: &str, value: Value) {
    if let Value::List(list) = map.entry(key.to_string()).or_insert_with(|| Value::List(Vec::new())) {
        list.push(value);
    }
}

/// Whether an element with nothing in it says all there is to say.
fn may_be_bare(ty: &Type) -> bool {
    ty.children.is_empty() && !ty.attrs.iter().any(|attr| attr.required)
}

/// The key of an attribute that the table does not know: a foreign one carries its namespace.
fn attr_key(name: &xml::Name) -> String {
    if name.space.is_empty() { name.local.clone() } else { format!("{{{}}}{}", name.space, name.written()) }
}

/// Free XML is kept as its text.
fn free(elem: &Elem) -> Value {
    let mut text = String::new();
    for node in &elem.nodes {
        match node {
            Node::Elem(child) => text.push_str(&xml::to_string(child)),
            Node::Text(piece) => text.push_str(&xml::escape_text(piece)),
        }
    }
    if elem.attrs.is_empty() {
        return text.into();
    }
    let attrs: Map = elem.attrs.iter().map(|attr| (attr_key(&attr.name), attr.value.as_str().into())).collect();
    Map::from([(TEXT.to_string(), text.into()), (RAW_ATTRS.to_string(), attrs.into())]).into()
}
