//! Reading a declaration, checked as far as it can be without a host.

use super::Range;
use super::declaration::{Delivery, Route, StaticIp, Unreachable};
use super::fields::{self, Fields, Findings};
use super::names::is_host_name;
use super::rules::{allowed, gateway, host_address, whole};
use crate::floor::{Finding, Map, Value, nearest};
use ipnet::IpNet;
use std::net::IpAddr;

/// The fields of a declaration.
const FIELDS: &[&str] = &[
    "address",
    "default_route",
    "dns",
    "dns_name",
    "gateway",
    "gateway_unreachable",
    "interface",
    "mac_from_ip",
    "mtu",
    "range",
    "routes",
    "subnet",
    "tap_from_ip",
    "via",
];

/// What only the guest's own configuration can set.
const FOR_SEEDS: &[&str] = &["default_route", "dns", "interface", "mtu", "routes"];

/// Reads a declaration, or a list of them; every mistake is found, at a path relative to the value.
pub fn parse(value: &Value) -> (Vec<(String, StaticIp)>, Vec<Finding>) {
    let mut found = Findings::default();
    let mut read = Vec::new();
    match value {
        Value::List(list) => {
            for (at, one) in list.iter().enumerate() {
                let path = format!("[{at}]");
                read.extend(one_of(one, &path, &mut found).map(|ip| (path, ip)));
            }
        }
        one => read.extend(one_of(one, "", &mut found).map(|ip| (String::new(), ip))),
    }
    (read, found.0)
}

fn one_of(value: &Value, path: &str, found: &mut Findings) -> Option<StaticIp> {
    let short;
    let map = match value {
        Value::Map(map) => map,
        Value::String(_) => {
            short = Map::from([("address".to_string(), value.clone())]);
            // A bare address stands for a declaration of nothing else, so its place is the declaration's.
            let before = found.0.len();
            let read = declaration(&Fields { map: &short, path }, found);
            found.0[before..].iter_mut().for_each(|finding| finding.path = path.to_string());
            return read;
        }
        other => {
            let message = format!("`static_ip` must be a map, not {}", other.show());
            found.value(path, message, "such as `#{ address: \"10.0.0.5/24\", gateway: \"10.0.0.1\" }`");
            return None;
        }
    };
    found.unknown(map, path, "static_ip", FIELDS);
    declaration(&Fields { map, path }, found)
}

fn declaration(fields: &Fields<'_>, found: &mut Findings) -> Option<StaticIp> {
    let before = found.0.len();
    let address = match fields.text("address", found) {
        Some(("auto", _)) => None,
        Some((text, path)) => fields::net(text, &path, found).inspect(|net| host_address(*net, &path, found)),
        None => {
            // A misspelt address is told once.
            let meant =
                fields.map.keys().any(|key| !FIELDS.contains(&key.as_str()) && nearest(key, ["address"]).is_some());
            if !fields.has("address") && !meant {
                found.0.push(Finding {
                    path: fields.path.to_string(),
                    on_key: true,
                    message: "static_ip needs `address`".to_string(),
                    hint: Some("an address with its prefix such as \"10.0.0.5/24\", or \"auto\"".to_string()),
                    place: None,
                });
            }
            None
        }
    };
    let subnet = subnet(fields, found);
    let range = range(fields, found);
    let inside = address.or(subnet);
    if let (Some(net), Some(path)) = (address, fields.get("address").map(|(_, path)| path)) {
        allowed(net, subnet, range, &path, found);
    }
    let gateway = fields.text("gateway", found).and_then(|(text, path)| {
        let ip = fields::address(text, &path, found)?;
        gateway(ip, inside, address, &path, found);
        Some(ip)
    });
    let routes = routes(fields, inside, found);
    let ip = StaticIp {
        address,
        range,
        subnet,
        gateway,
        default_route: default_route(fields, gateway, found),
        dns: dns(fields, found),
        dns_name: dns_name(fields, found),
        routes,
        mtu: mtu(fields, inside, found),
        interface: interface(fields, found),
        via: fields
            .one_of(
                "via",
                &[
                    ("seed", Delivery::Seed),
                    ("dhcp", Delivery::Dhcp),
                    ("both", Delivery::Both),
                    ("none", Delivery::None),
                ],
                found,
            )
            .unwrap_or_default(),
        gateway_unreachable: fields
            .one_of(
                "gateway_unreachable",
                &[("ignore", Unreachable::Ignore), ("warn", Unreachable::Warn), ("error", Unreachable::Refuse)],
                found,
            )
            .unwrap_or_default(),
        mac_from_ip: fields.flag("mac_from_ip", found).unwrap_or(false),
        tap_from_ip: fields.flag("tap_from_ip", found).unwrap_or(false),
    };
    combinations(fields, &ip, found);
    (found.0.len() == before).then_some(ip)
}

