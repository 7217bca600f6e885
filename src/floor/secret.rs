//! Texts that nobody shall read: opaque where they are held, and hidden wherever they would be shown.

use super::{Error, Result};
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock};

/// What is shown in place of a secret.
pub const HIDDEN: &str = "***";

/// Shorter texts are part of too much else: they are not looked for in what is shown.
const SHORTEST: usize = 4;

/// The texts to hide, the longest first: one may be part of another.
static KNOWN: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// A text that shows itself as `***`. Whatever else shows text hides it too, from the moment it was read: see [`hide`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Reads a secret from where `env:NAME`, `file:PATH` or `cmd:COMMAND` says; a line break at its end does not count.
    pub fn read(place: &str) -> Result<Self> {
        let found = match place.split_once(':') {
            Some(("env", name)) => variable(name)?,
            Some(("file", path)) => file(Path::new(path))?,
            Some(("cmd", command)) => output(command)?,
            _ => {
                // This may be the secret itself: not even the excerpt of the error shall show it.
                hide_from_now_on(place);
                let error = Error::argument("a secret is not written down but read from somewhere");
                return Err(
                    error.hint("it is `secret(\"env:NAME\")`, `secret(\"file:PATH\")` or `secret(\"cmd:COMMAND\")`")
                );
            }
        };
        let text = found.strip_suffix('\n').map_or(&*found, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() {
            return Err(Error::argument(format!("the secret `{place}` is empty")));
        }
        hide_from_now_on(text);
        Ok(Self(text.into()))
    }

    /// What it is, for whoever needs it; never for showing.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A text to be shown, with `***` for each secret that was read, however it is escaped.
pub fn hide(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut shown = Cow::Borrowed(text);
    for secret in known.iter() {
        if shown.contains(secret.as_str()) {
            shown = shown.replace(secret.as_str(), HIDDEN).into();
        }
    }
    shown
}

/// Hides a text from now on: as it is, its lines, and as XML, JSON and scripts write it.
pub fn hide_from_now_on(text: &str) {
    let in_element = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let in_attribute = in_element.replace('\'', "&apos;").replace('\n', "&#10;").replace('\t', "&#9;");
    let plain = [text, &in_element, &in_attribute].map(str::to_string);
    let quoted = plain.clone().map(|form| {
        let quoted = format!("{form:?}");
        quoted[1..quoted.len() - 1].to_string()
    });
    let forms = plain.into_iter().chain(quoted).filter(|form| form.chars().count() >= SHORTEST);
    // A short line, such as `true`, is none that only a secret has.
    let lines = text.lines().map(str::trim).filter(|line| line.len() > 2 * SHORTEST).map(str::to_string);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.extend(forms.chain(lines));
    known.sort_by(|a, b| (b.len(), b).cmp(&(a.len(), a)));
    known.dedup();
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).map_err(|cause| {
        let error = Error::argument(format!("the secret `env:{name}` cannot be read: {cause}"));
        error.hint(format!("set it before: `export {name}=...`"))
    })
}

fn file(path: &Path) -> Result<String> {
    super::read_text(path, "read the secret in")
}

/// What a command of the shell prints. It may ask on the terminal, as password stores do.
fn output(command: &str) -> Result<String> {
    let run = Command::new("sh").arg("-c").arg(command).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
    let done = run.map_err(|cause| Error::io(Path::new("sh"), "run", &cause))?;
    super::interrupt::check()?;
    if !done.status.success() {
        return Err(Error::argument(format!("the secret `cmd:{command}` cannot be read: {}", done.status)));
    }
    String::from_utf8(done.stdout).map_err(|_| Error::argument(format!("the secret `cmd:{command}` is no text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_form() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "p<w&\"\\'1\t2\n").expect("written");
        let secret = Secret::read(&format!("file:{}", file.path().display())).expect("read");
        assert_eq!(secret.reveal(), "p<w&\"\\'1\t2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        for shown in [
            "p<w&\"\\'1\t2",
            "p&lt;w&amp;\"\\'1\t2",
            "p&lt;w&amp;\"\\&apos;1&#9;2",
            r#"p<w&\"\\'1\t2"#,
            r#"p&lt;w&amp;\"\\&apos;1&#9;2"#,
        ] {
            assert_eq!(hide(&format!("<{shown}>")), "<***>");
        }
        assert_eq!(hide("p<w"), "p<w");
    }

    #[test]
    fn every_line_of_a_key_is_hidden() {
        let secret = Secret::read("cmd:printf 'BEGIN-0817\\n  line-0817\\n'").expect("read");
        assert_eq!(secret.reveal(), "BEGIN-0817\n  line-0817");
        assert_eq!(hide("key: |\n    BEGIN-0817\n      line-0817\n"), "key: |\n    ***\n      ***\n");
    }

    #[test]
    fn what_cannot_be_read_is_told_and_a_text_is_no_place() {
        for (place, message) in [
            ("env:NOT_SET_0817", "the secret `env:NOT_SET_0817` cannot be read: environment variable not found"),
            ("cmd:exit 3", "the secret `cmd:exit 3` cannot be read: exit status: 3"),
            ("cmd:true", "the secret `cmd:true` is empty"),
            ("hunter-0817", "a secret is not written down but read from somewhere"),
        ] {
            assert_eq!(Secret::read(place).expect_err("no secret").message, message);
        }
        assert_eq!(hide("secret(\"hunter-0817\")"), "secret(\"***\")");
        assert!(Secret::read("file:/does/not/exist").is_err());
    }
}
