//! What happens on a host, one event after another.

use super::records::record;
use super::{RhaiResultOf, value};
use crate::floor::{Error, Map, Result, Value, did_you_mean, duration};
use crate::libvirt::{Event, EventKind, Events as Queue};
use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Module};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// A subscription that scripts may hand around.
#[derive(Debug, Clone)]
pub struct Subscription(Arc<Mutex<Queue>>);

pub(super) fn kind_of(word: &str) -> Result<EventKind> {
    EventKind::from_word(word).ok_or_else(|| {
        let words = || EventKind::ALL.iter().map(|kind| kind.word());
        let hint =
            did_you_mean(word, words()).unwrap_or_else(|| format!("kinds: {}", words().collect::<Vec<_>>().join(", ")));
        Error::argument(format!("there is no kind of event `{word}`")).hint(hint)
    })
}

impl From<Event> for Value {
    fn from(event: Event) -> Self {
        let named = [("kind", event.kind.word().into()), ("name", event.name.into()), ("uuid", event.uuid.into())];
        let mut map: Map = named.map(|(key, value): (&str, Self)| (key.to_string(), value)).into_iter().collect();
        map.extend(event.fields);
        Self::Map(map)
    }
}

#[export_module]
mod functions {
    use crate::libvirt::Host;

    /// A subscription: the events that were not taken yet. It ends with its last copy.
    pub type Events = Subscription;

    /// Subscribes to kinds of events. A kind that the host's driver does not know never comes.
    ///
    /// Kinds:
    /// * of domains: `lifecycle`, `reboot`, `watchdog`, `io-error`, `block-job`, `block-threshold`, `agent`, `device-added`, `device-removed`, `device-removal-failed`, `balloon`, `job-completed`, `metadata`, `migration-iteration`, `pm-suspend`, `pm-suspend-disk`, `pm-wakeup`, `rtc-change`, `tray`; also written as `domain.lifecycle` and so on.
    /// * of other objects: `network`, `pool`, `pool-refresh`, `node-device`, `node-device-update`, `secret`, `secret-value`; also written as `network.lifecycle`, `pool.refresh` and so on.
    /// * of the connection: `closed`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let events = host.subscribe(["lifecycle"]);
    /// host.domain("idle").start();
    /// let event = events.next("5s");
    /// assert_eq(`${event.name} ${event.event}`, "idle started");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn subscribe(host: &mut Host, kinds: Array) -> RhaiResultOf<Events> {
        let kinds = kinds.iter().map(|kind| kind_of(&kind.to_string())).collect::<Result<Vec<_>>>()?;
        Ok(Subscription(Arc::new(Mutex::new(host.events(&kinds)?))))
    }

    /// The next event, `#{ kind, name, uuid, ... }` with the details of its kind such as `event` and `detail` of `lifecycle`; `()` when none comes in time. It may have happened before the call, but not before the subscription.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let events = connect().subscribe(["lifecycle"]);
    /// assert_eq(events.next("10ms"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn next(events: &mut Events, timeout: Dynamic) -> RhaiResultOf<Dynamic> {
        let timeout = duration(&value(&timeout, "timeout")?)?;
        let next = events.0.lock().unwrap_or_else(PoisonError::into_inner).next(timeout)?;
        Ok(next.map_or(Dynamic::UNIT, |event| record(event).into()))
    }

    /// Calls a function with each event until it gives `false`, or until none comes for so long.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let events = host.subscribe(["lifecycle"]);
    /// let vm = host.domain("idle");
    /// vm.start();
    /// vm.destroy();
    /// events.each("5s", |event| event.event != "stopped");
    /// assert_eq(events.next("10ms"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn each(call: NativeCallContext, events: &mut Events, timeout: Dynamic, deed: FnPtr) -> RhaiResultOf<()> {
        let timeout = duration(&value(&timeout, "timeout")?)?;
        loop {
            let next = events.0.lock().unwrap_or_else(PoisonError::into_inner).next(timeout)?;
            let Some(event) = next else { return Ok(()) };
            let go_on: Dynamic = deed.call_within_context(&call, (record(event),))?;
            if go_on.as_bool() == Ok(false) {
                return Ok(());
            }
        }
    }

    /// Waits for the next event of a kind from now on; `()` when none comes in time. To miss nothing, `subscribe` before the deed.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().next_event("lifecycle", "10ms"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn next_event(host: &mut Host, kind: &str, timeout: Dynamic) -> RhaiResultOf<Dynamic> {
        let timeout = duration(&value(&timeout, "timeout")?)?;
        let next = host.events(&[kind_of(kind)?])?.next(timeout)?;
        Ok(next.map_or(Dynamic::UNIT, |event| record(event).into()))
    }

    /// What it is.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().subscribe(["pool"]));
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(events: &mut Events) -> String {
        let _ = events;
        "a subscription to events".into()
    }
}
