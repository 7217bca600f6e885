//! What can be waited for.

use super::Look;
use super::cloud_init::CloudInit;
use super::guest::{AgentUp, InState};
use super::happening::{Delay, Happening, Until};
use super::ip::{Ip, WaitIp};
use super::port::Port;
use super::serial::Serial;
use super::ssh::{Login, Ssh};
use crate::floor::{Map, Result, Value};
use crate::libvirt::{Domain, EventKind, Host};
use std::time::Duration;

/// Something that can be waited for.
pub struct Condition<'a>(pub(super) Box<dyn Look + 'a>);

/// Where a port is.
#[derive(Debug, Clone)]
pub enum Target {
    /// At an address or a name; the host may have a plan who listens there.
    Address(String, Option<Host>),
    /// At the address of a domain, which is waited for first.
    Domain(Domain, WaitIp),
}

impl<'a> Condition<'a> {
    /// The domain has an address.
    pub fn ip(domain: &Domain, wait: &WaitIp) -> Self {
        Self(Box::new(Ip::new(domain, wait)))
    }

    /// The guest agent answers.
    pub fn agent(domain: &Domain) -> Self {
        Self(Box::new(AgentUp::new(domain)))
    }

    /// The domain is in the state of that word, or `gone`.
    pub fn state(domain: &Domain, word: &str) -> Result<Self> {
        Ok(Self(Box::new(InState::new(domain, word)?)))
    }

    /// Somebody listens on a TCP port.
    pub fn port(target: Target, port: u16) -> Self {
        Self(Box::new(Port::new(target, port, None)))
    }

    /// An ssh server greets, or a login succeeds if one is given.
    pub fn ssh(target: Target, port: u16, login: Option<Login>) -> Self {
        Self(Box::new(Ssh::new(target, port, login)))
    }

    /// cloud-init is done; a failure of cloud-init is one of the wait.
    pub fn cloud_init(domain: &Domain, login: Option<(Target, u16, Login)>) -> Self {
        Self(Box::new(CloudInit::new(domain, login)))
    }

    /// The serial console prints a line that the regular expression matches.
    pub fn serial(domain: &Domain, pattern: &str) -> Result<Self> {
        Ok(Self(Box::new(Serial::new(domain, pattern)?)))
    }

    /// An event of this kind and fields, of what is called so and has this name or UUID; the wait sees only what happens after it began.
    pub fn event(host: &Host, kind: EventKind, of: Option<(String, String)>, fields: Map) -> Self {
        Self(Box::new(Happening::new(host, kind, of, fields)))
    }

    /// The closure gives something other than `()` and `false`.
    pub fn until(check: impl FnMut() -> Result<Value> + 'a) -> Self {
        Self(Box::new(Until::new(check)))
    }

    /// So much time has passed.
    pub fn delay(time: Duration) -> Self {
        Self(Box::new(Delay::new(time)))
    }
}
