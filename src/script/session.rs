//! A session: one engine, one scope, the scripts that run in it.

use super::sources::{Ahead, Sources, prepare};
use super::{Confirm, Diagnostic, explain, help};
use crate::api;
use crate::floor::{hide, interrupt};
use crate::schema;
use rhai::packages::{Package, StandardPackage};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Module, OptimizationLevel, Scope, Shared};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// Takes a line that a script printed.
pub type Print = Arc<dyn Fn(&str) + Send + Sync>;

/// What a session is told from outside.
#[derive(Clone, Default)]
pub struct Settings {
    /// The URI that `connect()` uses; without it libvirt's own default.
    pub uri: Option<String>,
    /// URIs of hosts by the names that scripts may call them.
    pub hosts: BTreeMap<String, String>,
    /// The folder of libvirt's schemas; without it they are looked for.
    pub schema_dir: Option<PathBuf>,
    /// What the script sees as `args`.
    pub args: Vec<String>,
    /// Where `print` writes a line; without it nothing is printed.
    pub print: Option<Print>,
    /// The folders in which imports are looked for that are not beside the importing script.
    pub recipes: Vec<PathBuf>,
    /// The folder that relative paths of scripts start from; without it the working directory.
    pub base: Option<PathBuf>,
    /// Whether `uri` stands for whatever host a script connects to, so that nothing but libvirt's test driver is reached.
    pub confined: bool,
    /// Asked before something is destroyed; without it nothing is asked.
    pub confirm: Option<Confirm>,
}

/// How a run ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The script came to its end.
    Normally,
    /// `exit(n)`.
    Exit(u8),
}

/// Why a run ended: what to show, and the exit code.
pub type Failure = (Vec<Diagnostic>, u8);

/// A Rhai engine with everything that scripts of vmscript see.
pub struct Session {
    pub(super) engine: Engine,
    pub(super) scope: Scope<'static>,
    pub(super) sources: Sources,
    context: api::Context,
    /// The functions of the lines that ran, oldest first: see [`super::Line`].
    pub(super) libraries: Vec<Shared<Module>>,
    /// What those lines imported, by alias.
    pub(super) modules: BTreeMap<String, Shared<Module>>,
}

impl Session {
    /// Makes a session. Connects to nothing.
    pub fn new(settings: &Settings) -> Self {
        Self::within(settings, &fresh(settings))
    }

    /// Makes a session for a recipe that has been read ahead.
    pub fn after(settings: &Settings, ahead: Ahead) -> Self {
        let sources = Sources::new(settings.base.clone(), settings.recipes.clone()).with(ahead);
        Self::knowing(sources, settings, &fresh(settings))
    }

    /// Makes a session that shares the connections of another.
    pub fn within(settings: &Settings, context: &api::Context) -> Self {
        Self::knowing(Sources::new(settings.base.clone(), settings.recipes.clone()), settings, context)
    }

    /// Makes a session for a command: it knows the scripts that this one has read, and shares nothing else with it.
    #[must_use]
    pub fn again(&self, settings: &Settings) -> Self {
        Self::knowing(self.sources.for_a_command(), settings, &fresh(settings))
    }

    fn knowing(sources: Sources, settings: &Settings, context: &api::Context) -> Self {
        if let Some(folder) = &settings.schema_dir {
            schema::set_schema_dir(folder.clone());
        }
        // Handlers of events run beside the script, on an engine of their own.
        let (own, known) = (settings.clone(), sources.clone());
        let context = context.for_session(move |context| furnished(&own, &known, context));
        let engine = furnished(settings, &sources, &context);
        let mut scope = Scope::new();
        scope.push_constant("args", arguments(settings));
        let mut session = Self { engine, scope, sources, context, libraries: Vec::new(), modules: BTreeMap::new() };
        if let Some(confirm) = &settings.confirm {
            session.guard(confirm);
        }
        session
    }

    /// The connections that the session shares with its scripts.
    pub fn context(&self) -> api::Context {
        self.context.clone()
    }

    /// The texts of the scripts that ran.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Runs a script from a file.
    pub fn run_file(&mut self, path: &Path) -> Result<Ended, Failure> {
        let text = read(path)?;
        self.run(&path.display().to_string(), &text)
    }

