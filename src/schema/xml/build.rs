//! Making documents by hand, of elements without a namespace.

use super::{Attr, Elem, Name, Node};

impl Elem {
    /// An element with these attributes.
    pub fn plain(name: &str, attrs: &[(&str, &str)]) -> Self {
        let mut elem = Self::new(Name::plain(name));
        elem.attrs.extend(attrs.iter().map(|(name, value)| attr(name, value)));
        elem
    }

    /// Itself with this text behind what it has.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.nodes.push(Node::Text(text.into()));
        self
    }

    /// Itself with these elements behind what it has.
    #[must_use]
    pub fn with(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.nodes.extend(children.into_iter().map(Node::Elem));
        self
    }

    /// Sets an attribute.
    pub fn set(&mut self, name: &str, value: &str) {
        self.attrs.retain(|attr| !attr.name.is_plain(name));
        self.attrs.push(attr(name, value));
    }

    /// The child of that name, made if it is missing.
    pub fn child_or_new(&mut self, name: &str) -> &mut Self {
        let is_it = |node: &Node| matches!(node, Node::Elem(child) if child.name.is_plain(name));
        let at = self.nodes.iter().position(is_it).unwrap_or_else(|| {
            self.nodes.push(Node::Elem(Self::plain(name, &[])));
            self.nodes.len() - 1
        });
        match &mut self.nodes[at] {
            Node::Elem(child) => child,
            Node::Text(_) => unreachable!("the position is that of an element"),
        }
    }
}

fn attr(name: &str, value: &str) -> Attr {
    Attr { name: Name::plain(name), value: value.to_string() }
}
