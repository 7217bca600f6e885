//! Standard input, and standard error and standard output of a program whose reader may be gone, as that of `vmscript ... | head`.

use super::{Error, Result, format_size, interrupt};
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// What became of standard output when it first could not be written; no error where nobody reads any more.
static LOST: OnceLock<Option<Error>> = OnceLock::new();

/// Whether standard output is for the result of a command alone.
static IS_KEPT: AtomicBool = AtomicBool::new(false);

/// Keeps standard output for the result of a command: what scripts print goes to standard error.
pub fn keep_output() {
    IS_KEPT.store(true, Ordering::Relaxed);
}

/// Whether standard output is kept for a result.
pub fn is_output_kept() -> bool {
    IS_KEPT.load(Ordering::Relaxed)
}

/// A line on standard error. Whether anybody reads it changes nothing of the work.
pub fn tell(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Bytes on standard error, as [`tell`] says a line.
pub fn tell_bytes(bytes: &[u8]) {
    drop(io::stderr().lock().write_all(bytes));
}

/// A text on standard output; where it cannot be written, [`lost`] tells why.
pub fn give(text: &str) -> io::Result<()> {
    give_bytes(text.as_bytes())
}

/// Bytes on standard output, as [`give`] says a text.
pub fn give_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).inspect_err(lose)
}

/// All that comes on standard input, whose end is waited for so long. At a terminal nothing does.
pub fn take(time: Duration) -> Result<Vec<u8>> {
    const MOST: u64 = 64 << 20;
    const LOOK: Duration = Duration::from_millis(50);
    if io::stdin().is_terminal() {
        return Ok(Vec::new());
    }
    let failed = |cause| Error::io(Path::new("standard input"), "read", &cause);
    let (sender, receiver) = mpsc::channel();
    // Who stops waiting leaves it behind: nobody can end a read, and the program ends soon.
    let reader = thread::Builder::new().spawn(move || {
        let mut data = Vec::new();
        let read = io::stdin().lock().take(MOST + 1).read_to_end(&mut data);
        drop(sender.send(read.map(|_| data)));
    });
    reader.map_err(failed)?;
    let end = Instant::now() + time;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(Ok(data)) if data.len() as u64 > MOST => {
                return Err(Error::argument(format!("standard input has more than {}", format_size(MOST))));
            }
            Ok(read) => return read.map_err(failed),
            Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
            Err(RecvTimeoutError::Timeout) => interrupt::check()?,
        }
        if Instant::now() >= end {
            let message = format!("standard input has not come to its end within {} s", time.as_secs_f64());
            return Err(Error::argument(message).hint("`</dev/null` behind a command gives it none"));
        }
    }
}

/// Keeps why something could not be written to standard output.
pub fn lose(cause: &io::Error) {
    let is_closed = cause.kind() == io::ErrorKind::BrokenPipe;
    LOST.get_or_init(|| (!is_closed).then(|| Error::io(Path::new("standard output"), "write", cause)));
}

/// Whether some of the output is lost, and the failure; who stopped reading, such as `head`, has seen enough, and nothing failed.
pub fn lost() -> Option<&'static Option<Error>> {
    LOST.get()
}
