//! Devices, network interfaces and network filters of a host.

use super::cause::Explain;
use super::define::validated;
use super::link::Live;
use super::lookup::{missing, sorted};
use super::object::{Kind, Object};
use super::undo::{self, Made};
use super::{Host, ffi};
use crate::floor::{Code, Error, Result, did_you_mean};
use crate::schema::xml;
use virt::sys;

/// A device of a host.
#[derive(Debug, Clone)]
pub struct NodeDevice {
    host: Host,
    raw: Live<virt::nodedev::NodeDevice>,
    object: Object,
}

/// A network interface of a host.
#[derive(Debug, Clone)]
pub struct HostInterface {
    host: Host,
    raw: Live<virt::interface::Interface>,
    object: Object,
}

/// A network filter of a host: rules for the interfaces that name it.
#[derive(Debug, Clone)]
pub struct NwFilter {
    host: Host,
    raw: Live<virt::nwfilter::NWFilter>,
    object: Object,
}

/// The capabilities by which devices are listed.
const CAPABILITIES: &[(&str, u32)] = &[
    ("drm", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_DRM),
    ("fc_host", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_FC_HOST),
    ("mdev", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV),
    ("mdev_types", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES),
    ("net", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET),
    ("pci", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV),
    ("scsi", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI),
    ("scsi_generic", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_GENERIC),
    ("scsi_host", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_HOST),
    ("scsi_target", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_TARGET),
    ("storage", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_STORAGE),
    ("system", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_SYSTEM),
    ("usb", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_INTERFACE),
    ("usb_device", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV),
    ("vports", sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_VPORTS),
];

impl Host {
    /// Its devices with that capability, or all of them, by name.
    pub fn node_devices(&self, capability: Option<&str>) -> Result<Vec<NodeDevice>> {
        let flags = capability.map_or(Ok(0), capability_flag)?;
        let found = self.raw()?.list_all_node_devices(flags).explain("list the devices of", self.object())?;
        let all = found.into_iter().map(|raw| NodeDevice::new(self, raw)).collect::<Result<Vec<_>>>()?;
        Ok(sorted(all, NodeDevice::name))
    }

    /// The device of that name, such as `pci_0000_00_1f_2`; an error if there is none.
    pub fn node_device(&self, name: &str) -> Result<NodeDevice> {
        match self.raw()?.lookup_node_device_by_name(name).explain("look up", &Object::new(Kind::NodeDevice, name)) {
            Ok(raw) => NodeDevice::new(self, raw),
            Err(error) if error.code == Code::NotFound => {
                let names: Vec<String> = self.node_devices(None)?.iter().map(|one| one.name().to_string()).collect();
                Err(missing(Kind::NodeDevice, name, "host.node_devices()", &names))
            }
            Err(error) => Err(error),
        }
    }

    /// Its network interfaces, by name.
    pub fn host_interfaces(&self) -> Result<Vec<HostInterface>> {
        let found = self.raw()?.list_all_interfaces(0).explain("list the interfaces of", self.object())?;
        let all = found.into_iter().map(|raw| HostInterface::new(self, raw)).collect::<Result<Vec<_>>>()?;
        Ok(sorted(all, HostInterface::name))
    }

    /// The network interface of that name; an error if there is none.
    pub fn host_interface(&self, name: &str) -> Result<HostInterface> {
        match self.raw()?.lookup_interface_by_name(name).explain("look up", &Object::new(Kind::HostInterface, name)) {
            Ok(raw) => HostInterface::new(self, raw),
            Err(error) if error.code == Code::NotFound => {
                let names: Vec<String> = self.host_interfaces()?.iter().map(|one| one.name().to_string()).collect();
                Err(missing(Kind::HostInterface, name, "host.host_interfaces()", &names))
            }
            Err(error) => Err(error),
        }
    }

