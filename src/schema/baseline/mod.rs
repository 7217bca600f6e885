//! The shape of libvirt's documents as scripts know it, whatever libvirt is installed.
//!
//! `shape.txt` holds the names of all fields, their spelling in scripts, what is a list, what kind of value each has and
//! in which order they are written: merged over libvirt's releases, so nothing of it ever changes but by addition.
//! What values are allowed, and what fits together, is said by the installed libvirt's own schemas. Where there are none,
//! the shape alone is what definitions are checked against.

#[cfg(test)]
mod build;
mod merge;
mod text;

pub(crate) use merge::{Rule, merged};

use super::table::Table;
use std::sync::OnceLock;

/// The committed shape: see [`text`] for its form.
pub(crate) const TEXT: &str = include_str!("shape.txt");

/// The shape as a table of all roots, read when it is first needed.
pub(crate) fn table() -> &'static Table {
    static SHAPE: OnceLock<Table> = OnceLock::new();
    SHAPE.get_or_init(|| text::parse(TEXT).expect("the committed shape is well-formed, as its test shows"))
}
