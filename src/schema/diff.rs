//! What two documents say differently. The order of differently named siblings, spellings of one size, what libvirt fills
//! in by itself and what it expands do not count.

use super::map::{self, join};
use super::overlay;
use super::table::{ChildSlot, Datatype, Table, Type};
use super::xml::{self, Elem};
use super::xsd;
use crate::floor::{Value, size};

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where, such as `devices.disks[0].driver.cache`; list indices are those of the first document, or of the second for
    /// what only that has.
    pub path: String,
    /// What the first document says; `()` if nothing.
    pub before: Value,
    /// What the second document says; `()` if nothing.
    pub after: Value,
}

pub(super) fn changes(table: &Table, ty: &Type, before: &Elem, after: &Elem) -> Vec<Change> {
    let mut diff = Diff { table, found: Vec::new() };
    diff.elements(ty, before, after, "");
    diff.found
}

struct Diff<'t> {
    table: &'t Table,
    found: Vec<Change>,
}

impl Diff<'_> {
    fn change(&mut self, path: String, before: Value, after: Value) {
        self.found.push(Change { path, before, after });
    }

    fn elements(&mut self, ty: &Type, before: &Elem, after: &Elem, path: &str) {
        if ty.free {
            let (old, new) = (xml::to_string(before), xml::to_string(after));
            if old != new {
                self.change(path.to_string(), old.into(), new.into());
            }
            return;
        }
        let sizes = (bytes(ty, before), bytes(ty, after));
        let same_size = sizes.0.is_some() && sizes.0 == sizes.1;
        self.attributes(ty, before, after, path, same_size);
        if let Some(datatype) = ty.text.filter(|_| !same_size) {
            let datatype = &self.table.datatypes[datatype];
            let (old, new) = (before.text(), after.text());
            if !same_text(ty, datatype, &old, &new) {
                let shown = |text: &str| {
                    if text.trim().is_empty() { Value::Unit } else { map::scalar_value(datatype, text.trim()) }
                };
                let path = if ty.attrs.is_empty() { path.to_string() } else { join(path, super::table::TEXT) };
                self.change(path, shown(&old), shown(&new));
            }
        }
        for slot in &ty.children {
            let is = |elem: &&Elem| slot.is(elem);
            let (old, new): (Vec<_>, Vec<_>) =
                (before.children().filter(is).collect(), after.children().filter(is).collect());
            self.children(ty, slot, &old, &new, &join(path, &slot.key));
        }
        self.order(ty, before, after, path);
        self.unknown(ty, before, after, path);
    }

    fn attributes(&mut self, ty: &Type, before: &Elem, after: &Elem, path: &str, same_size: bool) {
        for slot in ty.attrs.iter().filter(|slot| !(same_size && slot.name == "unit")) {
            let datatype = &self.table.datatypes[slot.datatype];
            let (old, new) = (before.attr(&slot.name), after.attr(&slot.name));
            let same = match (old, new) {
                (Some(old), Some(new)) => {
                    same_text(ty, datatype, old, new) || overlay::expands(&ty.label, &slot.name, old, new)
                }
                (None, None) => true,
                _ => overlay::is_generated(&ty.label, &format!("@{}", slot.name)),
            };
            if !same {
                let shown = |text: Option<&str>| text.map(|text| map::scalar_value(datatype, text)).into();
                self.change(join(path, &slot.key), shown(old), shown(new));
            }
        }
    }

    /// The children of one name. Equal ones at both ends are paired first, so one that was added or removed is just that.
    fn children(&mut self, parent: &Type, slot: &ChildSlot, before: &[&Elem], after: &[&Elem], path: &str) {
        let ty = &self.table.types[slot.ty];
        let same = |(old, new): &(&&Elem, &&Elem)| changes(self.table, ty, old, new).is_empty();
        let start = before.iter().zip(after).take_while(same).count();
        let (old, new) = (&before[start..], &after[start..]);
        let end = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
        let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
        let generated = overlay::is_generated(&parent.label, &slot.name);
        for at in 0..old.len().max(new.len()) {
            let path = if slot.many { format!("{path}[{}]", start + at) } else { path.to_string() };
            let shown = |elem: &Elem| map::to_value(self.table, elem, slot.ty, !slot.many);
            match (old.get(at), new.get(at)) {
                (Some(old), Some(new)) => self.elements(ty, old, new, &path),
                (Some(only), None) if !generated => self.change(path, shown(only), Value::Unit),
                (None, Some(only)) if !generated => self.change(path, Value::Unit, shown(only)),
                _ => {}
            }
        }
    }

    /// Where the order of differently named siblings has a meaning, a change of it is one.
    fn order(&mut self, ty: &Type, before: &Elem, after: &Elem, path: &str) {
        let Some(key) = &ty.sequence else { return };
        let names = |elem: &Elem| {
            let entries =
                elem.children().filter(|child| ty.child(&child.name).is_some_and(|slot| ty.in_sequence(slot)));
            entries.map(|child| child.local().into()).collect::<Vec<Value>>()
        };
        let (old, new) = (names(before), names(after));
        if old.len() == new.len() && old != new {
            self.change(join(path, key), old.into(), new.into());
        }
    }

    /// What the table does not know.
    fn unknown(&mut self, ty: &Type, before: &Elem, after: &Elem, path: &str) {
        let raw = |elem: &Elem| {
            let mut raw: Vec<String> =
                elem.children().filter(|child| ty.child(&child.name).is_none()).map(xml::to_string).collect();
            let attrs =
                elem.attrs.iter().filter(|attr| ty.attr(&attr.name.local).is_none() || !attr.name.space.is_empty());
            raw.extend(attrs.map(|attr| format!("{}={:?}", attr.name.written(), attr.value)));
            raw.sort();
            raw.into_iter().map(Value::String).collect::<Vec<_>>()
        };
        let (old, new) = (raw(before), raw(after));
        if old != new {
            self.change(join(path, map::RAW), old.into(), new.into());
        }
    }
}

/// The size in bytes that an element says.
fn bytes(ty: &Type, elem: &Elem) -> Option<u64> {
    ty.attr("unit").filter(|_| ty.text.is_some())?;
    let unit = elem.attr("unit").unwrap_or(overlay::unit(&ty.label));
    size(&format!("{} {unit}", elem.text().trim()).into()).ok()
}

fn same_text(ty: &Type, datatype: &Datatype, a: &str, b: &str) -> bool {
    let number = |text: &str| {
        let digits = text.trim().strip_prefix("0x");
        digits.map_or_else(|| text.trim().parse().ok(), |digits| i128::from_str_radix(digits, 16).ok())
    };
    // Text that belongs to somebody else counts to the letter.
    if datatype.any && ty.attrs.is_empty() {
        return a == b;
    }
    let hexadecimal = a.trim().starts_with("0x") || b.trim().starts_with("0x");
    xsd::token(a) == xsd::token(b)
        || ((datatype.int || hexadecimal) && number(a).is_some() && number(a) == number(b))
        || (overlay::ignores_case(datatype) && a.eq_ignore_ascii_case(b))
}
