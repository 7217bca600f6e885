//! Volumes that another run of this machine is making at the same time, or takes away.

use super::replace::beside;
use super::{Pool, Volume, undo};
use crate::floor::progress::Progress;
use crate::floor::{Error, Result, interrupt, state_folder};
use std::fs::{self, File, TryLockError};
use std::time::Duration;

/// How often it is looked whether the other run is done: a look reads the journals of this machine.
const LOOK: Duration = Duration::from_millis(100);

/// How often it is looked whether others are done with the bases of volumes, which takes moments.
const GLANCE: Duration = Duration::from_millis(5);

/// What runs of this machine do with the bases of volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bases {
    /// Put volumes on them: any number at a time.
    Used,
    /// Take one away that nobody has put anything on: alone, as who asks for users must not be overtaken by one.
    Gone,
}

impl Bases {
    /// Waits for the other kind of runs, and keeps it away until what this gives is dropped. Where the program has no folder of
    /// its own nobody can be waited for.
    pub(super) fn turn(self) -> Result<Option<File>> {
        take("bases.lock", |lock| if self == Self::Used { lock.try_lock_shared() } else { lock.try_lock() })
    }
}

/// Waits for other runs that change what is kept of machines, and keeps them away until what this gives is dropped: it is read,
/// changed and written as a whole, and what another run wrote in between would be lost.
pub(super) fn records() -> Result<Option<File>> {
    take("records.lock", File::try_lock)
}

fn take(name: &str, take: impl Fn(&File) -> Result<(), TryLockError>) -> Result<Option<File>> {
    let Some(folder) = state_folder() else { return Ok(None) };
    let path = folder.join(name);
    let opened = fs::create_dir_all(&folder).and_then(|()| File::create(&path));
    let lock = match opened {
        Ok(lock) => lock,
        Err(error) => {
            tracing::debug!(%error, "nobody is waited for");
            return Ok(None);
        }
    };
    loop {
        match take(&lock) {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => interrupt::sleep(GLANCE)?,
            Err(TryLockError::Error(error)) => return Err(Error::io(&path, "lock", &error)),
        }
    }
}

impl Pool {
    /// Looks for the volume of this name. One that another run is making is waited for: what it holds is not known before.
    pub fn find_whole_volume(&self, name: &str) -> Result<Option<Volume>> {
        let found = self.find_volume(name)?;
        if found.is_some() && self.wait_for_maker(name)? { self.find_volume(name) } else { Ok(found) }
    }

    /// Gives way to another run that makes or replaces the volume of this name; without one, to calls that are on their way.
    pub fn give_way(&self, name: &str) -> Result<()> {
        if self.wait_for_maker(&beside(name))? || self.wait_for_maker(name)? { Ok(()) } else { interrupt::sleep(LOOK) }
    }

    fn wait_for_maker(&self, name: &str) -> Result<bool> {
        let pool = self.named()?;
        if !undo::is_being_made(Some(&pool), name) {
            return Ok(false);
        }
        tracing::warn!("another run is making volume `{name}`, which is waited for");
        let _waiting = Progress::begin(&format!("wait for the run that makes {name}"), None);
        while undo::is_being_made(Some(&pool), name) {
            interrupt::sleep(LOOK)?;
        }
        Ok(true)
    }
}

impl Volume {
    /// Waits while another run is making it.
    pub fn wait_until_whole(&self) -> Result<()> {
        // Which pool it is in is a call to the host.
        if undo::is_being_made(None, self.name()) {
            self.pool()?.wait_for_maker(self.name())?;
        }
        Ok(())
    }
}
