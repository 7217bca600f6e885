//! Asking the user, where there is one: the command line sets who asks.

use super::{Result, interrupt};
use std::sync::OnceLock;

/// Asks a question that is answered by yes or no.
pub type Ask = Box<dyn Fn(&str) -> bool + Send + Sync>;

static ASK: OnceLock<Ask> = OnceLock::new();

/// Sets who asks. Without, nobody can be asked.
pub fn set_ask(ask: Ask) {
    // The first one stays: a program has one user.
    drop(ASK.set(ask));
}

/// The user's answer, or nothing if there is nobody to ask. Who asks to stop in place of an answer does not say no.
pub fn ask(question: &str) -> Result<Option<bool>> {
    let answer = ASK.get().map(|ask| ask(question));
    interrupt::check()?;
    Ok(answer)
}
