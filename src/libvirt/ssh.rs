//! How libvirt gets to hosts over ssh.
//!
//! libvirt starts an `ssh` for each connection. Its handshake takes longer than most commands, so OpenSSH keeps a connection
//! for whoever comes next (`ControlMaster` and `ControlPersist`, see `ssh_config(5)`). And at a terminal Ctrl-C reaches
//! libvirt's `ssh` as it reaches this program, which needs it to undo what it made. libvirt passes no options on, only the
//! name of another program (`command=`): small scripts here.

use super::cause::ssh_error;
use super::link::{Open, open_in_time};
use crate::floor::{Code, Error, Result, interrupt, runtime_folder, write_program};
use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Seek};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
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

fn is_shared() -> bool {
    SECONDS.load(Ordering::Relaxed) > 0
}

/// Whether an open connection leads to this host, so that nobody is asked for a password and nothing is looked for.
pub fn is_ssh_open(uri: &str) -> bool {
    Way::of(uri).is_some_and(|way| is_shared() && way.is_open())
}

/// What `ssh` has to be told to run something on the host of a URI as libvirt does, the command left out: over the same
/// connection, with its key, and so that nobody is asked.
pub fn ssh_arguments(uri: &str) -> Result<Vec<String>> {
    let Some(goal) = Goal::of(uri) else {
        return Err(Error::argument(format!("`{uri}` does not lead anywhere over ssh"))
            .hint("URIs like `qemu+ssh://root@host/system` do"));
    };
    let way = Way::of(uri).filter(|way| is_shared() && way.prepare().is_ok());
    let mut arguments = way.map(|way| way.options("auto")).unwrap_or_default();
    arguments.extend(["-o", "BatchMode=yes"].map(str::to_string));
    arguments.extend(goal.arguments());
    Ok(arguments)
}

/// What a URI says of the place where ssh has to go.
struct Goal<'a> {
    server: &'a str,
    /// The parts of the query.
    options: Vec<&'a str>,
}

impl<'a> Goal<'a> {
    fn of(uri: &'a str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let server = place.split('/').next().filter(|server| !server.is_empty() && scheme.ends_with("+ssh"))?;
        Some(Self { server, options: query.split(['&', ';']).filter(|part| !part.is_empty()).collect() })
    }

    /// What libvirt tells `ssh` for it.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for (key, value) in self.options.iter().filter_map(|part| part.split_once('=')) {
            match (key, value) {
                ("keyfile", file) => arguments.extend(["-i".to_string(), decoded(file)]),
                ("no_verify" | "no_tty", "0") => {}
                ("no_verify", _) => arguments.extend(["-o", "StrictHostKeyChecking=no"].map(str::to_string)),
                ("no_tty", _) => arguments.extend(["-o", "BatchMode=yes"].map(str::to_string)),
                _ => {}
            }
        }
        arguments.push(format!("ssh://{}", self.server));
        arguments
    }
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

/// A way to a host over ssh.
#[derive(Debug)]
pub(super) struct Way {
    uri: String,
    folder: PathBuf,
    /// The socket of the connection that is kept.
    socket: PathBuf,
}

impl Way {
    /// The way of a URI, if it is one over ssh that does not name a program of its own.
    pub(super) fn of(uri: &str) -> Option<Self> {
        Self::within(&runtime_folder()?.join("ssh"), uri)
    }

    fn within(folder: &Path, uri: &str) -> Option<Self> {
        let goal = Goal::of(uri).filter(|goal| !goal.options.iter().any(|part| part.starts_with("command=")))?;
        // Keys and options decide who one is over there; whether somebody could have been asked does not.
        let options: Vec<_> = goal.options.iter().filter(|part| !part.starts_with("no_tty=")).collect();
        let mut hasher = DefaultHasher::new();
        (goal.server, options).hash(&mut hasher);
        let socket = folder.join(format!("{:016x}", hasher.finish()));
        let is_plain =
            |path: &str| path.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
        // The same in a path, a URI, a shell's script and an option of OpenSSH.
        socket.to_str().filter(|path| path.len() <= LONGEST && is_plain(path))?;
        Some(Self { uri: uri.to_string(), folder: folder.to_path_buf(), socket })
    }

    fn is_open(&self) -> bool {
        UnixStream::connect(&self.socket).is_ok()
    }

    /// Connects by an open connection, which is opened if there is none; past it where it hangs or cannot be.
    pub(super) fn connect(&self, open: Open, patience: Duration) -> Result<Connect> {
        let uri = Some(self.uri.as_str());
        if let Err(error) = self.prepare() {
            tracing::debug!(%error, "libvirt starts ssh itself");
            return open_in_time(uri, uri, open, patience);
        }
        if is_shared() {
            let was_open = self.is_open();
            let opened = if was_open { Ok(()) } else { self.open(patience) };
            let patience = if was_open { PATIENCE.min(patience) } else { patience };
            match opened.and_then(|()| open_in_time(uri, Some(&self.through(&self.shared())), open, patience)) {
                // It is to blame for what tells of its files: a folder in which there can be no sockets, say.
                Err(error) if error.code != Code::Interrupted && (was_open || tells_of(&error, &self.folder)) => {
                    tracing::debug!(%error, "the shared connection over ssh is left alone");
                }
                tried => return tried,
            }
        }
        open_in_time(uri, Some(&self.through(&self.alone())), open, patience)
    }

