//! The one place that turns libvirt's errors into ours: code, message, hints.

use super::hints::by_words;
use super::object::{Kind, Object};
use super::words::fact;
use crate::floor::{Area, Code, Error, Result, libvirts_host};
use virt::enumutil::Enum;
use virt::error::{Error as VirtError, ErrorNumber};

/// Turns a libvirt result into ours: ``cannot start domain `web`: network `default` is not active``.
pub(super) trait Explain<T> {
    /// `doing` is the verb as in "cannot start".
    fn explain(self, doing: &str, object: &Object) -> Result<T>;
}

impl<T> Explain<T> for Result<T, VirtError> {
    fn explain(self, doing: &str, object: &Object) -> Result<T> {
        match &self {
            // Deeds are told at `info`, questions at `debug`.
            Ok(_) if QUESTIONS.iter().any(|question| doing.starts_with(question)) => {
                tracing::debug!(object = object.plain(), "{doing}");
            }
            Ok(_) => tracing::info!(object = object.plain(), "{doing}"),
            Err(_) => {}
        }
        self.map_err(|error| explain(doing, object, &error))
    }
}

/// How the verbs begin that change nothing.
const QUESTIONS: &[&str] = &["ask for", "list", "look up", "open", "read"];

fn explain(doing: &str, object: &Object, error: &VirtError) -> Error {
    let words = error.message().trim_end();
    let code = code(error);
    let area = if code == Code::NoConnection { Area::Connection } else { object.kind.area() };
    tracing::debug!(doing, object = object.plain(), code = code.name(), libvirt = words, "call failed");
    let told = Vanished::of(doing, object, words).map(|vanished| (vanished.fact(object), vanished.hints()));
    let (fact, hints) = told.unwrap_or_else(|| (by_object(object, words), hints(code, object, words)));
    let mut ours =
        Error::new(code, area, format!("cannot {doing} {object}: {fact}")).about(object.plain()).told_by_libvirt(words);
    ours.hints = hints;
    ours
}

/// The fact in libvirt's words where they say less, or other things, than the object does.
fn by_object(object: &Object, words: &str) -> String {
    if has_qemu_ended(words) {
        return "QEMU has ended meanwhile".to_string();
    }
    match object.whole() {
        // Snapshots and checkpoints.
        Some(whole) if words.contains("domain moment") && words.contains("already exists") => {
            format!("{whole} has one already")
        }
        _ => fact(words),
    }
}

/// What was there when it was looked up and is not any more, of which libvirt says that it knows none of that number.
struct Vanished(Object);

impl Vanished {
    /// How libvirt says it, and of what.
    const WORDS: &[(&str, Kind)] = &[
        ("no domain snapshot with matching", Kind::Snapshot),
        ("no domain with matching", Kind::Domain),
        ("no network with matching", Kind::Network),
        ("no storage pool with matching", Kind::Pool),
        ("no storage vol with matching", Kind::Volume),
    ];

    fn of(doing: &str, object: &Object, words: &str) -> Option<Self> {
        // Who looks something up does not know yet whether it is there.
        if doing.starts_with("look up") {
            return None;
        }
        let (rest, kind) = Self::WORDS.iter().find_map(|(said, kind)| Some((words.split_once(said)?.1, *kind)))?;
        let is_named =
            [format!("'{}'", object.name), format!("({})", object.name)].iter().any(|name| words.contains(name));
        let is_numbered = !rest.trim_start().starts_with("name") && !rest.contains(['(', ')']);
        if kind == object.kind && (is_named || is_numbered) {
            return Some(Self(object.clone()));
        }
        // A number is known of nothing but what was looked up; its name stands behind it.
        let name = rest.trim_start().strip_prefix("uuid")?.split(['(', ')']).nth(1)?;
        Some(Self(Object::new(kind, name)))
    }

    fn fact(&self, object: &Object) -> String {
        if self.0 == *object { "it is gone".to_string() } else { format!("{} is gone", self.0) }
    }

    fn hints(&self) -> Vec<String> {
        let listed = self.0.listing().map(|listing| format!(": `{listing}` lists what is there"));
        vec![format!(
            "it was removed or renamed since it was looked up, here or by another run{}",
            listed.unwrap_or_default()
        )]
    }
}

