//! Signatures by the programs that make them: minisign's and `OpenPGP`'s, on the image and on the list of checksums.

use super::fetching::{disk, sum};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use vmscript::floor::{Code, Error};
use vmscript::image::{Fetched, Key, Request, Signature, fetch};

/// A folder with an image, its list of checksums, and keys.
struct Publisher {
    folder: TempDir,
}

impl Publisher {
    fn new() -> Self {
        let own = Self { folder: tempfile::tempdir().expect("a folder") };
        let data = disk();
        std::fs::write(own.path("disk.raw"), data.as_slice()).expect("written");
        std::fs::write(own.path("SUMS"), format!("{}  disk.raw\n", sum(&data))).expect("written");
        own
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, program: &str, args: &[&str]) {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("GNUPGHOME", self.folder.path()).args(args);
        let output = command.output().expect("the program runs");
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A pair of minisign keys without a password; the public one.
    fn minisign(&self, name: &str) -> Key {
        let (public, secret) = (format!("{name}.pub"), format!("{name}.key"));
        self.run("minisign", &["-G", "-W", "-p", &public, "-s", &secret]);
        let text = std::fs::read_to_string(self.path(&public)).expect("a key");
        Key::Minisign(text.lines().nth(1).expect("a key").to_string())
    }

    /// A pair of `OpenPGP` keys; the keyring with the public one.
    fn openpgp(&self, user: &str) -> Key {
        let batch = ["--batch", "--quiet", "--passphrase", ""];
        self.run("gpg", &[&batch[..], &["--quick-generate-key", user, "ed25519", "sign"]].concat());
        let keyring = format!("{user}.gpg");
        self.run("gpg", &["--batch", "--output", &keyring, "--export", user]);
        Key::OpenPgp(self.path(&keyring))
    }

    fn fetch(&self, signature: &str, key: &Key, list: bool) -> Result<Fetched, Error> {
        let shown = |name: &str| self.path(name).display().to_string();
        let mut request = Request::new(vec![shown("disk.raw")]);
        request.cache = self.path("cache");
        request.checksum_url = list.then(|| shown("SUMS"));
        request.signature = Some(Signature { source: shown(signature), key: key.clone() });
        fetch(&request)
    }
}

impl Drop for Publisher {
    /// The agent that keeps the keys would stay.
    fn drop(&mut self) {
        drop(Command::new("gpgconf").env("GNUPGHOME", self.folder.path()).args(["--kill", "gpg-agent"]).status());
    }
}

fn add(path: &Path, text: &str) {
    let mut data = std::fs::read(path).expect("the file");
    data.extend(text.bytes());
    std::fs::write(path, data).expect("written");
}

fn untrusted(done: Result<Fetched, Error>, what: &str) {
    let error = done.expect_err("refused");
    assert_eq!(error.code, Code::Failed);
    assert!(error.message.starts_with("the signature of `") && error.message.contains(what), "{error}");
}

#[test]
fn minisign_is_believed_and_only_it() {
    let publisher = Publisher::new();
    let (key, other) = (publisher.minisign("mine"), publisher.minisign("other"));
    for file in ["disk.raw", "SUMS"] {
        publisher.run("minisign", &["-S", "-s", "mine.key", "-m", file]);
    }
    publisher.fetch("disk.raw.minisig", &key, false).expect("a signed image");
    publisher.fetch("SUMS.minisig", &key, true).expect("a signed list");
    untrusted(publisher.fetch("disk.raw.minisig", &other, false), "disk.raw");
    untrusted(publisher.fetch("SUMS.minisig", &other, true), "SUMS");
    untrusted(publisher.fetch("disk.raw.minisig", &key, true), "SUMS");
    add(&publisher.path("disk.raw"), "x");
    untrusted(publisher.fetch("disk.raw.minisig", &key, false), "disk.raw");
    let error = publisher.fetch("SUMS.minisig", &key, true).expect_err("the list is of another image");
    assert!(error.message.starts_with("the checksum of `"), "{error}");
    add(&publisher.path("SUMS"), "# more\n");
    untrusted(publisher.fetch("SUMS.minisig", &key, true), "SUMS");
}

#[test]
fn openpgp_is_believed_and_only_it() {
    let publisher = Publisher::new();
    let (key, other) = (publisher.openpgp("me"), publisher.openpgp("other"));
    for file in ["disk.raw", "SUMS"] {
        let signature = format!("{file}.sig");
        publisher.run("gpg", &["--batch", "--local-user", "me", "--output", &signature, "--detach-sign", file]);
    }
    publisher
        .run("gpg", &["--batch", "--local-user", "me", "--armor", "--output", "SUMS.asc", "--detach-sign", "SUMS"]);
    publisher.fetch("disk.raw.sig", &key, false).expect("a signed image");
    for signature in ["SUMS.sig", "SUMS.asc"] {
        publisher.fetch(signature, &key, true).unwrap_or_else(|error| panic!("{signature}: {error}"));
    }
    untrusted(publisher.fetch("disk.raw.sig", &other, false), "disk.raw");
    untrusted(publisher.fetch("SUMS.asc", &other, true), "SUMS");
    add(&publisher.path("disk.raw"), "x");
    untrusted(publisher.fetch("disk.raw.sig", &key, false), "disk.raw");
    add(&publisher.path("SUMS"), "# more\n");
    untrusted(publisher.fetch("SUMS.asc", &key, true), "SUMS");
}
