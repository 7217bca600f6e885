//! Looking around: which machine holds which address at a place, by everything that can be asked without waiting.

use super::record::{Kept, Record as Kepts, is_pending};
use super::subnet::Subnet;
use crate::addressing::{Known, Mac, Record, Source};
use crate::floor::{Code, Result};
use crate::libvirt::{Domain, Host, Network, address};
use crate::schema::xml::{self, Elem};
use std::net::IpAddr;

/// Where cards can see each other: a network, a bridge, or the routes of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Such as ``network `lab` ``.
    pub(super) label: String,
    bridge: Option<String>,
    networks: Vec<String>,
}

/// A card of a machine, and where it is plugged in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) mac: Option<Mac>,
    pub(super) target: Option<String>,
    kind: String,
    network: Option<String>,
    bridge: Option<String>,
}

/// A domain with its cards and what is kept of its addresses, as it runs and as it starts next.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) domain: Domain,
    pub(super) cards: Vec<Card>,
    pub(super) kept: Vec<Kept>,
}

impl Card {
    /// The cards of a domain's document, in its order.
    pub(super) fn all(root: &Elem) -> Vec<Self> {
        root.find_all("devices/interface").into_iter().map(Self::read).collect()
    }

    pub(super) fn read(interface: &Elem) -> Self {
        let of =
            |child: &str, attr: &str| interface.child(child).and_then(|child| child.attr(attr)).map(str::to_string);
        Self {
            mac: of("mac", "address").and_then(|mac| mac.parse().ok()),
            target: of("target", "dev"),
            kind: interface.attr("type").unwrap_or_default().to_string(),
            network: of("source", "network"),
            bridge: of("source", "bridge"),
        }
    }

    /// The host's device where its neighbours are: the bridge, or its own tap. Only a running machine's card tells.
    pub(super) fn device(&self) -> Option<&str> {
        self.bridge.as_deref().or(self.target.as_deref().filter(|_| self.kind == "ethernet"))
    }

    /// The name of libvirt's network that the card is on.
    pub(super) fn network_name(&self) -> Option<&str> {
        self.network.as_deref().filter(|_| self.kind == "network")
    }

    /// The network of libvirt's that the card is on.
    pub(super) fn network(&self, host: &Host) -> Result<Option<Network>> {
        self.network_name().map(|name| host.network(name)).transpose()
    }

    /// Where the card is plugged in; nothing where other cards cannot be known.
    pub(super) fn place(&self, host: &Host) -> Result<Option<Place>> {
        match (self.kind.as_str(), &self.network, &self.bridge) {
            ("network", Some(name), _) => Place::of_network(&host.network(name)?).map(Some),
            ("bridge", _, Some(bridge)) => Place::of_bridge(host, bridge).map(Some),
            ("ethernet", ..) => {
                Ok(Some(Place { label: "the host's routes".to_string(), bridge: None, networks: Vec::new() }))
            }
            _ => Ok(None),
        }
    }
}

impl Machine {
    /// From its document, and, where a running one tells that it changes, from that of its next start: this is asked of those
    /// alone, for otherwise all addresses of a host are known by one call for each machine.
    pub(super) fn read(domain: Domain, root: &Elem) -> Result<Self> {
        let mut machine = Self { domain, cards: Vec::new(), kept: Vec::new() };
        machine.add(root);
        if root.attr("id").is_some() && is_pending(root) {
            match machine.domain.inactive_xml() {
                // Gone since it was listed.
                Err(error) if error.code == Code::NotFound => {}
                next => machine.add(&xml::parse(&next?)?),
            }
        }
        Ok(machine)
    }

    fn add(&mut self, root: &Elem) {
        for card in Card::all(root) {
            if !self.cards.contains(&card) {
                self.cards.push(card);
            }
        }
        for kept in Kepts::read(root).unwrap_or_default().addresses {
            if !self.kept.contains(&kept) {
                self.kept.push(kept);
            }
        }
    }

    /// Whether a network has reserved this address for it.
    pub(super) fn has_reserved(&self, ip: IpAddr, mac: Option<Mac>) -> bool {
        let mut kept = self.kept.iter();
        kept.any(|one| one.reserved.is_some() && one.net.addr() == ip && (mac.is_none() || mac == Some(one.mac)))
    }

    /// Whether a network's reservation of an address for a card is its own, too: it has that card, or keeps the address.
    pub(super) fn needs(&self, network: &str, ip: IpAddr, mac: Mac) -> bool {
        let mut kept = self.kept.iter();
        self.cards.iter().any(|card| card.mac == Some(mac) && card.network_name() == Some(network))
            || kept.any(|one| one.net.addr() == ip && one.reserved.as_deref() == Some(network))
    }
}

impl Place {
    pub(super) fn of_network(network: &Network) -> Result<Self> {
        let label = format!("network `{}`", network.name());
        match network.bridge() {
            Some(bridge) => Ok(Self { label, ..Self::of_bridge(network.host(), &bridge)? }),
            None => Ok(Self { label, bridge: None, networks: vec![network.name().to_string()] }),
        }
    }

    fn of_bridge(host: &Host, bridge: &str) -> Result<Self> {
        let networks = host.networks()?;
        let on_it = networks.iter().filter(|network| network.bridge().as_deref() == Some(bridge));
        let networks = on_it.map(|network| network.name().to_string()).collect();
        Ok(Self { label: format!("bridge `{bridge}`"), bridge: Some(bridge.to_string()), networks })
    }

