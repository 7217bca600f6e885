//! The texts of all scripts of a run, by name, and the resolver that finds imported ones.

use super::excerpt::excerpt;
use super::isolate::{isolated, isolated_by_lines};
use super::session::{Failure, language, read};
use super::stdlib;
use crate::floor::{Area, Code, Error};
use crate::schema::Kind;
use rhai::{AST, ASTNode, Dynamic, Engine, EvalAltResult, Expr, Module, ModuleResolver, Position, Scope, Shared, Stmt};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// As much as the main thread has: expressions may be deep.
const STACK: usize = 8 << 20;

/// The texts of all scripts that took part in a run. Cheap to clone; all clones share one state.
#[derive(Clone, Default)]
pub struct Sources {
    texts: Arc<RwLock<BTreeMap<String, Arc<str>>>>,
    modules: Arc<RwLock<BTreeMap<String, Shared<Module>>>>,
    /// Where relative paths start.
    base: Arc<PathBuf>,
    /// Where imports are looked for that are not beside the importing script.
    folders: Arc<[PathBuf]>,
    /// What the texts of modules were parsed to, docs included: a recipe is read for its docs first, and then imported.
    trees: Arc<RwLock<BTreeMap<String, AST>>>,
    /// The module of the stdlib whose recipe is called, as much of it as that recipe needs.
    part: Arc<OnceLock<Part>>,
    /// Whether modules of the stdlib are imported without their docs: nobody asks a command for those.
    bare: bool,
}

/// What one recipe of a module of the stdlib needs of it.
struct Part {
    path: String,
    function: String,
    /// Nothing if it cannot be parsed.
    tree: Option<AST>,
}

/// A recipe of the stdlib that is read on other threads since the program began.
pub struct Ahead {
    path: String,
    function: String,
    sources: Sources,
}

impl Ahead {
    /// Begins to read the recipe that these words call; nothing if they call none of the stdlib, or ask for help.
    pub fn begin(words: &[String]) -> Option<Self> {
        let [module, command, rest @ ..] = words else { return None };
        let path = format!("std/{module}");
        if stdlib::index(&path).is_none() || rest.iter().any(|word| word == "--help" || word == "-h") {
            return None;
        }
        let own = Self { path, function: command.replace('-', "_"), sources: Sources::default() };
        own.sources.read_ahead(&own.path, &own.function);
        Some(own)
    }
}

/// What was parsed of the modules of the stdlib without their docs, in their order. It is the same for all sessions.
static BARE: [OnceLock<Option<AST>>; stdlib::MODULES.len()] = [const { OnceLock::new() }; stdlib::MODULES.len()];

impl Sources {
    /// No texts yet. Relative paths start at `base`; imports are looked for in `folders`, too, the last one first.
    pub(super) fn new(base: Option<PathBuf>, folders: Vec<PathBuf>) -> Self {
        Self { base: Arc::new(base.unwrap_or_default()), folders: folders.into(), ..Self::default() }
    }

    /// The same, with what was read ahead.
    pub(super) fn with(self, ahead: Ahead) -> Self {
        Self { texts: ahead.sources.texts, part: ahead.sources.part, ..self }
    }

    /// The same for a run in which nobody can ask for the docs of what is imported.
    pub(super) fn for_a_command(&self) -> Self {
        Self { bare: true, ..self.clone() }
    }

    /// Reads a script.
    pub(super) fn read(&self, path: &Path) -> Result<String, Failure> {
        read(&self.base.join(path))
    }

