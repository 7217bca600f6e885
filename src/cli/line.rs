//! The line that a shell completes, as its words.

use clap_complete::env::EnvCompleter;
use std::ffi::{OsStr, OsString};
use std::io::{Error, Write};
use std::path::Path;
use std::sync::LazyLock;

/// The words of a line, and which of them is being completed.
pub(super) struct Line {
    words: Vec<String>,
    index: usize,
}

impl Line {
    /// The line that the shell has passed to this program.
    pub(super) fn get() -> &'static Self {
        static LINE: LazyLock<Line> = LazyLock::new(|| {
            let mut words = std::env::args_os().skip_while(|word| word != "--").skip(1);
            let words: Vec<OsString> = words.by_ref().map(|word| plain(&word)).collect();
            let index = index(words.len());
            let (words, index, _) = if is_bash() { joined(words, index) } else { (words, index, String::new()) };
            Line { words: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(), index }
        });
        &LINE
    }

    /// The words before the one that is being completed, without the name of the program.
    pub(super) fn before(&self) -> &[String] {
        self.words.get(1..self.index.clamp(1, self.words.len().max(1))).unwrap_or_default()
    }

    /// What was given for an option, last.
    pub(super) fn option(&self, short: &str, long: &str) -> Option<String> {
        let words = self.before();
        words.iter().enumerate().rev().find_map(|(at, word)| {
            if word == short || word == long {
                return words.get(at + 1).cloned();
            }
            let attached = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
            let is_short = short.len() == 2 && !word.starts_with("--");
            let attached = attached.or_else(|| word.strip_prefix(short).filter(|_| is_short));
            attached.map(|value| value.strip_prefix('=').unwrap_or(value).to_string())
        })
    }
}

/// A URI by which nobody is asked for a password.
pub(super) fn quiet(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) if scheme.ends_with("+ssh") && !rest.contains("no_tty") => {
            format!("{uri}{}no_tty=1", if rest.contains('?') { '&' } else { '?' })
        }
        _ => uri.to_string(),
    }
}

fn is_bash() -> bool {
    std::env::var("_CLAP_COMPLETE_COMP_TYPE").is_ok()
}

/// Which of so many words the cursor is at.
pub(super) fn index(count: usize) -> usize {
    let told = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse().ok());
    told.unwrap_or(count.saturating_sub(1))
}

/// bash, which takes words apart at `:` and `=`.
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> Result<(), Error> {
        let mut script = Vec::new();
        clap_complete::env::Bash.write_registration(var, name, bin, completer, &mut script)?;
        // A `:` or `=` before the cursor is a word for bash, but no part of what it wants to have completed.
        let script = String::from_utf8_lossy(&script).replace(
            "words[COMP_CWORD]=\"$2\"",
            "[[ \"${COMP_WORDS[COMP_CWORD]}\" == [:=]* ]] || words[COMP_CWORD]=\"$2\"",
        );
        buf.write_all(script.as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        here: Option<&Path>,
        buf: &mut dyn Write,
    ) -> Result<(), Error> {
        let index = index(words.len());
        let (words, index, before) = joined(words, index);
        let separator = std::env::var("_CLAP_IFS").unwrap_or_else(|_| "\n".to_string());
        let found = clap_complete::engine::complete(command, words, index, here)?;
        let rest = |value: &str| quoted(value.strip_prefix(&before).unwrap_or(value));
        let found: Vec<String> = found.iter().filter_map(|one| rest(&one.get_value().to_string_lossy())).collect();
        buf.write_all(found.join(&separator).as_bytes())
    }
}