/// Fields that do not go together.
fn combinations(fields: &Fields<'_>, ip: &StaticIp, found: &mut Findings) {
    if ip.via == Delivery::Dhcp {
        for (_, path) in FOR_SEEDS.iter().filter_map(|key| fields.get(key)) {
            let key = path.rsplit('.').next().unwrap_or_default();
            let message = format!("`{key}` cannot be delivered by a DHCP reservation");
            found.value(&path, message, "say `via: \"both\"`, or set it in the network's definition");
        }
    }
    let v6 = ip.address.or(ip.subnet).is_some_and(|net| net.addr().is_ipv6());
    for (key, wanted) in [("mac_from_ip", ip.mac_from_ip), ("tap_from_ip", ip.tap_from_ip)] {
        if let Some((_, path)) = fields.get(key).filter(|_| wanted && v6) {
            found.value(&path, format!("`{key}` needs an IPv4 address"), "an IPv6 address is longer than the name");
        }
    }
}

fn subnet(fields: &Fields<'_>, found: &mut Findings) -> Option<IpNet> {
    let (text, path) = fields.text("subnet", found)?;
    let net = fields::net(text, &path, found)?;
    whole(net, &path, found);
    Some(net.trunc())
}

fn range(fields: &Fields<'_>, found: &mut Findings) -> Option<Range> {
    let (text, path) = fields.text("range", found)?;
    let range = text.parse().ok();
    if range.is_none() {
        let hint = "write it like \"10.0.0.50-10.0.0.99\" or \"10.0.0.64/27\"";
        found.value(&path, format!("invalid address range: {text}"), hint);
    }
    range
}

fn default_route(fields: &Fields<'_>, gateway: Option<IpAddr>, found: &mut Findings) -> bool {
    let wish = fields.flag("default_route", found);
    if let Some((_, path)) = fields.get("default_route").filter(|_| wish == Some(true) && !fields.has("gateway")) {
        found.value(&path, "`default_route` needs `gateway`", "name the router");
    }
    wish.unwrap_or(gateway.is_some())
}

fn dns(fields: &Fields<'_>, found: &mut Findings) -> Vec<IpAddr> {
    let read = fields.list("dns").into_iter().filter_map(|(value, path)| {
        let Some(text) = value.as_str() else {
            found.value(&path, format!("`dns` must be a list of addresses, not {}", value.show()), "");
            return None;
        };
        let ip = fields::address(text.trim(), &path, found)?;
        if ip.is_multicast() || ip.is_unspecified() {
            found.value(&path, format!("IP address {ip} is no address of a name server"), "");
        }
        Some(ip)
    });
    read.collect()
}

fn dns_name(fields: &Fields<'_>, found: &mut Findings) -> Option<String> {
    let (text, path) = fields.text("dns_name", found)?;
    if !is_host_name(text) {
        let hint = "letters, digits and hyphens, in parts of at most 63 between dots, such as \"db.lab\"";
        found.value(&path, format!("{text:?} is no name for a machine"), hint);
    }
    Some(text.to_string())
}

