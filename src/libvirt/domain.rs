//! Domains: what they are.

use super::address::{Interface, Source, merge};
use super::cause::Explain;
use super::link::Live;
use super::object::{Kind, Object};
use super::retry::{ask, repeatedly};
use super::{Host, State, ffi};
use crate::floor::{Code, Error, Result};
use crate::schema::xml;
use virt::sys;

/// A domain on a host: a virtual machine and its definition.
#[derive(Debug, Clone)]
pub struct Domain {
    host: Host,
    raw: Live<virt::domain::Domain>,
    object: Object,
}

/// A domain's sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainInfo {
    /// The most memory it may have, in bytes.
    pub max_memory: u64,
    /// The memory it has, in bytes.
    pub memory: u64,
    /// Its virtual processors.
    pub vcpus: u32,
    /// The processor time it has used, in nanoseconds.
    pub cpu_time: u64,
}

impl Domain {
    pub(super) fn new(host: &Host, raw: virt::domain::Domain) -> Result<Self> {
        let name = raw.name().explain("ask for a domain's name on", host.object())?;
        Ok(Self { host: host.clone(), raw: Live::new(host.link(), raw), object: Object::new(Kind::Domain, &name) })
    }

    /// The host it is on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// Its UUID.
    pub fn uuid(&self) -> Result<String> {
        self.raw()?.uuid_string().explain("ask for the UUID of", &self.object)
    }

    /// Its number while it runs.
    pub fn id(&self) -> Option<u32> {
        self.raw().ok()?.id()
    }

    /// What libvirt has to say of it as it runs.
    pub fn messages(&self) -> Result<Vec<String>> {
        ask(&self.host, || ffi::domain_messages(&self.raw()?).explain("ask what libvirt says of", &self.object))
    }

    /// Its state and how it came to it.
    pub fn state(&self) -> Result<State> {
        self.planned_end()?;
        let (number, reason) =
            ask(&self.host, || ffi::domain_state(&self.raw()?).explain("ask for the state of", &self.object))?;
        Ok(State::new(number, reason))
    }

    /// Whether it runs, be it paused.
    pub fn is_active(&self) -> Result<bool> {
        ask(&self.host, || self.raw()?.is_active().explain("ask for the state of", &self.object))
    }

    /// Whether it stays when it stops.
    pub fn is_persistent(&self) -> Result<bool> {
        ask(&self.host, || self.raw()?.is_persistent().explain("ask for the state of", &self.object))
    }

    /// Whether it starts with the host.
    pub fn autostart(&self) -> Result<bool> {
        ask(&self.host, || self.raw()?.autostart().explain("ask for the autostart of", &self.object))
    }

    /// Sets whether it starts with the host.
    pub fn set_autostart(&self, on: bool) -> Result<()> {
        repeatedly(&self.host, || {
            self.host.attempt("set_autostart", &self.object)?;
            self.raw()?.set_autostart(on).explain("set the autostart of", &self.object)
        })
    }

    /// Its sizes.
    pub fn info(&self) -> Result<DomainInfo> {
        let info = ask(&self.host, || self.raw()?.info().explain("ask for the sizes of", &self.object))?;
        Ok(DomainInfo {
            max_memory: info.max_mem.saturating_mul(1024),
            memory: info.memory.saturating_mul(1024),
            vcpus: info.nr_virt_cpu,
            cpu_time: info.cpu_time,
        })
    }

    /// Its XML: the running domain's if it runs, else the definition's.
    pub fn xml(&self) -> Result<String> {
        ask(&self.host, || self.raw()?.xml_desc(0).explain("read the XML of", &self.object))
    }

    /// The XML that its next start will use.
    pub fn inactive_xml(&self) -> Result<String> {
        ask(&self.host, || self.raw()?.xml_desc(sys::VIR_DOMAIN_XML_INACTIVE).explain("read the XML of", &self.object))
    }

    /// Stops and undefines it, and is content if it is gone already.
    pub(super) fn purge(&self) -> Result<()> {
        let gone = |error: &Error| error.code == Code::NotFound;
        match self.is_active() {
            Ok(true) => match self.destroy(false) {
                // It may stop by itself at this very moment.
                Err(error) if !gone(&error) && self.is_active().unwrap_or(false) => return Err(error),
                _ => {}
            },
            Err(error) if gone(&error) => return Ok(()),
            other => drop(other?),
        }
        match self.undefine() {
            Err(error) if gone(&error) || self.host.find_domain(self.name())?.is_none() => Ok(()),
            done => done,
        }
    }

    /// Its interfaces with their addresses, as these sources know them. With one source its failure is the answer;
    /// with several, a failing source counts as knowing nothing, unless all of them fail.
    pub fn interface_addresses(&self, sources: &[Source]) -> Result<Vec<Interface>> {
        let mut found = Vec::new();
        let mut failed = None;
        let mut answered = false;
        for &source in sources {
            match self.ask(source) {
                Ok(interfaces) => {
                    answered = true;
                    found.extend(interfaces);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) if !answered => Err(error),
            _ => Ok(merge(found)),
        }
    }

    /// What one source knows. A missing agent is noticed before it is asked, since libvirt may wait for it for long.
    pub(super) fn ask(&self, source: Source) -> Result<Vec<Interface>> {
        if source == Source::Agent {
            self.agent_is_there()?;
        }
        self.ask_now(source)
    }

    /// What one source knows, asked without a look at the agent's channel first.
    pub(super) fn ask_now(&self, source: Source) -> Result<Vec<Interface>> {
        if let Some(planned) = self.planned_answer(source) {
            return planned;
        }
        if self.crashes_driver()? {
            return Ok(Vec::new());
        }
        ffi::interface_addresses(&self.raw()?, source)
            .explain(&format!("ask for the {} addresses of", source.word()), &self.object)
    }

    /// libvirt's test driver, in this process, looks for the first address of each network and dies where there is none
    /// (seen in 9.0).
    fn crashes_driver(&self) -> Result<bool> {
        if !self.host.uri().starts_with("test:") {
            return Ok(false);
        }
        let root = xml::parse(&self.xml()?)?;
        let cards = root.find_all("devices/interface").into_iter();
        let networks = cards.filter_map(|card| card.child("source")?.attr("network").map(str::to_string));
        for name in networks {
            let network = self.host.find_network(&name)?;
            let has_address = |xml: String| xml::parse(&xml).map(|root| root.child("ip").is_some());
            if !network.map(|network| network.xml().and_then(has_address)).transpose()?.unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn raw(&self) -> Result<virt::domain::Domain> {
        self.raw.get(self.host.link(), |connect, raw| connect.lookup_domain_by_uuid_string(&raw.uuid_string()?))
    }

    pub(super) fn object(&self) -> &Object {
        &self.object
    }
}