    /// Defines a network interface; an error if one of that name is there already. Few hosts' drivers can do that.
    pub fn define_host_interface(&self, xml: &str) -> Result<HostInterface> {
        // Interfaces have their name as an attribute.
        let name = xml::parse(xml)?.attr("name").unwrap_or_default().to_string();
        let object = Object::new(Kind::HostInterface, &name);
        if self.raw()?.lookup_interface_by_name(&name).is_ok() {
            return Err(super::define::already(&object));
        }
        undo::record(self, Made::Interface { name }, || {
            HostInterface::new(self, self.raw()?.define_interface_xml(xml, 0).explain("define", &object)?)
        })
    }

    /// Its network filters, by name.
    pub fn nwfilters(&self) -> Result<Vec<NwFilter>> {
        let found = self.raw()?.list_all_nw_filters(0).explain("list the network filters of", self.object())?;
        let all = found.into_iter().map(|raw| NwFilter::new(self, raw)).collect::<Result<Vec<_>>>()?;
        Ok(sorted(all, NwFilter::name))
    }

    /// The network filter of that name; an error if there is none.
    pub fn nwfilter(&self, name: &str) -> Result<NwFilter> {
        match self.raw()?.lookup_nwfilter_by_name(name).explain("look up", &Object::new(Kind::NwFilter, name)) {
            Ok(raw) => NwFilter::new(self, raw),
            Err(error) if error.code == Code::NotFound => {
                let names: Vec<String> = self.nwfilters()?.iter().map(|one| one.name().to_string()).collect();
                Err(missing(Kind::NwFilter, name, "host.nwfilters()", &names))
            }
            Err(error) => Err(error),
        }
    }

    /// Defines a network filter; an error if one of that name is there already.
    pub fn define_nwfilter(&self, xml: &str) -> Result<NwFilter> {
        // Filters have their name as an attribute.
        let name = xml::parse(xml)?.attr("name").unwrap_or_default().to_string();
        let object = Object::new(Kind::NwFilter, &name);
        if self.raw()?.lookup_nwfilter_by_name(&name).is_ok() {
            return Err(super::define::already(&object));
        }
        let (made, _, xml) = Made::identify(Kind::NwFilter, &name, xml)?;
        undo::record(self, made, || {
            let host = self.raw()?;
            let raw = validated(|| ffi::define_nwfilter_validated(&host, &xml), || host.define_nwfilter_xml(&xml));
            NwFilter::new(self, raw.explain("define", &object)?)
        })
    }
}

fn capability_flag(wanted: &str) -> Result<u32> {
    if let Some((_, flag)) = CAPABILITIES.iter().find(|(name, _)| *name == wanted) {
        return Ok(*flag);
    }
    let names = || CAPABILITIES.iter().map(|(name, _)| *name);
    let hint = did_you_mean(wanted, names())
        .unwrap_or_else(|| format!("capabilities: {}", names().collect::<Vec<_>>().join(", ")));
    Err(Error::argument(format!("no device has the capability `{wanted}`")).hint(hint))
}

