//! Connections over ssh that stay open for the next command.
//!
//! libvirt starts an `ssh` for each connection, and its handshake takes longer than most commands. OpenSSH can share one
//! (`ControlMaster` and `ControlPersist`, see `ssh_config(5)`), but libvirt cannot pass options to it: only another program
//! in its place, which is a script of one line here. Who comes back to a host that went away does not share: what is shared
//! may hang.

use super::link::{Open, first, open_in_time};
use crate::floor::{Code, Error, Result, runtime_folder, write_program};
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use virt::connect::Connect;

/// For how many seconds a connection stays open; not at all without.
static SECONDS: AtomicU64 = AtomicU64::new(0);

/// How long the way through an open connection may take before another is opened beside it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the path of a Unix socket may be (`unix(7)`), with what OpenSSH puts behind it while it makes one.
const LONGEST: usize = 107 - ".0123456789abcdef".len();

/// Has connections over ssh stay open for so long after their last use, for whoever comes next.
pub fn set_ssh_persist(time: Duration) {
    SECONDS.store(time.as_secs(), Ordering::Relaxed);
}

/// Whether an open connection leads to this host, so that nobody is asked for a password and nothing is looked for.
pub fn is_ssh_open(uri: &str) -> bool {
    Shared::of(uri).is_some_and(|shared| shared.is_open())
}

/// What `ssh` has to be told to run something on the host of a URI as libvirt does, the command left out: over the same
/// connection, with its key, and so that nobody is asked.
pub fn ssh_arguments(uri: &str) -> Result<Vec<String>> {
    let parts = uri.split_once("://").filter(|(scheme, _)| scheme.ends_with("+ssh"));
    let (place, query) = parts.map_or(("", ""), |(_, rest)| rest.split_once('?').unwrap_or((rest, "")));
    let server = place.split('/').next().filter(|server| !server.is_empty()).ok_or_else(|| {
        Error::argument(format!("`{uri}` does not lead anywhere over ssh"))
            .hint("URIs like `qemu+ssh://root@host/system` do")
    })?;
    let shared = Shared::of(uri).filter(|shared| shared.prepare().is_ok());
    let mut arguments = shared.map(|shared| shared.options()).unwrap_or_default();
    arguments.extend(["-o", "BatchMode=yes"].map(str::to_string));
    for (key, value) in query.split(['&', ';']).filter_map(|part| part.split_once('=')) {
        match key {
            "keyfile" => arguments.extend(["-i".to_string(), decoded(value)]),
            "no_verify" if value != "0" => arguments.extend(["-o", "StrictHostKeyChecking=no"].map(str::to_string)),
            _ => {}
        }
    }
    arguments.push(format!("ssh://{server}"));
    Ok(arguments)
}

/// A part of a URI without its `%20`s.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        bytes.extend(&rest.as_bytes()[..at]);
        let byte = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = &rest[at + if byte.is_some() { 3 } else { 1 }..];
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A way to a host over ssh, for who wants it and whoever comes next.
#[derive(Debug)]
pub(super) struct Shared {
    /// The URI without it.
    uri: String,
    /// What follows the URI.
    own: String,
    program: PathBuf,
    socket: PathBuf,
}

impl Shared {
    /// The shared way of a URI, if it can have one: one over ssh that does not name a program of its own.
    pub(super) fn of(uri: &str) -> Option<Self> {
        let is_wanted = SECONDS.load(Ordering::Relaxed) > 0;
        is_wanted.then(runtime_folder).flatten().and_then(|folder| Self::within(&folder.join("ssh"), uri))
    }

    fn within(folder: &Path, uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let server = place.split('/').next().filter(|server| !server.is_empty())?;
        if !scheme.ends_with("+ssh") || query.split(['&', ';']).any(|part| part.starts_with("command=")) {
            return None;
        }
        // Keys and options decide who one is over there; whether somebody could have been asked does not.
        let options: Vec<_> =
            query.split(['&', ';']).filter(|part| !part.is_empty() && !part.starts_with("no_tty=")).collect();
        let mut hasher = DefaultHasher::new();
        (server, options).hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        let socket = folder.join(&name);
        let path = socket.to_str().filter(|path| path.len() <= LONGEST && path.chars().all(is_plain))?;
        let own = format!("{}command={path}.sh", if query.is_empty() && !uri.ends_with('?') { '?' } else { '&' });
        Some(Self { uri: uri.to_string(), own, program: folder.join(format!("{name}.sh")), socket })
    }

