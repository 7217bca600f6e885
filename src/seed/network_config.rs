//! What a network configuration of version 2 must look like; of version 1 only its frame is looked at.

use super::guest::check;
use super::guest::network;
use super::guest::read::{Reader, join};
use crate::floor::{Finding, Map, Value};
use ipnet::IpNet;
use std::net::IpAddr;

const TOP: &[&str] = &[
    "bonds",
    "bridges",
    "dummy-devices",
    "ethernets",
    "modems",
    "nm-devices",
    "openvswitch",
    "renderer",
    "tunnels",
    "version",
    "virtual-ethernets",
    "vlans",
    "vrfs",
    "wifis",
];

/// The properties of an Ethernet card in netplan's format.
const ETHERNET: &[&str] = &[
    "accept-ra",
    "activation-mode",
    "addresses",
    "auth",
    "critical",
    "dhcp-identifier",
    "dhcp4",
    "dhcp4-overrides",
    "dhcp6",
    "dhcp6-overrides",
    "emit-lldp",
    "gateway4",
    "gateway6",
    "ignore-carrier",
    "ipv6-address-generation",
    "ipv6-address-token",
    "ipv6-mtu",
    "ipv6-privacy",
    "link-local",
    "macaddress",
    "match",
    "mtu",
    "nameservers",
    "networkmanager",
    "openvswitch",
    "optional",
    "optional-addresses",
    "ra-overrides",
    "renderer",
    "routes",
    "routing-policy",
    "set-name",
    "virtual-function-count",
    "wakeonlan",
];

const ROUTE: &[&str] = &[
    "advertised-receive-window",
    "advmss",
    "congestion-window",
    "from",
    "metric",
    "mtu",
    "on-link",
    "scope",
    "table",
    "to",
    "type",
    "via",
];

/// The mistakes in a configuration.
pub(super) fn findings(config: &Map) -> Vec<Finding> {
    let mut reader = Reader::default();
    let (path, inner) = match config.get("network").and_then(Value::as_map) {
        Some(inner) => ("network_config.network", inner),
        None => ("network_config", config),
    };
    match inner.get("version") {
        Some(Value::Int(1)) => {
            reader.known(path, inner, &["config", "version"]);
            if !matches!(inner.get("config"), Some(Value::List(_))) {
                reader.wrong(path, "a configuration of version 1 needs the list `config`", None);
            }
        }
        Some(Value::Int(2)) => version_2(&mut reader, path, inner),
        _ => {
            let message = "`network_config` has no `version`, which must be 1 or 2";
            reader.wrong(path, message, Some("add `version: 2`".to_string()));
        }
    }
    reader.findings
}

fn version_2(reader: &mut Reader, path: &str, config: &Map) {
    reader.known(path, config, TOP);
    for section in TOP.iter().filter(|section| !matches!(**section, "openvswitch" | "renderer" | "version")) {
        let Some(cards) = reader.map(path, config, section) else { continue };
        for (name, card) in cards {
            let path = join(&join(path, section), name);
            match card {
                Value::Map(fields) => {
                    if *section == "ethernets" {
                        reader.known(&path, fields, ETHERNET);
                    }
                    interface(reader, &path, fields);
                }
                Value::Unit => {}
                other => reader.wrong(&path, &format!("`{name}` must be a map, not {}", other.kind()), None),
            }
        }
    }
}

fn interface(reader: &mut Reader, path: &str, fields: &Map) {
    let own = addresses(reader, path, fields);
    // What DHCP or a router tells may make any gateway right.
    let told = ["dhcp4", "dhcp6", "accept-ra"].iter().any(|key| fields.get(*key) == Some(&Value::Bool(true)));
    for key in ["gateway4", "gateway6"] {
        let via = reader.text(path, fields, key, address).and_then(|via| via.parse().ok());
        reachable(reader, &join(path, key), via, &own, told);
    }
    for (at, route) in Reader::list(fields, "routes").iter().enumerate() {
        let path = format!("{}[{at}]", join(path, "routes"));
        let Some(route) = route.as_map() else {
            reader.wrong(&path, &format!("`{path}` must be a map, not {}", route.kind()), None);
            continue;
        };
        reader.known(&path, route, ROUTE);
        reader.required(&path, route, "to", destination);
        let via = reader.text(&path, route, "via", address).and_then(|via| via.parse().ok());
        if route.get("on-link") != Some(&Value::Bool(true)) {
            reachable(reader, &join(&path, "via"), via, &own, told);
        }
    }
    if let Some(servers) = reader.map(path, fields, "nameservers") {
        let path = join(path, "nameservers");
        reader.known(&path, servers, &["addresses", "search"]);
        reader.texts(&path, servers, "addresses", address);
        reader.texts(&path, servers, "search", check::line);
    }
    reader.text(path, fields, "macaddress", network::mac);
    if let Some(wanted) = reader.map(path, fields, "match") {
        let path = join(path, "match");
        reader.known(&path, wanted, &["driver", "macaddress", "name"]);
        reader.text(&path, wanted, "macaddress", network::mac);
    }
}

