//! Choosing addresses and names for a machine, and checking them against what the host knows.

use super::subnet::Subnet;
use super::survey::{Card, Machine, Place, holder_of};
use crate::addressing::{IpNet, Known, Mac, Range, Record, Source, Wish, mac_from_ip, next_free, tap_from_ip, usable};
use crate::floor::{Finding, Result};
use crate::libvirt::{Host, Network};
use std::net::IpAddr;

/// A place with what is known of it.
#[derive(Debug)]
struct Ground {
    place: Place,
    network: Option<Network>,
    subnets: Vec<Subnet>,
    /// The names that its DNS server has; nothing if it has none.
    names: Option<Vec<(IpAddr, String)>>,
    known: Known,
}

/// An address that a machine shall get.
#[derive(Debug)]
pub(super) struct Assigned {
    /// The wish, with its address.
    pub(super) wish: Wish,
    pub(super) net: IpNet,
    pub(super) mac: Mac,
    pub(super) tap: Option<String>,
    /// The network that must reserve it.
    pub(super) reserve: Option<Network>,
    /// The card of a machine that is gone, whose lease has to end before.
    pub(super) stale: Option<Mac>,
    /// Where other cards are in its way.
    pub(super) place: Option<Place>,
    /// libvirt's network there, if it is one.
    pub(super) network: Option<Network>,
}

/// What is known of everything that machines' cards are plugged into.
#[derive(Debug)]
pub(super) struct Grounds {
    all: Vec<Ground>,
    /// Whether somebody may be asked for an address, which takes its time.
    probes: bool,
}

impl Grounds {
    /// Looks around at the places of these cards; on the other hosts too, at the bridges that they share.
    pub(super) fn survey(host: &Host, cards: &[&Card], machines: &[Machine], shared: &[Host]) -> Result<Self> {
        let mut grounds: Vec<Ground> = Vec::new();
        for card in cards {
            let Some(place) = card.place(host)? else { continue };
            if grounds.iter().any(|ground| ground.place == place) {
                continue;
            }
            let network = card.network(host)?;
            let subnets = network.as_ref().map(Network::subnets).transpose()?.unwrap_or_default();
            let names = network.as_ref().map(names_of).transpose()?.flatten();
            let mut known = host.survey(&place, machines, shared.is_empty())?;
            for other in shared {
                known.extend(other.survey_shared(&place)?);
            }
            grounds.push(Ground { place, network, subnets, names, known });
        }
        Ok(Self { all: grounds, probes: true })
    }

    /// The same, asking nobody.
    pub(super) fn silent(self) -> Self {
        Self { probes: false, ..self }
    }

    /// The same without what networks keep for a machine.
    pub(super) fn without(mut self, machine: &Machine) -> Self {
        for ground in &mut self.all {
            let is_own = |ip, mac: Option<Mac>| machine.has_reserved(ip, mac);
            for subnet in &mut ground.subnets {
                subnet.hosts.retain(|host| !is_own(host.ip, host.mac));
            }
            ground.known.retain(|one| one.source != Source::Reservation || !is_own(one.ip, one.mac));
        }
        self
    }

    /// Whether somebody answers for an address.
    fn answers(&self, host: &Host, ip: IpAddr) -> bool {
        self.probes && host.answers(ip) == Some(true)
    }

    fn of(&self, place: Option<&Place>) -> Option<&Ground> {
        self.all.iter().find(|ground| Some(&ground.place) == place)
    }
}

fn names_of(network: &Network) -> Result<Option<Vec<(IpAddr, String)>>> {
    if network.has_dns()? { network.names().map(Some) } else { Ok(None) }
}

impl Ground {
    fn subnet(&self, ip: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.own.contains(&ip))
    }

    /// The subnet that a free address is taken from.
    fn home(&self, wish: &Wish) -> Option<IpNet> {
        let own = || self.subnets.iter().map(|subnet| subnet.own.trunc());
        let gateway = || wish.ip.gateway.and_then(|gateway| own().find(|net| net.contains(&gateway)));
        let range = || wish.ip.range.and_then(|range| own().find(|net| net.contains(&range.first())));
        wish.ip.subnet.or_else(range).or_else(gateway).or_else(|| own().next())
    }
}

