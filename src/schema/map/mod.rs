//! The one mapper between script values and XML, driven by the table.

mod expected;
mod fields;
mod raw;
mod read;
mod scalar;
mod write;

pub(crate) use expected::expected;
pub(crate) use fields::{Field, entry, resolve};
pub(crate) use read::to_value;
pub(crate) use write::to_xml;

use crate::floor::Value;

/// The key of raw XML that is added to an element as it is.
const RAW: &str = "_xml";
/// The key of raw attributes.
const RAW_ATTRS: &str = "_attrs";

/// A field of this tool in a definition; it is taken out and never part of the XML.
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    /// The element that has it, such as `devices.interfaces[0]`: keys as the reference spells them, every list counted.
    pub path: String,
    /// The field, such as `wait_for_ip`.
    pub key: String,
    /// What it was given.
    pub value: Value,
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

/// The last part of a path; `root` for the empty one.
fn last<'a>(path: &'a str, root: &'a str) -> &'a str {
    match path.rsplit('.').next() {
        Some(last) if !last.is_empty() => last,
        _ => root,
    }
}
