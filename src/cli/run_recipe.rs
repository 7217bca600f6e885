//! Running a recipe as a command, and listing what there is.

use super::config::user_folder;
use super::output::{Form, Output};
use super::{bars, end, recipe};
use crate::floor::{Error, Map, Value, did_you_mean, hide};
use crate::script::{Failure, Session, Settings};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs the recipe that the words mean; nothing if their first names no module.
pub(super) fn run(
    settings: &Settings,
    folders: &[PathBuf],
    words: &[String],
    standard: Option<&str>,
    color: bool,
) -> Option<u8> {
    let module = words.first()?;
    // A path is a script; looking for modules would cost time that a script does not need.
    if module.contains(['/', '.']) || module == "-" {
        return None;
    }
    let session = Session::new(settings);
    let modules = session.recipe_modules(&all(folders));
    let Some((_, import)) = modules.iter().find(|(name, _)| name == module) else {
        return (!Path::new(module).exists()).then(|| super::fail(&unknown(module, &modules)));
    };
    let recipes = match session.recipes(module, import) {
        Ok(recipes) => recipes,
        Err(failure) => return Some(end(Err(failure), &session, color)),
    };
    let call = match recipe::parse(module, &recipes, words, standard) {
        Ok(call) => call,
        Err(error) => {
            drop(error.print());
            return Some(u8::from(error.use_stderr()));
        }
    };
    if !call.quiet {
        bars::show_steps();
    }
    let mut settings = settings.clone();
    settings.uri = call.connect.or(settings.uri);
    let mut output = call.output;
    output.width =
        rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| size.ws_col).filter(|width| *width > 0);
    if output.format != Form::Table {
        // Standard output is for the result alone.
        settings.print = Some(Arc::new(|text| bars::suspend(|| eprintln!("{}", hide(text)))));
    }
    let mut session = session.again(&settings);
    Some(match session.call_recipe(&call.recipe, call.arguments) {
        Ok(Ok(result)) => match output.text(result) {
            Ok(text) => {
                bars::suspend(|| print!("{}", hide(&text)));
                0
            }
            Err(error) => super::fail(&error),
        },
        Ok(Err(code)) => code,
        Err(failure) => end(Err(failure), &session, color),
    })
}

/// The error of a word that is neither a module nor a file.
fn unknown(word: &str, modules: &[(String, String)]) -> Error {
    let hint = did_you_mean(word, modules.iter().map(|(name, _)| name.as_str()));
    Error::argument(format!("there is no script and no module of recipes `{word}`"))
        .hint(hint.unwrap_or_else(|| "`vmscript recipes` lists the recipes".to_string()))
}

/// Lists the recipes.
pub(super) fn list(settings: &Settings, folders: &[PathBuf], color: bool) -> u8 {
    let session = Session::new(settings);
    match table(&session, folders) {
        Ok(rows) => {
            print!("{}", Output::default().text(Value::List(rows)).unwrap_or_default());
            0
        }
        Err(failure) => end(Err(failure), &session, color),
    }
}

fn table(session: &Session, folders: &[PathBuf]) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    for (module, import) in session.recipe_modules(&all(folders)) {
        for recipe in session.recipes(&module, &import)?.into_iter().filter(crate::script::Recipe::is_command) {
            let names = recipe.parameters.iter().map(|field| format!(" {}", field.name.to_uppercase()));
            let command = format!("{module} {}{}", recipe.command_name(), names.collect::<String>());
            let row = [("command", command), ("what it does", recipe::first_sentence(&recipe.summary).to_string())];
            rows.push(Value::Map(row.map(|(key, value)| (key.to_string(), value.into())).into_iter().collect::<Map>()));
        }
    }
    Ok(rows)
}

/// The user's folders of recipes, then those of the command line.
pub(super) fn all(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = user_folder().map(|folder| folder.join("vmscript/recipes")).into_iter().collect();
    all.push(PathBuf::from("recipes"));
    all.extend(folders.iter().cloned());
    all
}
