//! What a domain's metadata keeps of its addresses, under a namespace of this tool.

use super::{NetworkCondition, Phase};
use crate::addressing::{Delivery, IpNet, Mac, StaticIp};
use crate::floor::Result;
use crate::libvirt::{Apply, Domain};
use crate::schema::xml::{Attr, Elem, Name, Node};
use std::net::IpAddr;

/// The namespace of what is kept.
pub(in crate::libvirt) const SPACE: &str = "urn:vmscript:network:1";
/// Its customary prefix.
pub(super) const PREFIX: &str = "vmscript";

/// What a running domain tells beside: that its next start has other addresses. It goes when the domain stops.
const PENDING: &str = "urn:vmscript:pending:1";

/// What is kept for a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) phase: Phase,
    pub(super) addresses: Vec<Kept>,
    pub(super) conditions: Vec<NetworkCondition>,
}

/// An address that a domain was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) net: IpNet,
    pub(super) mac: Mac,
    pub(super) gateway: Option<IpAddr>,
    pub(super) dns: Vec<IpAddr>,
    pub(super) interface: Option<String>,
    pub(super) via: Delivery,
    /// The network that reserves it for this domain and no other reason.
    pub(super) reserved: Option<String>,
    /// The network whose DNS server has a name for it, and the name.
    pub(super) name: Option<(String, String)>,
    /// What was found when it was given.
    pub(super) conditions: Vec<NetworkCondition>,
}

impl Kept {
    /// Reserved by one network, and named on one.
    pub(super) fn new(net: IpNet, mac: Mac, ip: &StaticIp, reserved: Option<String>, named: Option<String>) -> Self {
        let (gateway, dns, interface) = (ip.gateway, ip.dns.clone(), ip.interface.clone());
        Self {
            net,
            mac,
            gateway,
            dns,
            interface,
            via: ip.via,
            reserved,
            name: named.zip(ip.dns_name.clone()),
            conditions: Vec::new(),
        }
    }
}

impl Record {
    /// What a domain's XML keeps, if this tool gave it addresses. What a later version wrote differently is passed over.
    pub(super) fn read(domain: &Elem) -> Option<Self> {
        let metadata = domain.child("metadata")?;
        let root = metadata.children().find(|child| &*child.name.space == SPACE && child.local() == "network")?;
        Some(Self {
            phase: root.attr("phase").and_then(Phase::from_word).unwrap_or_default(),
            addresses: named(root, "address").filter_map(read_address).collect(),
            conditions: conditions(root),
        })
    }

    /// As a part of a document.
    pub(super) fn elem(&self) -> Elem {
        self.named(|name| Name::new(SPACE, PREFIX, name))
    }

    /// As libvirt takes it alone: it adds the namespace by itself, to every element.
    pub(super) fn bare(&self) -> Elem {
        self.named(Name::plain)
    }

    fn named(&self, name: impl Fn(&str) -> Name) -> Elem {
        let mut root = Elem::new(name("network"));
        root.attrs.push(attr("phase", self.phase.word()));
        root.nodes.extend(self.addresses.iter().map(|kept| Node::Elem(address(&name, kept))));
        root.nodes.extend(self.conditions.iter().map(|one| Node::Elem(condition(name("condition"), one))));
        root
    }
}

/// The addresses that a domain's document declares, with the cards that they are for.
pub(in crate::libvirt) fn declared(domain: &Elem) -> Vec<(Mac, IpAddr)> {
    let kept = Record::read(domain).unwrap_or_default().addresses;
    kept.into_iter().map(|one| (one.mac, one.net.addr())).collect()
}

/// Whether the run that makes the domain of this document is not done with it, or was killed at it: its disks may be half full.
pub(in crate::libvirt) fn is_unfinished(domain: &Elem) -> bool {
    Record::read(domain).is_some_and(|record| matches!(record.phase, Phase::Validating | Phase::Creating))
}

/// Whether a running domain's document tells that its next start has other addresses.
pub(in crate::libvirt) fn is_pending(domain: &Elem) -> bool {
    domain.child("metadata").is_some_and(|metadata| metadata.children().any(|child| &*child.name.space == PENDING))
}

impl Domain {
    /// Has a running domain tell that its next start has other addresses: who looks for free ones asks for both.
    pub(super) fn mark_pending(&self) -> Result<()> {
        if !self.is_active()? {
            return Ok(());
        }
        match self.set_metadata_for(Apply::Live, Some("<addresses/>"), "pending", PENDING) {
            // It has stopped meanwhile.
            Err(_) if !self.is_active()? => Ok(()),
            done => done,
        }
    }
}

/// The children of that name, in the namespace of what is kept.
fn named<'a>(elem: &'a Elem, name: &'static str) -> impl Iterator<Item = &'a Elem> {
    elem.children().filter(move |child| &*child.name.space == SPACE && child.local() == name)
}

