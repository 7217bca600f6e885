//! Waiting for a guest's address, truthfully: the interface's own address, from this start, of a living guest.

use super::agent::AgentProbe;
use super::background::Background;
use super::guest::Guest;
use super::{Look, Tick, TimedOut, WaitOptions, autopsy, run};
use crate::floor::{Area, Code, Error, Map, Result};
use crate::libvirt::address::{Address, Family, Interface, Source, is_reachable};
use crate::libvirt::wiring::{Before, Wiring};
use crate::libvirt::{Domain, Lease, Network};
use ipnet::IpNet;
use std::collections::{BTreeMap, HashSet};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// The neighbour table changes rarely, and is asked less often.
const ARP_PAUSE: Duration = Duration::from_millis(500);
/// What is said of an address that is not the one that the machine was given.
const DECLARED: &str = "which the machine declares";
/// How long a guest may take to answer a connection that confirms its static address.
const CONNECT: Duration = Duration::from_secs(2);

/// What to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitIp {
    /// How long.
    pub timeout: Duration,
    /// Who may answer, in the order in which they are asked.
    pub sources: Vec<Source>,
    /// The interface: its MAC address, its target device, its alias or its place; any of the domain if not given.
    pub interface: Option<String>,
    /// The family; any if this is not given.
    pub family: Option<Family>,
    /// The subnet in which the address must lie.
    pub subnet: Option<IpNet>,
    /// How long the answer must stay the same.
    pub stable: Duration,
    /// Whether loopback and link-local addresses, those of earlier starts and others than the declared ones count, too.
    pub any_address: bool,
    /// The address that the guest is known to take; it only needs to be confirmed.
    pub address: Option<IpAddr>,
}

impl Default for WaitIp {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            sources: Source::ALL.to_vec(),
            interface: None,
            family: None,
            subnet: None,
            stable: Duration::ZERO,
            any_address: false,
            address: None,
        }
    }
}

/// An address that was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The address as text.
    pub addr: String,
    /// How many bits of it name the subnet; 0 where the source does not know.
    pub prefix: u32,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Who knew it first: a source, or `connection` for a static address that answered.
    pub source: &'static str,
    /// The MAC address of the interface, in lower case.
    pub mac: String,
    /// Whether it is the static address that was asked for.
    pub is_static: bool,
    /// How long it took.
    pub elapsed: Duration,
}

impl WaitIp {
    /// Reads a subnet such as `10.0.0.0/24`.
    pub fn parse_subnet(text: &str) -> Result<IpNet> {
        let wrong = || Error::argument(format!("`{text}` is not a subnet")).hint("write it as `10.0.0.0/24`");
        text.parse().map_err(|_| wrong())
    }
}

impl Domain {
    /// Waits until the guest has an address. Fails at once when the guest is over, and on timeout tells what each
    /// source said.
    pub fn wait_for_ip(&self, wait: &WaitIp) -> Result<Found> {
        let mut ip = Ip::new(self, wait);
        run(&mut [Box::new(&mut ip)], true, WaitOptions { timeout: wait.timeout, ..WaitOptions::default() })?;
        ip.found.ok_or_else(|| Error::new(Code::Failed, Area::Domain, "the wait ended without an address"))
    }
}

/// The wait for an address.
pub(super) struct Ip {
    domain: Domain,
    wait: WaitIp,
    watch: Option<Watch>,
    began: Duration,
    /// An answer that must stay the same for a while, and since when it did.
    candidate: Option<(Found, Duration)>,
    pub(super) found: Option<Found>,
}

impl Ip {
    pub(super) fn new(domain: &Domain, wait: &WaitIp) -> Self {
        let (domain, wait) = (domain.clone(), wait.clone());
        Self { domain, wait, watch: None, began: Duration::ZERO, candidate: None, found: None }
    }

