//! Tree to text, in libvirt's look: two blanks per level, single quotes.

use super::{Elem, Name, Node, XML_SPACE};
use std::sync::Arc;

/// The document on one line, blanks only where the tree has them.
pub fn to_string(elem: &Elem) -> String {
    let mut writer = Writer { out: String::new(), scope: Vec::new() };
    writer.element(elem, None);
    writer.out
}

/// The document indented, with a line break at its end.
pub fn to_string_pretty(elem: &Elem) -> String {
    let mut writer = Writer { out: String::new(), scope: Vec::new() };
    writer.element(elem, Some(0));
    writer.out
}

/// Text as XML spells it between tags.
pub(crate) fn escape_text(text: &str) -> String {
    let mut out = String::new();
    escape(text, false, &mut out);
    out
}

struct Writer {
    out: String,
    /// The prefixes in scope and what they mean, the innermost last.
    scope: Vec<(Arc<str>, Arc<str>)>,
}

impl Writer {
    fn element(&mut self, elem: &Elem, indent: Option<usize>) {
        let outer = self.scope.len();
        let tag = self.name(&elem.name, outer, true);
        self.indent(indent);
        self.out.push('<');
        self.out.push_str(&tag);
        for attr in &elem.attrs {
            let name = self.name(&attr.name, outer, false);
            self.attribute(&name, &attr.value);
        }
        for at in outer..self.scope.len() {
            let (prefix, space) = self.scope[at].clone();
            let name = if prefix.is_empty() { "xmlns".to_string() } else { format!("xmlns:{prefix}") };
            self.attribute(&name, &space);
        }
        if elem.nodes.is_empty() {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            self.content(elem, indent);
            self.out.push_str("</");
            self.out.push_str(&tag);
            self.out.push('>');
        }
        if indent.is_some() {
            self.out.push('\n');
        }
        self.scope.truncate(outer);
    }

    fn content(&mut self, elem: &Elem, indent: Option<usize>) {
        // Between text, and in what belongs to other programs, every blank counts.
        let verbatim = elem.name.is_plain("metadata") || elem.nodes.iter().any(|node| matches!(node, Node::Text(_)));
        let inner = indent.filter(|_| !verbatim).map(|level| level + 1);
        if inner.is_some() {
            self.out.push('\n');
        }
        for node in &elem.nodes {
            match node {
                Node::Elem(child) => self.element(child, inner),
                Node::Text(text) => escape(text, false, &mut self.out),
            }
        }
        if inner.is_some() {
            self.indent(indent);
        }
    }

    fn indent(&mut self, level: Option<usize>) {
        for _ in 0..level.unwrap_or(0) {
            self.out.push_str("  ");
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("='");
        escape(value, true, &mut self.out);
        self.out.push('\'');
    }

    /// The name with a prefix that means its namespace here; what must be declared for that enters the scope.
    fn name(&mut self, name: &Name, outer: usize, of_element: bool) -> String {
        if &*name.space == XML_SPACE {
            return format!("xml:{}", name.local);
        }
        if !of_element && name.space.is_empty() {
            return name.local.clone();
        }
        let mut prefix = Arc::clone(&name.prefix);
        let mut number = 0;
        // An element cannot declare one prefix twice, and an attribute in a namespace needs a prefix.
        while (prefix.is_empty() && !of_element)
            || self.scope[outer..].iter().any(|(known, space)| *known == prefix && *space != name.space)
        {
            number += 1;
            prefix = format!("ns{number}").into();
        }
        let bound = self.scope.iter().rev().find(|(known, _)| *known == prefix);
        if bound.map_or("", |(_, space)| space) != &*name.space {
            self.scope.push((Arc::clone(&prefix), Arc::clone(&name.space)));
        }
        if prefix.is_empty() { name.local.clone() } else { format!("{prefix}:{}", name.local) }
    }
}

fn escape(text: &str, in_attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' if in_attribute => out.push_str("&apos;"),
            '\n' if in_attribute => out.push_str("&#10;"),
            '\t' if in_attribute => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}
