//! The lines that had an effect, as one script.

use super::lexer::{Kind, pieces};
use crate::script::Line;
use std::path::PathBuf;

/// The lines that a script would need to come to the same point.
#[derive(Default)]
pub(super) struct Kept {
    lines: Vec<One>,
    /// The file that they were written to, which may be replaced.
    pub(super) file: Option<PathBuf>,
}

struct One {
    typed: String,
    text: String,
    functions: Vec<(String, usize)>,
    only_defines: bool,
    uses_host: bool,
}

impl Kept {
    /// Keeps a line that ran well, unless it only looked at something.
    pub(super) fn add(&mut self, typed: &str, line: &Line) {
        if line.only_reads() {
            return;
        }
        let functions = line.functions();
        // A script cannot define a function twice: the new one takes the place of the old.
        self.lines.retain(|old| !(old.only_defines && old.functions.iter().all(|old| functions.contains(old))));
        let typed = typed.trim().to_string();
        let mut text = typed.clone();
        if let Some(rest) = text.strip_prefix("#!") {
            text = rest.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_string());
        }
        // A comment may stand behind the statement.
        let end =
            pieces(&text).iter().rfind(|piece| piece.kind != Kind::Comment).map_or(0, |last| last.at + last.text.len());
        if !line.is_closed() && !text[..end].ends_with(';') {
            text.insert(end, ';');
        }
        let only_defines = !functions.is_empty() && line.only_defines();
        self.lines.push(One { typed, text, functions, only_defines, uses_host: line.uses("host").is_some() });
    }

    /// Keeps the host that the lines from here on use.
    pub(super) fn connect(&mut self, uri: &str) {
        let text = format!("let host = connect({uri:?});");
        let typed = text.clone();
        self.lines.push(One { typed, text, functions: Vec::new(), only_defines: false, uses_host: false });
    }

    /// Forgets the last line of this text: what it did was undone.
    pub(super) fn forget(&mut self, text: &str) {
        if let Some(at) = self.lines.iter().rposition(|line| line.typed == text.trim()) {
            self.lines.remove(at);
        }
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }

    /// The lines as a script.
    pub(super) fn script(&self) -> String {
        let mut script = String::from("#!/usr/bin/env vmscript\n");
        let own = self.lines.iter().position(|line| makes_host(&line.text));
        let first = self.lines.iter().position(|line| line.uses_host);
        if first.is_some_and(|first| own.is_none_or(|own| first <= own)) {
            script.push_str("let host = connect();\n");
        }
        for line in &self.lines {
            script.push_str(&line.text);
            script.push('\n');
        }
        script
    }
}

/// Whether a line makes a variable `host` of its own.
fn makes_host(text: &str) -> bool {
    let pieces = pieces(text);
    pieces.windows(2).any(|pair| (pair[0].is("let") || pair[0].is("const")) && pair[1].is("host"))
}
