//! Datatypes: what an attribute or a text may be.

use super::Table;
use crate::schema::xsd;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// A restriction written as a regular expression, compiled when it is first needed.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Pattern {
    pub(crate) source: String,
    #[serde(skip)]
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(crate) fn new(source: String) -> Self {
        Self { source, compiled: OnceLock::new() }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        // What cannot be compiled cannot be checked here; libvirt still does.
        self.compiled.get_or_init(|| xsd::regex(&self.source)).as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// An XSD datatype with its restrictions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Form {
    /// The XSD name, such as `unsignedInt`.
    pub(crate) base: String,
    /// The schema's name for it, such as `macAddr`; may be empty.
    pub(crate) meaning: String,
    pub(crate) pattern: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) min: Option<i128>,
    pub(crate) max: Option<i128>,
    pub(crate) except: Vec<String>,
}

/// How a datatype spells true and false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Bool {
    YesNo,
    OnOff,
}

impl Bool {
    pub(crate) fn text(self, value: bool) -> &'static str {
        match (self, value) {
            (Self::YesNo, true) => "yes",
            (Self::YesNo, false) => "no",
            (Self::OnOff, true) => "on",
            (Self::OnOff, false) => "off",
        }
    }

    pub(crate) fn value(self, text: &str) -> Option<bool> {
        [true, false].into_iter().find(|&value| self.text(value) == text)
    }
}

/// What an attribute or a text may be: one of its values, or of one of its forms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Datatype {
    /// Whether any text will do.
    pub(crate) any: bool,
    pub(crate) values: Vec<String>,
    pub(crate) forms: Vec<Form>,
    /// How true and false are spelled, if scripts see them as such.
    pub(crate) bool: Option<Bool>,
    /// Whether scripts see numbers as numbers.
    pub(crate) int: bool,
    /// Values that only other releases of libvirt know: they are left to the exact check and to the host.
    pub(crate) later: Vec<String>,
}

impl Datatype {
    /// Decides what scripts see: true and false where there are both, and numbers, but not next to free text.
    pub(crate) fn settle(&mut self) {
        let holds = |text: &str| self.values.iter().any(|value| value == text);
        self.bool = match (holds("yes") && holds("no"), holds("on") && holds("off")) {
            (true, false) if !self.any => Some(Bool::YesNo),
            (false, true) if !self.any => Some(Bool::OnOff),
            _ => None,
        };
        let whole = |form: &Form| xsd::is_whole(&form.base);
        self.int = !self.any
            && self.forms.iter().any(whole)
            && self.forms.iter().all(|form| whole(form) || form.pattern.is_some());
    }

    pub(crate) fn accepts(&self, table: &Table, text: &str) -> bool {
        let is = |value: &String| value.split_whitespace().eq(text.split_whitespace());
        self.any
            || self.values.iter().any(is)
            || self.forms.iter().any(|form| form.accepts(table, text))
            || self.later.iter().any(is)
    }
}

impl Form {
    pub(crate) fn accepts(&self, table: &Table, text: &str) -> bool {
        let lexical = if self.base == "string" { text } else { text.trim() };
        xsd::accepts(&self.base, text, self.min, self.max)
            && self.max_length.is_none_or(|most| text.chars().count() <= most)
            && self.pattern.is_none_or(|at| table.patterns[at].matches(lexical))
            && !self.except.iter().any(|except| except == text.trim())
    }
}
