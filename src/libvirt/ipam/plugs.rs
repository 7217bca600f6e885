//! Whether everything that a machine's cards are plugged into is there, before anything is made for it.

use crate::floor::{Error, Finding, Result, did_you_mean};
use crate::libvirt::{Host, HostInterface, Network};
use crate::schema::xml::{self, Elem};
use std::cell::{Cell, OnceCell};
use std::fs;
use std::path::Path;

/// The first version of libvirt that tags the port of a Linux bridge.
const TAGS_PORTS: u32 = 11;

/// A network device of the host.
struct Device {
    name: String,
    is_bridge: bool,
}

impl Host {
    /// Looks for the networks and bridges that a definition names; an error tells all that is in the way.
    pub fn has_plugs(&self, root: &Elem) -> Result<()> {
        let found = Plugs::of(self).missing(root)?;
        if found.is_empty() {
            return Ok(());
        }
        Err(Error::definition(&format!("domain `{}`", root.find_text("name").unwrap_or_default()), found))
    }

    /// The host's network devices, as libvirt's driver of interfaces tells them, or this machine's kernel; nothing where
    /// neither can be asked.
    fn devices(&self) -> Option<Vec<Device>> {
        match self.host_interfaces() {
            Ok(interfaces) => {
                let device = |one: HostInterface| {
                    let root = one.xml().and_then(|text| xml::parse(&text));
                    let is_bridge = root.is_ok_and(|root| root.attr("type") == Some("bridge"));
                    Device { name: one.name().to_string(), is_bridge }
                };
                Some(interfaces.into_iter().map(device).collect())
            }
            Err(_) if self.is_here() => Some(kernel_devices()),
            Err(_) => None,
        }
    }
}

/// What cards can be plugged into, asked once for however many machines.
pub(super) struct Plugs<'h> {
    host: &'h Host,
    networks: OnceCell<Vec<Network>>,
    devices: OnceCell<Option<Vec<Device>>>,
    /// Whether the bridges that there are were listed: that is told once.
    listed: Cell<bool>,
}

impl<'h> Plugs<'h> {
    pub(super) fn of(host: &'h Host) -> Self {
        Self { host, networks: OnceCell::new(), devices: OnceCell::new(), listed: Cell::default() }
    }

    /// What a machine's cards cannot be plugged into, and tags that they cannot have there.
    pub(super) fn missing(&self, root: &Elem) -> Result<Vec<Finding>> {
        let mut found = Vec::new();
        for nic in root.find_all("devices/interface") {
            if let Some(name) = plug(nic, "network") {
                found.extend(self.no_network(nic, name)?);
            }
            if let Some(name) = plug(nic, "bridge")
                && let Some(devices) = self.devices()?
            {
                found.extend(no_bridge(nic, name, devices, &self.listed));
            }
            let vlan = nic.find("vlan/tag").and_then(|tag| tag.attr("id")).filter(|_| !is_ovs(nic));
            if let Some(vlan) = vlan {
                found.extend(self.no_tags(nic, vlan)?);
            }
        }
        Ok(found)
    }

    fn networks(&self) -> Result<&[Network]> {
        if self.networks.get().is_none() {
            let networks = self.host.networks()?;
            return Ok(self.networks.get_or_init(|| networks));
        }
        Ok(self.networks.get().map_or(&[], Vec::as_slice))
    }

    /// The host's devices, with the bridges of networks that run, which are there in any case.
    fn devices(&self) -> Result<Option<&[Device]>> {
        if self.devices.get().is_none() {
            let mut devices = self.host.devices();
            if let Some(devices) = &mut devices {
                for network in self.networks()? {
                    let bridge = if network.is_active()? { network.bridge() } else { None };
                    let fresh = bridge.filter(|name| devices.iter().all(|device| device.name != *name));
                    devices.extend(fresh.map(|name| Device { name, is_bridge: true }));
                }
            }
            return Ok(self.devices.get_or_init(|| devices).as_deref());
        }
        Ok(self.devices.get().and_then(Option::as_deref))
    }

    fn no_network(&self, nic: &Elem, name: &str) -> Result<Option<Finding>> {
        let names: Vec<&str> = self.networks()?.iter().map(Network::name).collect();
        if names.contains(&name) {
            return Ok(None);
        }
        let hint = did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| "`host.networks()` lists what is there".to_string());
        Ok(Some(finding(nic, "source.network", format!("there is no network `{name}`"), Some(hint))))
    }

    /// Why the port on a Linux bridge cannot get its VLAN tags.
    fn no_tags(&self, nic: &Elem, vlan: &str) -> Result<Option<Finding>> {
        let (bridge, filtering) = match (plug(nic, "bridge"), plug(nic, "network")) {
            // What another host's kernel says is not known; libvirt tells it when the guest starts.
            (Some(bridge), _) if self.host.is_here() => (bridge.to_string(), Filtering::of(bridge)),
            (Some(bridge), _) => (bridge.to_string(), Filtering::Unknown),
            (None, Some(name)) => match self.plain_bridge(name)? {
                Some(bridge) => (bridge, Filtering::Unknown),
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        let trouble = trouble_with_tags(&self.host.lib_version()?, vlan, &bridge, filtering);
        Ok(trouble.map(|(message, hint)| finding(nic, "vlan", message, Some(hint))))
    }

    /// The Linux bridge of a network; nothing for one whose ports others tag: Open vSwitch, or a card of the host.
    fn plain_bridge(&self, name: &str) -> Result<Option<String>> {
        let Some(network) = self.networks()?.iter().find(|network| network.name() == name) else { return Ok(None) };
        let root = xml::parse(&network.xml()?)?;
        let ovs = is_ovs(&root) || root.find_all("portgroup").into_iter().any(is_ovs);
        Ok(root.child("bridge").and_then(|bridge| bridge.attr("name")).filter(|_| !ovs).map(str::to_string))
    }
}

/// The network or the bridge that a card is plugged into.
fn plug<'e>(nic: &'e Elem, kind: &str) -> Option<&'e str> {
    nic.child("source").filter(|_| nic.attr("type") == Some(kind))?.attr(kind)
}

