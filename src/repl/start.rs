//! Opening the REPL: what runs first, and whether there is a terminal.

use super::engine::Repl;
use super::settings::Surroundings;
use super::{Reply, Then, piped, terminal};
use crate::floor::{config_folder, state_folder, tell};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

/// So long a fast host may take before the prompt appears without it.
const PATIENCE: Duration = Duration::from_millis(20);

/// What runs before the first line.
#[derive(Debug, Clone, Default)]
pub struct First {
    /// Lines of the user's own; without it those of the configuration, at a terminal.
    pub init: Option<PathBuf>,
    /// Not even those.
    pub no_init: bool,
    /// A script to run before.
    pub file: Option<PathBuf>,
    /// No greeting.
    pub quiet: bool,
}

/// Runs the REPL; gives the exit code.
pub fn start(mut surroundings: Surroundings, first: &First) -> u8 {
    let terminal = std::io::stdin().is_terminal();
    let print = surroundings.script.print.clone();
    let mut write = move |reply: &Reply| {
        if let Some(print) = print.as_ref().filter(|_| !reply.out.is_empty()) {
            print(&reply.out);
        }
        if !reply.err.is_empty() {
            tell(&reply.err);
        }
    };
    if terminal {
        surroundings.history = state_folder().map(|folder| folder.join("history"));
        surroundings.ask = Some(terminal::asker());
    }
    let mut repl = Repl::new(surroundings);
    if let Some(width) = terminal::width() {
        repl.set_width(width);
    }
    if terminal && !first.quiet {
        // The host's time begins when there is a libvirt to ask it.
        crate::api::load();
        write(&repl.greet(PATIENCE));
    }
    if let Some(file) = &first.file {
        let reply = repl.load(file);
        write(&reply);
        if reply.then == Then::Leave || (reply.code != 0 && !terminal) {
            return reply.code;
        }
    }
    let own = || config_folder().map(|folder| folder.join("init.rhai")).filter(|file| file.exists());
    if let Some(file) = first.init.clone().or_else(|| own().filter(|_| terminal && !first.no_init)) {
        let reply = repl.init(&file);
        write(&reply);
        if reply.then == Then::Leave || (reply.code != 0 && !terminal) {
            return reply.code;
        }
    }
    if terminal { terminal::run(repl, write) } else { piped::run(&mut repl, std::io::stdin().lock(), &mut write) }
}
