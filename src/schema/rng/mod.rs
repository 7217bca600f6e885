//! RELAX NG as libvirt's schema files use it: an arena of patterns.

mod read;

pub(crate) use read::read;

/// Where a pattern stands in [`Grammar::patterns`].
pub(crate) type PatternId = usize;
/// Where a definition stands in [`Grammar::definitions`].
pub(crate) type DefinitionId = usize;
/// Where a name stands in [`Grammar::names`].
pub(crate) type NameId = usize;

/// The name of an element or attribute with its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct QName {
    /// Empty for none.
    pub(crate) space: String,
    pub(crate) local: String,
}

/// Which names an element or attribute pattern takes.
#[derive(Debug, Clone)]
pub(crate) enum NameClass {
    /// Just this one.
    Name(NameId),
    /// One of several.
    Choice(Vec<NameClass>),
    /// Any name: `anyName` and `nsName`, whose exceptions do not matter for a table.
    Any,
}

/// A `data` pattern: an XSD datatype with its restrictions.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) base: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) except: Option<PatternId>,
}

/// A pattern; what it is made of stands elsewhere in the arena.
#[derive(Debug, Clone)]
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
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) pattern: PatternId,
}

/// One schema file with everything it includes.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) names: Vec<QName>,
    pub(crate) start: PatternId,
}
