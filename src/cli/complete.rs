//! Completion in the shell: commands, options, and the names of what is on the host.

use super::arguments::Arguments;
use super::config::Config;
use super::recipe;
use super::run_recipe::all;
use crate::api;
use crate::script::{Field, Recipe, Session, Settings};
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate, PathCompleter, SubcommandCandidates};
use clap_complete::env::CompleteEnv;

/// Answers a shell that asks for completion, and ends then; the shell says so in the environment.
pub(super) fn answer(config: &Config) {
    let hosts = config.hosts();
    CompleteEnv::with_factory(move || command(&hosts)).complete();
}

/// The line that a shell's start-up file needs.
pub(super) fn line(shell: &str) -> String {
    match shell {
        "fish" => "COMPLETE=fish vmscript | source".to_string(),
        shell => format!("source <(COMPLETE={shell} vmscript)"),
    }
}

/// Makes an argument complete the names of what it stands for.
pub(super) fn named(arg: Arg, field: &Field) -> Arg {
    match field.kind.as_str() {
        "path" => arg.add(clap_complete::engine::ArgValueCompleter::new(PathCompleter::any())),
        kind @ ("domain" | "domains" | "network" | "pool" | "volume") => {
            let kind = kind.to_string();
            arg.add(ArgValueCandidates::new(move || names(&kind).into_iter().map(CompletionCandidate::new).collect()))
        }
        _ => arg,
    }
}

/// Names on the default host; a host that does not answer has none.
fn names(kind: &str) -> Vec<String> {
    let uri = std::env::var("VMSCRIPT_CONNECT").ok().filter(|uri| !uri.is_empty());
    let uri = uri.or_else(|| Config::read().ok().and_then(|config| config.connect()));
    api::names(uri.as_deref(), kind)
}

/// The whole command line with all recipes.
fn command(hosts: &std::collections::BTreeMap<String, String>) -> Command {
    let aliases: Vec<String> = hosts.keys().cloned().collect();
    let hosts = move || aliases.iter().map(CompletionCandidate::new).collect();
    let mut command = Arguments::command().mut_arg("connect", |arg| arg.add(ArgValueCandidates::new(hosts)));
    let session = Session::new(&Settings::default());
    for (module, imports) in session.recipe_modules(&all(&[])) {
        let recipes = session.recipes(&module, &imports).unwrap_or_default();
        if recipes.iter().any(Recipe::is_command) {
            command = command.subcommand(recipe::command(&module, &recipes));
        }
    }
    // A script is a file of the folder.
    command.add(SubcommandCandidates::new(scripts))
}

fn scripts() -> Vec<CompletionCandidate> {
    let entries = std::fs::read_dir(".").into_iter().flatten().flatten();
    let scripts = entries.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "rhai"));
    scripts.map(|entry| CompletionCandidate::new(entry.file_name())).collect()
}
