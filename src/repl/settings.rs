//! What `:set` changes, and what the REPL is told from outside.

use crate::floor::{Error, Result, did_you_mean};
use crate::script;
use std::path::PathBuf;
use std::sync::Arc;

/// Asks the user a question; whether the answer was yes.
pub type Ask = Arc<dyn Fn(&str) -> bool + Send + Sync>;
/// Sets how much is logged: `error` to `trace`; an error names what there is.
pub type SetLog = Arc<dyn Fn(&str) -> Result<()> + Send + Sync>;

/// What the REPL is told from outside.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// What scripts are told.
    pub script: script::Settings,
    /// Asks before something is destroyed; without it nothing is asked.
    pub ask: Option<Ask>,
    /// Sets how much is logged.
    pub log: Option<SetLog>,
    /// The file of the history; without it lines are forgotten at the end.
    pub history: Option<PathBuf>,
    /// Whether errors and the line are coloured.
    pub color: bool,
}

/// What `:set` changes.
#[allow(clippy::struct_excessive_bools, reason = "they are switches, each on its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preferences {
    pub(super) color: bool,
    pub(super) confirm: bool,
    pub(super) xml: bool,
    pub(super) vi: bool,
    pub(super) lines: usize,
    pub(super) width: usize,
}

/// Name, values and meaning of each preference, sorted.
pub(super) const PREFERENCES: &[(&str, &[&str], &str)] = &[
    ("color", &["off", "on"], "colours in errors and in the line"),
    ("confirm", &["off", "on"], "ask before something is destroyed"),
    ("definitions", &["rhai", "xml"], "how definitions are shown"),
    ("keys", &["emacs", "vi"], "the keys of the line editor"),
    ("lines", &["NUMBER"], "show so many lines of a value; 0 shows all"),
];

impl Preferences {
    pub(super) fn new(color: bool) -> Self {
        Self { color, confirm: true, xml: false, vi: false, lines: 40, width: 80 }
    }

    /// The value of a preference as it is written.
    pub(super) fn get(&self, name: &str) -> String {
        let word = |flag, yes: &str, no: &str| if flag { yes } else { no }.to_string();
        match name {
            "color" => word(self.color, "on", "off"),
            "confirm" => word(self.confirm, "on", "off"),
            "definitions" => word(self.xml, "xml", "rhai"),
            "keys" => word(self.vi, "vi", "emacs"),
            _ => self.lines.to_string(),
        }
    }

    /// Sets a preference.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let Some((_, values, _)) = PREFERENCES.iter().find(|(known, ..)| *known == name) else {
            let error = Error::argument(format!("no setting `{name}`"));
            let names = PREFERENCES.iter().map(|(known, ..)| *known);
            return Err(error.hint(did_you_mean(name, names).unwrap_or_else(|| "`:set` lists them".to_string())));
        };
        let wrong = || {
            let message = format!("`{name}` cannot be `{value}`");
            let values = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
            Error::argument(message).hint(format!("it can be {values}"))
        };
        if name == "lines" {
            self.lines = value.parse().map_err(|_| wrong())?;
            return Ok(());
        }
        // Of two words the second means yes.
        let yes = values.iter().position(|known| *known == value).ok_or_else(wrong)? == 1;
        match name {
            "color" => self.color = yes,
            "confirm" => self.confirm = yes,
            "definitions" => self.xml = yes,
            _ => self.vi = yes,
        }
        Ok(())
    }
}