/// What libvirt says of a QEMU that ends while it is asked for something. The reasons behind it are those of a socket, which is
/// not the connection to libvirt.
const QEMU_ENDED: &[&str] =
    &["Unable to read from monitor", "Unable to write to monitor", "End of file from qemu monitor"];

fn has_qemu_ended(words: &str) -> bool {
    QEMU_ENDED.iter().any(|ended| words.contains(ended))
}

/// Turns a failed connection into ours.
pub(super) fn connect_error(uri: Option<&str>, error: &VirtError) -> Error {
    let words = error.message().trim_end();
    let denied = matches!(code(error), Code::PermissionDenied) || words.contains("Permission denied");
    let code = if denied { Code::PermissionDenied } else { Code::NoConnection };
    let default = || match libvirts_host() {
        Some(uri) => format!("`{uri}`, which LIBVIRT_DEFAULT_URI names"),
        None => "libvirt".to_string(),
    };
    let target = uri.map_or_else(default, |uri| format!("`{uri}`"));
    let mut ours = Error::new(code, Area::Connection, format!("cannot connect to {target}: {}", fact(words)))
        .told_by_libvirt(words);
    if let Some(uri) = uri {
        ours = ours.about(format!("host {uri}"));
    }
    let remote = uri.is_some_and(|uri| uri.split("://").nth(1).is_some_and(|rest| !rest.starts_with('/')));
    ours.hints = connect_hints(words, remote);
    let scheme = uri.and_then(|uri| uri.split(['+', ':']).next()).filter(|scheme| !["qemu", "test"].contains(scheme));
    if let Some(scheme) = scheme.filter(|_| words.contains("No such file or directory")) {
        ours.hints.push(format!("few daemons have a driver for `{scheme}`: QEMU's machines are at `qemu:///system`"));
    }
    ours
}

/// The same of an `ssh` that did not get there.
pub(super) fn ssh_error(uri: &str, words: &str) -> Error {
    let last = words.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("`ssh` ended without a word");
    let told = if words.contains(OTHER_KEY) { "the host's key is another one than before" } else { last };
    let code = if told.contains("Permission denied") { Code::PermissionDenied } else { Code::NoConnection };
    let message = format!("cannot connect to `{uri}`: {}", told.trim_end_matches('.'));
    let mut ours = Error::new(code, Area::Connection, message).about(format!("host {uri}"));
    if words.trim() != last {
        ours = ours.caused_by(words.trim());
    }
    ours.hints = connect_hints(words, true);
    ours
}

/// What OpenSSH says of a host whose key has changed.
const OTHER_KEY: &str = "IDENTIFICATION HAS CHANGED";

/// Whether a driver refused a flag that it does not know, so that asking without it makes sense.
pub(super) fn flag_refused(error: &VirtError) -> bool {
    error.message().contains("unsupported flags")
        || error.code().is_any(vec![ErrorNumber::NoSupport, ErrorNumber::ArgumentUnsupported])
}

/// Words that say more than libvirt's number, which is often only "internal error" or "system error".
const TELLING: &[(&str, Code)] = &[
    ("No space left on device", Code::NoSpace),
    ("guest agent is not c", Code::AgentUnavailable),
    ("Permission denied", Code::PermissionDenied),
    ("Operation not permitted", Code::PermissionDenied),
    ("Read-only file system", Code::PermissionDenied),
    ("cannot acquire state change lock", Code::Busy),
    ("asynchronous jobs running", Code::Busy),
    ("is still in use", Code::Busy),
    ("is being allocated", Code::Busy),
    ("\" lock", Code::Busy),
    ("active block job", Code::Busy),
    ("storage volume name '", Code::AlreadyExists),
    ("already in use", Code::Busy),
    // QEMU measures how long a key takes, and gives up when others have the processor.
    ("Unable to get accurate CPU usage", Code::Busy),
    ("ore available PCI slots", Code::Unsupported),
    ("missing backend for pool type", Code::Unsupported),
    ("unknown filesystem type", Code::Unsupported),
    ("/dev/mapper/control: open failed", Code::Unsupported),
    ("already exists", Code::AlreadyExists),
    ("exists already", Code::AlreadyExists),
    ("Broken pipe", Code::NoConnection),
    ("Connection reset by peer", Code::NoConnection),
    ("client socket is closed", Code::NoConnection),
    ("keepalive timeout", Code::NoConnection),
    ("Cannot recv data", Code::NoConnection),
    ("cannot send data", Code::NoConnection),
    ("End of file while reading data", Code::NoConnection),
];

