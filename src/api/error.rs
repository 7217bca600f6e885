//! Errors as scripts catch them.

use super::assertions::code as code_of;
use crate::floor::{self, Area, Options, Result, Value, did_you_mean};
use rhai::plugin::*;
use rhai::{Dynamic, EvalAltResult, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "error", error);
}

impl From<floor::Error> for Box<EvalAltResult> {
    /// Rhai fills in the position of the call.
    fn from(error: floor::Error) -> Self {
        EvalAltResult::ErrorRuntime(Dynamic::from(error), Position::NONE).into()
    }
}

/// What an error can be about, and the part of the work that failed then.
const KINDS: &[(&str, Area)] = &[
    ("connection", Area::Connection),
    ("domain", Area::Domain),
    ("host", Area::Host),
    ("network", Area::Network),
    ("pool", Area::Storage),
    ("volume", Area::Storage),
];

/// The area of an object such as `domain web`.
fn area(object: &str) -> Result<Area> {
    let kind = object.split(' ').next().unwrap_or_default();
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, area)| *area).ok_or_else(|| {
        let kinds = || KINDS.iter().map(|(name, _)| *name);
        let hint =
            did_you_mean(kind, kinds()).unwrap_or_else(|| format!("kinds: {}", kinds().collect::<Vec<_>>().join(", ")));
        let message = format!("`object` begins with its kind, such as `domain web`, unlike `{object}`");
        floor::Error::argument(message).hint(hint)
    })
}

fn hint_of(hint: &Value) -> Result<String> {
    let wrong = || floor::Error::argument(format!("`hint` must be text or a list of texts, not {}", hint.show()));
    hint.as_str().map(str::to_string).ok_or_else(wrong)
}

fn facts_of(options: &Options) -> Result<floor::Map> {
    match options.get("facts") {
        None => Ok(floor::Map::new()),
        Some(Value::Map(map)) => Ok(map.clone()),
        Some(other) => Err(floor::Error::argument(format!("`facts` must be a map, not {}", other.show()))),
    }
}

#[export_module]
mod error {
    use super::super::{RhaiResultOf, value};

    /// What a failed function throws; `catch (err)` gives it.
    pub type Error = crate::floor::Error;

    /// An error to throw, with a code such as `invalid-state` (see `err.code`): `throw error("failed", "...")`, or
    /// `assert(condition, error("failed", "..."))`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let error = assert_error("invalid-argument", || {
    ///     throw error("invalid-argument", "a range is FIRST-LAST");
    /// });
    /// assert_eq(error.message, "a range is FIRST-LAST");
    /// ```
    #[rhai_fn(name = "error", return_raw)]
    pub fn error_of(code: &str, message: &str) -> RhaiResultOf<Error> {
        error_with(code, message, Map::new())
    }

    /// An error to throw, as the options say. Code and object decide with which exit code a run ends that nobody keeps from
    /// failing: 2 for `invalid-definition`, 3 for `no-connection`, 130 for `interrupted`, 1 for `invalid-argument` and
    /// `declined`; else 4 for a
    /// domain, a host or a network, 5 for a pool or a volume, and 1 where no object is named.
    ///
    /// Options:
    /// * `object`: what it is about, its kind in front: `"domain web"`, `"network lab"`, `"pool default"`, `"volume a.qcow2"`,
    ///   `"host"`, `"connection"`.
    /// * `hint`: what to do about it, or a list. What names an option as `` `force: true` `` is shown as `--force` where
    ///   the recipe that has this option runs as a command.
    /// * `cause`: the words of whoever told of it.
    /// * `facts`: a map for `err.facts`; its `results` are shown beside the error of a command.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let error = assert_error("invalid-state", || assert(!vm.is_active,
    ///     error("invalid-state", `${vm.name} runs`, #{ object: `domain ${vm.name}`, hint: "stop it first" })));
    /// assert_eq(error.hints, ["stop it first"]);
    /// ```
    #[rhai_fn(name = "error", return_raw)]
    pub fn error_with(code: &str, message: &str, options: Map) -> RhaiResultOf<Error> {
        let options = Options::from_value("error", value(&options.into(), "")?, &["cause", "facts", "hint", "object"])?;
        let object = options.str("object")?;
        let area = object.map_or(Ok(Area::Script), area)?;
        let mut error = Error::new(code_of(code)?, area, message);
        error.object = object.map(str::to_string);
        error.cause = options.str("cause")?.map(str::to_string);
        error.hints = options.list("hint").iter().map(hint_of).collect::<Result<_>>()?;
        error.facts = facts_of(&options)?;
        Ok(error)
    }

    /// What went wrong, in a word that stays the same: `not-found`, `already-exists`, `timeout`, ...
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("nobody");
    /// } catch (err) {
    ///     assert_eq(err.code, "not-found");
    /// }
    /// ```
    #[rhai_fn(get = "code", pure)]
    pub fn code(error: &mut Error) -> String {
        error.code.name().into()
    }

