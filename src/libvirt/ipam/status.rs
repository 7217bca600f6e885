//! How a domain stands with its addresses.

use super::record::{Kept, PREFIX, Record, SPACE};
use super::{NetworkCondition, Phase};
use crate::addressing::Mac;
use crate::floor::Result;
use crate::libvirt::Domain;
use crate::libvirt::address::{Address, Source, is_reachable};
use crate::schema::xml::{self, Elem};
use std::net::IpAddr;

/// An address of a domain's interface, or an interface without any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkStatus {
    /// The address, with its prefix where that is known.
    pub assigned_ip: Option<String>,
    /// The guest's name for the interface if it was declared, else the host's device.
    pub interface: Option<String>,
    /// Its MAC address.
    pub mac: String,
    /// Whether the address was declared, else it is the DHCP server's.
    pub is_static: bool,
    /// The declared gateway.
    pub gateway: Option<IpAddr>,
    /// The declared name servers.
    pub dns: Vec<IpAddr>,
    /// Who confirms the address: `lease` or `arp`; `declared` if nobody does yet.
    pub source: Option<&'static str>,
    /// How far its domain is.
    pub phase: Phase,
    /// What was found when it was made.
    pub conditions: Vec<NetworkCondition>,
}

impl Domain {
    /// How each interface stands with its addresses, by what can be known at once.
    pub fn network_status(&self) -> Result<Vec<NetworkStatus>> {
        let root = xml::parse(&self.xml()?)?;
        let record = Record::read(&root);
        // Only what runs has a number.
        let running = root.attr("id").is_some();
        let phase = match record.as_ref().map(|record| record.phase) {
            // It was made, and now it waits to be started.
            Some(Phase::Running) if !running => Phase::Pending,
            // A guest that crashed may be kept for who looks at it.
            None | Some(Phase::Running) if running && self.state()?.word() == "crashed" => Phase::Failed,
            None if running => Phase::Running,
            kept => kept.unwrap_or_default(),
        };
        let record = record.unwrap_or_default();
        let seen = if running { self.seen(&root) } else { Vec::new() };
        let mut all = Vec::new();
        for interface in root.find_all("devices/interface") {
            let attr = |child: &str, attr: &str| interface.child(child).and_then(|child| child.attr(attr));
            let Some(mac) = attr("mac", "address").and_then(|mac| mac.parse().ok()) else { continue };
            let seen: Vec<&Address> = seen.iter().filter(|(of, _)| *of == mac).map(|(_, address)| address).collect();
            let bare = NetworkStatus {
                assigned_ip: None,
                interface: attr("target", "dev").map(str::to_string),
                mac: mac.to_string(),
                is_static: false,
                gateway: None,
                dns: Vec::new(),
                source: None,
                phase,
                conditions: Vec::new(),
            };
            let kept: Vec<&Kept> = record.addresses.iter().filter(|kept| kept.mac == mac).collect();
            all.extend(kept.iter().map(|one| declared(one, &kept, &record, &seen, running, &bare)));
            if kept.is_empty() {
                all.push(dynamic(&seen, running, bare));
            }
        }
        Ok(all)
    }

    /// The addresses that its cards were seen with.
    fn seen(&self, root: &Elem) -> Vec<(Mac, Address)> {
        let interfaces = self.interface_addresses(&[Source::Lease, Source::Arp]).unwrap_or_default().into_iter();
        let told = interfaces.filter_map(|one| Some((one.hwaddr?.parse().ok()?, one.addrs)));
        let told = told.flat_map(|(mac, addrs)| addrs.into_iter().map(move |address| (mac, address)));
        let mut seen: Vec<(Mac, Address)> = told.filter(|(_, address)| is_reachable(&address.addr)).collect();
        for found in self.neighbours(root) {
            if !seen.iter().any(|(mac, address)| *mac == found.0 && address.addr == found.1.addr) {
                seen.push(found);
            }
        }
        seen
    }

    /// Keeps how far the domain is, perhaps with a further condition of all its addresses, if any are kept for it.
    pub(in crate::libvirt) fn keep_phase(&self, phase: Phase, condition: Option<NetworkCondition>) -> Result<()> {
        let Some(mut record) = Record::read(&xml::parse(&self.inactive_xml()?)?) else { return Ok(()) };
        record.phase = phase;
        if let Some(condition) = condition {
            record.conditions.retain(|other| other.kind != condition.kind);
            record.conditions.push(condition);
        }
        self.set_metadata(Some(&xml::to_string(&record.bare())), PREFIX, SPACE)
    }
}

/// An address that was declared, with what is known of it.
fn declared(
    one: &Kept,
    all: &[&Kept],
    record: &Record,
    seen: &[&Address],
    running: bool,
    bare: &NetworkStatus,
) -> NetworkStatus {
    let ip_of = |address: &Address| address.addr.parse::<IpAddr>().ok();
    let confirmed = seen.iter().find(|address| ip_of(address) == Some(one.net.addr()));
    let is_another =
        |ip: IpAddr| ip.is_ipv4() == one.net.addr().is_ipv4() && all.iter().all(|kept| kept.net.addr() != ip);
    let other = seen.iter().find(|address| ip_of(address).is_some_and(is_another));
    let condition = |status, reason, message| NetworkCondition::now("AddressSeen", status, reason, message);
    let condition = match (confirmed, other) {
        (Some(address), _) => condition("True", "AddressSeen", format!("told by {}", address.source.word())),
        (None, Some(other)) => {
            let message = format!("the guest was seen with {} instead, by {}", other.addr, other.source.word());
            condition("False", "StaticIPAssignmentFailed", message)
        }
        (None, None) => {
            condition("Unknown", "NotSeen", "no lease and no neighbour table tells of it; the guest's agent may".into())
        }
    };
    let kept = one.conditions.iter().chain(&record.conditions).cloned();
    NetworkStatus {
        assigned_ip: Some(one.net.to_string()),
        interface: one.interface.clone().or(bare.interface.clone()),
        is_static: true,
        gateway: one.gateway,
        dns: one.dns.clone(),
        source: Some(confirmed.map_or("declared", |address| address.source.word())),
        conditions: kept.chain(Some(condition).filter(|_| running)).collect(),
        ..bare.clone()
    }
}

/// An interface without a declaration: what its DHCP server gave it.
fn dynamic(seen: &[&Address], running: bool, bare: NetworkStatus) -> NetworkStatus {
    let condition = |status, reason, message| NetworkCondition::now("AddressAssigned", status, reason, message);
    let found = seen.first().map(|address| match address.prefix {
        0 => address.addr.clone(),
        prefix => format!("{}/{prefix}", address.addr),
    });
    let conditions = match (&found, running) {
        (Some(text), _) => vec![condition("True", "DHCPAssigned", format!("{text} by dhcp"))],
        (None, true) => {
            vec![condition("False", "NoAddress", "no lease and no neighbour table tells of one".to_string())]
        }
        (None, false) => Vec::new(),
    };
    NetworkStatus { assigned_ip: found, source: seen.first().map(|address| address.source.word()), conditions, ..bare }
}