fn code(error: &VirtError) -> Code {
    if has_qemu_ended(error.message()) {
        return Code::GuestStopped;
    }
    if let Some((_, code)) = TELLING.iter().find(|(words, _)| error.message().contains(words)) {
        return *code;
    }
    let Enum::Known(number) = error.code() else { return Code::Failed };
    match number {
        ErrorNumber::NoSupport | ErrorNumber::ArgumentUnsupported | ErrorNumber::OperationUnsupported => {
            Code::Unsupported
        }
        ErrorNumber::ConfigUnsupported
        | ErrorNumber::XmlError
        | ErrorNumber::XmlDetail
        | ErrorNumber::XmlInvalidSchema
        | ErrorNumber::OsType => Code::InvalidDefinition,
        ErrorNumber::NoDomain
        | ErrorNumber::NoNetwork
        | ErrorNumber::NoStoragePool
        | ErrorNumber::NoStorageVolume
        | ErrorNumber::NoDomainSnapshot
        | ErrorNumber::NoDomainCheckpoint
        | ErrorNumber::NoInterface
        | ErrorNumber::NoNodeDevice
        | ErrorNumber::NoNwfilter
        | ErrorNumber::NoNwfilterBinding
        | ErrorNumber::NoNetworkPort
        | ErrorNumber::NoSecret
        | ErrorNumber::DeviceMissing => Code::NotFound,
        ErrorNumber::DomExist | ErrorNumber::NetworkExist | ErrorNumber::StorageVolExist => Code::AlreadyExists,
        ErrorNumber::OperationInvalid => Code::InvalidState,
        ErrorNumber::OperationDenied
        | ErrorNumber::AccessDenied
        | ErrorNumber::AuthFailed
        | ErrorNumber::AuthCancelled
        | ErrorNumber::AuthUnavailable => Code::PermissionDenied,
        ErrorNumber::NoConnect | ErrorNumber::InvalidConn | ErrorNumber::UnknownHost => Code::NoConnection,
        ErrorNumber::ResourceBusy | ErrorNumber::BlockCopyActive => Code::Busy,
        ErrorNumber::OperationTimeout => Code::Timeout,
        ErrorNumber::AgentUnresponsive | ErrorNumber::AgentUnsynced | ErrorNumber::AgentCommandTimeout => {
            Code::AgentUnavailable
        }
        ErrorNumber::InvalidArg | ErrorNumber::InvalidMac => Code::InvalidArgument,
        _ => Code::Failed,
    }
}

/// What to do about an error: by libvirt's words where they tell, else by the code.
fn hints(code: Code, object: &Object, words: &str) -> Vec<String> {
    let quoted = |after: &str| words.split_once(after).and_then(|(_, rest)| rest.split('\'').next());
    let hint = if let Some(name) = quoted("network '").filter(|_| words.contains("is not active")) {
        format!("start it with `host.network(\"{name}\").start()`")
    } else if let Some(name) = quoted("storage pool '").filter(|_| words.contains("is not active")) {
        format!("start it with `host.pool(\"{name}\").start()`")
    } else if let Some(name) = quoted("no network with matching name '") {
        format!("`host.networks()` lists what is there; define `{name}` first with `host.define_network(...)`")
    } else if let Some(file) = quoted("Cannot access backing file '") {
        if code == Code::PermissionDenied {
            reach(words, file)
        } else {
            format!("the disk is an overlay and its base image is gone: put `{file}` back or make the disk anew")
        }
    } else if let Some(file) = quoted("Cannot access storage file '") {
        if code == Code::PermissionDenied {
            reach(words, file)
        } else {
            format!("make it with `pool.create_volume(...)`, or correct the path: `{file}` is looked for on the host")
        }
    } else if words.contains("already exists and is not a block device") {
        "delete that file, choose another one, or pass `reuse_external: true`".to_string()
    } else if words.contains("\" lock") {
        "another running domain uses this image: stop it, or give each domain an overlay of its own".to_string()
    } else if words.contains("virt type 'kvm'") || words.contains("/dev/kvm") {
        "this host offers no hardware virtualization: write `type: \"qemu\"`, or enable KVM".to_string()
    } else if words.contains("guest agent is not connected") {
        "is `qemu-guest-agent` installed and running in the guest? it needs a moment after the start".to_string()
    } else if words.contains("guest agent is not configured") {
        "give the domain a channel with the target name `org.qemu.guest_agent.0`".to_string()
    } else if words.contains("cannot acquire state change lock") {
        "another job holds the domain: try again when it is done".to_string()
    } else if words.contains("checkpoint for inactive domain") {
        "start the domain first".to_string()
    } else if words.contains("is not running") && object.kind == Kind::Domain {
        format!("start it with `{}.start()`", object.expression())
    } else if let Some(hint) = by_words(words) {
        // The pool is known here.
        if object.kind == Kind::Pool { hint.replace("`pool.", &format!("`{}.", object.expression())) } else { hint }
    } else {
        return by_code(code, object, words);
    };
    vec![hint]
}

