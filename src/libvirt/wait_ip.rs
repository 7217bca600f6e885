//! Waiting for a guest's address, truthfully: the interface's own address, from this start, of a living guest.

use super::address::{Address, Family, Interface, Source, is_reachable};
use super::agent::AgentProbe;
use super::wiring::{Before, Wiring};
use super::{Domain, Lease, Network, autopsy};
use crate::floor::progress::Progress;
use crate::floor::{Area, Code, Error, Result, interrupt};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The pause between two looks at state and leases grows between these, so that a new lease is seen in 0.15 s on average.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];
/// The neighbour table changes rarely, and is asked less often.
const ARP_PAUSE: Duration = Duration::from_millis(500);

/// What to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitIp {
    /// How long.
    pub timeout: Duration,
    /// Who may answer.
    pub sources: Vec<Source>,
    /// The interface; any of the domain if this is not given.
    pub mac: Option<String>,
    /// The family; any if this is not given.
    pub family: Option<Family>,
}

impl Default for WaitIp {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300), sources: Source::ALL.to_vec(), mac: None, family: None }
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
    /// Who knew it first.
    pub source: Source,
    /// The MAC address of the interface, in lower case.
    pub mac: String,
    /// How long it took.
    pub elapsed: Duration,
}

impl Domain {
    /// Waits until the guest has an address. Fails at once when the guest is over, and on timeout tells what each
    /// source said.
    pub fn wait_for_ip(&self, wait: &WaitIp) -> Result<Found> {
        let started = Instant::now();
        let end = started + wait.timeout;
        let mut watch = Watch::new(self, wait)?;
        let progress = Progress::begin(&format!("wait for the address of {}", self.name()), None);
        let mut pause = PAUSES[0];
        loop {
            watch.alive()?;
            if let Some((mac, address)) = watch.look()? {
                let Address { family, addr, prefix, source } = address;
                let found = Found { addr, prefix, family, source, mac, elapsed: started.elapsed() };
                tracing::info!(domain = self.name(), addr = found.addr, source = source.word(), "address found");
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(watch.timed_out());
            }
            progress.status(&watch.status());
            interrupt::pause(pause.min(left))?;
            pause = (pause * 3 / 2).min(PAUSES[1]);
        }
    }
}

struct Watch<'a> {
    domain: &'a Domain,
    wait: &'a WaitIp,
    networks: Vec<Network>,
    /// The MAC addresses whose addresses count.
    macs: Vec<String>,
    before: Before,
    /// Addresses that were leased before the start and not renewed since.
    stale: Vec<String>,
    agent: AgentProbe,
    next_arp: Instant,
    /// What each source said last.
    said: BTreeMap<Source, String>,
}

impl<'a> Watch<'a> {
    fn new(domain: &'a Domain, wait: &'a WaitIp) -> Result<Self> {
        let wiring = Wiring::read(&domain.xml()?)?;
        let macs = match &wait.mac {
            None => wiring.nics.iter().filter_map(|nic| nic.mac.clone()).collect(),
            Some(wanted) => vec![domain.mac_of(wanted)?],
        };
        if macs.is_empty() {
            let message = format!("{} has no network interface to wait for", domain.object());
            return Err(Error::new(Code::InvalidArgument, Area::Domain, message).about(domain.object().plain()));
        }
        let networks = wiring.networks().into_iter().filter_map(|name| domain.host().find_network(name).transpose());
        Ok(Self {
            networks: networks.collect::<Result<_>>()?,
            before: domain.host().before(&domain.uuid()?),
            domain,
            wait,
            macs,
            stale: Vec::new(),
            agent: AgentProbe::default(),
            next_arp: Instant::now(),
            said: BTreeMap::new(),
        })
    }

