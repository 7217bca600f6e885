//! Places in files of data, for mistakes in what was read from them.

use std::fmt;
use std::sync::Arc;

/// A file of data as it was read.
#[derive(PartialEq, Eq)]
pub struct DataFile {
    /// Its path as it was given.
    pub name: String,
    /// What it said.
    pub text: String,
}

impl fmt::Debug for DataFile {
    /// Without the text, which may be long and may hold what is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataFile({:?})", self.name)
    }
}

/// A place in a file of data; lines and columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<DataFile>,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A step of a path inside a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a map.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// The steps of a path such as `devices.disks[0].target`.
pub fn steps(path: &str) -> Vec<Step> {
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.strip_suffix(']').and_then(|index| index.parse().ok()) {
            Some(index) => Step::Index(index),
            None => Step::Key(part.to_string()),
        })
        .collect()
}
