//! The journal: what a run makes, written to disk before it is made, so that the undoing of a killed run can be finished.
//!
//! One file per outermost transaction, one line of JSON per entry. The run holds a lock on its file as long as it lives,
//! and removes it when all is kept or all is undone: a file without a lock is one that a killed run left behind.

use super::{Made, alive, left};
use crate::floor::state_folder;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A line of a journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Entry {
    /// Something is about to be made.
    Intend { number: u64, uri: String, made: Box<Made> },
    /// libvirt said that it was made.
    Answered { number: u64 },
    /// It has all that it is to hold: who finds it need not wait for its maker.
    Complete { number: u64 },
    /// It is known to be the run's: a recovery has begun that removes what told so.
    Own { number: u64 },
    /// It was undone, or was not made after all.
    Done { number: u64 },
}

/// An entry that is left.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) number: u64,
    pub(super) uri: String,
    pub(super) made: Made,
    pub(super) known: Known,
}

/// What is known of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was about to be made.
    Asked,
    /// libvirt said that it was made.
    Answered,
    /// It has all that it is to hold.
    Complete,
    /// What is there is that.
    Own,
}

/// A journal; its file is there from the first entry on.
#[derive(Debug, Default)]
pub(super) struct Journal {
    file: Option<(PathBuf, Arc<File>)>,
    next: u64,
    failed: bool,
    /// Whether something could not be undone.
    left: bool,
}

impl Journal {
    /// Writes down what is about to be made; gives the number of the entry.
    pub(super) fn intend(&mut self, uri: &str, made: &Made) -> u64 {
        self.next += 1;
        let number = self.next;
        if self.file.is_none() && !self.failed {
            left::tell(uri);
            match create() {
                Ok((path, file)) => {
                    let file = Arc::new(file);
                    alive::keep(&file);
                    self.file = Some((path, file));
                }
                Err(error) => self.complain(&error),
            }
        }
        self.write(&Entry::Intend { number, uri: uri.to_string(), made: Box::new(made.clone()) });
        number
    }

    /// Writes down what is about to be removed. After a loss of power the host itself tells of it, so nobody waits for the disk.
    pub(super) fn note(&mut self, uri: &str, made: &Made) {
        self.next += 1;
        let entry = Entry::Intend { number: self.next, uri: uri.to_string(), made: Box::new(made.clone()) };
        if self.file.is_none() && !self.failed {
            match create() {
                Ok((path, file)) => self.file = Some((path, Arc::new(file))),
                Err(error) => self.complain(&error),
            }
        }
        self.tell(&entry);
    }

    /// Its file, if it has one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|(path, _)| path.as_path())
    }

    /// Writes down that something was made.
    pub(super) fn answered(&mut self, number: u64) {
        self.tell(&Entry::Answered { number });
    }

    /// Writes down that something has all that it is to hold.
    pub(super) fn complete(&mut self, number: u64) {
        self.tell(&Entry::Complete { number });
    }

    /// Writes down that nothing is left of an entry.
    pub(super) fn done(&mut self, number: u64) {
        self.write(&Entry::Done { number });
    }

    /// Keeps the file for `vmscript recover`: something could not be undone.
    pub(super) fn leave(&mut self) {
        self.left = true;
    }

    /// Removes the file, unless something is left to undo; what is kept is not.
    pub(super) fn close(&mut self, kept: impl IntoIterator<Item = u64>) {
        if self.left {
            for number in kept {
                self.done(number);
            }
            self.file = None;
            return;
        }
        if let Some((path, _file)) = self.file.take()
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(%error, path = %path.display(), "cannot remove the journal");
        }
    }

    fn write(&mut self, entry: &Entry) {
        let Some((_, file)) = &self.file else { return };
        if let Err(error) = append(file, entry) {
            self.complain(&error);
        }
    }

    /// After a loss of power the host itself tells of such things, so nobody waits for the disk.
    fn tell(&mut self, entry: &Entry) {
        let Some((_, file)) = &self.file else { return };
        if let Err(error) = write_line(file, entry) {
            self.complain(&error);
        }
    }

    /// A run does its work without a journal rather than not at all.
    fn complain(&mut self, error: &io::Error) {
        if !self.failed {
            tracing::warn!(%error, "no journal can be written: a killed run could not be recovered");
        }
        self.failed = true;
    }
}

/// Adds a line that is on disk when this returns.
fn append(file: &File, entry: &Entry) -> io::Result<()> {
    write_line(file, entry)?;
    file.sync_data()
}

/// Adds a line to the journal of a killed run, whose time stays: it tells until when the run lived.
pub(super) fn add(file: &mut File, entry: &Entry) -> io::Result<()> {
    let ended = file.metadata()?.modified()?;
    append(file, entry)?;
    file.set_modified(ended)
}

fn write_line(mut file: &File, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_string(entry)?;
    line.push('\n');
    file.write_all(line.as_bytes())
}

/// The folder of journals: `$XDG_STATE_HOME/vmscript/journal`.
pub(super) fn folder() -> Option<PathBuf> {
    state_folder().map(|state| state.join("journal"))
}

/// All journals, oldest first.
pub(super) fn all(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
    paths.sort_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).ok());
    Ok(paths)
}

/// Reads a journal: what is left to undo, oldest first. A line that was not written to its end was not acted upon.
pub(super) fn read(path: &Path) -> io::Result<Vec<Left>> {
    let mut left: Vec<Left> = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        match serde_json::from_str(line) {
            Ok(Entry::Intend { number, uri, made }) => {
                left.push(Left { number, uri, made: *made, known: Known::Asked });
            }
            Ok(Entry::Answered { number }) => know(&mut left, number, Known::Answered),
            Ok(Entry::Complete { number }) => know(&mut left, number, Known::Complete),
            Ok(Entry::Own { number }) => know(&mut left, number, Known::Own),
            Ok(Entry::Done { number }) => left.retain(|one| one.number != number),
            Err(error) => tracing::info!(%error, path = %path.display(), "a line of the journal cannot be read"),
        }
    }
    Ok(left)
}

fn know(left: &mut [Left], number: u64, known: Known) {
    if let Some(one) = left.iter_mut().find(|one| one.number == number) {
        one.known = known;
    }
}

/// Opens and locks a journal; nothing if it belongs to somebody or is gone meanwhile.
pub(super) fn claim(path: &Path) -> io::Result<Option<File>> {
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

/// Makes a file that is locked before anybody can find it.
fn create() -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = folder().ok_or_else(|| io::Error::other("neither XDG_STATE_HOME nor HOME is set"))?;
    fs::create_dir_all(&folder)?;
    let started = std::time::UNIX_EPOCH.elapsed().map_err(io::Error::other)?.as_millis();
    let name = format!("{started}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let (path, hidden) = (folder.join(format!("{name}.jsonl")), folder.join(format!("{name}.new")));
    let file = OpenOptions::new().append(true).create_new(true).open(&hidden)?;
    file.lock()?;
    fs::rename(&hidden, &path)?;
    Ok((path, file))
}
