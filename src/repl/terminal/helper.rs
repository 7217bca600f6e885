//! What the line editor asks while a line is written.

use crate::repl::{Candidate, Repl, commands};
use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Answers the line editor from the session.
pub(super) struct ReplHelper {
    repl: Rc<RefCell<Repl>>,
    /// Whether the line is being left: then no bracket is marked.
    leaving: Cell<bool>,
}

impl ReplHelper {
    pub(super) fn new(repl: Rc<RefCell<Repl>>) -> Self {
        Self { repl, leaving: Cell::new(false) }
    }
}

impl Helper for ReplHelper {}

impl rustyline::completion::Candidate for Candidate {
    fn display(&self) -> &str {
        &self.shown
    }

    fn replacement(&self) -> &str {
        &self.text
    }
}

impl Completer for ReplHelper {
    type Candidate = Candidate;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Candidate>)> {
        Ok(self.repl.borrow_mut().complete(line, at))
    }
}

impl rustyline::hint::Hint for crate::repl::Hint {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.insert.as_deref()
    }
}

impl Hinter for ReplHelper {
    type Hint = crate::repl::Hint;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<Self::Hint> {
        // A hint that does not fit into the line would push it around.
        if at < line.len() || line.contains('\n') && line.len() > 2000 {
            return None;
        }
        self.repl.borrow_mut().hint(line)
    }
}

impl Highlighter for ReplHelper {
    fn highlight<'l>(&self, line: &'l str, at: usize) -> Cow<'l, str> {
        let cursor = if self.leaving.get() { usize::MAX } else { at };
        Cow::Owned(self.repl.borrow().highlight(line, cursor))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.repl.borrow().line_style().1 { Cow::Owned(format!("\x1b[1;32m{prompt}\x1b[0m")) } else { prompt.into() }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.repl.borrow().line_style().1 { Cow::Owned(format!("\x1b[90m{hint}\x1b[0m")) } else { hint.into() }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.leaving.set(kind == CmdKind::ForcedRefresh);
        true
    }
}

impl Validator for ReplHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let more = commands::goes_on(context.input());
        Ok(if more { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}
