//! Results as text: a table, names, CSV, YAML or JSON.

use super::rank::Rank;
use super::table::table;
use crate::floor::planned::glob;
use crate::floor::{Error, Map, Result, Value, did_you_mean};

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
    /// Whether a result that is a text is printed as it is, whatever the format.
    pub(super) texts_stay: bool,
    /// How wide a table may be.
    pub(super) width: Option<u16>,
    /// The columns in the order of their importance, as far as it is known.
    pub(super) order: Vec<String>,
    /// Whether those that are not there come with `--wide`.
    pub(super) is_narrow: bool,
    /// Those of the columns that are therefore left out.
    pub(super) wide: Vec<String>,
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

/// What is printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    /// The columns that a terminal is too narrow for.
    pub(super) left_out: Vec<String>,
}

impl Output {
    /// As the words of options and settings say, in a terminal of its width.
    pub(super) fn of(word: Option<&str>) -> Result<Self> {
        let format = match word {
            None => Form::default(),
            Some(word) => Form::from_word(word).ok_or_else(|| {
                let hint = did_you_mean(word, Form::WORDS);
                let hint = hint.unwrap_or_else(|| format!("formats: {}", Form::WORDS.join(", ")));
                Error::argument(format!("the setting `output` is `{word}`, which is no format")).hint(hint)
            })?,
        };
        let size = rustix::termios::tcgetwinsize(std::io::stdout());
        let width = size.ok().map(|size| size.ws_col).filter(|width| *width > 0);
        Ok(Self { format, width, ..Self::default() })
    }

    /// The result as text; nothing for `()` in a table.
    pub(super) fn text(&self, value: Value) -> Result<Text> {
        // Where no record is left, programs look for the columns all the same.
        let head = match &value {
            Value::List(items) if items.is_empty() && self.columns.is_empty() => {
                self.order.iter().filter(|name| !self.wide.contains(name)).cloned().collect()
            }
            Value::List(items) => columns(items, self),
            _ => Vec::new(),
        };
        let value = self.chosen(value)?;
        let text = match self.format {
            // A document, such as the XML of a machine, is for another program: settings of tables do not change it.
            _ if self.texts_stay && matches!(value, Value::String(_)) => return Ok(table(&value, self)),
            Form::Table => return Ok(table(&value, self)),
            Form::Yaml => yaml(&value),
            // A value of ours has a form in JSON, whatever it is.
            Form::Json => serde_json::to_string_pretty(&value).unwrap_or_default() + "\n",
            Form::Name => names(&value, self),
            Form::Csv => csv(&value, head, self),
        };
        Ok(Text { text, left_out: Vec::new() })
    }

    /// Whether somebody asked for records: by a format or by something of them.
    pub(super) fn is_asked(&self) -> bool {
        !self.texts_stay || self.format != Form::Table || self.asked().next().is_some()
    }

    /// The columns that somebody asked for.
    fn asked(&self) -> impl Iterator<Item = &String> {
        let filtered = self.filter.iter().map(|(name, _)| name);
        self.columns.iter().chain(filtered).chain(self.sort.iter().map(|(name, _)| name))
    }