impl NodeDevice {
    fn new(host: &Host, raw: virt::nodedev::NodeDevice) -> Result<Self> {
        let name = raw.name().explain("ask for the name of", &Object::new(Kind::NodeDevice, "unknown"))?;
        Ok(Self { host: host.clone(), raw: Live::new(host.link(), raw), object: Object::new(Kind::NodeDevice, &name) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// The device that it hangs on, if there is one.
    pub fn parent(&self) -> Option<String> {
        self.raw().ok()?.parent().ok()
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        self.raw()?.xml_desc(0).explain("read the XML of", &self.object)
    }

    /// The host's driver for it, if it has one.
    pub fn driver(&self) -> Result<Option<String>> {
        Ok(xml::parse(&self.xml()?)?.find_text("driver/name"))
    }

    /// Its file in `/dev`, if it has one.
    pub fn devnode(&self) -> Result<Option<String>> {
        let root = xml::parse(&self.xml()?)?;
        let node = root.children_named("devnode").find(|node| node.attr("type") == Some("dev"));
        Ok(node.map(|node| node.text().into_owned()))
    }

    /// What it can do.
    pub fn capabilities(&self) -> Result<Vec<String>> {
        self.raw()?.list_caps().explain("ask for the capabilities of", &self.object)
    }

    /// Takes it from the host's driver, so that a guest may have it.
    pub fn detach(&self) -> Result<()> {
        self.raw()?.detach().explain("detach", &self.object)
    }

    /// Gives it back to the host's driver.
    pub fn reattach(&self) -> Result<()> {
        self.raw()?.reattach().explain("reattach", &self.object)
    }

    /// Resets it.
    pub fn reset(&self) -> Result<()> {
        self.raw()?.reset().explain("reset", &self.object)
    }

    fn raw(&self) -> Result<virt::nodedev::NodeDevice> {
        self.raw.get(self.host.link(), |connect, _| connect.lookup_node_device_by_name(self.name()))
    }
}

impl HostInterface {
    fn new(host: &Host, raw: virt::interface::Interface) -> Result<Self> {
        let name = raw.name().explain("ask for the name of", &Object::new(Kind::HostInterface, "unknown"))?;
        Ok(Self {
            host: host.clone(),
            raw: Live::new(host.link(), raw),
            object: Object::new(Kind::HostInterface, &name),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// Its MAC address.
    pub fn mac(&self) -> Result<String> {
        self.raw()?.mac_string().explain("ask for the MAC address of", &self.object)
    }

    /// Whether it is up.
    pub fn is_active(&self) -> Result<bool> {
        self.raw()?.is_active().explain("ask for the state of", &self.object)
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        self.raw()?.xml_desc(0).explain("read the XML of", &self.object)
    }

    /// Brings it up.
    pub fn start(&self) -> Result<()> {
        self.raw()?.create(0).explain("start", &self.object)
    }

    /// Takes it down.
    pub fn destroy(&self) -> Result<()> {
        self.raw()?.destroy(0).explain("destroy", &self.object)
    }

    /// Removes its definition.
    pub fn undefine(&self) -> Result<()> {
        self.raw()?.undefine().explain("undefine", &self.object)?;
        undo::gone(&self.host, |made| matches!(made, Made::Interface { name } if name == self.name()));
        Ok(())
    }

    /// Takes it down if it is up, and removes its definition.
    pub(super) fn take_back(&self) -> Result<()> {
        if self.is_active()? {
            self.destroy()?;
        }
        self.undefine()
    }

    fn raw(&self) -> Result<virt::interface::Interface> {
        self.raw.get(self.host.link(), |connect, _| connect.lookup_interface_by_name(self.name()))
    }
}

impl NwFilter {
    fn new(host: &Host, raw: virt::nwfilter::NWFilter) -> Result<Self> {
        let name = raw.name().explain("ask for the name of", &Object::new(Kind::NwFilter, "unknown"))?;
        Ok(Self { host: host.clone(), raw: Live::new(host.link(), raw), object: Object::new(Kind::NwFilter, &name) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// Its UUID.
    pub fn uuid(&self) -> Result<String> {
        self.raw()?.uuid_string().explain("ask for the UUID of", &self.object)
    }

    /// Its XML.
    pub fn xml(&self) -> Result<String> {
        self.raw()?.xml_desc(0).explain("read the XML of", &self.object)
    }

    /// Removes its definition.
    pub fn undefine(&self) -> Result<()> {
        self.raw()?.undefine().map(drop).explain("undefine", &self.object)?;
        undo::gone(&self.host, |made| matches!(made, Made::Filter { name, .. } if name == self.name()));
        Ok(())
    }

    fn raw(&self) -> Result<virt::nwfilter::NWFilter> {
        self.raw.get(self.host.link(), |connect, _| connect.lookup_nwfilter_by_name(self.name()))
    }
}
