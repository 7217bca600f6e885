//! Waiting for an event, for a closure, for time to pass.

use super::{Look, Tick};
use crate::floor::{Map, Result, Value};
use crate::libvirt::{EventKind, Events, Host};
use std::time::Duration;

/// An event.
pub(super) struct Happening {
    host: Host,
    kind: EventKind,
    /// What it is of: how that is called, and its name or UUID.
    of: Option<(String, String)>,
    fields: Map,
    events: Option<Events>,
    seen: usize,
}

impl Happening {
    pub(super) fn new(host: &Host, kind: EventKind, of: Option<(String, String)>, fields: Map) -> Self {
        Self { host: host.clone(), kind, of, fields, events: None, seen: 0 }
    }
}

impl Look for Happening {
    fn what(&self) -> String {
        let of = self.of.as_ref().map(|(called, _)| format!(" of {called}")).unwrap_or_default();
        format!("event `{}`{of}", self.kind.word())
    }

    fn word(&self) -> &'static str {
        "event"
    }

    fn begin(&mut self) -> Result<()> {
        self.events = Some(self.host.events(&[self.kind])?);
        Ok(())
    }

    fn look(&mut self, _: Tick) -> Result<Option<Map>> {
        while let Some(event) = self.events.as_ref().and_then(Events::try_next) {
            self.seen += 1;
            let named = self.of.as_ref().is_none_or(|(_, name)| *name == event.name || *name == event.uuid);
            if named && self.fields.iter().all(|(key, value)| event.fields.get(key) == Some(value)) {
                let mut fields = event.fields;
                fields.insert("kind".to_string(), event.kind.word().into());
                fields.insert("name".to_string(), event.name.into());
                return Ok(Some(fields));
            }
        }
        Ok(None)
    }

    fn said(&self) -> String {
        format!("{} other events of this kind", self.seen)
    }
}

/// A closure that gives something.
pub(super) struct Until<F> {
    check: F,
    next: Duration,
    pause: Duration,
    said: String,
}

impl<F: FnMut() -> Result<Value>> Until<F> {
    pub(super) fn new(check: F) -> Self {
        Self { check, next: Duration::ZERO, pause: Duration::from_millis(50), said: String::new() }
    }
}

impl<F: FnMut() -> Result<Value>> Look for Until<F> {
    fn what(&self) -> String {
        "expression to hold".to_string()
    }

    fn word(&self) -> &'static str {
        "until"
    }

    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        if tick.now < self.next {
            return Ok(None);
        }
        let value = (self.check)()?;
        if matches!(value, Value::Unit | Value::Bool(false)) {
            self.said = format!("it gave {}", value.show());
            self.next = tick.now + self.pause;
            // What the closure asks is unknown, so that it is asked ever more rarely, up to once a second.
            self.pause = (self.pause * 3 / 2).min(Duration::from_secs(1));
            return Ok(None);
        }
        Ok(Some(Map::from([("value".to_string(), value)])))
    }

    fn said(&self) -> String {
        self.said.clone()
    }
}

/// Time that passes.
pub(super) struct Delay {
    time: Duration,
    since: Option<Duration>,
}

impl Delay {
    pub(super) fn new(time: Duration) -> Self {
        Self { time, since: None }
    }
}

impl Look for Delay {
    fn what(&self) -> String {
        format!("delay of {:?}", self.time)
    }

    fn word(&self) -> &'static str {
        "delay"
    }

    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        let since = *self.since.get_or_insert(tick.now);
        Ok((tick.now.saturating_sub(since) >= self.time).then(Map::new))
    }
}
