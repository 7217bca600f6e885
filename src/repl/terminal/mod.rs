//! The REPL at a terminal: the line editor around [`Repl`].

mod helper;
mod keys;
mod lend;

use super::show::fit;
use super::{Repl, Reply, Then};
use crate::floor::interrupt;
use helper::ReplHelper;
pub(crate) use keys::asker;
pub(super) use keys::width;
pub(crate) use lend::lend;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::{History as _, MemHistory};
use rustyline::{ColorMode, CompletionType, Config, EditMode, Editor};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const PROMPT: &str = "vmscript> ";

type Line = Editor<ReplHelper, MemHistory>;

/// Reads lines until the user leaves; gives the exit code.
pub(super) fn run(repl: Repl, mut write: impl FnMut(&Reply)) -> u8 {
    let repl = Rc::new(RefCell::new(repl));
    let code = match editor(&repl) {
        Ok(mut editor) => lines(&repl, &mut editor, &mut write),
        Err(cause) => {
            write(&Reply { err: format!("error: cannot use the terminal: {cause}"), ..Reply::default() });
            1
        }
    };
    repl.borrow().close();
    code
}

fn editor(repl: &Rc<RefCell<Repl>>) -> rustyline::Result<Line> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .max_history_size(10_000)?
        .build();
    let mut history = MemHistory::with_config(&config);
    for line in repl.borrow().history_lines() {
        history.add(line)?;
    }
    let mut editor = Editor::with_history(config, history)?;
    editor.set_helper(Some(ReplHelper::new(repl.clone())));
    Ok(editor)
}

fn lines(repl: &Rc<RefCell<Repl>>, editor: &mut Line, write: &mut impl FnMut(&Reply)) -> u8 {
    loop {
        let (vi, color) = repl.borrow().line_style();
        editor.set_edit_mode(if vi { EditMode::Vi } else { EditMode::Emacs });
        editor.set_color_mode(if color { ColorMode::Enabled } else { ColorMode::Disabled });
        write(&repl.borrow_mut().news());
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Eof) => return 0,
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {
                repl.borrow_mut().cancel();
                continue;
            }
            Err(cause) => {
                write(&Reply { err: format!("error: cannot read a line: {cause}"), ..Reply::default() });
                return 1;
            }
        };
        resized(repl);
        let reply = repl.borrow_mut().step(&line);
        // A line that the memory has already is no failure.
        drop(editor.add_history_entry(line));
        write(&reply);
        match reply.then {
            Then::Leave => return reply.code,
            Then::Watch(expression, interval) => watch(repl, &expression, interval, write),
            Then::Events => events(repl, write),
            Then::Next | Then::More => {}
        }
    }
}

/// Tells the session how wide the terminal is by now.
fn resized(repl: &Rc<RefCell<Repl>>) {
    // Only a terminal that does not know its size, a dumb one, has no width.
    if let Some(width) = width() {
        repl.borrow_mut().set_width(width);
    }
}

/// Shows what happens on the host until a key is pressed.
fn events(repl: &Rc<RefCell<Repl>>, write: &mut impl FnMut(&Reply)) {
    let _keys = keys::Keys::new();
    write(&Reply::text("what happens on the host, until a key is pressed:"));
    while !keys::pressed(Duration::from_millis(100)) && !interrupt::clear() {
        write(&repl.borrow_mut().events());
    }
}

/// Shows an expression again and again, each time over the last, until a key is pressed.
fn watch(repl: &Rc<RefCell<Repl>>, expression: &str, interval: Duration, write: &mut impl FnMut(&Reply)) {
    let _keys = keys::Keys::new();
    let mut rows = 0;
    loop {
        resized(repl);
        let mut reply = repl.borrow_mut().watch(expression);
        let height = keys::height().unwrap_or(usize::MAX).saturating_sub(2).max(1);
        // A line that the terminal breaks would take more rows than the next round goes up.
        let width = width().unwrap_or(usize::MAX);
        let shown: Vec<String> = reply.out.lines().take(height).map(|line| fit(line, width)).collect();
        let up = if rows > 0 && keys::moves() { format!("\x1b[{rows}A\x1b[J") } else { String::new() };
        rows = shown.len();
        reply.out = format!("{up}{}", shown.join("\n"));
        write(&reply);
        if !reply.err.is_empty() || keys::pressed(interval) || interrupt::clear() {
            return;
        }
    }
}