    /// Fails if the guest will never answer.
    pub(super) fn alive(&self, tick: Tick) -> Result<()> {
        self.watch.as_ref().map_or(Ok(()), |watch| watch.guest.alive(tick, "address"))
    }

    /// Lets an answer count when it stayed the same for long enough.
    fn settle(&mut self, found: Found, now: Duration) -> Option<Found> {
        let same = |one: &Found| one.addr == found.addr && one.mac == found.mac;
        match &self.candidate {
            Some((one, since)) if same(one) => (now.saturating_sub(*since) >= self.wait.stable)
                .then(|| Found { elapsed: found.elapsed, ..one.clone() }),
            _ if self.wait.stable.is_zero() => Some(found),
            _ => {
                self.candidate = Some((found, now));
                None
            }
        }
    }
}

impl Look for Ip {
    fn what(&self) -> String {
        format!("address of {}", self.domain.object())
    }

    fn word(&self) -> &'static str {
        "ip"
    }

    fn begin(&mut self) -> Result<()> {
        self.watch = Some(Watch::new(&self.domain, &self.wait)?);
        Ok(())
    }

    fn look(&mut self, tick: Tick) -> Result<Option<Map>> {
        self.alive(tick)?;
        let Some(watch) = &mut self.watch else { return Ok(None) };
        if self.began.is_zero() {
            self.began = tick.now;
        }
        let Some(mut found) = watch.look(&self.wait, tick)? else { return Ok(None) };
        found.elapsed = tick.now.saturating_sub(self.began);
        self.found = self.settle(found, tick.now);
        Ok(self.found.as_ref().map(|found| {
            super::guest::fields([
                ("object", self.domain.object().plain().into()),
                ("addr", found.addr.clone().into()),
                ("prefix", i64::from(found.prefix).into()),
                ("type", found.family.word().into()),
                ("hwaddr", found.mac.clone().into()),
                ("source", found.source.into()),
                ("static", found.is_static.into()),
            ])
        }))
    }

    fn said(&self) -> String {
        let said = self.watch.iter().flat_map(|watch| &watch.said);
        said.map(|(source, said)| format!("{source}: {said}")).collect::<Vec<_>>().join(" · ")
    }

    fn timed_out(&self, how: TimedOut) -> Error {
        let object = self.domain.object();
        let message = format!("{object} got no address within {:?}", how.limit);
        let mut error = Error::new(Code::Timeout, Area::Domain, message).about(object.plain());
        if let Some(watch) = &self.watch {
            let mut sources = Map::new();
            for source in &self.wait.sources {
                let said = watch.said.get(source.word()).map_or("never answered", String::as_str);
                sources.insert(source.word().to_string(), said.into());
                error = error.note(format!("{}: {said}", source.word()));
            }
            error.facts.insert("sources".to_string(), sources.into());
        }
        if self.watch.as_ref().is_some_and(|watch| watch.has_strayed) {
            error =
                error.hint("the guest may not have read its seed; `any_address: true` takes whatever address it has");
        }
        autopsy::explain(error, &self.domain, self.watch.as_ref().map(|watch| watch.networks.as_slice()), how)
    }
}

struct Watch {
    guest: Guest,
    networks: Vec<Network>,
    /// The MAC addresses whose addresses count.
    macs: Vec<String>,
    /// The addresses that the machine's cards are declared to have: of these cards no others count.
    declared: Vec<(String, IpAddr)>,
    /// Whether a card was seen with another address than it is declared to have.
    has_strayed: bool,
    before: Before,
    /// Addresses that were leased before the start and not renewed since.
    stale: Vec<String>,
    agent: AgentProbe,
    next_arp: Duration,
    connection: Background<bool>,
    /// What each source said last.
    said: BTreeMap<&'static str, String>,
}

