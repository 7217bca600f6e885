//! A small XML tree: what libvirt documents need and no more.
//!
//! Comments, processing instructions and blanks between elements carry nothing and are not kept, except the blanks
//! inside `metadata`, which belongs to other programs.

mod build;
mod name;
mod parse;
mod write;

pub use name::Name;
pub(crate) use name::{XML_SPACE, allowed, is_name};
pub use parse::parse;
pub(crate) use parse::parse_fragment;
pub(crate) use write::escape_text;
pub use write::{to_string, to_string_pretty};

use crate::floor::Map;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attr {
    /// Its name; the namespace is empty for all of libvirt's own.
    pub name: Name,
    /// Its value, without escapes.
    pub value: String,
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Elem(Elem),
    /// Text, without escapes.
    Text(String),
}

/// An element with all that is in it. Two are equal if they say the same, wherever they come from.
#[derive(Debug, Clone)]
pub struct Elem {
    /// Its name and namespace.
    pub name: Name,
    /// Its attributes in order.
    pub attrs: Vec<Attr>,
    /// Its elements and texts in order.
    pub nodes: Vec<Node>,
    /// Where in a script's value it was written, such as `devices.disks[0]`; empty if it was read from XML.
    pub origin: String,
    /// What tells it from all other elements; a clone is the same one.
    pub(crate) id: u64,
    /// Fields of this tool, which are no part of the XML.
    pub(crate) extras: Option<Box<Map>>,
}

impl PartialEq for Elem {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.attrs == other.attrs && self.nodes == other.nodes
    }
}

impl Eq for Elem {}

impl Elem {
    /// An empty element.
    pub fn new(name: Name) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { name, attrs: Vec::new(), nodes: Vec::new(), origin: String::new(), id, extras: None }
    }

    /// The element's name without prefix.
    pub fn local(&self) -> &str {
        &self.name.local
    }

    /// The value of an attribute without namespace.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs.iter().find(|attr| attr.name.is_plain(name)).map(|attr| attr.value.as_str())
    }

    /// All child elements in order.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Elem(elem) => Some(elem),
            Node::Text(_) => None,
        })
    }

    pub(crate) fn children_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        self.nodes.iter_mut().filter_map(|node| match node {
            Node::Elem(elem) => Some(elem),
            Node::Text(_) => None,
        })
    }

    /// The child elements of this name.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children().filter(move |child| child.name.is_plain(name))
    }

    /// The first child element of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children().find(|child| child.name.is_plain(name))
    }

    /// The element's own text, joined.
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Elem(_) => None,
        });
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }

    /// All elements at a path below this one, such as `devices/interface/mac`.
    pub fn find_all(&self, path: &str) -> Vec<&Self> {
        path.split('/').fold(vec![self], |found, name| {
            found.into_iter().flat_map(|elem| elem.children().filter(move |child| child.name.is_plain(name))).collect()
        })
    }

    /// The first element at a path below this one, such as `os/nvram`.
    pub fn find(&self, path: &str) -> Option<&Self> {
        self.find_all(path).into_iter().next()
    }

    /// The trimmed text of the first element at a path below this one, if it is not empty.
    pub fn find_text(&self, path: &str) -> Option<String> {
        let text = self.find(path)?.text();
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_string())
    }

    pub(crate) fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Node::Text(last)) = self.nodes.last_mut() {
            last.push_str(text);
        } else {
            self.nodes.push(Node::Text(text.to_string()));
        }
    }
}
