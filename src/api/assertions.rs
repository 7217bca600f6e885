//! Assertions: what must hold, else the run ends.

use super::parallel::plain;
use super::{Context, RhaiResultOf};
use crate::floor::{Area, Code, Error, Result, did_you_mean};
use rhai::plugin::*;
use rhai::{Dynamic, EvalAltResult, FnPtr, Module};
use std::collections::BTreeSet;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// How the message of a failed assertion begins.
const FAILED: &str = "assertion failed";

/// A failed assertion.
fn failed(what: &str) -> Error {
    Error::new(Code::Failed, Area::Script, format!("{FAILED}: {what}"))
}

/// A value as a failure shows it: as it is written, and objects as they tell of themselves.
fn shown(call: &NativeCallContext, value: &Dynamic) -> String {
    if let Ok(items) = value.as_array_ref() {
        let items: Vec<_> = items.iter().map(|item| shown(call, item)).collect();
        return format!("[{}]", items.join(", "));
    }
    if let Ok(map) = value.as_map_ref() {
        let fields: Vec<_> = map.iter().map(|(key, item)| format!("{key:?}: {}", shown(call, item))).collect();
        return format!("#{{{}}}", fields.join(", "));
    }
    if let Ok(letter) = value.as_char() {
        return format!("{letter:?}");
    }
    if value.is_string() {
        return format!("{:?}", value.to_string());
    }
    if value.is_unit() {
        return "()".to_string();
    }
    let told = call.call_native_fn::<ImmutableString>("to_string", (value.clone(),));
    told.map_or_else(|_| value.to_string(), |text| text.to_string())
}

/// Whether two values are equal; those of different types have no `==`, and are not.
fn equal(call: &NativeCallContext, left: &Dynamic, right: &Dynamic) -> bool {
    call.call_native_fn::<bool>("==", (left.clone(), right.clone())).unwrap_or(false)
}

/// Where two lists, maps or texts of several lines differ first, and how.
fn difference(call: &NativeCallContext, left: &Dynamic, right: &Dynamic, at: &str) -> Option<String> {
    let inner = |left: Option<&Dynamic>, right: Option<&Dynamic>, at: String| match (left, right) {
        (Some(left), Some(right)) if equal(call, left, right) => None,
        (Some(left), Some(right)) => difference(call, left, right, &at)
            .or_else(|| Some(format!("at `{at}`: {} is not equal to {}", shown(call, left), shown(call, right)))),
        (Some(left), None) => Some(format!("at `{at}`: only the first has {}", shown(call, left))),
        (None, Some(right)) => Some(format!("at `{at}`: only the second has {}", shown(call, right))),
        (None, None) => None,
    };
    if let (Ok(left), Ok(right)) = (left.as_array_ref(), right.as_array_ref()) {
        return (0..left.len().max(right.len()))
            .find_map(|index| inner(left.get(index), right.get(index), format!("{at}[{index}]")));
    }
    if let (Ok(left), Ok(right)) = (left.as_map_ref(), right.as_map_ref()) {
        let dot = if at.is_empty() { "" } else { "." };
        let keys: BTreeSet<_> = left.keys().chain(right.keys()).collect();
        return keys
            .into_iter()
            .find_map(|key| inner(left.get(key.as_str()), right.get(key.as_str()), format!("{at}{dot}{key}")));
    }
    let (left, right) = (left.as_immutable_string_ref().ok()?, right.as_immutable_string_ref().ok()?);
    if !left.trim_end().contains('\n') && !right.trim_end().contains('\n') {
        return None;
    }
    let count = left.lines().count().max(right.lines().count());
    let place = if at.is_empty() { String::new() } else { format!("at `{at}`, ") };
    (0..count).map(|index| (index, left.lines().nth(index), right.lines().nth(index))).find(|(_, a, b)| a != b).map(
        |(index, a, b)| {
            let line = |line: Option<&str>| line.map_or_else(|| "no such line".to_string(), |line| format!("{line:?}"));
            format!("{place}line {}: {} is not equal to {}", index + 1, line(a), line(b))
        },
    )
}

