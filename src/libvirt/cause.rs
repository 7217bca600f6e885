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
    let mut ours = Error::new(code, area, format!("cannot {doing} {object}: {}", fact(words)))
        .about(object.plain())
        .told_by_libvirt(words);
    ours.hints = hints(code, object, words);
    ours
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
        hint
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
        Code::AlreadyExists => match object.kind {
            Kind::Host => return Vec::new(),
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
}
