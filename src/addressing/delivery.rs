//! Addresses as the network configuration of a seed: version 2, which cloud-init has read since 2017.

use super::rules::on_link;
use super::{Mac, StaticIp};
use crate::floor::{Map, Value};
use std::net::IpAddr;

/// The network configuration of a machine's cards with their addresses; a card without any asks for one by DHCP.
///
/// Cards are told apart by their MAC address, since the guest may name them in any order.
pub fn network_config(cards: &[(Mac, Vec<&StaticIp>)]) -> Map {
    let ethernets = cards.iter().enumerate().map(|(at, (mac, ips))| {
        let name = ips.iter().find_map(|ip| ip.interface.clone());
        let mut card = map([("match", map([("macaddress", mac.to_string().into())]).into())]);
        card.extend(name.as_ref().map(|name| ("set-name".to_string(), name.as_str().into())));
        if ips.is_empty() {
            card.insert("dhcp4".to_string(), true.into());
        } else {
            settings(&mut card, ips);
        }
        (name.unwrap_or_else(|| format!("card{at}")), Value::Map(card))
    });
    map([("version", 2.into()), ("ethernets", Value::Map(ethernets.collect()))])
}

fn settings(card: &mut Map, ips: &[&StaticIp]) {
    let texts = |list: Vec<String>| Value::List(list.into_iter().map(Value::from).collect());
    let addresses = ips.iter().filter_map(|ip| ip.address).map(|net| net.to_string()).collect();
    card.insert("addresses".to_string(), texts(addresses));
    if let Some(mtu) = ips.iter().filter_map(|ip| ip.mtu).min() {
        card.insert("mtu".to_string(), i64::from(mtu).into());
    }
    let mut dns: Vec<String> = ips.iter().flat_map(|ip| &ip.dns).map(IpAddr::to_string).collect();
    dns.dedup();
    if !dns.is_empty() {
        card.insert("nameservers".to_string(), map([("addresses", texts(dns))]).into());
    }
    let routes: Vec<Value> = ips.iter().flat_map(|ip| routes(ip)).collect();
    if !routes.is_empty() {
        card.insert("routes".to_string(), Value::List(routes));
    }
}

fn routes(ip: &StaticIp) -> Vec<Value> {
    let default = ip.gateway.filter(|_| ip.default_route).map(|via| {
        // The word `default` is not understood by every version of cloud-init.
        let everything = if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        (everything.to_string(), via, None)
    });
    let further = ip.routes.iter().map(|route| (route.to.to_string(), route.via, route.metric));
    let all = default.into_iter().chain(further).map(|(to, via, metric)| {
        let mut route = map([("to", to.into()), ("via", via.to_string().into())]);
        if ip.address.is_some_and(|net| on_link(via, net)) {
            route.insert("on-link".to_string(), true.into());
        }
        route.extend(metric.map(|metric| ("metric".to_string(), i64::from(metric).into())));
        Value::Map(route)
    });
    all.collect()
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Map {
    fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn cards_with_and_without_addresses() {
        let ip = |fields: Map| parse(&fields.into()).0.remove(0).1;
        let list = |items: &[&str]| Value::List(items.iter().map(|item| (*item).into()).collect());
        let four = ip(map([
            ("address", "10.0.0.5/24".into()),
            ("gateway", "10.0.0.1".into()),
            ("dns", list(&["10.0.0.1", "1.1.1.1"])),
            ("interface", "lan".into()),
            ("mtu", 1400.into()),
            ("routes", map([("to", "10.9.0.0/16".into()), ("via", "10.0.0.9".into()), ("metric", 7.into())]).into()),
        ]));
        let six = ip(map([("address", "fd00::5/64".into()), ("gateway", "fe80::1".into())]));
        let routed = ip(map([("address", "10.1.1.1/32".into()), ("gateway", "169.254.0.1".into())]));
        let quiet = ip(map([
            ("address", "10.2.0.5/24".into()),
            ("gateway", "10.2.0.1".into()),
            ("default_route", false.into()),
        ]));
        let cards = [
            (Mac::qemu([0, 0, 1]), vec![&four, &six]),
            (Mac::qemu([0, 0, 2]), vec![&routed]),
            (Mac::qemu([0, 0, 3]), vec![]),
            (Mac::qemu([0, 0, 4]), vec![&quiet]),
        ];
        let route = |to: &str, via: &str| map([("to", to.into()), ("via", via.into())]);
        let on_link = |to: &str, via: &str| {
            let mut route = route(to, via);
            route.insert("on-link".to_string(), true.into());
            Value::Map(route)
        };
        let mut further = route("10.9.0.0/16", "10.0.0.9");
        further.insert("metric".to_string(), 7.into());
        let card = |last: u8| ("match", map([("macaddress", format!("52:54:00:00:00:0{last}").into())]).into());
        let lan = map([
            card(1),
            ("set-name", "lan".into()),
            ("addresses", list(&["10.0.0.5/24", "fd00::5/64"])),
            ("mtu", 1400.into()),
            ("nameservers", map([("addresses", list(&["10.0.0.1", "1.1.1.1"]))]).into()),
            (
                "routes",
                Value::List(vec![route("0.0.0.0/0", "10.0.0.1").into(), further.into(), on_link("::/0", "fe80::1")]),
            ),
        ]);
        let expected = map([
            ("lan", lan.into()),
            (
                "card1",
                map([
                    card(2),
                    ("addresses", list(&["10.1.1.1/32"])),
                    ("routes", Value::List(vec![on_link("0.0.0.0/0", "169.254.0.1")])),
                ])
                .into(),
            ),
            ("card2", map([card(3), ("dhcp4", true.into())]).into()),
            ("card3", map([card(4), ("addresses", list(&["10.2.0.5/24"]))]).into()),
        ]);
        assert_eq!(network_config(&cards), map([("version", 2.into()), ("ethernets", expected.into())]));
    }
}
