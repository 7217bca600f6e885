//! How a domain stands with its addresses.

use super::record::{PREFIX, Record, SPACE};
use crate::floor::Result;
use crate::libvirt::Domain;
use crate::libvirt::address::{Source, is_reachable};
use crate::schema::xml;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// How far a domain is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing is done yet.
    #[default]
    Pending,
    /// Its addresses are being checked.
    Validating,
    /// It is being made.
    Creating,
    /// It is there.
    Running,
    /// It could not be made, and was left for inspection.
    Failed,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Pending, Self::Validating, Self::Creating, Self::Running, Self::Failed];

    /// The word for it, such as `Running`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Failed => "Failed",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Validating => "Validating",
        }
    }

    /// The phase of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.word() == word)
    }
}

/// Something that is or is not so, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkCondition {
    /// What it is about, such as `GatewayReachable`.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word for the reason, such as `GatewayUnreachable`.
    pub reason: String,
    /// The reason as a sentence.
    pub message: String,
    /// When this was found, in seconds since 1970.
    pub time: i64,
}

impl NetworkCondition {
    pub(in crate::libvirt) fn now(kind: &str, status: &str, reason: &str, message: impl Into<String>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            kind: kind.to_string(),
            status: status.to_string(),
            reason: reason.to_string(),
            message: message.into(),
            time: i64::try_from(now).unwrap_or(i64::MAX),
        }
    }
}

/// An address of a domain's interface, or an interface without any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkStatus {
    /// The address, with its prefix where that is known.
    pub assigned_ip: Option<String>,
    /// The guest's name for the interface if it was declared, else the host's device.
    pub interface: Option<String>,
    /// Its MAC address.
    pub mac: String,
    /// Whether the address was declared, else it is the DHCP server's.
    pub is_static: bool,
    /// The declared gateway.
    pub gateway: Option<IpAddr>,
    /// The declared name servers.
    pub dns: Vec<IpAddr>,
    /// Who confirms the address: `lease` or `arp`; `declared` if nobody does yet.
    pub source: Option<&'static str>,
    /// How far its domain is.
    pub phase: Phase,
    /// What was found when it was made.
    pub conditions: Vec<NetworkCondition>,
}

impl Domain {
    /// How each interface stands with its addresses, by what can be known at once.
    pub fn network_status(&self) -> Result<Vec<NetworkStatus>> {
        let root = xml::parse(&self.xml()?)?;
        let record = Record::read(&root);
        let phase = record.as_ref().map_or_else(Phase::default, |record| record.phase);
        let record = record.unwrap_or_default();
        let running = self.is_active()?;
        let phase = if running && record.addresses.is_empty() { Phase::Running } else { phase };
        let seen = if running {
            self.interface_addresses(&[Source::Lease, Source::Arp]).unwrap_or_default()
        } else {
            Vec::new()
        };
        let mut all = Vec::new();
        for interface in root.find_all("devices/interface") {
            let Some(mac) = interface.child("mac").and_then(|mac| mac.attr("address")).map(str::to_ascii_lowercase)
            else {
                continue;
            };
            let device = interface.child("target").and_then(|target| target.attr("dev")).map(str::to_string);
            let seen: Vec<_> = seen
                .iter()
                .filter(|one| one.hwaddr.as_deref() == Some(&mac))
                .flat_map(|one| &one.addrs)
                .filter(|address| is_reachable(&address.addr))
                .collect();
            let bare = NetworkStatus {
                assigned_ip: None,
                interface: device,
                mac: mac.clone(),
                is_static: false,
                gateway: None,
                dns: Vec::new(),
                source: None,
                phase,
                conditions: Vec::new(),
            };
            let kept: Vec<_> = record.addresses.iter().filter(|kept| kept.mac.to_string() == mac).collect();
            for kept in &kept {
                let confirmed = seen.iter().find(|address| address.addr.parse() == Ok(kept.net.addr()));
                all.push(NetworkStatus {
                    assigned_ip: Some(kept.net.to_string()),
                    interface: kept.interface.clone().or(bare.interface.clone()),
                    is_static: true,
                    gateway: kept.gateway,
                    dns: kept.dns.clone(),
                    source: Some(confirmed.map_or("declared", |address| address.source.word())),
                    conditions: record.conditions.clone(),
                    ..bare.clone()
                });
            }
            if kept.is_empty() {
                let found = seen.first();
                let prefixed =
                    |addr: &str, prefix| if prefix == 0 { addr.to_string() } else { format!("{addr}/{prefix}") };
                all.push(NetworkStatus {
                    assigned_ip: found.map(|address| prefixed(&address.addr, address.prefix)),
                    source: found.map(|address| address.source.word()),
                    ..bare
                });
            }
        }
        Ok(all)
    }

    /// Keeps how far the domain is, with a further condition, if addresses are kept for it at all.
    pub(in crate::libvirt) fn keep_phase(&self, phase: Phase, condition: Option<NetworkCondition>) -> Result<()> {
        let Some(mut record) = Record::read(&xml::parse(&self.inactive_xml()?)?) else { return Ok(()) };
        record.phase = phase;
        record.conditions.extend(condition);
        self.set_metadata(Some(&xml::to_string(&record.bare())), PREFIX, SPACE)
    }
}