fn routes(fields: &Fields<'_>, inside: Option<IpNet>, found: &mut Findings) -> Vec<Route> {
    let read = fields.list("routes").into_iter().filter_map(|(value, path)| {
        let Value::Map(map) = value else {
            let message = format!("a route must be a map, not {}", value.show());
            found.value(&path, message, "such as `#{ to: \"10.1.0.0/16\", via: \"10.0.0.1\" }`");
            return None;
        };
        found.unknown(map, &path, "route", &["metric", "to", "via"]);
        let fields = Fields { map, path: &path };
        for key in ["to", "via"].into_iter().filter(|key| !fields.has(key)) {
            let message = format!("route needs `{key}`");
            found.0.push(Finding { path: path.clone(), message, ..Finding::default() });
        }
        let metric = fields.int("metric", found).and_then(|(metric, path)| {
            let read = u32::try_from(metric).ok();
            if read.is_none() {
                found.value(&path, format!("`metric` must be 0 to 4294967295, not {metric}"), "");
            }
            read
        });
        let via = fields.text("via", found).and_then(|(text, path)| {
            let ip = fields::address(text, &path, found)?;
            if let Some(net) = inside {
                gateway(ip, Some(net), None, &path, found);
            }
            Some(ip)
        });
        let to = fields.text("to", found).and_then(|(text, path)| match (text, via) {
            ("default", Some(via)) => Some(everything(via)),
            ("default", None) => None,
            _ => fields::net(text, &path, found).inspect(|net| whole(*net, &path, found)),
        });
        let (to, via) = (to?, via?);
        if to.addr().is_ipv4() != via.is_ipv4() {
            found.value(&path, format!("route to {to} goes through {via}, which is of the other family"), "");
        }
        Some(Route { to, via, metric })
    });
    read.collect()
}

/// All addresses of a family.
fn everything(of: IpAddr) -> IpNet {
    super::network(of, 0).expect("every family has a prefix of length zero")
}

fn mtu(fields: &Fields<'_>, inside: Option<IpNet>, found: &mut Findings) -> Option<u32> {
    let (mtu, path) = fields.int("mtu", found)?;
    // What a network must carry at least: RFC 791 and RFC 8200.
    let least = if inside.is_some_and(|net| net.addr().is_ipv6()) { 1280 } else { 68 };
    let read = u32::try_from(mtu).ok().filter(|mtu| (least..=65_535).contains(mtu));
    if read.is_none() {
        found.value(&path, format!("`mtu` must be {least} to 65535, not {mtu}"), "usual are 1500 and 9000");
    }
    read
}

