//! Functions that are called when something happens, while the script goes on or waits.
//!
//! Each handler has a thread and its own subscription, so events come to it in their order, and a slow one delays nobody.
//! As with `parallel`, a function takes copies of the variables that it uses: threads cannot share them.

use super::events::kind_of;
use super::parallel::{STACK, own};
use super::records::record;
use super::{Context, RhaiResultOf, value};
use crate::floor::clock::{self, Task};
use crate::floor::{Area, Code, Error, Result, duration, interrupt};
use crate::libvirt::Events;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, Module};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a handler looks whether it shall end.
const SLICE: Duration = Duration::from_millis(50);
/// How long handlers may take for what has happened already when their session ends.
const LAST: Duration = Duration::from_secs(5);
/// The most results that are kept for the script.
const KEPT: usize = 10_000;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

type MakeEngine = dyn Fn(&Context) -> Engine + Send + Sync;

/// The handlers of a session. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Handlers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    make: Option<Box<MakeEngine>>,
    /// Made for the first handler.
    engine: Mutex<Option<Arc<Engine>>>,
    all: Mutex<Vec<Running>>,
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handlers").field(&lock(&self.0.all)).finish()
    }
}

/// A function that is called with each event until it is stopped, fails, gives `false`, or the script ends.
#[derive(Debug, Clone, Default)]
pub struct Running(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Stops the call that is being made.
    group: interrupt::Group,
    /// No more events than have come already.
    ending: AtomicBool,
    over: AtomicBool,
    results: Mutex<Array>,
    failure: Mutex<Option<Box<EvalAltResult>>>,
}

impl Handlers {
    pub(super) fn new(engine: impl Fn(&Context) -> Engine + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared { make: Some(Box::new(engine)), ..Shared::default() }))
    }

    /// Ends all of them, after what has happened already; fails if one of them failed.
    pub(super) fn end(&self) -> std::result::Result<(), Box<EvalAltResult>> {
        let all = std::mem::take(&mut *lock(&self.0.all));
        // The engine knows the session's context and with it this.
        drop(lock(&self.0.engine).take());
        for handler in &all {
            handler.0.ending.store(true, Ordering::SeqCst);
        }
        let end = Instant::now() + LAST;
        clock::aside(|| interrupt::shielded(|| all.iter().for_each(|handler| handler.end_by(end))));
        let failed = all.iter().find_map(|handler| lock(&handler.0.failure).take());
        failed.map_or(Ok(()), Err)
    }

    fn engine(&self, context: &Context) -> Result<Arc<Engine>> {
        let mut engine = lock(&self.0.engine);
        if let Some(engine) = &*engine {
            return Ok(engine.clone());
        }
        let make = self.0.make.as_ref().ok_or_else(|| Error::argument("there is no session for handlers"))?;
        Ok(engine.insert(Arc::new(make(context))).clone())
    }
}

impl Running {
    /// Waits until it is over, and stops the call that it makes when the time has come.
    fn end_by(&self, end: Instant) {
        self.wait_until(end);
        if !self.is_over() {
            self.0.group.stop();
            self.wait_until(end + LAST);
        }
        if !self.is_over() {
            tracing::warn!("a handler of events does not end: it is left behind");
        }
    }

    fn wait_until(&self, end: Instant) {
        while !self.is_over() && Instant::now() < end && interrupt::pause(SLICE).is_ok() {}
    }

    fn is_over(&self) -> bool {
        self.0.over.load(Ordering::SeqCst)
    }

    fn serve(&self, events: &Events, body: &FnPtr, call: &NativeCallContext) {
        self.0.group.join();
        loop {
            let event = if self.0.ending.load(Ordering::SeqCst) {
                match events.try_next() {
                    Some(event) => event,
                    None => break,
                }
            } else {
                match events.next(SLICE) {
                    Ok(Some(event)) => event,
                    Ok(None) => continue,
                    Err(_) => break,
                }
            };
            match body.call_within_context::<Dynamic>(call, (record(event),)) {
                Ok(result) if result.as_bool() == Ok(false) => break,
                Ok(result) if result.is_unit() => {}
                Ok(result) => {
                    let mut results = lock(&self.0.results);
                    if results.len() == KEPT {
                        drop(results.remove(0));
                    }
                    results.push(result);
                }
                // It was stopped in the middle of a call.
                Err(_) if interrupt::wanted() => break,
                Err(error) => {
                    tracing::warn!("a handler of events failed: {error}");
                    *lock(&self.0.failure) = Some(error);
                    break;
                }
            }
        }
        self.0.over.store(true, Ordering::SeqCst);
        interrupt::wake();
    }
}

