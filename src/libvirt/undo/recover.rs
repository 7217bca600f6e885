//! Finishing the undoing of runs that were killed.

use super::journal::{self, Entry, Known, Left};
use super::{Made, ON_ITS_WAY, others};
use crate::floor::{Error, Result, interrupt};
use crate::libvirt::Host;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

thread_local! {
    /// The journal that is recovered: no living run has it.
    pub(super) static RECOVERED: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
}

/// What happened to an entry of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The journal.
    pub journal: String,
    /// The host.
    pub uri: String,
    /// What there is to undo, such as ``remove domain `web` ``.
    pub what: String,
    /// Whether it was there; nothing after a failure.
    pub exists: Option<bool>,
    /// Why it is left alone: another machine has it by now, or somebody has protected the machine.
    pub kept: Option<String>,
    /// Why it could not be undone.
    pub failure: Option<Error>,
}

/// The hosts by their URIs, or why they cannot be reached.
type Hosts = BTreeMap<String, Result<Host>>;

/// Whether this thread recovers a journal right now.
pub(super) fn is_at_work() -> bool {
    RECOVERED.with_borrow(Option::is_some)
}

/// What stays, and why it could not be undone if that was tried: what hangs on it stays, too.
type Stays = Vec<(Made, Option<Error>)>;

/// Undoes what killed runs left behind, or only tells what there is if `act` is not set. Journals of living runs and of
/// another recovery are left alone.
pub fn recover(act: bool) -> Result<Vec<Recovered>> {
    let Some(folder) = journal::folder() else { return Ok(Vec::new()) };
    let unreadable = |cause: io::Error| Error::io(&folder, "read", &cause);
    let mut hosts = BTreeMap::new();
    let mut done = Vec::new();
    let mut stays = Vec::new();
    // One run may have several, of which a later one stands on what is in an earlier one.
    for path in journal::all(&folder).map_err(unreadable)?.into_iter().rev() {
        let Some(file) = journal::claim(&path).map_err(|cause| Error::io(&path, "open", &cause))? else { continue };
        RECOVERED.set(Some(path.clone()));
        let found = one(&path, file, act, &mut hosts, &mut stays);
        RECOVERED.set(None);
        done.extend(found?);
    }
    Ok(done)
}

fn one(path: &Path, mut file: File, act: bool, hosts: &mut Hosts, stays: &mut Stays) -> Result<Vec<Recovered>> {
    let end = file.metadata().and_then(|data| data.modified()).map_err(|cause| Error::io(path, "read", &cause))?;
    let mut left = journal::read(path).map_err(|cause| Error::io(path, "read", &cause))?;
    if act && !left.is_empty() {
        interrupt::sleep(ON_ITS_WAY)?;
    }
    let mut told = Vec::new();
    let mut failed = false;
    let mut is_full = false;
    // What is removed may be what makes room on a full disk.
    let mut strike = |entry: &Entry| {
        if let Err(error) = journal::add(&mut file, entry)
            && !std::mem::replace(&mut is_full, true)
        {
            tracing::warn!(%error, path = %path.display(), "the journal cannot be written: what cannot be undone now is looked for in all of it again");
        }
    };
    let machines: Vec<String> = left.iter().filter_map(|left| left.made.machine().map(str::to_string)).collect();
    let removals: Vec<Made> =
        left.iter().map(|left| &left.made).filter(|made| matches!(made, Made::Removal { .. })).cloned().collect();
    let formers: Vec<Made> =
        left.iter().map(|left| &left.made).filter(|made| matches!(made, Made::Former { .. })).cloned().collect();
    let mut owned: BTreeMap<String, Result<Vec<String>>> = BTreeMap::new();
    let reached =
        |uri: &str, hosts: &mut Hosts| hosts.entry(uri.to_string()).or_insert_with(|| Host::connect(Some(uri))).clone();
    // What belongs to one of the run's machines is told by that machine, which goes first.
    for one in left.iter_mut().filter(|one| one.known != Known::Own) {
        if reached(&one.uri, hosts).and_then(|host| one.is_of(&host, &machines)).unwrap_or_default() {
            one.known = Known::Own;
            if act {
                strike(&Entry::Own { number: one.number });
            }
        }
    }
    for one in left.into_iter().rev() {
        let done = reached(&one.uri, hosts).and_then(|host| {
            match stays.iter().find(|(other, _)| one.made.hangs_on(other)) {
                Some((_, Some(error))) => return Err(error.clone()),
                Some((_, None)) => {
                    return Ok((true, Some("it may be needed as long as what it waits for stays".to_string())));
                }
                None => {}
            }
            let own = owned.entry(one.uri.clone()).or_insert_with(|| unprotected(&host, &machines, &removals));
            let own = own.as_ref().map_err(Clone::clone)?;
            entry(&one, &host, own, &formers, end, act)
        });
        let Left { number, uri, made, .. } = one;
        let (exists, kept, failure) = match done {
            Ok((exists, kept)) => (Some(exists), kept, None),
            Err(error) => (None, None, Some(error)),
        };
        if failure.is_some() || kept.is_some() {
            stays.push((made.clone(), failure.clone()));
        }
        if act && failure.is_none() {
            strike(&Entry::Done { number });
        }
        failed |= failure.is_some();
        let journal = path.display().to_string();
        told.push(Recovered { journal, uri, what: made.to_string(), exists, kept, failure });
    }
    if act && !failed {
        std::fs::remove_file(path).map_err(|cause| Error::io(path, "remove", &cause))?;
    }
    Ok(told)
}

/// Those of the machines that nobody has protected since: who protects one has taken it as good, with all that goes with it. One
/// whose removal took nothing from it stays, too.
fn unprotected(host: &Host, machines: &[String], removals: &[Made]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for uuid in machines {
        let removal = removals.iter().find(|made| made.machine() == Some(uuid));
        if let Some(removal) = removal
            && host.domain_of_uuid(uuid)?.is_some()
            && !removal.exists(host)?
        {
            continue;
        }
        let domain = host.domain_of_uuid(uuid)?;
        if !domain.map(|domain| domain.record()).transpose()?.is_some_and(|record| record.protected) {
            found.push(uuid.clone());
        }
    }
    Ok(found)
}

/// Tells whether it is there and why it stays, and removes what does not stay. `own` are the machines that the run made.
fn entry(
    left: &Left,
    host: &Host,
    own: &[String],
    formers: &[Made],
    end: SystemTime,
    act: bool,
) -> Result<(bool, Option<String>)> {
    let made = &left.made;
    // What is only told is told as it would be done.
    let exists = match formers.iter().find(|former| made.hangs_on(former)) {
        Some(former) if former.exists(host)? => made.is_spare_after(former, host)?,
        _ => made.exists(host)?,
    };
    if !exists {
        return Ok((false, None));
    }
    if matches!(made, Made::Domain { uuid, .. } | Made::Removal { uuid, .. } if !own.contains(uuid)) {
        return Ok((true, Some("it is protected".to_string())));
    }
    let owner = others::owner(host, made, own)?;
    let kept = match owner {
        Some(owner) => Some(format!("{owner} has it")),
        None => left.doubt(host, end)?,
    };
    if act && kept.is_none() {
        made.remove(host)?;
    }
    Ok((true, kept))
}