/// Whether a bridge tells VLANs apart.
#[derive(Debug, Clone, Copy)]
enum Filtering {
    On,
    Off,
    /// The kernel was built without it.
    Impossible,
    Unknown,
}

impl Filtering {
    /// As this machine's kernel has it.
    fn of(bridge: &str) -> Self {
        let file = Path::new("/sys/class/net").join(bridge).join("bridge/vlan_filtering");
        Self::read(fs::read_to_string(file).ok().as_deref())
    }

    /// By the kernel's own text, if it has one.
    fn read(text: Option<&str>) -> Self {
        match text.map(str::trim) {
            Some("1") => Self::On,
            Some(_) => Self::Off,
            None => Self::Impossible,
        }
    }
}

/// Why VLAN tags cannot be on the ports of a bridge, and what can be done.
fn trouble_with_tags(version: &str, vlan: &str, bridge: &str, filtering: Filtering) -> Option<(String, String)> {
    let other =
        || format!("plug it into a bridge of that VLAN alone, such as `{bridge}.{vlan}`, or into one of Open vSwitch");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < TAGS_PORTS) {
        let message = format!("libvirt before version {TAGS_PORTS} cannot tag a port of a Linux bridge");
        return Some((message, other()));
    }
    match filtering {
        Filtering::On | Filtering::Unknown => None,
        Filtering::Off => Some((
            format!("bridge `{bridge}` knows nothing of VLANs"),
            format!("`ip link set {bridge} type bridge vlan_filtering 1` makes it tell them apart"),
        )),
        Filtering::Impossible => Some((format!("the kernel cannot tell VLANs apart on bridge `{bridge}`"), other())),
    }
}

fn kernel_devices() -> Vec<Device> {
    let listed = fs::read_dir("/sys/class/net").into_iter().flatten().filter_map(Result::ok);
    listed
        .map(|entry| Device {
            name: entry.file_name().to_string_lossy().into_owned(),
            is_bridge: entry.path().join("bridge").is_dir(),
        })
        .collect()
}

fn no_bridge(nic: &Elem, name: &str, devices: &[Device], listed: &Cell<bool>) -> Option<Finding> {
    // To the kernel, a bridge of Open vSwitch is a device like any other.
    let fits = |device: &&Device| device.is_bridge || is_ovs(nic);
    if devices.iter().filter(fits).any(|device| device.name == name) {
        return None;
    }
    let names: Vec<&str> = devices.iter().filter(fits).map(|device| device.name.as_str()).collect();
    let longer = || names.iter().find(|other| other.contains(name)).map(|near| format!("did you mean `{near}`?"));
    let all = || match names.join(", ") {
        none if none.is_empty() => "the host has no bridge at all; `type: \"network\"` needs none".to_string(),
        names => format!("bridges: {names}"),
    };
    let near = did_you_mean(name, names.iter().copied()).or_else(longer);
    let hint = near.or_else(|| (!listed.replace(true)).then(all));
    let message = if devices.iter().any(|device| device.name == name) {
        format!("`{name}` is no bridge")
    } else {
        format!("there is no bridge `{name}`")
    };
    Some(finding(nic, "source.bridge", message, hint))
}

fn is_ovs(elem: &Elem) -> bool {
    elem.child("virtualport").is_some_and(|port| port.attr("type") == Some("openvswitch"))
}

fn finding(nic: &Elem, key: &str, message: String, hint: Option<String>) -> Finding {
    Finding { path: format!("{}.{key}", nic.origin), message, hint, ..Finding::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_need_libvirt_and_a_bridge_that_tells_vlans_apart() {
        let trouble =
            |version, filtering| trouble_with_tags(version, "20", "br0", filtering).map(|(message, _)| message);
        for (version, text, told) in [
            ("9.0.0", Some("1\n"), Some("libvirt before version 11 cannot tag a port of a Linux bridge")),
            ("10.10.0", None, Some("libvirt before version 11 cannot tag a port of a Linux bridge")),
            ("11.0.0", Some("0\n"), Some("bridge `br0` knows nothing of VLANs")),
            ("11.3.0", None, Some("the kernel cannot tell VLANs apart on bridge `br0`")),
            ("11.0.0", Some("1\n"), None),
        ] {
            assert_eq!(trouble(version, Filtering::read(text)).as_deref(), told);
        }
        assert_eq!(trouble("12.1.0", Filtering::Unknown), None, "another host's kernel is not asked");
    }
}
