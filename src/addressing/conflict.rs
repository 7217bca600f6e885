//! Who holds which address, and who is in the way of whom.

use super::Mac;
use std::fmt;
use std::net::IpAddr;

/// Where it is written that somebody holds an address; the most binding first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The host itself has it.
    Host,
    /// A machine's definition declares it.
    Declared,
    /// The network's DHCP server keeps it for a machine.
    Reservation,
    /// The network's DHCP server gave it to a machine.
    Lease,
    /// Somebody answered for it on the network.
    Neighbour,
    /// The network's DHCP server gave it to a virtual machine that is gone. It keeps nobody from having the address, but
    /// the server gives it to nobody else until the lease runs out.
    StaleLease,
}

impl Source {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Host => "host",
            Self::Lease => "lease",
            Self::Neighbour => "arp",
            Self::Reservation => "reservation",
            Self::StaleLease => "stale-lease",
        }
    }
}

/// That a machine holds an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The address.
    pub ip: IpAddr,
    /// Where that is written.
    pub source: Source,
    /// The machine: a domain's name, a host's name, or a MAC address that nothing knows better.
    pub holder: String,
    /// The MAC address that goes with it, if it is known.
    pub mac: Option<Mac>,
    /// The network or bridge, such as ``network `lab` ``.
    pub place: String,
}

impl Record {
    /// How it is known, as the hint of a refusal.
    pub fn reason(&self) -> String {
        let place = &self.place;
        match self.source {
            Source::Declared => format!("the definition of domain `{}` declares it on {place}", self.holder),
            Source::Host => format!("it is the host's own address on {place}"),
            Source::Lease | Source::StaleLease => format!("{place} has leased it"),
            Source::Neighbour => format!("somebody answers for it on {place}"),
            Source::Reservation => format!("{place} has reserved it"),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IP address {} is already in use by machine {}", self.ip, self.holder)
    }
}

/// All that is known of who holds what.
#[derive(Debug, Clone, Default)]
pub struct Known {
    records: Vec<Record>,
}

impl Known {
    /// Takes a further record.
    pub fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Forgets the others.
    pub fn retain(&mut self, which: impl FnMut(&Record) -> bool) {
        self.records.retain(which);
    }

    /// The records in the order of their addresses, each once.
    pub fn into_sorted(mut self) -> Vec<Record> {
        self.records.sort();
        self.records.dedup();
        self.records
    }

    /// The addresses that are held by anybody but these cards.
    pub fn used<'a>(&'a self, own: &'a [Mac]) -> impl Iterator<Item = IpAddr> + 'a {
        self.records.iter().filter(|record| !is_of(record, own)).map(|record| record.ip)
    }

    /// Who else holds an address, by the most binding record. What these cards hold themselves is no conflict, and what a
    /// machine held that is gone neither.
    pub fn conflict(&self, ip: IpAddr, own: &[Mac]) -> Option<&Record> {
        let others = self.records.iter().filter(|record| record.ip == ip && !is_of(record, own));
        others.filter(|record| record.source != Source::StaleLease).min_by_key(|record| record.source)
    }

    /// The lease of an address to a machine that is gone.
    pub fn stale_lease(&self, ip: IpAddr, own: &[Mac]) -> Option<&Record> {
        self.records.iter().find(|record| record.ip == ip && record.source == Source::StaleLease && !is_of(record, own))
    }
}

impl Extend<Record> for Known {
    fn extend<T: IntoIterator<Item = Record>>(&mut self, records: T) {
        self.records.extend(records);
    }
}

/// A declaration belongs to its machine whatever its card, since cards may be copied by accident.
fn is_of(record: &Record, own: &[Mac]) -> bool {
    !matches!(record.source, Source::Declared | Source::Host) && record.mac.is_some_and(|mac| own.contains(&mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ip: u32, source: Source, holder: &str, mac: u8) -> Record {
        let ip = IpAddr::V4((0x0a00_0000 + ip).into());
        Record { ip, source, holder: holder.into(), mac: Some(Mac::qemu([0, 0, mac])), place: "network `lab`".into() }
    }

    #[test]
    fn the_most_binding_record_is_named_and_one_s_own_is_no_conflict() {
        let mut known = Known::default();
        known.extend([
            record(5, Source::Neighbour, "52:54:00:00:00:01", 1),
            record(5, Source::Lease, "web", 1),
            record(5, Source::Reservation, "web", 1),
            record(6, Source::Declared, "db", 2),
            record(6, Source::Declared, "db", 2),
            record(8, Source::StaleLease, "gone", 3),
        ]);
        let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
        let conflict = |last, own: &[Mac]| known.conflict(ip(last), own).map(|one| (one.to_string(), one.reason()));
        assert_eq!(
            conflict(5, &[]),
            Some((
                "IP address 10.0.0.5 is already in use by machine web".into(),
                "network `lab` has reserved it".into()
            ))
        );
        assert_eq!(conflict(5, &[Mac::qemu([0, 0, 1])]), None);
        assert!(conflict(6, &[Mac::qemu([0, 0, 2])]).is_some(), "another machine's declaration, whatever its card");
        assert_eq!(conflict(7, &[]), None);
        assert_eq!(conflict(8, &[]), None, "nobody has it any more");
        assert!(known.stale_lease(ip(8), &[]).is_some() && known.stale_lease(ip(8), &[Mac::qemu([0, 0, 3])]).is_none());
        assert_eq!(known.used(&[Mac::qemu([0, 0, 1])]).collect::<Vec<_>>(), [ip(6), ip(6), ip(8)]);
        let sorted: Vec<_> = known.into_sorted().into_iter().map(|one| one.source).collect();
        assert_eq!(
            sorted,
            [Source::Reservation, Source::Lease, Source::Neighbour, Source::Declared, Source::StaleLease]
        );
    }
}
