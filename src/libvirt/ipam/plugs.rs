//! Whether everything that a machine's cards are plugged into is there, before anything is made for it.

use crate::floor::{Error, Finding, Result, did_you_mean};
use crate::libvirt::Host;
use crate::schema::xml::{self, Elem};
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
        let nics = root.find_all("devices/interface");
        let plugged = |nic: &Elem, kind: &str| {
            let source = nic.child("source").filter(|_| nic.attr("type") == Some(kind));
            source.and_then(|source| source.attr(kind)).map(str::to_string)
        };
        let mut found = Vec::new();
        for nic in &nics {
            if let Some(name) = plugged(nic, "network") {
                found.extend(self.no_network(nic, &name)?);
            }
        }
        if nics.iter().any(|nic| plugged(nic, "bridge").is_some())
            && let Some(devices) = self.devices()?
        {
            for nic in &nics {
                if let Some(name) = plugged(nic, "bridge") {
                    found.extend(no_bridge(nic, &name, &devices));
                }
            }
        }
        for nic in nics {
            let Some(vlan) = nic.find("vlan/tag").and_then(|tag| tag.attr("id")).filter(|_| !is_ovs(nic)) else {
                continue;
            };
            if let Some(bridge) = plugged(nic, "bridge") {
                // What another host's kernel says is not known; libvirt tells it when the guest starts.
                let filtering = if self.is_here() { Filtering::of(&bridge) } else { Filtering::Unknown };
                found.extend(self.no_tags(nic, vlan, &bridge, filtering)?);
            } else if let Some(name) = plugged(nic, "network")
                && let Some(bridge) = self.plain_bridge(&name)?
            {
                found.extend(self.no_tags(nic, vlan, &bridge, Filtering::Unknown)?);
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        Err(Error::definition(&format!("domain `{}`", root.find_text("name").unwrap_or_default()), found))
    }

    fn no_network(&self, nic: &Elem, name: &str) -> Result<Option<Finding>> {
        if self.find_network(name)?.is_some() {
            return Ok(None);
        }
        let names: Vec<String> = self.networks()?.iter().map(|network| network.name().to_string()).collect();
        let hint = did_you_mean(name, names.iter().map(String::as_str))
            .unwrap_or_else(|| "`host.networks()` lists what is there".to_string());
        Ok(Some(finding(nic, "source.network", format!("there is no network `{name}`"), hint)))
    }

    /// The host's network devices, as libvirt's driver of interfaces tells them, or this machine's kernel; nothing where
    /// neither can be asked. The bridges of networks that run are there in any case.
    fn devices(&self) -> Result<Option<Vec<Device>>> {
        let mut devices = match self.host_interfaces() {
            Ok(interfaces) => interfaces
                .into_iter()
                .map(|one| {
                    let root = one.xml().and_then(|text| xml::parse(&text));
                    let is_bridge = root.is_ok_and(|root| root.attr("type") == Some("bridge"));
                    Device { name: one.name().to_string(), is_bridge }
                })
                .collect(),
            Err(_) if self.is_here() => kernel_devices(),
            Err(_) => return Ok(None),
        };
        for network in self.networks()? {
            let bridge = if network.is_active()? { network.bridge() } else { None };
            devices.extend(bridge.map(|name| Device { name, is_bridge: true }));
        }
        Ok(Some(devices))
    }

    /// Why the port on a Linux bridge cannot get its VLAN tags.
    fn no_tags(&self, nic: &Elem, vlan: &str, bridge: &str, filtering: Filtering) -> Result<Option<Finding>> {
        let trouble = trouble_with_tags(&self.lib_version()?, vlan, bridge, filtering);
        Ok(trouble.map(|(message, hint)| finding(nic, "vlan", message, hint)))
    }

    /// The Linux bridge of a network; nothing for one whose ports others tag: Open vSwitch, or a card of the host.
    fn plain_bridge(&self, name: &str) -> Result<Option<String>> {
        let Some(network) = self.find_network(name)? else { return Ok(None) };
        let root = xml::parse(&network.xml()?)?;
        let ovs = is_ovs(&root) || root.find_all("portgroup").into_iter().any(is_ovs);
        Ok(root.child("bridge").and_then(|bridge| bridge.attr("name")).filter(|_| !ovs).map(str::to_string))
    }
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

fn no_bridge(nic: &Elem, name: &str, devices: &[Device]) -> Option<Finding> {
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
    let hint = did_you_mean(name, names.iter().copied()).or_else(longer).unwrap_or_else(all);
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

fn finding(nic: &Elem, key: &str, message: String, hint: String) -> Finding {
    Finding { path: format!("{}.{key}", nic.origin), message, hint: Some(hint), ..Finding::default() }
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