    /// What libvirt calls a host, without what is only of this way.
    pub(super) fn without(&self, uri: &str) -> String {
        [self.shared(), self.alone()]
            .iter()
            .fold(uri.to_string(), |uri, program| uri.replacen(&self.own(program), "", 1))
    }

    fn through(&self, program: &Path) -> String {
        format!("{}{}", self.uri, self.own(program))
    }

    fn own(&self, program: &Path) -> String {
        let sign = if self.uri.contains('?') { '&' } else { '?' };
        format!("{sign}command={}", program.display())
    }

    /// The program that goes through the open connection.
    fn shared(&self) -> PathBuf {
        self.socket.with_extension("sh")
    }

    /// The program that has a connection of its own.
    fn alone(&self) -> PathBuf {
        self.folder.join("alone.sh")
    }

    /// What `ssh` has to be told to share. A host that went away is noticed as fast as libvirt notices one.
    fn options(&self, master: &str) -> Vec<String> {
        let options = [
            format!("ControlMaster={master}"),
            format!("ControlPath={}", self.socket.display()),
            format!("ControlPersist={}", SECONDS.load(Ordering::Relaxed)),
            "ServerAliveInterval=5".to_string(),
            "ServerAliveCountMax=5".to_string(),
        ];
        options.into_iter().flat_map(|option| ["-o".to_string(), option]).collect()
    }

    /// Opens the connection that stays; whoever else wants it waits.
    fn open(&self, patience: Duration) -> Result<()> {
        const STEP: Duration = Duration::from_millis(5);
        let failed = |error: io::Error| Error::io(&self.folder, "use", &error);
        let lock = File::create(self.socket.with_extension("lock")).map_err(failed)?;
        let end = Instant::now() + patience;
        while lock.try_lock().is_err() {
            interrupt::check()?;
            if Instant::now() > end {
                return Err(failed(io::ErrorKind::TimedOut.into()));
            }
            thread::sleep(STEP);
        }
        if self.is_open() {
            return Ok(());
        }
        // A socket whose program was killed; there may be none.
        drop(fs::remove_file(&self.socket));
        let goal = Goal::of(&self.uri).map(|goal| goal.arguments()).unwrap_or_default();
        let mut ssh = Command::new("ssh");
        // What it says comes by a file: a pipe would be kept open by whoever it starts.
        let mut said = tempfile::tempfile().map_err(failed)?;
        ssh.args(self.options("yes")).args(["-f", "-N"]).args(goal);
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone().map_err(failed)?);
        let mut running = ssh.spawn().map_err(failed)?;
        loop {
            match running.try_wait().map_err(failed)? {
                Some(status) if status.success() => return Ok(()),
                Some(_) => break,
                None => {}
            }
            if let Err(stop) = interrupt::check() {
                // It may have heard of it, too.
                drop(running.kill());
                drop(running.wait());
                return Err(stop);
            }
            if Instant::now() > end {
                drop(running.kill());
                drop(running.wait());
                return Err(ssh_error(&self.uri, &format!("no answer for {} s", patience.as_secs())));
            }
            thread::sleep(STEP);
        }
        interrupt::check()?;
        said.rewind().map_err(failed)?;
        Err(ssh_error(&self.uri, &io::read_to_string(said).unwrap_or_default()))
    }

    /// Writes the programs that libvirt starts, where only their owner can put some.
    fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let there = fs::symlink_metadata(&self.folder)?;
        if !there.is_dir() || there.uid() != fs::metadata("/proc/self")?.uid() || there.mode() & 0o077 != 0 {
            return Err(io::Error::other(format!("`{}` is not for its owner alone", self.folder.display())));
        }
        // What goes through an open connection asks nobody; in a session of its own it does not hear of Ctrl-C.
        let shared = format!("exec setsid ssh {} \"$@\"\n", self.options("no").join(" "));
        let alone = "trap '' INT\nexec ssh \"$@\"\n".to_string();
        let wanted = [(self.alone(), alone)].into_iter().chain(is_shared().then(|| (self.shared(), shared)));
        for (path, deed) in wanted {
            let text = format!(
                "#!/bin/sh\n# What libvirt starts in place of ssh for vmscript. It is made anew if it is missing.\n{deed}"
            );
            if !fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
                write_program(&path, text.as_bytes()).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }
}

/// Whether an error, or what libvirt or `ssh` said, names a folder.
fn tells_of(error: &Error, folder: &Path) -> bool {
    let folder = folder.display().to_string();
    error.to_string().contains(&folder) || error.cause.as_ref().is_some_and(|words| words.contains(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ways_over_ssh_without_a_program_of_their_own_are_shared() {
        let of = |uri: &str| Way::within(Path::new("/run/user/1000/vmscript/ssh"), uri);
        for uri in ["qemu:///system", "qemu+ssh:///system", "qemu+libssh2://hv1/system", "qemu+tls://hv1/system", "hv1"]
        {
            assert!(of(uri).is_none(), "{uri}");
        }
        assert!(of("qemu+ssh://hv1/system?command=/opt/ssh").is_none());

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
        let way = of(uri).expect("it is over ssh");
        for program in [way.shared(), way.alone()] {
            assert_eq!(way.without(&way.through(&program)), uri);
        }
    }
}
