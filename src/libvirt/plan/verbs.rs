//! The verbs whose calls can be planned to fail, by the names that scripts know.

use crate::floor::{Error, Result, did_you_mean};

/// A verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verb {
    /// What scripts call it.
    pub(super) name: &'static str,
    /// As in "cannot define".
    pub(super) doing: &'static str,
    /// Whether a recipe can go on if the call is not made: libvirt's test driver cannot do these.
    pub(super) can_be_skipped: bool,
}

const fn verb(name: &'static str, doing: &'static str) -> Verb {
    Verb { name, doing, can_be_skipped: false }
}

const fn skippable(name: &'static str, doing: &'static str) -> Verb {
    Verb { name, doing, can_be_skipped: true }
}

/// All of them, sorted by name.
pub(super) const VERBS: &[Verb] = &[
    skippable("attach_device", "attach a device to"),
    verb("build", "build"),
    verb("create_domain", "create"),
    verb("create_network", "create"),
    verb("create_pool", "create"),
    verb("create_snapshot", "make a snapshot of"),
    verb("create_volume", "create"),
    verb("define_domain", "define"),
    verb("define_network", "define"),
    verb("define_pool", "define"),
    verb("delete", "delete"),
    verb("destroy", "destroy"),
    skippable("detach_device", "detach a device from"),
    skippable("download", "download"),
    verb("fs_freeze", "freeze the file systems of"),
    verb("fs_thaw", "thaw the file systems of"),
    verb("fs_trim", "trim the file systems of"),
    verb("managed_save", "save"),
    skippable("migrate", "migrate"),
    verb("reboot", "reboot"),
    verb("refresh", "refresh"),
    verb("rename", "rename"),
    skippable("resize", "resize"),
    verb("resume", "resume"),
    verb("revert", "revert to"),
    verb("set_autostart", "set the autostart of"),
    verb("set_memory", "set the memory of"),
    verb("set_vcpus", "set the processors of"),
    verb("shutdown", "shut down"),
    verb("start", "start"),
    verb("suspend", "suspend"),
    verb("undefine", "undefine"),
    skippable("update_device", "update a device of"),
    skippable("upload", "upload to"),
    skippable("wipe", "wipe"),
];

/// The verb of a name.
pub(super) fn named(name: &str) -> Result<Verb> {
    if let Some(verb) = VERBS.iter().find(|verb| verb.name == name) {
        return Ok(*verb);
    }
    let error = Error::argument(format!("there is no call `{name}` that can be planned"));
    Err(error.hint(hint(name, VERBS)))
}

/// The verb of a name, if a recipe can go on without its call.
pub(super) fn skipped(name: &str) -> Result<Verb> {
    let verb = named(name)?;
    if verb.can_be_skipped {
        return Ok(verb);
    }
    let can: Vec<Verb> = VERBS.iter().copied().filter(|verb| verb.can_be_skipped).collect();
    Err(Error::argument(format!("`{name}` cannot be skipped: what it makes would be missing")).hint(hint("", &can)))
}

fn hint(name: &str, among: &[Verb]) -> String {
    let names = || among.iter().map(|verb| verb.name);
    did_you_mean(name, names()).unwrap_or_else(|| format!("calls: {}", names().collect::<Vec<_>>().join(", ")))
}
