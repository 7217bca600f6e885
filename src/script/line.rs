//! A session that is fed line by line: variables, functions, imports and closures live on, and a line that fails leaves
//! everything as it was.

use super::session::{Ended, Failure, read};
use super::{Place, Reference, Session};
use rhai::{AST, ASTNode, Caches, Dynamic, Expr, Scope, Stmt};
use std::collections::BTreeMap;
use std::path::Path;

/// A line (or a whole script) that was parsed but not run yet.
pub struct Line {
    name: String,
    pub(super) tree: AST,
}

/// What a line came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Its value; `()` if there is none.
    Value(Dynamic),
    /// `exit(n)`.
    Exit(u8),
}

impl Session {
    /// Parses a line; `name` is shown in errors.
    pub fn parse_line(&self, name: &str, text: &str) -> Result<Line, Failure> {
        self.parse(name, text).map(|tree| Line { name: name.to_string(), tree })
    }

    /// Parses a script from a file, to be run like a line.
    pub fn parse_file(&self, path: &Path) -> Result<Line, Failure> {
        self.parse_line(&path.display().to_string(), &read(path)?)
    }

    /// Runs a line. If it fails, variables, functions and imports are as they were before.
    pub fn run_line(&mut self, line: &Line) -> Result<Outcome, Failure> {
        let mut scope = self.scope.clone_visible();
        let shared = shared_values(&scope);
        let mut global = self.engine.new_global_runtime_state();
        global.source = line.tree.source().map(Into::into);
        global.lib = self.libraries.iter().cloned().collect();
        let functions = line.tree.shared_lib();
        if !functions.is_empty() {
            global.lib.push(functions.clone());
        }
        #[allow(deprecated, reason = "marked so because it may change; the version of rhai is pinned")]
        let result =
            self.engine.eval_statements_raw(&mut global, &mut Caches::new(), &mut scope, line.tree.statements());
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                return match self.ended(&line.name, *error) {
                    Ok(Ended::Exit(code)) => Ok(Outcome::Exit(code)),
                    Ok(Ended::Normally) => Ok(Outcome::Exit(0)),
                    Err(failure) => {
                        restore(&self.scope, shared);
                        Err(failure)
                    }
                };
            }
        };
        self.scope = scope;
        if !functions.is_empty() {
            self.libraries.push(functions.clone());
        }
        // As static modules they are there for the parser and inside functions as well.
        for (alias, module) in global.iter_imports_raw() {
            self.engine.register_static_module(alias.as_str(), module.clone());
            self.modules.insert(alias.to_string(), module.clone());
        }
        Ok(Outcome::Value(value))
    }

    /// The variables by name: the name, whether it is constant, and the value.
    pub fn variables(&self) -> Vec<(String, bool, Dynamic)> {
        // Of several of one name the last hides the others.
        let visible: BTreeMap<_, _> =
            self.scope.iter().map(|(name, constant, value)| (name.to_string(), (constant, value))).collect();
        visible.into_iter().map(|(name, (constant, value))| (name, constant, value)).collect()
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<Dynamic> {
        self.scope.get(name).map(Dynamic::flatten_clone)
    }

    /// Makes a variable; one of the same name is hidden, constant or not.
    pub fn set_variable(&mut self, name: &str, value: Dynamic) {
        self.scope.push_dynamic(name, value);
    }
}

impl Line {
    /// Where the line uses a variable first, if it does. What functions do with theirs does not count.
    pub fn uses(&self, variable: &str) -> Option<Place> {
        self.find(|node| match node {
            ASTNode::Expr(Expr::Variable(named, _, position)) if named.1.as_str() == variable => {
                let (line, column) = (position.line()?, position.position().unwrap_or(1));
                Some(Place { source: self.name.clone(), line, column })
            }
            _ => None,
        })
    }

    /// Whether running the line can change nothing: it reads variables and properties, looks up, and computes.
    pub fn only_reads(&self) -> bool {
        let changes = self.find(|node| match node {
            ASTNode::Expr(Expr::FnCall(call, _)) if call.op_token.is_some() => None,
            ASTNode::Expr(Expr::MethodCall(call, _)) if Reference::shared().looks_up(&call.name) => None,
            ASTNode::Expr(Expr::FnCall(..) | Expr::MethodCall(..)) => Some(()),
            ASTNode::Stmt(Stmt::FnCall(call, _)) if call.op_token.is_some() => None,
            ASTNode::Stmt(Stmt::Expr(_) | Stmt::Noop(_)) | ASTNode::Expr(_) => None,
            _ => Some(()),
        });
        changes.is_none() && self.tree.shared_lib().is_empty()
    }

    /// The functions that the line defines: name and number of parameters.
    pub fn functions(&self) -> Vec<(String, usize)> {
        let named = self.tree.iter_functions().filter(|function| !function.name.starts_with("anon$"));
        named.map(|function| (function.name.to_string(), function.params.len())).collect()
    }

    /// Whether the line does nothing but define functions.
    pub fn only_defines(&self) -> bool {
        self.tree.statements().iter().all(|statement| matches!(statement, Stmt::Noop(_)))
    }

    /// Whether another statement can follow without a semicolon between.
    pub fn is_closed(&self) -> bool {
        self.tree.statements().last().is_none_or(Stmt::is_self_terminated)
    }

    fn find<T>(&self, wanted: impl Fn(&ASTNode) -> Option<T>) -> Option<T> {
        let mut found = None;
        for statement in self.tree.statements() {
            statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
                found = found.take().or_else(|| nodes.last().and_then(&wanted));
                found.is_none()
            });
        }
        found
    }
}

/// What closures share with the scope: a clone of the scope would still see their changes.
fn shared_values(scope: &Scope) -> Vec<(String, Dynamic)> {
    let shared = scope.iter_raw().filter(|(.., value)| value.is_shared());
    shared.map(|(name, _, value)| (name.to_string(), value.flatten_clone())).collect()
}

fn restore(scope: &Scope, shared: Vec<(String, Dynamic)>) {
    for (name, before) in shared {
        let cell = scope.iter_raw().find(|(known, ..)| *known == name).map(|(.., value)| value.clone());
        if let Some(mut cell) = cell
            && let Some(mut now) = cell.write_lock::<Dynamic>()
        {
            *now = before;
        }
    }
}
