//! A regular expression that a user wrote.

use crate::floor::{Error, Result};
use std::fmt;

/// A regular expression.
#[derive(Debug, Clone)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// Reads a regular expression; a wrong one is an error that shows where.
    pub fn new(text: &str) -> Result<Self> {
        regex::Regex::new(text).map(Self).map_err(|error| {
            let cause = error.to_string();
            let what = cause.lines().last().unwrap_or_default().trim_start_matches("error: ").to_string();
            Error::argument(format!("`{text}` is not a regular expression: {what}"))
        })
    }

    /// Whether it matches somewhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_one_is_an_error() {
        assert!(Pattern::new("login:|ready").expect("right").is_match("web login: "));
        assert_eq!(Pattern::new("(").expect_err("wrong").message, "`(` is not a regular expression: unclosed group");
    }
}