/// Starts a handler on a thread of its own.
fn start(call: &NativeCallContext, events: Events, body: &FnPtr) -> Result<Running> {
    let context = Context::of(call);
    let engine = context.handlers.engine(&context)?;
    let handler = Running::default();
    let (serving, body) = (handler.clone(), own(body));
    #[allow(deprecated, reason = "marked so because it may change; the version of rhai is pinned")]
    let stored = call.store_data();
    let task = Task::begin();
    let work = move || {
        #[allow(deprecated, reason = "as above")]
        let call = stored.create_context(&engine);
        task.run(|| serving.serve(&events, &body, &call));
    };
    let thread = thread::Builder::new().name("handler".to_string()).stack_size(STACK).spawn(work);
    thread
        .map_err(|cause| Error::new(Code::Failed, Area::Host, "cannot start a thread").caused_by(cause.to_string()))?;
    lock(&context.handlers.0.all).push(handler.clone());
    Ok(handler)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[export_module]
mod functions {
    use crate::libvirt::{Domain, Host};

    /// A function that is called when something happens. It ends with the script, when it is stopped, when it fails, or when it gives `false`.
    pub type Handler = Running;

    /// Calls a function with each event of a kind (see `subscribe`) from now on, while the script goes on or waits.
    ///
    /// The function runs beside the script, one event after the other, with copies of the variables that it uses. What it gives, other than `()`, is kept: see `results`. It ends with the script, after what has happened until then; if it fails, so does the script at its end.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let seen = host.on("domain.lifecycle", |e| `${e.name} ${e.event}`);
    /// host.domain("idle").start();
    /// while seen.results.is_empty() { sleep("10ms"); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn on(call: NativeCallContext, host: &mut Host, kind: &str, deed: FnPtr) -> RhaiResultOf<Handler> {
        Ok(start(&call, host.events(&[kind_of(kind)?])?, &deed)?)
    }

    /// Calls a function with each event of a kind that is about this domain, as `host.on` does.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// let handler = vm.on("lifecycle", |e| { print(e.event); e.event != "started" });
    /// vm.start();
    /// handler.wait("5s");
    /// ```
    #[rhai_fn(name = "on", pure, return_raw)]
    pub fn on_domain(call: NativeCallContext, vm: &mut Domain, kind: &str, deed: FnPtr) -> RhaiResultOf<Handler> {
        let events = vm.host().events(&[kind_of(kind)?])?.about(&vm.uuid()?);
        Ok(start(&call, events, &deed)?)
    }

    /// What the function gave until now, oldest first, at most the last 10000.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let handler = connect().on("pool", |e| e.name);
    /// assert_eq(handler.results, []);
    /// ```
    #[rhai_fn(get = "results", pure)]
    pub fn results(handler: &mut Handler) -> Array {
        lock(&handler.0.results).clone()
    }

    /// Whether it is still called.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let handler = connect().on("network", |e| print(e));
    /// assert(handler.is_running);
    /// ```
    #[rhai_fn(get = "is_running", pure)]
    pub fn is_running(handler: &mut Handler) -> bool {
        !handler.is_over()
    }

    /// Stops it, also in the middle of a call.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let handler = connect().on("network", |e| print(e));
    /// handler.stop();
    /// assert(!handler.is_running);
    /// ```
    #[rhai_fn(pure)]
    pub fn stop(handler: &mut Handler) {
        handler.0.group.stop();
        handler.end_by(Instant::now());
    }

    /// Waits until it has ended by itself, because it gave `false` or failed; `false` if it has not in that time.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let handler = connect().on("network", |e| print(e));
    /// assert(!handler.wait("10ms"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn wait(handler: &mut Handler, timeout: Dynamic) -> RhaiResultOf<bool> {
        let end = clock::now() + duration(&value(&timeout, "timeout")?)?;
        while !handler.is_over() && clock::now() < end {
            clock::pause(SLICE)?;
        }
        interrupt::check()?;
        Ok(handler.is_over())
    }

    /// What it is.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().on("pool", |e| print(e)));
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(handler: &mut Handler) -> String {
        let state = if handler.is_over() { "has ended" } else { "is running" };
        format!("a handler of events that {state}")
    }
}
