//! What networks keep for a domain, and giving it back when the domain goes.

use super::record::Record;
use super::survey::Machine;
use crate::addressing::Mac;
use crate::floor::Result;
use crate::libvirt::undo::Made;
use crate::libvirt::{Domain, Host, Lease, Network};
use crate::schema::xml::{self, Elem};
use std::net::IpAddr;

/// What networks keep for a domain: reservations and names, as its metadata tells, and leases of its cards.
pub(in crate::libvirt) struct Belongings {
    pub(super) host: Host,
    /// Network, address and card.
    pub(super) reserved: Vec<(String, IpAddr, Mac)>,
    /// Network, address and name.
    pub(super) names: Vec<(String, IpAddr, String)>,
    /// Network and card.
    pub(super) cards: Vec<(String, Mac)>,
}

/// Whether a domain's document tells that a network keeps this address or its name for it.
pub(in crate::libvirt) fn keeps(domain: &Elem, network: &str, ip: IpAddr) -> bool {
    Record::read(domain).unwrap_or_default().addresses.iter().any(|kept| {
        let named = kept.name.as_ref().map(|(network, _)| network);
        kept.net.addr() == ip && [kept.reserved.as_ref(), named].into_iter().flatten().any(|one| one == network)
    })
}

impl Domain {
    /// What networks keep for it. To be asked before it is removed, since its definition tells.
    pub(in crate::libvirt) fn belongings(&self) -> Result<Belongings> {
        let machine = Machine::read(self.clone(), &xml::parse(&self.xml()?)?)?;
        let cards = machine.cards.iter();
        let cards = cards.filter_map(|card| Some((card.network_name()?.to_string(), card.mac?))).collect();
        let mut found = Belongings { host: self.host().clone(), reserved: Vec::new(), names: Vec::new(), cards };
        for kept in machine.kept {
            let ip = kept.net.addr();
            found.reserved.extend(kept.reserved.map(|network| (network, ip, kept.mac)));
            found.names.extend(kept.name.map(|(network, name)| (network, ip, name)));
        }
        found.leave_to_others(self)?;
        Ok(found)
    }

    /// Has the networks of its host keep what its metadata says that they keep, as it came from another host.
    pub(in crate::libvirt) fn hold_belongings(&self) -> Result<()> {
        let record = Record::read(&xml::parse(&self.xml()?)?).unwrap_or_default();
        self.hold_again(&record.addresses)
    }
}

impl Belongings {
    /// Gives all of it back. A network that is gone keeps nothing.
    pub(in crate::libvirt) fn release(self) -> Result<()> {
        let plugged = self.plugged()?;
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
        for (network, cards) in plugged {
            network.release_leases(&cards);
        }
        Ok(())
    }

    /// Its reservations, as they are undone.
    pub(in crate::libvirt) fn reservations(&self) -> Result<Vec<Made>> {
        let mut all = Vec::new();
        for (name, ip, mac) in &self.reserved {
            let mac = Some(mac.to_string()).filter(|_| ip.is_ipv4());
            if let Some(network) = self.host.find_network(name)? {
                all.push(Made::Reservation { network: network.named()?, ip: *ip, mac });
            }
        }
        Ok(all)
    }

    /// Leaves reservations for cards that the machine does not have any more to the machine that has such a card now.
    fn leave_to_others(&mut self, domain: &Domain) -> Result<()> {
        let cards = &self.cards;
        let is_old = |network: &String, mac: Mac| !cards.iter().any(|(on, card)| on == network && *card == mac);
        if !self.reserved.iter().any(|(network, _, mac)| is_old(network, *mac)) {
            return Ok(());
        }
        let mut others = self.host.machines()?;
        others.retain(|machine| machine.domain.name() != domain.name());
        self.reserved.retain(|(network, ip, mac)| {
            !is_old(network, *mac) || !others.iter().any(|other| other.needs(network, *ip, *mac))
        });
        Ok(())
    }

    /// The leases that its cards have, each with the name of its network, as far as that can be told.
    pub(in crate::libvirt) fn leases(&self) -> Vec<(String, Lease)> {
        let held = self.plugged().unwrap_or_default().into_iter().flat_map(|(network, cards)| {
            let name = network.name().to_string();
            network.leases_of(&cards).into_iter().map(move |lease| (name.clone(), lease))
        });
        held.collect()
    }

    /// The networks that are still there, with the cards on them.
    fn plugged(&self) -> Result<Vec<(Network, Vec<Mac>)>> {
        let mut names: Vec<&String> = self.cards.iter().map(|(network, _)| network).collect();
        names.sort_unstable();
        names.dedup();
        let mut all = Vec::new();
        for name in names {
            let of = self.cards.iter().filter(|(network, _)| network == name).map(|(_, mac)| *mac);
            all.extend(self.host.find_network(name)?.map(|network| (network, of.collect())));
        }
        Ok(all)
    }
}
