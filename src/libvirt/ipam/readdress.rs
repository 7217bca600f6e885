//! Giving a machine that is there other addresses.

use super::assign::{Assigned, Grounds, assign};
use super::belongings::Belongings;
use super::claim::hold;
use super::document::complete;
use super::record::{Kept, Record, SPACE};
use super::survey::Card;
use crate::addressing::{IpNet, Mac, Wish};
use crate::floor::{Error, Result};
use crate::libvirt::{Domain, Transaction};
use crate::schema::xml::{self, Elem, Node};

impl Domain {
    /// Gives some of its cards other addresses: those that the wishes are for. The document is its own one with the new MAC
    /// addresses, if they shall change; its cards stand where they stood.
    ///
    /// What networks keep for the former addresses is given back, and what they must keep for the new ones is taken. All of
    /// it is seen at its next start. A failure leaves it as it was.
    pub fn readdress(&self, root: &Elem, wishes: &[Wish]) -> Result<()> {
        let _turn = self.alone()?;
        let old = xml::parse(&self.inactive_xml()?)?;
        let former = Card::all(&old);
        let moved: Vec<Mac> = wishes.iter().filter_map(|wish| former.get(wish.nic)?.mac).collect();
        let mut record = Record::read(&old).unwrap_or_default();
        let (gone, kept) = record.addresses.into_iter().partition(|one| moved.contains(&one.mac));
        record.addresses = kept;
        // What fails around it does not take a machine's addresses away that was there before.
        let apart = Transaction::begin_apart();
        // A card has one reservation, so the former one goes first.
        let done = self.former(&gone, &former).and_then(Belongings::release).and_then(|()| {
            self.settle_in(root, wishes, record).map_err(|error| match self.hold_again(&gone) {
                Ok(()) => error,
                Err(failed) => error.note(format!("cannot undo: {failed}")),
            })
        });
        apart.commit();
        done
    }

    fn settle_in(&self, root: &Elem, wishes: &[Wish], mut record: Record) -> Result<()> {
        let host = self.host();
        let cards = Card::all(root);
        let mut machines = host.machines()?;
        machines.retain(|machine| machine.domain.name() != self.name());
        let wired: Vec<&Card> = wishes.iter().filter_map(|wish| cards.get(wish.nic)).collect();
        let grounds = Grounds::survey(host, &wired, &machines, &[])?;
        let (assigned, mut found) = assign(host, self.name(), wishes, &cards, &machines, &grounds)?;
        let gateways = host.gateways(&assigned, &mut found)?;
        if !found.is_empty() {
            return Err(Error::definition(&self.object().to_string(), found));
        }
        // Before anything is taken: whoever looks from now on looks at the next definition, too.
        self.mark_pending()?;
        let transaction = Transaction::begin();
        let done = hold(self.name(), &assigned, gateways).and_then(|addresses| {
            record.addresses.extend(addresses);
            if record == Record::default() {
                return self.redefine(&xml::to_string(root));
            }
            self.redefine(&xml::to_string(&with(root, &assigned, &record)))
        });
        match done {
            Ok(()) => {
                transaction.commit();
                Ok(())
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }

    /// What networks keep for addresses that it had. Leases of a running guest are its own until it is off.
    pub(super) fn former(&self, gone: &[Kept], cards: &[Card]) -> Result<Belongings> {
        let mut held =
            Belongings { host: self.host().clone(), reserved: Vec::new(), names: Vec::new(), cards: Vec::new() };
        for kept in gone {
            let ip = kept.net.addr();
            held.reserved.extend(kept.reserved.clone().map(|network| (network, ip, kept.mac)));
            held.names.extend(kept.name.clone().map(|(network, name)| (network, ip, name)));
        }
        if !self.is_active()? {
            let of = cards.iter().filter(|card| gone.iter().any(|kept| Some(kept.mac) == card.mac));
            held.cards = of.filter_map(|card| Some((card.network_name()?.to_string(), card.mac?))).collect();
        }
        Ok(held)
    }

    /// The addresses that networks should keep for it and do not, or no more: with the card and the network of each. A
    /// reservation is taken back by others, too, and goes with a network that is made anew.
    pub fn lost_reservations(&self) -> Result<Vec<(IpNet, Mac, String)>> {
        let mut lost = Vec::new();
        let record = Record::read(&xml::parse(&self.inactive_xml()?)?).unwrap_or_default();
        for Kept { net, mac, reserved, .. } in record.addresses {
            let Some(name) = reserved else { continue };
            let card = net.addr().is_ipv4().then(|| mac.to_string());
            let held = self.host().find_network(&name)?.map(|network| network.reservations()).transpose()?;
            if !held.unwrap_or_default().iter().any(|one| one.is_for(net.addr(), card.as_deref())) {
                lost.push((net, mac, name));
            }
        }
        Ok(lost)
    }

    /// Has networks keep again what they should keep for it. An error tells who holds one of the addresses by now; a failure
    /// leaves all as it was.
    pub fn reserve_again(&self) -> Result<()> {
        let record = Record::read(&xml::parse(&self.inactive_xml()?)?).unwrap_or_default();
        for kept in &record.addresses {
            let Some(network) = &kept.reserved else { continue };
            let (network, ip) = (self.host().network(network)?, kept.net.addr());
            let mac = Some(kept.mac).filter(|_| ip.is_ipv4());
            let name = if mac.is_some() { None } else { network.host_name(self.name(), ip)? };
            network.is_reserved(&super::Reservation { ip, mac, name })?;
        }
        let transaction = Transaction::begin();
        match self.hold_again(&record.addresses) {
            Ok(()) => {
                transaction.commit();
                Ok(())
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }

    /// Reserves and names addresses that it had, unless that is so.
    pub(super) fn hold_again(&self, gone: &[Kept]) -> Result<()> {
        for kept in gone {
            let ip = kept.net.addr();
            if let Some(network) = &kept.reserved {
                let network = self.host().network(network)?;
                let mac = Some(kept.mac).filter(|_| ip.is_ipv4());
                let text = mac.map(|mac| mac.to_string());
                if !network.reservations()?.iter().any(|one| one.is_for(ip, text.as_deref())) {
                    network.reserve(&super::Reservation { ip, mac, name: network.host_name(self.name(), ip)? })?;
                }
            }
            if let Some((network, name)) = &kept.name {
                let network = self.host().network(network)?;
                if !network.names()?.contains(&(ip, name.clone())) {
                    network.add_name(ip, name)?;
                }
            }
        }
        Ok(())
    }
}

/// A document with the new names of cards and with what is kept of the addresses, in place of what was kept.
fn with(root: &Elem, assigned: &[Assigned], record: &Record) -> Elem {
    let mut root = root.clone();
    forget(&mut root);
    complete(&mut root, assigned, None, record);
    root
}

/// Takes what is kept of addresses out of a document.
pub(super) fn forget(root: &mut Elem) {
    for node in &mut root.nodes {
        if let Node::Elem(metadata) = node
            && metadata.name.is_plain("metadata")
        {
            metadata.nodes.retain(|node| !matches!(node, Node::Elem(one) if &*one.name.space == SPACE));
        }
    }
}
