//! The driver tier: the real program on libvirt's test driver.

mod cli;
mod commands;
mod complete;
mod docs;
mod dry_run;
mod each_recipe;
mod errors;
mod fields;
mod flows;
mod inside;
mod machine;
mod many;
mod networks;
mod options;
mod recipes;
mod repl;
mod settings;
mod stuck;
mod support;
mod terminal;
mod undo;
mod usertest;
mod values;
mod wrong;
