//! Completion in the shell: commands, options, their words, and the names of what is on the host.

use super::arguments::Arguments;
use super::config::Config;
use super::line::{self, Bash, Line};
use super::recipe;
use super::run_recipe::all;
use crate::api;
use crate::floor::{Map, Value};
use crate::script::{Field, Given, Recipe, Session, Settings};
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, SubcommandCandidates, ValueCompleter,
};
use clap_complete::env::{CompleteEnv, Fish, Shells, Zsh};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// So long a host may take: who presses a key does not want to wait for one that does not answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Answers a shell that asks for completion; the shell says so in the environment. What goes wrong while somebody types is
/// no more than nothing to complete.
pub(super) fn answer() -> u8 {
    let mut words: Vec<_> = std::env::args_os().collect();
    let start = words.iter().skip(1).position(|word| word == "--").map(|at| at + 2);
    if let Some(start) = start {
        silence();
        // To the engine a host that is called like a command would be that command.
        let given = &mut words[start..];
        for word in given.iter_mut() {
            *word = line::plain(word);
        }
        let at_cursor = line::index(given.len());
        for at in 1..given.len() {
            if at != at_cursor && (given[at - 1] == "-c" || given[at - 1] == "--connect") {
                given[at] = "host:".into();
            }
        }
    }
    let here = std::env::current_dir().ok();
    let shells = CompleteEnv::with_factory(command).shells(Shells(&[&Bash, &Fish, &Zsh]));
    if let Err(error) = shells.try_complete(words, here.as_deref())
        && start.is_none()
    {
        drop(error.print());
        return 1;
    }
    0
}

/// Libraries write to standard error what they think; a line that somebody types is no place for that.
fn silence() {
    if let Ok(nowhere) = std::fs::File::options().write(true).open("/dev/null") {
        // Where it cannot be, it is as it was.
        let _ = rustix::stdio::dup2_stderr(nowhere);
    }
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
        "path" => arg.add(ArgValueCompleter::new(PathCompleter::any())),
        "image" => arg.add(ArgValueCompleter::new(images)),
        // As `vda=40GiB`.
        "names" if field.name == "disk" => {
            let devices = || names("disk").into_iter().map(|device| format!("{device}=")).collect();
            arg.add(ArgValueCandidates::new(move || candidates(devices())))
        }
        "names" if field.name == "machine" => arg.add(ArgValueCandidates::new(|| candidates(machines()))),
        kind @ ("domain" | "domains" | "network" | "pool" | "reservation" | "snapshot" | "volume") => {
            let kind = kind.to_string();
            arg.add(ArgValueCandidates::new(move || candidates(names(&kind))))
        }
        _ => arg,
    }
}

/// The names of machines, and behind the first one the snapshots of those that are named; where a label takes their place, all
/// snapshots.
pub(super) fn names_and_snapshots() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        if Line::get().option("-l", "--label").is_some() {
            return candidates(names("snapshot"));
        }
        let machines = names("domain");
        let named = Line::get().before().iter().any(|word| machines.contains(word));
        candidates(if named { [machines, names("snapshot")].concat() } else { machines })
    })
}

/// Labels of machines and their values, several with commas between.
pub(super) fn labels() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy();
        let (before, last) = current.rfind(',').map_or(("", &*current), |at| current.split_at(at + 1));
        let found = names("label").into_iter().filter(|label| label.starts_with(last));
        candidates(found.map(|label| format!("{before}{label}")).collect())
    })
}

/// Some words, and no others.
pub(super) fn among(words: impl Iterator<Item = String>) -> ArgValueCandidates {
    let words: Vec<String> = words.collect();
    ArgValueCandidates::new(move || candidates(words.clone()))
}

/// The hosts that the configuration names.
pub(super) fn hosts() -> Vec<CompletionCandidate> {
    candidates(Config::read().unwrap_or_default().hosts().into_keys().collect())
}

/// Images of the catalogues, or a file.
fn images(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = api::names_of_images();
    let typed = current.to_string_lossy();
    let mut found = candidates(names.into_iter().filter(|name| name.starts_with(&*typed)).collect());
    if found.is_empty() {
        found = PathCompleter::any().complete(current);
    }
    found
}

/// The machines of the first file of the line that describes some.
fn machines() -> Vec<String> {
    let mut session = Session::new(&Settings::default());
    let recipes = session.recipes("spec", &["std/spec".to_string()]).unwrap_or_default();
    let Some(load) = recipes.into_iter().find(|recipe| recipe.name == "load") else { return Vec::new() };
    // What only Ansible knows does not matter here.
    let how = || Map::from([("open".to_string(), true.into())]);
    let files = Line::get().before().iter().filter(|word| Path::new(word).is_file());
    let mut found =
        files.filter_map(|file| match session.call_recipe(&load, vec![file.as_str().into(), how().into()]) {
            Ok(Given::All(Value::List(machines))) => Some(machines),
            _ => None,
        });
    let name = |machine: Value| machine.as_map()?.get("name")?.as_str().map(str::to_string);
    found.next().unwrap_or_default().into_iter().filter_map(name).collect()
}

/// Names on the host that the line names, else on the default host; one that does not answer in time has none.
fn names(kind: &str) -> Vec<String> {
    let config = Config::read().unwrap_or_default();
    let line = Line::get();
    let given = line.option("-c", "--connect").map(|host| config.uri(&host));
    let variable = std::env::var("VMSCRIPT_CONNECT").ok().filter(|uri| !uri.is_empty());
    let uri = given.or_else(|| variable.map(|host| config.uri(&host))).or_else(|| config.connect());
    api::set_ssh_persist(config.ssh_persist());
    let (kind, words) = (kind.to_string(), line.before().to_vec());
    let (tell, told) = mpsc::channel();
    // A thread that hangs ends with the program.
    std::thread::spawn(move || tell.send(api::names(uri.as_deref().map(line::quiet).as_deref(), &kind, &words)));
    told.recv_timeout(PATIENCE).unwrap_or_default()
}

fn candidates(names: Vec<String>) -> Vec<CompletionCandidate> {
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The command line with the recipes of the modules that it can be about.
fn command() -> Command {
    let mut command = Arguments::command();
    let config = Config::read().unwrap_or_default();
    let folders: Vec<_> =
        Line::get().option("--recipes", "--recipes").map(Into::into).into_iter().chain(config.recipes()).collect();
    let session = Session::new(&Settings { recipes: all(&folders), ..Settings::default() });
    let modules = session.recipe_modules(&all(&folders));
    let named: Vec<String> =
        modules.iter().map(|(name, _)| name.clone()).filter(|name| Line::get().before().contains(name)).collect();
    for (module, imports) in modules {
        // The recipes of the others are not asked for, once a module is named.
        if command.find_subcommand(&module).is_some() || !named.is_empty() && !named.contains(&module) {
            continue;
        }
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
