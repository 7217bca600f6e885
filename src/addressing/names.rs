//! Names made from an IPv4 address, and the address read back from them.
//!
//! Both are as unique as the address is. An address of IPv6 is too long for either.

use super::Mac;
use std::net::Ipv4Addr;

/// The MAC address of an IPv4 address: `be:ef:0a:37:16:16` for `10.55.22.22`.
pub fn mac_from_ip(ip: Ipv4Addr) -> Mac {
    let [a, b, c, d] = ip.octets();
    Mac([0xbe, 0xef, a, b, c, d])
}

/// The IPv4 address in a MAC address made by [`mac_from_ip`].
pub fn ip_from_mac(mac: Mac) -> Option<Ipv4Addr> {
    let [0xbe, 0xef, a, b, c, d] = mac.0 else { return None };
    Some(Ipv4Addr::new(a, b, c, d))
}

/// The name of the tap device of an IPv4 address: `vm0a371616` for `10.55.22.22`.
pub fn tap_from_ip(ip: Ipv4Addr) -> String {
    format!("vm{:08x}", u32::from(ip))
}

/// The IPv4 address in the name of a tap device made by [`tap_from_ip`].
pub fn ip_from_tap(name: &str) -> Option<Ipv4Addr> {
    let digits = name.strip_prefix("vm").filter(|digits| digits.len() == 8)?;
    // The kernel tells upper from lower case, so a name in upper case is another device.
    let lower = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    u32::from_str_radix(digits, 16).ok().filter(|_| lower).map(Ipv4Addr::from)
}

/// Whether DHCP and DNS servers can give this name to a machine.
pub fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_home_lab_s_names() {
        let ip = Ipv4Addr::new(10, 55, 22, 22);
        assert_eq!(mac_from_ip(ip).to_string(), "be:ef:0a:37:16:16");
        assert_eq!(tap_from_ip(ip), "vm0a371616");
        for wrong in ["vm0A371616", "vm0a37161", "vm0a3716160", "vnet0", "vm+a371616", "vm0a37161g", "vm0a3716é"] {
            assert_eq!(ip_from_tap(wrong), None, "{wrong}");
        }
        assert_eq!(ip_from_mac(Mac::qemu([1, 2, 3])), None);
    }

    #[test]
    fn names_of_machines() {
        for good in ["web", "web-1", "db.lab", "9", &"a".repeat(63)] {
            assert!(is_host_name(good), "{good}");
        }
        for wrong in ["", "-web", "web-", "web_1", "a..b", "web.", "wéb", &"a".repeat(64), &"a.".repeat(127)] {
            assert!(!is_host_name(wrong), "{wrong}");
        }
    }

    /// Octets do not touch each other, so all values of each half stand for all 2^32 addresses; a walk in steps that
    /// share no factor with that number mixes them.
    #[test]
    fn every_address_comes_back() {
        let halves = (0..=0xffff_u32).flat_map(|half| [half, half << 16]);
        let walk = (0..100_000_u32).map(|step| step.wrapping_mul(2_654_435_761));
        let every: HashSet<u32> = halves.chain(walk).chain([u32::MAX]).collect();
        let mut names = HashSet::new();
        for ip in every.into_iter().map(Ipv4Addr::from) {
            assert_eq!(ip_from_mac(mac_from_ip(ip)), Some(ip));
            assert_eq!(ip_from_tap(&tap_from_ip(ip)), Some(ip));
            assert_eq!(mac_from_ip(ip).to_string().parse(), Ok(mac_from_ip(ip)));
            assert!(mac_from_ip(ip).is_unicast() && tap_from_ip(ip).len() <= 15);
            assert!(names.insert(tap_from_ip(ip)), "{ip} shares its name");
        }
    }
}
