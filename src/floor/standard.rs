//! Standard error and standard output of a program whose reader may be gone, as that of `vmscript ... | head`.

use super::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

/// What became of standard output when it first could not be written; no error where nobody reads any more.
static LOST: OnceLock<Option<Error>> = OnceLock::new();

/// A line on standard error. Whether anybody reads it changes nothing of the work.
pub fn tell(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// A text on standard output; where it cannot be written, [`lost`] tells why.
pub fn give(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).inspect_err(lose)
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