    /// Fails if the guest will never answer.
    fn alive(&self) -> Result<()> {
        let stopped = |how: &str| {
            Error::new(
                Code::GuestStopped,
                Area::Domain,
                format!("{} {how} while its address was waited for", self.domain.object()),
            )
            .about(self.domain.object().plain())
        };
        match self.domain.state() {
            Ok(state) if state.is_over() || state.is_stuck() => Err(stopped(&format!("is {state}"))
                .hint("its console and QEMU's log (`/var/log/libvirt/qemu/NAME.log` on the host) may say why")),
            Ok(_) => Ok(()),
            Err(error) if error.code == Code::NotFound => Err(stopped("is gone")),
            Err(error) => Err(error),
        }
    }

    /// Asks whoever is due, and returns the first address that counts.
    fn look(&mut self) -> Result<Option<(String, Address)>> {
        for source in &self.wait.sources {
            let answer = match source {
                Source::Lease => Some(self.leases()),
                Source::Agent => self.agent.poll(self.domain),
                Source::Arp if self.next_arp > Instant::now() => None,
                Source::Arp => {
                    self.next_arp = Instant::now() + ARP_PAUSE;
                    Some(self.domain.ask(Source::Arp))
                }
            };
            let Some(answer) = answer else { continue };
            match answer {
                // Without a connection nobody will ever answer.
                Err(error) if error.code == Code::NoConnection => return Err(error),
                Err(error) => {
                    let said = error.cause.clone().unwrap_or_else(|| error.message.clone());
                    self.said.insert(*source, said);
                }
                Ok(interfaces) => {
                    let (found, said) = self.judge(*source, interfaces);
                    if found.is_some() {
                        return Ok(found);
                    }
                    self.said.insert(*source, said);
                }
            }
        }
        Ok(None)
    }

    /// The leases of the domain's networks, newest first; from a driver without leases, what it says instead.
    fn leases(&mut self) -> Result<Vec<Interface>> {
        let mut leases = Vec::new();
        for network in &self.networks {
            match network.dhcp_leases() {
                Ok(found) => leases.extend(found),
                Err(error) if error.code == Code::Unsupported => return self.domain.ask(Source::Lease),
                // A network that was stopped meanwhile has none.
                Err(error) if error.code == Code::InvalidState => {}
                Err(error) => return Err(error),
            }
        }
        // A lease without end is the newest.
        leases.sort_by_key(|lease| std::cmp::Reverse(if lease.expiry == 0 { i64::MAX } else { lease.expiry }));
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

    /// The first address that counts, else why none does.
    fn judge(&self, source: Source, interfaces: Vec<Interface>) -> (Option<(String, Address)>, String) {
        let mut refused = Vec::new();
        for interface in interfaces {
            let Some(mac) = interface.hwaddr.filter(|mac| self.macs.contains(mac)) else { continue };
            for address in interface.addrs {
                let addr = &address.addr;
                // The agent speaks from within this very start; the others may remember an earlier one.
                if source != Source::Agent && self.stale.contains(addr) {
                    refused.push(format!("{addr} was leased before this start"));
                } else if !is_reachable(addr) {
                    refused.push(format!("{addr} is loopback or link-local"));
                } else if self.wait.family.is_some_and(|family| family != address.family) {
                    refused.push(format!("{addr} is {}", address.family.word()));
                } else {
                    return (Some((mac, address)), String::new());
                }
            }
        }
        let said =
            if refused.is_empty() { format!("no address for {}", self.macs.join(", ")) } else { refused.join("; ") };
        (None, said)
    }

    fn timed_out(&self) -> Error {
        let object = self.domain.object();
        let message = format!("{object} got no address within {:?}", self.wait.timeout);
        let mut error = Error::new(Code::Timeout, Area::Domain, message).about(object.plain());
        for source in &self.wait.sources {
            let said = self.said.get(source).map_or("never answered", String::as_str);
            error = error.note(format!("{}: {said}", source.word()));
        }
        autopsy::explain(error, self.domain, &self.networks)
    }

    fn status(&self) -> String {
        self.said.iter().map(|(source, said)| format!("{}: {said}", source.word())).collect::<Vec<_>>().join(" · ")
    }
}
