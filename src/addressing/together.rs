//! The declarations of one machine together: no address twice, one default route per family, names that do not clash.

use super::declaration::StaticIp;
use super::fields::Findings;
use super::parse::parse;
use crate::floor::{Finding, Value};
use std::net::IpAddr;

/// An interface of a definition, as far as declarations depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// The path of the declaration in the script's value.
    pub path: String,
    /// Its type, such as `network`.
    pub kind: String,
    /// Whether it has a MAC address.
    pub has_mac: bool,
    /// Whether its device on the host has a name.
    pub has_target: bool,
}

/// A declaration with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The interface's place among all interfaces of the definition.
    pub nic: usize,
    /// The path of the declaration in the script's value.
    pub path: String,
    /// What is declared.
    pub ip: StaticIp,
}

/// Reads the declarations of a definition, each with its interface and that one's place. Every mistake is found.
pub fn wishes<'a>(declared: impl IntoIterator<Item = (usize, &'a Nic, &'a Value)>) -> (Vec<Wish>, Vec<Finding>) {
    let mut found = Findings::default();
    let mut all = Vec::new();
    for (at, nic, value) in declared {
        let (read, wrong) = parse(value);
        found.0.extend(wrong.into_iter().map(|one| Finding { path: below(&nic.path, &one.path), ..one }));
        let first = all.len();
        all.extend(read.into_iter().map(|(path, ip)| Wish { nic: at, path: below(&nic.path, &path), ip }));
        for wish in &all[first..] {
            beside_nic(wish, nic, &mut found);
        }
        one_name(&all[first..], &mut found);
    }
    twice(&all, &mut found);
    default_routes(&all, &mut found);
    (all, found.0)
}

fn below(path: &str, rest: &str) -> String {
    if rest.is_empty() || rest.starts_with('[') { format!("{path}{rest}") } else { format!("{path}.{rest}") }
}

/// What a declaration needs from its interface.
fn beside_nic(wish: &Wish, nic: &Nic, found: &mut Findings) {
    let at = |key: &str| below(&wish.path, key);
    if nic.kind != "network" {
        if wish.ip.via.by_dhcp() {
            let message = format!("a DHCP reservation needs an interface of type `network`, not `{}`", nic.kind);
            found.value(&at("via"), message, "leave `via` out, then the seed delivers the address");
        }
        if wish.ip.address.is_none() && wish.ip.subnet.is_none() {
            let message = format!("\"auto\" on an interface of type `{}` needs `subnet`", nic.kind);
            found.value(
                &at("address"),
                message,
                "such as `subnet: \"10.0.0.0/24\"`; only libvirt's networks know their own",
            );
        }
    }
    if wish.ip.dns_name.is_some() && nic.kind != "network" {
        let message = format!("`dns_name` needs an interface of type `network`, not `{}`", nic.kind);
        found.value(&at("dns_name"), message, "leave it out: only libvirt's networks have a DNS server");
    }
    if wish.ip.mac_from_ip && nic.has_mac {
        found.value(&at("mac_from_ip"), "the interface has a MAC address already", "leave one of the two out");
    }
    if wish.ip.tap_from_ip && nic.has_target {
        found.value(&at("tap_from_ip"), "the interface's `target` has a name already", "leave one of the two out");
    }
    if wish.ip.tap_from_ip && !matches!(nic.kind.as_str(), "network" | "bridge" | "ethernet") {
        let message = format!("an interface of type `{}` has no tap device", nic.kind);
        found.value(&at("tap_from_ip"), message, "");
    }
}

/// An interface has one MAC address and one name, whatever the number of its addresses.
fn one_name(wishes: &[Wish], found: &mut Findings) {
    said_once("mac_from_ip", wishes.iter().filter(|wish| wish.ip.mac_from_ip), found);
    said_once("tap_from_ip", wishes.iter().filter(|wish| wish.ip.tap_from_ip), found);
    let mut named = wishes.iter().filter_map(|wish| wish.ip.interface.as_ref().map(|name| (name, wish)));
    let first = named.next().map(|(name, _)| name);
    for (name, wish) in named.filter(|(name, _)| Some(*name) != first) {
        found.value(
            &below(&wish.path, "interface"),
            format!("the interface has another name already, not {name:?}"),
            "",
        );
    }
}

fn said_once<'a>(key: &str, wishes: impl Iterator<Item = &'a Wish>, found: &mut Findings) {
    for wish in wishes.skip(1) {
        let message = format!("`{key}` is said twice for one interface");
        found.value(&below(&wish.path, key), message, "leave it out of all addresses but one");
    }
}

fn twice(all: &[Wish], found: &mut Findings) {
    for (at, wish) in all.iter().enumerate() {
        let earlier = |same: &dyn Fn(&Wish) -> bool| all[..at].iter().find(|other| same(other));
        if let Some(net) = wish.ip.address
            && let Some(other) = earlier(&|other| other.ip.address.is_some_and(|one| one.addr() == net.addr()))
        {
            let hint = format!("`{}` declares it already", other.path);
            found.value(&below(&wish.path, "address"), format!("IP address {} is declared twice", net.addr()), hint);
        }
        if let Some(name) = &wish.ip.dns_name
            && let Some(other) = earlier(&|other| other.ip.dns_name.as_ref() == Some(name))
        {
            let hint = format!("`{}` has it; libvirt's networks keep a name for one address", other.path);
            found.value(&below(&wish.path, "dns_name"), format!("DNS name {name:?} is given twice"), hint);
        }
        if let Some(name) = &wish.ip.interface
            && let Some(other) = earlier(&|other| other.nic != wish.nic && other.ip.interface.as_ref() == Some(name))
        {
            let hint = format!("`{}` names another interface so", other.path);
            found.value(&below(&wish.path, "interface"), format!("interface name {name:?} is given twice"), hint);
        }
    }
}

fn default_routes(all: &[Wish], found: &mut Findings) {
    let mut ways: Vec<(IpAddr, String)> = Vec::new();
    for wish in all {
        let gateway = wish.ip.gateway.filter(|_| wish.ip.default_route).map(|via| (via, below(&wish.path, "gateway")));
        let routes = wish.ip.routes.iter().enumerate().filter(|(_, route)| route.to.prefix_len() == 0);
        // Several default routes with different costs are a wish, not a mistake.
        let routes = routes.filter(|(_, route)| route.metric.is_none());
        let routes = routes.map(|(at, route)| (route.via, below(&wish.path, &format!("routes[{at}].to"))));
        for (via, path) in gateway.into_iter().chain(routes) {
            let family = if via.is_ipv4() { "IPv4" } else { "IPv6" };
            match ways.iter().find(|(other, _)| other.is_ipv4() == via.is_ipv4()) {
                None => ways.push((via, path)),
                Some((other, _)) => {
                    let message = format!("there is a default route of {family} already, through {other}");
                    found.value(&path, message, "say `default_route: false` for one of them");
                }
            }
        }
    }
}
