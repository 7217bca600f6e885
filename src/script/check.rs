//! `vmscript check`: what can be said of a script without running it.

use super::session::{Failure, read};
use super::sources::circle;
use super::{Diagnostic, Function, Place, Reference, Session, recipe};
use crate::floor::{Options, Value, nearest};
use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use std::collections::BTreeMap;
use std::path::Path;

/// The functions that there are, by name.
type Names = BTreeMap<String, Known>;

/// What is known of the functions of a name.
#[derive(Default)]
struct Known {
    /// The numbers of arguments that they take, a method's receiver counted.
    counts: Vec<usize>,
    /// The keys of the map that is the last of so many arguments, where all functions that it can be meant for declare theirs.
    options: BTreeMap<usize, Vec<String>>,
}

impl Session {
    /// Parses a script and checks that every function it calls is there and takes that many arguments, and the options that
    /// are written down in the call.
    /// Neither the script nor what it imports is run, and no host is touched.
    pub fn check_file(&mut self, path: &Path) -> Result<(), Failure> {
        let text = read(path)?;
        self.check(&path.display().to_string(), &text)
    }

    /// [`Session::check_file`] for a text.
    pub fn check(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        let (tree, mut found) = match self.parse(name, text) {
            Ok(tree) => (tree, Vec::new()),
            // What is wrong with its variables hides nothing else.
            Err((shown, code)) => match super::locate::parse(text) {
                Some(tree) => (tree, shown),
                None => return Err((shown, code)),
            },
        };
        let mut known = native(&self.engine);
        add(&mut known, &tree);
        let mut modules: BTreeMap<String, Names> = BTreeMap::new();
        let mut calls: Vec<(Position, FnCallExpr, bool)> = Vec::new();
        // What a closure in a map is called may be the name of a method, too.
        let mut closures: Vec<String> = Vec::new();
        tree.walk(&mut |nodes: &[ASTNode]| {
            match nodes.last() {
                Some(ASTNode::Stmt(Stmt::Import(import, _))) => {
                    let (Expr::StringConstant(path, position), alias) = (&import.0, &import.1) else { return true };
                    let imported = self.parse_import(name, path, *position);
                    match imported
                        .and_then(|names| self.no_circle(&mut vec![name.to_string()], path, *position).map(|()| names))
                    {
                        Ok(names) => drop(modules.insert(alias.name.to_string(), names)),
                        Err(shown) => found.extend(shown),
                    }
                }
                Some(ASTNode::Stmt(Stmt::FnCall(call, position)) | ASTNode::Expr(Expr::FnCall(call, position))) => {
                    calls.push((*position, (**call).clone(), false));
                }
                Some(ASTNode::Expr(Expr::MethodCall(call, position))) => {
                    calls.push((*position, (**call).clone(), true));
                }
                Some(ASTNode::Expr(Expr::Dot(pair, ..))) => {
                    if let Expr::MethodCall(call, position) = &pair.rhs {
                        calls.push((*position, (**call).clone(), true));
                    }
                }
                Some(ASTNode::Expr(Expr::Map(map, _))) => {
                    let entries = map.0.iter();
                    let entries =
                        entries.filter(|(_, value)| matches!(value, Expr::DynamicConstant(..) | Expr::Stmt(_)));
                    closures.extend(entries.map(|(key, _)| key.name.to_string()));
                }
                _ => {}
            }
            true
        });
        calls.sort_by_key(|(position, ..)| (position.line(), position.position()));
        calls.dedup_by_key(|(position, call, _)| (*position, call.name.clone()));
        for (position, call, method) in &calls {
            let names = if call.namespace.is_empty() {
                Some(&known)
            } else {
                // A module whose import failed was told already.
                call.namespace.path.first().and_then(|alias| modules.get(alias.name.as_str()))
            };
            let Some(names) = names else { continue };
            if let Some(shown) = wrong(call, *method, names) {
                found.push(shown.at(place(name, *position)));
            } else if !closures.iter().any(|closure| *method && *closure == *call.name) {
                let strangers = strangers(call, *method, names);
                found.extend(strangers.into_iter().map(|(position, shown)| shown.at(place(name, position))));
            }
        }
        found.sort_by_key(|one| one.place.as_ref().filter(|at| at.source == name).map(|at| (at.line, at.column)));
        if found.is_empty() { Ok(()) } else { Err((found, 1)) }
    }

    /// Refuses an import that leads back to one of the modules that it came from.
    fn no_circle(&self, open: &mut Vec<String>, path: &str, position: Position) -> Result<(), Vec<Diagnostic>> {
        let from = open.last().cloned().unwrap_or_default();
        // What cannot be parsed is told where it is checked itself.
        let Ok((source, tree)) = self.sources.parse(&self.engine, Some(&from), path, position) else { return Ok(()) };
        if let Some(error) = circle(open, &source) {
            return Err(vec![Diagnostic::from_error(&error).at(place(&from, position))]);
        }
        open.push(source);
        for statement in tree.statements() {
            if let Stmt::Import(import, _) = statement
                && let Expr::StringConstant(path, position) = &import.0
            {
                self.no_circle(open, path, *position)?;
            }
        }
        open.pop();
        Ok(())
    }

    fn parse_import(&self, name: &str, path: &str, position: Position) -> Result<Names, Vec<Diagnostic>> {
        match self.sources.parse(&self.engine, Some(name), path, position) {
            Ok((_, tree)) => {
                let mut names = Names::new();
                add(&mut names, &tree);
                Ok(names)
            }
            Err(error) => Err(super::explain::run_error(name, *error, self).0),
        }
    }
}