impl Watch {
    fn new(domain: &Domain, wait: &WaitIp) -> Result<Self> {
        // The subscription to events comes first, so that nothing is missed between the reading of the XML and the wait.
        let guest = Guest::new(domain)?;
        let wiring = Wiring::read(&domain.xml()?)?;
        let macs = match &wait.interface {
            None => wiring.nics.iter().filter_map(|nic| nic.mac.clone()).collect(),
            Some(wanted) => vec![wiring.mac_of(wanted, domain)?],
        };
        if macs.is_empty() {
            let message = format!("{} has no network interface to wait for", domain.object());
            return Err(Error::new(Code::InvalidState, Area::Domain, message).about(domain.object().plain()));
        }
        let networks = wiring.networks().into_iter().filter_map(|name| domain.host().find_network(name).transpose());
        Ok(Self {
            networks: networks.collect::<Result<_>>()?,
            declared: wiring.declared,
            has_strayed: false,
            before: domain.host().before(&guest.uuid),
            guest,
            macs,
            stale: Vec::new(),
            agent: AgentProbe::new(wiring.agent),
            next_arp: Duration::ZERO,
            connection: Background::default(),
            said: BTreeMap::new(),
        })
    }

    /// Asks whoever is due, and returns the first address that counts.
    fn look(&mut self, wait: &WaitIp, tick: Tick) -> Result<Option<Found>> {
        for source in &wait.sources {
            let answer = match source {
                Source::Lease => Some(self.leases(tick)),
                Source::Agent => self.agent.poll(&self.guest.domain, &self.guest.uuid, tick),
                Source::Arp if self.next_arp > tick.now || !self.guest.domain.host().poll().may_ask(tick.now) => None,
                Source::Arp => {
                    self.next_arp = tick.now + ARP_PAUSE;
                    Some(self.guest.domain.ask(Source::Arp))
                }
            };
            let Some(answer) = answer else { continue };
            match answer {
                // Without a connection nobody will ever answer.
                Err(error) if error.code == Code::NoConnection => return Err(error),
                Err(error) => {
                    let said = error.cause.clone().unwrap_or_else(|| error.message.clone());
                    self.said.insert(source.word(), said);
                }
                Ok(interfaces) => {
                    let (found, said) = self.judge(wait, *source, interfaces);
                    self.has_strayed |= said.contains(DECLARED);
                    if found.is_some() {
                        return Ok(found);
                    }
                    self.said.insert(source.word(), said);
                }
            }
        }
        Ok(wait.address.and_then(|address| self.connect(address)))
    }

    /// Confirms a static address by a connection: a refusal is an answer, too.
    fn connect(&mut self, address: IpAddr) -> Option<Found> {
        let planned = self.guest.domain.planned_port(22);
        match planned.or_else(|| self.connection.take()) {
            Some(true) => {
                let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
                let mac = self.macs.first().cloned().unwrap_or_default();
                let (addr, elapsed) = (address.to_string(), Duration::ZERO);
                return Some(Found { addr, prefix: 0, family, source: "connection", mac, is_static: true, elapsed });
            }
            Some(false) => drop(self.said.insert("connection", format!("{address} does not answer"))),
            None => {}
        }
        if planned.is_none() && !self.connection.is_busy() {
            self.connection.ask("connection", move || {
                let tried = TcpStream::connect_timeout(&SocketAddr::new(address, 22), CONNECT);
                // Else a network that is not there would be asked without a pause.
                if tried.is_err() {
                    std::thread::sleep(Duration::from_millis(200));
                }
                tried.map_or_else(|error| error.kind() == ErrorKind::ConnectionRefused, |_| true)
            });
        }
        None
    }