fn interface(fields: &Fields<'_>, found: &mut Findings) -> Option<String> {
    let (_, path) = fields.get("interface")?;
    let name = fields.get("interface")?.0.as_str();
    let Some(name) = name else {
        fields.text("interface", found);
        return None;
    };
    let wrong = if name.is_empty() || matches!(name, "." | "..") {
        Some("is no name".to_string())
    } else if name.len() > 15 {
        Some(format!("has {} characters; Linux allows 15", name.len()))
    } else {
        let odd = name.chars().find(|c| matches!(c, '/' | ':') || c.is_whitespace() || c.is_control());
        odd.map(|odd| format!("has {odd:?}, which Linux does not allow"))
    };
    match wrong {
        Some(why) => {
            found.value(&path, format!("interface name {name:?} {why}"), "such as \"eth0\"");
            None
        }
        None => Some(name.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::range::{bits, of_bits};
    use super::super::{network, usable};
    use super::*;

    fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
        Value::Map(fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
    }

    fn messages(value: &Value) -> Vec<(String, String)> {
        parse(value).1.into_iter().map(|one| (one.path, one.message)).collect()
    }

    #[test]
    fn every_mistake_is_found_at_its_place() {
        let route = map([("to", "10.1.0.5/16".into()), ("via", "10.9.0.1".into()), ("cost", 5.into())]);
        let wrong = map([
            ("address", "10.0.0.256/24".into()),
            ("gateway", "gateway".into()),
            ("dns", Value::List(vec!["1.1.1.1".into(), "one".into(), 5.into()])),
            ("routes", Value::List(vec![route])),
            ("mtu", 20.into()),
            ("interface", "a name that is long".into()),
            ("via", "seeds".into()),
        ]);
        let found = messages(&wrong);
        let expected = [
            ("address", "invalid IP address format: 10.0.0.256/24"),
            ("gateway", "invalid IP address format: gateway"),
            ("routes[0].cost", "route has no field `cost`"),
            ("routes[0].to", "10.1.0.5/16 is an address in a network, not a network"),
            ("dns[1]", "invalid IP address format: one"),
            ("dns[2]", "`dns` must be a list of addresses, not 5"),
            ("mtu", "`mtu` must be 68 to 65535, not 20"),
            ("interface", "interface name \"a name that is long\" has 19 characters; Linux allows 15"),
            ("via", "`via` must be one of \"seed\", \"dhcp\", \"both\", \"none\", not \"seeds\""),
        ];
        assert_eq!(found, expected.map(|(path, message)| (path.to_string(), message.to_string())));
        let second = messages(&Value::List(vec!["10.0.0.5/24".into(), "10.0.0.0/24".into()]));
        assert_eq!(
            second,
            [("[1]".to_string(), "IP address 10.0.0.0 is the address of the network 10.0.0.0/24".to_string())]
        );
    }

    /// In random subnets every usable address is taken with every other one as its gateway, and everything else is refused.
    #[test]
    fn random_subnets_take_what_is_usable_and_refuse_the_rest() {
        let mut seed = 1_u64;
        let mut below = |limit: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % limit
        };
        for _ in 0..500 {
            let v4 = below(2) == 0;
            let prefix = u8::try_from(if v4 { 26 + below(7) } else { 122 + below(7) }).expect("small");
            // Private networks, so that no address is special.
            let base =
                if v4 { 0x0a00_0000 | u128::from(below(1 << 24)) } else { 0xfd00 << 112 | u128::from(below(1 << 32)) };
            let net = network(of_bits(base, v4), prefix).expect("a network");
            let free = usable(net);
            let (first, last) = (bits(net.network()), bits(net.broadcast()));
            let mut gateway = None;
            for ip in (first..=last).map(|bits| of_bits(bits, v4)) {
                let address = map([("address", format!("{ip}/{prefix}").into())]);
                let (read, found) = parse(&address);
                assert_eq!(read.len(), usize::from(free.contains(ip)), "{ip}/{prefix}: {found:?}");
                assert_eq!(found.is_empty(), free.contains(ip));
                if let (Some(gateway), true) = (gateway.filter(|gateway| *gateway != ip), free.contains(ip)) {
                    let with = map([
                        ("address", format!("{ip}/{prefix}").into()),
                        ("gateway", IpAddr::to_string(&gateway).into()),
                    ]);
                    assert_eq!(parse(&with).1, [], "{ip}/{prefix} through {gateway}");
                }
                gateway = gateway.or(Some(ip).filter(|ip| free.contains(*ip)));
            }
            let outside = of_bits((last + 1) & if v4 { u128::from(u32::MAX) } else { u128::MAX }, v4);
            let far =
                map([("address", format!("{}/{prefix}", free.last()).into()), ("gateway", outside.to_string().into())]);
            // On the smallest networks a router elsewhere is on the link.
            let on_link = prefix >= if v4 { 31 } else { 127 };
            assert_eq!(parse(&far).1.is_empty(), on_link, "{net} through {outside}");
        }
    }

    #[test]
    fn no_value_is_too_odd() {
        let values = [
            Value::Unit,
            Value::Bool(true),
            Value::Int(-1),
            Value::Float(f64::NAN),
            "".into(),
            "/".into(),
            "0.0.0.0/0".into(),
            "::/0".into(),
            "255.255.255.255/32".into(),
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128".into(),
            "é/é".into(),
            "default".into(),
            Value::List(vec![Value::Unit, Value::List(Vec::new())]),
            Value::Map(Map::new()),
        ];
        for key in FIELDS {
            for value in &values {
                for address in &values {
                    let mut fields = Map::from([("address".to_string(), address.clone())]);
                    fields.insert((*key).to_string(), value.clone());
                    for one in parse(&Value::Map(fields)).1 {
                        assert!(!one.message.is_empty());
                    }
                }
                parse(value);
            }
        }
    }
}
