//! What other runs of this machine make at the same time, or take away.

use super::replace::beside;
use super::{Pool, Volume, undo};
use crate::floor::progress::Progress;
use crate::floor::{Error, Result, interrupt, state_folder};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is looked whether the other run is done: a look reads the journals of this machine.
const LOOK: Duration = Duration::from_millis(100);

/// How often it is looked whether others are done with what takes moments.
const GLANCE: Duration = Duration::from_millis(5);

/// What runs of this machine take turns over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The bases of volumes.
    Bases,
    /// The pools that go when they hold nothing.
    Pools,
    /// What is kept of machines: it is read, changed and written as a whole, and what others wrote in between would be lost.
    Records,
}

/// What runs of this machine do with those: one of the two at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Put something on them, or into them: any number at a time.
    Used,
    /// Take one away that nobody uses, or change it: alone, as who asks for users must not be overtaken by one.
    Gone,
}

impl Side {
    /// Waits for the other kind of runs, and keeps it away until what this gives is dropped.
    pub(super) fn over(self, over: Over) -> Result<Option<File>> {
        let name = match over {
            Over::Bases => "bases",
            Over::Pools => "pools",
            Over::Records => "records",
        };
        let Some((path, lock)) = lock_file(name) else { return Ok(None) };
        loop {
            let taken = if self == Self::Used { lock.try_lock_shared() } else { lock.try_lock() };
            if is_taken(&path, taken)? {
                return Ok(Some(lock));
            }
            interrupt::sleep(GLANCE)?;
        }
    }
}

/// Waits until no other run of this machine does something under this name, and keeps them away until what this gives is dropped.
pub fn alone(name: &str) -> Result<Option<File>> {
    // Names that differ in other characters only wait for each other, which does no harm.
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let file: String = name.chars().map(plain).take(200).collect();
    let Some((path, lock)) = lock_file(&format!("alone-{file}")) else { return Ok(None) };
    if is_taken(&path, lock.try_lock())? {
        return Ok(Some(lock));
    }
    tracing::warn!("another run is at work on {name}, which is waited for");
    let _waiting = Progress::begin(&format!("wait for the run at work on {name}"), None);
    loop {
        interrupt::sleep(LOOK)?;
        if is_taken(&path, lock.try_lock())? {
            return Ok(Some(lock));
        }
    }
}

/// The file by which runs know of each other. Where the program has no folder of its own nobody can be waited for.
fn lock_file(name: &str) -> Option<(PathBuf, File)> {
    let folder = state_folder()?;
    let path = folder.join(format!("{name}.lock"));
    match fs::create_dir_all(&folder).and_then(|()| File::create(&path)) {
        Ok(lock) => Some((path, lock)),
        Err(error) => {
            tracing::debug!(%error, "nobody is waited for");
            None
        }
    }
}

fn is_taken(path: &Path, taken: std::result::Result<(), TryLockError>) -> Result<bool> {
    match taken {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(Error::io(path, "lock", &error)),
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
