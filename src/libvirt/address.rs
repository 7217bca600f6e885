//! Addresses of a domain's interfaces: who knows them, and which of them count.

use std::net::{IpAddr, Ipv6Addr};

/// Who knows an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The DHCP leases of libvirt's own networks.
    Lease,
    /// The guest agent.
    Agent,
    /// The host's neighbour table.
    Arp,
}

impl Source {
    /// All sources, in the order in which they are asked and trusted.
    pub const ALL: &[Self] = &[Self::Lease, Self::Agent, Self::Arp];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Arp => "arp",
            Self::Lease => "lease",
        }
    }

    /// The sources that a word stands for: its own name, or `any` for all of them.
    pub fn from_word(word: &str) -> Option<&'static [Self]> {
        match word {
            "agent" => Some(&[Self::Agent]),
            "any" => Some(Self::ALL),
            "arp" => Some(&[Self::Arp]),
            "lease" => Some(&[Self::Lease]),
            _ => None,
        }
    }
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// libvirt's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    /// The family of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::V4, Self::V6].into_iter().find(|family| family.word() == word)
    }
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The address as text.
    pub addr: String,
    /// How many bits of it name the subnet; 0 where the source does not know.
    pub prefix: u32,
    /// Who knows it; the most trusted source if there are several.
    pub source: Source,
}

/// A domain's interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The guest's name for it (agent), else the host's device.
    pub name: String,
    /// Its MAC address in lower case; some guest interfaces have none.
    pub hwaddr: Option<String>,
    /// Its addresses.
    pub addrs: Vec<Address>,
}

/// Whether an address can be the answer to "where is the guest": not loopback, link-local, multicast or unspecified.
pub fn is_reachable(addr: &str) -> bool {
    // A link-local address may carry its scope, as in `fe80::1%eth0`.
    let bare = addr.split_once('%').map_or(addr, |(bare, _)| bare);
    match bare.parse() {
        Ok(IpAddr::V4(v4)) => {
            !(v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast())
        }
        Ok(IpAddr::V6(v6)) => {
            let mapped = v6.to_ipv4_mapped().is_some_and(|v4| !is_reachable(&v4.to_string()));
            !(v6 == Ipv6Addr::LOCALHOST
                || v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
                || mapped)
        }
        Err(_) => false,
    }
}

/// Joins what several sources say by MAC address, without naming an address twice.
pub(super) fn merge(answers: impl IntoIterator<Item = Interface>) -> Vec<Interface> {
    let mut merged: Vec<Interface> = Vec::new();
    for interface in answers {
        let known =
            interface.hwaddr.as_ref().and_then(|mac| merged.iter_mut().find(|one| one.hwaddr.as_ref() == Some(mac)));
        let Some(known) = known else {
            merged.push(interface);
            continue;
        };
        for address in interface.addrs {
            match known.addrs.iter_mut().find(|one| one.addr == address.addr) {
                Some(one) if one.prefix == 0 => one.prefix = address.prefix,
                Some(_) => {}
                None => known.addrs.push(address),
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reachable_addresses_count() {
        for good in ["192.168.122.5", "10.0.0.1", "2001:db8::1", "fd00::5", "8.8.8.8"] {
            assert!(is_reachable(good), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.5.5.5",
            "169.254.3.4",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fe80::1%eth0",
            "ff02::1",
            "::ffff:127.0.0.1",
            "N/A",
            "",
        ] {
            assert!(!is_reachable(bad), "{bad}");
        }
    }

    #[test]
    fn sources_are_joined_by_mac_without_duplicates() {
        let address = |addr: &str, prefix, source| Address { family: Family::V4, addr: addr.into(), prefix, source };
        let interface =
            |name: &str, mac: Option<&str>, addrs| Interface { name: name.into(), hwaddr: mac.map(Into::into), addrs };
        let merged = merge([
            interface("vnet0", Some("52:54:00:00:00:01"), vec![address("10.0.0.5", 24, Source::Lease)]),
            interface("lo", None, vec![address("127.0.0.1", 8, Source::Agent)]),
            interface(
                "eth0",
                Some("52:54:00:00:00:01"),
                vec![address("10.0.0.5", 24, Source::Agent), address("10.0.0.6", 24, Source::Agent)],
            ),
            interface("tun0", None, vec![]),
        ]);
        let names: Vec<_> = merged.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["vnet0", "lo", "tun0"]);
        let addrs: Vec<_> = merged[0].addrs.iter().map(|one| (one.addr.as_str(), one.source)).collect();
        assert_eq!(addrs, [("10.0.0.5", Source::Lease), ("10.0.0.6", Source::Agent)]);
    }
}
