//! Finding and calling recipes: those of the stdlib, and those of the user's folders.

use super::recipe::{Recipe, mistakes, read, undocumented};
use super::session::Failure;
use super::{Place, Session, stdlib};
use crate::api;
use crate::floor::{Error, Value};
use rhai::{Dynamic, EvalAltResult, FnPtr, Position, Scope};
use std::path::PathBuf;

impl Session {
    /// The names of the modules that hold recipes, sorted, with what `import` takes for them: the stdlib's first, then those
    /// of the user's folders, the last one first as `import` looks for them.
    pub fn recipe_modules(&self, folders: &[PathBuf]) -> Vec<(String, Vec<String>)> {
        let mut modules: std::collections::BTreeMap<String, Vec<String>> = stdlib::MODULES
            .iter()
            .map(|(path, _)| (path.trim_start_matches("std/").to_string(), vec![(*path).to_string()]))
            .collect();
        for folder in folders.iter().rev() {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            for file in entries.map(|entry| entry.path()) {
                let name = file.file_stem().and_then(|name| name.to_str());
                if let (Some(name), Some(path), Some("rhai")) =
                    (name, file.to_str(), file.extension().and_then(|kind| kind.to_str()))
                {
                    modules.entry(name.to_string()).or_default().push(path.to_string());
                }
            }
        }
        modules.into_iter().collect()
    }

    /// The recipes of a module, sorted by name. Of those of the same name the first one counts: nobody's folder takes the
    /// place of what is built in. Docs that cannot be read are an error.
    pub fn recipes(&self, module: &str, imports: &[String]) -> Result<Vec<Recipe>, Failure> {
        let mut recipes: Vec<Recipe> = Vec::new();
        for import in imports {
            match self.sources.parse(&self.engine, None, import, Position::NONE) {
                Ok((source, tree)) => {
                    let wrong = mistakes(&source, &self.sources.get(&source).unwrap_or_default(), &tree);
                    if !wrong.is_empty() {
                        return Err((wrong, 1));
                    }
                    let more = read(module, import, &tree);
                    recipes.extend(
                        more.into_iter()
                            .filter(|one| recipes.iter().all(|known| known.name != one.name))
                            .collect::<Vec<_>>(),
                    );
                }
                Err(error) => return Err(super::explain::run_error(import, *error, self)),
            }
        }
        recipes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(recipes)
    }

    /// The recipes of a module that are no commands because another one of the same name comes first, with what is imported for
    /// each and for that other one.
    pub fn passed_over(&self, module: &str, imports: &[String]) -> Vec<(Recipe, String)> {
        let (mut taken, mut found): (Vec<Recipe>, _) = (Vec::new(), Vec::new());
        for import in imports {
            let Ok((_, tree)) = self.sources.parse(&self.engine, None, import, Position::NONE) else { continue };
            for recipe in read(module, import, &tree) {
                match taken.iter().find(|known| known.name == recipe.name && known.import != recipe.import) {
                    Some(other) => found.push((recipe, other.import.clone())),
                    None => taken.push(recipe),
                }
            }
        }
        found
    }

    /// The recipe of a module of the stdlib that is a command of this name, if there is one. Not all of the module is parsed.
    pub fn recipe(&self, module: &str, imports: &[String], command: &str) -> Option<Recipe> {
        let import = imports.first()?;
        let name = command.replace('-', "_");
        // A name that Rhai keeps for itself has a `_` behind it.
        let names = [name.clone(), name + "_"];
        let tree = names.iter().find_map(|name| self.sources.parse_part(&self.engine, import, name))?.ok()?;
        read(module, import, &tree).into_iter().find(|recipe| recipe.is_command() && recipe.command_name() == command)
    }

    /// The public functions of a user's modules that are no commands for want of docs: the name of each, and its place.
    pub fn undocumented(&self, imports: &[String]) -> Vec<(String, Place)> {
        let of = |import: &String| {
            let (source, tree) = self.sources.parse(&self.engine, None, import, Position::NONE).ok()?;
            let found = undocumented(&tree, &self.sources.get(&source).unwrap_or_default());
            Some(found.into_iter().map(move |(name, line)| (name, Place { source: source.clone(), line, column: 1 })))
        };
        imports.iter().filter(|import| !import.starts_with("std/")).filter_map(of).flatten().collect()
    }

    /// Calls a recipe, in a transaction. A result that is no plain value is given as its text.
    pub fn call_recipe(&mut self, recipe: &Recipe, arguments: Vec<Value>) -> Result<Given, Failure> {
        let mut scope = Scope::new();
        let names: Vec<String> = (0..arguments.len()).map(|index| format!("argument{index}")).collect();
        for (name, argument) in names.iter().zip(arguments) {
            scope.push_constant_dynamic(name.as_str(), api::dynamic(argument));
        }
        let code = format!("import {:?} as recipe; recipe::{}({})", recipe.import, recipe.name, names.join(", "));
        // Its text is not kept: nobody wrote it, and nobody shall see it in an excerpt.
        let tree = self
            .engine
            .compile_with_scope(&scope, code)
            .map_err(|error| (vec![super::explain::parse_error(&recipe.import, &error, &self.sources)], 1))?;
        if self.sources.connects(&recipe.import, &recipe.name) {
            self.context().connect_ahead(self.sources.reads(&recipe.import, &recipe.name));
        }
        match api::in_transaction(|| self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &tree)) {
            Ok(result) => Ok(Given::All(plain(&result))),
            Err(error) => {
                let results = results(&error);
                let is_endless = matches!(error.unwrap_inner(), EvalAltResult::ErrorStackOverflow(..));
                match self.ended("", *error) {
                    Ok(super::Ended::Exit(code)) => {
                        Ok(Given::Exit(code, self.context().left().map(|left| plain(&left))))
                    }
                    Ok(super::Ended::Normally) => Ok(Given::All(Value::Unit)),
                    Err(mut failure) if is_endless => {
                        // The place of such an error is that of the outermost call, which nobody wrote.
                        for one in &mut failure.0 {
                            let begin = || self.begin_of(&recipe.import, &recipe.name);
                            one.place = Some(super::explain::endless(&recipe.import, self).unwrap_or_else(begin));
                        }
                        Err(failure)
                    }
                    Err(failure) => match results {
                        Some(results) => Ok(Given::Partly(results, failure)),
                        None => Err(failure),
                    },
                }
            }
        }
    }
}

/// How a recipe ended that did not just fail.
pub enum Given {
    /// It gave this.
    All(Value),
    /// `exit(n)`, and what it gave all the same.
    Exit(u8, Option<Value>),
    /// It failed, and gave this all the same.
    Partly(Value, Failure),
}

fn plain(result: &Dynamic) -> Value {
    // The name of a closure is nobody's.
    if result.read_lock::<FnPtr>().is_some_and(|function| function.fn_name().starts_with("anon$")) {
        return "closure".into();
    }
    api::value(result, "").unwrap_or_else(|_| result.to_string().into())
}

/// What there is to give beside an error: what each item of `parallel` gave, or `results` of a map that was thrown.
fn results(error: &EvalAltResult) -> Option<Value> {
    let EvalAltResult::ErrorRuntime(thrown, _) = error.unwrap_inner() else { return None };
    if let Some(error) = thrown.read_lock::<Error>() {
        return error.facts.get("results").cloned();
    }
    thrown.as_map_ref().ok()?.get("results").map(plain)
}