/// Its own addresses; each is text, or a map from it to further properties.
fn addresses(reader: &mut Reader, path: &str, fields: &Map) -> Vec<IpNet> {
    let mut own = Vec::new();
    for (at, item) in Reader::list(fields, "addresses").iter().enumerate() {
        let text = item.as_str().or_else(|| item.as_map()?.keys().next().map(String::as_str));
        if let Some(net) = text.and_then(|text| text.parse().ok()) {
            own.push(net);
        } else {
            let path = format!("{}[{at}]", join(path, "addresses"));
            let shown = text.map_or_else(|| item.kind().to_string(), |text| format!("`{text}`"));
            let message = format!("{shown} is not an address with its prefix, such as `10.0.0.5/24`");
            reader.wrong(&path, &message, None);
        }
    }
    own
}

/// Whether a gateway can be reached by one of the addresses.
fn reachable(reader: &mut Reader, path: &str, via: Option<IpAddr>, own: &[IpNet], told: bool) {
    let Some(via) = via else { return };
    let link_local = matches!(via, IpAddr::V6(via) if via.is_unicast_link_local());
    if !told && !link_local && !own.iter().any(|net| net.contains(&via)) {
        let hint = "correct it, or write it as a route with `on-link: true` if it is reached all the same".to_string();
        reader.wrong(path, &format!("gateway `{via}` is in no subnet of the interface"), Some(hint));
    }
}

fn address(text: &str) -> Option<String> {
    text.parse::<IpAddr>().is_err().then(|| "is not an IP address".to_string())
}

fn destination(text: &str) -> Option<String> {
    let right = text == "default" || text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok();
    (!right).then(|| "is no network, such as `10.1.0.0/16` or `default`".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(yaml: &str) -> Vec<(String, String)> {
        let map: Map = serde_saphyr::from_str(yaml).expect("YAML");
        let strip = |path: String| path.trim_start_matches("network_config.").to_string();
        findings(&map).into_iter().map(|finding| (strip(finding.path), finding.message)).collect()
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let yaml = "
version: 2
ethernet: {}
ethernets:
  a:
    match: {macaddress: '52:54:00:00:00'}
    adresses: []
    addresses: [10.0.0.300/24, 10.0.0.5/24]
    gateway4: 10.0.1.1
    routes:
    - {to: default, via: 10.0.1.1, on-link: true}
    - {to: everywhere, via: 10.0.0.1}
    - {via: 10.0.0.1}
    nameservers: {addresses: [dns.example.com]}
  b: 5
bonds:
  c: {gateway4: 10.0.1.1, dhcp4: true, interfaces: [a]}
";
        let expected = [
            ("ethernet", "network_config has no field `ethernet`"),
            ("ethernets.a.adresses", "network_config.ethernets.a has no field `adresses`"),
            ("ethernets.a.addresses[0]", "`10.0.0.300/24` is not an address with its prefix, such as `10.0.0.5/24`"),
            ("ethernets.a.gateway4", "gateway `10.0.1.1` is in no subnet of the interface"),
            (
                "ethernets.a.routes[1].to",
                "`network_config.ethernets.a.routes[1].to` is no network, such as `10.1.0.0/16` or `default`",
            ),
            ("ethernets.a.routes[2]", "`to` is missing"),
            (
                "ethernets.a.nameservers.addresses[0]",
                "`network_config.ethernets.a.nameservers.addresses[0]` is not an IP address",
            ),
            (
                "ethernets.a.match.macaddress",
                "`network_config.ethernets.a.match.macaddress` is no MAC address, such as `52:54:00:12:34:56`",
            ),
            ("ethernets.b", "`b` must be a map, not an integer"),
        ];
        let mut found = found(yaml);
        let mut expected = expected.map(|(path, message)| (path.to_string(), message.to_string()));
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn both_versions_need_their_frames() {
        let none = "`network_config` has no `version`, which must be 1 or 2";
        assert_eq!(found("{ethernets: {}}")[0].1, none);
        assert_eq!(found("{network: {version: 3}}")[0].1, none);
        assert_eq!(found("{version: 1}")[0].1, "a configuration of version 1 needs the list `config`");
        assert_eq!(found("{network: {version: 1, config: []}}"), []);
    }
}
