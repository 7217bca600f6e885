//! What this machine's kernel knows, where the host is this machine: its own addresses, its neighbours, who answers.

use super::survey::{Card, Machine, holder_of};
use crate::addressing::{Mac, Record, Source};
use crate::libvirt::address::{self, Address, Family};
use crate::libvirt::{Domain, Host};
use crate::schema::xml::Elem;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

#[derive(Deserialize)]
struct Neighbour {
    dst: String,
    lladdr: Option<String>,
    #[serde(default)]
    state: Vec<String>,
}

#[derive(Deserialize)]
struct Device {
    #[serde(default)]
    addr_info: Vec<Local>,
}

#[derive(Deserialize)]
struct Local {
    local: Option<IpAddr>,
}

impl Host {
    /// Whether the host's network is this process's: a local connection through libvirt's usual socket.
    pub(in crate::libvirt) fn is_here(&self) -> bool {
        let (scheme, rest) = self.uri().split_once("://").unwrap_or((self.uri(), ""));
        let remote = !rest.starts_with('/') || scheme.contains('+') || rest.contains("socket=");
        !remote && scheme != "test"
    }

    /// What the kernel knows of a bridge: the host's own addresses on it and who was seen there, by name if a machine has
    /// the card.
    pub(super) fn kernel_records(&self, bridge: &str, place: &str, machines: &[Machine]) -> Vec<Record> {
        if !self.is_here() {
            return Vec::new();
        }
        let own = json::<Device>(&["addr", "show", "dev", bridge]).into_iter().flat_map(|device| device.addr_info);
        let holder = self.hostname().unwrap_or_else(|_| "host".to_string());
        let own = own.filter_map(|address| address.local).map(|ip| Record {
            ip,
            source: Source::Host,
            holder: holder.clone(),
            mac: None,
            place: place.to_string(),
        });
        let seen = self.fresh_neighbours(bridge).into_iter().map(|(ip, mac)| Record {
            ip,
            source: Source::Neighbour,
            holder: holder_of(mac, machines).unwrap_or_else(|| mac.to_string()),
            mac: Some(mac),
            place: place.to_string(),
        });
        own.chain(seen).collect()
    }

    /// What the kernel was told lately on a bridge: addresses with their cards.
    pub(super) fn fresh_neighbours(&self, bridge: &str) -> Vec<(IpAddr, Mac)> {
        if !self.is_here() {
            return Vec::new();
        }
        let seen = json::<Neighbour>(&["neigh", "show", "dev", bridge]).into_iter();
        let fresh = seen.filter_map(|seen| {
            let mac: Mac = seen.lladdr.as_ref()?.parse().ok()?;
            // A stale entry may be of a guest that is gone: whoever needs the address asks for it anew.
            let fresh = seen.state.iter().any(|state| matches!(state.as_str(), "PERMANENT" | "REACHABLE"));
            Some((seen.dst.parse().ok().filter(|_| fresh)?, mac))
        });
        fresh.collect()
    }

    /// Whether somebody answers for an address on the host's links; nothing where that cannot be told.
    pub(super) fn answers(&self, ip: IpAddr) -> Option<bool> {
        if !self.is_here() {
            return None;
        }
        // Through a router nobody's neighbour is asked.
        let route: Vec<serde_json::Value> = json(&["route", "get", &ip.to_string()]);
        let direct = route.first().is_some_and(|route| route.get("gateway").is_none());
        if !direct {
            return None;
        }
        if pinged(ip) {
            return Some(true);
        }
        let seen: Vec<Neighbour> = json(&["neigh", "show", "to", &ip.to_string()]);
        match seen.first()?.state.first()?.as_str() {
            // It does not answer pings, but the kernel has just found its card.
            "REACHABLE" => Some(true),
            "FAILED" | "INCOMPLETE" => Some(false),
            _ => None,
        }
    }
}

impl Domain {
    /// The addresses that this machine's kernel has seen the running domain's cards with.
    pub(super) fn neighbours(&self, root: &Elem) -> Vec<(Mac, Address)> {
        let cards = Card::all(root).into_iter();
        let devices = cards.filter_map(|card| Some((card.mac?, card.device()?.to_string())));
        let found = devices.flat_map(|(mac, device)| {
            let fresh = self.host().fresh_neighbours(&device).into_iter().filter(move |(_, of)| *of == mac);
            fresh.map(move |(ip, _)| {
                let family = if ip.is_ipv4() { Family::V4 } else { Family::V6 };
                (mac, Address { family, addr: ip.to_string(), prefix: 0, source: address::Source::Arp })
            })
        });
        found.filter(|(_, found)| address::is_reachable(&found.addr)).collect()
    }
}

/// Whether a ping is answered. Without `ping` a packet to nowhere still makes the kernel look for the neighbour.
fn pinged(ip: IpAddr) -> bool {
    let mut ping = Command::new("ping");
    ping.args(["-n", "-c", "1", "-W", "0.3", &ip.to_string()]).stdin(Stdio::null());
    if let Ok(status) = ping.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        return status.success();
    }
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // The port of "discard": nobody answers, and nobody has to.
    drop(UdpSocket::bind((any, 0)).and_then(|socket| socket.send_to(&[0], (ip, 9))));
    std::thread::sleep(Duration::from_millis(300));
    false
}

/// An answer of the system's `ip`; empty if it has none.
fn json<T: for<'de> Deserialize<'de>>(arguments: &[&str]) -> Vec<T> {
    let output = Command::new("ip").arg("-json").args(arguments).stdin(Stdio::null()).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}
