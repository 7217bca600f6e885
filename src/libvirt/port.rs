//! Ports of networks, and network filters at work: what libvirt makes for each interface of a running domain.

use super::cause::Explain;
use super::ffi::{RawBinding, RawPort};
use super::link::Live;
use super::object::{Kind, Object};
use super::undo::{self, Made};
use super::{Host, Network};
use crate::floor::Result;
use crate::schema::xml;
use std::sync::Arc;

/// A port of a network: the place of one interface on it.
#[derive(Debug, Clone)]
pub struct NetworkPort {
    network: Network,
    raw: Live<Arc<RawPort>>,
    object: Object,
}

/// A network filter at work on a device of the host.
#[derive(Debug, Clone)]
pub struct NwFilterBinding {
    host: Host,
    raw: Live<Arc<RawBinding>>,
    object: Object,
}

impl Network {
    /// Its ports, by UUID.
    pub fn ports(&self) -> Result<Vec<NetworkPort>> {
        let found = RawPort::list(&self.raw()?).explain("list the ports of", self.object())?;
        let mut all: Vec<_> = found.into_iter().map(|raw| NetworkPort::new(self, raw)).collect();
        all.sort_by(|a, b| a.uuid().cmp(b.uuid()));
        Ok(all)
    }

    /// The port of that UUID; an error if there is none.
    pub fn port(&self, uuid: &str) -> Result<NetworkPort> {
        let all = self.ports()?;
        let names: Vec<String> = all.iter().map(|one| one.uuid().to_string()).collect();
        all.into_iter()
            .find(|one| one.uuid().eq_ignore_ascii_case(uuid))
            .ok_or_else(|| super::lookup::missing(Kind::NetworkPort, uuid, "network.ports()", &names))
    }

    /// Makes a port; libvirt does that by itself for each interface of a domain that is started.
    pub fn create_port(&self, xml: &str) -> Result<NetworkPort> {
        let (made, _, xml) = Made::identify(Kind::NetworkPort, self.name(), xml)?;
        undo::record(self.host(), made, || {
            let raw = RawPort::create(&self.raw()?, &xml).explain("create a port on", self.object())?;
            Ok(NetworkPort::new(self, raw))
        })
    }
}

impl NetworkPort {
    fn new(network: &Network, raw: RawPort) -> Self {
        let object = Object::new(Kind::NetworkPort, &raw.uuid());
        Self { network: network.clone(), raw: Live::new(network.host().link(), Arc::new(raw)), object }
    }

    fn raw(&self) -> Result<Arc<RawPort>> {
        let network = self.network.raw()?;
        self.raw.get(self.network.host().link(), |_, old| {
            let found = RawPort::list(&network)?.into_iter().find(|one| one.uuid() == self.uuid());
            Ok(found.map_or_else(|| old.clone(), Arc::new))
        })
    }

    /// Its UUID.
    pub fn uuid(&self) -> &str {
        &self.object.name
    }

    /// Its XML: whose it is, its MAC address, what it is plugged into.
    pub fn xml(&self) -> Result<String> {
        self.raw()?.xml().explain("read the XML of", &self.object)
    }

    /// Deletes it.
    pub fn delete(&self) -> Result<()> {
        self.raw()?.delete().explain("delete", &self.object)?;
        undo::gone(self.network.host(), |made| matches!(made, Made::Port { uuid, .. } if uuid == self.uuid()));
        Ok(())
    }
}

impl Host {
    /// The network filters at work, by device.
    pub fn nwfilter_bindings(&self) -> Result<Vec<NwFilterBinding>> {
        let found = RawBinding::list(&self.raw()?).explain("list the network filter bindings of", self.object())?;
        let mut all: Vec<_> = found.into_iter().map(|raw| NwFilterBinding::new(self, raw)).collect();
        all.sort_by(|a, b| a.device().cmp(b.device()));
        Ok(all)
    }

    /// The network filter at work on a device of the host; an error if there is none.
    pub fn nwfilter_binding(&self, device: &str) -> Result<NwFilterBinding> {
        let all = self.nwfilter_bindings()?;
        let names: Vec<String> = all.iter().map(|one| one.device().to_string()).collect();
        all.into_iter()
            .find(|one| one.device() == device)
            .ok_or_else(|| super::lookup::missing(Kind::NwFilterBinding, device, "host.nwfilter_bindings()", &names))
    }

    /// Puts a network filter to work on a device of the host.
    pub fn create_nwfilter_binding(&self, xml: &str) -> Result<NwFilterBinding> {
        let root = xml::parse(xml)?;
        let device = root.find("portdev").and_then(|device| device.attr("name")).unwrap_or_default().to_string();
        let owner = root.find_text("owner/uuid").unwrap_or_default();
        let create = || {
            let raw = RawBinding::create(&self.raw()?, xml).explain("bind a network filter on", self.object())?;
            Ok(NwFilterBinding::new(self, raw))
        };
        // A device that has a filter keeps it: libvirt refuses a second one.
        if self.nwfilter_bindings()?.iter().any(|one| one.device() == device) {
            return create();
        }
        undo::record(self, Made::Binding { device, owner }, create)
    }
}

impl NwFilterBinding {
    fn new(host: &Host, raw: RawBinding) -> Self {
        let object = Object::new(Kind::NwFilterBinding, &raw.device());
        Self { host: host.clone(), raw: Live::new(host.link(), Arc::new(raw)), object }
    }

    fn raw(&self) -> Result<Arc<RawBinding>> {
        self.raw.get(self.host.link(), |connect, old| {
            let found = RawBinding::list(connect)?.into_iter().find(|one| one.device() == self.device());
            Ok(found.map_or_else(|| old.clone(), Arc::new))
        })
    }

    /// The device that is filtered, such as `vnet0`.
    pub fn device(&self) -> &str {
        &self.object.name
    }

    /// The name of the filter.
    pub fn filter(&self) -> Result<String> {
        Ok(self.raw()?.filter())
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        self.raw()?.xml().explain("read the XML of", &self.object)
    }

    /// The UUID of whoever it is for.
    pub(super) fn owner(&self) -> Result<Option<String>> {
        Ok(xml::parse(&self.xml()?)?.find_text("owner/uuid"))
    }

    /// Takes the filter from the device.
    pub fn delete(&self) -> Result<()> {
        self.raw()?.delete().explain("delete", &self.object)?;
        undo::gone(&self.host, |made| matches!(made, Made::Binding { device, .. } if device == self.device()));
        Ok(())
    }
}