/// What is wrong with a call, if anything.
fn wrong(call: &FnCallExpr, method: bool, names: &Names) -> Option<Diagnostic> {
    // Operators and the closures that Rhai makes are not called by name.
    let name = call.name.as_str();
    if call.op_token.is_some() || name.starts_with("anon$") || name.contains('$') {
        return None;
    }
    let given = call.args.len() + usize::from(method);
    // A closure in a map is called like a method: whether it is there is seen only when the script runs.
    match names.get(name).map(|known| &known.counts) {
        Some(counts) if counts.contains(&given) => None,
        // A function of a script can be called as a method: then its first parameter is not the receiver.
        Some(counts) if method && counts.contains(&(given - 1)) => None,
        Some(counts) => {
            let counts: Vec<_> =
                counts.iter().map(|count| (count - usize::from(method && *count > 0)).to_string()).collect();
            let message = format!("`{name}` takes {} arguments, not {}", counts.join(" or "), call.args.len());
            let reference = Reference::shared();
            let shown = Diagnostic::error(message);
            Some(
                reference
                    .named(name)
                    .filter(|(_, f)| !f.getter && !f.setter)
                    .fold(shown, |shown, (_, function)| shown.hint(format!("it is `{}`", function.signature()))),
            )
        }
        None => {
            let shown = Diagnostic::error(format!("no function `{name}`"));
            let near =
                nearest(name, names.keys().map(String::as_str).filter(|name| name.starts_with(char::is_alphabetic)));
            Some(near.into_iter().fold(shown, |shown, near| shown.hint(format!("did you mean `{near}`?"))))
        }
    }
}

/// The keys of a call's last argument that are no options of the function, with their places.
fn strangers(call: &FnCallExpr, method: bool, names: &Names) -> Vec<(Position, Diagnostic)> {
    let given = call.args.len() + usize::from(method);
    let (Some(known), Some(Expr::Map(map, _))) = (names.get(call.name.as_str()), call.args.last()) else {
        return Vec::new();
    };
    let Some(options) = known.options.get(&given) else { return Vec::new() };
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let refused =
        |key: &str| Options::new(&call.name, [(key.to_string(), Value::Unit)].into_iter().collect(), &options);
    let keys = map.0.iter().filter_map(|(key, _)| Some((key.pos, refused(&key.name).err()?)));
    keys.map(|(position, error)| (position, Diagnostic::from_error(&error))).collect()
}

/// Rhai's own functions and the API's.
fn native(engine: &rhai::Engine) -> Names {
    // Those that Rhai knows without a registration.
    let built_in = [("call", 1..=16), ("curry", 2..=16), ("eval", 1..=1), ("is_def_fn", 2..=2), ("is_def_var", 1..=1)];
    let built_in = built_in.into_iter().chain([
        ("is_shared", 1..=1),
        ("print", 0..=1),
        ("debug", 0..=1),
        ("type_of", 1..=1),
        ("Fn", 1..=1),
    ]);
    let built_in =
        built_in.map(|(name, counts)| (name.to_string(), Known { counts: counts.collect(), ..Known::default() }));
    let mut names: Names = built_in.collect();
    for function in engine.collect_fn_metadata(
        None,
        |found| Some((found.metadata.name.to_string(), found.metadata.num_params)),
        true,
    ) {
        names.entry(function.0).or_default().counts.push(function.1);
    }
    let reference = Reference::shared();
    for (name, known) in &mut names {
        known.counts.sort_unstable();
        known.counts.dedup();
        let mut all: BTreeMap<usize, Option<Vec<String>>> = BTreeMap::new();
        for (_, function) in reference.named(name).filter(|(_, function)| takes_a_map(function)) {
            let count = function.parameters.len() + usize::from(function.receiver.is_some());
            let options = reference.options(function).map(|keys| keys.into_iter().map(str::to_string));
            match (all.entry(count).or_insert_with(|| Some(Vec::new())), options) {
                (Some(keys), Some(options)) => keys.extend(options),
                (entry, _) => *entry = None,
            }
        }
        known.options = all.into_iter().filter_map(|(count, keys)| Some((count, keys?))).collect();
    }
    names
}

/// Whether a map can be the last argument of a function.
fn takes_a_map(function: &Function) -> bool {
    let last = function.parameters.last().filter(|_| !function.getter && !function.setter);
    last.is_some_and(|last| ["any", "map"].contains(&last.kind.as_str()))
}

/// The functions of a script, which go before others of the same name. Their options are those that their docs name.
fn add(names: &mut Names, tree: &AST) {
    let recipes = recipe::read("", "", tree);
    for function in tree.iter_functions() {
        if let Some(known) = names.get_mut(function.name) {
            // Called as a method, it takes one argument less.
            known.options.retain(|count, _| *count != function.params.len() && *count != function.params.len() + 1);
        }
    }
    for function in tree.iter_functions() {
        let (known, count) = (names.entry(function.name.to_string()).or_default(), function.params.len());
        if !known.counts.contains(&count) {
            known.counts.push(count);
        }
        let recipe = recipes.iter().find(|recipe| recipe.name == function.name && recipe.takes_options);
        let options: Vec<String> = recipe
            .filter(|_| function.params.last() == Some(&"options"))
            .map(|recipe| recipe.options.iter().map(|option| option.name.clone()).collect())
            .unwrap_or_default();
        if !options.is_empty() {
            known.options.insert(count, options);
        }
    }
}

fn place(source: &str, position: Position) -> Option<Place> {
    Some(Place { source: source.to_string(), line: position.line()?, column: position.position().unwrap_or(1) })
}
