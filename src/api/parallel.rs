//! Doing the same for many items at once, on threads over shared connections.

use super::together::with_notes;
use super::{RhaiResultOf, value};
use crate::floor::{Area, Code, Error, Options, Result, Value, clock, interrupt};
use crate::libvirt::{Current, Domain};
use rhai::plugin::*;
use rhai::{Array, Dynamic, EvalAltResult, FnPtr};
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

thread_local! {
    /// What the script printed on this thread, while it works on an item.
    static PRINTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Keeps a printed line for later if this thread works on an item of `parallel`; gives it back if not.
pub fn hold_back(line: &str) -> bool {
    PRINTED.with_borrow_mut(|printed| printed.as_mut().map(|lines| lines.push(line.to_string())).is_some())
}

/// The options of `parallel`.
pub(super) struct Limits {
    limit: usize,
    carry_on: bool,
}

impl Limits {
    pub(super) fn read(options: &Options) -> Result<Self> {
        let limit = options.int("limit")?.unwrap_or(4);
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
        Ok(Self {
            limit: limit.ok_or_else(|| Error::argument("`limit` must be at least 1"))?,
            carry_on: options.one_of("on_error", &["continue", "stop"])? == Some("continue"),
        })
    }
}

/// As much as the main thread has: scripts may call each other deeply.
pub(super) const STACK: usize = 8 << 20;

/// The outcome of an item.
type Outcome = std::result::Result<Dynamic, Box<EvalAltResult>>;

/// Calls the closure for each item; the results are in the order of the items.
pub(super) fn run(call: &NativeCallContext, items: Array, body: &FnPtr, limits: &Limits) -> RhaiResultOf<Array> {
    let names: Vec<String> = items.iter().map(name).collect();
    let body = &own(body);
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Outcome>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let group = interrupt::Group::new();
    let printing = Mutex::new(());
    let transaction = Current::get();
    #[allow(deprecated, reason = "marked so because it may change; the version of rhai is pinned")]
    let stored = call.store_data();
    let engine = call.engine();
    let work = &|| {
        transaction.adopt();
        group.join();
        #[allow(deprecated, reason = "as above")]
        let call = stored.create_context(engine);
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index).filter(|_| !interrupt::wanted()) else { break };
            let outer = PRINTED.replace(Some(Vec::new()));
            let outcome = body.call_within_context::<Dynamic>(&call, (item.clone(),));
            let lines = PRINTED.replace(outer).unwrap_or_default();
            {
                let _together = printing.lock().unwrap_or_else(PoisonError::into_inner);
                for line in lines {
                    // What cannot be printed any more is no failure of the item.
                    drop(call.call_native_fn::<()>("print", (line,)));
                }
            }
            if outcome.is_err() && !limits.carry_on {
                group.stop();
            }
            *outcomes[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        }
    };
    let threads = limits.limit.min(items.len());
    if threads < 2 {
        // What is done one after the other needs no other thread, whose start takes a millisecond.
        let outer = interrupt::Group::current();
        work();
        outer.join();
    } else {
        clock::aside(|| on_threads(threads, work));
    }
    let outcomes: Vec<_> =
        outcomes.into_iter().map(|one| one.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
    if let Err(error) = interrupt::check() {
        // What was made is undone: nothing of it stands.
        return Err(if transaction.has_made() { error } else { interrupted(error, &names, &outcomes) }.into());
    }
    finish(&names, outcomes, limits.carry_on)
}

/// Does the work on so many threads at once; on this one if there can be no other.
fn on_threads(threads: usize, work: &(impl Fn() + Sync)) {
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|_| {
                let task = clock::Task::begin();
                let work = move || task.run(work);
                thread::Builder::new().name("parallel".to_string()).stack_size(STACK).spawn_scoped(scope, work)
            })
            .collect();
        if started.iter().all(std::result::Result::is_err) {
            work();
        }
    });
}

