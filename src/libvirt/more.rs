//! What only the host can tell about an error: which name was meant, and which folder is closed to QEMU.

use super::{Host, HostInterface, Network, NwFilter, Pool};
use crate::floor::{Code, Error, Result, did_you_mean};
use crate::schema::xml;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How libvirt speaks of what a definition names and the host has not got, and the list of what it has.
type Names = (&'static str, fn(&Host) -> Result<Vec<String>>);

const NAMED: &[Names] = &[
    ("no network with matching name `", |host| names(host.networks(), Network::name)),
    ("no storage pool with matching name `", |host| names(host.pools(), Pool::name)),
    ("no nwfilter with matching name `", |host| names(host.nwfilters(), NwFilter::name)),
    ("cannot get interface MTU on `", |host| names(host.host_interfaces(), HostInterface::name)),
];

impl Host {
    /// Adds to an error what the host knows about its cause.
    pub(super) fn tell_more(&self, mut error: Error) -> Error {
        let more = self.meant(&error).or_else(|| self.closed_folder(&error));
        error.hints.splice(0..0, more);
        error
    }

    /// The name that was meant by one that the host has not got.
    fn meant(&self, error: &Error) -> Option<String> {
        let (name, list) = NAMED
            .iter()
            .find_map(|(words, list)| Some((error.message.split_once(words)?.1.split('`').next()?, list)))?;
        let known = list(self).ok()?;
        did_you_mean(name, known.iter().map(String::as_str))
    }

    /// The first folder above a file that QEMU's user cannot enter, if the host is this machine.
    fn closed_folder(&self, error: &Error) -> Option<String> {
        if error.code != Code::PermissionDenied || !self.is_here() {
            return None;
        }
        let words = error.cause.as_deref()?;
        let number = |name: &str| -> Option<u32> {
            let (_, rest) = words.split_once(name)?;
            rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        };
        let (uid, gid) = number("uid:").zip(number("gid:")).or_else(|| self.qemu_user())?;
        let (_, file) = words.split_once("Could not open '").or_else(|| words.split_once('\''))?;
        let file = Path::new(file.split('\'').next()?);
        let folders = file.parent()?.ancestors().collect::<Vec<_>>();
        let closed = folders.into_iter().rev().find(|folder| !enters(folder, uid, gid))?;
        Some(format!(
            "user {uid} cannot enter `{}`: `chmod o+x {0}` lets it, or put the file into a pool",
            closed.display()
        ))
    }

    /// The user and the group as which QEMU runs.
    fn qemu_user(&self) -> Option<(u32, u32)> {
        let capabilities = xml::parse(&self.capabilities().ok()?).ok()?;
        let models = capabilities.find_all("host/secmodel");
        let dac = models.into_iter().find(|model| model.find_text("model").as_deref() == Some("dac"))?;
        let (uid, gid) = dac
            .find_text("baselabel")?
            .split_once(':')
            .map(|(uid, gid)| (uid.trim_start_matches('+').parse().ok(), gid.trim_start_matches('+').parse().ok()))?;
        uid.zip(gid)
    }
}

/// Whether a user may enter a folder, as its mode has it; one that cannot be looked at is not to blame.
fn enters(folder: &Path, uid: u32, gid: u32) -> bool {
    let Ok(data) = fs::metadata(folder) else { return true };
    let bit = match data.uid() == uid {
        true => 0o100,
        false if data.gid() == gid => 0o010,
        false => 0o001,
    };
    data.mode() & bit != 0
}

fn names<T>(found: Result<Vec<T>>, name: fn(&T) -> &str) -> Result<Vec<String>> {
    Ok(found?.iter().map(|one| name(one).to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::enters;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_folder_is_open_to_whom_its_mode_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = fs::metadata(folder.path()).expect("it is there");
        let (uid, gid) = (data.uid(), data.gid());
        for (mode, own, group, others) in
            [(0o700, true, false, false), (0o710, true, true, false), (0o711, true, true, true)]
        {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).expect("set");
            let found =
                [(uid, gid), (uid + 1, gid), (uid + 1, gid + 1)].map(|(uid, gid)| enters(folder.path(), uid, gid));
            assert_eq!(found, [own, group, others], "{mode:o}");
        }
    }
}