/// Gives every wish its address and its card's MAC address; else everything that is in the way.
pub(super) fn assign(
    host: &Host,
    name: &str,
    wishes: &[Wish],
    cards: &[Card],
    machines: &[Machine],
    grounds: &Grounds,
) -> Result<(Vec<Assigned>, Vec<Finding>)> {
    let mut found = Vec::new();
    let mut all: Vec<Assigned> = Vec::new();
    for wish in wishes {
        let card = &cards[wish.nic];
        let place = card.place(host)?;
        let ground = grounds.of(place.as_ref());
        let known_mac = card.mac.or_else(|| all.iter().find(|other| other.wish.nic == wish.nic).map(|other| other.mac));
        let usual = known_mac.unwrap_or_else(|| usual_mac(name, wish.nic, machines));
        let others: Vec<IpAddr> = all.iter().map(|other| other.net.addr()).collect();
        let net = match wish.ip.address {
            Some(net) => net,
            None => match free(wish, ground, &others, usual, |ip| grounds.answers(host, ip)) {
                Ok(net) => net,
                Err(finding) => {
                    found.push(finding);
                    continue;
                }
            },
        };
        let v4 = if let IpAddr::V4(ip) = net.addr() { Some(ip) } else { None };
        // Another address of the same card may have named it already.
        let from_ip = wishes.iter().any(|other| other.nic == wish.nic && other.ip.mac_from_ip);
        let mac = match v4.filter(|_| wish.ip.mac_from_ip) {
            Some(ip) => mac_from_ip(ip),
            None if from_ip => all.iter().find(|other| other.wish.nic == wish.nic).map_or(usual, |other| other.mac),
            None => usual,
        };
        let mut assigned = Assigned {
            wish: wish.clone(),
            net,
            mac,
            tap: v4.filter(|_| wish.ip.tap_from_ip).map(tap_from_ip),
            reserve: None,
            stale: ground.and_then(|ground| ground.known.stale_lease(net.addr(), &[mac])?.mac),
            network: ground.and_then(|ground| ground.network.clone()),
            place,
        };
        assigned.wish.ip.address = Some(net);
        if let Some(ground) = ground {
            found.extend(against(host, &assigned, ground, |ip| grounds.answers(host, ip)));
            found.extend(name_taken(&assigned, ground));
            let reserved = all
                .iter()
                .any(|other| other.mac == mac && other.net.addr().is_ipv4() == v4.is_some() && other.reserve.is_some());
            match reservation(&assigned, ground, reserved) {
                Ok(network) => assigned.reserve = network,
                Err(finding) => found.push(finding),
            }
        }
        found.extend(names(&assigned, machines));
        all.push(assigned);
    }
    Ok((all, found))
}

/// The next free address for a wish. What is in the DHCP server's ranges is only taken when nothing else is left.
fn free(
    wish: &Wish,
    ground: Option<&Ground>,
    others: &[IpAddr],
    mac: Mac,
    answers: impl Fn(IpAddr) -> bool,
) -> Result<IpNet, Finding> {
    let no_subnet = || {
        let place = ground.map_or("the interface".to_string(), |ground| ground.place.label.clone());
        let message = format!("{place} has no subnet to take an address from");
        value(&wish.path, "address", message, "name it: `subnet: \"10.0.0.0/24\"`")
    };
    let home = ground.map_or(wish.ip.subnet, |ground| ground.home(wish)).ok_or_else(no_subnet)?;
    let range = wish.ip.range.unwrap_or_else(|| usable(home));
    let dynamic: Vec<Range> =
        ground.iter().flat_map(|ground| &ground.subnets).flat_map(|subnet| subnet.ranges.clone()).collect();
    let own = [mac];
    let mut used: Vec<IpAddr> = others.iter().copied().chain(wish.ip.gateway).collect();
    used.extend(ground.iter().flat_map(|ground| ground.known.used(&own)));
    let limits = usable(home);
    let first = range.first().max(limits.first());
    let last = range.last().min(limits.last());
    let allowed = Range::new(first, last);
    for _ in 0..64 {
        let outside = allowed.map(|allowed| without(allowed, &dynamic)).unwrap_or_default();
        let next = next_free(&outside, used.iter().copied());
        let next = next.or_else(|| allowed.and_then(|allowed| next_free(&[allowed], used.iter().copied())));
        match next {
            Some(ip) if answers(ip) => used.push(ip),
            Some(ip) => return IpNet::new(ip, home.prefix_len()).map_err(|_| no_subnet()),
            None => break,
        }
    }
    let hint = "free one, or allow more with `range`";
    Err(value(&wish.path, "address", format!("no address of {range} is free in {home}"), hint))
}

