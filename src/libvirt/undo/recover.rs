//! Finishing the undoing of runs that were killed.

use super::Made;
use super::journal::{self, Entry};
use crate::floor::{Error, Result, interrupt};
use crate::libvirt::Host;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The last call of a killed run may still be on its way to the host when it is looked for.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// What happened to an entry of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The journal.
    pub journal: String,
    /// The host.
    pub uri: String,
    /// What there is to undo, such as ``remove domain `web` ``.
    pub what: String,
    /// Whether it is there; nothing if the host cannot be asked.
    pub exists: Option<bool>,
    /// Why it could not be undone.
    pub failure: Option<Error>,
}

/// Undoes what killed runs left behind, or only tells what there is if `act` is not set. Journals of living runs and of
/// another recovery are left alone.
pub fn recover(act: bool) -> Result<Vec<Recovered>> {
    let Some(folder) = journal::folder() else { return Ok(Vec::new()) };
    let unreadable = |cause: io::Error| Error::io(&folder, "read", &cause);
    let mut hosts = BTreeMap::new();
    let mut done = Vec::new();
    for path in journal::all(&folder).map_err(unreadable)? {
        let Some(file) = claim(&path).map_err(|cause| Error::io(&path, "open", &cause))? else { continue };
        let found = one(&path, file, act, &mut hosts)?;
        done.extend(found);
    }
    Ok(done)
}

/// Opens and locks a journal; nothing if it belongs to somebody or is gone meanwhile.
fn claim(path: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().read(true).append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match file.try_lock() {
        // Whoever held the lock before may have removed the file.
        Ok(()) => Ok(path.exists().then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn one(path: &Path, mut file: File, act: bool, hosts: &mut BTreeMap<String, Result<Host>>) -> Result<Vec<Recovered>> {
    let left = journal::read(path).map_err(|cause| Error::io(path, "read", &cause))?;
    if act && !left.is_empty() {
        interrupt::sleep(ON_ITS_WAY)?;
    }
    let mut told = Vec::new();
    let mut failed = false;
    for (number, uri, made) in left.into_iter().rev() {
        let host = hosts.entry(uri.clone()).or_insert_with(|| Host::connect(Some(&uri)));
        let (exists, failure) = entry(&made, host.as_ref(), act);
        if act && failure.is_none() {
            journal::append(&mut file, &Entry::Done { number }).map_err(|cause| Error::io(path, "write", &cause))?;
        }
        failed |= failure.is_some();
        told.push(Recovered { journal: path.display().to_string(), uri, what: made.to_string(), exists, failure });
    }
    if act && !failed {
        std::fs::remove_file(path).map_err(|cause| Error::io(path, "remove", &cause))?;
    }
    Ok(told)
}

fn entry(made: &Made, host: Result<&Host, &Error>, act: bool) -> (Option<bool>, Option<Error>) {
    let host = match host {
        Ok(host) => host,
        Err(error) => return (None, Some(error.clone())),
    };
    match made.exists(host) {
        Err(error) => (None, Some(error)),
        Ok(exists) if act => (Some(exists), made.remove(host).err()),
        Ok(exists) => (Some(exists), None),
    }
}
