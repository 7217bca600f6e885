//! What the table does not check: XML of other programs, and what is added to an element as it is.

use super::scalar::{self, Wrong};
use super::write::Writer;
use super::{RAW_ATTRS, join};
use crate::floor::Value;
use crate::schema::table::{Datatype, TEXT};
use crate::schema::xml::{self, Attr, Elem, Name};

impl Writer<'_> {
    /// XML of other programs, given as text.
    pub(super) fn free(&mut self, elem: &mut Elem, value: &Value, path: &str) {
        let text = match value {
            Value::Map(map) if map.keys().all(|key| key == TEXT || key == RAW_ATTRS) => {
                if let Some(attrs) = map.get(RAW_ATTRS) {
                    self.raw_attrs(elem, attrs, &join(path, RAW_ATTRS));
                }
                map.get(TEXT).unwrap_or(&Value::Unit)
            }
            other => other,
        };
        match text {
            Value::Unit => {}
            Value::String(text) => match xml::parse_fragment(text, true) {
                Ok(nodes) => elem.nodes = nodes,
                Err(error) => self.wrong(Wrong::new(format!("is {}", error.message)), path),
            },
            other => self.wrong(Wrong::new(format!("must be XML in a string, not {}", other.show())), path),
        }
    }

    pub(super) fn raw(&mut self, elem: &mut Elem, value: &Value, path: &str) {
        let one = std::slice::from_ref(value);
        for piece in if let Value::List(list) = value { list.as_slice() } else { one } {
            match piece.as_str().map(|text| xml::parse_fragment(text, false)) {
                Some(Ok(nodes)) => elem.nodes.extend(nodes),
                Some(Err(error)) => self.wrong(Wrong::new(format!("is {}", error.message)), path),
                None => self.wrong(Wrong::new(format!("must be XML in a string, not {}", piece.show())), path),
            }
        }
    }

    pub(super) fn raw_attrs(&mut self, elem: &mut Elem, value: &Value, path: &str) {
        let Value::Map(attrs) = value else {
            self.wrong(Wrong::new(format!("must be a map, not {}", value.show())), path);
            return;
        };
        let any = Datatype { any: true, ..Default::default() };
        for (key, value) in attrs.iter().filter(|(_, value)| !value.is_unit()) {
            let path = join(path, key);
            let Some(name) = attr_name(key) else {
                self.find(path, true, format!("`{key}` is not the name of an attribute"), None);
                continue;
            };
            match scalar::to_text(self.table, &any, value) {
                Ok(_)
                    if elem.attrs.iter().any(|attr| attr.name.local == name.local && attr.name.space == name.space) =>
                {
                    self.find(path, true, format!("{} has `{key}` already", elem.local()), None);
                }
                Ok(value) => elem.attrs.push(Attr { name, value }),
                Err(wrong) => self.wrong(wrong, &path),
            }
        }
    }
}

/// The name in a key such as `extra` or `{http://example.org/}x:extra`.
fn attr_name(key: &str) -> Option<Name> {
    let (space, written) = match key.strip_prefix('{') {
        Some(rest) => rest.split_once('}')?,
        None => ("", key),
    };
    let (prefix, local) = written.split_once(':').unwrap_or(("", written));
    let fits = xml::is_name(local) && (prefix.is_empty() || xml::is_name(prefix)) && xml::allowed(space);
    (fits && prefix.is_empty() == space.is_empty() && local != "xmlns").then(|| Name::new(space, prefix, local))
}
