//! Standard input for any number of programs: each gets all of it, as fast as it reads.

use super::{Error, Result};
use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What has come on standard input by now. It is kept in a file without a name, as there may be any amount of it.
pub struct Input {
    file: File,
    come: Mutex<Come>,
    more: Condvar,
}

#[derive(Default)]
struct Come {
    length: u64,
    /// Whether nothing more comes.
    is_all: bool,
    /// Why not all of it did.
    failure: Option<Error>,
}

impl Input {
    /// That of this process, which is read from the first call on; nothing at a terminal.
    pub fn shared() -> Result<Option<Arc<Self>>> {
        static SHARED: Mutex<Option<Arc<Input>>> = Mutex::new(None);
        if io::stdin().is_terminal() {
            return Ok(None);
        }
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.is_none() {
            let input = Arc::new(Self { file: nameless()?, come: Mutex::default(), more: Condvar::new() });
            let own = Arc::clone(&input);
            // Nobody can end a read: where the input never ends, the thread ends with the program.
            let begun = thread::Builder::new().name("input".to_string()).spawn(move || own.read());
            begun.map_err(|cause| unread(&cause))?;
            *shared = Some(input);
        }
        Ok(shared.clone())
    }

    /// Writes all of it, until nobody reads any more or `is_over`.
    pub fn pour(&self, mut to: impl Write, is_over: impl Fn() -> bool) {
        const LOOK: Duration = Duration::from_millis(100);
        let (mut at, mut piece) = (0, vec![0; 64 * 1024]);
        loop {
            let mut come = self.come();
            while come.length == at && !come.is_all && !is_over() {
                come = self.more.wait_timeout(come, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            }
            let is_end = come.length == at;
            drop(come);
            let Ok(count @ 1..) = self.file.read_at(&mut piece, at) else { return };
            if is_end || to.write_all(&piece[..count]).and_then(|()| to.flush()).is_err() {
                return;
            }
            at += count as u64;
        }
    }

    /// Why some of it did not come, if that is so.
    pub fn failure(&self) -> Option<Error> {
        self.come().failure.clone()
    }

    fn read(&self) {
        let (mut at, mut piece) = (0, vec![0; 64 * 1024]);
        let failure = loop {
            match io::stdin().lock().read(&mut piece) {
                Ok(0) => break None,
                Ok(count) => match self.file.write_all_at(&piece[..count], at) {
                    Ok(()) => at += count as u64,
                    Err(cause) => break Some(unkept(&cause)),
                },
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => break Some(unread(&cause)),
            }
            self.come().length = at;
            self.more.notify_all();
        };
        let mut come = self.come();
        (come.is_all, come.failure) = (true, failure);
        drop(come);
        self.more.notify_all();
    }

    fn come(&self) -> MutexGuard<'_, Come> {
        self.come.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is gone when nobody has it open any more.
fn nameless() -> Result<File> {
    let path = std::env::temp_dir().join(format!("vmscript-input-{}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = file.map_err(|cause| Error::io(&path, "create", &cause))?;
    remove_file(&path).map_err(|cause| Error::io(&path, "remove", &cause))?;
    Ok(file)
}

fn unread(cause: &io::Error) -> Error {
    Error::io(Path::new("standard input"), "read", cause)
}

fn unkept(cause: &io::Error) -> Error {
    Error::io(&std::env::temp_dir(), "keep standard input in", cause).hint("`TMPDIR` names a folder with more room")
}
