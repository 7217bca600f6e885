//! Completion: what can stand at the cursor.

pub(super) mod code;
pub(super) mod context;
mod files;
pub(super) mod live;
mod names;
pub(super) mod types;

use super::Repl;
use super::commands::{self, COMMANDS, Takes};
use super::settings::PREFERENCES;
use crate::script::Reference;
use std::time::Duration;

/// Something that can stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What is inserted.
    pub text: String,
    /// What is shown in a list.
    pub shown: String,
}

impl Candidate {
    pub(super) fn new(text: impl Into<String>, shown: impl Into<String>) -> Self {
        Self { text: text.into(), shown: shown.into() }
    }

    pub(super) fn plain(text: &str) -> Self {
        Self::new(text, text)
    }
}

/// So long Tab waits for a host.
const PATIENCE: Duration = Duration::from_millis(500);

impl Repl {
    /// What can stand at a place of a line: where the unfinished word begins, and what can take its place. A host that
    /// does not answer in time has no names.
    pub fn complete(&mut self, line: &str, at: usize) -> (usize, Vec<Candidate>) {
        if line.contains("host") {
            self.expect_host(PATIENCE);
        }
        self.candidates(line, at, PATIENCE)
    }

    /// [`Repl::complete`] with so much patience.
    pub(super) fn candidates(&self, line: &str, at: usize, patience: Duration) -> (usize, Vec<Candidate>) {
        let text = line.get(..at).unwrap_or(line);
        let (start, mut found) = match commands::parse(text) {
            Some(parsed) => self.complete_command(text, parsed.0, patience),
            None => code::complete(&self.live(patience), text),
        };
        let word = &text[start..];
        found.retain(|candidate| candidate.text.starts_with(word));
        found.sort_by(|a, b| (&a.shown, &a.text).cmp(&(&b.shown, &b.text)));
        // Of a function that takes arguments or none, the sorting has put the form that leaves both open first.
        found.dedup_by(|a, b| a.shown == b.shown);
        (start, found)
    }

    fn complete_command(
        &self,
        text: &str,
        command: Option<&commands::Command>,
        patience: Duration,
    ) -> (usize, Vec<Candidate>) {
        let colon = text.find(':').unwrap_or(0);
        let Some(blank) = text[colon..].find(char::is_whitespace).map(|at| colon + at) else {
            let one = |command: &commands::Command| Candidate::new(format!(":{}", command.name), command.usage());
            return (colon, COMMANDS.iter().map(one).collect());
        };
        let word = text.rfind(char::is_whitespace).map_or(blank, |at| at + 1);
        let words = |words: &[&str]| words.iter().map(|word| Candidate::plain(word)).collect::<Vec<_>>();
        match command.map(|command| command.takes) {
            Some(Takes::Code) => {
                let (start, found) = code::complete(&self.live(patience), &text[blank..]);
                (blank + start, found)
            }
            Some(Takes::File) => {
                let (start, found) = files::complete(&text[word..], |_| true);
                (word + start, found)
            }
            Some(Takes::Function) => {
                let reference = Reference::shared();
                let functions = reference.functions().map(|(_, function)| Candidate::plain(&function.name));
                let types = reference.pages.iter().map(|page| Candidate::plain(&page.title));
                let commands = COMMANDS.iter().map(|command| Candidate::plain(command.name));
                (word, functions.chain(types).chain(commands).collect())
            }
            Some(Takes::Level) => (word, words(&["error", "warn", "info", "debug", "trace"])),
            Some(Takes::Setting) => match text[blank..].split_whitespace().next() {
                Some(name) if word > blank + 1 => {
                    let found = PREFERENCES.iter().find(|(known, ..)| *known == name);
                    (word, found.map(|(_, values, _)| words(values)).unwrap_or_default())
                }
                _ => (word, PREFERENCES.iter().map(|(name, ..)| Candidate::plain(name)).collect()),
            },
            _ => (word, Vec::new()),
        }
    }
}
