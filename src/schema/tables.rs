//! The schemas in use: one per file of libvirt's, read when it is first needed.

use super::exact::Validator;
use super::rng::Grammar;
use super::table::{Table, TypeId};
use super::xml::Name;
use super::{Kind, baseline, cache, installed};
use crate::floor::{Area, Code, Error, Result};
use std::fmt;
use std::sync::{Once, OnceLock};

/// One schema file: the table for the mapper, the grammar for the exact check.
pub(crate) struct Schema {
    pub(crate) table: &'static Table,
    pub(crate) grammar: Grammar,
    pub(crate) validator: Validator,
    /// Whether there is a grammar: there is none where no schemas are installed.
    pub(crate) is_exact: bool,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({:?})", self.table)
    }
}

/// The schema of a kind with the type of its root.
pub(super) fn of(kind: Kind) -> Result<(&'static Schema, TypeId)> {
    static SCHEMAS: [OnceLock<Result<Schema>>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
    let at = Kind::ALL.iter().position(|other| other.schema() == kind.schema());
    let file = &SCHEMAS[at.expect("every schema file is that of a kind of document")];
    let schema = file.get_or_init(|| load(kind)).as_ref().map_err(Error::clone)?;
    Ok((schema, root(schema.table, kind)?))
}

/// Reads the schema of a kind, on a thread that has nothing else to do, for who is going to need it.
pub fn prepare(kind: Kind) {
    if let Err(error) = of(kind) {
        // Who needs it is told.
        tracing::debug!(%error, "no schema");
    }
}

/// The type of a kind's root.
pub(super) fn root(table: &Table, kind: Kind) -> Result<TypeId> {
    let child = |ty: TypeId, name: &str| table.types[ty].child(&Name::plain(name)).map(|slot| slot.ty);
    let found = match kind {
        Kind::Device(name) => {
            table.root("domain").and_then(|domain| child(domain, "devices")).and_then(|devices| child(devices, name))
        }
        _ => table.root(kind.root()),
    };
    found.ok_or_else(|| {
        let message = format!("libvirt's schema `{}` does not know `<{}>`", kind.schema(), kind.root());
        Error::new(Code::Failed, Area::Script, message)
    })
}

fn load(kind: Kind) -> Result<Schema> {
    let Some(directory) = installed::directory()? else {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::warn!(
                "libvirt's schemas are not installed: definitions are checked by names, lists and words, the host judges the rest"
            );
        });
        let table = baseline::table();
        return Ok(Schema { table, grammar: Grammar::default(), validator: Validator::default(), is_exact: false });
    };
    let (table, grammar) = cache::schema(&directory, kind.schema())?;
    // A schema stays for the life of the process anyway.
    let table = Box::leak(Box::new(table));
    Ok(Schema { table, grammar, validator: Validator::default(), is_exact: true })
}
