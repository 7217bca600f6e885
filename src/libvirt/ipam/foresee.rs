//! What would keep machines from getting what their cards need, all of it before anything is made.

use super::assign::{Grounds, assign, card_taken};
use super::plugs::Plugs;
use super::survey::{Card, Machine};
use crate::addressing::Wish;
use crate::floor::{Finding, Result};
use crate::libvirt::Host;
use crate::schema::xml::Elem;

/// A machine that shall be made: its document, and the addresses that it declares.
pub type Planned = (Elem, Vec<Wish>);

impl Host {
    /// What would keep these machines from being made as far as their cards go: networks and bridges that are not there,
    /// tags that they cannot have, addresses and MAC addresses that others hold. A machine that is there already is in
    /// nobody's way but others': the definition is the one that it is going to have. The host is asked once for all of them;
    /// with `probe`, the addresses are asked for, too, which takes its time.
    pub fn obstacles(&self, planned: &[Planned], probe: bool) -> Result<Vec<Vec<Finding>>> {
        let plugs = Plugs::of(self);
        let mut found = Vec::new();
        for (root, _) in planned {
            found.push(plugs.missing(root)?);
        }
        let cards: Vec<Vec<Card>> = planned.iter().map(|(root, _)| Card::all(root)).collect();
        let named = |cards: &Vec<Card>| cards.iter().any(|card| card.mac.is_some());
        if planned.iter().all(|(_, wishes)| wishes.is_empty()) && !cards.iter().any(named) {
            return Ok(found);
        }
        let mut machines = self.machines()?;
        // A card that is plugged into nothing has no neighbours.
        let plugged = |at: &usize| found[*at].is_empty();
        let places: Vec<usize> = (0..planned.len()).filter(plugged).collect();
        let wired: Vec<&Card> =
            places.iter().flat_map(|at| planned[*at].1.iter().filter_map(|wish| cards[*at].get(wish.nic))).collect();
        let grounds = Grounds::survey(self, &wired, &machines, &[])?;
        let grounds = if probe { grounds } else { grounds.silent() };
        for at in places {
            let (root, wishes) = &planned[at];
            let name = root.find_text("name").unwrap_or_default();
            let own = machines.iter().position(|machine| machine.domain.name() == name);
            let own = own.map(|at| machines.swap_remove(at));
            let apart = match &own {
                Some(own) => {
                    let wired: Vec<&Card> = wishes.iter().filter_map(|wish| cards[at].get(wish.nic)).collect();
                    let grounds = Grounds::survey(self, &wired, &machines, &[])?.without(own);
                    Some(if probe { grounds } else { grounds.silent() })
                }
                None => None,
            };
            let grounds = apart.as_ref().unwrap_or(&grounds);
            found[at].extend(assign(self, &name, wishes, &cards[at], &machines, grounds)?.1);
            found[at].extend(others(root, &cards[at], wishes, &machines));
            machines.extend(own);
        }
        Ok(found)
    }
}

/// What keeps the cards that declare no address.
fn others(root: &Elem, cards: &[Card], wishes: &[Wish], machines: &[Machine]) -> Vec<Finding> {
    let nics = root.find_all("devices/interface").into_iter().zip(cards).enumerate();
    let plain = nics.filter(|(at, _)| !wishes.iter().any(|wish| wish.nic == *at));
    plain.filter_map(|(_, (nic, card))| card_taken(&nic.origin, card, machines)).collect()
}
