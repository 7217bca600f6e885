//! A file that grows while it is downloaded, and readers that follow it.

use super::sparse;
use crate::floor::{Error, Result, clock, interrupt};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a reader that waits looks whether somebody wants to stop.
const LOOK: Duration = Duration::from_millis(100);

/// A growing file.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How many bytes are there.
    length: u64,
    /// How often it began anew.
    run: u64,
    /// Whether nothing will come any more.
    ended: bool,
    /// Whether nobody needs it any more.
    abandoned: bool,
}

impl Part {
    /// Opens or makes the file; `keep` leaves what an earlier run got.
    pub(super) fn open(path: &Path, keep: bool) -> Result<Self> {
        let failed = |error: io::Error| Error::io(path, "write", &error);
        let file = File::options().read(true).write(true).create(true).truncate(!keep).open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let state = State { length, ..State::default() };
        Ok(Self { path: path.to_path_buf(), file, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// How many bytes are there.
    pub(super) fn length(&self) -> u64 {
        self.lock().length
    }

    /// How often it began anew.
    pub(super) fn run(&self) -> u64 {
        self.lock().run
    }

    /// Adds bytes at the end.
    pub(super) fn append(&self, bytes: &[u8]) -> Result<()> {
        let length = self.length();
        sparse::write_at(&self.file, bytes, length).map_err(|error| Error::io(&self.path, "write", &error))?;
        self.change(|state| state.length += bytes.len() as u64);
        Ok(())
    }

    /// Throws away what is there; readers notice.
    pub(super) fn restart(&self) -> Result<()> {
        self.change(|state| {
            state.length = 0;
            state.run += 1;
        });
        self.file.set_len(0).map_err(|error| Error::io(&self.path, "write", &error))
    }

    /// Gives the file its length, as a hole at its end is not written by anything.
    pub(super) fn settle(&self) -> Result<()> {
        self.file.set_len(self.length()).map_err(|error| Error::io(&self.path, "write", &error))
    }

    /// Writes it to the disk and gives it another name.
    pub(super) fn keep_as(&self, path: &Path) -> Result<()> {
        self.settle()?;
        self.file.sync_all().map_err(|error| Error::io(&self.path, "write", &error))?;
        std::fs::rename(&self.path, path).map_err(|error| Error::io(path, "write", &error))
    }

    /// Says that nothing will come any more.
    pub(super) fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// Whether nothing will come any more.
    pub(super) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Says that nobody needs it any more.
    pub(super) fn abandon(&self) {
        self.change(|state| state.abandoned = true);
    }

    /// Whether nobody needs it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Sleeps, unless nobody needs it any more.
    pub(super) fn sleep(&self, time: Duration) -> Result<()> {
        let end = clock::now() + time;
        while clock::now() < end && !self.is_abandoned() {
            clock::sleep(LOOK)?;
        }
        Ok(())
    }

    /// Waits until nothing will come any more.
    pub(super) fn wait(&self) -> Result<()> {
        let mut state = self.lock();
        while !state.ended {
            interrupt::check()?;
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Reads it from the beginning, and waits for what is still to come.
    pub(super) fn follow(&self) -> Follow<'_> {
        Follow { part: self, at: 0, run: self.run() }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a [`Part`]. It fails when the file begins anew; its end comes when nothing more will.
pub(super) struct Follow<'p> {
    part: &'p Part,
    at: u64,
    run: u64,
}

impl Follow<'_> {
    /// Whether the file began anew since this began to read.
    pub(super) fn is_stale(&self) -> bool {
        self.part.run() != self.run
    }
}

impl Read for Follow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.part.lock();
        let there = loop {
            if state.run != self.run {
                return Err(io::Error::other("the download began anew"));
            }
            if state.length > self.at || state.ended {
                break state.length - self.at;
            }
            interrupt::check().map_err(io::Error::other)?;
            state = self.part.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(state);
        let want = usize::try_from(there).map_or(buffer.len(), |there| there.min(buffer.len()));
        let got = self.part.file.read_at(&mut buffer[..want], self.at)?;
        // Zeros at the end are a hole that is not in the file yet.
        buffer[got..want].fill(0);
        self.at += want as u64;
        Ok(want)
    }
}