    /// What went wrong, as a sentence.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("nobody");
    /// } catch (err) {
    ///     assert_eq(err.message, "there is no domain `nobody`");
    /// }
    /// ```
    #[rhai_fn(get = "message", pure)]
    pub fn message(error: &mut Error) -> String {
        error.message.clone()
    }

    /// What to do about it: a list of sentences, often empty.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("nobody");
    /// } catch (err) {
    ///     for hint in err.hints { print(hint); }
    /// }
    /// ```
    #[rhai_fn(get = "hints", pure)]
    pub fn hints(error: &mut Error) -> rhai::Array {
        error.hints.iter().map(|hint| hint.clone().into()).collect()
    }

    /// The single mistakes of a refused definition: a list of maps with `path`, `message`, `hint`, `on_key`
    /// (whether its key is wrong and not its value) and `place` (as `place_of` gives it, for what was read from a file),
    /// else empty. Of a failure that stands for several it is those of all.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     network(#{ name: "lab", bridge: #{ stp: "maybe", dely: 1 } });
    /// } catch (err) {
    ///     assert_eq(err.mistakes.map(|mistake| mistake.path), ["bridge.dely", "bridge.stp"]);
    /// }
    /// ```
    #[rhai_fn(get = "mistakes", pure)]
    pub fn mistakes(error: &mut Error) -> rhai::Array {
        let mistake = |finding: &crate::floor::Finding| {
            let hint = finding.hint.clone().map_or(Dynamic::UNIT, Into::into);
            let fields = [
                ("path".into(), finding.path.clone().into()),
                ("message".into(), finding.message.clone().into()),
                ("hint".into(), hint),
                ("on_key".into(), finding.on_key.into()),
                ("place".into(), finding.place.as_ref().map_or(Dynamic::UNIT, super::super::data::shown)),
            ];
            Dynamic::from_map(fields.into_iter().collect())
        };
        if !error.findings.is_empty() {
            return error.findings.iter().map(mistake).collect();
        }
        error.failures.iter().flat_map(|one| &one.findings).map(mistake).collect()
    }

    /// Further facts, such as what each source answered while waiting: a list of sentences, often empty.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("nobody");
    /// } catch (err) {
    ///     assert_eq(err.notes, []);
    /// }
    /// ```
    #[rhai_fn(get = "notes", pure)]
    pub fn notes(error: &mut Error) -> rhai::Array {
        error.notes.iter().map(|note| note.clone().into()).collect()
    }

    /// What is known about a wait that failed, by name: `state`, `reason`, `sources`, `leases`, `agent`, `seed`, `serial`,
    /// `elapsed`, `polls`, `next` and more. After `parallel` with `on_error: "continue"`, `results` has what each item gave.
    /// Empty for other errors.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("web").wait_for_ip(#{ timeout: "100ms", family: "ipv6" });
    /// } catch (err) {
    ///     assert_eq(err.facts.state, "running");
    /// }
    /// ```
    #[rhai_fn(get = "facts", pure)]
    pub fn facts(error: &mut Error) -> rhai::Map {
        super::super::records::record(error.facts.clone())
    }

    /// The single errors, if this one stands for several, as after `wait_all` and `parallel`; else an empty list.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     wait_all([holds(|| false), holds(|| ())], #{ timeout: "50ms" });
    /// } catch (err) {
    ///     assert_eq(err.failures.len(), 2);
    /// }
    /// ```
    #[rhai_fn(get = "failures", pure)]
    pub fn failures(error: &mut Error) -> rhai::Array {
        error.failures.iter().map(|one| Dynamic::from(one.clone())).collect()
    }

    /// The object that the error is about, such as `domain web`, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("nobody");
    /// } catch (err) {
    ///     assert_eq(err.object, "domain nobody");
    /// }
    /// ```
    #[rhai_fn(get = "object", pure)]
    pub fn object(error: &mut Error) -> Dynamic {
        error.object.clone().map_or(Dynamic::UNIT, Into::into)
    }

    /// libvirt's or the system's own words, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect("test:///no/such/file.xml");
    /// } catch (err) {
    ///     print(err.cause);
    /// }
    /// ```
    #[rhai_fn(get = "cause", pure)]
    pub fn cause(error: &mut Error) -> Dynamic {
        error.cause.clone().map_or(Dynamic::UNIT, Into::into)
    }

    /// The whole error as one line.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("nobody");
    /// } catch (err) {
    ///     print(err.to_string());
    /// }
    /// ```
    #[rhai_fn(name = "to_string", pure)]
    pub fn to_string(error: &mut Error) -> String {
        error.to_string()
    }

    /// The whole error as one line, for `debug`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     connect().domain("nobody");
    /// } catch (err) {
    ///     debug(err);
    /// }
    /// ```
    #[rhai_fn(name = "to_debug", pure)]
    pub fn to_debug(error: &mut Error) -> String {
        format!("Error({}: {error})", error.code.name())
    }
}