    /// Runs a script; `name` is shown in errors, and imports are relative to it.
    pub fn run(&mut self, name: &str, text: &str) -> Result<Ended, Failure> {
        let tree = self.parse(name, text)?;
        let result = self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &tree);
        // What happened until now is still handled; a handler that failed fails the run, if nothing else did.
        let handled = self.context.end_handlers();
        match result.and(handled) {
            Ok(()) => Ok(Ended::Normally),
            Err(error) => self.ended(name, *error),
        }
    }

    /// Parses a script and keeps its text.
    pub(super) fn parse(&self, name: &str, text: &str) -> Result<AST, Failure> {
        self.sources.insert(name, text);
        match self.engine.compile_with_scope(&self.scope, prepare(text)) {
            Ok(mut tree) => {
                tree.set_source(name);
                Ok(tree)
            }
            Err(error) => Err((vec![explain::parse_error(name, &error, &self.sources)], 1)),
        }
    }

    pub(super) fn ended(&self, name: &str, error: EvalAltResult) -> Result<Ended, Failure> {
        match error.unwrap_inner() {
            EvalAltResult::ErrorTerminated(token, _) if token.is_int() => {
                let code = token.as_int().unwrap_or(1);
                Ok(Ended::Exit(u8::try_from(code.rem_euclid(256)).unwrap_or(1)))
            }
            EvalAltResult::Exit(..) => Ok(Ended::Normally),
            _ => Err(explain::run_error(name, error, self)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nobody is there any more to hear of a failure; it was logged when it came.
        drop(self.context.end_handlers());
    }
}

/// Connections for a session of its own.
fn fresh(settings: &Settings) -> api::Context {
    let context = api::Context::new(settings.uri.clone()).with_hosts(settings.hosts.clone());
    if settings.confined { context.confined() } else { context }
}

/// An engine with what a session's settings ask for.
fn furnished(settings: &Settings, sources: &Sources, context: &api::Context) -> Engine {
    let mut engine = engine();
    engine.set_module_resolver(sources.clone());
    engine.set_default_tag(Dynamic::from(context.clone()));
    if let Some(print) = settings.print.clone() {
        let print = move |text: &str| {
            let text = hide(text);
            if !api::hold_back(&text) {
                print(&text);
            }
        };
        let debug = print.clone();
        engine.on_print(print);
        engine.on_debug(move |text, _, _| debug(text));
    } else {
        engine.on_print(|_| ());
        engine.on_debug(|_, _, _| ());
    }
    // A script's scope has it too, for the parser; inside functions, which see no scope, this finds it.
    let args = arguments(settings);
    #[allow(deprecated, reason = "marked so because it may change; the version of rhai is pinned")]
    engine.on_var(move |name, _, _| Ok((name == "args").then(|| args.clone().into())));
    engine
}

fn arguments(settings: &Settings) -> rhai::Array {
    settings.args.iter().map(|arg| arg.clone().into()).collect()
}

/// Reads a script; a failure names the file and looks for a similar name beside it.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let fail = |error: crate::floor::Error| (vec![Diagnostic::from_error(&error)], error.exit_code());
    let bytes = crate::floor::read(path, "read script").map_err(|error| {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return fail(error) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let names: Vec<String> = std::fs::read_dir(folder)
            .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        let names = names
            .iter()
            .map(String::as_str)
            .filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "rhai"));
        fail(match crate::floor::did_you_mean(name, names) {
            Some(hint) => error.hint(hint),
            None => error,
        })
    })?;
    String::from_utf8(bytes).map_err(|_| {
        fail(crate::floor::Error::argument(format!("`{}` is not a script: it is not UTF-8 text", path.display())))
    })
}

/// An engine that belongs to no session: it knows no script and no guard, and can be used from every thread.
pub(super) fn bystander() -> &'static Engine {
    static BYSTANDER: LazyLock<Engine> = LazyLock::new(engine);
    &BYSTANDER
}

/// An engine with Rhai's standard library, the API and `help`, with limits that do not depend on the build.
pub(super) fn engine() -> Engine {
    // The engines of a process share what never changes. For each call of a function the engine asks one module after the
    // other: so the API is one.
    static STANDARD: LazyLock<Shared<Module>> = LazyLock::new(|| StandardPackage::new().as_shared_module());
    static API: LazyLock<Shared<Module>> = LazyLock::new(|| {
        let mut module = Module::new();
        for (_, fill) in api::parts() {
            fill(&mut module);
        }
        help::fill(&mut module);
        module.into()
    });
    let mut engine = language();
    engine.register_global_module(STANDARD.clone());
    engine.register_global_module(API.clone());
    engine.set_max_call_levels(128);
    engine.on_progress(|_| interrupt::wanted().then(|| Dynamic::from(api::Stopped)));
    engine
}

/// An engine that can parse scripts and knows no functions.
pub(super) fn language() -> Engine {
    let mut engine = Engine::new_raw();
    engine.set_strict_variables(true);
    // Most of a recipe's lines run once: folding their constants takes longer than running them.
    engine.set_optimization_level(OptimizationLevel::None);
    super::isolate::teach(&mut engine);
    engine.set_max_expr_depths(256, 256);
    engine
}
