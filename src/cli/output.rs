//! Results as text: a table, names, CSV, YAML or JSON.

use crate::floor::{Error, Map, Result, Value, did_you_mean};
use comfy_table::{ContentArrangement, Table, presets};

/// How a result is printed.
#[derive(Debug, Clone, Default)]
pub(super) struct Output {
    pub(super) format: Form,
    /// Which columns, in this order; all if it is empty.
    pub(super) columns: Vec<String>,
    /// Which records: those with these values, `*` standing for any text.
    pub(super) filter: Vec<(String, String)>,
    /// By which column they are sorted, and whether backwards.
    pub(super) sort: Option<(String, bool)>,
    /// How wide a table may be.
    pub(super) width: Option<u16>,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// A table where it is a list of records, else plain text.
    #[default]
    Table,
    Yaml,
    Json,
    /// The names alone, a line each.
    Name,
    Csv,
}

impl Form {
    pub(super) const WORDS: [&str; 5] = ["table", "json", "yaml", "name", "csv"];

    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "table" => Some(Self::Table),
            "yaml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "name" => Some(Self::Name),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

impl Output {
    /// The result as text; nothing for `()` in a table.
    pub(super) fn text(&self, value: Value) -> Result<String> {
        let value = self.chosen(value)?;
        Ok(match self.format {
            Form::Table => table(&value, self),
            Form::Yaml => yaml(&value),
            // A value of ours has a form in JSON, whatever it is.
            Form::Json => serde_json::to_string_pretty(&value).unwrap_or_default() + "\n",
            Form::Name => names(&value),
            Form::Csv => csv(&value, self),
        })
    }

    /// The records that are wanted, in their order, with the columns that are wanted.
    fn chosen(&self, value: Value) -> Result<Value> {
        let mut items = match value {
            Value::List(items) => items,
            // A single record has columns as well.
            one @ Value::Map(_) if !self.columns.is_empty() => {
                let one = Self { columns: self.columns.clone(), ..Self::default() }.chosen(vec![one].into())?;
                return Ok(if let Value::List(mut items) = one { items.pop().unwrap_or_default() } else { one });
            }
            other => return Ok(other),
        };
        let known = columns(&items, &[]);
        let wanted = self.columns.iter().chain(self.filter.iter().map(|(name, _)| name));
        for name in wanted.chain(self.sort.iter().map(|(name, _)| name)) {
            if !items.is_empty() && !known.contains(name) {
                let hint = did_you_mean(name, known.iter().map(String::as_str));
                let hint = hint.unwrap_or_else(|| format!("columns: {}", known.join(", ")));
                return Err(Error::argument(format!("there is no column `{name}`")).hint(hint));
            }
        }
        let shown = |item: &Value, name: &str| field(item, name).map(cell).unwrap_or_default();
        items.retain(|item| self.filter.iter().all(|(name, pattern)| fits(pattern, &shown(item, name))));
        if let Some((name, backwards)) = &self.sort {
            let number = |item: &Value| match field(item, name) {
                #[allow(clippy::cast_precision_loss, reason = "only the order counts")]
                Some(Value::Int(number)) => Some(*number as f64),
                Some(Value::Float(number)) => Some(*number),
                _ => None,
            };
            items.sort_by(|a, b| match (number(a), number(b)) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => shown(a, name).cmp(&shown(b, name)),
            });
            if *backwards {
                items.reverse();
            }
        }
        if !self.columns.is_empty() {
            for item in &mut items {
                if let Value::Map(map) = item {
                    let take = |name: &String| (name.clone(), map.get(name).cloned().unwrap_or_default());
                    *item = Value::Map(self.columns.iter().map(take).collect::<Map>());
                }
            }
        }
        Ok(Value::List(items))
    }
}

fn field<'v>(item: &'v Value, name: &str) -> Option<&'v Value> {
    item.as_map().and_then(|map| map.get(name))
}

/// Whether a text fits a pattern, in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The columns of records: those that are asked for, else all, in the order in which the records name them.
fn columns(items: &[Value], wanted: &[String]) -> Vec<String> {
    if !wanted.is_empty() {
        return wanted.to_vec();
    }
    let maps = || items.iter().filter_map(Value::as_map);
    // Scripts' maps are sorted, and a name belongs in front.
    let mut columns: Vec<String> = Vec::new();
    if maps().any(|map| map.contains_key("name")) {
        columns.push("name".to_string());
    }
    for key in maps().flat_map(|map| map.keys()) {
        if !columns.contains(key) {
            columns.push(key.clone());
        }
    }
    columns
}

fn names(value: &Value) -> String {
    match value {
        Value::Unit => String::new(),
        Value::List(items) => items.iter().map(names).collect(),
        Value::Map(map) => {
            map.get("name").or_else(|| map.values().next()).map(|name| cell(name) + "\n").unwrap_or_default()
        }
        scalar => cell(scalar) + "\n",
    }
}

