//! Doing things together: all or nothing.

use super::parallel::{self, Limits};
use super::records::record;
use super::value;
use crate::floor::{Code, Error, Map as Plain, Options, Result, Value, did_you_mean, duration, interrupt};
use crate::libvirt::{RetryPolicy, Transaction};
use rhai::plugin::*;
use rhai::{Array, Dynamic, EvalAltResult, FnPtr, Map, Module};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// Whether a failed call ends the run well: `exit(0)`.
fn is_good_end(error: &EvalAltResult) -> bool {
    match error.unwrap_inner() {
        EvalAltResult::ErrorTerminated(token, _) => token.as_int().is_ok_and(|code| code == 0),
        _ => false,
    }
}

/// Adds notes to the error that a script threw; where it is none of ours, the log has them.
pub(super) fn with_notes(error: EvalAltResult, notes: Vec<String>) -> EvalAltResult {
    match error {
        EvalAltResult::ErrorRuntime(value, place) if value.is::<Error>() => {
            let error = notes.into_iter().fold(value.cast::<Error>(), Error::note);
            EvalAltResult::ErrorRuntime(Dynamic::from(error), place)
        }
        EvalAltResult::ErrorInFunctionCall(name, source, inner, place) => {
            EvalAltResult::ErrorInFunctionCall(name, source, with_notes(*inner, notes).into(), place)
        }
        other => {
            for note in notes {
                tracing::warn!("{note}");
            }
            other
        }
    }
}

/// An error that can have notes, where somebody asked the script to stop.
fn stopped(error: EvalAltResult) -> EvalAltResult {
    match error.unwrap_inner() {
        EvalAltResult::ErrorTerminated(token, place) if token.is::<super::Stopped>() => {
            EvalAltResult::ErrorRuntime(Dynamic::from(Error::interrupted()), *place)
        }
        _ => error,
    }
}

/// Runs something in a transaction; see the function that scripts have.
pub(crate) fn in_transaction<T>(body: impl FnOnce() -> Result<T, Box<EvalAltResult>>) -> Result<T, Box<EvalAltResult>> {
    within(Transaction::begin(), body)
}

fn within<T>(
    transaction: Transaction,
    body: impl FnOnce() -> Result<T, Box<EvalAltResult>>,
) -> Result<T, Box<EvalAltResult>> {
    match body() {
        Ok(value) => {
            transaction.commit();
            Ok(value)
        }
        Err(error) if is_good_end(&error) => {
            transaction.commit();
            Err(error)
        }
        Err(error) => Err(with_notes(*error, transaction.undo()).into()),
    }
}

/// The options of `retry`.
fn retry_policy(given: Value, known: &[&str]) -> Result<RetryPolicy> {
    let options = Options::from_value("retry", given, known)?;
    let standard = RetryPolicy::default();
    let attempts = options.int("attempts")?.map(u32::try_from).transpose();
    let attempts = attempts.ok().map(|attempts| attempts.unwrap_or(standard.attempts)).filter(|attempts| *attempts > 0);
    let pauses = options.list("backoff").iter().map(duration).collect::<Result<Vec<_>>>()?;
    let code = |word: &Value| {
        let code = Code::ALL.iter().copied().find(|code| Some(code.name()) == word.as_str());
        code.ok_or_else(|| Error::argument(format!("`on` may list the codes of errors, not {}", word.show())))
    };
    let on = options.list("on").iter().map(code).collect::<Result<Vec<_>>>()?;
    let jitter = match options.get("jitter") {
        None => standard.jitter,
        Some(Value::Float(part)) if (0.0..=1.0).contains(part) => *part,
        Some(other) => {
            return Err(Error::argument(format!("`jitter` must be between 0.0 and 1.0, not {}", other.show())));
        }
    };
    let (settle, settle_by_type) = settle(options.get("settle"))?;
    Ok(RetryPolicy {
        attempts: attempts.ok_or_else(|| Error::argument("`attempts` must be at least 1"))?,
        pauses: if pauses.is_empty() { standard.pauses } else { pauses },
        jitter,
        on: if on.is_empty() { standard.on } else { on },
        settle,
        settle_by_type,
    })
}

