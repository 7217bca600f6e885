//! Taking addresses for a machine so that nobody else gets them, whoever runs at the same time.
//!
//! A DHCP server's reservation is a lock that libvirt itself guards: it comes first. Where there is no DHCP server, the
//! domain's own metadata is the claim: it is written, and then everybody's is read again. Of two that claim the same
//! address at least the later one sees the other, and whoever sees another steps back and looks again after a while.

use super::assign::{Assigned, Grounds, assign, taken};
use super::document::complete;
use super::record::{Kept, Record};
use super::survey::{self, Card};
use super::{NetworkCondition, Phase, Reservation};
use crate::addressing::{Delivery, Known, Mac, StaticIp, Unreachable, Wish, network_config};
use crate::floor::{Area, Code, Error, Finding, Map, Result, interrupt};
use crate::libvirt::define::already;
use crate::libvirt::object::{Kind, Object};
use crate::libvirt::{Domain, Host, Transaction};
use crate::schema::xml::{self, Elem};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

/// How often to look for addresses again when others were quicker.
const ATTEMPTS: u64 = 100;

/// A seed that is added to a machine as a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedDisk {
    /// The pool of its volume.
    pub pool: String,
    /// The name of its volume.
    pub volume: String,
}

/// A machine that is defined and has its addresses, and the way back.
#[derive(Debug)]
pub struct Claim {
    pub(in crate::libvirt) domain: Domain,
    pub(in crate::libvirt) transaction: Transaction,
    cards: Vec<(Mac, Vec<StaticIp>)>,
}

/// Others were quicker.
enum Attempt {
    Won(Claim),
    Lost(Error),
}

impl Claim {
    /// The network configuration for the machine's seed, if any of its addresses is delivered by it.
    pub fn network_config(&self) -> Option<Map> {
        let by_seed = |ip: &&StaticIp| ip.via.by_seed();
        if !self.cards.iter().any(|(_, ips)| ips.iter().any(|ip| by_seed(&ip))) {
            return None;
        }
        let cards: Vec<_> = self.cards.iter().map(|(mac, ips)| (*mac, ips.iter().filter(by_seed).collect())).collect();
        Some(network_config(&cards))
    }

    /// Gives everything back because of an error, and returns that error.
    #[must_use]
    pub fn give_up(self, error: Error) -> Error {
        self.transaction.roll_back(error)
    }
}

