//! The terminal outside of the line editor: its size, a single key, a question.

use crate::floor::interrupt;
use crate::repl::Ask;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The terminal gives keys as they are pressed, and does not show them, as long as this lives.
pub(super) struct Keys {
    before: Option<Termios>,
}

impl Keys {
    pub(super) fn new() -> Self {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(before) = &before {
            let mut now = before.clone();
            now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            // A terminal that cannot do this wants Enter after the key.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &now);
        }
        Self { before }
    }
}

/// Whether a key is pressed within this time; it is taken. Ctrl-C ends the wait too.
pub(super) fn pressed(time: Duration) -> bool {
    let pressed = wait_for_input(time);
    if pressed {
        let _ = rustix::io::read(std::io::stdin(), &mut [0; 64]);
    }
    pressed
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Asks on standard error and takes the answer from the keyboard; Ctrl-C means no.
pub(crate) fn asker() -> Ask {
    Arc::new(|question| {
        let mut error = std::io::stderr();
        // Without a reader the question is answered unseen, and only a yes counts.
        drop(write!(error, "{question} [y/N] ").and_then(|()| error.flush()));
        while !wait_for_input(Duration::from_secs(3600)) {
            if interrupt::wanted() {
                drop(writeln!(error));
                return false;
            }
        }
        let mut answer = [0; 256];
        let length = rustix::io::read(std::io::stdin(), &mut answer).unwrap_or(0);
        matches!(answer[..length].trim_ascii().to_ascii_lowercase().as_slice(), b"y" | b"yes")
    })
}

/// The number of columns, if standard output is a terminal.
pub(crate) fn width() -> Option<usize> {
    size().map(|(width, _)| width)
}

/// The number of rows, if standard output is a terminal.
pub(super) fn height() -> Option<usize> {
    size().map(|(_, height)| height)
}

/// Whether the terminal can move the cursor.
pub(super) fn moves() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name != "dumb")
}

fn size() -> Option<(usize, usize)> {
    let size = tcgetwinsize(std::io::stdout()).ok()?;
    Some((size.ws_col.into(), size.ws_row.into())).filter(|(width, height)| *width > 0 && *height > 0)
}

pub(super) fn wait_for_input(time: Duration) -> bool {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now()).min(Duration::from_millis(50));
        let stdin = std::io::stdin();
        let mut input = [PollFd::new(&stdin, PollFlags::IN)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
        // An interrupted call is looked at below like one that timed out.
        if poll(&mut input, Some(&timeout)).is_ok_and(|ready| ready > 0) {
            return true;
        }
        if interrupt::wanted() || Instant::now() >= end {
            return false;
        }
    }
}
