//! Striking entries of journals: what is gone, or was made anew by another run, is no longer a killed run's to remove.

use super::journal::{self, Entry, Left};
use super::made::volume_of;
use super::{CURRENT, Made, kept};
use crate::floor::Result;
use crate::libvirt::Host;

/// Looks again at what such entries name, and strikes those of which nothing is left: another thing may get that name.
/// A transaction of this thread forgets them, too, and so does what was kept.
pub(in crate::libvirt) fn gone(host: &Host, concerned: impl Fn(&Made) -> bool) {
    let is_gone = |uri: &str, made: &Made| {
        let absent = || is_absent(made, host).inspect_err(|error| tracing::debug!(%error, what = %made, "cannot look"));
        uri == host.uri() && concerned(made) && absent().unwrap_or(false)
    };
    let mut scope = CURRENT.with_borrow(Clone::clone);
    while let Some(current) = scope {
        let outer = current.outer.clone();
        let steps = current.made().clone();
        for step in steps.iter().filter(|step| is_gone(step.host.uri(), &step.made)) {
            current.made().retain(|one| one.number != step.number);
            current.journal().done(step.number);
        }
        scope = outer;
    }
    kept::strike(|host, made| is_gone(host.uri(), made));
    strike(|left| is_gone(&left.uri, &left.made));
}

/// Strikes the entries that name what has just been made: that of a killed run, or of earlier, is gone.
pub(super) fn made_anew(host: &Host, made: &Made) {
    kept::strike(|of, old| of.uri() == host.uri() && old.is(made));
    strike(|left| left.uri == host.uri() && left.made.is(made));
}

fn is_absent(made: &Made, host: &Host) -> Result<bool> {
    match made {
        // It counts as not there while its machine uses it.
        Made::Spare { pool, name, .. } => Ok(volume_of(host, pool, name)?.is_none()),
        made => Ok(!made.exists(host)?),
    }
}

/// What cannot be struck is looked at once more by `vmscript recover`.
fn strike(which: impl Fn(&Left) -> bool) {
    let Some(folder) = journal::folder() else { return };
    for path in journal::all(&folder).unwrap_or_default() {
        let struck = journal::claim(&path).and_then(|file| {
            let Some(mut file) = file else { return Ok(()) };
            let left = journal::read(&path)?;
            let gone: Vec<u64> = left.iter().filter(|entry| which(entry)).map(|entry| entry.number).collect();
            for number in &gone {
                journal::add(&mut file, &Entry::Done { number: *number })?;
            }
            if !gone.is_empty() && gone.len() == left.len() { std::fs::remove_file(&path) } else { Ok(()) }
        });
        if let Err(error) = struck {
            tracing::warn!(%error, path = %path.display(), "cannot write to the journal of a killed run");
        }
    }
}