fn conditions(elem: &Elem) -> Vec<NetworkCondition> {
    named(elem, "condition").filter_map(read_condition).collect()
}

fn attr(name: &str, value: &(impl ToString + ?Sized)) -> Attr {
    Attr { name: Name::plain(name), value: value.to_string() }
}

fn address(name: &impl Fn(&str) -> Name, kept: &Kept) -> Elem {
    let mut elem = Elem::new(name("address"));
    elem.attrs.extend([attr("ip", &kept.net), attr("mac", &kept.mac), attr("via", kept.via.word())]);
    elem.attrs.extend(kept.gateway.map(|gateway| attr("gateway", &gateway)));
    if !kept.dns.is_empty() {
        let dns: Vec<_> = kept.dns.iter().map(IpAddr::to_string).collect();
        elem.attrs.push(attr("dns", &dns.join(" ")));
    }
    elem.attrs.extend(kept.interface.as_ref().map(|name| attr("interface", name)));
    elem.attrs.extend(kept.reserved.as_ref().map(|network| attr("reserved", network)));
    if let Some((network, of)) = &kept.name {
        elem.attrs.extend([attr("named", network), attr("name", of)]);
    }
    elem.nodes.extend(kept.conditions.iter().map(|one| Node::Elem(condition(name("condition"), one))));
    elem
}

fn read_address(elem: &Elem) -> Option<Kept> {
    Some(Kept {
        net: elem.attr("ip")?.parse().ok()?,
        mac: elem.attr("mac")?.parse().ok()?,
        gateway: elem.attr("gateway").and_then(|gateway| gateway.parse().ok()),
        dns: elem.attr("dns").unwrap_or_default().split(' ').filter_map(|dns| dns.parse().ok()).collect(),
        interface: elem.attr("interface").map(str::to_string),
        via: elem.attr("via").and_then(Delivery::from_word).unwrap_or_default(),
        reserved: elem.attr("reserved").map(str::to_string),
        name: elem.attr("named").map(str::to_string).zip(elem.attr("name").map(str::to_string)),
        conditions: conditions(elem),
    })
}

fn condition(name: Name, condition: &NetworkCondition) -> Elem {
    let mut elem = Elem::new(name);
    elem.attrs.extend([
        attr("type", &condition.kind),
        attr("status", &condition.status),
        attr("reason", &condition.reason),
        attr("time", &condition.time),
    ]);
    elem.nodes.push(Node::Text(condition.message.clone()));
    elem
}

fn read_condition(elem: &Elem) -> Option<NetworkCondition> {
    Some(NetworkCondition {
        kind: elem.attr("type")?.to_string(),
        status: elem.attr("status")?.to_string(),
        reason: elem.attr("reason").unwrap_or_default().to_string(),
        message: elem.text().into_owned(),
        time: elem.attr("time").and_then(|time| time.parse().ok()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::xml;

    #[test]
    fn what_is_kept_is_read_back() {
        let record = Record {
            phase: Phase::Running,
            addresses: vec![
                Kept {
                    net: "10.0.0.5/24".parse().expect("a net"),
                    mac: Mac::qemu([1, 2, 3]),
                    gateway: "10.0.0.1".parse().ok(),
                    dns: vec![IpAddr::from([1, 1, 1, 1]), "fd00::1".parse().expect("an address")],
                    interface: Some("eth0".into()),
                    via: Delivery::Both,
                    reserved: Some("a<b&'c".into()),
                    name: Some(("lab".into(), "db.lab".into())),
                    conditions: vec![NetworkCondition::now("AddressAssigned", "True", "StaticIPAssigned", "by seed")],
                },
                Kept {
                    net: "fd00::5/64".parse().expect("a net"),
                    mac: Mac::qemu([1, 2, 3]),
                    gateway: None,
                    dns: Vec::new(),
                    interface: None,
                    via: Delivery::Seed,
                    reserved: None,
                    name: None,
                    conditions: Vec::new(),
                },
            ],
            conditions: vec![NetworkCondition {
                kind: "GatewayReachable".into(),
                status: "False".into(),
                reason: "GatewayUnreachable".into(),
                message: "gateway <10.0.0.1> & no answer".into(),
                time: 5,
            }],
        };
        let text = xml::to_string(&record.elem());
        let domain = format!("<domain><metadata><x:y xmlns:x='urn:x'/>{text}</metadata></domain>");
        assert_eq!(Record::read(&xml::parse(&domain).expect("well-formed")), Some(record));
        let odd = format!(
            "<domain><metadata><v:network xmlns:v='{SPACE}' phase='?'><address ip='x'/></v:network></metadata></domain>"
        );
        assert_eq!(Record::read(&xml::parse(&odd).expect("well-formed")), Some(Record::default()));
    }
}
