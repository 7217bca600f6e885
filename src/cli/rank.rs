//! The order of values in a column, as people expect it: numbers by their value, also those in texts (`web-2` before `web-10`),
//! and addresses by their number.

use super::output::cell;
use crate::floor::Value;
use std::cmp::Ordering;
use std::net::IpAddr;

/// Where a value stands among the others. All kinds of values have one order, for a column may hold several.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    parts: Vec<Part>,
    /// Among those that differ in nothing but zeros in front.
    text: String,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(Number),
    Address(IpAddr),
    Text(String),
}

#[derive(Debug)]
struct Number(f64);

impl Rank {
    pub(super) fn of(value: &Value) -> Self {
        let text = cell(value);
        let parts = match value {
            #[allow(clippy::cast_precision_loss, reason = "only the order counts")]
            Value::Int(number) => vec![Part::Number(Number(*number as f64))],
            Value::Float(number) => vec![Part::Number(Number(*number))],
            _ => parts(&text),
        };
        Self { parts, text }
    }
}

/// A text in its numbers and what stands between them, after the address that it begins with.
fn parts(text: &str) -> Vec<Part> {
    let end = text.find(['/', ',']).unwrap_or(text.len());
    let address = text[..end].parse().ok().map(Part::Address);
    let mut rest = if address.is_some() { &text[end..] } else { text };
    let mut parts: Vec<Part> = address.into_iter().collect();
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|letter: char| letter.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        // Digits alone are a number, however many there are.
        let number = is_number.then(|| part.parse().ok()).flatten();
        parts.push(number.map_or_else(|| Part::Text(part.to_string()), |number| Part::Number(Number(number))));
        rest = behind;
    }
    parts
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(values: Vec<Value>) -> Vec<String> {
        let mut values = values;
        values.sort_by_cached_key(Rank::of);
        values.iter().map(cell).collect()
    }

    fn texts(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|text| (*text).into()).collect()
    }

    #[test]
    fn numbers_and_texts_have_one_order() {
        let mixed = vec![
            Value::Int(10),
            "117a".into(),
            Value::Int(68),
            "45a".into(),
            Value::Unit,
            Value::Float(-1.5),
            "x".into(),
        ];
        assert_eq!(sorted(mixed), ["", "-1.5", "10", "45a", "68", "117a", "x"]);
        let many = (0..500_i64).map(|at| match (at * 37) % 200 {
            number if at % 3 == 0 => format!("{number}a").into(),
            number => Value::Int(number),
        });
        let ranks: Vec<_> = sorted(many.collect());
        let numbers: Vec<i64> =
            ranks.iter().map(|text| text.trim_end_matches('a').parse().expect("a number")).collect();
        assert!(numbers.is_sorted(), "{ranks:?}");
    }

    #[test]
    fn numbers_in_texts_and_addresses_count_as_such() {
        assert_eq!(sorted(texts(&["web-10", "web-2", "db"])), ["db", "web-2", "web-10"]);
        let addresses = ["192.168.150.215", "192.168.150.40/24", "192.168.150.1, fe80::1", "fd00::a", "fd00::9"];
        let order = ["192.168.150.1, fe80::1", "192.168.150.40/24", "192.168.150.215", "fd00::9", "fd00::a"];
        assert_eq!(sorted(texts(&addresses)), order);
    }
}
