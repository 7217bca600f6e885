//! An address as scripts have it: alone, or with the prefix of its network.

use super::range::{bits, of_bits, parse_net, usable};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address, alone or in its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ip {
    net: IpNet,
    /// Whether it was written without prefix.
    alone: bool,
}

/// The text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnIp;

impl FromStr for Ip {
    type Err = NotAnIp;

    /// Reads `10.0.0.5/24` or `10.0.0.5`, of either family.
    fn from_str(text: &str) -> Result<Self, NotAnIp> {
        match text.parse::<IpAddr>() {
            Ok(ip) => Ok(ip.into()),
            Err(_) => parse_net(text).map(Self::from).ok_or(NotAnIp),
        }
    }
}

impl From<IpNet> for Ip {
    fn from(net: IpNet) -> Self {
        Self { net, alone: false }
    }
}

impl From<IpAddr> for Ip {
    fn from(ip: IpAddr) -> Self {
        Self { net: ip.into(), alone: true }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alone { self.net.addr().fmt(f) } else { self.net.fmt(f) }
    }
}

impl Ip {
    /// The address without its prefix.
    pub fn addr(&self) -> IpAddr {
        self.net.addr()
    }

    /// The address with its prefix; alone, it is a network of one.
    pub fn net(&self) -> IpNet {
        self.net
    }

    /// Its network.
    #[must_use]
    pub fn network(&self) -> Self {
        self.net.trunc().into()
    }

    /// How many addresses of its network machines may have.
    pub fn host_count(&self) -> u128 {
        let range = usable(self.net);
        (bits(range.last()) - bits(range.first())).saturating_add(1)
    }

    /// The addresses of its network that machines may have, without prefix.
    pub fn hosts(&self) -> impl Iterator<Item = Self> + use<> {
        let range = usable(self.net);
        let v4 = range.first().is_ipv4();
        (bits(range.first())..=bits(range.last())).map(move |bits| of_bits(bits, v4).into())
    }

    /// Whether its network contains the other one, all of it.
    pub fn contains(&self, other: &Self) -> bool {
        self.net.contains(&other.net)
    }

    /// The address at this place in its network, counted from the network's own address, or from the last one if the
    /// place is negative; with the same prefix. Nothing if the network is too small.
    pub fn nth(&self, place: i64) -> Option<Self> {
        let (first, last) = (bits(self.net.network()), bits(self.net.broadcast()));
        let distance = u128::from(place.unsigned_abs());
        let at = if place < 0 { last.checked_sub(distance - 1)? } else { first.checked_add(distance)? };
        let ip = of_bits(at, self.net.addr().is_ipv4());
        (first <= at && at <= last).then(|| IpNet::new(ip, self.net.prefix_len()).map(Self::from).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ip {
        text.parse().expect("an address")
    }

    #[test]
    fn places_in_networks() {
        let shown = |net: &str, place| ip(net).nth(place).map(|ip| ip.to_string());
        assert_eq!(shown("10.0.0.77/24", 5), Some("10.0.0.5/24".into()));
        assert_eq!(shown("10.0.0.0/24", 255), Some("10.0.0.255/24".into()));
        assert_eq!(shown("10.0.0.0/24", 256), None);
        assert_eq!(shown("10.0.0.0/24", -1), Some("10.0.0.255/24".into()));
        assert_eq!(shown("10.0.0.0/24", -256), Some("10.0.0.0/24".into()));
        assert_eq!(shown("10.0.0.0/24", -257), None);
        assert_eq!(shown("0.0.0.0/0", i64::MIN), None);
        assert_eq!(shown("::/0", -1), Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/0".into()));
        assert_eq!(shown("fd00::/64", i64::MAX), Some("fd00::7fff:ffff:ffff:ffff/64".into()));
        assert_eq!(shown("10.0.0.5", 0), Some("10.0.0.5/32".into()));
    }

    #[test]
    fn hosts_and_containment() {
        let hosts: Vec<_> = ip("10.0.0.5/30").hosts().map(|ip| ip.to_string()).collect();
        assert_eq!(hosts, ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(ip("::/0").host_count(), u128::MAX);
        assert_eq!(ip("10.0.0.5").host_count(), 1);
        assert!(ip("10.0.0.9/24").contains(&ip("10.0.0.128/25")));
        assert!(!ip("10.0.0.9/24").contains(&ip("10.0.0.0/23")));
        assert!(!ip("10.0.0.9/24").contains(&ip("fd00::1")));
        assert!(ip("10.0.0.9") < ip("10.0.0.10"));
    }
}
