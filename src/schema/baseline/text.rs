//! The committed form of a table: a line for each type and, indented, one for each of its fields.
//!
//! ```text
//! releases 7.0.0 9.0.0
//! root domain domain
//! domain/devices/disk
//!  @type! t:file|block|dir
//!  @rawio b:yes|no +9.0.0
//!  driver
//!  seclabel* =seclabels ^domain/seclabel
//! domain/vcpu
//!  . i
//! ```
//!
//! A name with `@` is an attribute, `.` is the text, any other name a child. `!` means required, `*` a list, `=` the key
//! if it is not the name, `^` the type if it is not the one that the path says, `+` the release that brought it if it was
//! not there from the first. A datatype is what scripts see (`t` text, `i` numbers, `b` true and false as yes and no, `o` as
//! on and off), `*` if any text will do, `~` with the meaning of each form of text, and the words to choose from.

use crate::schema::overlay;
use crate::schema::table::{AttrSlot, Bool, ChildSlot, Datatype, DatatypeId, Form, Table, Type, derive};
use std::collections::HashMap;

/// Reads a table, or says which line is wrong.
pub(super) fn parse(text: &str) -> Result<Table, String> {
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        reader.line(line).ok_or_else(|| format!("line {} cannot be read: {line}", at + 1))?;
    }
    reader.finish()
}

#[derive(Default)]
struct Reader<'a> {
    table: Table,
    roots: Vec<(&'a str, &'a str)>,
    types: HashMap<&'a str, usize>,
    /// The type of each child, by its label, in the order of the lines.
    inner: Vec<Vec<String>>,
    datatypes: HashMap<&'a str, DatatypeId>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) -> Option<()> {
        if let Some(field) = line.strip_prefix(' ') {
            return self.field(field);
        }
        let mut words = line.split(' ');
        match words.next()? {
            "releases" => self.table.releases = words.map(str::to_string).collect(),
            "root" => self.roots.push((words.next()?, words.next()?)),
            label => {
                let free = words.next() == Some("free");
                self.types.insert(label, self.table.types.len());
                // A number tells types of one name apart.
                let label = label.split('#').next()?.to_string();
                self.table.types.push(Type { label, free, ..Type::default() });
                self.inner.push(Vec::new());
            }
        }
        Some(())
    }

    fn field(&mut self, line: &'a str) -> Option<()> {
        let mut words = line.split(' ');
        let name = words.next()?;
        let (name, many) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
        let (name, required) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        let (mut key, mut ty, mut datatype, mut since) = (None, None, None, 0);
        for word in words {
            match word.split_at_checked(1)? {
                ("=", given) => key = Some(given.to_string()),
                ("^", given) => ty = Some(given.to_string()),
                ("+", given) => since = self.table.releases.iter().position(|release| release == given)?,
                _ => datatype = Some(self.datatype(word)),
            }
        }
        let (since, installed) = (u8::try_from(since).ok(), true);
        let into = self.table.types.last_mut()?;
        if name == "." {
            (into.text, into.text_required) = (Some(datatype?), required);
        } else if let Some(name) = name.strip_prefix('@') {
            let (key, name) = (key.unwrap_or_else(|| name.to_string()), name.to_string());
            into.attrs.push(AttrSlot { key, name, datatype: datatype?, required, since, installed });
        } else {
            let (prefix, local) = name.split_once(':').unwrap_or(("", name));
            let space = overlay::NAMESPACES.iter().find(|(known, _)| *known == prefix).map_or("", |(_, space)| space);
            let key = key.unwrap_or_else(|| local.to_string());
            self.inner.last_mut()?.push(ty.unwrap_or_else(|| format!("{}/{local}", into.label)));
            into.children.push(ChildSlot {
                key,
                space: space.to_string(),
                name: local.to_string(),
                ty: 0,
                required,
                many,
                shorthand: None,
                since,
                installed,
            });
        }
        Some(())
    }

    fn datatype(&mut self, word: &'a str) -> DatatypeId {
        if let Some(&known) = self.datatypes.get(word) {
            return known;
        }
        let (head, words) = word.split_once(':').map_or((word, None), |(head, words)| (head, Some(words)));
        let (head, meanings) = head.split_once('~').map_or((head, None), |(head, names)| (head, Some(names)));
        let any = head.ends_with('*');
        let int = head.contains('i');
        let bool = head.chars().find_map(|kind| match kind {
            'b' => Some(Bool::YesNo),
            'o' => Some(Bool::OnOff),
            _ => None,
        });
        let values = words.map(|words| words.split('|').map(|word| word.replace("%20", " ")).collect());
        let form = |base: &str, meaning: &str| {
            let (base, meaning) = (base.to_string(), meaning.to_string());
            Form { base, meaning, ..Form::default() }
        };
        let whole = int.then(|| form("integer", ""));
        let text = meanings.into_iter().flat_map(|names| names.split('~')).map(|meaning| form("string", meaning));
        let forms = whole.into_iter().chain(text).collect();
        let values = values.unwrap_or_default();
        self.table.datatypes.push(Datatype { any, values, forms, bool, int, later: Vec::new() });
        self.datatypes.insert(word, self.table.datatypes.len() - 1);
        self.table.datatypes.len() - 1
    }

    fn finish(mut self) -> Result<Table, String> {
        let unknown = |label: &str| format!("there is no type {label}");
        for (ty, inner) in self.table.types.iter_mut().zip(&self.inner) {
            for (child, label) in ty.children.iter_mut().zip(inner) {
                child.ty = *self.types.get(label.as_str()).ok_or_else(|| unknown(label))?;
            }
            derive(ty);
        }
        for (root, label) in self.roots {
            let ty = *self.types.get(label).ok_or_else(|| unknown(label))?;
            self.table.roots.push((root.to_string(), ty));
        }
        Ok(self.table)
    }
}

