//! What libvirt calls when a guest starts and stops: routes to guests on taps that are named after their addresses.
//!
//! A hook must not call libvirt, which waits for it: everything that is needed stands in the guest's XML.

use crate::addressing::ip_from_tap;
use crate::floor::{Area, Code, Error, Result};
use crate::libvirt::netlink::Netlink;
use crate::schema::xml;
use nix::net::if_::{if_indextoname, if_nametoindex};
use std::io;
use std::net::Ipv4Addr;

/// The gateway of every routed guest: the host itself, on the guest's own link.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);

/// Does what the hook of libvirt's QEMU driver has to do for an operation; `domain` is the guest's XML. A failure at the
/// start makes libvirt stop the guest.
pub fn qemu_hook(guest: &str, operation: &str, sub_operation: &str, domain: &str) -> Result<()> {
    // After a restart of the daemon the routes are there, unless somebody removed them meanwhile.
    let change = match (operation, sub_operation) {
        ("started" | "reconnect", "begin") => add,
        ("release", "end") => remove,
        _ => return Ok(()),
    };
    for (tap, ip) in taps(domain)? {
        change(&tap, ip)?;
        tracing::info!(guest, operation, tap, %ip, "route changed");
    }
    Ok(())
}

/// The routed taps of a guest with the addresses that their names hold.
fn taps(domain: &str) -> Result<Vec<(String, Ipv4Addr)>> {
    let root = xml::parse(domain)?;
    let nics = root.find_all("devices/interface").into_iter().filter(|nic| nic.attr("type") == Some("ethernet"));
    let names = nics.filter_map(|nic| nic.child("target")?.attr("dev"));
    Ok(names.filter_map(|name| Some((name.to_string(), ip_from_tap(name)?))).collect())
}

fn add(tap: &str, ip: Ipv4Addr) -> Result<()> {
    let failed = |doing: &str, cause: &io::Error| failed(&format!("{doing} `{tap}`"), cause);
    let kernel = Netlink::open().map_err(|cause| failed("ask the kernel about", &cause))?;
    let device = if_nametoindex(tap).map_err(|cause| failed("find", &cause.into()))?;
    let present = kernel.route(ip).map_err(|cause| failed("ask for the route of", &cause))?;
    if let Some(other) = present.filter(|other| *other != device) {
        let other =
            if_indextoname(other).map_or_else(|_| other.to_string(), |name| name.to_string_lossy().into_owned());
        let message = format!("the route to {ip} goes through `{other}` already");
        return Err(Error::new(Code::AlreadyExists, Area::Network, message).hint("another guest has this address"));
    }
    kernel.add_address(device, GATEWAY).map_err(|cause| failed("give the gateway's address to", &cause))?;
    kernel.up(device).map_err(|cause| failed("switch on", &cause))?;
    kernel.add_route(ip, device).map_err(|cause| failed(&format!("route {ip} to"), &cause))
}

/// The route goes with the tap, which may be gone already.
fn remove(tap: &str, ip: Ipv4Addr) -> Result<()> {
    let Ok(device) = if_nametoindex(tap) else { return Ok(()) };
    let taken = || -> io::Result<()> {
        let kernel = Netlink::open()?;
        if kernel.route(ip)? == Some(device) { kernel.remove_route(ip, device) } else { Ok(()) }
    };
    taken().map_err(|cause| failed(&format!("take back the route of {ip} to `{tap}`"), &cause))
}

fn failed(doing: &str, cause: &io::Error) -> Error {
    Error::new(Code::Failed, Area::Network, format!("cannot {doing}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_routed_taps_count() {
        let domain = "<domain><devices>
            <interface type='ethernet'><target dev='vm0a371616'/></interface>
            <interface type='ethernet'><target dev='tap0'/></interface>
            <interface type='ethernet'/>
            <interface type='bridge'><target dev='vm0a371617'/></interface></devices></domain>";
        let found = taps(domain).expect("well-formed");
        assert_eq!(found, [("vm0a371616".to_string(), Ipv4Addr::new(10, 55, 22, 22))]);
        assert_eq!(qemu_hook("web", "prepare", "begin", "not even XML"), Ok(()));
        assert!(qemu_hook("web", "started", "begin", "<domain>").is_err());
    }
}
