//! Values as they show themselves at the prompt.

mod handle;
mod table;
mod tree;

use crate::floor::Value;
use crate::schema::Definition;
use crate::script::Session;
use rhai::{Array, Dynamic, FnPtr, Map};
pub(super) use table::table;
use tree::Tree;
pub(super) use tree::format_time;

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
        let text = if look.xml { definition.xml() } else { source(&definition, look.width) };
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

/// A definition as the script that makes it.
pub(super) fn source(definition: &Definition, width: usize) -> String {
    let name = definition.kind().name();
    let map = Tree::of(&definition.to_value()).layout(name.len() + 2, width);
    format!("{name}({map})")
}

/// A plain value as Rhai writes it.
pub(super) fn literal(value: &Value, width: usize) -> String {
    Tree::of(value).layout(0, width)
}

/// A value with its structure; handles become a line each.
fn tree(session: &Session, value: &Dynamic) -> Tree {
    if let Some(items) = value.read_lock::<Array>() {
        return Tree::List(items.iter().map(|item| tree(session, item)).collect());
    }
    if let Some(map) = value.read_lock::<Map>() {
        return Tree::Map(map.iter().map(|(key, item)| (key.to_string(), tree(session, item))).collect());
    }
    if let Ok(letter) = value.as_char() {
        return Tree::Leaf(format!("{letter:?}"));
    }
    if let Ok(plain) = crate::api::value(value, "") {
        return Tree::of(&plain);
    }
    if let Some(function) = value.read_lock::<FnPtr>() {
        let anonymous = function.fn_name().starts_with("anon$");
        return Tree::Leaf(if anonymous { "closure".into() } else { format!("Fn({:?})", function.fn_name()) });
    }
    if let Some(line) = handle::line(session, value) {
        return Tree::Leaf(line);
    }
    let text = session.text_of(value);
    // A type that says nothing about itself shows its Rust name: scripts know it by another.
    Tree::Leaf(if text.contains("::") { session.type_of(value) } else { text })
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
