//! Commands about files: scripts, the history, the editor, the shell.

use crate::floor::{Area, Code, Error, ask};
use crate::repl::Repl;
use crate::repl::engine::failure;
use crate::repl::reply::{Answer, Reply};
use crate::script::{Diagnostic, Session, Settings};
use std::path::Path;
use std::process::Command;

pub(super) fn load(repl: &mut Repl, file: &str) -> Answer {
    repl.run_file(&path(file))
}

pub(super) fn save(repl: &mut Repl, file: &str) -> Answer {
    let script = repl.kept.script();
    // What is saved must run: lines that went together at the prompt need not go together in one script.
    Session::new(&Settings::default()).check(file, &script).map_err(|(mut shown, code)| {
        shown.insert(0, Diagnostic::error(format!("these lines are no script: `{file}` is not written")));
        (shown.into_iter().map(|one| one.at(None)).collect(), code)
    })?;
    let file = path(file);
    if file.exists() && repl.kept.file.as_ref() != Some(&file) {
        let already =
            || Error::new(Code::AlreadyExists, Area::Script, format!("there is a file `{}` already", file.display()));
        match ask(&format!("replace {}?", file.display())).map_err(|error| failure(&error))? {
            Some(true) => {}
            Some(false) => return Err(failure(&already().note("nothing was written"))),
            None => return Err(failure(&already().hint("`:! rm FILE` removes it"))),
        }
    }
    std::fs::write(&file, &script).map_err(|cause| failure(&Error::io(&file, "write", &cause)))?;
    let told = format!("{} lines in {}", script.lines().count(), file.display());
    repl.kept.file = Some(file);
    Ok(Reply::text(told))
}

pub(super) fn history(repl: &mut Repl, count: &str) -> Answer {
    let wrong = || failure(&Error::argument(format!("`{count}` is not a number of lines")));
    let count = if count.is_empty() { 20 } else { count.parse().map_err(|_| wrong())? };
    let lines = repl.history.lines();
    let shown = &lines[lines.len().saturating_sub(count)..];
    Ok(Reply::text(shown.join("\n")))
}

pub(super) fn edit(repl: &mut Repl, _: &str) -> Answer {
    let before = repl.history.lines().iter().rev().find(|line| !line.trim_start().starts_with(':'));
    let before = before.cloned().unwrap_or_default();
    let text = edited(&before).map_err(|error| failure(&error))?;
    if text.trim().is_empty() {
        return Ok(Reply::default());
    }
    repl.history.add(text.trim_end()).map_err(|error| failure(&error))?;
    let outcome = repl.run_typed(&text)?;
    Ok(repl.shown(&outcome))
}

pub(super) fn undo(repl: &mut Repl, _: &str) -> Answer {
    let none = if repl.made.is_empty() {
        "no line of this session made anything on a host"
    } else {
        "nothing is left of what the lines of this session made"
    };
    let (text, made) = loop {
        match repl.made.pop() {
            None => return Err(failure(&Error::argument(none))),
            Some((_, made)) if made.is_empty() => {}
            Some(last) => break last,
        }
    };
    let steps = made.steps();
    let (notes, is_gone) = made.undo();
    repl.kept.forget(&text);
    if is_gone {
        return Ok(Reply::text([notes, steps].concat().join("\n")));
    }
    let error = Error::new(Code::Failed, Area::Host, "not everything could be undone");
    Err(failure(&notes.into_iter().fold(error, Error::note)))
}

pub(super) fn shell(_: &mut Repl, command: &str) -> Answer {
    let run = Command::new("sh").arg("-c").arg(command).status();
    let status = run.map_err(|cause| failure(&Error::io(Path::new("sh"), "run", &cause)))?;
    match status.code() {
        Some(0) => Ok(Reply::default()),
        Some(code) => Ok(Reply { err: format!("exit code {code}"), code: 1, ..Reply::default() }),
        None => Ok(Reply { err: "ended by a signal".to_string(), code: 1, ..Reply::default() }),
    }
}

/// Lets the user change a text in the editor.
fn edited(text: &str) -> Result<String, Error> {
    let made = tempfile::Builder::new().prefix("vmscript-").suffix(".rhai").tempfile();
    let file = made.map_err(|cause| Error::io(&std::env::temp_dir(), "make a file in", &cause))?;
    std::fs::write(file.path(), text).map_err(|cause| Error::io(file.path(), "write", &cause))?;
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|word| !word.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_string());
    // The variable may hold options too, which the shell takes apart.
    let run = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file.path()).status();
    match run {
        Ok(status) if status.success() => {
            std::fs::read_to_string(file.path()).map_err(|cause| Error::io(file.path(), "read", &cause))
        }
        Ok(_) => Err(Error::argument(format!("the editor `{editor}` failed")).hint("`$EDITOR` says which one is used")),
        Err(cause) => Err(Error::io(Path::new("sh"), "run", &cause)),
    }
}

/// A path as it is typed: in quotes or not, from the home folder or not.
fn path(text: &str) -> std::path::PathBuf {
    let text = text.trim_matches('"');
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => text.into(),
    }
}
