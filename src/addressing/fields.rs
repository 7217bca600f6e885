//! Reading the fields of a declaration: everything that is wrong is found, not only the first.

use super::range::parse_net;
use crate::floor::{Finding, Map, Value, nearest};
use ipnet::IpNet;
use std::net::IpAddr;

/// What is wrong with a declaration, collected.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// A value that is wrong.
    pub(super) fn value(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let (message, hint) = (message.into(), hint.into());
        self.0.push(Finding {
            path: path.to_string(),
            on_key: false,
            message,
            hint: Some(hint).filter(|hint| !hint.is_empty()),
            place: None,
        });
    }

    /// Keys that nothing knows; `of` names what has them.
    pub(super) fn unknown(&mut self, map: &Map, path: &str, of: &str, known: &[&str]) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let hint = nearest(key, known.iter().copied())
                .map_or_else(|| format!("fields: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            let message = format!("{of} has no field `{key}`");
            self.0.push(Finding { path: join(path, key), on_key: true, message, hint: Some(hint), place: None });
        }
    }

    /// A value of the wrong kind.
    pub(super) fn kind(&mut self, path: &str, wanted: &str, value: &Value) {
        self.value(path, format!("`{}` must be {wanted}, not {}", last(path), value.show()), "");
    }
}

/// The fields of one map, with the path to it.
pub(super) struct Fields<'a> {
    pub(super) map: &'a Map,
    pub(super) path: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, key: &str) -> Option<(&'a Value, String)> {
        let value = self.map.get(key).filter(|value| !value.is_unit())?;
        Some((value, join(self.path, key)))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn text(&self, key: &str, found: &mut Findings) -> Option<(&'a str, String)> {
        let (value, path) = self.get(key)?;
        if value.as_str().is_none() {
            found.kind(&path, "a string", value);
        }
        value.as_str().map(|text| (text.trim(), path))
    }

    pub(super) fn flag(&self, key: &str, found: &mut Findings) -> Option<bool> {
        match self.get(key)? {
            (Value::Bool(flag), _) => Some(*flag),
            (value, path) => {
                found.kind(&path, "true or false", value);
                None
            }
        }
    }

    pub(super) fn int(&self, key: &str, found: &mut Findings) -> Option<(i64, String)> {
        match self.get(key)? {
            (Value::Int(number), path) => Some((*number, path)),
            (value, path) => {
                found.kind(&path, "an integer", value);
                None
            }
        }
    }

    pub(super) fn one_of<T: Copy>(&self, key: &str, words: &[(&str, T)], found: &mut Findings) -> Option<T> {
        let (text, path) = self.text(key, found)?;
        if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meant);
        }
        let listed = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let hint = nearest(text, words.iter().map(|(word, _)| *word)).map(|near| format!("did you mean \"{near}\"?"));
        found.value(&path, format!("`{key}` must be one of {listed}, not {text:?}"), hint.unwrap_or_default());
        None
    }

    /// A list of values with their paths; a single value counts as a list of one.
    pub(super) fn list(&self, key: &str) -> Vec<(&'a Value, String)> {
        match self.get(key) {
            None => Vec::new(),
            Some((Value::List(values), path)) => {
                values.iter().enumerate().map(|(at, value)| (value, format!("{path}[{at}]"))).collect()
            }
            Some(one) => vec![one],
        }
    }
}

/// An address without prefix.
pub(super) fn address(text: &str, path: &str, found: &mut Findings) -> Option<IpAddr> {
    let ip = text.parse().ok();
    if ip.is_none() {
        match text.split_once('/') {
            Some((bare, _)) if bare.parse::<IpAddr>().is_ok() => {
                found.value(
                    path,
                    format!("`{}` takes an address without prefix", name(path)),
                    format!("write \"{bare}\""),
                );
            }
            _ => invalid(text, path, "write it like \"10.0.0.1\" or \"fd00::1\"", found),
        }
    }
    ip
}

/// An address with prefix.
pub(super) fn net(text: &str, path: &str, found: &mut Findings) -> Option<IpNet> {
    let net = parse_net(text);
    if net.is_none() {
        let (bare, prefix) = text.split_once('/').map_or((text, None), |(bare, prefix)| (bare, Some(prefix)));
        match (bare.parse::<IpAddr>(), prefix) {
            (Ok(ip), None) => {
                let usual = if ip.is_ipv4() { 24 } else { 64 };
                let message = format!("IP address {ip} needs the prefix of its network");
                found.value(path, message, format!("write \"{ip}/{usual}\" for a network of the usual size"));
            }
            (Ok(ip), Some(prefix)) => {
                let most = if ip.is_ipv4() { "IPv4 has 0 to 32" } else { "IPv6 has 0 to 128" };
                found.value(path, format!("invalid prefix length: {prefix}"), most);
            }
            _ => invalid(text, path, "write it like \"10.0.0.5/24\" or \"fd00::5/64\"", found),
        }
    }
    net
}

fn invalid(text: &str, path: &str, hint: &str, found: &mut Findings) {
    let zeros = text.split(['.', '/']).any(|part| part.len() > 1 && part.starts_with('0') && !text.contains(':'));
    let hint = if zeros { "write the numbers without leading zeros" } else { hint };
    found.value(path, format!("invalid IP address format: {text}"), hint);
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The key that a path ends with, without the place in its list.
fn name(path: &str) -> &str {
    last(path).split('[').next().unwrap_or(path)
}
