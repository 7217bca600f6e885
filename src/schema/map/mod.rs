//! The one mapper between script values and XML, driven by the table.

pub(crate) mod expected;
mod fields;
mod raw;
mod read;
mod scalar;
mod write;

pub(crate) use expected::expected;
pub(crate) use fields::{Field, entry, resolve};
pub(crate) use read::to_value;
pub(crate) use scalar::{to_text, to_value as scalar_value};
pub(crate) use write::{called, children, known_fields, sequence, to_xml};

/// The key of raw XML that is added to an element as it is.
pub(crate) const RAW: &str = "_xml";
/// The key of raw attributes.
const RAW_ATTRS: &str = "_attrs";

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