/// Writes a table in this form.
#[cfg(test)]
pub(super) fn print(table: &Table) -> String {
    use std::fmt::Write as _;
    let mut labels: Vec<String> = Vec::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for ty in &table.types {
        let count = seen.entry(&ty.label).or_default();
        *count += 1;
        labels.push(if *count == 1 { ty.label.clone() } else { format!("{}#{count}", ty.label) });
    }
    let since = |since: Option<u8>| {
        let since = since.map(usize::from).filter(|since| *since > 0);
        since.map(|since| format!(" +{}", table.releases[since])).unwrap_or_default()
    };
    let key = |key: &str, name: &str| if key == name { String::new() } else { format!(" ={key}") };
    let datatype = |datatype: usize| {
        let datatype = &table.datatypes[datatype];
        let kind = match (datatype.bool, datatype.int) {
            (None, false) => "t",
            (None, true) => "i",
            (Some(Bool::YesNo), false) => "b",
            (Some(Bool::YesNo), true) => "bi",
            (Some(Bool::OnOff), false) => "o",
            (Some(Bool::OnOff), true) => "oi",
        };
        let any = if datatype.any { "*" } else { "" };
        let meanings =
            datatype.forms.iter().filter(|form| form.base == "string").map(|form| format!("~{}", form.meaning));
        let any = format!("{any}{}", meanings.collect::<String>());
        let words: Vec<_> = datatype.values.iter().map(|value| value.replace(' ', "%20")).collect();
        assert!(words.iter().all(|word| !word.contains('|')), "`|` separates words");
        if words.is_empty() { format!(" {kind}{any}") } else { format!(" {kind}{any}:{}", words.join("|")) }
    };
    let mut out = format!("releases {}\n", table.releases.join(" "));
    for (root, ty) in &table.roots {
        let _ = writeln!(out, "root {root} {}", labels[*ty]);
    }
    for (ty, label) in table.types.iter().zip(&labels) {
        let _ = writeln!(out, "{label}{}", if ty.free { " free" } else { "" });
        for attr in &ty.attrs {
            let required = if attr.required { "!" } else { "" };
            let (key, datatype) = (key(&attr.key, &attr.name), datatype(attr.datatype));
            let _ = writeln!(out, " @{}{required}{key}{datatype}{}", attr.name, since(attr.since));
        }
        if let Some(text) = ty.text {
            let _ = writeln!(out, " .{}{}", if ty.text_required { "!" } else { "" }, datatype(text));
        }
        for child in &ty.children {
            let prefix = match overlay::prefix_of(&child.space) {
                Some(prefix) => format!("{prefix}:"),
                None => String::new(),
            };
            assert_eq!(child.space.is_empty(), prefix.is_empty(), "every namespace has its customary prefix");
            let marks = format!("{}{}", if child.required { "!" } else { "" }, if child.many { "*" } else { "" });
            let inner = &labels[child.ty];
            let usual = *inner == format!("{}/{}", ty.label, child.name);
            let inner = if usual { String::new() } else { format!(" ^{inner}") };
            let key = key(&child.key, &child.name);
            let _ = writeln!(out, " {prefix}{}{marks}{key}{inner}{}", child.name, since(child.since));
        }
    }
    out
}
