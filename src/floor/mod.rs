//! What every room stands on: errors, the interrupt flag, progress events, plain values, secrets and options.
//!
//! Nothing here knows a script engine, a connection or a terminal.

pub mod clock;
mod error;
mod folder;
mod input;
pub mod interrupt;
mod nearest;
mod options;
mod place;
pub mod planned;
pub mod progress;
mod quantity;
mod question;
mod read;
mod secret;
mod standard;
pub mod terminal;
pub mod timing;
mod unreadable;
mod value;
mod word;
mod write;

pub use error::{Area, Code, Error, Finding, Report, Result};
pub use folder::{cache_folder, config_folder, libvirts_host, runtime_folder, state_folder};
pub use input::Input;
pub use nearest::{did_you_mean, nearest};
pub use options::Options;
pub use place::{DataFile, Place, Step, steps};
pub use quantity::{duration, format_size, size, time_text};
pub use question::{Ask, ask, set_ask};
pub use read::{read, read_text, regular};
pub use secret::{HIDDEN, Secret, hide, hide_from_now_on};
pub use standard::{give, give_bytes, is_output_kept, keep_output, lose, lost, take, tell, tell_bytes};
pub use unreadable::unreadable;
pub use value::{Map, Value};
pub use word::shell_word;
pub use write::{write_private, write_program};