/// The results, or the failure: with one failure its own error, else one that stands for all of them.
fn finish(names: &[String], outcomes: Vec<Option<Outcome>>, carry_on: bool) -> RhaiResultOf<Array> {
    let (mut results, mut rows, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let count = outcomes.len();
    for (name, outcome) in names.iter().zip(outcomes) {
        match outcome {
            Some(Ok(result)) => {
                if carry_on {
                    rows.push(value(&result, "").unwrap_or_else(|_| result.to_string().into()));
                }
                results.push(result);
            }
            Some(Err(error)) if matches!(error.unwrap_inner(), EvalAltResult::ErrorTerminated(token, _) if token.is_int()) =>
            {
                return Err(error);
            }
            Some(Err(error)) => {
                rows.push(failed(name, &plain(&error)));
                failures.push((name, error));
            }
            // It was not begun because another had failed.
            None => {}
        }
    }
    // Who was stopped because another failed did not fail.
    let stopped = |error: &EvalAltResult| plain(error).code == Code::Interrupted;
    failures.retain(|(_, error)| !stopped(error));
    match failures.len() {
        0 => Ok(results),
        // Who asked for one thing is told about that one.
        1 if count == 1 => {
            let (name, error) = failures.remove(0);
            if !carry_on {
                return Err(error);
            }
            let mut error = plain(&error);
            error.failures = vec![of_item(name, error.clone())];
            Err(with_results(error, rows).into())
        }
        1 if !carry_on => {
            let (name, error) = failures.remove(0);
            Err(with_notes(*error, vec![format!("while working on {name}")]).into())
        }
        failed => {
            let each = failures.into_iter().map(|(name, error)| of_item(name, plain(&error)));
            let error = Error::together(&format!("{failed} of {count} items failed"), each.collect());
            Err(if carry_on { with_results(error, rows) } else { error }.into())
        }
    }
}

/// What stands for an item that failed among the results.
fn failed(name: &str, error: &Error) -> Value {
    let fields = [("name", name.trim_matches('`')), ("result", "failed"), ("error", &error.to_string())];
    Value::Map(fields.map(|(key, text)| (key.to_string(), text.into())).into_iter().collect())
}

/// An error that tells what there is of results all the same.
fn with_results(mut error: Error, results: Vec<Value>) -> Error {
    error.facts.insert("results".to_string(), Value::List(results));
    error
}

/// The wish to stop, with how far each item came.
fn interrupted(mut error: Error, names: &[String], outcomes: &[Option<Outcome>]) -> Error {
    let (mut done, mut stopped, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for (name, outcome) in names.iter().zip(outcomes) {
        match outcome.as_ref().map(|outcome| outcome.as_ref().map_err(|error| plain(error))) {
            Some(Ok(_)) => done.push(name.as_str()),
            Some(Err(one)) if one.notes.is_empty() => stopped.push(name.as_str()),
            Some(Err(mut one)) => {
                error.notes.append(&mut one.notes);
                // Who asks twice to stop cuts the connection, and knows why it is lost.
                let is_cut = one.code == Code::NoConnection;
                one.hints.retain(|hint| !is_cut && !error.hints.contains(hint));
                error.hints.append(&mut one.hints);
            }
            None => left.push(name.as_str()),
        }
    }
    for (what, names) in [("done", done), ("broken off", stopped), ("not begun", left)] {
        if !names.is_empty() {
            error.notes.push(format!("{what}: {}", names.join(", ")));
        }
    }
    error
}

/// The failure of an item among others.
fn of_item(name: &str, mut error: Error) -> Error {
    error.message = format!("{name}: {}", error.message);
    error.facts.insert("item".to_string(), name.into());
    error
}

/// An error of a script as one of ours.
pub(super) fn plain(error: &EvalAltResult) -> Error {
    match error.unwrap_inner() {
        EvalAltResult::ErrorRuntime(value, _) if value.is::<Error>() => value.clone().cast(),
        EvalAltResult::ErrorRuntime(value, _) => Error::new(Code::Failed, Area::Script, value.to_string()),
        EvalAltResult::ErrorTerminated(..) => Error::interrupted(),
        other => Error::new(Code::Failed, Area::Script, other.to_string()),
    }
}

/// A closure with copies of the variables that it captured, as threads cannot share them.
pub(super) fn own(body: &FnPtr) -> FnPtr {
    let mut copy = body.clone();
    copy.set_curry(body.iter_curry().map(|captured| match captured.clone().flatten().try_cast_result::<FnPtr>() {
        Ok(inner) => Dynamic::from(own(&inner)),
        Err(value) => value,
    }));
    copy
}

/// How an item is named in errors.
fn name(item: &Dynamic) -> String {
    let field = item.as_map_ref().ok().and_then(|map| map.get("name").map(ToString::to_string));
    let domain = item.read_lock::<Domain>().map(|domain| domain.name().to_string());
    match field.or(domain) {
        Some(name) => format!("`{name}`"),
        None => format!("`{}`", item.to_string().chars().take(60).collect::<String>()),
    }
}
