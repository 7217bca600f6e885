//! Running a recipe as a command, and listing what there is.

use super::arguments::{Arguments, Level};
use super::config::Config;
use super::output::{Form, Output};
use super::recipe::{self, General};
use super::test::Looks;
use super::{bars, end, hints, wording};
use crate::api::set_ssh_persist;
use crate::floor::{Error, Map, Value, config_folder, did_you_mean, give, hide, keep_output, progress, tell, timing};
use crate::repl::SetLog;
use crate::script::{Ahead, Given, Place, Recipe, Session, Settings};
use clap::{CommandFactory, ValueEnum};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs the recipe that the words mean; nothing if their first names no module.
pub(super) fn run(
    settings: &Settings,
    folders: &[PathBuf],
    words: &[String],
    config: &Config,
    looks: Looks,
    set_log: &SetLog,
    ahead: Option<Ahead>,
) -> Option<u8> {
    let module = words.first()?;
    // A path is a script; looking for modules would cost time that a script does not need.
    if module.contains(['/', '.']) || module == "-" {
        return None;
    }
    // Options of the program may stand in front of the words.
    let session = match ahead.or_else(|| Ahead::begin(words)) {
        Some(ahead) => Session::after(settings, ahead),
        None => Session::new(settings),
    };
    let modules = session.recipe_modules(&all(folders));
    let Some((_, imports)) = modules.iter().find(|(name, _)| name == module) else {
        return (!Path::new(module).exists()).then(|| super::fail(&unknown(module, &modules)));
    };
    let named = words.get(1).and_then(|word| session.recipe(module, imports, word));
    let recipes = match named.map_or_else(|| session.recipes(module, imports), |recipe| Ok(vec![recipe])) {
        Ok(recipes) => recipes,
        Err(failure) => return Some(end(Err(failure), &session, looks.color)),
    };
    if !recipes.iter().any(Recipe::is_command) {
        let error = Error::argument(format!("the module `{module}` holds no commands"));
        let hint = format!("scripts use it: `import {:?} as {module};`", imports[0]);
        let hints = session.undocumented(imports).into_iter().map(|(name, place)| for_want_of_docs(&name, &place));
        return Some(super::fail(&hints.chain([hint]).fold(error, Error::hint)));
    }
    let mut call = match recipe::parse(module, &recipes, words, config) {
        Ok(call) => call,
        Err(mut error) => {
            let hints = hints::of(&mut error, &recipes, words);
            let code = super::usage_shown(&error);
            for hint in hints {
                tell(&format!("  = hint: {hint}"));
            }
            let said = words.get(1).map(|word| word.replace('-', "_"));
            for (name, place) in session.undocumented(imports) {
                if said.as_ref() == Some(&name) {
                    tell(&format!("  = hint: {}", for_want_of_docs(&name, &place)));
                }
            }
            return Some(code);
        }
    };
    let color = call.general.color.map_or(looks.color, super::is_colored);
    call.general.quiet |= looks.quiet;
    let timings = call.general.timings;
    let (mut settings, output) = (settings.clone(), call.output);
    apply(call.general, &mut settings, set_log);
    if output.format != Form::Table {
        // Standard output is for the result alone.
        keep_output();
        settings.print = Some(Arc::new(|text| bars::suspend(|| tell(&hide(text)))));
    }
    let mut session = session.again(&settings);
    let is_dry = call.arguments.iter().any(|one| one.as_map().and_then(|map| map.get("dry_run")) == Some(&true.into()));
    let code = match session.call_recipe(&call.recipe, call.arguments) {
        Ok(Given::All(result)) => {
            if is_dry && session.context().may_only_read() {
                bars::note(
                    "note: this connection may only read: over it, the host refuses what the real run would change",
                );
            }
            show(result, &output, OTHERS)
        }
        Ok(Given::Exit(code, result)) => result.map_or(0, |result| show(result, &output, OTHERS)).max(code),
        Ok(Given::Partly(result, mut failure)) => {
            wording::translate(&mut failure.0, &call.recipe);
            // A table says of which it failed; why is told below.
            let reason = output.format == Form::Table;
            show(if reason { without_reasons(result) } else { result }, &output, OTHERS);
            end(Err(failure), &session, color)
        }
        Err(mut failure) => {
            wording::translate(&mut failure.0, &call.recipe);
            end(Err(failure), &session, color)
        }
    };
    if let Some(format) = timings {
        super::timings::show(format);
    }
    // The program ends, so nobody needs the memory of what was parsed: to give it back takes longer than to leave it.
    std::mem::forget(session.sources().clone());
    Some(code)
}

