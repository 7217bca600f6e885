//! Values as they show themselves at the prompt.

mod handle;
mod table;
mod tree;

use crate::api::script_of;
use crate::schema::Definition;
use crate::script::Session;
use rhai::Dynamic;
pub(super) use table::{fit, table};
pub(super) use tree::format_time;
use tree::tree;

/// How values are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The width of the terminal.
    pub(super) width: usize,
    /// After so many lines the rest is left out; 0 for never.
    pub(super) lines: usize,
    /// Whether definitions are shown as XML.
    pub(super) xml: bool,
}

/// A value; nothing for `()`.
pub(super) fn show(session: &Session, value: &Dynamic, look: Look) -> String {
    let value = value.flatten_clone();
    if value.is_unit() {
        return String::new();
    }
    if let Ok(text) = value.as_immutable_string_ref()
        && text.contains('\n')
    {
        return cut(text.trim_end_matches('\n'), look);
    }
    if let Some(definition) = value.read_lock::<Definition>() {
        let text = if look.xml { definition.xml() } else { script_of(&definition, look.width) };
        return cut(text.trim_end(), look);
    }
    if let Ok(items) = value.as_array_ref()
        && let Some(text) = handle::rows(session, &items, look)
    {
        return text;
    }
    if let Some(text) = handle::line(session, &value) {
        return text;
    }
    cut(&tree(session, &value).layout(0, look.width), look)
}

/// Leaves out what is too much.
fn cut(text: &str, look: Look) -> String {
    let count = text.lines().count();
    if look.lines == 0 || count <= look.lines {
        return text.to_string();
    }
    let shown: Vec<_> = text.lines().take(look.lines.saturating_sub(1)).collect();
    format!("{}\n{}", shown.join("\n"), left_out(count - shown.len(), "lines"))
}

fn left_out(count: usize, what: &str) -> String {
    format!("... {count} more {what}; `:all` shows them")
}
