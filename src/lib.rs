#![doc = include_str!("../book/src/architecture.md")]

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
