//! What a value should have been, in words.

use crate::schema::overlay;
use crate::schema::table::{Datatype, Form, Table};
use crate::schema::xsd;

/// So many values of an enumeration are listed in a message.
const LISTED: usize = 12;
/// A pattern longer than this says nothing to a reader.
const READABLE: usize = 50;
/// How the patterns of network filter variables begin.
const VARIABLE: &str = "$[ ]*";

/// What a datatype takes, such as `true or false or "unmap"`.
pub(crate) fn expected(table: &Table, datatype: &Datatype) -> String {
    let mut parts: Vec<String> = Vec::new();
    let bool = datatype.bool;
    if bool.is_some() {
        parts.push("true or false".to_string());
    }
    let values: Vec<String> = datatype
        .values
        .iter()
        .filter(|value| !value.is_empty() && bool.and_then(|bool| bool.value(value)).is_none())
        .map(|value| format!("{value:?}"))
        .collect();
    if values.len() > LISTED {
        parts.push(format!("{}, ... ({} values)", values[..LISTED].join(", "), values.len()));
    } else if !values.is_empty() {
        parts.push(values.join(", "));
    }
    for form in &datatype.forms {
        let part = describe(table, form);
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    if datatype.any {
        parts.push("a string".to_string());
    }
    if parts.is_empty() { "empty".to_string() } else { parts.join(" or ") }
}

fn describe(table: &Table, form: &Form) -> String {
    if xsd::is_whole(&form.base) {
        return describe_number(form);
    }
    let pattern = form.pattern.map(|pattern| table.patterns[pattern].source.as_str());
    let variable = pattern.is_some_and(|pattern| pattern.starts_with(VARIABLE));
    if let Some(meaning) = overlay::meaning(&form.meaning).filter(|_| !variable) {
        return meaning.to_string();
    }
    match (form.base.as_str(), pattern) {
        ("double", _) => "a number".to_string(),
        ("NCName", _) => "a name".to_string(),
        ("dateTime", _) => "a date and time".to_string(),
        ("string", None) => match form.max_length {
            Some(most) => format!("a string of at most {most} characters"),
            None => "a string".to_string(),
        },
        ("string", _) if variable => "a variable such as \"$IP\"".to_string(),
        ("string", Some(pattern)) if pattern.len() <= READABLE => format!("a string matching `{pattern}`"),
        ("string", Some(_)) if form.meaning.is_empty() => "a string of a certain form".to_string(),
        ("string", Some(_)) => format!("a string of the form `{}`", form.meaning),
        (base, _) => format!("a value of the type `{base}`"),
    }
}

fn describe_number(form: &Form) -> String {
    match (form.min, form.max) {
        (Some(min), Some(max)) => format!("an integer from {min} to {max}"),
        (Some(min), None) => format!("an integer of at least {min}"),
        (None, Some(max)) if form.base.starts_with("unsigned") => format!("an integer from 0 to {max}"),
        (None, Some(max)) => format!("an integer of at most {max}"),
        (None, None) if form.base.starts_with("unsigned") => "a non-negative integer".to_string(),
        (None, None) if form.base == "positiveInteger" => "a positive integer".to_string(),
        (None, None) => "an integer".to_string(),
    }
}
