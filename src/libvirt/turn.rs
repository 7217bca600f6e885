//! What other runs of this machine make at the same time, or take away.

use super::replace::beside;
use super::{Domain, Pool, Volume, undo};
use crate::floor::progress::Progress;
use crate::floor::{Error, Result, interrupt, state_folder};
use crate::schema::xml;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// How often it is looked whether the other run is done: a look reads the journals of this machine.
const LOOK: Duration = Duration::from_millis(100);

/// How long a file that is being written may stay as it is, if nobody has written it lately or if somebody has: uploads over a
/// long line pause for seconds.
const WRITE: Duration = Duration::from_millis(700);
const STALL: Duration = Duration::from_secs(5);
/// What lately is.
const LATELY: Duration = Duration::from_secs(60);

/// How often it is looked whether others are done with what takes moments.
const GLANCE: Duration = Duration::from_millis(5);

/// What runs of this machine take turns over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The bases of volumes.
    Bases,
    /// The pools that go when they hold nothing.
    Pools,
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

/// The turns that a run has over names; it ends when this is dropped.
#[derive(Debug)]
pub struct Turns(Vec<(PathBuf, File)>);

impl Drop for Turns {
    fn drop(&mut self) {
        for (path, _) in &self.0 {
            OWN.with_borrow_mut(|own| own.remove(path));
            // Who waits for it opens it anew, see `is_it`.
            if let Err(error) = fs::remove_file(path) {
                tracing::debug!(%error, "the file of a turn stays");
            }
        }
    }
}

/// Waits until no other run of this machine does something under one of these names, and keeps them away until what this gives is
/// dropped.
pub fn alone(names: &[String]) -> Result<Turns> {
    // In one order for all, or two runs would wait for each other.
    let names: BTreeSet<_> = names.iter().map(|name| (file_of(name), name)).collect();
    let mut turns = Turns(Vec::new());
    for (file, name) in names {
        turns.0.extend(turn(&file, Some(name))?);
    }
    Ok(turns)
}

/// The same for what takes moments, of which nobody is told.
pub(super) fn briefly_alone(name: &str) -> Result<Turns> {
    Ok(Turns(turn(&file_of(name), None)?.into_iter().collect()))
}

fn file_of(name: &str) -> String {
    // Names that differ in other characters only wait for each other, which does no harm.
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    format!("alone-{}", name.chars().map(plain).take(200).collect::<String>())
}

thread_local! {
    /// The files of the turns that this thread has: inside of one it does not wait for itself.
    static OWN: RefCell<HashSet<PathBuf>> = RefCell::default();
}

fn turn(file: &str, told: Option<&String>) -> Result<Option<(PathBuf, File)>> {
    let mut waiting = None;
    loop {
        let Some((path, lock)) = lock_file(file) else { return Ok(None) };
        if OWN.with_borrow(|own| own.contains(&path)) {
            return Ok(None);
        }
        let taken = is_taken(&path, lock.try_lock())?;
        if taken && is_it(&path, &lock) {
            OWN.with_borrow_mut(|own| own.insert(path.clone()));
            return Ok(Some((path, lock)));
        }
        if !taken {
            if let (Some(name), None) = (told, &waiting) {
                tracing::warn!("another run is at work on {name}, which is waited for");
                waiting = Some(Progress::begin(&format!("wait for the run at work on {name}"), None));
            }
            interrupt::sleep(if told.is_some() { LOOK } else { GLANCE })?;
        }
    }
}

/// Whether a file is still the one of this path: who had the turn before has deleted its own.
fn is_it(path: &Path, file: &File) -> bool {
    let number = |data: fs::Metadata| (data.dev(), data.ino());
    matches!((fs::metadata(path).map(number), file.metadata().map(number)), (Ok(there), Ok(own)) if there == own)
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

impl Domain {
    /// Keeps other runs of this machine from changing or removing it: what they had read before would be put back, or a machine
    /// that is gone would come back.
    pub(super) fn alone(&self) -> Result<Turns> {
        alone(&[format!("the definition of {} of {}", self.object(), self.host().uri())])
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

    /// Waits while somebody writes it whose journal is not here, another user or another workstation; whether anybody did.
    /// Its file's times and size tell.
    pub fn wait_while_written(&self) -> Result<bool> {
        let look = || {
            let root = xml::parse(&self.xml()?)?;
            Ok::<_, Error>((root.find_text("target/timestamps/mtime"), root.find_text("allocation")))
        };
        let (mut known, mut waiting, mut doubting) = (look()?, None, None);
        let mut since = Instant::now();
        loop {
            interrupt::sleep(WRITE)?;
            let now = look()?;
            if now == known {
                if since.elapsed() < STALL && known.0.as_deref().is_some_and(is_late) {
                    let doing = || Progress::begin(&format!("see whether somebody writes {}", self.name()), None);
                    doubting.get_or_insert_with(doing);
                    continue;
                }
                return Ok(waiting.is_some());
            }
            (known, since) = (now, Instant::now());
            waiting.get_or_insert_with(|| {
                tracing::warn!("somebody else is writing volume `{}`, who is waited for", self.name());
                Progress::begin(&format!("wait for who writes {}", self.name()), None)
            });
        }
    }
}

/// Whether a time in seconds since 1970, as libvirt tells that of a file, is of late by this machine's clock.
fn is_late(mtime: &str) -> bool {
    let Some(time) = mtime.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) else {
        return false;
    };
    UNIX_EPOCH.elapsed().is_ok_and(|now| now.abs_diff(time) < LATELY)
}
