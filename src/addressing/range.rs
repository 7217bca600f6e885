//! Networks, ranges and the next free address of them.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses of one family from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    first: IpAddr,
    last: IpAddr,
}

impl Range {
    /// The range between two addresses; nothing if it ends before it begins or mixes families.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// Its first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Its last address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// What is left of it without the other: none, one or two ranges.
    pub fn without(self, other: &Self) -> impl Iterator<Item = Self> + use<> {
        let (first, last) = (bits(self.first), bits(self.last));
        let apart = self.first.is_ipv4() != other.first.is_ipv4() || other.last < self.first || self.last < other.first;
        let ip = move |bits| of_bits(bits, self.first.is_ipv4());
        let (from, to) = (bits(other.first), bits(other.last));
        let below = (!apart && first < from).then(|| Self { first: self.first, last: ip(from - 1) });
        let above = (!apart && to < last).then(|| Self { first: ip(to + 1), last: self.last });
        Some(self).filter(|_| apart).into_iter().chain(below).chain(above)
    }

    /// Whether the address is in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        // Addresses of IPv4 sort before those of IPv6, so one of another family is never between.
        self.first <= ip && ip <= self.last
    }
}

/// The text is no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARange;

impl FromStr for Range {
    type Err = NotARange;

    /// Reads `10.0.0.50-10.0.0.99`, or a network such as `10.0.0.0/24`, of which the usable addresses count.
    fn from_str(text: &str) -> Result<Self, NotARange> {
        if let Some((first, last)) = text.split_once('-') {
            let ends = (first.trim().parse(), last.trim().parse());
            return if let (Ok(first), Ok(last)) = ends {
                Self::new(first, last).ok_or(NotARange)
            } else {
                Err(NotARange)
            };
        }
        parse_net(text).map(usable).ok_or(NotARange)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// An address with its prefix from text such as `10.0.0.5/24`. Signs and leading zeros mean different things to
/// different programs, so they are refused.
pub fn parse_net(text: &str) -> Option<IpNet> {
    let (ip, prefix) = text.split_once('/')?;
    let plain = prefix.bytes().all(|digit| digit.is_ascii_digit()) && (prefix == "0" || !prefix.starts_with('0'));
    IpNet::new(ip.parse().ok()?, prefix.parse().ok().filter(|_| plain)?).ok()
}

/// The network of an address and a prefix; nothing if the prefix is too long for the family.
pub fn network(ip: IpAddr, prefix: u8) -> Option<IpNet> {
    IpNet::new(ip, prefix).ok().map(|net| net.trunc())
}

/// The addresses of a network that a machine may have: not its own and not its broadcast address, where it has them.
pub fn usable(net: IpNet) -> Range {
    let (first, last) = (bits(net.network()), bits(net.broadcast()));
    let (first, last) = match net {
        IpNet::V4(net) if net.prefix_len() < 31 => (first + 1, last - 1),
        // The first address of an IPv6 network means "any router here".
        IpNet::V6(net) if net.prefix_len() < 127 => (first + 1, last),
        _ => (first, last),
    };
    let ip = |bits| of_bits(bits, net.addr().is_ipv4());
    Range { first: ip(first), last: ip(last) }
}

/// The first address of the ranges, taken in their order, that is not used.
pub fn next_free(ranges: &[Range], used: impl IntoIterator<Item = IpAddr>) -> Option<IpAddr> {
    let mut used: Vec<IpAddr> = used.into_iter().filter(|ip| ranges.iter().any(|range| range.contains(*ip))).collect();
    used.sort_unstable();
    ranges.iter().find_map(|range| {
        let from = used.partition_point(|ip| *ip < range.first);
        let (mut candidate, last) = (bits(range.first), bits(range.last));
        for taken in used[from..].iter().take_while(|ip| **ip <= range.last).map(|ip| bits(*ip)) {
            if taken > candidate {
                break;
            }
            // Duplicates are below the candidate by now.
            candidate = candidate.max(taken.checked_add(1)?);
        }
        (candidate <= last).then(|| of_bits(candidate, range.first.is_ipv4()))
    })
}

pub(super) fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

pub(super) fn of_bits(bits: u128, v4: bool) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if v4 => IpAddr::V4(bits.into()),
        _ => IpAddr::V6(bits.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::time::{Duration, Instant};

    fn range(text: &str) -> Range {
        text.parse().unwrap_or_else(|NotARange| panic!("{text} is a range"))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Numbers that look random and are the same each time (`SplitMix64`).
    fn numbers(mut seed: u64) -> impl FnMut() -> u64 {
        move || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }
    }

    #[test]
    fn text_becomes_a_range() {
        assert_eq!(range("10.0.0.0/24").to_string(), "10.0.0.1-10.0.0.254");
        assert_eq!(range("10.0.0.77/24").to_string(), "10.0.0.1-10.0.0.254");
        assert_eq!(range("10.0.0.4/31").to_string(), "10.0.0.4-10.0.0.5");
        assert_eq!(range("10.0.0.4/32").to_string(), "10.0.0.4-10.0.0.4");
        assert_eq!(range("0.0.0.0/0").to_string(), "0.0.0.1-255.255.255.254");
        assert_eq!(range("fd00::/126").to_string(), "fd00::1-fd00::3");
        assert_eq!(range("::/0").last(), ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
        assert_eq!(range("10.0.0.5 - 10.0.0.9").to_string(), "10.0.0.5-10.0.0.9");
        for wrong in [
            "",
            "10.0.0.9-10.0.0.5",
            "10.0.0.1-fd00::1",
            "10.0.0.5",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.00/8",
            "a-b",
        ] {
            assert_eq!(wrong.parse::<Range>(), Err(NotARange), "{wrong}");
        }
        assert!(!range("0.0.0.0/0").contains(ip("::1")));
    }

    #[test]
    fn a_range_without_another() {
        let left = |one: &str, other: &str| {
            range(one).without(&range(other)).map(|left| left.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(left("10.0.0.1-10.0.0.9", "10.0.0.4-10.0.0.5"), "10.0.0.1-10.0.0.3 10.0.0.6-10.0.0.9");
        assert_eq!(left("10.0.0.1-10.0.0.9", "0.0.0.0-10.0.0.5"), "10.0.0.6-10.0.0.9");
        assert_eq!(left("10.0.0.1-10.0.0.9", "10.0.0.5-255.255.255.255"), "10.0.0.1-10.0.0.4");
        assert_eq!(left("10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9"), "");
        assert_eq!(left("10.0.0.1-10.0.0.9", "10.0.1.1-10.0.1.9"), "10.0.0.1-10.0.0.9");
        assert_eq!(left("10.0.0.1-10.0.0.9", "::-::ffff"), "10.0.0.1-10.0.0.9");
    }

    #[test]
    fn the_next_free_address_is_the_first_gap() {
        let ranges = [range("10.0.0.5-10.0.0.6"), range("10.0.0.2-10.0.0.4")];
        let next = |used: &[&str]| next_free(&ranges, used.iter().map(|one| ip(one)));
        assert_eq!(next(&[]), Some(ip("10.0.0.5")));
        assert_eq!(next(&["10.0.0.5", "10.0.0.5", "10.0.0.99", "::"]), Some(ip("10.0.0.6")));
        assert_eq!(next(&["10.0.0.6", "10.0.0.5", "10.0.0.3"]), Some(ip("10.0.0.2")));
        assert_eq!(next(&["10.0.0.6", "10.0.0.5", "10.0.0.3", "10.0.0.4", "10.0.0.2"]), None);
        let end = range("255.255.255.254-255.255.255.255");
        assert_eq!(next_free(&[end], [end.first(), end.last()]), None);
        let end = range("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(next_free(&[end], [end.first()]), Some(ip("::1")));
    }

    /// Random networks of both families with random holders: the plan agrees with a walk over every address.
    #[test]
    fn random_subnets_agree_with_counting() {
        let mut number = numbers(7);
        let mut below = |limit: u64| number() % limit;
        for round in 0..2_000 {
            let v4 = below(2) == 0;
            let (bits_of, prefix) = if v4 { (32, 24 + below(9)) } else { (128, 120 + below(9)) };
            let prefix = u8::try_from(prefix).expect("small");
            let base = (u128::from(below(u64::MAX)) << 64 | u128::from(below(u64::MAX))) >> (128 - bits_of);
            let net = network(of_bits(base, v4), prefix).expect("a network");
            assert!(net.contains(&of_bits(base, v4)));
            let usable = usable(net);
            let every: Vec<IpAddr> =
                (bits(usable.first())..=bits(usable.last())).map(|bits| of_bits(bits, v4)).collect();
            assert_eq!(every, net.hosts().filter(|ip| v4 || prefix >= 127 || *ip != net.network()).collect::<Vec<_>>());
            let used: HashSet<IpAddr> = every.iter().copied().filter(|_| below(8) > 0).collect();
            let expected = every.iter().copied().find(|ip| !used.contains(ip));
            assert_eq!(next_free(&[usable], used.clone()), expected, "round {round}: {net} {used:?}");
            for ip in &every {
                assert!(usable.contains(*ip) && net.contains(ip));
            }
        }
    }

    #[test]
    fn a_plan_over_ten_thousand_holders_is_quick() {
        let every = range("10.0.0.0/16");
        let used: Vec<IpAddr> = (0..10_000u32).rev().map(|at| IpAddr::V4((0x0a00_0001 + at).into())).collect();
        let best = (0..5).map(|_| {
            let started = Instant::now();
            assert_eq!(next_free(&[every], used.iter().copied()), Some(ip("10.0.39.17")));
            started.elapsed()
        });
        let best = best.min().expect("five rounds");
        println!("next of 10000: {best:?}");
        // Unoptimised code on a busy machine; the measured figure of the program is far below a millisecond.
        assert!(best < Duration::from_millis(20), "{best:?}");
    }
}
