//! The tables in use: one per kind, made when it is first needed.

use super::table::{Table, TypeId};
use super::{Kind, cache, installed};
use crate::floor::{Area, Code, Error, Result};
use std::sync::OnceLock;

/// The table of a kind with the type of its root.
pub(super) fn of(kind: Kind) -> Result<(&'static Table, TypeId)> {
    static TABLES: [OnceLock<Result<(Table, TypeId)>>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
    match TABLES[kind as usize].get_or_init(|| load(kind)) {
        Ok((table, ty)) => Ok((table, *ty)),
        Err(error) => Err(error.clone()),
    }
}

fn load(kind: Kind) -> Result<(Table, TypeId)> {
    let directory = installed::directory()?;
    let table = cache::table(&directory, kind.schema())?;
    let ty = table.root(kind.root()).ok_or_else(|| {
        let message = format!("the schemas in `{}` do not know `<{}>`", directory.display(), kind.root());
        Error::new(Code::Failed, Area::Script, message)
    })?;
    Ok((table, ty))
}