/// A pause for all pools, or one for each type of pool in a map, where `other` stands for the others.
fn settle(given: Option<&Value>) -> Result<(Duration, BTreeMap<String, Duration>)> {
    let pause = |value: &Value| duration(value).map_err(|error| error.note("`settle` is a pause, or a map of them"));
    match given {
        None => Ok(Default::default()),
        Some(Value::Map(map)) => {
            if let Some(wrong) = map.keys().find(|key| *key != "other" && !POOLS.contains(&key.as_str())) {
                let hint = did_you_mean(wrong, POOLS.iter().copied())
                    .unwrap_or_else(|| format!("types of pools: {}", POOLS.join(", ")));
                return Err(Error::argument(format!("`settle`: there is no type of pools `{wrong}`")).hint(hint));
            }
            let pauses = map.iter().map(|(key, value)| Ok((key.clone(), pause(value)?)));
            let mut by_type = pauses.collect::<Result<BTreeMap<_, _>>>()?;
            Ok((by_type.remove("other").unwrap_or_default(), by_type))
        }
        Some(one) => Ok((pause(one)?, BTreeMap::new())),
    }
}

/// libvirt's types of pools.
const POOLS: &[&str] = &[
    "dir",
    "disk",
    "fs",
    "gluster",
    "iscsi",
    "iscsi-direct",
    "logical",
    "mpath",
    "netfs",
    "rbd",
    "scsi",
    "sheepdog",
    "vstorage",
    "zfs",
];

/// A policy as a script sees it: what `host.retry` is set to.
fn retry_map(policy: &RetryPolicy) -> Plain {
    let seconds = |time: &Duration| Value::Float(time.as_secs_f64());
    let settle = if policy.settle_by_type.is_empty() {
        seconds(&policy.settle)
    } else {
        let by_type = policy.settle_by_type.iter().map(|(key, time)| (key.clone(), seconds(time)));
        Value::Map(std::iter::once(("other".to_string(), seconds(&policy.settle))).chain(by_type).collect())
    };
    let fields = [
        ("attempts", i64::from(policy.attempts).into()),
        ("backoff", Value::List(policy.pauses.iter().map(seconds).collect())),
        ("jitter", Value::Float(policy.jitter)),
        ("on", Value::List(policy.on.iter().map(|code| code.name().into()).collect())),
        ("settle", settle),
    ];
    fields.map(|(key, value)| (key.to_string(), value)).into_iter().collect()
}

#[export_module]
mod functions {
    use super::super::RhaiResultOf;
    use crate::libvirt::Host;

