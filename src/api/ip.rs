//! Addresses as values, and names made from them.

use super::RhaiResultOf;
use crate::addressing::{self, Ip as Address, Mac as Card};
use crate::floor::{Error, Result};
use rhai::plugin::*;
use rhai::{Array, Dynamic, Module};
use std::net::{IpAddr, Ipv4Addr};

/// A list of more addresses than this is a mistake, and would not fit into memory soon after.
const MOST_HOSTS: u128 = 1 << 16;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

pub(super) fn address(given: &Dynamic) -> Result<Address> {
    if let Some(ip) = given.read_lock::<Address>() {
        return Ok(*ip);
    }
    let text =
        given.as_immutable_string_ref().map_err(|kind| Error::argument(format!("an address is needed, not {kind}")))?;
    text.trim().parse().map_err(|_| {
        Error::argument(format!("invalid IP address format: {}", text.as_str()))
            .hint("write it like \"10.0.0.5\", \"10.0.0.5/24\" or \"fd00::5/64\"")
    })
}

pub(super) fn card(given: &Dynamic) -> Result<Card> {
    if let Some(mac) = given.read_lock::<Card>() {
        return Ok(*mac);
    }
    let text = given
        .as_immutable_string_ref()
        .map_err(|kind| Error::argument(format!("a MAC address is needed, not {kind}")))?;
    text.trim().parse().map_err(|_| {
        Error::argument(format!("invalid MAC address format: {}", text.as_str()))
            .hint("write six pairs of hexadecimal digits such as \"52:54:00:12:34:56\"")
    })
}

fn v4(given: &Dynamic) -> Result<Ipv4Addr> {
    match address(given)?.addr() {
        IpAddr::V4(ip) => Ok(ip),
        IpAddr::V6(ip) => {
            let error = Error::argument(format!("{ip} is too long for a name: only an IPv4 address has one"));
            Err(error.hint("leave the MAC address out, then libvirt chooses one"))
        }
    }
}

#[export_module]
mod functions {
    /// An IP address, alone (`10.0.0.5`) or with the prefix of its network (`10.0.0.5/24`).
    pub type Ip = crate::addressing::Ip;

    /// A MAC address.
    pub type Mac = crate::addressing::Mac;

