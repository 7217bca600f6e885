//! The terminal lent to something that talks for itself, such as a guest's console; whoever has one says how.

use super::{Error, Result};
use std::sync::OnceLock;

/// What talks.
pub trait Line {
    /// What it is, such as `the console of domain web`.
    fn name(&self) -> String;
    /// What it has said since the last time.
    fn receive(&self) -> Vec<u8>;
    /// Says something to it.
    fn send(&self, data: &[u8]) -> Result<()>;
    /// Whether it still listens.
    fn is_open(&self) -> bool;
}

/// Lends the terminal until the user takes it back, or until the other end is gone.
pub type Lend = fn(&dyn Line) -> Result<()>;

static LEND: OnceLock<Lend> = OnceLock::new();

/// Sets who lends the terminal. Only the first call counts.
pub fn set_lender(lend: Lend) {
    let _ = LEND.set(lend);
}

/// Lends the terminal; an error if there is none.
pub fn lend(line: &dyn Line) -> Result<()> {
    LEND.get().map_or_else(|| Err(no_terminal(&line.name())), |lend| lend(line))
}

/// The error of a program that has no terminal.
pub fn no_terminal(what: &str) -> Error {
    Error::argument(format!("{what} needs a terminal")).hint("scripts use `vm.open_console()`, `expect` and `send`")
}