    /// Runs a closure; if it fails, is interrupted or ends the run with `exit(n)`, everything that it made is removed
    /// again, in reverse: domains with their UEFI variables and TPM state, networks, pools and volumes.
    ///
    /// What was there before is never touched. What is about to be made is written to a journal first, so that
    /// `vmscript recover` can finish the undoing of a run that was killed. What cannot be removed is told in the notes of
    /// the error. A transaction inside another one belongs to the outer one when it has succeeded.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// try {
    ///     transaction(|| {
    ///         host.define_network(#{ name: "lab", ips: [ #{ address: "10.17.3.1", prefix: 24 } ] });
    ///         throw "changed my mind";
    ///     });
    /// } catch (err) {
    ///     assert_eq(err, "changed my mind");
    /// }
    /// assert_eq(host.find_network("lab"), ());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn transaction(call: NativeCallContext, body: FnPtr) -> RhaiResultOf<Dynamic> {
        in_transaction(|| body.call_within_context::<Dynamic>(&call, ()))
    }

    /// Runs a closure while no other run of this machine runs one under the same name: who comes later waits, and is told.
    /// Inside of one, another one of the same name goes on, but one in `parallel` would wait for ever.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// alone("the network lab", || {
    ///     if host.find_network("lab") == () { host.define_network(#{ name: "lab" }); }
    /// });
    /// ```
    #[rhai_fn(return_raw)]
    pub fn alone(call: NativeCallContext, name: &str, body: FnPtr) -> RhaiResultOf<Dynamic> {
        let _turn = crate::libvirt::alone(&[name.to_string()])?;
        body.call_within_context::<Dynamic>(&call, ())
    }

    /// Runs a closure while no other run of this machine runs one under one of these names, a list of texts.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let names = ["web", "db"].map(|name| `machine ${name}`);
    /// assert_eq(alone(names, || host.find_domain("db")), ());
    /// ```
    #[rhai_fn(name = "alone", return_raw)]
    pub fn alone_over(call: NativeCallContext, names: Array, body: FnPtr) -> RhaiResultOf<Dynamic> {
        let wrong = |kind: &str| Error::argument(format!("a name is a text, not {kind}"));
        let names: Result<Vec<_>> = names.into_iter().map(|name| name.into_string().map_err(wrong)).collect();
        let _turns = crate::libvirt::alone(&names?)?;
        body.call_within_context::<Dynamic>(&call, ())
    }

    /// Runs a closure, and then another one, whether the first has failed or not; gives what the first gave, or fails as it
    /// did. The second is left out where somebody asked to stop.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// try {
    ///     in_any_case(|| { pool.destroy(); throw "no"; }, || pool.start());
    /// } catch (err) {
    ///     assert_eq(err, "no");
    /// }
    /// assert(pool.is_active);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn in_any_case(call: NativeCallContext, body: FnPtr, after: FnPtr) -> RhaiResultOf<Dynamic> {
        let done = body.call_within_context::<Dynamic>(&call, ());
        // `catch` would see the wish to stop as well, and lose what the error tells.
        if interrupt::wanted() {
            return done;
        }
        let followed = after.call_within_context::<Dynamic>(&call, ());
        done.and_then(|done| followed.map(|_| done))
    }

    /// Runs a closure; if it fails or is stopped half-way, the error has as notes the list of texts that another closure
    /// gives then.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let done = [];
    /// try {
    ///     telling(|| done, || { done.push("the first step is done"); connect().domain("missing") });
    /// } catch (err) {
    ///     assert_eq(err.notes, ["the first step is done"]);
    /// }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn telling(call: NativeCallContext, how_far: FnPtr, body: FnPtr) -> RhaiResultOf<Dynamic> {
        body.call_within_context::<Dynamic>(&call, ()).map_err(|error| {
            let told = interrupt::shielded(|| how_far.call_within_context::<Dynamic>(&call, ()));
            let notes = told.map(|told| told.try_cast::<Array>().unwrap_or_default()).unwrap_or_default();
            with_notes(stopped(*error), notes.iter().map(Dynamic::to_string).collect()).into()
        })
    }

    /// Runs a closure; if it fails, everything that it made is removed again.
    ///
    /// Options:
    /// * `keep`: once the closure has succeeded, what it made stays, even if a transaction around this one fails.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// try {
    ///     transaction(|| {
    ///         transaction(|| host.define_network(#{ name: "lab", ips: [ #{ address: "10.17.3.1", prefix: 24 } ] }), #{ keep: true });
    ///         throw "changed my mind";
    ///     });
    /// } catch (err) {
    ///     assert_eq(err, "changed my mind");
    /// }
    /// assert_eq(host.network("lab").name, "lab");
    /// ```
    #[rhai_fn(name = "transaction", return_raw)]
    pub fn transaction_with(call: NativeCallContext, body: FnPtr, options: Map) -> RhaiResultOf<Dynamic> {
        let options = Options::from_value("transaction", value(&options.into(), "")?, &["keep"])?;
        let apart = options.bool("keep")?.unwrap_or_default();
        let transaction = if apart { Transaction::begin_apart() } else { Transaction::begin() };
        within(transaction, || body.call_within_context::<Dynamic>(&call, ()))
    }

    /// Calls a closure for each item on threads, and gives the results in the order of the items.
    ///
    /// All threads use the same connections, and their waits share their questions. What an item prints comes out together
    /// when the item is done. Variables from outside are copies in each item. The transaction around `parallel`, if there is one, covers what all items make.
    ///
    /// Options:
    /// * `limit`: how many items are worked on at once, default 4.
    /// * `on_error`: `"stop"`, the default, stops the others as Ctrl-C would when one fails; `"continue"` lets them finish,
    ///   and names each failure at the end (`err.failures`); what each item gave is in `err.facts.results`, with
    ///   `#{ name, result: "failed", error }` for an item that failed.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let made = parallel(["a", "b", "c"], |name| {
    ///     let pool = host.pool("default");
    ///     pool.create_volume(#{ name: name, capacity: "1 MiB", target: #{ format: "raw" } }).name
    /// }, #{ limit: 2 });
    /// assert_eq(made, ["a", "b", "c"]);
    /// ```
    #[rhai_fn(name = "parallel", return_raw)]
    pub fn parallel_with(call: NativeCallContext, items: Array, body: FnPtr, options: Map) -> RhaiResultOf<Array> {
        let options = Options::from_value("parallel", value(&options.into(), "")?, &["limit", "on_error"])?;
        parallel::run(&call, items, &body, &Limits::read(&options)?)
    }

    /// Calls a closure for each item on up to four threads; a failure stops the others.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(parallel([1, 2, 3], |n| n * 2), [2, 4, 6]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn parallel(call: NativeCallContext, items: Array, body: FnPtr) -> RhaiResultOf<Array> {
        parallel_with(call, items, body, Map::new())
    }

    /// Calls a closure until it succeeds: transient failures are tried again after a pause. All attempts are named in the
    /// final error. Only what may safely be done twice belongs in it.
    ///
    /// Options:
    /// * `attempts`: how often it is called at most, default 5.
    /// * `backoff`: the pause before each attempt, a list or one time for all; default `[0, 2, 3, 4, 5]`, in seconds.
    /// * `jitter`: by which part of itself a pause may vary, default `0.0`.
    /// * `on`: which codes are transient, default `["agent-unavailable", "busy", "no-connection"]`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let tries = 0;
    /// let value = retry(|| { tries += 1; if tries < 3 { throw "not yet"; } tries }, #{ backoff: "10ms", on: ["failed"] });
    /// assert_eq(value, 3);
    /// ```
    #[rhai_fn(name = "retry", return_raw)]
    pub fn retry_with(call: NativeCallContext, body: FnPtr, options: Map) -> RhaiResultOf<Dynamic> {
        let policy = retry_policy(value(&options.into(), "")?, &["attempts", "backoff", "jitter", "on"])?;
        let done = policy.run(
            || body.call_within_context::<Dynamic>(&call, ()).map_err(|error| *error),
            |error| (parallel::plain(error).code, error.to_string()),
        );
        done.map_err(|(error, notes)| with_notes(error, notes).into())
    }

    /// Calls a closure until it succeeds, at most five times: transient failures are tried again after a pause.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = retry(|| connect().domain("web"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn retry(call: NativeCallContext, body: FnPtr) -> RhaiResultOf<Dynamic> {
        retry_with(call, body, Map::new())
    }

    /// How often and when this host's operations are tried again where libvirt is busy or the connection is lost: the
    /// options of `retry`, and `settle`. It can be set as a whole or field by field.
    ///
    /// * `settle`: a pause after each operation that libvirt finishes by itself later, such as an upload; one for all
    ///   pools, or a map with one for each type of pool, where `other` stands for the others. Default none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// assert_eq(host.retry.backoff, [0.0, 2.0, 3.0, 4.0, 5.0]);
    /// host.retry.attempts = 3;
    /// assert_eq(host.retry.attempts, 3);
    /// ```
    #[rhai_fn(get = "retry", pure)]
    pub fn get_retry(host: &mut Host) -> Map {
        record(retry_map(&host.retry()))
    }

    /// Sets how often and when this host's operations are tried again.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// host.retry = #{ attempts: 3, backoff: [0, 1, 2], settle: #{ other: 0, rbd: "2s" } };
    /// ```
    #[rhai_fn(set = "retry", pure, return_raw)]
    pub fn set_retry(host: &mut Host, options: Map) -> RhaiResultOf<()> {
        host.set_retry(retry_policy(value(&options.into(), "")?, &["attempts", "backoff", "jitter", "on", "settle"])?);
        Ok(())
    }
}
