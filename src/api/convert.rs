//! Script values as plain values and back.

use crate::addressing::{Ip, Mac};
use crate::floor::{Error, HIDDEN, Map, Options, Result, Secret, Value};
use crate::schema::{Definition, Element, Elements};
use rhai::Dynamic;

/// A script value as a plain value; definitions and their parts become what they say, and secrets what they are.
/// `path` says where it stands, for the error about a value that is not plain.
pub fn value(dynamic: &Dynamic, path: &str) -> Result<Value> {
    convert(dynamic, path, Secret::reveal)
}

/// A script value as a plain value to be shown or written: secrets become `***`.
pub fn shown(dynamic: &Dynamic) -> Result<Value> {
    convert(dynamic, "", |_| HIDDEN)
}

/// A text, or nothing for `()`. All else is a mistake: it would count as nothing.
pub fn text_or_nothing<'a>(given: &'a Value, what: &str) -> Result<Option<&'a str>> {
    match given {
        Value::Unit => Ok(None),
        other => {
            let wrong = || Error::argument(format!("{what} is a text or `()`, not {}", other.show()));
            other.as_str().map(Some).ok_or_else(wrong)
        }
    }
}

fn convert(dynamic: &Dynamic, path: &str, secret: fn(&Secret) -> &str) -> Result<Value> {
    if dynamic.is_unit() {
        return Ok(Value::Unit);
    }
    if let Ok(flag) = dynamic.as_bool() {
        return Ok(flag.into());
    }
    if let Ok(number) = dynamic.as_int() {
        return Ok(number.into());
    }
    if let Ok(number) = dynamic.as_float() {
        return Ok(Value::Float(number));
    }
    if let Ok(text) = dynamic.as_immutable_string_ref() {
        return Ok(text.as_str().into());
    }
    if let Ok(letter) = dynamic.as_char() {
        return Ok(letter.to_string().into());
    }
    if let Ok(list) = dynamic.as_array_ref() {
        return list
            .iter()
            .enumerate()
            .map(|(at, item)| convert(item, &format!("{path}[{at}]"), secret))
            .collect::<Result<_>>()
            .map(Value::List);
    }
    if let Ok(map) = dynamic.as_map_ref() {
        let mut plain = Map::with_capacity(map.len());
        for (key, item) in map.iter() {
            let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
            plain.insert(key.to_string(), convert(item, &path, secret)?);
        }
        return Ok(plain.into());
    }
    if let Some(definition) = dynamic.read_lock::<Definition>() {
        return Ok(definition.to_value());
    }
    if let Some(element) = dynamic.read_lock::<Element>() {
        return element.to_value();
    }
    if let Some(list) = dynamic.read_lock::<Elements>() {
        return list.to_value();
    }
    if let Some(hidden) = dynamic.read_lock::<Secret>() {
        return Ok(secret(&hidden).into());
    }
    if let Some(ip) = dynamic.read_lock::<Ip>() {
        return Ok(ip.to_string().into());
    }
    if let Some(mac) = dynamic.read_lock::<Mac>() {
        return Ok(mac.to_string().into());
    }
    let place = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
    // What has no name in scripts is called as the program calls it, without where it stands there.
    let name = match dynamic.type_name().rsplit("::").next().unwrap_or_default().trim_end_matches('>') {
        // As `type_of` calls them.
        "Range<i64" => "range",
        "RangeInclusive<i64" => "range=",
        name => name,
    };
    Err(Error::argument(format!("a value of type {name} cannot be used here{place}")))
}

/// A map of options. Their names are looked at first: the value of a wrong one may be nothing that can be read.
pub(super) fn options_of(what: &str, given: &rhai::Map, known: &[&str]) -> Result<Options> {
    let names = given.keys().map(|name| (name.to_string(), Value::Unit)).collect();
    Options::from_value(what, Value::Map(names), known)?;
    Options::from_value(what, value(&given.clone().into(), "")?, known)
}

/// A plain value as a script value.
pub fn dynamic(value: Value) -> Dynamic {
    match value {
        Value::Unit => Dynamic::UNIT,
        Value::Bool(flag) => flag.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::String(text) => text.into(),
        Value::List(items) => items.into_iter().map(dynamic).collect::<rhai::Array>().into(),
        Value::Map(map) => map.into_iter().map(|(key, item)| (key.into(), dynamic(item))).collect::<rhai::Map>().into(),
    }
}
