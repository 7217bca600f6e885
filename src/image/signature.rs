//! Detached signatures: minisign's by its own crate, `OpenPGP`'s by the program `gpgv`.

use crate::floor::{Area, Code, Error, Result, interrupt};
use minisign_verify::{PublicKey, Signature as Minisign};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whose signature is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A minisign public key, the line that begins with `RW`.
    Minisign(String),
    /// A keyring file of `OpenPGP` keys, not armoured, as `gpgv --keyring` takes it.
    OpenPgp(PathBuf),
}

/// A signature and whose it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Where it is: a URL or a path.
    pub source: String,
    /// Whose it must be.
    pub key: Key,
}

impl Signature {
    /// Checks the signature on a text; `what` names the text.
    pub(super) fn verify_text(&self, signature: &[u8], text: &[u8], what: &str) -> Result<()> {
        match &self.key {
            Key::Minisign(key) => minisign(key, signature)
                .and_then(|(key, signature)| key.verify(text, &signature, true))
                .map_err(|error| untrusted(what, &error.to_string())),
            Key::OpenPgp(keyring) => gpgv(keyring, signature, what, None, text),
        }
    }

    /// Checks the signature on a file; `what` names it.
    pub(super) fn verify_file(&self, signature: &[u8], path: &Path, what: &str) -> Result<()> {
        let keyring = match &self.key {
            Key::Minisign(key) => return verify_stream(key, signature, path, what),
            Key::OpenPgp(keyring) => keyring,
        };
        gpgv(keyring, signature, what, Some(path), &[])
    }
}

fn minisign(key: &str, signature: &[u8]) -> Result<(PublicKey, Minisign), minisign_verify::Error> {
    Ok((PublicKey::from_base64(key)?, Minisign::decode(&String::from_utf8_lossy(signature))?))
}

fn verify_stream(key: &str, signature: &[u8], path: &Path, what: &str) -> Result<()> {
    let wrong = |error: minisign_verify::Error| untrusted(what, &error.to_string());
    let unreadable = |error: std::io::Error| Error::io(path, "read", &error);
    let (key, signature) = minisign(key, signature).map_err(wrong)?;
    let mut verifier = key.verify_stream(&signature).map_err(wrong)?;
    let mut file = File::open(path).map_err(unreadable)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        interrupt::check()?;
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => return verifier.finalize().map_err(wrong),
            got => verifier.update(&buffer[..got]),
        }
    }
}

/// `gpgv` reads one of both from its standard input; the signature of a file comes that way, as the file is large.
fn gpgv(keyring: &Path, signature: &[u8], what: &str, file: Option<&Path>, text: &[u8]) -> Result<()> {
    let missing = |error: &std::io::Error| {
        Error::new(Code::Failed, Area::Storage, "cannot run `gpgv`")
            .caused_by(error.to_string())
            .hint("install it (package gpgv), or take a minisign signature")
    };
    let mut command = Command::new("gpgv");
    command.arg("--keyring").arg(keyring).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    // A text goes in by the pipe, and its signature lies in a file for as long as that takes.
    let held = if let Some(file) = file {
        command.arg("-").arg(file);
        None
    } else {
        let failed = |error: std::io::Error| Error::io(&std::env::temp_dir(), "write to", &error);
        let mut held = tempfile::NamedTempFile::new().map_err(failed)?;
        held.write_all(signature).map_err(failed)?;
        command.arg(held.path()).arg("-");
        Some(held)
    };
    let input = if file.is_some() { signature } else { text };
    let ended = command.spawn().and_then(|mut child| {
        if let Some(mut pipe) = child.stdin.take() {
            // A program that does not read to the end has its reasons, which its exit code tells.
            drop(pipe.write_all(input));
        }
        child.wait_with_output()
    });
    drop(held);
    let output = ended.map_err(|error| missing(&error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(untrusted(what, String::from_utf8_lossy(&output.stderr).trim()))
}

fn untrusted(what: &str, cause: &str) -> Error {
    Error::new(Code::Failed, Area::Storage, format!("the signature of `{what}` is not valid")).caused_by(cause)
}
