//! Names, namespaces and the characters XML allows.

use std::sync::Arc;

/// The namespace that the prefix `xml` always means.
pub(crate) const XML_SPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// A name with its namespace. Namespaces and prefixes are shared, so a long one costs nothing per element.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// The namespace's name; empty for none.
    pub space: Arc<str>,
    /// The prefix to write it with; empty for none.
    pub prefix: Arc<str>,
    /// The name itself.
    pub local: String,
}

impl Name {
    /// A name without namespace.
    pub fn plain(local: &str) -> Self {
        Self::new("", "", local)
    }

    /// A name in a namespace.
    pub fn new(space: &str, prefix: &str, local: &str) -> Self {
        Self { space: space.into(), prefix: prefix.into(), local: local.to_string() }
    }

    /// Whether this is that name without namespace.
    pub fn is_plain(&self, local: &str) -> bool {
        self.local == local && self.space.is_empty()
    }

    /// The name as it is written, with its prefix.
    pub fn written(&self) -> String {
        if self.prefix.is_empty() { self.local.clone() } else { format!("{}:{}", self.prefix, self.local) }
    }
}

/// Whether this is a name without colon, as the XML specification spells it out.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

fn starts_name(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn continues_name(c: char) -> bool {
    starts_name(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether XML can hold this text at all: most control characters have no spelling in it.
pub(crate) fn allowed(text: &str) -> bool {
    // Nearly all text is plain, so the bytes decide before any character is decoded.
    text.bytes().all(|byte| matches!(byte, b' '..0xEF | b'\t' | b'\n' | b'\r'))
        || text.chars().all(
            |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}'),
        )
}
