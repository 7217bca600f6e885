//! Reading a description field by field, with all mistakes kept for the end.

use crate::floor::{Finding, Map, Value, did_you_mean};

/// Says what is wrong with a text, if anything is.
pub(in crate::seed) type Check = fn(&str) -> Option<String>;

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(in crate::seed) struct Reader {
    pub(in crate::seed) findings: Vec<Finding>,
}

impl Reader {
    /// Notes a mistake in a value.
    pub(in crate::seed) fn wrong(&mut self, path: &str, message: &str, hint: Option<String>) {
        self.findings.push(Finding {
            path: path.to_string(),
            message: message.to_string(),
            hint,
            ..Finding::default()
        });
    }

    /// Notes keys that nobody knows.
    pub(in crate::seed) fn known(&mut self, path: &str, fields: &Map, keys: &[&str]) {
        for key in fields.keys().filter(|key| !keys.contains(&key.as_str())) {
            let of = if path.is_empty() { "a guest" } else { path };
            let hint = did_you_mean(key, keys.iter().copied()).unwrap_or_else(|| {
                let others = if path.is_empty() { "; cloud-config's own keys stand under `cloud_config`" } else { "" };
                format!("fields: {}{others}", keys.join(", "))
            });
            self.findings.push(Finding {
                path: join(path, key),
                on_key: true,
                message: format!("{of} has no field `{key}`"),
                hint: Some(hint),
                place: None,
            });
        }
    }

    /// A text, if it is there and right.
    pub(in crate::seed) fn text(&mut self, path: &str, fields: &Map, key: &str, check: Check) -> Option<String> {
        let value = fields.get(key).filter(|value| !value.is_unit())?;
        self.checked(&join(path, key), value, check)
    }

    /// A text that must be there.
    pub(in crate::seed) fn required(&mut self, path: &str, fields: &Map, key: &str, check: Check) -> Option<String> {
        if fields.get(key).is_none_or(Value::is_unit) {
            self.wrong(path, &format!("`{key}` is missing"), None);
        }
        self.text(path, fields, key, check)
    }

    /// A list of texts; a single text counts as a list of one.
    pub(in crate::seed) fn texts(&mut self, path: &str, fields: &Map, key: &str, check: Check) -> Vec<String> {
        let list = Self::list(fields, key);
        let path = join(path, key);
        list.iter().enumerate().filter_map(|(at, item)| self.checked(&format!("{path}[{at}]"), item, check)).collect()
    }

    /// A list of maps.
    pub(in crate::seed) fn maps<T>(
        &mut self,
        path: &str,
        fields: &Map,
        key: &str,
        read: fn(&mut Self, &str, &Map) -> Option<T>,
    ) -> Vec<T> {
        let list = Self::list(fields, key);
        let path = join(path, key);
        let mut found = Vec::new();
        for (at, item) in list.iter().enumerate() {
            let path = format!("{path}[{at}]");
            match item.as_map() {
                Some(fields) => found.extend(read(self, &path, fields)),
                None => self.wrong(&path, &format!("`{path}` must be a map, not {}", item.kind()), None),
            }
        }
        found
    }

    /// A list; a single value counts as a list of one.
    pub(in crate::seed) fn list(fields: &Map, key: &str) -> Vec<Value> {
        match fields.get(key) {
            None | Some(Value::Unit) => Vec::new(),
            Some(Value::List(items)) => items.clone(),
            Some(one) => vec![one.clone()],
        }
    }

    /// A map, if it is there.
    pub(in crate::seed) fn map<'f>(&mut self, path: &str, fields: &'f Map, key: &str) -> Option<&'f Map> {
        let value = fields.get(key).filter(|value| !value.is_unit())?;
        if value.as_map().is_none() {
            self.wrong(&join(path, key), &format!("`{key}` must be a map, not {}", value.kind()), None);
        }
        value.as_map()
    }

    /// A flag, if it is there.
    pub(in crate::seed) fn flag(&mut self, path: &str, fields: &Map, key: &str) -> Option<bool> {
        match fields.get(key)? {
            Value::Unit => None,
            Value::Bool(flag) => Some(*flag),
            other => {
                self.wrong(&join(path, key), &format!("`{key}` must be true or false, not {}", other.kind()), None);
                None
            }
        }
    }

    /// Values are not shown: they may be secret.
    fn checked(&mut self, path: &str, value: &Value, check: Check) -> Option<String> {
        let Some(text) = value.as_str() else {
            self.wrong(path, &format!("`{path}` must be a string, not {}", value.kind()), None);
            return None;
        };
        if let Some(message) = check(text) {
            self.wrong(path, &format!("`{path}` {message}"), None);
            return None;
        }
        Some(text.to_string())
    }
}

pub(in crate::seed) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}
