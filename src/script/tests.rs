//! Tests of recipes: the functions `test_*` of a script.
//!
//! `setup`, if the script has it, runs before each; `host_xml` tells on which host. A function gets the host as its
//! argument if it takes one.

use super::session::Failure;
use super::{Diagnostic, Place, Session};
use crate::floor::Error;
use rhai::{AST, Dynamic, EvalAltResult, Scope};
use std::path::Path;

const PREFIX: &str = "test_";
const SETUP: &str = "setup";
const HOST: &str = "host_xml";

/// A test of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// The function's name.
    pub name: String,
    /// Its line.
    pub line: usize,
}

impl Session {
    /// The tests of a script in the order in which they stand there. The script is not run.
    pub fn tests(&self, path: &Path) -> Result<Vec<Test>, Failure> {
        let (name, tree) = self.test_script(path)?;
        let text = self.sources.get(&name).unwrap_or_default();
        let mut tests: Vec<Test> = Vec::new();
        for function in tree.iter_functions().filter(|function| function.name.starts_with(PREFIX)) {
            let name = function.name.to_string();
            if !tests.iter().any(|test| test.name == name) {
                tests.push(Test { line: line_of(&text, &name), name });
            }
        }
        tests.sort_by(|a, b| (a.line, &a.name).cmp(&(b.line, &b.name)));
        Ok(tests)
    }

    /// What `host_xml` of a script gives, if the script has it: the XML of a host, or the path of a file with that.
    pub fn test_host(&mut self, path: &Path) -> Result<Option<String>, Failure> {
        // Most scripts do not, and are parsed only when the test runs.
        if !self.sources.read(path)?.contains(HOST) {
            return Ok(None);
        }
        let (name, tree) = self.test_script(path)?;
        if !has(&tree, HOST, 0) {
            return Ok(None);
        }
        self.call_function(&name, &tree, &[format!("{HOST}()")]).map(|found| Some(found.to_string()))
    }

    /// Runs a test of a script, after `setup`.
    pub fn run_test(&mut self, path: &Path, test: &str) -> Result<(), Failure> {
        let (name, tree) = self.test_script(path)?;
        let host = self.context().host(None).map_err(|error| failure(&error))?;
        self.scope.push_constant_dynamic("host", host);
        let mut calls = Vec::new();
        for function in [SETUP, test] {
            let call = |given: &str| format!("{function}({given})");
            let all = tree.iter_functions().filter(|known| known.name == function).count();
            if all > 1 {
                let place = self.begin_of(&name, function);
                let shown =
                    Diagnostic::error(format!("there are {all} functions `{function}`, and only one would run"));
                return Err((vec![shown.hint("give each a name of its own").at(Some(place))], 1));
            }
            if has(&tree, function, 1) {
                calls.push(call("host"));
            } else if has(&tree, function, 0) {
                calls.push(call(""));
            } else if all > 0 {
                let place = self.begin_of(&name, function);
                let shown = Diagnostic::error(format!("`{function}` takes too many arguments for a test"));
                return Err((vec![shown.hint("it takes the host, or nothing").at(Some(place))], 1));
            }
        }
        self.call_function(&name, &tree, &calls).map(drop).map_err(|(mut shown, code)| {
            // What ends a run without a place of its own has that of the call that nobody wrote, or none.
            let lines = self.sources.get(&name).map_or(0, |text| text.lines().count());
            if let [only] = shown.as_mut_slice()
                && only.place.as_ref().is_none_or(|place| place.source == name && place.line > lines)
            {
                only.place = Some(self.begin_of(&name, test));
            }
            (shown, code)
        })?;
        // What happened until now is still handled; a handler that failed fails the test.
        self.context().end_handlers().or_else(|error| self.came_to_its_end(&name, *error))?;
        self.met_what_was_planned()
    }

    /// Fails if a failure that was planned has not come to pass: a test that seems to prove something about it does not.
    fn met_what_was_planned(&self) -> Result<(), Failure> {
        let Some((what, place)) = self.context().unmet_failure() else { return Ok(()) };
        let shown = Diagnostic::error(format!("the planned failure of {what} has not come to pass"));
        let shown = shown.hint("no call that it fits came since: look at its name, `object` and `after`");
        let place = place.map(|(source, line, column)| Place { source, line, column });
        Err((vec![Diagnostic { place, ..shown }], 1))
    }

    pub(super) fn begin_of(&self, source: &str, function: &str) -> Place {
        let script = self.sources.get(source).unwrap_or_default();
        Place { source: source.to_string(), line: line_of(&script, function), column: 1 }
    }

    fn test_script(&self, path: &Path) -> Result<(String, AST), Failure> {
        let name = path.display().to_string();
        let text = self.sources.read(path)?;
        let tree = self.parse(&name, &text)?;
        Ok((name, tree))
    }

    /// Runs a script's statements and then these calls; gives what the last one gave.
    fn call_function(&mut self, name: &str, tree: &AST, calls: &[String]) -> Result<Dynamic, Failure> {
        let lines = self.sources.get(name).map_or(0, |text| text.lines().count());
        // Behind the script's end: nobody wrote these calls, and nobody shall see them in an excerpt.
        let text = ["\n".repeat(lines + 1), calls.join(";\n")].concat();
        let call = self.engine.compile_with_scope(&self.scope, text);
        let call = call.map_err(|error| (vec![super::explain::parse_error(name, &error, &self.sources)], 1))?;
        let mut scope: Scope<'_> = self.scope.clone();
        let mut whole = tree.merge(&call);
        whole.set_source(name);
        let done = self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &whole);
        done.or_else(|error| self.came_to_its_end(name, *error).map(|()| Dynamic::UNIT))
    }

    /// A test that ends the run has not come to its end.
    fn came_to_its_end(&self, name: &str, error: EvalAltResult) -> Result<(), Failure> {
        match error.unwrap_inner() {
            EvalAltResult::ErrorTerminated(token, _) if token.is_int() => {
                let message = format!("the test ended the run with `exit({})`", token.as_int().unwrap_or(1));
                let (mut shown, code) = super::explain::run_error(name, thrown(error, &message), self);
                if let Some(last) = shown.pop() {
                    shown.push(last.hint("`assert_exit(code, || ...)` expects a recipe to end the run"));
                }
                Err((shown, code))
            }
            _ => self.ended(name, error).map(drop),
        }
    }
}

/// The same error with the end of the run as something that was thrown there.
fn thrown(error: EvalAltResult, message: &str) -> EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => {
            EvalAltResult::ErrorInFunctionCall(name, source, thrown(*inner, message).into(), position)
        }
        EvalAltResult::ErrorInModule(path, inner, position) => {
            EvalAltResult::ErrorInModule(path, thrown(*inner, message).into(), position)
        }
        other => EvalAltResult::ErrorRuntime(message.into(), other.position()),
    }
}

fn has(tree: &AST, name: &str, parameters: usize) -> bool {
    tree.iter_functions().any(|function| function.name == name && function.params.len() == parameters)
}

/// The line on which a function begins; the first one if it is not found.
fn line_of(text: &str, function: &str) -> usize {
    let begins = |line: &str| {
        let rest = line.trim_start().trim_start_matches("private ").strip_prefix("fn ")?.trim_start();
        Some(rest.strip_prefix(function)?.trim_start().starts_with('('))
    };
    text.lines().position(|line| begins(line) == Some(true)).map_or(1, |index| index + 1)
}

/// An error of a room below as a failure.
pub fn failure(error: &Error) -> Failure {
    (vec![Diagnostic::from_error(error)], error.exit_code())
}
