//! Standard error and standard output of a program whose reader may be gone, as that of `vmscript ... | head`.

use std::io::{self, Write};

/// A line on standard error. Whether anybody reads it changes nothing of the work.
pub fn tell(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// A text on standard output.
pub fn give(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}