/// A word as bash is to have it in its line, where it puts what it is given as it is: what is called `a;b` by somebody else is
/// no command. Nothing for one that no line can hold.
fn quoted(word: &str) -> Option<String> {
    if word.contains(char::is_control) {
        return None;
    }
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@,+%^".contains(c);
    let mut quoted = String::new();
    for (at, letter) in word.chars().enumerate() {
        // The user's folder, as it was typed.
        let is_home = at == 0 && word.starts_with("~/");
        if !is_plain(letter) && !is_home {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    Some(quoted)
}

/// A word without the backslashes that a shell has in its line. In quotation marks they may stand for themselves.
pub(super) fn plain(word: &OsStr) -> OsString {
    let text = word.to_string_lossy();
    if !text.contains('\\') || text.contains(['"', '\'']) {
        return word.to_owned();
    }
    let mut letters = text.chars();
    let mut plain = String::new();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain.into()
}

/// The words as they were typed, the index of the one at the cursor, and what of that bash keeps before what it has completed.
fn joined(words: Vec<OsString>, index: usize) -> (Vec<OsString>, usize, String) {
    let is_break = |word: &OsString| !word.is_empty() && word.to_string_lossy().chars().all(|c| c == ':' || c == '=');
    let mut all: Vec<OsString> = Vec::new();
    let (mut at, mut before, mut sticks) = (index, String::new(), false);
    for (number, word) in words.into_iter().enumerate() {
        let breaks = is_break(&word);
        let is_cursor = number == index;
        match all.last_mut().filter(|_| number > 1 && (breaks || sticks)) {
            Some(last) => {
                last.push(&word);
                if number <= index {
                    at -= 1;
                }
                if is_cursor {
                    let whole = last.to_string_lossy().into_owned();
                    let kept = if breaks { whole.len() } else { whole.len() - word.to_string_lossy().len() };
                    before = whole[..kept].to_string();
                }
            }
            None => all.push(word),
        }
        sticks = breaks;
        // What stands behind the cursor is a word of its own.
        if is_cursor {
            sticks = false;
        }
    }
    (all, at, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(words: &[&str], index: usize) -> (Vec<String>, usize, String) {
        let (words, index, before) = joined(words.iter().map(OsString::from).collect(), index);
        (words.iter().map(|word| word.to_string_lossy().into_owned()).collect(), index, before)
    }

    #[test]
    fn words_that_bash_took_apart_are_one_again() {
        for (words, index, expected, at, before) in [
            (&["vmscript", "vm", "g"][..], 2, &["vmscript", "vm", "g"][..], 2, ""),
            (
                &["vmscript", "-c", "test", ":", "///a.xml", "vm", "get", "w"],
                7,
                &["vmscript", "-c", "test:///a.xml", "vm", "get", "w"],
                5,
                "",
            ),
            (&["vmscript", "-l", "role", "=", "w"], 4, &["vmscript", "-l", "role=w"], 2, "role="),
            (&["vmscript", "-l", "role", "="], 3, &["vmscript", "-l", "role="], 2, "role="),
            (&["vmscript", "-l", "role", "=", ""], 4, &["vmscript", "-l", "role="], 2, "role="),
            (&["vmscript", "--connect", "=", "lab", "vm", ""], 5, &["vmscript", "--connect=lab", "vm", ""], 3, ""),
        ] {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(split(words, index), (expected, at, before.to_string()), "{words:?}");
        }
    }

    #[test]
    fn options_are_found_in_all_their_forms() {
        for (words, found) in [
            (&["vmscript", "-c", "lab", "vm", ""][..], Some("lab")),
            (&["vmscript", "-clab", "vm", ""], Some("lab")),
            (&["vmscript", "vm", "--connect", "lab", ""], Some("lab")),
            (&["vmscript", "--connect=a", "vm", "-c", "lab", ""], Some("lab")),
            (&["vmscript", "vm", "list", "--columns", ""], None),
        ] {
            let line = Line { words: words.iter().map(ToString::to_string).collect(), index: words.len() - 1 };
            assert_eq!(line.option("-c", "--connect").as_deref(), found, "{words:?}");
        }
    }

    #[test]
    fn nobody_is_asked_for_a_password() {
        assert_eq!(quiet("qemu+ssh://root@hv1/system"), "qemu+ssh://root@hv1/system?no_tty=1");
        assert_eq!(quiet("qemu+ssh://hv1/system?a=b"), "qemu+ssh://hv1/system?a=b&no_tty=1");
        assert_eq!(quiet("test:///default"), "test:///default");
    }
}
