//! An error as it is shown: what happened, where, on which way, and what to do.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The run ended.
    Error,
    /// Something to look at.
    Warning,
}

/// A place in a script; lines and columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The script's name, as [`super::Sources`] knows it.
    pub source: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A line below the excerpt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// What to do.
    Hint,
    /// libvirt's own words.
    Libvirt,
    /// A further fact.
    Note,
}

/// What is shown of one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What happened.
    pub message: String,
    /// Where, if it has a place.
    pub place: Option<Place>,
    /// The calls that led there, innermost first: the called function and the place of the call.
    pub trace: Vec<(String, Place)>,
    /// Lines below the excerpt.
    pub lines: Vec<(Label, String)>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), place: None, trace: Vec::new(), lines: Vec::new() }
    }

    /// The error of a room below, without a place yet.
    pub fn from_error(error: &crate::floor::Error) -> Self {
        let mut shown = Self::error(&error.message);
        if let Some(cause) = &error.cause {
            let label = if error.by_libvirt { Label::Libvirt } else { Label::Note };
            shown.lines.push((label, cause.clone()));
        }
        shown.lines.extend(error.notes.iter().map(|note| (Label::Note, note.clone())));
        shown.lines.extend(error.hints.iter().map(|hint| (Label::Hint, hint.clone())));
        shown
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.lines.push((Label::Hint, hint.into()));
        self
    }

    /// Adds a further fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.lines.push((Label::Note, note.into()));
        self
    }

    /// Sets the place.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }
}
