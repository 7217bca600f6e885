//! What libvirt calls when a guest starts and stops: routes to guests on taps that are named after their addresses.
//!
//! A hook must not call libvirt, which waits for it: everything that is needed stands in the guest's XML.

use crate::addressing::ip_from_tap;
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml;
use serde::Deserialize;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// The gateway of every routed guest: the host itself, on the guest's own link.
const GATEWAY: &str = "169.254.0.1/32";

#[derive(Deserialize)]
struct Route {
    dev: Option<String>,
}

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
    let target = format!("{ip}/32");
    if let Some(other) = routes(&target)?.into_iter().find(|dev| dev != tap) {
        let message = format!("the route to {ip} goes through `{other}` already");
        return Err(Error::new(Code::AlreadyExists, Area::Network, message).hint("another guest has this address"));
    }
    system(&["address", "replace", GATEWAY, "dev", tap])?;
    system(&["link", "set", "dev", tap, "up"])?;
    system(&["route", "replace", &target, "dev", tap, "scope", "link"]).map(drop)
}

/// The route goes with the tap, which may be gone already.
fn remove(tap: &str, ip: Ipv4Addr) -> Result<()> {
    let target = format!("{ip}/32");
    if routes(&target)?.iter().any(|dev| dev == tap) {
        system(&["route", "del", &target, "dev", tap])?;
    }
    Ok(())
}

/// The devices that a target is routed through.
fn routes(target: &str) -> Result<Vec<String>> {
    let text = system(&["-json", "route", "show", "exact", target])?;
    let routes: Vec<Route> = serde_json::from_str(&text).unwrap_or_default();
    Ok(routes.into_iter().filter_map(|route| route.dev).collect())
}

/// Runs the system's `ip`.
fn system(arguments: &[&str]) -> Result<String> {
    let failed = |cause: String| {
        let message = format!("cannot run `ip {}`", arguments.join(" "));
        Error::new(Code::Failed, Area::Network, message).caused_by(cause.trim().to_string())
    };
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|cause| failed(cause.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
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