    fn is_open(&self) -> bool {
        self.socket.exists()
    }

    /// Connects through it, or past it where it hangs or cannot be.
    pub(super) fn connect(&self, open: Open) -> Result<Connect> {
        let plain = Some(self.uri.as_str());
        if let Err(error) = self.prepare() {
            tracing::debug!(%error, "connections over ssh are not shared");
            return open_in_time(plain, plain, open, first(plain));
        }
        let (was_open, way) = (self.is_open(), format!("{}{}", self.uri, self.own));
        let patience = if was_open { PATIENCE } else { first(plain) };
        let folder = self.socket.parent().unwrap_or(Path::new("/")).display().to_string();
        match open_in_time(plain, Some(&way), open, patience) {
            // It is to blame for what tells of its files: a folder from which nothing can be run, say.
            Err(error) if error.code != Code::Interrupted && (was_open || error.to_string().contains(&folder)) => {
                tracing::debug!(%error, "the shared connection over ssh is left alone");
                open_in_time(plain, plain, open, first(plain))
            }
            connected => connected,
        }
    }

    /// What `ssh` has to be told. A host that went away is noticed as fast as libvirt notices one.
    fn options(&self) -> Vec<String> {
        let options = [
            "ControlMaster=auto".to_string(),
            format!("ControlPath={}", self.socket.display()),
            format!("ControlPersist={}", SECONDS.load(Ordering::Relaxed)),
            "ServerAliveInterval=5".to_string(),
            "ServerAliveCountMax=5".to_string(),
        ];
        options.into_iter().flat_map(|option| ["-o".to_string(), option]).collect()
    }

    /// What libvirt calls a host, without what is only of this way.
    pub(super) fn without(&self, uri: &str) -> String {
        uri.replacen(&self.own, "", 1)
    }

    /// Writes the program that libvirt is to start, where only its owner can put one.
    fn prepare(&self) -> Result<(), std::io::Error> {
        let folder = self.socket.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let there = fs::symlink_metadata(folder)?;
        if !there.is_dir() || there.uid() != fs::metadata("/proc/self")?.uid() || there.mode() & 0o077 != 0 {
            return Err(std::io::Error::other(format!("`{}` is not for its owner alone", folder.display())));
        }
        let text = format!(
            "#!/bin/sh\n# Lets commands of vmscript share a connection over ssh. It is made anew where it is missing.\n\
            exec ssh {} \"$@\"\n",
            self.options().join(" ")
        );
        if fs::read(&self.program).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        write_program(&self.program, text.as_bytes()).map_err(std::io::Error::other)
    }
}

/// What is the same in a path, a URI, a shell's script and an option of OpenSSH.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "/._-".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ways_over_ssh_without_a_program_of_their_own_are_shared() {
        let of = |uri: &str| Shared::within(Path::new("/run/user/1000/vmscript/ssh"), uri);
        let own = |uri: &str| of(uri).map(|shared| shared.own);
        for uri in ["qemu:///system", "qemu+ssh:///system", "qemu+libssh2://hv1/system", "qemu+tls://hv1/system", "hv1"]
        {
            assert_eq!(own(uri), None, "{uri}");
        }
        assert_eq!(own("qemu+ssh://hv1/system?command=/opt/ssh"), None);

        let socket = |uri: &str| of(uri).map(|shared| shared.socket).expect("it is over ssh");
        let system = socket("qemu+ssh://root@hv1/system");
        assert_eq!(system, socket("qemu+ssh://root@hv1/session"));
        assert_eq!(system, socket("qemu+ssh://root@hv1/system?no_tty=1"));
        for other in
            ["qemu+ssh://hv1/system", "qemu+ssh://root@hv1:2222/system", "qemu+ssh://root@hv1/system?keyfile=/k"]
        {
            assert_ne!(system, socket(other), "{other}");
        }

        let told =
            ssh_arguments("qemu+ssh://root@hv1:22/system?keyfile=/my%20key&no_verify=1").expect("it is over ssh");
        assert_eq!(told.join("|"), "-o|BatchMode=yes|-i|/my key|-o|StrictHostKeyChecking=no|ssh://root@hv1:22");
        assert!(ssh_arguments("qemu:///system").is_err());
        assert_eq!(decoded("a%2fb%"), "a/b%");

        let uri = "qemu+ssh://root@hv1/system?keyfile=/k";
        let shared = of(uri).expect("it is over ssh");
        assert_eq!(shared.without(&format!("{uri}{}", shared.own)), uri);
    }
}