    /// Keeps the text of a script.
    pub fn insert(&self, name: &str, text: &str) {
        self.texts.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_string(), text.into());
    }

    /// The text of a script.
    pub fn get(&self, name: &str) -> Option<Arc<str>> {
        self.texts.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Parses the script that `path` means in an `import` of the script `importer`, with its docs.
    pub(super) fn parse(
        &self,
        engine: &Engine,
        importer: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<(String, AST), Box<EvalAltResult>> {
        let (name, text) = self.find(importer, path, position)?;
        if self.get(&name).is_some_and(|known| *known == *text)
            && let Some(tree) = self.trees.read().unwrap_or_else(PoisonError::into_inner).get(&name)
        {
            return Ok((name, tree.clone()));
        }
        let tree = self.compile(engine, &name, &text, prepare(&text), position)?;
        self.trees.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), tree.clone());
        Ok((name, tree))
    }

    /// Parses of a module of the stdlib what one of its recipes needs, for a run that calls no other one of it; nothing if
    /// there is no such recipe. Who imports the module from another one gets all of it.
    pub(super) fn parse_part(
        &self,
        engine: &Engine,
        path: &str,
        function: &str,
    ) -> Option<Result<AST, Box<EvalAltResult>>> {
        let text = stdlib::text(path)?;
        let part = excerpt(text, function)?;
        let parse = || self.compile(engine, path, text, part.clone(), Position::NONE);
        // Of several recipes of one run, such as a test's, the first one is remembered.
        let known = self.part.get_or_init(|| {
            let tree = parse().ok();
            Part { path: path.to_string(), function: function.to_string(), tree }
        });
        let tree = known.tree.clone().filter(|_| known.path == path && known.function == function);
        Some(tree.map_or_else(parse, Ok))
    }

    /// Begins to parse what a recipe of the stdlib needs, on another thread: first the part of its own module, then the
    /// modules that it imports in any case, then those that it may import. If the recipe is likely to ask for a host, libvirt
    /// is loaded meanwhile, which takes longer than that.
    fn read_ahead(&self, path: &str, function: &str) {
        let (own, path, function) = (self.clone(), path.to_string(), function.to_string());
        let work = move || {
            let Some(part) = stdlib::text(&path).and_then(|text| excerpt(text, &function)) else { return };
            // Before anything else: threads that begin wait for the loader.
            if may_connect(&bare(&part)) {
                crate::api::load_ahead();
            }
            let engine = language();
            let Some(Ok(tree)) = own.parse_part(&engine, &path, &function) else { return };
            let (always, perhaps) = imports(&tree, &function);
            for path in always.iter().chain(&perhaps) {
                own.read_bare(&engine, path);
            }
            if always.iter().any(|path| path == "std/machine") {
                for path in BEHIND {
                    own.read_bare(&engine, path);
                }
            }
        };
        // Without a thread, each is parsed where it is imported.
        drop(std::thread::Builder::new().name("imports".to_string()).stack_size(STACK).spawn(work));
    }

    /// Parses a module of the stdlib and those that it imports outside of its functions.
    fn read_bare(&self, engine: &Engine, path: &str) {
        let is_new = stdlib::index(path).is_some_and(|index| BARE[index].get().is_none());
        if let (true, Some(tree)) = (is_new, self.parse_bare(engine, path)) {
            for statement in tree.statements() {
                if let Stmt::Import(import, _) = statement
                    && let Expr::StringConstant(path, _) = &import.0
                {
                    self.read_bare(engine, path);
                }
            }
        }
    }

    /// A module of the stdlib without its docs; who needs what another thread is just parsing waits for it.
    fn parse_bare(&self, engine: &Engine, path: &str) -> Option<AST> {
        let (index, text) = (stdlib::index(path)?, stdlib::text(path)?);
        self.insert(path, text);
        let parse = || self.compile(engine, path, text, bare(text), Position::NONE).ok();
        BARE[index].get_or_init(parse).clone()
    }

    /// What was parsed of a module whose recipe is called.
    fn part(&self, name: &str) -> Option<AST> {
        self.part.get().filter(|part| part.path == name)?.tree.clone()
    }

    /// Whether a function of a module that was parsed asks for the default host, unless it fails before.
    pub(super) fn connects(&self, name: &str, function: &str) -> bool {
        self.parsed(name).is_some_and(|tree| connects(&tree, function))
    }

    /// Which definitions a function of a module that was parsed is going to look into.
    pub(super) fn reads(&self, name: &str, function: &str) -> &'static [Kind] {
        let (always, perhaps) = self.parsed(name).map(|tree| imports(&tree, function)).unwrap_or_default();
        let needs = |path: &str| always.iter().chain(&perhaps).any(|other| other == path);
        match (needs("std/machine"), needs("std/deeds")) {
            (true, _) => &[Kind::Domain, Kind::Volume, Kind::Pool, Kind::DomainCapabilities],
            (false, true) => &[Kind::Domain],
            (false, false) => &[],
        }
    }

    /// What was parsed of a module.
    fn parsed(&self, name: &str) -> Option<AST> {
        let whole = || self.trees.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        self.part(name).or_else(whole)
    }

    fn compile(
        &self,
        engine: &Engine,
        name: &str,
        text: &str,
        mut prepared: String,
        position: Position,
    ) -> Result<AST, Box<EvalAltResult>> {
        self.insert(name, text);
        let compiled = |text: &str| {
            let tree = engine.compile(text);
            tree.map_err(|error| EvalAltResult::ErrorInModule(name.to_string(), Box::new(error.into()), position))
        };
        prepared = if name.starts_with("std/") {
            isolated_by_lines(&prepared)
        } else {
            isolated(&prepared, &compiled(&prepared)?)
        };
        let mut tree = compiled(&prepared)?;
        tree.set_source(name);
        Ok(tree)
    }

    fn find(
        &self,
        importer: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<(String, Cow<'static, str>), Box<EvalAltResult>> {
        self.load(importer, path)?.ok_or_else(|| {
            // Rhai's own error: `explain` adds what is there instead.
            Box::new(EvalAltResult::ErrorModuleNotFound(path.to_string(), position))
        })
    }

    /// The name and the text of the script that is meant.
    #[allow(clippy::type_complexity, reason = "it is said once")]
    fn load(&self, importer: Option<&str>, path: &str) -> Result<Option<(String, Cow<'static, str>)>, Error> {
        if path.starts_with("std/") {
            return Ok(stdlib::text(path).map(|text| (path.to_string(), text.into())));
        }
        let beside = importer.map(Path::new).and_then(Path::parent).unwrap_or(Path::new(""));
        for folder in std::iter::once(beside).chain(self.folders.iter().rev().map(PathBuf::as_path)) {
            let mut file = folder.join(path);
            if file.extension().is_none() {
                file.set_extension("rhai");
            }
            // What tests a recipe may be called like it.
            if importer.is_some_and(|importer| Path::new(importer) == file) {
                continue;
            }
            let whole = self.base.join(&file);
            match std::fs::read_to_string(&whole) {
                Ok(text) => return Ok(Some((file.display().to_string(), text.into()))),
                // One that is there and cannot be read is meant all the same.
                Err(cause) if whole.symlink_metadata().is_ok() => return Err(Error::io(&file, "read script", &cause)),
                Err(_) => {}
            }
        }
        Ok(None)
    }
}

