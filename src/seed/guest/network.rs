//! A guest's interfaces: addresses, routes and name servers that go together.

use super::read::{Reader, join};
use crate::floor::{Map, Value};
use ipnet::IpNet;
use std::net::IpAddr;

/// An interface.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Nic {
    pub(super) mac: Option<String>,
    pub(super) name: Option<String>,
    pub(super) dhcp4: bool,
    pub(super) dhcp6: bool,
    pub(super) addresses: Vec<IpNet>,
    pub(super) gateways: Vec<Gateway>,
    pub(super) routes: Vec<Route>,
    pub(super) nameservers: Vec<IpAddr>,
    pub(super) search: Vec<String>,
    pub(super) mtu: Option<i64>,
}

/// Where a default route goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gateway {
    pub(super) via: IpAddr,
    /// Whether it is reached although it is outside of the interface's subnets.
    pub(super) on_link: bool,
}

/// A further route.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Route {
    pub(super) to: IpNet,
    pub(super) via: IpAddr,
}

const KEYS: &[&str] = &[
    "addresses",
    "dhcp",
    "dhcp4",
    "dhcp6",
    "gateway",
    "mac",
    "mtu",
    "name",
    "nameservers",
    "on_link",
    "routes",
    "search",
];

impl Nic {
    /// What it is called in a configuration: its own name, or its place.
    pub(super) fn id(&self, at: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("nic{at}"))
    }
}

pub(super) fn nic(reader: &mut Reader, path: &str, fields: &Map) -> Option<Nic> {
    reader.known(path, fields, KEYS);
    let dhcp = reader.flag(path, fields, "dhcp");
    let addresses: Vec<IpNet> =
        parsed(reader, path, fields, "addresses", "an address with its prefix, such as `10.0.0.5/24`");
    let vias: Vec<IpAddr> = parsed(reader, path, fields, "gateway", "an IP address");
    let asked = reader.flag(path, fields, "on_link");
    let mut gateways = Vec::new();
    for via in vias {
        let own = addresses.iter().filter(|own| own.addr().is_ipv4() == via.is_ipv4());
        let inside = own.clone().any(|own| own.contains(&via));
        // A host route has no subnet that anything could be inside of.
        let alone = own.clone().next().is_some() && own.clone().all(|own| own.prefix_len() + 1 >= own.max_prefix_len());
        if !inside && !alone && asked != Some(true) && !via_link_local(via) {
            let hint = "correct it, or say `on_link: true` if it is reached all the same".to_string();
            reader.wrong(
                &join(path, "gateway"),
                &format!("gateway `{via}` is in no subnet of the interface"),
                Some(hint),
            );
        }
        gateways.push(Gateway { via, on_link: asked.unwrap_or(alone || (!inside && !via_link_local(via))) });
    }
    let dhcp4 = reader.flag(path, fields, "dhcp4").or(dhcp).unwrap_or(false);
    let dhcp6 = reader.flag(path, fields, "dhcp6").unwrap_or(false);
    let mtu = match fields.get("mtu") {
        None | Some(Value::Unit) => None,
        Some(Value::Int(mtu)) if (68..=65535).contains(mtu) => Some(*mtu),
        Some(_) => {
            reader.wrong(&join(path, "mtu"), "`mtu` must be a number from 68 to 65535", None);
            None
        }
    };
    let nic = Nic {
        mac: reader.text(path, fields, "mac", mac).map(|mac| mac.to_ascii_lowercase()),
        name: reader.text(path, fields, "name", name),
        dhcp4,
        dhcp6,
        addresses,
        gateways,
        routes: reader.maps(path, fields, "routes", route),
        nameservers: parsed(reader, path, fields, "nameservers", "an IP address"),
        search: reader.texts(path, fields, "search", domain),
        mtu,
    };
    if !nic.dhcp4 && !nic.dhcp6 && nic.addresses.is_empty() && !fields.contains_key("addresses") {
        reader.wrong(path, "an interface needs `addresses` or `dhcp: true`", None);
    }
    if !fields.contains_key("mac") && !fields.contains_key("name") {
        let message = "an interface needs `mac` or `name`, or the guest does not know which one is meant";
        reader.wrong(path, message, None);
        return None;
    }
    Some(nic)
}

/// Notes addresses and names that two interfaces have.
pub(super) fn duplicates(reader: &mut Reader, nics: &[Nic]) {
    for (at, nic) in nics.iter().enumerate() {
        for (earlier, other) in nics[..at].iter().enumerate() {
            let same =
                nic.addresses.iter().find(|own| other.addresses.iter().any(|theirs| theirs.addr() == own.addr()));
            if let Some(address) = same {
                let message = format!("address `{}` is that of `network[{earlier}]` too", address.addr());
                reader.wrong(&format!("network[{at}].addresses"), &message, None);
            }
            if nic.mac.is_some() && nic.mac == other.mac {
                reader.wrong(
                    &format!("network[{at}].mac"),
                    &format!("its MAC address is that of `network[{earlier}]` too"),
                    None,
                );
            }
        }
    }
}

fn route(reader: &mut Reader, path: &str, fields: &Map) -> Option<Route> {
    reader.known(path, fields, &["to", "via"]);
    let to: Vec<IpNet> = parsed(reader, path, fields, "to", "a network, such as `10.1.0.0/16`");
    let via: Vec<IpAddr> = parsed(reader, path, fields, "via", "an IP address");
    for key in ["to", "via"].into_iter().filter(|key| !fields.contains_key(*key)) {
        reader.wrong(path, &format!("`{key}` is missing"), None);
    }
    Some(Route { to: *to.first()?, via: *via.first()? })
}

fn via_link_local(via: IpAddr) -> bool {
    matches!(via, IpAddr::V6(via) if via.is_unicast_link_local())
}

fn parsed<T: std::str::FromStr>(reader: &mut Reader, path: &str, fields: &Map, key: &str, what: &str) -> Vec<T> {
    let mut found = Vec::new();
    for (at, text) in reader.texts(path, fields, key, super::check::line).into_iter().enumerate() {
        if let Ok(value) = text.parse() {
            found.push(value);
        } else {
            let path = join(path, key);
            let path = if matches!(fields.get(key), Some(Value::List(_))) { format!("{path}[{at}]") } else { path };
            reader.wrong(&path, &format!("`{text}` is not {what}"), None);
        }
    }
    found
}

pub(in crate::seed) fn mac(text: &str) -> Option<String> {
    let right = text.split(':').count() == 6
        && text.split(':').all(|part| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit()));
    (!right).then(|| "is no MAC address, such as `52:54:00:12:34:56`".to_string())
}

/// The kernel takes up to 15 bytes.
fn name(text: &str) -> Option<String> {
    let right = (1..=15).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    (!right || text == "." || text == "..").then(|| "is no interface name, such as `eth0`".to_string())
}

fn domain(text: &str) -> Option<String> {
    if text.contains('.') { super::check::fqdn(text) } else { super::check::hostname(text) }
}