/// What is left of a range without these others.
fn without(range: Range, others: &[Range]) -> Vec<Range> {
    others.iter().fold(vec![range], |left, other| left.into_iter().flat_map(|range| range.without(other)).collect())
}

/// What the place has against an address.
fn against(host: &Host, assigned: &Assigned, ground: &Ground, answers: impl Fn(IpAddr) -> bool) -> Vec<Finding> {
    let (wish, ip) = (&assigned.wish, assigned.net.addr());
    let mut found = Vec::new();
    let family: Vec<&Subnet> = ground.subnets.iter().filter(|one| one.own.addr().is_ipv4() == ip.is_ipv4()).collect();
    if ground.subnet(ip).is_none() && !family.is_empty() && wish.ip.subnet.is_none() {
        let allowed: Vec<_> = family.iter().map(|subnet| subnet.own.trunc().to_string()).collect();
        let message = format!("IP address {ip} is not within allowed subnet {}", allowed.join(", "));
        found.push(value(&wish.path, "address", message, &format!("{} has no other", ground.place.label)));
    }
    if let Some(subnet) = ground.subnet(ip)
        && wish.ip.via.by_dhcp()
        && subnet.own.prefix_len() != assigned.net.prefix_len()
    {
        let message = format!("the prefix of {} is /{} in {}", ip, subnet.own.prefix_len(), ground.place.label);
        found.push(value(&wish.path, "address", message, &format!("write \"{ip}/{}\"", subnet.own.prefix_len())));
    }
    if let Some(record) = ground.known.conflict(ip, &[assigned.mac]) {
        found.push(taken(wish, record));
    } else if let Some(record) =
        ground.known.stale_lease(ip, &[assigned.mac]).filter(|_| wish.ip.via.by_dhcp() && !host.is_here())
    {
        // A DHCP server gives the address to nobody else, reserved or not; only on this machine it can be told better.
        let message = format!("{} has leased {ip} to {}, which is gone", ground.place.label, record.holder);
        found.push(value(&wish.path, "address", message, "the lease runs out by itself; until then, leave `via` out"));
    } else if wish.ip.address.is_some() && answers(ip) {
        let message = format!("IP address {ip} is already in use by machine unknown");
        found.push(value(
            &wish.path,
            "address",
            message,
            &format!("somebody answers for it on {}", ground.place.label),
        ));
    }
    found
}

/// What the network's DNS server has against the name of an address.
fn name_taken(assigned: &Assigned, ground: &Ground) -> Option<Finding> {
    let (wish, ip) = (&assigned.wish, assigned.net.addr());
    let name = wish.ip.dns_name.as_ref()?;
    let place = &ground.place.label;
    let Some(names) = &ground.names else {
        let message = format!("{place} has no DNS server for the name {name:?}");
        return Some(value(&wish.path, "dns_name", message, "give it an `ip` and a `dns`, or leave `dns_name` out"));
    };
    let (of, other) = names.iter().find(|(of, other)| other == name || *of == ip)?;
    let (message, hint) = if other == name {
        (format!("DNS name `{name}` is already in use for {of}"), format!("{place} has it: choose another name"))
    } else {
        (
            format!("{place} has the DNS name `{other}` for {ip} already"),
            "it keeps one entry for an address".to_string(),
        )
    };
    Some(value(&wish.path, "dns_name", message, &hint))
}

/// That somebody else holds an address.
pub(super) fn taken(wish: &Wish, record: &Record) -> Finding {
    value(&wish.path, "address", record.to_string(), &record.reason())
}