/// What making and comparing machines comes to behind its first look at the host: parsed while that is connected to.
const BEHIND: [&str; 4] = ["std/ahead", "std/made", "std/compare", "std/view"];

/// Whether what a recipe needs of its module, or a module that it imports in any case, asks for the default host.
fn may_connect(part: &str) -> bool {
    let asks = |text: &str| text.contains("connect(");
    // What stands further to the right, or behind an `if`, may not be done.
    let mut always = part.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
    always.any(|line| match line.strip_prefix("import \"").and_then(|rest| rest.split('"').next()) {
        Some(path) => stdlib::text(path).is_some_and(|text| asks(&bare(text))),
        None => asks(line) && !line.starts_with(' ') && !line.contains("if "),
    })
}

/// From which line to which those functions go that have this name.
fn lines(tree: &AST, function: &str) -> Vec<RangeInclusive<Option<usize>>> {
    let functions = tree.shared_lib().iter_script_fn_info().filter(|(_, _, name, ..)| *name == function);
    functions.map(|(.., one)| one.body.start_position().line()..=one.body.end_position().line()).collect()
}

/// Whether a function has a call of `connect()` that no condition stands before.
fn connects(tree: &AST, function: &str) -> bool {
    let bodies = lines(tree, function);
    let mut found = false;
    tree.walk(&mut |path: &[ASTNode]| {
        if let Some((ASTNode::Expr(Expr::FnCall(call, position)), before)) = path.split_last()
            && (call.name == "connect" && call.args.is_empty())
            && bodies.iter().any(|body| body.contains(&position.line()))
        {
            found |= before.iter().all(|node| {
                matches!(node, ASTNode::Stmt(Stmt::Var(..) | Stmt::Expr(..) | Stmt::FnCall(..) | Stmt::Return(..)))
                    || matches!(node, ASTNode::Expr(Expr::FnCall(..) | Expr::MethodCall(..) | Expr::Dot(..)))
            });
        }
        true
    });
    found
}

