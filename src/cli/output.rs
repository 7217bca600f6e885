//! Results as text: a table, YAML or JSON.

use crate::floor::Value;
use comfy_table::{ContentArrangement, Table, presets};

/// How a result is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Output {
    /// A table where it is a list of records, else plain text.
    #[default]
    Table,
    Yaml,
    Json,
}

impl Output {
    pub(super) const WORDS: [&str; 3] = ["table", "yaml", "json"];

    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "table" => Some(Self::Table),
            "yaml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The result as text; nothing for `()` in a table.
    pub(super) fn text(self, value: &Value) -> String {
        match self {
            Self::Table => table(value),
            Self::Yaml => yaml(value),
            // A value of ours has a form in JSON, whatever it is.
            Self::Json => serde_json::to_string_pretty(value).unwrap_or_default() + "\n",
        }
    }
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_default()
}

fn table(value: &Value) -> String {
    match value {
        Value::Unit => String::new(),
        Value::List(items) if items.iter().all(|item| item.as_map().is_some()) => records(items),
        Value::List(items) => items.iter().map(|item| cell(item) + "\n").collect(),
        Value::Map(_) => yaml(value),
        scalar => cell(scalar) + "\n",
    }
}

fn records(items: &[Value]) -> String {
    // Columns in the order in which the records name them; scripts' maps are sorted, and a name belongs in front.
    let mut columns: Vec<&str> = Vec::new();
    if items.iter().filter_map(Value::as_map).any(|map| map.contains_key("name")) {
        columns.push("name");
    }
    for key in items.iter().filter_map(Value::as_map).flat_map(|map| map.keys()) {
        if !columns.contains(&key.as_str()) {
            columns.push(key);
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|name| name.to_uppercase()));
    for item in items.iter().filter_map(Value::as_map) {
        table.add_row(columns.iter().map(|name| item.get(*name).map_or(String::new(), cell)));
    }
    table.lines().map(|line| line.trim_end().trim_start_matches(' ').to_string() + "\n").collect()
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