/// The code of a name.
pub(super) fn code(name: &str) -> Result<Code> {
    let names = || Code::ALL.iter().map(|code| code.name());
    Code::ALL.iter().copied().find(|code| code.name() == name).ok_or_else(|| {
        let hint = did_you_mean(name, names());
        let hint = hint.unwrap_or_else(|| format!("codes: {}", names().collect::<Vec<_>>().join(", ")));
        Error::argument(format!("there is no error code `{name}`")).hint(hint)
    })
}

/// The error of a closure that must fail.
fn failure(call: &NativeCallContext, body: &FnPtr) -> RhaiResultOf<Option<Error>> {
    match body.call_within_context::<Dynamic>(call, ()) {
        Ok(_) => Ok(None),
        // Neither the end of the run nor a mistake of the script, such as a misspelt function, is the failure that is meant.
        Err(error) if !matches!(error.unwrap_inner(), EvalAltResult::ErrorRuntime(..)) => Err(error),
        Err(error) => match plain(&error) {
            inner if inner.message.starts_with(FAILED) => Err(error),
            failure => Ok(Some(failure)),
        },
    }
}

#[export_module]
mod functions {
    /// Fails unless a closure ends the run with this exit code, as `exit` and the recipes do that run a program for the user.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_exit(3, || exit(3));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_exit(call: NativeCallContext, code: i64, body: FnPtr) -> RhaiResultOf<()> {
        let Err(error) = body.call_within_context::<Dynamic>(&call, ()) else {
            return Err(failed(&format!("the closure did not end the run with {code}")).into());
        };
        match error.unwrap_inner() {
            EvalAltResult::ErrorTerminated(token, _) if token.is_int() => match token.as_int().unwrap_or(1) {
                found if found == code => Ok(()),
                found => Err(failed(&format!("the closure ended the run with {found}, not with {code}")).into()),
            },
            _ => Err(error),
        }
    }

    /// Fails unless the condition holds.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(1 + 1 == 2);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert(condition: bool) -> RhaiResultOf<()> {
        if condition { Ok(()) } else { Err(Error::new(Code::Failed, Area::Script, FAILED).into()) }
    }

    /// Fails with the message unless the condition holds.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(args.len() < 2, "usage: provision.rhai [IMAGE]");
    /// ```
    #[rhai_fn(name = "assert", return_raw)]
    pub fn assert_message(condition: bool, message: &str) -> RhaiResultOf<()> {
        if condition { Ok(()) } else { Err(Error::new(Code::Failed, Area::Script, message).into()) }
    }

    /// Fails with an error, such as `error` makes, unless the condition holds.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// assert(pool.is_active, error("invalid-state", `the pool ${pool.name} is not started`, #{ object: `pool ${pool.name}` }));
    /// ```
    #[rhai_fn(name = "assert", return_raw)]
    pub fn assert_or(condition: bool, error: Error) -> RhaiResultOf<()> {
        if condition { Ok(()) } else { Err(error.into()) }
    }

    /// Fails unless the two values are equal, and shows both.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq([1, 2].len(), 2);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_eq(call: NativeCallContext, left: Dynamic, right: Dynamic) -> RhaiResultOf<()> {
        if equal(&call, &left, &right) {
            return Ok(());
        }
        let error = failed(&format!("{} is not equal to {}", shown(&call, &left), shown(&call, &right)));
        Err(match difference(&call, &left, &right, "") {
            Some(difference) => error.note(difference).into(),
            None => error.into(),
        })
    }

    /// Fails if the two values are equal, and shows them.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// assert_ne(host.domain("web").uuid, host.domain("idle").uuid);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_ne(call: NativeCallContext, left: Dynamic, right: Dynamic) -> RhaiResultOf<()> {
        if equal(&call, &left, &right) {
            return Err(failed(&format!("both are {}", shown(&call, &left))).into());
        }
        Ok(())
    }

    /// Fails unless a text, a list or a map contains something: a part, an item, a key.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_contains("web-1.qcow2", "web");
    /// assert_contains(connect().domains().map(|vm| vm.name), "web");
    /// assert_contains(#{ name: "web" }, "name");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_contains(call: NativeCallContext, whole: Dynamic, part: Dynamic) -> RhaiResultOf<()> {
        let found = if let Ok(items) = whole.as_array_ref() {
            items.iter().any(|item| equal(&call, item, &part))
        } else {
            call.call_native_fn::<bool>("contains", (whole.clone(), part.clone())).unwrap_or(false)
        };
        if found {
            return Ok(());
        }
        Err(failed(&format!("{} does not contain {}", shown(&call, &whole), shown(&call, &part))).into())
    }

    /// Fails unless two numbers differ by at most a tolerance.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_near(0.1 + 0.2, 0.3, 0.001);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_near(left: Dynamic, right: Dynamic, tolerance: Dynamic) -> RhaiResultOf<()> {
        #[allow(clippy::cast_precision_loss, reason = "what is near need not be exact")]
        let number = |value: &Dynamic| {
            let number = value.as_float().or_else(|_| value.as_int().map(|whole| whole as f64));
            number.map_err(|kind| Error::argument(format!("`assert_near` compares numbers, not {kind}")))
        };
        let (a, b, most) = (number(&left)?, number(&right)?, number(&tolerance)?);
        if (a - b).abs() <= most {
            return Ok(());
        }
        Err(failed(&format!("{left} is not within {tolerance} of {right}")).into())
    }

    /// Fails unless a closure fails, and gives its error. What is wrong with the script itself, such as a function that is not
    /// there, and an assertion that fails in it are not meant, and end the run as ever.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let error = assert_error(|| throw "no such luck");
    /// assert_eq(error.message, "no such luck");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_error(call: NativeCallContext, body: FnPtr) -> RhaiResultOf<Dynamic> {
        let error = failure(&call, &body)?;
        Ok(error.map(Dynamic::from).ok_or_else(|| failed("nothing failed"))?)
    }

    /// Fails unless a closure fails with an error of this code, and gives that error. What a script throws has the code `failed`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let error = assert_error("not-found", || connect().domain("nobody"));
    /// assert_contains(error.message, "nobody");
    /// ```
    #[rhai_fn(name = "assert_error", return_raw)]
    pub fn assert_error_code(call: NativeCallContext, code: &str, body: FnPtr) -> RhaiResultOf<Dynamic> {
        let wanted = super::code(code)?;
        match failure(&call, &body)? {
            Some(error) if error.code == wanted => Ok(Dynamic::from(error)),
            Some(error) => {
                let message = format!("the error is `{}`, not `{code}`", error.code.name());
                Err(failed(&message).note(error.to_string()).into())
            }
            None => Err(failed(&format!("nothing failed with `{code}`")).into()),
        }
    }

    /// Calls a closure, and fails unless the default host is the same afterwards: its domains with their snapshots and
    /// saved states, networks, pools and volumes. Gives what the closure gives.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// fail("start");
    /// assert_unchanged(|| {
    ///     assert_error("failed", || transaction(|| {
    ///         host.define_network(#{ name: "lab" });
    ///         host.network("lab").start();
    ///     }));
    /// });
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_unchanged(call: NativeCallContext, body: FnPtr) -> RhaiResultOf<Dynamic> {
        let host = Context::of(&call).connect(None, false)?;
        let before = host.inventory()?;
        let gave = body.call_within_context::<Dynamic>(&call, ())?;
        let changes = host.inventory()?.changes_since(&before);
        if changes.is_empty() {
            return Ok(gave);
        }
        let error = failed("the host is not as it was before");
        Err(changes.into_iter().fold(error, Error::note).into())
    }
}
