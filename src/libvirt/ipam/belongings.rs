//! What networks keep for a domain, and giving it back when the domain goes.

use super::record::Record;
use super::survey::Card;
use crate::addressing::Mac;
use crate::floor::Result;
use crate::libvirt::{Domain, Host};
use crate::schema::xml;
use std::net::IpAddr;

/// What networks keep for a domain: reservations and names, as its metadata tells, and leases of its cards.
pub(in crate::libvirt) struct Belongings {
    host: Host,
    /// Network, address and card.
    reserved: Vec<(String, IpAddr, Mac)>,
    /// Network, address and name.
    names: Vec<(String, IpAddr, String)>,
    /// Network and card.
    cards: Vec<(String, Mac)>,
}

impl Domain {
    /// What networks keep for it. To be asked before it is removed, since its definition tells.
    pub(in crate::libvirt) fn belongings(&self) -> Result<Belongings> {
        let root = xml::parse(&self.xml()?)?;
        let cards = root.find_all("devices/interface").into_iter().map(Card::read);
        let cards = cards.filter_map(|card| Some((card.network_name()?.to_string(), card.mac?))).collect();
        let mut found = Belongings { host: self.host().clone(), reserved: Vec::new(), names: Vec::new(), cards };
        for kept in Record::read(&root).unwrap_or_default().addresses {
            let ip = kept.net.addr();
            found.reserved.extend(kept.reserved.map(|network| (network, ip, kept.mac)));
            found.names.extend(kept.name.map(|(network, name)| (network, ip, name)));
        }
        Ok(found)
    }
}

impl Belongings {
    /// Gives all of it back. A network that is gone keeps nothing.
    pub(in crate::libvirt) fn release(self) -> Result<()> {
        for (network, ip, name) in self.names {
            if let Some(network) = self.host.find_network(&network)? {
                network.release_name(ip, &name)?;
            }
        }
        for (network, ip, mac) in self.reserved {
            if let Some(network) = self.host.find_network(&network)? {
                // An IPv6 address is kept for a name.
                let mac = Some(mac.to_string()).filter(|_| ip.is_ipv4());
                network.release_for(ip, mac.as_deref())?;
            }
        }
        let mut networks: Vec<&String> = self.cards.iter().map(|(network, _)| network).collect();
        networks.sort_unstable();
        networks.dedup();
        for name in networks {
            let of: Vec<Mac> = self.cards.iter().filter(|(network, _)| network == name).map(|(_, mac)| *mac).collect();
            if let Some(network) = self.host.find_network(name)? {
                network.release_leases(&of);
            }
        }
        Ok(())
    }
}