/// Where functions call each other in a circle, if there is just one: the first call of it, which may be one of a function of itself.
pub(super) fn recursion(tree: &AST) -> Option<Position> {
    let functions: Vec<_> = tree.shared_lib().iter_script_fn_info().map(|(_, _, name, ..)| name.to_string()).collect();
    let bodies: Vec<_> = functions.iter().map(|name| (name, lines(tree, name))).collect();
    let mut calls: Vec<(&str, String, Position)> = Vec::new();
    tree.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position))) =
            path.last()
            && functions.iter().any(|name| *name == *call.name)
        {
            let around = bodies.iter().filter(|(_, bodies)| bodies.iter().any(|body| body.contains(&position.line())));
            calls.extend(around.map(|(caller, _)| (caller.as_str(), call.name.to_string(), *position)));
        }
        true
    });
    let leads = |from: &str, to: &str| {
        let mut reached = vec![from];
        let mut at = 0;
        while let Some(caller) = reached.get(at).copied() {
            for (_, callee, _) in calls.iter().filter(|(one, ..)| *one == caller) {
                if callee == to {
                    return true;
                }
                if !reached.contains(&callee.as_str()) {
                    reached.push(callee);
                }
            }
            at += 1;
        }
        false
    };
    let mut round = calls.iter().filter(|(caller, callee, _)| callee == caller || leads(callee, caller));
    let (first, _, position) = round.clone().min_by_key(|(.., position)| (position.line(), position.position()))?;
    round.all(|(caller, ..)| caller == first || leads(caller, first) && leads(first, caller)).then_some(*position)
}

/// What a function imports in any case, and what it may import, each in the order of its text.
fn imports(tree: &AST, function: &str) -> (Vec<String>, Vec<String>) {
    let bodies = lines(tree, function);
    let (mut always, mut perhaps) = (Vec::new(), Vec::new());
    tree.walk(&mut |path: &[ASTNode]| {
        if let Some((ASTNode::Stmt(Stmt::Import(import, position)), before)) = path.split_last()
            && bodies.iter().any(|body| body.contains(&position.line()))
            && let Expr::StringConstant(path, _) = &import.0
        {
            let is_open = before.iter().any(|node| matches!(node, ASTNode::Stmt(Stmt::If(..) | Stmt::Switch(..))));
            let found = if is_open { &mut perhaps } else { &mut always };
            if !found.contains(&path.to_string()) {
                found.push(path.to_string());
            }
        }
        true
    });
    (always, perhaps)
}

/// The text of a module of the stdlib without its comments, which are half of it; every place in it stays where it is.
fn bare(text: &str) -> String {
    text.lines().flat_map(|line| [if line.trim_start().starts_with("//") { "" } else { line }, "\n"]).collect()
}

