//! The reference of all fields, made from the shape: the same whatever libvirt is installed.

use super::describe::{Field, of_sequence, of_type};
use super::table::{ChildSlot, Table, Type, TypeId};
use super::{Kind, baseline, manual, tables};
use crate::floor::Result;
use std::collections::{HashMap, VecDeque};

/// The fields of an element in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Where it is in the document, such as `devices.disks`; empty for the root.
    pub path: String,
    /// The page of libvirt's manual about it.
    pub manual: String,
    /// Its fields in order.
    pub fields: Vec<Entry>,
}

/// A field in the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub field: Field,
    /// The first release of libvirt in the shape that has it; none if it is as old as the element it is in.
    pub since: Option<String>,
    /// The section that lists its fields, if it has some: elements of one kind share one.
    pub section: Option<String>,
}

/// The releases of libvirt that the shape was merged from, the oldest first.
pub fn releases() -> &'static [String] {
    &baseline::table().releases
}

/// All fields of a kind of document, element by element in the order of writing. The fields of a domain inside of another
/// document are not repeated: see [`Kind::Domain`].
pub fn reference(kind: Kind) -> Result<Vec<Section>> {
    let table = baseline::table();
    let root = tables::root(table, kind)?;
    let mut book = Book { table, kind, paths: HashMap::from([(root, String::new())]), sections: Vec::new() };
    book.name(root);
    book.write(root, "");
    Ok(book.sections)
}

struct Book {
    table: &'static Table,
    kind: Kind,
    /// The shortest path to each type.
    paths: HashMap<TypeId, String>,
    sections: Vec<Section>,
}

impl Book {
    /// Finds the shortest paths.
    fn name(&mut self, root: TypeId) {
        let mut waiting = VecDeque::from([root]);
        while let Some(at) = waiting.pop_front() {
            let path = self.paths[&at].clone();
            for (key, inner) in self.inner(&self.table.types[at]) {
                self.paths.entry(inner).or_insert_with(|| {
                    waiting.push_back(inner);
                    below(&path, &key)
                });
            }
        }
    }

    /// The elements with fields below one, each with its key.
    fn inner(&self, ty: &Type) -> Vec<(String, TypeId)> {
        let children =
            ty.children.iter().filter(|child| !self.is_other(&child.name) && !self.table.types[child.ty].plain);
        let children = children.map(|child| match &ty.sequence {
            Some(sequence) if child.many => (below(sequence, &child.name), child.ty),
            _ => (child.key.clone(), child.ty),
        });
        children.collect()
    }

    /// Whether a child is a document by itself.
    fn is_other(&self, name: &str) -> bool {
        matches!(self.kind, Kind::Snapshot | Kind::Checkpoint) && matches!(name, "domain" | "inactiveDomain")
    }

    /// Writes the section of a type, and those below, where its path is the shortest.
    fn write(&mut self, at: TypeId, path: &str) {
        if self.paths.get(&at).is_none_or(|shortest| shortest != path) {
            return;
        }
        let ty = &self.table.types[at];
        let mut fields: Vec<Entry> = of_type(self.table, ty).into_iter().map(|field| self.entry(ty, field)).collect();
        if let Some(sequence) = &ty.sequence {
            let entries = of_sequence(self.table, ty).into_iter().map(|field| {
                let mut entry = self.entry(ty, field);
                entry.field.key = format!("{sequence}[].{}", entry.field.key);
                entry
            });
            fields.extend(entries.collect::<Vec<_>>());
        }
        self.sections.push(Section { path: path.to_string(), manual: manual::page(self.kind, &ty.label), fields });
        for (key, inner) in self.inner(ty) {
            self.write(inner, &below(path, &key));
        }
    }

    fn entry(&self, ty: &Type, field: Field) -> Entry {
        let attr = field.xml.strip_prefix('@').and_then(|name| ty.attr(name)).map(|slot| slot.since);
        let is = |child: &&ChildSlot| child.key == field.key || (ty.in_sequence(child) && child.name == field.key);
        let child = ty.children.iter().find(is);
        let since = attr.or(child.map(|child| child.since)).flatten().filter(|since| *since > 0);
        let since = since.and_then(|since| self.table.releases.get(usize::from(since)).cloned());
        let section =
            child.filter(|child| !self.is_other(&child.name)).and_then(|child| self.paths.get(&child.ty).cloned());
        Entry { field, since, section }
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}
