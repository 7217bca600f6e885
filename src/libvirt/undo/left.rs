//! What killed runs left on a host: telling it, and forgetting it.

use super::Made;
use super::journal::{self, Entry, Left};
use crate::floor::{Error, Result};
use crate::libvirt::{Domain, Volume};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Once;

impl Domain {
    /// Whether a killed run made it, and did not come to its end.
    pub fn is_left_over(&self) -> Result<bool> {
        let own = self.uuid()?;
        let is_own = |left: &Left| matches!(&left.made, Made::Domain { uuid, .. } if *uuid == own);
        // Nobody else has its UUID, and one host has many URIs.
        Ok(journals().iter().any(|(.., left)| left.iter().any(is_own)))
    }
}

impl Volume {
    /// Whether a killed run made it, and did not come to its end: nobody knows what it holds.
    pub fn is_left_over(&self) -> Result<bool> {
        let all = journals();
        if all.is_empty() {
            return Ok(false);
        }
        let own = self.pool()?.uuid()?;
        let is_it = |left: &Left| matches!(&left.made, Made::Volume { pool, name, .. } if pool.uuid == own && name == self.name());
        Ok(all.iter().any(|(.., left)| left.iter().any(is_it)))
    }
}

/// What killed runs left on the host of this URI, oldest first, such as ``remove domain `web` ``.
pub fn left_over(uri: &str) -> Vec<String> {
    on(uri).iter().map(Made::to_string).collect()
}

/// The files of UEFI variables that killed runs left, or may have left, on the host of this URI to machines other than the one of
/// this UUID.
pub(in crate::libvirt) fn left_variables(uri: &str, but: &str) -> Vec<String> {
    let path = |made| match made {
        Made::Variables { path, machine } if machine.uuid != but => Some(path),
        _ => None,
    };
    on(uri).into_iter().filter_map(path).collect()
}

/// Strikes all that killed runs left on the host of this URI: what is there stays, and nobody undoes it any more.
pub fn forget(uri: &str) -> Result<()> {
    for (path, mut file, left) in journals() {
        let (gone, stays): (Vec<Left>, Vec<Left>) = left.into_iter().partition(|left| left.uri == uri);
        let written = gone.iter().try_for_each(|left| journal::add(&mut file, &Entry::Done { number: left.number }));
        let written = if stays.is_empty() { written.and_then(|()| fs::remove_file(&path)) } else { written };
        written.map_err(|cause| Error::io(&path, "write", &cause))?;
    }
    Ok(())
}

/// Says once in a run what killed ones left on this host.
pub(super) fn tell(uri: &str) {
    static TOLD: Once = Once::new();
    if super::recover::is_at_work() {
        return;
    }
    TOLD.call_once(|| match on(uri).len() {
        0 => {}
        1 => tracing::warn!("a killed run left 1 thing on this host: `vmscript recover` removes it"),
        many => tracing::warn!("a killed run left {many} things on this host: `vmscript recover` removes them"),
    });
}

fn on(uri: &str) -> Vec<Made> {
    let left = journals().into_iter().flat_map(|(.., left)| left);
    left.filter(|left| left.uri == uri).map(|left| left.made).collect()
}

/// The journals of killed runs, locked as long as their files are held, with what is left of each.
fn journals() -> Vec<(PathBuf, File, Vec<Left>)> {
    let paths = journal::folder().map(|folder| journal::all(&folder).unwrap_or_default()).unwrap_or_default();
    let claimed = paths.into_iter().filter_map(|path| {
        let file = journal::claim(&path).ok()??;
        let left = journal::read(&path).ok()?;
        (!left.is_empty()).then_some((path, file, left))
    });
    claimed.collect()
}