/// The text as Rhai shall see it: a first line `#!...` becomes a comment, and a mark of the byte order a blank, as all places
/// stay where they are.
pub(super) fn prepare(text: &str) -> String {
    let (before, text) = text.strip_prefix('\u{feff}').map_or(("", text), |text| (" ", text));
    match text.strip_prefix("#!") {
        // With a blank: `///` and `//!` would begin a doc comment.
        Some(rest) => format!("{before}// {rest}"),
        None => format!("{before}{text}"),
    }
}

impl ModuleResolver for Sources {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let (name, text) = self.find(source, path, position)?;
        // The call of a recipe stands in no script.
        if source.is_none()
            && let Some(tree) = self.part(&name)
        {
            return Ok(Module::eval_ast_as_new(Scope::new(), &tree, engine)?.into());
        }
        if let Some(known) = self.modules.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(known.clone());
        }
        let tree = self.trees.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let tree = match tree {
            Some(tree) if self.get(&name).is_some_and(|known| *known == *text) => tree,
            _ => match if self.bare { self.parse_bare(engine, &name) } else { None } {
                Some(tree) => tree,
                None => self.compile(engine, &name, &text, prepare(&text), position)?,
            },
        };
        let _open = Open::begin(&name, position)?;
        let module = Module::eval_ast_as_new(Scope::new(), &tree, engine)
            .map_err(|error| EvalAltResult::ErrorInModule(name.clone(), error, position))?;
        // Another thread may have been faster: all share one.
        let mut modules = self.modules.write().unwrap_or_else(PoisonError::into_inner);
        Ok(modules.entry(name).or_insert_with(|| Shared::new(module)).clone())
    }
}

thread_local! {
    /// The modules whose imports this thread is at, outermost first.
    static OPEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A module is being imported on this thread as long as this lives.
struct Open;

impl Open {
    /// An error if it is already, and so imports itself.
    fn begin(name: &str, position: Position) -> Result<Self, Box<EvalAltResult>> {
        OPEN.with_borrow_mut(|open| {
            if let Some(error) = circle(open, name) {
                return Err(EvalAltResult::ErrorRuntime(Dynamic::from(error), position).into());
            }
            open.push(name.to_string());
            Ok(Self)
        })
    }
}

/// What is wrong if these modules, each imported by the one before, import this one.
pub(super) fn circle(open: &[String], name: &str) -> Option<Error> {
    let first = open.iter().position(|known| known == name)?;
    let circle = open[first..].join("` imports `");
    let message = format!("modules import each other: `{circle}` imports `{name}`");
    let hint = "an `import` inside of a function is done when the function runs";
    Some(Error::new(Code::InvalidArgument, Area::Script, message).hint(hint))
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(Vec::pop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn it_is_known_which_recipes_connect_in_any_case() {
        let engine = super::super::session::engine();
        let tree = engine.compile(stdlib::text("std/vm").expect("it is there")).expect("it parses");
        for (function, does) in
            [("create", true), ("destroy", true), ("list", true), ("render", false), ("stop", false)]
        {
            assert_eq!(connects(&tree, function), does, "{function}");
        }
    }

    #[test]
    fn it_is_known_which_recipes_may_connect() {
        for (module, function, does) in [
            ("vm", "create", true),
            ("vm", "stop", true),
            ("vm", "list", true),
            ("vm", "render", false),
            ("hypervisor", "bgp", false),
        ] {
            let text = stdlib::text(&format!("std/{module}")).expect("it is there");
            let part = excerpt(text, function).expect("it is there");
            assert_eq!(may_connect(&bare(&part)), does, "{module} {function}");
        }
    }

    #[test]
    fn modules_of_the_stdlib_mean_the_same_without_their_comments() {
        let engine = super::super::session::engine();
        let shape = |text: &str| {
            let tree = engine.compile(text).expect("a module of the stdlib parses");
            let mut nodes = String::new();
            tree.walk(&mut |path: &[rhai::ASTNode]| {
                write!(nodes, "{:?}", path.last()).expect("a string takes everything");
                true
            });
            nodes
        };
        for (path, text) in stdlib::MODULES {
            assert_eq!(shape(text), shape(&bare(text)), "{path}");
        }
    }
}
