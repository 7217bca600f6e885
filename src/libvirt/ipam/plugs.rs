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
            if let Some(name) = plugged(nic, "bridge").filter(|_| nic.find("vlan/tag").is_some() && !is_ovs(nic)) {
                found.extend(self.no_tags(nic, &name)?);
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
    fn no_tags(&self, nic: &Elem, bridge: &str) -> Result<Option<Finding>> {
        let version = self.lib_version()?;
        if version.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|major: u32| major < TAGS_PORTS) {
            let message = format!("libvirt before version {TAGS_PORTS} cannot tag a port of a Linux bridge");
            let hint = "an Open vSwitch bridge can, with `virtualport: #{ type: \"openvswitch\" }`".to_string();
            return Ok(Some(finding(nic, "vlan", message, hint)));
        }
        let filter = Path::new("/sys/class/net").join(bridge).join("bridge/vlan_filtering");
        if !self.is_here() || fs::read_to_string(filter).is_ok_and(|text| text.trim() == "1") {
            return Ok(None);
        }
        let message = format!("bridge `{bridge}` knows nothing of VLANs");
        let hint = format!("`ip link set {bridge} type bridge vlan_filtering 1` makes it tell them apart");
        Ok(Some(finding(nic, "vlan", message, hint)))
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

fn is_ovs(nic: &Elem) -> bool {
    nic.child("virtualport").is_some_and(|port| port.attr("type") == Some("openvswitch"))
}

fn finding(nic: &Elem, key: &str, message: String, hint: String) -> Finding {
    Finding { path: format!("{}.{key}", nic.origin), message, hint: Some(hint), ..Finding::default() }
}