fn csv(value: &Value, output: &Output) -> String {
    let quoted = |text: String| {
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let line = |cells: Vec<String>| cells.into_iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n";
    let items = match value {
        Value::List(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let columns = columns(items, &output.columns);
    if columns.is_empty() {
        return items.iter().map(|item| line(vec![cell(item)])).collect();
    }
    let rows = items.iter().map(|item| {
        let cells = columns.iter().map(|name| field(item, name).map(cell).unwrap_or_default());
        line(cells.collect())
    });
    let rows: String = rows.collect();
    [line(columns.clone()), rows].concat()
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_default()
}

fn table(value: &Value, output: &Output) -> String {
    match value {
        Value::Unit => String::new(),
        Value::List(items) if items.iter().all(|item| item.as_map().is_some()) => records(items, output),
        Value::List(items) => items.iter().map(|item| cell(item) + "\n").collect(),
        Value::Map(_) => yaml(value),
        scalar => cell(scalar) + "\n",
    }
}

fn records(items: &[Value], output: &Output) -> String {
    let columns = columns(items, &output.columns);
    if output.width.is_some_and(|width| least_width(items, &columns) > usize::from(width)) {
        return blocks(items, &columns);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if let Some(width) = output.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(columns.iter().map(|name| name.to_uppercase()));
    for item in items {
        table.add_row(columns.iter().map(|name| field(item, name).map_or(String::new(), cell)));
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.lines().map(|line| line.trim_end().to_string() + "\n").collect()
}

/// How wide a table must be for its columns to be read: a word is not broken into less than this many letters.
fn least_width(items: &[Value], columns: &[String]) -> usize {
    const LETTERS: usize = 8;
    let longest = |text: &str| text.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0).min(LETTERS);
    let width = |name: &String| {
        let cells = items.iter().filter_map(|item| field(item, name)).map(|value| longest(&cell(value)));
        cells.chain([longest(name)]).max().unwrap_or(0)
    };
    columns.iter().map(width).sum::<usize>() + 2 * columns.len().saturating_sub(1)
}

/// Records one below the other, a line for each column, where a table would be too narrow to be read.
fn blocks(items: &[Value], columns: &[String]) -> String {
    let line = |item: &Value, name: &String| {
        format!("{}: {}", name.to_uppercase(), field(item, name).map(cell).unwrap_or_default()).trim_end().to_string()
    };
    let block = |item: &Value| columns.iter().map(|name| line(item, name) + "\n").collect::<String>();
    items.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Unit => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::List(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Map(map) => {
            map.iter().map(|(key, value)| format!("{key}={}", cell(value))).collect::<Vec<_>>().join(" ")
        }
        number => number.show(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Value {
        let row = |name: &str, size: i64| {
            Value::Map(Map::from([("name".to_string(), name.into()), ("size".to_string(), size.into())]))
        };
        vec![row("b, \"x\"", 10), row("a", 9), row("web-1", 100)].into()
    }

    fn output(format: Form) -> Output {
        Output { format, ..Output::default() }
    }

    #[test]
    fn records_are_chosen_sorted_and_cut() {
        let sorted = Output { sort: Some(("size".into(), false)), ..output(Form::Csv) };
        assert_eq!(sorted.text(rows()).expect("text"), "name,size\r\na,9\r\n\"b, \"\"x\"\"\",10\r\nweb-1,100\r\n");
        let filter = vec![("name".to_string(), "we*1".to_string())];
        let chosen = Output { filter, columns: vec!["size".into()], ..output(Form::Json) };
        assert_eq!(chosen.text(rows()).expect("text"), "[\n  {\n    \"size\": 100\n  }\n]\n");
        assert_eq!(output(Form::Name).text(rows()).expect("text"), "b, \"x\"\na\nweb-1\n");
        let Value::List(all) = rows() else { panic!("rows are a list") };
        let one = Output { columns: vec!["size".into()], ..output(Form::Yaml) };
        assert_eq!(one.text(all[0].clone()).expect("text"), "size: 10\n");
        let wrong = Output { columns: vec!["nmae".into()], ..Output::default() };
        assert_eq!(wrong.text(all[0].clone()).expect_err("refused").hints, ["did you mean `name`?"]);
        assert_eq!(wrong.text(rows()).expect_err("refused").hints, ["did you mean `name`?"]);
    }

    #[test]
    fn a_cell_that_is_too_long_stays_in_its_column() {
        let narrow = Output { width: Some(20), ..Output::default() };
        let row = |name: &str, told: &str| {
            Value::Map(Map::from([("name".to_string(), name.into()), ("told".to_string(), told.into())]))
        };
        let text = narrow.text(vec![row("web", "one two three four"), row("", "two\nlines")].into()).expect("text");
        assert_eq!(text, "NAME  TOLD\nweb   one two three\n      four\n      two\n      lines\n");
    }

    #[test]
    fn records_stand_one_below_the_other_where_a_table_does_not_fit() {
        let narrow = Output { width: Some(12), ..Output::default() };
        let text = narrow.text(rows()).expect("text");
        assert!(text.starts_with("NAME ") && text.lines().all(|line| line.len() <= 12), "{text}");
        let narrow = Output { width: Some(9), ..Output::default() };
        let text = narrow.text(rows()).expect("text");
        assert_eq!(text, "NAME: b, \"x\"\nSIZE: 10\n\nNAME: a\nSIZE: 9\n\nNAME: web-1\nSIZE: 100\n");
    }

    #[test]
    fn patterns_hold_any_text() {
        for (pattern, text, right) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*b*c", "a-b-c", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, text), right, "{pattern} {text}");
        }
    }
}