/// Whether the network must reserve the address: so that its DHCP server gives it to this card, and to no other.
fn reservation(assigned: &Assigned, ground: &Ground, card_has_one: bool) -> Result<Option<Network>, Finding> {
    let (wish, ip) = (&assigned.wish, assigned.net.addr());
    let Some(subnet) = ground.subnet(ip).filter(|subnet| subnet.dhcp) else {
        // That an address is in no subnet at all is told already.
        if wish.ip.via.by_dhcp() && (ground.subnet(ip).is_some() || ground.subnets.is_empty()) {
            let message = format!("{} has no DHCP server for {ip}", ground.place.label);
            return Err(value(&wish.path, "via", message, "give its `ip` a `dhcp`, or leave `via` out"));
        }
        return Ok(None);
    };
    // An IPv6 client is known by its name, which tells nothing of its card.
    let of_card = |host: &&super::Reservation| host.mac == Some(assigned.mac) && ip.is_ipv4();
    let before = subnet.hosts.iter().find(of_card);
    match before {
        Some(host) if host.ip == ip => return Ok(None),
        Some(host) if wish.ip.via.by_dhcp() => {
            let message = format!("{} reserves {} for the same card", ground.place.label, host.ip);
            return Err(value(&wish.path, "address", message, "a card has one reservation: release that one first"));
        }
        None if !card_has_one => return Ok(ground.network.clone()),
        Some(_) | None => {}
    }
    let range = subnet.ranges.iter().find(|range| range.contains(ip));
    match range {
        Some(range) => {
            let message =
                format!("IP address {ip} is in the DHCP range {range}, and the card has a reservation already");
            Err(value(&wish.path, "address", message, "choose an address outside that range"))
        }
        None if wish.ip.via.by_dhcp() => {
            let message = "a card has one reservation, and this one has another already".to_string();
            Err(value(&wish.path, "via", message, "leave `via` out for one of the addresses"))
        }
        None => Ok(None),
    }
}

/// Machines that have the MAC address of a card that no wish is for, or its device.
pub(super) fn card_taken(path: &str, card: &Card, machines: &[Machine]) -> Option<Finding> {
    let mac = card.mac?;
    let holder = holder_of(mac, machines)?;
    let message = format!("MAC address {mac} is already in use by machine {holder}");
    Some(value(path, "mac.address", message, "give the interface another address, or a `mac` of its own"))
}

/// Machines that have the same names already.
fn names(assigned: &Assigned, machines: &[Machine]) -> Vec<Finding> {
    let wish = &assigned.wish;
    let holder = |has: &dyn Fn(&Card) -> bool| {
        let machine = machines.iter().find(|machine| machine.cards.iter().any(has));
        machine.map(|machine| machine.domain.name().to_string())
    };
    let mut found = Vec::new();
    if let Some(name) = holder(&|card| card.mac == Some(assigned.mac)) {
        let message = format!("MAC address {} is already in use by machine {name}", assigned.mac);
        let interface = wish.path.rsplit_once(".static_ip").map_or("", |(interface, _)| interface);
        let (path, key) = if wish.ip.mac_from_ip { (wish.path.as_str(), "mac_from_ip") } else { (interface, "mac") };
        found.push(value(path, key, message, "give the interface another `mac`"));
    }
    if let Some(tap) = &assigned.tap
        && let Some(name) = holder(&|card| card.target.as_ref() == Some(tap))
    {
        let message = format!("tap device `{tap}` is already in use by machine {name}");
        found.push(value(&wish.path, "tap_from_ip", message, "give the interface another `target`"));
    }
    found
}

/// The MAC address of a card that nobody named: the same whenever the machine of that name is made again, so that what
/// a DHCP server remembers of it stays its own.
fn usual_mac(name: &str, nic: usize, machines: &[Machine]) -> Mac {
    let taken = |mac: Mac| machines.iter().flat_map(|machine| &machine.cards).any(|card| card.mac == Some(mac));
    let of = |salt: u64| {
        let text = format!("{name}/{nic}/{salt}");
        // FNV-1a: any hash will do that is the same in every version of this program.
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let [a, b, c, ..] = (hash ^ (hash >> 32)).to_le_bytes();
        Mac::qemu([a, b, c])
    };
    (0..1000).map(of).find(|mac| !taken(*mac)).unwrap_or_else(|| of(0))
}

fn value(path: &str, key: &str, message: String, hint: &str) -> Finding {
    Finding { path: format!("{path}.{key}"), message, hint: Some(hint.to_string()), ..Finding::default() }
}
