//! Secrets that a script uses without seeing them.

use super::RhaiResultOf;
use crate::floor::{Error, Result, Secret};
use rhai::plugin::*;
use rhai::{Dynamic, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// What a function takes for a text that may be a secret.
pub(super) fn text_or_secret(given: &Dynamic, what: &str) -> Result<String> {
    if let Some(secret) = given.read_lock::<Secret>() {
        return Ok(secret.reveal().to_string());
    }
    let text = given.as_immutable_string_ref().map(|text| text.to_string());
    text.map_err(|_| Error::argument(format!("{what} is a text or a secret")))
}

/// What is handed to a program or a file: a blob, a text or a secret.
pub(super) fn bytes(given: &Dynamic, what: &str) -> Result<Vec<u8>> {
    if let Ok(blob) = given.as_blob_ref() {
        return Ok(blob.to_vec());
    }
    let text = text_or_secret(given, what);
    text.map(String::into_bytes).map_err(|_| Error::argument(format!("{what} is a text, a blob or a secret")))
}

#[export_module]
mod functions {
    /// A secret that a script hands on without seeing it: it is shown as `***`, and so is its text wherever it would be
    /// printed, logged or quoted in an error. It stands where a text can stand: in definitions, descriptions of guests,
    /// options, and arguments such as that of `set_user_password`.
    ///
    /// Texts of fewer than four characters are hidden only as the secret itself. Text made from it, such as `` `${s}` ``,
    /// holds `***` and not the secret.
    pub type Hidden = crate::floor::Secret;

    /// Reads a secret from a variable of the environment (`env:NAME`), a file (`file:PATH`) or what a command of the shell
    /// prints (`cmd:pass show web`). A line break at its end does not count.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let password = secret("cmd:echo correct horse");
    /// print(password);
    /// let screen = graphics(#{ type: "vnc", passwd: password });
    /// ```
    #[rhai_fn(name = "secret", return_raw)]
    pub fn read(place: &str) -> RhaiResultOf<Hidden> {
        Ok(Hidden::read(place)?)
    }

    /// Three stars.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(secret("cmd:echo correct horse").to_string(), "***");
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(secret: &mut Hidden) -> String {
        secret.to_string()
    }

    /// Three stars, for `debug`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// debug(#{ password: secret("cmd:echo correct horse") });
    /// ```
    #[rhai_fn(pure)]
    pub fn to_debug(secret: &mut Hidden) -> String {
        secret.to_string()
    }

    /// Whether it is the same text as another secret.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(secret("cmd:echo correct horse") == secret("cmd:printf 'correct horse'"));
    /// ```
    #[rhai_fn(name = "==", pure)]
    pub fn equals(secret: &mut Hidden, other: Hidden) -> bool {
        *secret == other
    }

    /// Whether it is another text than that of another secret.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(secret("cmd:echo correct horse") != secret("cmd:echo wrong horse"));
    /// ```
    #[rhai_fn(name = "!=", pure)]
    pub fn differs(secret: &mut Hidden, other: Hidden) -> bool {
        *secret != other
    }
}
