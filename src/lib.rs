//! The rooms of vmscript, outermost last. `tests/house.rs` holds the arrows between them.

pub mod addressing;
pub mod api;
pub mod cli;
pub mod floor;
pub mod image;
pub mod libvirt;
pub mod repl;
pub mod schema;
pub mod script;
pub mod seed;