impl Host {
    /// Finds and takes the addresses that a definition declares, and defines the machine with them. The machines of
    /// `shared` hosts on bridges of the same name count too. A failure leaves nothing.
    pub fn claim(&self, root: &Elem, wishes: &[Wish], seed: Option<&SeedDisk>, shared: &[Self]) -> Result<Claim> {
        let name = root.find_text("name").ok_or_else(|| {
            Error::new(Code::InvalidDefinition, Area::Domain, "the definition has no name")
                .hint("give it the field `name`")
        })?;
        if self.find_domain(&name)?.is_some() {
            return Err(already(&Object::new(Kind::Domain, &name)));
        }
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            interrupt::check()?;
            match self.try_claim(&name, root, wishes, seed, shared)? {
                Attempt::Won(claim) => return Ok(claim),
                Attempt::Lost(error) => last = Some(error),
            }
            // Two that step back must not come forward together again.
            let chance = RandomState::new().hash_one(attempt) % (20 + 10 * attempt.min(10));
            interrupt::sleep(Duration::from_millis(5 + chance))?;
        }
        let error = last.unwrap_or_else(|| Error::new(Code::Busy, Area::Network, "no address could be taken"));
        Err(error.note(format!("tried {ATTEMPTS} times; others were quicker")))
    }

    fn try_claim(
        &self,
        name: &str,
        root: &Elem,
        wishes: &[Wish],
        seed: Option<&SeedDisk>,
        shared: &[Self],
    ) -> Result<Attempt> {
        let cards = Card::all(root);
        let wired: Vec<&Card> = wishes.iter().filter_map(|wish| cards.get(wish.nic)).collect();
        // Machines of one run that take any free address would all find the same one, and all but one of them look again.
        let lock = self.lock("free addresses");
        let turn = wishes.iter().any(|wish| wish.ip.address.is_none());
        let turn = turn.then(|| lock.lock().unwrap_or_else(PoisonError::into_inner));
        let machines = self.machines()?;
        let grounds = Grounds::survey(self, &wired, &machines, shared)?;
        let (assigned, mut found) = assign(self, name, wishes, &cards, &machines, &grounds)?;
        let gateways = self.gateways(&assigned, &mut found)?;
        if !found.is_empty() {
            return Err(Error::definition(&format!("domain `{name}`"), found));
        }
        let transaction = Transaction::begin();
        let taken = self.take(name, root, seed, &assigned, gateways);
        drop(turn);
        let alone = taken.and_then(|domain| {
            let other = self.is_alone(&domain, &assigned, shared)?;
            if other.is_none() {
                domain.keep_phase(Phase::Creating, None)?;
            }
            Ok((other, cards_of(&domain)?, domain))
        });
        match alone {
            Ok((None, cards, domain)) => Ok(Attempt::Won(won(domain, cards, assigned, transaction))),
            Ok((Some(error), ..)) => Ok(Attempt::Lost(transaction.roll_back(error))),
            // Somebody else's reservation came first; the next look tells whose.
            Err(error) if error.area == Area::Network && matches!(error.code, Code::Busy | Code::InvalidState) => {
                Ok(Attempt::Lost(transaction.roll_back(error)))
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }

    /// Reserves what must be reserved, and defines the machine.
    fn take(
        &self,
        name: &str,
        root: &Elem,
        seed: Option<&SeedDisk>,
        assigned: &[Assigned],
        gateways: Vec<Option<NetworkCondition>>,
    ) -> Result<Domain> {
        let addresses = hold(name, assigned, gateways)?;
        let record = Record { phase: Phase::Validating, addresses, conditions: Vec::new() };
        let mut root = root.clone();
        complete(&mut root, assigned, seed, &record);
        self.define_domain(&xml::to_string(&root))
    }

    /// Whether nobody else claims the same addresses after all.
    fn is_alone(&self, domain: &Domain, assigned: &[Assigned], shared: &[Self]) -> Result<Option<Error>> {
        let mut machines = self.machines()?;
        machines.retain(|machine| machine.domain.name() != domain.name());
        for one in assigned {
            let Some(place) = &one.place else { continue };
            let mut known = Known::default();
            known.extend(survey::at(place, &machines));
            for other in shared {
                known.extend(other.declared_shared(place)?);
            }
            if let Some(record) = known.conflict(one.net.addr(), &[]) {
                let finding = taken(&one.wish, record);
                return Ok(Some(Error::definition(&domain.object().to_string(), vec![finding])));
            }
        }
        Ok(None)
    }

    /// Whether the gateway of each address answers, as far as that can be told.
    pub(super) fn gateways(
        &self,
        assigned: &[Assigned],
        found: &mut Vec<Finding>,
    ) -> Result<Vec<Option<NetworkCondition>>> {
        let mut conditions = Vec::new();
        for one in assigned {
            let wish = &one.wish;
            let probed = wish.ip.gateway.filter(|_| wish.ip.gateway_unreachable != Unreachable::Ignore);
            let Some(gateway) = probed else {
                conditions.push(None);
                continue;
            };
            let condition =
                |status, reason, message: String| NetworkCondition::now("GatewayReachable", status, reason, message);
            conditions.push(Some(match self.reaches(gateway, one)? {
                Some(true) => condition("True", "GatewayAnswers", format!("gateway {gateway} answers")),
                None => condition("Unknown", "NotProbed", format!("gateway {gateway} cannot be probed from here")),
                Some(false) => {
                    let message = format!("gateway {gateway} does not answer");
                    if wish.ip.gateway_unreachable == Unreachable::Refuse {
                        found.push(Finding {
                            path: format!("{}.gateway", wish.path),
                            on_key: false,
                            message: message.clone(),
                            hint: Some("check the address, or say `gateway_unreachable: \"warn\"`".to_string()),
                            place: None,
                        });
                    } else {
                        tracing::warn!(address = %one.net, %gateway, "the gateway does not answer");
                    }
                    condition("False", "GatewayUnreachable", message)
                }
            }));
        }
        Ok(conditions)
    }

    fn reaches(&self, gateway: IpAddr, one: &Assigned) -> Result<Option<bool>> {
        if let Some(network) = &one.network
            && network.subnets()?.iter().any(|subnet| subnet.own.addr() == gateway)
        {
            return Ok(Some(network.is_active()?));
        }
        Ok(self.answers(gateway))
    }
}

/// Reserves addresses and their names where they must be, and gives what is to be kept of them.
pub(super) fn hold(name: &str, assigned: &[Assigned], gateways: Vec<Option<NetworkCondition>>) -> Result<Vec<Kept>> {
    let mut addresses = Vec::new();
    for (one, gateway) in assigned.iter().zip(gateways) {
        let ip = one.net.addr();
        if let Some(network) = &one.reserve {
            network.release_leases(one.stale.as_slice());
            let mac = Some(one.mac).filter(|_| ip.is_ipv4());
            network.reserve(&Reservation { ip, mac, name: network.host_name(name, ip)? })?;
        }
        let reserved = one.reserve.as_ref().map(|network| network.name().to_string());
        let mut named = None;
        if let (Some(name), Some(network)) = (&one.wish.ip.dns_name, &one.network) {
            network.add_name(ip, name)?;
            named = Some(network.name().to_string());
        }
        let mut kept = Kept::new(one.net, one.mac, &one.wish.ip, reserved, named);
        let message = match one.wish.ip.via {
            Delivery::None => format!("{}, of which the guest is told by nothing but a DHCP server", one.net),
            via => format!("{} by {}", one.net, via.word()),
        };
        kept.conditions.push(NetworkCondition::now("AddressAssigned", "True", "StaticIPAssigned", message));
        kept.conditions.extend(gateway);
        addresses.push(kept);
    }
    Ok(addresses)
}

/// The MAC addresses of all cards of a machine, of which libvirt may have chosen some.
fn cards_of(domain: &Domain) -> Result<Vec<Mac>> {
    let root = xml::parse(&domain.xml()?)?;
    Ok(Card::all(&root).into_iter().filter_map(|card| card.mac).collect())
}

fn won(domain: Domain, cards: Vec<Mac>, assigned: Vec<Assigned>, transaction: Transaction) -> Claim {
    let mut cards: Vec<(Mac, Vec<StaticIp>)> = cards.into_iter().map(|mac| (mac, Vec::new())).collect();
    for one in assigned {
        tracing::info!(domain = domain.name(), address = %one.net, mac = %one.mac, "address taken");
        if let Some((_, ips)) = cards.iter_mut().find(|(mac, _)| *mac == one.mac) {
            ips.push(one.wish.ip);
        }
    }
    Claim { domain, transaction, cards }
}
