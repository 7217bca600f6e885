//! Reading files that others may write at the same moment, such as named pipes: who waits for their content can be stopped.

use super::{Error, Result, interrupt};
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How often it is looked whether somebody asks to stop.
const LOOK: Duration = Duration::from_millis(50);

/// All that is in a file; what is written to a pipe or a device is waited for. `doing` is the verb as in "cannot read".
///
/// # Errors
///
/// The file cannot be read, or somebody asks to stop meanwhile.
pub fn read(path: &Path, doing: &str) -> Result<Vec<u8>> {
    let unreadable = |error: io::Error| Error::io(path, doing, &error);
    if fs::metadata(path).map_err(unreadable)?.is_file() {
        return fs::read(path).map_err(unreadable);
    }
    let (sender, receiver) = mpsc::channel();
    let own = path.to_path_buf();
    // A pipe that nobody writes to keeps this thread for ever, and nobody waits for it then.
    thread::Builder::new()
        .name("read".to_string())
        .spawn(move || drop(sender.send(fs::read(own))))
        .map_err(unreadable)?;
    loop {
        interrupt::check()?;
        match receiver.recv_timeout(LOOK) {
            Ok(content) => return content.map_err(unreadable),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(unreadable(io::Error::other("it was not read to its end")));
            }
        }
    }
}

/// The same as text.
///
/// # Errors
///
/// As for [`read`], or it is not UTF-8.
pub fn read_text(path: &Path, doing: &str) -> Result<String> {
    String::from_utf8(read(path, doing)?).map_err(|_| {
        let cause = io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8");
        Error::io(path, doing, &cause)
    })
}

/// What is known of a file that can be read more than once, and has a size.
///
/// # Errors
///
/// It cannot be looked at, or is a folder, a pipe or a device.
pub fn regular(path: &Path) -> Result<Metadata> {
    let facts = fs::metadata(path).map_err(|error| Error::io(path, "read", &error))?;
    if facts.is_file() {
        return Ok(facts);
    }
    let kind = if facts.is_dir() { "a folder" } else { "a pipe or a device" };
    Err(Error::argument(format!("`{}` is {kind}, and no regular file", path.display())))
}
