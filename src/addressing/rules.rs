//! Which addresses go where: what a machine, a router and a network may have.

use super::Range;
use super::fields::Findings;
use super::range::usable;
use ipnet::IpNet;
use std::net::IpAddr;

/// The kind of address that no machine may have, if it is one.
fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Some("the unspecified address"),
        IpAddr::V4(v4) if v4.is_loopback() => Some("a loopback address"),
        IpAddr::V4(v4) if v4.is_link_local() => Some("a link-local address"),
        IpAddr::V4(v4) if v4.is_multicast() => Some("a multicast address"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.octets()[0] >= 240 => Some("a reserved address"),
        IpAddr::V6(v6) if v6.is_unspecified() => Some("the unspecified address"),
        IpAddr::V6(v6) if v6.is_loopback() => Some("a loopback address"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("a link-local address"),
        IpAddr::V6(v6) if v6.is_multicast() => Some("a multicast address"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some("an IPv4 address in IPv6 clothes"),
        _ => None,
    }
}

/// Whether an address is one that a machine may have in its network.
pub(super) fn host_address(net: IpNet, path: &str, found: &mut Findings) {
    let ip = net.addr();
    if let Some(kind) = special(ip) {
        found.value(path, format!("IP address {ip} is {kind}"), "choose an address that a machine may have");
    } else if !usable(net).contains(ip) {
        let what = if ip == net.network() { "the address of the network" } else { "the broadcast address of" };
        let network = net.trunc();
        let free = usable(net);
        let hint = format!("machines have {} to {}", free.first(), free.last());
        found.value(path, format!("IP address {ip} is {what} {network}"), hint);
    }
}

pub(super) fn allowed(net: IpNet, subnet: Option<IpNet>, range: Option<Range>, path: &str, found: &mut Findings) {
    let ip = net.addr();
    if let Some(subnet) = subnet.filter(|subnet| !subnet.contains(&ip)) {
        let hint = "change the address, or the declaration's `subnet`";
        found.value(path, format!("IP address {ip} is not within allowed subnet {subnet}"), hint);
    }
    if let Some(range) = range.filter(|range| !range.contains(ip)) {
        let hint = "change the address, or the declaration's `range`";
        found.value(path, format!("IP address {ip} is not within allowed range {range}"), hint);
    }
}

/// A network is named by its first address.
pub(super) fn whole(net: IpNet, path: &str, found: &mut Findings) {
    if net.trunc() != net {
        found.value(
            path,
            format!("{net} is an address in a network, not a network"),
            format!("write \"{}\"", net.trunc()),
        );
    }
}

/// A gateway is in the subnet of the address, or reached directly on the link.
pub(super) fn gateway(ip: IpAddr, inside: Option<IpNet>, own: Option<IpNet>, path: &str, found: &mut Findings) {
    if ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() {
        found.value(path, format!("gateway {ip} is no address of a router"), "name the address of the router");
        return;
    }
    let Some(net) = inside else { return };
    let (kind, network) = (|ip: IpAddr| if ip.is_ipv4() { "IPv4" } else { "IPv6" }, net.trunc());
    if ip.is_ipv4() != net.addr().is_ipv4() {
        let message = format!("gateway {ip} is {}, but the address is {}", kind(ip), kind(net.addr()));
        found.value(path, message, "declare one of each family as a list of two");
    } else if own.is_some_and(|own| own.addr() == ip) {
        found.value(path, format!("gateway {ip} is the address itself"), "name the address of the router");
    } else if !on_link(ip, net) {
        if !network.contains(&ip) {
            let hint = "a gateway elsewhere needs the prefix /32 (/128), or is 169.254.0.1 on the link";
            found.value(path, format!("gateway {ip} is not within subnet {network}"), hint);
        } else if !usable(net).contains(ip) && ip.is_ipv4() {
            let free = usable(net);
            let hint = format!("machines have {} to {}", free.first(), free.last());
            found.value(path, format!("gateway {ip} is the network or broadcast address of {network}"), hint);
        }
    }
}

/// Whether a router need not be in the subnet of an address: it is told to be on the link.
pub(super) fn on_link(gateway: IpAddr, net: IpNet) -> bool {
    let link_local = match gateway {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    link_local || net.max_prefix_len() - net.prefix_len() <= 1
}
