//! The terminal lent to a guest's console: keys go there as they are pressed, and what it prints is shown as it is.

use super::keys::wait_for_input;
use crate::floor::terminal::{Line, no_terminal};
use crate::floor::{Error, Result, interrupt, tell};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// Ctrl-], as in telnet and virsh.
const ESCAPE: u8 = 0x1d;
/// How often the other end is looked at while nobody types.
const SLICE: Duration = Duration::from_millis(20);

/// Every key, Ctrl-C too, is data as long as this lives.
struct Raw(Termios);

impl Raw {
    fn new() -> Result<Self> {
        let failed = |error: rustix::io::Errno| Error::io(Path::new("terminal"), "set up", &error.into());
        let before = tcgetattr(std::io::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Lends the terminal until Ctrl-] is pressed, the other end closes, or somebody asks to stop.
pub(crate) fn lend(line: &dyn Line) -> Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(no_terminal(&line.name()));
    }
    tell(&format!("connected to {}; Ctrl-] leaves it", line.name()));
    let raw = Raw::new()?;
    let talked = talk(line);
    drop(raw);
    let end = if line.is_open() { "left" } else { "closed:" };
    tell(&format!("\n{end} {}", line.name()));
    talked
}

fn talk(line: &dyn Line) -> Result<()> {
    let mut keys = [0; 1024];
    let mut out = std::io::stdout().lock();
    loop {
        interrupt::check()?;
        // What was printed before the end is shown too.
        let open = line.is_open();
        let said = line.receive();
        if !said.is_empty() {
            out.write_all(&said)
                .and_then(|()| out.flush())
                .map_err(|error| Error::io(Path::new("terminal"), "write", &error))?;
        } else if !open {
            return Ok(());
        }
        if !wait_for_input(SLICE) {
            continue;
        }
        let count = rustix::io::read(std::io::stdin(), &mut keys)
            .map_err(|error| Error::io(Path::new("terminal"), "read", &error.into()))?;
        let typed = &keys[..count];
        let escape = typed.iter().position(|key| *key == ESCAPE);
        line.send(&typed[..escape.unwrap_or(count)])?;
        // The end of the input is the end of the user.
        if escape.is_some() || count == 0 {
            return Ok(());
        }
    }
}
