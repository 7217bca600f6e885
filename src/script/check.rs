//! `vmscript check`: what can be said of a script without running it.

use super::session::{Failure, read};
use super::sources::circle;
use super::{Diagnostic, Place, Reference, Session};
use crate::floor::nearest;
use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use std::collections::BTreeMap;
use std::path::Path;

/// The functions that there are: name to numbers of arguments, a method's receiver counted.
type Names = BTreeMap<String, Vec<usize>>;

impl Session {
    /// Parses a script and checks that every function it calls is there and takes that many arguments.
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
    match names.get(name) {
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
    let mut names: Names = built_in.map(|(name, counts)| (name.to_string(), counts.collect())).collect();
    for function in engine.collect_fn_metadata(
        None,
        |found| Some((found.metadata.name.to_string(), found.metadata.num_params)),
        true,
    ) {
        names.entry(function.0).or_default().push(function.1);
    }
    for counts in names.values_mut() {
        counts.sort_unstable();
        counts.dedup();
    }
    names
}

fn add(names: &mut Names, tree: &AST) {
    for function in tree.iter_functions() {
        let counts = names.entry(function.name.to_string()).or_default();
        if !counts.contains(&function.params.len()) {
            counts.push(function.params.len());
        }
    }
}

fn place(source: &str, position: Position) -> Option<Place> {
    Some(Place { source: source.to_string(), line: position.line()?, column: position.position().unwrap_or(1) })
}