    /// The records that are wanted, in their order, with the columns that are wanted.
    fn chosen(&self, value: Value) -> Result<Value> {
        let mut items = match value {
            Value::List(items) => items,
            // A single record has columns as well, and may not be wanted.
            one @ Value::Map(_) if self.asked().next().is_some() => {
                let one = self.chosen(vec![one].into())?;
                return Ok(if let Value::List(mut items) = one { items.pop().unwrap_or_default() } else { one });
            }
            other => match self.asked().next() {
                Some(name) if !matches!(other, Value::Unit | Value::Map(_)) => {
                    return Err(Error::argument(format!("the result is no table, so it has no column `{name}`")));
                }
                _ => return Ok(other),
            },
        };
        // Of what is empty the recipe says what it would be like.
        let known = if items.is_empty() { self.order.clone() } else { columns(&items, &Self::default()) };
        for name in self.asked() {
            if !(known.is_empty() && items.is_empty() || known.contains(name)) {
                if self.is_narrow && self.order.contains(name) {
                    return Err(
                        Error::argument(format!("the column `{name}` is not among them")).hint("`--wide` adds it")
                    );
                }
                let hint = did_you_mean(name, known.iter().map(String::as_str));
                let hint = hint.unwrap_or_else(|| format!("columns: {}", known.join(", ")));
                return Err(Error::argument(format!("there is no column `{name}`")).hint(hint));
            }
        }
        let fits = |item: &Value, name: &str, pattern: &str| match field(item, name) {
            // Said as the table says it, or as JSON does.
            Some(Value::Bool(flag)) if glob(pattern, &flag.to_string()) => true,
            value => glob(pattern, &value.map(cell).unwrap_or_default()),
        };
        items.retain(|item| self.filter.iter().all(|(name, pattern)| fits(item, name, pattern)));
        if let Some((name, backwards)) = &self.sort {
            items.sort_by_cached_key(|item| Rank::of(field(item, name).unwrap_or(&Value::Unit)));
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

pub(super) fn field<'v>(item: &'v Value, name: &str) -> Option<&'v Value> {
    item.as_map().and_then(|map| map.get(name))
}

/// The columns of records: those that are asked for, else all: those whose importance is known in front, and the others in the
/// order in which the records name them.
pub(super) fn columns(items: &[Value], output: &Output) -> Vec<String> {
    if !output.columns.is_empty() {
        return output.columns.clone();
    }
    let maps = || items.iter().filter_map(Value::as_map);
    let is_there = |name: &String| maps().any(|map| map.contains_key(name));
    let mut columns: Vec<String> = output.order.iter().filter(|name| is_there(name)).cloned().collect();
    // Scripts' maps are sorted, and a name belongs in front.
    let name = "name".to_string();
    if !columns.contains(&name) && is_there(&name) {
        columns.insert(0, name);
    }
    for key in maps().flat_map(|map| map.keys()) {
        if !columns.contains(key) {
            columns.push(key.clone());
        }
    }
    columns
}

/// The name of each record; what stands first in those that have none.
fn names(value: &Value, output: &Output) -> String {
    match value {
        Value::Unit => String::new(),
        Value::List(items) => items.iter().map(|item| names(item, output)).collect(),
        Value::Map(map) => {
            let first = || columns(std::slice::from_ref(value), output).first().and_then(|column| map.get(column));
            map.get("name").or_else(first).map(|name| cell(name) + "\n").unwrap_or_default()
        }
        scalar => cell(scalar) + "\n",
    }
}

fn csv(value: &Value, head: Vec<String>, output: &Output) -> String {
    let quoted = |text: String| {
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let line = |cells: Vec<String>| cells.into_iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n";
    let items = match value {
        Value::List(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let columns = if items.is_empty() { head } else { columns(items, output) };
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

pub(super) fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_default()
}

pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Unit => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::List(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Map(map) => {
            let pair = |(key, value): (&String, &Value)| match value {
                Value::Map(inner) if !inner.is_empty() => format!("{key}={{{}}}", cell(value)),
                value => format!("{key}={}", cell(value)),
            };
            map.iter().map(pair).collect::<Vec<_>>().join(" ")
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
    fn a_filter_takes_yes_and_true() {
        let row = |on: bool| Value::Map(Map::from([("on".to_string(), on.into())]));
        let kept = |pattern: &str| {
            let filter = vec![("on".to_string(), pattern.to_string())];
            Output { filter, ..output(Form::Csv) }.text(vec![row(true), row(false)].into()).expect("text").text
        };
        for (pattern, left) in [("true", "yes"), ("yes", "yes"), ("false", "no"), ("no", "no")] {
            assert_eq!(kept(pattern), format!("on\r\n{left}\r\n"), "{pattern}");
        }
    }

    #[test]
    fn a_csv_without_records_has_its_columns() {
        let none = vec![("name".to_string(), "nobody".to_string())];
        let filtered = Output { filter: none, ..output(Form::Csv) };
        assert_eq!(filtered.text(rows()).expect("text").text, "name,size\r\n");
        let empty = Output { order: vec!["name".into(), "state".into()], ..output(Form::Csv) };
        assert_eq!(empty.text(Vec::new().into()).expect("text").text, "name,state\r\n");
        let chosen = Output { columns: vec!["state".into()], ..empty };
        assert_eq!(chosen.text(Vec::new().into()).expect("text").text, "state\r\n");
        assert_eq!(output(Form::Csv).text(Vec::new().into()).expect("text").text, "");
    }

    #[test]
    fn records_are_chosen_sorted_and_cut() {
        let sorted = Output { sort: Some(("size".into(), false)), ..output(Form::Csv) };
        assert_eq!(sorted.text(rows()).expect("text").text, "name,size\r\na,9\r\n\"b, \"\"x\"\"\",10\r\nweb-1,100\r\n");
        let filter = vec![("name".to_string(), "we*1".to_string())];
        let chosen = Output { filter, columns: vec!["size".into()], ..output(Form::Json) };
        assert_eq!(chosen.text(rows()).expect("text").text, "[\n  {\n    \"size\": 100\n  }\n]\n");
        assert_eq!(output(Form::Name).text(rows()).expect("text").text, "b, \"x\"\na\nweb-1\n");
        let host = Map::from([("domains".to_string(), 2.into()), ("hostname".to_string(), "hv1".into())]);
        let first = Output { order: vec!["hostname".into(), "domains".into()], ..output(Form::Name) };
        assert_eq!(first.text(Value::Map(host)).expect("text").text, "hv1\n");
        let Value::List(all) = rows() else { panic!("rows are a list") };
        let one = Output { columns: vec!["size".into()], ..output(Form::Yaml) };
        assert_eq!(one.text(all[0].clone()).expect("text").text, "size: 10\n");
        let wrong = Output { columns: vec!["nmae".into()], ..Output::default() };
        assert_eq!(wrong.text(all[0].clone()).expect_err("refused").hints, ["did you mean `name`?"]);
        assert_eq!(wrong.text(rows()).expect_err("refused").hints, ["did you mean `name`?"]);
    }
}
