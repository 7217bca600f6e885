//! Reading an options map: every key known, every value of its type, else an error that names the fix.

use super::{Error, Finding, Map, Result, Value, did_you_mean, duration, nearest, size};
use std::time::Duration;

/// A map of options whose keys have all been checked.
#[derive(Debug, Clone)]
pub struct Options {
    map: Map,
}

impl Options {
    /// Takes a map and refuses keys other than `known`; `what` names the function, such as `wait_for_ip`.
    pub fn new(what: &str, map: Map, known: &[&str]) -> Result<Self> {
        if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
            let hint = did_you_mean(key, known.iter().copied())
                .unwrap_or_else(|| format!("options of `{what}`: {}", known.join(", ")));
            let mut error = Error::argument(format!("`{what}` has no option `{key}`")).hint(&hint);
            let (path, message) = (key.clone(), error.message.clone());
            error.findings = vec![Finding { path, on_key: true, message, hint: Some(hint), ..Finding::default() }];
            return Err(error);
        }
        Ok(Self { map })
    }

    /// Takes `()` as no options and a map as [`Options::new`] does; anything else is refused.
    pub fn from_value(what: &str, value: Value, known: &[&str]) -> Result<Self> {
        match value {
            Value::Unit => Self::new(what, Map::new(), known),
            Value::Map(map) => Self::new(what, map, known),
            other => {
                Err(Error::argument(format!("options of `{what}` must be a map `#{{ ... }}`, not {}", other.show())))
            }
        }
    }

    /// The value under `key`, if it is there and not `()`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_unit())
    }

    /// A flag.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", |value| if let Value::Bool(flag) = value { Some(*flag) } else { None })
    }

    /// A whole number.
    pub fn int(&self, key: &str) -> Result<Option<i64>> {
        self.typed(key, "an integer", |value| if let Value::Int(number) = value { Some(*number) } else { None })
    }

    /// Text.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a string", Value::as_str)
    }

    /// One of the given words.
    pub fn one_of<'w>(&self, key: &str, words: &[&'w str]) -> Result<Option<&'w str>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = value.as_str().unwrap_or_default();
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Ok(Some(word));
        }
        let listed = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let error = Error::argument(format!("`{key}` must be one of {listed}, not {}", value.show()));
        Err(match nearest(text, words.iter().copied()) {
            Some(found) => error.hint(format!("did you mean \"{found}\"?")),
            None => error,
        })
    }

    /// A duration: seconds or text such as `"5m"`.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>> {
        self.get(key).map(|value| duration(value).map_err(|error| named(key, error))).transpose()
    }

    /// A size in bytes: a number or text such as `"20 GiB"`.
    pub fn size(&self, key: &str) -> Result<Option<u64>> {
        self.get(key).map(|value| size(value).map_err(|error| named(key, error))).transpose()
    }

    /// A list; a single value counts as a list of one.
    pub fn list(&self, key: &str) -> Vec<Value> {
        match self.get(key) {
            None => Vec::new(),
            Some(Value::List(values)) => values.clone(),
            Some(one) => vec![one.clone()],
        }
    }

    fn typed<'a, T>(&'a self, key: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match read(value) {
            Some(found) => Ok(Some(found)),
            None => Err(Error::argument(format!("`{key}` must be {expected}, not {}", value.show()))),
        }
    }
}

fn named(key: &str, mut error: Error) -> Error {
    error.message = format!("`{key}`: {}", error.message);
    error
}
