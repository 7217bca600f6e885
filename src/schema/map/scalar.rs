//! Single values and their texts.

use super::expected::expected;
use crate::floor::{Area, Code, Error, Finding, Value, nearest};
use crate::schema::table::{Datatype, Table};
use crate::schema::xml;

/// The value of a text: true and false, whole numbers where numbers are meant, else the text itself.
pub(crate) fn to_value(datatype: &Datatype, text: &str) -> Value {
    if let Some(value) = datatype.bool.and_then(|bool| bool.value(text)) {
        return value.into();
    }
    if datatype.int
        && let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return number.into();
    }
    text.into()
}

/// A checked text for a value, or what is wrong with it.
pub(crate) fn to_text(table: &Table, datatype: &Datatype, value: &Value) -> Result<String, Wrong> {
    let text = match value {
        Value::Bool(given) => match datatype.bool {
            Some(bool) => return Ok(bool.text(*given).to_string()),
            None => return Err(wrong(table, datatype, value, None)),
        },
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Unit | Value::List(_) | Value::Map(_) => return Err(wrong(table, datatype, value, None)),
    };
    if !xml::allowed(&text) {
        return Err(Wrong { message: "holds a control character, which XML cannot hold".to_string(), hint: None });
    }
    if datatype.accepts(table, &text) {
        return Ok(text);
    }
    let near = nearest(&text, datatype.values.iter().map(String::as_str));
    Err(wrong(table, datatype, value, near.map(|near| format!("did you mean {near:?}?"))))
}

fn wrong(table: &Table, datatype: &Datatype, value: &Value, hint: Option<String>) -> Wrong {
    Wrong { message: format!("must be {}, not {}", expected(table, datatype), value.show()), hint }
}

/// What is wrong with a value: the message lacks the name of the field.
pub(crate) struct Wrong {
    message: String,
    hint: Option<String>,
}

impl Wrong {
    pub(crate) fn new(message: String) -> Self {
        Self { message, hint: None }
    }

    /// The mistake as an error by itself.
    pub(crate) fn error(self, name: &str) -> Error {
        let error = Error::new(Code::InvalidDefinition, Area::Script, format!("`{name}` {}", self.message));
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    pub(crate) fn at(self, path: &str, name: &str) -> Finding {
        Finding {
            path: path.to_string(),
            on_key: false,
            message: format!("`{name}` {}", self.message),
            hint: self.hint,
            place: None,
        }
    }
}

/// A size such as `2 GiB` as its number and unit.
pub(super) fn split_size(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    (!number.is_empty() && !unit.is_empty()).then_some((number, unit))
}
