//! The read-eval-print loop.
//!
//! [`Repl`] takes lines and gives replies, and knows no terminal; the terminal and the pipe around it only read and write.

mod commands;
mod complete;
mod connection;
mod differences;
mod engine;
mod highlight;
mod hint;
mod history;
mod input;
mod kept;
mod lexer;
mod piped;
mod reply;
mod settings;
mod show;
mod start;
mod terminal;

pub use complete::Candidate;
pub use engine::Repl;
pub use hint::Hint;
pub use reply::{Reply, Then};
pub use settings::{Ask, SetLog, Surroundings};
pub use start::{First, start};
pub(crate) use terminal::{asker, lend};