fn by_code(code: Code, object: &Object, words: &str) -> Vec<String> {
    let hint = match code {
        Code::Unsupported if object.kind == Kind::Pool => {
            "pools of this type cannot do this, or this host's driver cannot: `pool.definition.type` and `host.uri` say which \
             they are"
                .to_string()
        }
        // All else is a matter of this object, and not of the driver.
        Code::Unsupported if words.contains("not supported by the connection driver") => "the host's driver cannot do this: `host.uri` says which one it is, and \
             libvirt's embedded test driver (`test:///`) can do much less than `qemu:///system`"
            .to_string(),
        Code::NoSpace => {
            "free space on the host, or use another pool: `host.pools()` shows what is available".to_string()
        }
        Code::NoConnection => "connect again: the host's libvirt daemon went away or cannot be reached".to_string(),
        Code::GuestStopped => {
            let domain = object.whole().unwrap_or_else(|| object.clone());
            format!(
                "it was stopped, here or by another run, or QEMU failed: `/var/log/libvirt/qemu/{}.log` on the host tells",
                domain.name
            )
        }
        Code::AlreadyExists => match (object.kind, object.listing()) {
            (Kind::Host, _) => return Vec::new(),
            (Kind::Checkpoint | Kind::Snapshot, Some(listing)) => format!("`{listing}` lists what is there"),
            _ => format!("`{}` gets hold of the one that is there", object.expression()),
        },
        _ => return Vec::new(),
    };
    vec![hint]
}

/// How to let QEMU's user reach a file, from words such as `(as uid:64055, gid:64055)`.
fn reach(words: &str, file: &str) -> String {
    let uid = words.split_once("uid:").and_then(|(_, rest)| rest.split([',', ')']).next()).unwrap_or("of QEMU");
    format!(
        "user {uid} must be able to read `{file}` and to enter every directory above it; files in a pool's directory usually can be"
    )
}

