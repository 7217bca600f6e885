//! How a domain is wired to the world, read from its XML: its interfaces and its agent's channel.

use super::ipam::declared;
use super::{Domain, Host, Lease};
use crate::floor::{Error, Result};
use crate::schema::xml;
use std::net::IpAddr;

/// The leases that were there before a start: no proof that the guest of that start is up.
pub(super) type Before = Vec<Lease>;

/// A domain's interfaces and its agent's channel.
#[derive(Debug, Clone)]
pub(super) struct Wiring {
    pub(super) nics: Vec<Nic>,
    /// The addresses that cards are declared to have, by their MAC addresses in lower case.
    pub(super) declared: Vec<(String, IpAddr)>,
    pub(super) agent: Channel,
}

/// A network interface of a domain.
#[derive(Debug, Clone)]
pub(super) struct Nic {
    /// Its MAC address in lower case; missing only in a definition that libvirt has not seen yet.
    pub(super) mac: Option<String>,
    /// The network that it is on, if it is on one of libvirt's.
    pub(super) network: Option<String>,
    /// The host's device, which a running domain has.
    target: Option<String>,
    alias: Option<String>,
}

/// The state of the guest agent's channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// The domain has none.
    Absent,
    /// The guest has opened it.
    Connected,
    /// The guest has not opened it.
    Disconnected,
    /// The driver does not tell.
    Unknown,
}

impl Domain {
    /// The MAC address of the interface that is named by its MAC address, its target device, its alias or its place.
    pub fn mac_of(&self, interface: &str) -> Result<String> {
        Wiring::read(&self.xml()?)?.mac_of(interface, self)
    }
}

impl Wiring {
    pub(super) fn read(xml: &str) -> Result<Self> {
        let root = xml::parse(xml)?;
        let nics = root.find_all("devices/interface").into_iter().map(|interface| Nic {
            mac: interface.find("mac").and_then(|mac| mac.attr("address")).map(str::to_ascii_lowercase),
            network: interface.find("source").and_then(|source| source.attr("network")).map(str::to_string),
            target: interface.find("target").and_then(|target| target.attr("dev")).map(str::to_string),
            alias: interface.find("alias").and_then(|alias| alias.attr("name")).map(str::to_string),
        });
        let agent = root
            .find_all("devices/channel/target")
            .into_iter()
            .find(|target| target.attr("name") == Some("org.qemu.guest_agent.0"));
        let agent = match agent.map(|target| target.attr("state")) {
            None => Channel::Absent,
            Some(Some("connected")) => Channel::Connected,
            Some(Some("disconnected")) => Channel::Disconnected,
            Some(_) => Channel::Unknown,
        };
        let declared = declared(&root).into_iter().map(|(mac, ip)| (mac.to_string(), ip)).collect();
        Ok(Self { nics: nics.collect(), declared, agent })
    }

    /// The MAC address of the interface that is named by its MAC address, its target device, its alias or its place.
    pub(super) fn mac_of(&self, interface: &str, domain: &Domain) -> Result<String> {
        let named = |nic: &&Nic| {
            nic.mac.as_deref().is_some_and(|mac| mac.eq_ignore_ascii_case(interface))
                || nic.target.as_deref() == Some(interface)
                || nic.alias.as_deref() == Some(interface)
        };
        let place = || interface.parse().ok().and_then(|place: usize| self.nics.get(place));
        self.nics.iter().find(named).or_else(place).and_then(|nic| nic.mac.clone()).ok_or_else(|| {
            let known = self.nics.iter().filter_map(|nic| match (&nic.mac, &nic.target) {
                (Some(mac), Some(target)) => Some(format!("{mac} ({target})")),
                (mac, _) => mac.clone(),
            });
            let known: Vec<_> = known.collect();
            let error = Error::argument(format!("{} has no interface `{interface}`", domain.object()));
            if known.is_empty() { error } else { error.hint(format!("its interfaces: {}", known.join(", "))) }
        })
    }

    /// The networks that the interfaces are on, each once.
    pub(super) fn networks(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.nics.iter().filter_map(|nic| nic.network.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The leases of the interfaces right now; nothing where a network or its driver cannot tell.
    pub(super) fn leases(&self, host: &Host) -> Vec<Lease> {
        let networks = self.networks().into_iter().filter_map(|name| host.find_network(name).ok().flatten());
        let mut leases: Vec<Lease> = networks.filter_map(|network| network.own_leases().ok()).flatten().collect();
        leases.retain(|lease| self.nics.iter().any(|nic| nic.mac.as_deref() == Some(lease.mac.as_str())));
        leases
    }
}
