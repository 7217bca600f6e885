//! RELAX NG as libvirt's schema files use it: an arena of patterns.

mod read;

pub(crate) use read::read;

use serde::{Deserialize, Serialize};

/// Where a pattern stands in [`Grammar::patterns`].
pub(crate) type PatternId = usize;
/// Where a definition stands in [`Grammar::definitions`].
pub(crate) type DefinitionId = usize;
/// Where a name stands in [`Grammar::names`].
pub(crate) type NameId = usize;

/// The name of an element or attribute with its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct QName {
    /// Empty for none.
    pub(crate) space: String,
    pub(crate) local: String,
}

/// Which names an element or attribute pattern takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum NameClass {
    /// Just this one.
    Name(NameId),
    /// One of several.
    Choice(Vec<NameClass>),
    /// Any name: `anyName` and `nsName`; libvirt's schemas have no exceptions to them.
    Any,
}

impl NameClass {
    /// Whether it takes this name; none is a name that the schema does not know.
    pub(crate) fn takes(&self, wanted: Option<NameId>) -> bool {
        match self {
            Self::Name(name) => Some(*name) == wanted,
            Self::Choice(classes) => classes.iter().any(|class| class.takes(wanted)),
            Self::Any => true,
        }
    }
}

/// A `data` pattern: an XSD datatype with its restrictions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Data {
    pub(crate) base: String,
    /// Where its regular expression stands in [`Grammar::regexes`].
    pub(crate) regex: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) min: Option<i128>,
    pub(crate) max: Option<i128>,
    pub(crate) except: Option<PatternId>,
}

/// A pattern; what it is made of stands elsewhere in the arena.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Pattern {
    Empty,
    NotAllowed,
    Text,
    Choice(Vec<PatternId>),
    Group(Vec<PatternId>),
    Interleave(Vec<PatternId>),
    OneOrMore(PatternId),
    Element(NameClass, PatternId),
    Attribute(NameClass, PatternId),
    Data(Data),
    Value(String),
    Ref(DefinitionId),
}

/// A named pattern; its name tells what a datatype means.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) pattern: PatternId,
}

/// One schema file with everything it includes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Grammar {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) names: Vec<QName>,
    /// Regular expressions in the spelling of XML Schema, each once.
    pub(crate) regexes: Vec<String>,
    pub(crate) start: PatternId,
}