fn connect_hints(words: &str, remote: bool) -> Vec<String> {
    let hint = if words.contains("connect to host") && words.contains("Connection refused") {
        "no ssh server answers there: is the port right (`qemu+ssh://root@host:22/system`)?"
    } else if words.contains("received from server too large") {
        "the login there says something, or has no shell: `ssh USER@HOST true` must print nothing"
    } else if words.contains("No such file or directory") || words.contains("Connection refused") {
        if remote {
            "is libvirtd or virtqemud running on that host, and does it listen there?"
        } else {
            "is the daemon running? try `systemctl start libvirtd.socket`, or `-c test:///default` for the embedded test driver"
        }
    } else if words.contains("Permission denied") && words.contains("publickey") {
        "the host did not accept the key: check the user name, and name a key with `?keyfile=...` in the URI"
    } else if words.contains("Permission denied") || words.contains("authentication unavailable") {
        "join the group `libvirt` (`usermod -aG libvirt $USER`, then log in again), or use `qemu:///session`"
    } else if words.contains(OTHER_KEY) {
        "the host's key is another one than before: if you know why, `ssh-keygen -R HOST` forgets the old one"
    } else if words.contains("Host key verification failed") {
        "connect once with `ssh` to accept the host's key"
    } else if words.contains("Value too large for defined data type") {
        "`ssh` said more than libvirt passes on, such as that the host's key has changed: `ssh USER@HOST true` shows it"
    } else if words.contains("nc: not found") || words.contains("nc: command not found") {
        "install libvirt's client tools on that host (they bring `virt-ssh-helper`), or add `?proxy=native` to the URI"
    } else if words.contains("Could not resolve")
        || words.contains("unable to resolve")
        || words.contains("Name or service not known")
    {
        "check the host's name in the URI"
    } else if words.contains("no connection driver available") || words.contains("URI scheme") {
        "URIs look like `qemu:///system`, `qemu+ssh://root@host/system` or `test:///default`"
    } else {
        return Vec::new();
    };
    vec![hint.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_next_command() {
        let web = Object::new(Kind::Domain, "web");
        for (code, words, expected) in [
            (
                Code::InvalidState,
                "Requested operation is not valid: network 'default' is not active",
                "start it with `host.network(\"default\").start()`",
            ),
            (
                Code::InvalidState,
                "Requested operation is not valid: storage pool 'a' is not active",
                "start it with `host.pool(\"a\").start()`",
            ),
            (
                Code::InvalidState,
                "Requested operation is not valid: domain is not running",
                "start it with `host.domain(\"web\").start()`",
            ),
            (
                Code::Failed,
                "Cannot access backing file '/b' of storage file '/a' (as uid:64055, gid:64055): No such file or directory",
                "the disk is an overlay and its base image is gone: put `/b` back or make the disk anew",
            ),
            (
                Code::PermissionDenied,
                "Cannot access storage file '/a' (as uid:64055, gid:64055): Permission denied",
                "user 64055 must be able to read `/a` and to enter every directory above it; files in a pool's directory usually can be",
            ),
        ] {
            assert_eq!(hints(code, &web, words), [expected], "{words}");
        }
        assert!(hints(Code::Failed, &web, "internal error: something").is_empty());
    }

    #[test]
    fn what_was_taken_away_meanwhile_is_told_as_such() {
        let before = Object::new(Kind::Snapshot, "before").within("web");
        let disk = Object::new(Kind::Volume, "web_boot").within("default");
        let (domain, is_gone) = ("no domain with matching uuid '6a0a921b-0000-0000-0000-000000000000'", "it is gone");
        let listed = |listing: &str| Some(format!("`{listing}` lists what is there"));
        for (doing, object, words, fact, listing) in [
            (
                "start",
                &Object::new(Kind::Domain, "web"),
                format!("Domain not found: {domain} (web)"),
                is_gone,
                listed("host.domains()"),
            ),
            ("start", &Object::new(Kind::Domain, "web"), domain.to_string(), is_gone, listed("host.domains()")),
            ("create", &before, format!("{domain} (web)"), "domain `web` is gone", listed("host.domains()")),
            (
                "delete",
                &before,
                "no domain snapshot with matching name 'before'".to_string(),
                is_gone,
                listed("host.domain(\"web\").snapshots()"),
            ),
            (
                "resize",
                &disk,
                "no storage vol with matching name 'web_boot'".to_string(),
                is_gone,
                listed("host.pool(\"default\").volumes()"),
            ),
        ] {
            let vanished = Vanished::of(doing, object, &words).expect("it is gone");
            assert_eq!(vanished.fact(object), fact, "{words}");
            assert!(listing.is_some_and(|listing| vanished.hints()[0].ends_with(&listing)), "{:?}", vanished.hints());
        }
        let web = Object::new(Kind::Domain, "web");
        for (doing, words) in [
            ("look up", "no domain with matching name 'web'"),
            ("start", "no network with matching name 'lab'"),
            ("start", "no storage vol with matching name 'web_boot'"),
        ] {
            assert!(Vanished::of(doing, &web, words).is_none(), "{words}");
        }
    }

    #[test]
    fn a_qemu_that_ends_is_no_lost_connection() {
        let words = "Unable to read from monitor: Connection reset by peer";
        let web = Object::new(Kind::Domain, "web");
        assert!(has_qemu_ended(words) && !has_qemu_ended("Cannot recv data: Connection reset by peer"));
        assert_eq!(by_object(&web, words), "QEMU has ended meanwhile");
        let before = Object::new(Kind::Snapshot, "before").within("web");
        assert!(hints(Code::GuestStopped, &before, words)[0].contains("/qemu/web.log"));
    }
}
