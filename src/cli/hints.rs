//! What to do about words that a command does not take.

use super::arguments::Arguments;
use super::recipe::{flag, is_list};
use crate::floor::shell_word;
use crate::script::{Field, Recipe};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory};

/// What other tools call their commands, and the recipes that do the same: of these, the first that a module has.
const OTHER_WORDS: &[(&[&str], &[&str])] = &[
    (&["delete", "erase", "purge", "remove", "rm", "undefine"], &["destroy", "delete", "down"]),
    (&["destroy"], &["delete", "down"]),
    (&["describe", "dominfo", "get", "info", "inspect", "show", "status", "view"], &["get", "info", "status", "check"]),
    (&["all", "ls", "ps"], &["list"]),
    (&["reboot", "reset"], &["restart"]),
    (&["halt", "kill", "off", "poweroff", "shutdown"], &["stop", "down"]),
    (&["boot", "on", "poweron", "resume", "unpause"], &["start", "up"]),
    (&["add", "apply", "create", "define", "deploy", "make", "new"], &["create", "add", "up", "import", "setup"]),
    (&["copy", "cp", "duplicate"], &["clone"]),
    (&["migrate", "move", "mv"], &["migrate", "move", "rename"]),
    (&["attach", "log", "logs", "serial"], &["console"]),
    (&["login", "shell"], &["ssh"]),
    (&["command", "run"], &["exec"]),
    (&["addr", "address", "addresses", "domifaddr"], &["ip"]),
    (&["checkpoint"], &["snapshot"]),
    (&["restore", "rollback"], &["revert"]),
    (&["template"], &["render"]),
    (&["rebuild", "reinstall"], &["repave"]),
    (&["grow"], &["resize"]),
    (&["download", "fetch", "get"], &["pull", "download"]),
];

/// What other tools have commands for, and scripts a line; `VM` is the machine.
const IN_SCRIPTS: &[(&[&str], &str)] = &[
    (&["pause", "suspend"], "VM.suspend()"),
    (&["managedsave", "save"], "VM.managed_save()"),
    (&["migrate"], "VM.migrate(connect(\"qemu+ssh://OTHER/system\"))"),
    (&["dumpxml", "xml"], "print(VM.xml)"),
    (&["domstats", "stats", "top"], "print(VM.stats())"),
    (&["autostart"], "let vm = VM; vm.autostart = true"),
    (&["edit"], "VM.update(|d| { d.title = \"what is changed\"; })"),
];

/// Options of the program that say what is run instead of a recipe.
const OTHER_RUNS: [&str; 4] = ["eval", "init", "interactive", "no_init"];

/// What to do about words that cannot be read. What clap thinks similar goes where something else is meant.
pub(super) fn of(error: &mut clap::Error, recipes: &[Recipe], words: &[String]) -> Vec<String> {
    if let Some(hint) = in_other_words(error, recipes, words) {
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::Suggested);
        return vec![hint];
    }
    wrong_option(error, recipes, words).or_else(|| one_too_few(error, recipes, words)).into_iter().collect()
}

/// The recipe that other tools call so.
fn in_other_words(error: &clap::Error, recipes: &[Recipe], words: &[String]) -> Option<String> {
    let (module, word) = (words.first()?, words.get(1)?);
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    if module == "vm"
        && let Some((_, line)) = IN_SCRIPTS.iter().find(|(said, _)| said.contains(&word.as_str()))
    {
        let name = words.get(2).filter(|name| !name.starts_with('-')).map_or("NAME", String::as_str);
        let line = shell_word(&line.replace("VM", &format!("connect().domain(\"{name}\")")));
        return Some(format!("a line of script does it: `vmscript -e {line}`"));
    }
    let is_known = |name: &&&str| recipes.iter().any(|recipe| recipe.is_command() && recipe.command_name() == ***name);
    let mut meant = OTHER_WORDS.iter().filter(|(said, _)| said.contains(&word.as_str())).map(|(_, meant)| meant);
    let name = meant.find_map(|meant| meant.iter().find(is_known))?;
    Some(format!("here that is `vmscript {module} {name}`"))
}

/// What is meant by an option that a recipe does not take: one of its own, or one of the program.
fn wrong_option(error: &mut clap::Error, recipes: &[Recipe], words: &[String]) -> Option<String> {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return None };
    let option = option.clone();
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let command = words.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(" ");
    // Which of the long ones is similar, clap says.
    let letter = option.strip_prefix('-').filter(|letter| letter.chars().count() == 1);
    let recipe = words.get(1).and_then(|name| recipes.iter().find(|recipe| recipe.command_name() == *name));
    if recipe.is_some_and(|recipe| recipe.parameters.iter().all(|field| field.kind != "list")) {
        // That it may be a value, clap says of each.
        error.remove(ContextKind::Suggested);
    }
    let own = recipe.iter().flat_map(|recipe| &recipe.options);
    let own: Vec<_> =
        own.filter(|field| letter.is_some_and(|letter| field.name.starts_with(letter))).map(flag).collect();
    if !own.is_empty() {
        return Some(format!("`{command}` has `{}`", own.join("` and `")));
    }
    let short = |arg: &Arg| arg.get_short().is_some_and(|short| option == format!("-{short}"));
    let is_similar = error.get(ContextKind::SuggestedArg).is_some();
    let takes_fields = recipe.is_some_and(|recipe| {
        recipe.parameters.iter().any(|field| field.name == "file")
            && recipe.options.iter().any(|field| field.name == "set")
    });
    let long = |arg: &Arg| arg.get_long().is_some_and(|long| option == format!("--{long}"));
    let program = Arguments::command();
    let Some(known) = program.get_arguments().find(|arg| short(arg) || long(arg)) else {
        let field = option.strip_prefix("--").filter(|_| takes_fields && !is_similar)?.replace('-', "_");
        return Some(format!("a field of the file is set with `--set {field}=VALUE`"));
    };
    let goes_along = !OTHER_RUNS.contains(&known.get_id().as_str());
    goes_along.then(|| format!("this option stands in front of the recipe: `vmscript {option} ... {command} ...`"))
}

/// What each word of a command is that has one too few: the last one is not another machine.
fn one_too_few(error: &clap::Error, recipes: &[Recipe], words: &[String]) -> Option<String> {
    let (named, given) = words.get(1..)?.split_first()?;
    let recipe = recipes.iter().find(|recipe| recipe.chooses() && recipe.command_name() == *named)?;
    let [machines, last] = recipe.parameters.as_slice() else { return None };
    let is_meant = error.kind() == ErrorKind::MissingRequiredArgument && !given.is_empty() && !is_list(last);
    let upper = |field: &Field| field.name.to_uppercase();
    is_meant
        .then(|| format!("the last word is the {}, and what stands before it each {}", upper(last), upper(machines)))
}