    /// An IP address from text, of either family, with or without prefix.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let web = ip("10.0.0.5/24");
    /// assert_eq(`${web.addr} in ${web.network}`, "10.0.0.5 in 10.0.0.0/24");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ip(address: Dynamic) -> RhaiResultOf<Ip> {
        Ok(super::address(&address)?)
    }

    /// An IP address as `ip` gives it, or `()` if the text is none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(parse_ip("10.0.0.5/24").prefix, 24);
    /// assert_eq(parse_ip("web"), ());
    /// ```
    pub fn parse_ip(address: Dynamic) -> Dynamic {
        super::address(&address).map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// A MAC address from text.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(mac("52:54:00:AB:CD:EF").to_string(), "52:54:00:ab:cd:ef");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mac(address: Dynamic) -> RhaiResultOf<Mac> {
        Ok(card(&address)?)
    }

    /// The MAC address that goes with an IPv4 address: `be:ef:` and its four octets.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(mac_from_ip("10.55.22.22"), mac("be:ef:0a:37:16:16"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mac_from_ip(address: Dynamic) -> RhaiResultOf<Mac> {
        Ok(addressing::mac_from_ip(v4(&address)?))
    }

    /// The IPv4 address in a MAC address made by `mac_from_ip`, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(ip_from_mac("be:ef:0a:37:16:16"), ip("10.55.22.22"));
    /// assert_eq(ip_from_mac("52:54:00:12:34:56"), ());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ip_from_mac(address: Dynamic) -> RhaiResultOf<Dynamic> {
        Ok(optional(addressing::ip_from_mac(card(&address)?)))
    }

    /// The name of the tap device that goes with an IPv4 address: `vm` and its four octets as hexadecimal digits.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(tap_from_ip("10.55.22.22"), "vm0a371616");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn tap_from_ip(address: Dynamic) -> RhaiResultOf<String> {
        Ok(addressing::tap_from_ip(v4(&address)?))
    }

    /// The IPv4 address in the name of a tap device made by `tap_from_ip`, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(ip_from_tap("vm0a371616"), ip("10.55.22.22"));
    /// assert_eq(ip_from_tap("vnet0"), ());
    /// ```
    pub fn ip_from_tap(name: &str) -> Dynamic {
        optional(addressing::ip_from_tap(name))
    }

    /// The address without its prefix, as text.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(ip("10.0.0.5/24").addr, "10.0.0.5");
    /// ```
    #[rhai_fn(get = "addr", pure)]
    pub fn addr(ip: &mut Ip) -> String {
        ip.addr().to_string()
    }

    /// How many bits of it name the network; all of them if it was written without prefix.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(ip("10.0.0.5/24").prefix, 24);
    /// ```
    #[rhai_fn(get = "prefix", pure)]
    pub fn prefix(ip: &mut Ip) -> i64 {
        ip.net().prefix_len().into()
    }

    /// Its family: `ipv4` or `ipv6`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(ip("fd00::5").family, "ipv6");
    /// ```
    #[rhai_fn(get = "family", pure)]
    pub fn family(ip: &mut Ip) -> String {
        if ip.addr().is_ipv4() { "ipv4" } else { "ipv6" }.into()
    }

    /// Its network.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(ip("10.0.0.5/24").network, ip("10.0.0.0/24"));
    /// ```
    #[rhai_fn(get = "network", pure)]
    pub fn network(ip: &mut Ip) -> Ip {
        ip.network()
    }

    /// Its netmask, as text.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(ip("10.0.0.5/24").netmask, "255.255.255.0");
    /// ```
    #[rhai_fn(get = "netmask", pure)]
    pub fn netmask(ip: &mut Ip) -> String {
        ip.net().netmask().to_string()
    }

    /// The addresses of its network that machines may have: all but the network's own and its broadcast address.
    ///
    /// An error for a network of more than 65536; `nth` reaches those.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for host in ip("10.0.0.0/29").hosts { print(host); }
    /// assert_eq(ip("10.0.0.0/29").hosts.len(), 6);
    /// ```
    #[rhai_fn(get = "hosts", pure, return_raw)]
    pub fn hosts(ip: &mut Ip) -> RhaiResultOf<Array> {
        if ip.host_count() > MOST_HOSTS {
            let error = Error::argument(format!("{} has {} addresses for machines", ip.network(), ip.host_count()));
            return Err(error.hint("`nth(n)` gives single ones").into());
        }
        Ok(ip.hosts().map(Dynamic::from).collect())
    }

    /// Whether its network contains an address, or all of another network.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(ip("10.0.0.0/24").contains("10.0.0.5"));
    /// assert(!ip("10.0.0.0/24").contains("10.0.1.5"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn contains(ip: &mut Ip, address: Dynamic) -> RhaiResultOf<bool> {
        Ok(ip.contains(&super::address(&address)?))
    }

    /// The address at this place in its network: 0 is the network's own, -1 the last one.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(ip("10.0.0.0/24").nth(5), ip("10.0.0.5/24"));
    /// assert_eq(ip("10.0.0.0/24").nth(-2).addr, "10.0.0.254");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn nth(ip: &mut Ip, place: i64) -> RhaiResultOf<Ip> {
        let found = ip.nth(place);
        Ok(found.ok_or_else(|| Error::argument(format!("{} has no address number {place}", ip.network())))?)
    }

    /// Whether both are the same address with the same prefix.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(ip("10.0.0.5") == ip("10.0.0.5"));
    /// ```
    #[rhai_fn(name = "==", pure)]
    pub fn ip_equal(ip: &mut Ip, other: Ip) -> bool {
        *ip == other
    }

    /// Whether they differ in address or prefix.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(ip("10.0.0.5") != ip("10.0.0.6"));
    /// ```
    #[rhai_fn(name = "!=", pure)]
    pub fn ip_differ(ip: &mut Ip, other: Ip) -> bool {
        *ip != other
    }

    /// Whether it comes before the other one.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(ip("10.0.0.9") < ip("10.0.0.10"));
    /// ```
    #[rhai_fn(name = "<", pure)]
    pub fn ip_below(ip: &mut Ip, other: Ip) -> bool {
        *ip < other
    }

    /// Whether it comes after the other one.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(ip("10.0.0.10") > ip("10.0.0.9"));
    /// ```
    #[rhai_fn(name = ">", pure)]
    pub fn ip_above(ip: &mut Ip, other: Ip) -> bool {
        *ip > other
    }

    /// Whether it does not come after the other one.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(ip("10.0.0.9") <= ip("10.0.0.9"));
    /// ```
    #[rhai_fn(name = "<=", pure)]
    pub fn ip_not_above(ip: &mut Ip, other: Ip) -> bool {
        *ip <= other
    }

    /// Whether it does not come before the other one.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(ip("10.0.0.9") >= ip("10.0.0.9"));
    /// ```
    #[rhai_fn(name = ">=", pure)]
    pub fn ip_not_below(ip: &mut Ip, other: Ip) -> bool {
        *ip >= other
    }

    /// Whether both are the same MAC address.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(mac("52:54:00:00:00:0A") == mac("52:54:00:00:00:0a"));
    /// ```
    #[rhai_fn(name = "==", pure)]
    pub fn mac_equal(mac: &mut Mac, other: Mac) -> bool {
        *mac == other
    }

    /// Whether they are different MAC addresses.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(mac("52:54:00:00:00:0a") != mac("52:54:00:00:00:0b"));
    /// ```
    #[rhai_fn(name = "!=", pure)]
    pub fn mac_differ(mac: &mut Mac, other: Mac) -> bool {
        *mac != other
    }

    /// The address as it is written.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(ip("10.0.0.5/24"));
    /// ```
    #[rhai_fn(name = "to_string", pure)]
    pub fn ip_text(ip: &mut Ip) -> String {
        ip.to_string()
    }

    /// The MAC address in lower case.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(mac("52:54:00:12:34:56"));
    /// ```
    #[rhai_fn(name = "to_string", pure)]
    pub fn mac_text(mac: &mut Mac) -> String {
        mac.to_string()
    }

    /// The address as it is written, for `debug`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// debug([ip("10.0.0.5/24")]);
    /// ```
    #[rhai_fn(name = "to_debug", pure)]
    pub fn ip_debug(ip: &mut Ip) -> String {
        format!("ip(\"{ip}\")")
    }

    /// The MAC address in lower case, for `debug`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// debug([mac("52:54:00:12:34:56")]);
    /// ```
    #[rhai_fn(name = "to_debug", pure)]
    pub fn mac_debug(mac: &mut Mac) -> String {
        format!("mac(\"{mac}\")")
    }
}

fn optional(ip: Option<Ipv4Addr>) -> Dynamic {
    ip.map_or(Dynamic::UNIT, |ip| Dynamic::from(Address::from(IpAddr::from(ip))))
}
