//! The lines of all sessions, in a file that sessions share.

use super::lexer::{Kind, pieces};
use crate::floor::{Error, Result, hide};
use rustyline::history::{FileHistory, History as _};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// So many lines are kept.
const MOST: usize = 10_000;

/// What was typed, oldest first; a line that was typed again stands only where it was typed last.
pub(super) struct History {
    lines: Vec<String>,
    /// What goes to the file.
    file: Option<(PathBuf, FileHistory)>,
}

impl History {
    /// Reads the history of former sessions.
    pub(super) fn open(path: Option<PathBuf>) -> Self {
        let file = path.map(|path| {
            let mut file = empty();
            // A file that is not there, or not a history, is an empty history; writing tells what is wrong with it.
            drop(file.load(&path));
            (path, file)
        });
        let lines = file.as_ref().map(|(_, file)| distinct(file.iter())).unwrap_or_default();
        Self { lines, file }
    }

    /// Adds a line; secrets and lines that begin with a blank stay out of the file.
    pub(super) fn add(&mut self, line: &str) -> Result<()> {
        self.lines.retain(|known| known != line);
        self.lines.push(line.to_string());
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        if line.starts_with(' ') || has_secret(line) {
            return Ok(());
        }
        let written = folder(path).map_err(rustyline::error::ReadlineError::Io).and_then(|()| {
            file.add(line)?;
            file.append(path)
        });
        let Err(cause) = written else { return Ok(()) };
        let error = Error::io(path, "write the history", &std::io::Error::other(cause));
        // Once told is enough: the session goes on without the file.
        self.file = None;
        Err(error)
    }

    /// The lines, oldest first.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Leaves out of the file what stands in it more than once.
    pub(super) fn tidy(&self) {
        let Some((path, _)) = &self.file else { return };
        let mut all = empty();
        if all.load(path).is_err() {
            return;
        }
        let lines = distinct(all.iter());
        if lines.len() < all.len() {
            let mut tidy = empty();
            // A history that cannot be written was told of when a line was added.
            let added = lines.iter().try_for_each(|line| tidy.add(line).map(drop));
            drop(added.and_then(|()| tidy.save(path)));
        }
    }
}

fn empty() -> FileHistory {
    let mut history = FileHistory::new();
    // Setting a length of an empty history cannot fail.
    drop(history.set_max_len(MOST));
    history
}

fn folder(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)
}

/// The lines without those that come again later.
fn distinct<'a>(lines: impl DoubleEndedIterator<Item = &'a String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut distinct: Vec<String> = lines.rev().filter(|line| seen.insert(line.as_str())).cloned().collect();
    distinct.reverse();
    distinct
}

/// Parts of names whose values nobody else should read.
const SECRET_NAMES: &[&str] =
    &["api_key", "apikey", "passphrase", "passwd", "password", "private_key", "secret", "set_value", "token"];
/// Methods that look for secrets of a host or make one without its value.
const HOST_SECRETS: &[&str] = &["define_secret", "secret", "secrets"];
/// How the tokens of well-known services begin.
const TOKENS: &[&str] = &["AKIA", "eyJ", "ghp_", "github_pat_", "glpat-", "gho_", "ghs_", "hvs.", "xoxb-", "xoxp-"];
/// Where a secret is to be found is none itself.
const REFERENCES: &[&str] = &["env:", "file:", "cmd:"];

/// Whether a line seems to hold a secret: a text after a telling name, a key, a password in a URI.
fn has_secret(line: &str) -> bool {
    // What is hidden when it is shown stays out of the file as well.
    if hide(line) != line {
        return true;
    }
    let mut named = false;
    let all = pieces(line);
    for (at, piece) in all.iter().enumerate() {
        let written = piece.text.trim_matches(['"', '`', '\'']);
        let text = written.to_lowercase();
        let telling = SECRET_NAMES.iter().any(|name| text.contains(name));
        match piece.kind {
            Kind::Name => {
                let method = at > 0 && all[at - 1].is(".") && HOST_SECRETS.contains(&piece.text);
                named |= (telling || piece.text == "pw" || piece.text.ends_with("_pw")) && !method;
            }
            Kind::Text => {
                let in_uri = text.split_once("://").is_some_and(|(_, rest)| {
                    let user = rest.split('/').next().unwrap_or_default().rsplit_once('@').map(|(user, _)| user);
                    user.is_some_and(|user| user.contains(':'))
                });
                let reference = REFERENCES.iter().any(|reference| text.starts_with(reference));
                // A key in quotes (`"password": ...`) tells of the text after it.
                // `$6$salt$...`, as crypt(5) writes a hash.
                let hash = text.starts_with('$') && text.matches('$').count() > 2;
                let token = TOKENS.iter().any(|start| written.starts_with(start));
                if in_uri
                    || hash
                    || token
                    || text.contains("private key-----")
                    || (telling && text.contains([':', '=', ' '])) && !reference
                {
                    return true;
                }
                let is_key = all.get(at + 1).is_some_and(|next| next.is(":"));
                if named && !reference && !text.is_empty() && !is_key {
                    return true;
                }
                named |= telling;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names_and_forms() {
        for line in [
            "let password = \"hunter2\"",
            "let password = \"MyPassword1\"",
            "let pw = \"geheim\"",
            "print(\"ghp_0123456789\")",
            "#{ user_data: #{ chpasswd: [#{ name: \"a\", passwd: \"b\" }] } }",
            "connect(\"esx://root:pw@h/\")",
            "let k = `-----BEGIN OPENSSH PRIVATE KEY-----\nx`",
            "#{ \"root_password\": \"x\" }",
            "let t = `password: x`",
            "secret(\"hunter2\")",
            "let h = \"$6$salt$0123456789\"",
            "host.secret(\"one\").set_value(\"s3cret\")",
        ] {
            assert!(has_secret(line), "{line}");
        }
        for line in [
            "secret(\"env:ROOT_HASH\")",
            "#{ passwd: secret(\"cmd:pass x\") }",
            "host.secret(\"one\").usage",
            "host.secrets()",
            "connect(\"qemu+ssh://root@h/system\")",
            "vm.start()",
        ] {
            assert!(!has_secret(line), "{line}");
        }
    }

    #[test]
    fn sessions_share_a_file_without_duplicates_and_secrets() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("state/history");
        let mut one = History::open(Some(path.clone()));
        let mut two = History::open(Some(path.clone()));
        for line in ["a", "b\nc", "a", " hidden", "let token = \"x\""] {
            one.add(line).expect("written");
        }
        two.add("d").expect("written");
        assert_eq!(one.lines(), ["b\nc", "a", " hidden", "let token = \"x\""]);
        two.tidy();
        assert_eq!(History::open(Some(path.clone())).lines(), ["b\nc", "a", "d"]);
        assert!(!std::fs::read_to_string(path).expect("there").contains("token"));
    }
}
