//! The REPL without a terminal: one line after another from a pipe or a file.

use super::{Repl, Reply, Then};
use crate::floor::interrupt;
use std::io::BufRead;

/// Takes every line of the input; gives the exit code, which is that of the first line that failed.
pub(super) fn run(repl: &mut Repl, input: impl BufRead, write: &mut dyn FnMut(&Reply)) -> u8 {
    let mut first = 0;
    let mut lines = input.lines();
    loop {
        let reply = match lines.next() {
            // Some editors write a mark of the byte order in front.
            Some(Ok(line)) => repl.step(line.trim_start_matches('\u{feff}')),
            // What is no text, or cannot be read any more, ends the input.
            Some(Err(cause)) => {
                write(&Reply { err: format!("error: cannot read the input: {cause}"), ..Reply::default() });
                return if first == 0 { 1 } else { first };
            }
            None => {
                let reply = repl.finish();
                write(&reply);
                return match reply.then {
                    Then::Leave => reply.code,
                    _ if first == 0 => reply.code,
                    _ => first,
                };
            }
        };
        write(&reply);
        match reply.then {
            Then::Leave => return reply.code,
            // Without a keyboard nobody would end it: it is shown once.
            Then::Watch(expression, _) => write(&repl.watch(&expression)),
            Then::Events => write(&repl.events()),
            Then::Next | Then::More => {}
        }
        if first == 0 {
            first = reply.code;
        }
        if reply.code == 130 || interrupt::wanted() {
            return 130;
        }
    }
}