/// Does what the options of the program say that stand behind a recipe's words.
fn apply(general: General, settings: &mut Settings, set_log: &SetLog) {
    settings.uri = general.connect.or(settings.uri.take());
    settings.schema_dir = general.schema_dir.or(settings.schema_dir.take());
    if general.quiet || general.no_progress {
        progress::set_sink(bars::sink(false));
    }
    if !general.quiet {
        bars::show_steps();
    }
    let level = if general.quiet { Some(Level::Error) } else { general.log_level };
    if let Some(level) = level.and_then(|level| level.to_possible_value()) {
        // It fails only where the log is gone.
        drop(set_log(level.get_name()));
    }
    if let Some(time) = general.ssh_persist {
        set_ssh_persist(time);
    }
    if general.timings.is_some() {
        timing::enable();
    }
}

/// How to see the columns that had no room.
const OTHERS: &str = "`--columns` shows what you name, `-o yaml` all";

/// Prints a result, and perhaps how to see the others of its columns; gives the exit code.
pub(super) fn show(result: Value, output: &Output, others: &str) -> u8 {
    let is_table = output.format == Form::Table && matches!(result, Value::List(_));
    match output.text(result) {
        Ok(shown) => {
            if bars::suspend(|| give(&hide(&shown.text))).is_err() {
                return 0;
            }
            if is_table && shown.text.is_empty() {
                bars::note("nothing found");
            }
            if !shown.left_out.is_empty() {
                let names = shown.left_out.join("`, `");
                bars::note(&format!("note: no room for `{names}`: {others}"));
            }
            0
        }
        Err(error) => super::fail(&error),
    }
}

/// The records without the reasons of failures; a single one needs no table.
fn without_reasons(result: Value) -> Value {
    let Value::List(mut items) = result else { return result };
    if items.len() < 2 {
        return Value::Unit;
    }
    for item in &mut items {
        if let Value::Map(map) = item {
            map.shift_remove("error");
        }
    }
    items.into()
}

/// The error of a word that is neither a module nor a file.
fn unknown(word: &str, modules: &[(String, Vec<String>)]) -> Error {
    let hint = did_you_mean(word, modules.iter().map(|(name, _)| name.as_str()));
    Error::argument(format!("there is no script and no module of recipes `{word}`"))
        .hint(hint.unwrap_or_else(|| "`vmscript recipes` lists the recipes".to_string()))
}

/// What to do about a function that is no recipe.
fn for_want_of_docs(name: &str, place: &Place) -> String {
    format!(
        "`{name}` ({}:{}) is no command until a line such as `/// What it does.` stands above it",
        place.source, place.line
    )
}

/// The recipes, a row for each, and the exit code.
pub(super) fn list(settings: &Settings, folders: &[PathBuf], color: bool) -> (Value, u8) {
    let session = Session::new(settings);
    let (mut rows, mut code) = (Vec::new(), 0);
    let program = Arguments::command();
    for (module, imports) in session.recipe_modules(&all(folders)) {
        if program.find_subcommand(&module).is_some() {
            tell(&format!("note: `{}` holds no commands: `vmscript {module}` is something else", imports.join("`, `")));
            continue;
        }
        match session.recipes(&module, &imports) {
            Ok(recipes) => {
                rows.extend(recipes.iter().filter(|recipe| recipe.is_command()).map(|recipe| row(&module, recipe)));
            }
            // The others are of use all the same.
            Err(failure) => code = end(Err(failure), &session, color),
        }
        for (name, place) in session.undocumented(&imports) {
            tell(&format!("note: {}", for_want_of_docs(&name, &place)));
        }
        for (recipe, other) in session.passed_over(&module, &imports) {
            let (name, import) = (recipe.command_name(), recipe.import);
            tell(&format!("note: `{module} {name}` is the one of `{other}`, not of `{import}`"));
        }
    }
    (Value::List(rows), code)
}

fn row(module: &str, recipe: &Recipe) -> Value {
    let names = recipe.parameters.iter().map(|field| format!(" {}", field.name.to_uppercase()));
    let command = format!("{module} {}{}", recipe.command_name(), names.collect::<String>());
    let row = [("command", command), ("summary", recipe::first_sentence(&recipe.summary).to_string())];
    Value::Map(row.map(|(key, value)| (key.to_string(), value.into())).into_iter().collect::<Map>())
}

/// The user's folders of recipes, then those of the command line: the later one is stronger.
pub(super) fn all(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = config_folder().map(|folder| folder.join("recipes")).into_iter().collect();
    all.push(PathBuf::from("recipes"));
    all.extend(folders.iter().cloned());
    all
}