    /// The leases of the domain's networks, the newest for each MAC address and family; from a driver without leases,
    /// what it says instead.
    fn leases(&mut self, tick: Tick) -> Result<Vec<Interface>> {
        if let Some(planned) = self.guest.domain.planned_answer(Source::Lease) {
            return planned;
        }
        let poll = self.guest.domain.host().poll();
        let mut leases: Vec<Lease> = Vec::new();
        for network in &self.networks {
            match poll.leases(network, tick) {
                Ok(found) => leases.extend(found.iter().filter(|lease| self.macs.contains(&lease.mac)).cloned()),
                Err(error) if error.code == Code::Unsupported => return self.guest.domain.ask(Source::Lease),
                // A network that was stopped meanwhile has none.
                Err(error) if error.code == Code::InvalidState => {}
                Err(error) => return Err(error),
            }
        }
        // A lease without end is the newest.
        leases.sort_by_key(|lease| std::cmp::Reverse(if lease.expiry == 0 { i64::MAX } else { lease.expiry }));
        let mut seen = HashSet::new();
        leases.retain(|lease| seen.insert((lease.mac.clone(), lease.family)));
        let is_old = |lease: &Lease| {
            self.before.iter().any(|old| old.mac == lease.mac && old.addr == lease.addr && old.expiry == lease.expiry)
        };
        self.stale = leases.iter().filter(|lease| is_old(lease)).map(|lease| lease.addr.clone()).collect();
        Ok(leases
            .into_iter()
            .map(|lease| Interface {
                name: lease.interface,
                hwaddr: Some(lease.mac),
                addrs: vec![Address {
                    family: lease.family,
                    addr: lease.addr,
                    prefix: lease.prefix,
                    source: Source::Lease,
                }],
            })
            .collect())
    }

    /// The address that a card is declared to have, if this is another one of that family.
    fn other_than_declared(&self, wait: &WaitIp, mac: &str, addr: Option<IpAddr>) -> Option<IpAddr> {
        if wait.any_address || wait.address.is_some() {
            return None;
        }
        let of_family = |ip: &IpAddr| wait.family.is_none_or(|family| (family == Family::V4) == ip.is_ipv4());
        let mut own = self.declared.iter().filter(|(of, ip)| of == mac && of_family(ip)).map(|(_, ip)| *ip);
        let first = own.next()?;
        (Some(first) != addr && !own.any(|ip| Some(ip) == addr)).then_some(first)
    }

    /// The first address that counts, else why none does.
    fn judge(&self, wait: &WaitIp, source: Source, interfaces: Vec<Interface>) -> (Option<Found>, String) {
        let mut refused = Vec::new();
        for interface in interfaces {
            let Some(mac) = interface.hwaddr.filter(|mac| self.macs.contains(mac)) else { continue };
            for Address { family, addr, prefix, .. } in interface.addrs {
                let parsed: Option<IpAddr> = addr.split('%').next().and_then(|bare| bare.parse().ok());
                if wait.family.is_some_and(|wanted| wanted != family) {
                    refused.push(format!("{addr} is {}", family.word()));
                } else if let Some(subnet) = wait.subnet
                    && !parsed.is_some_and(|addr| subnet.contains(&addr))
                {
                    refused.push(format!("{addr} is not in {subnet}"));
                } else if let Some(wanted) = wait.address
                    && parsed != Some(wanted)
                {
                    refused.push(format!("{addr} is not {wanted}"));
                } else if source != Source::Agent && !wait.any_address && self.stale.contains(&addr) {
                    // The agent speaks from within this very start; the others may remember an earlier one.
                    refused.push(format!("{addr} was leased before this start"));
                } else if !wait.any_address && !is_reachable(&addr) {
                    refused.push(format!("{addr} is loopback or link-local"));
                } else if let Some(own) = self.other_than_declared(wait, &mac, parsed) {
                    refused.push(format!("{addr} is not {own}, {DECLARED}"));
                } else {
                    let (source, is_static) = (source.word(), wait.address.is_some());
                    let found = Found { addr, prefix, family, source, mac, is_static, elapsed: Duration::ZERO };
                    return (Some(found), String::new());
                }
            }
        }
        let said =
            if refused.is_empty() { format!("no address for {}", self.macs.join(", ")) } else { refused.join("; ") };
        (None, said)
    }
}