    fn has(&self, card: &Card) -> bool {
        let routed = self.bridge.is_none() && self.networks.is_empty();
        (routed && card.kind == "ethernet")
            || card.network.as_ref().is_some_and(|name| self.networks.contains(name))
            || (card.bridge.is_some() && card.bridge == self.bridge)
    }
}

impl Host {
    /// All machines of the host. One that goes away meanwhile is passed over.
    pub(super) fn machines(&self) -> Result<Vec<Machine>> {
        let mut machines = Vec::new();
        for domain in self.domains()? {
            let xml = match domain.xml() {
                Err(error) if error.code == Code::NotFound => continue,
                xml => xml::parse(&xml?)?,
            };
            machines.push(Machine::read(domain, &xml)?);
        }
        Ok(machines)
    }

    /// Who holds what at a place. If the machines are all that can be there, a lease for none of them is stale.
    pub(super) fn survey(&self, place: &Place, machines: &[Machine], all: bool) -> Result<Known> {
        let mut known = Known::default();
        for name in &place.networks {
            if let Some(network) = self.find_network(name)? {
                known.extend(self.of_network(&network, &network.subnets()?, machines, all));
            }
        }
        if let Some(bridge) = &place.bridge {
            known.extend(self.kernel_records(bridge, &place.label, machines));
        }
        known.extend(at(place, machines));
        for machine in machines.iter().filter(|machine| machine.cards.iter().any(|card| place.has(card))) {
            known.extend(neighbours(machine, place));
        }
        Ok(known)
    }

    /// Who holds what on the bridge of that name of another host, which shares it.
    pub(super) fn survey_shared(&self, place: &Place) -> Result<Vec<Record>> {
        let Some(bridge) = &place.bridge else { return Ok(Vec::new()) };
        let records = self.survey(&Place::of_bridge(self, bridge)?, &self.machines()?, false)?.into_sorted();
        let host = self.hostname()?;
        let told = |record: Record| Record { place: format!("{} of host `{host}`", record.place), ..record };
        Ok(records.into_iter().map(told).collect())
    }

    /// What machines on the bridge of that name of another host declare.
    pub(super) fn declared_shared(&self, place: &Place) -> Result<Vec<Record>> {
        let Some(bridge) = &place.bridge else { return Ok(Vec::new()) };
        Ok(at(&Place::of_bridge(self, bridge)?, &self.machines()?).collect())
    }

    fn of_network(&self, network: &Network, subnets: &[Subnet], machines: &[Machine], all: bool) -> Vec<Record> {
        let place = format!("network `{}`", network.name());
        let named = |mac: Option<Mac>, name: Option<String>| {
            let machine = mac.and_then(|mac| holder_of(mac, machines));
            machine.or(name).or(mac.map(|mac| mac.to_string())).unwrap_or_else(|| "unknown".to_string())
        };
        let mut records = Vec::new();
        let mut add = |ip, source, holder, mac| records.push(Record { ip, source, holder, mac, place: place.clone() });
        let hostname = self.hostname().unwrap_or_else(|_| "host".to_string());
        for subnet in subnets {
            add(subnet.own.addr(), Source::Host, hostname.clone(), None);
            for host in &subnet.hosts {
                add(host.ip, Source::Reservation, named(host.mac, host.name.clone()), host.mac);
            }
        }
        // A network that is not running has no leases, and some drivers cannot tell them.
        for lease in network.dhcp_leases().unwrap_or_default() {
            let mac = lease.mac.parse().ok();
            let gone = |mac: &Mac| all && mac.is_virtual() && holder_of(*mac, machines).is_none();
            let source = if mac.as_ref().is_some_and(gone) { Source::StaleLease } else { Source::Lease };
            if let Ok(ip) = lease.addr.parse() {
                add(ip, source, named(mac, lease.hostname), mac);
            }
        }
        records
    }
}

/// The machine that has a card.
pub(super) fn holder_of(mac: Mac, machines: &[Machine]) -> Option<String> {
    let machine = machines.iter().find(|machine| machine.cards.iter().any(|card| card.mac == Some(mac)));
    machine.map(|machine| machine.domain.name().to_string())
}

/// What machines at a place declare.
pub(super) fn at<'a>(place: &'a Place, machines: &'a [Machine]) -> impl Iterator<Item = Record> + 'a {
    machines.iter().flat_map(move |machine| {
        let here = machine
            .kept
            .iter()
            .filter(|kept| machine.cards.iter().any(|card| card.mac == Some(kept.mac) && place.has(card)));
        here.map(|kept| Record {
            ip: kept.net.addr(),
            source: Source::Declared,
            holder: machine.domain.name().to_string(),
            mac: Some(kept.mac),
            place: place.label.clone(),
        })
    })
}

/// What the host's neighbour table says of a running machine.
fn neighbours(machine: &Machine, place: &Place) -> Vec<Record> {
    if machine.domain.id().is_none() {
        return Vec::new();
    }
    let seen = machine.domain.ask(address::Source::Arp).unwrap_or_default();
    let seen = seen.into_iter().flat_map(|card| {
        let mac: Option<Mac> = card.hwaddr.and_then(|mac| mac.parse().ok());
        card.addrs.into_iter().map(move |address| (mac, address.addr))
    });
    let here =
        seen.filter(|(mac, _)| mac.is_none() || machine.cards.iter().any(|card| card.mac == *mac && place.has(card)));
    let records = here.filter_map(|(mac, addr)| {
        let ip: IpAddr = addr.parse().ok()?;
        let (holder, place) = (machine.domain.name().to_string(), place.label.clone());
        Some(Record { ip, source: Source::Neighbour, holder, mac, place })
    });
    records.collect()
}
