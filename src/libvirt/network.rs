//! Networks and their DHCP leases.

use super::address::Family;
use super::cause::{Explain, flag_refused};
use super::link::Live;
use super::object::{Kind, Object};
use super::retry::ask;
use super::undo::{self, Made, Named};
use super::{Host, ffi};
use crate::floor::Result;
use crate::floor::timing;
use std::sync::PoisonError;
use virt::sys;

/// A network on a host.
#[derive(Debug, Clone)]
pub struct Network {
    host: Host,
    raw: Live<virt::network::Network>,
    object: Object,
}

/// An address that a network's DHCP server gave away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The MAC address in lower case; empty for some IPv6 clients.
    pub mac: String,
    /// IPv4 or IPv6.
    pub family: Family,
    /// The address as text.
    pub addr: String,
    /// How many bits of it name the subnet.
    pub prefix: u32,
    /// The name that the guest told.
    pub hostname: Option<String>,
    /// The client id, or the DUID for IPv6.
    pub client_id: Option<String>,
    /// The number of the guest's interface that an IPv6 client tells.
    pub iaid: Option<u32>,
    /// When it ends, in seconds since 1970; 0 for never.
    pub expiry: i64,
    /// The host's device.
    pub interface: String,
}

impl Network {
    pub(super) fn new(host: &Host, raw: virt::network::Network) -> Result<Self> {
        let name = raw.name().explain("ask for a network's name on", host.object())?;
        Ok(Self { host: host.clone(), raw: Live::new(host.link(), raw), object: Object::new(Kind::Network, &name) })
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

    /// What tells it from all networks.
    pub(super) fn named(&self) -> Result<Named> {
        Ok(Named { name: self.name().to_string(), uuid: self.uuid()? })
    }

    /// The host's bridge device, if it has one.
    pub fn bridge(&self) -> Option<String> {
        self.raw().ok()?.bridge_name().ok()
    }

    /// Whether it is started.
    pub fn is_active(&self) -> Result<bool> {
        ask(&self.host, || self.raw()?.is_active().explain("ask for the state of", &self.object))
    }

    /// Whether it stays when it is destroyed.
    pub fn is_persistent(&self) -> Result<bool> {
        ask(&self.host, || self.raw()?.is_persistent().explain("ask for the state of", &self.object))
    }

    /// Whether it starts with the host.
    pub fn autostart(&self) -> Result<bool> {
        ask(&self.host, || self.raw()?.autostart().explain("ask for the autostart of", &self.object))
    }

    /// Sets whether it starts with the host.
    pub fn set_autostart(&self, on: bool) -> Result<()> {
        self.host.attempt("set_autostart", &self.object)?;
        self.raw()?.set_autostart(on).explain("set the autostart of", &self.object)
    }

    /// Starts it.
    pub fn start(&self) -> Result<()> {
        self.host.attempt("start", &self.object)?;
        self.raw()?.create().explain("start", &self.object)
    }

    /// Stops it.
    pub fn destroy(&self) -> Result<()> {
        self.host.attempt("destroy", &self.object)?;
        self.raw()?.destroy().explain("destroy", &self.object)?;
        self.may_be_gone()
    }

    /// Removes its definition.
    pub fn undefine(&self) -> Result<()> {
        self.host.attempt("undefine", &self.object)?;
        self.raw()?.undefine().explain("undefine", &self.object)?;
        self.may_be_gone()
    }

    /// It, or a part of it.
    pub(super) fn may_be_gone(&self) -> Result<()> {
        let own = self.uuid()?;
        undo::gone(&self.host, |made| match made {
            Made::Network { uuid, .. } => *uuid == own,
            Made::Part { network, .. } | Made::Reservation { network, .. } => network.uuid == own,
            _ => false,
        });
        Ok(())
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        ask(&self.host, || self.raw()?.xml_desc(0).explain("read the XML of", &self.object))
    }

    /// The XML that its next start will use; the one of now if it has no definition.
    pub fn inactive_xml(&self) -> Result<String> {
        let flags = if self.is_persistent()? { sys::VIR_NETWORK_XML_INACTIVE } else { 0 };
        match self.raw()?.xml_desc(flags) {
            // A driver without this flag keeps one definition only.
            Err(error) if flag_refused(&error) => self.xml(),
            read => read.explain("read the XML of", &self.object),
        }
    }

    /// The addresses that its DHCP server gave away and that have not run out.
    pub fn dhcp_leases(&self) -> Result<Vec<Lease>> {
        self.planned_leases().unwrap_or_else(|| self.own_leases())
    }

    /// The leases that the driver knows.
    pub(super) fn own_leases(&self) -> Result<Vec<Lease>> {
        ask(&self.host, || ffi::dhcp_leases(&self.raw()?).explain("list the leases of", &self.object))
    }

    pub(super) fn raw(&self) -> Result<virt::network::Network> {
        self.raw.get(self.host.link(), |connect, raw| connect.lookup_network_by_uuid_string(&raw.uuid_string()?))
    }

    /// Changes a part of it, in the running network, in its definition, or in both, as the flags say.
    pub(super) fn update(
        &self,
        command: u32,
        section: u32,
        index: i32,
        xml: &str,
        flags: u32,
        doing: &str,
    ) -> Result<()> {
        let lock = self.host.lock(&self.object.plain());
        let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
        timing::noted(&self.object.plain(), "net-update", || {
            self.raw()?.update(command, section, index, xml, flags).explain(doing, &self.object)
        })
    }

    pub(super) fn object(&self) -> &Object {
        &self.object
    }
}
