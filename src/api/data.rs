//! Documents of data with the places of what is in them.
//!
//! Rhai gives every value a tag that stays with it in variables, lists and calls, and that is lost when a value is
//! computed. What is read from a file is tagged with a number, under which a table knows its place: so a mistake in a
//! value is shown in the file it came from, wherever a script took it in between.

use crate::floor::{DataFile, Error, Place, Result, Step, Value, steps, unreadable};
use rhai::Dynamic;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Of so many values places are known; beyond, those of the files read first are forgotten.
const MOST_PLACES: usize = 100_000;

/// A YAML document of this name.
pub(super) fn yaml(name: &str, text: String) -> Result<Dynamic> {
    let read = serde_saphyr::from_str::<Spanned<Node>>(&text).map_err(|error| {
        let at = error.location().map(|at| (at.line(), at.column()));
        (error.to_string(), at)
    });
    document(name, "YAML", text, read)
}

/// The documents of a YAML file of this name.
pub(super) fn yaml_documents(name: &str, text: String) -> Result<rhai::Array> {
    let read = serde_saphyr::from_multiple::<Spanned<Node>>(&text).map_err(|error| {
        let at = error.location().map(|at| (at.line(), at.column()));
        (error.to_string(), at)
    });
    let file = Arc::new(DataFile { name: name.to_string(), text });
    let roots = read.map_err(|(words, at)| unreadable(&file, "YAML", &words, at))?;
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(roots.into_iter().map(|root| table.add(Arc::clone(&file), root)).collect())
}

/// A JSON document of this name.
pub(super) fn json(name: &str, text: String) -> Result<Dynamic> {
    let strict = serde_json::from_str::<IgnoredAny>(&text).map_err(|error| {
        let at = (error.line() as u64, error.column() as u64);
        (error.to_string(), Some(at).filter(|(line, _)| *line > 0))
    });
    // What is JSON is YAML too, and that reader knows places. A key may appear twice in JSON: the last one counts.
    let options =
        serde_saphyr::options! { duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins, budget: None };
    let read = strict.and_then(|_| {
        serde_saphyr::from_str_with_options::<Spanned<Node>>(&text, options).map_err(|error| (error.to_string(), None))
    });
    document(name, "JSON", text, read)
}

type Wrong = (String, Option<(u64, u64)>);

fn document(name: &str, kind: &str, text: String, read: Result<Spanned<Node>, Wrong>) -> Result<Dynamic> {
    let file = Arc::new(DataFile { name: name.to_string(), text });
    let root = read.map_err(|(words, at)| unreadable(&file, kind, &words, at))?;
    Ok(TABLE.lock().unwrap_or_else(PoisonError::into_inner).add(file, root))
}

/// Makes something of a script value; mistakes are placed as [`placed`] does.
pub(super) fn make<T>(given: &Dynamic, make: impl FnOnce(&Value) -> Result<T>) -> Result<T> {
    make(&super::value(given, "")?).map_err(|error| placed(error, given))
}

/// Adds to the mistakes of an error where they are in the files that the value was read from.
pub(super) fn placed(mut error: Error, given: &Dynamic) -> Error {
    for finding in &mut error.findings {
        if finding.place.is_none() {
            finding.place = find(given, &finding.path, finding.on_key);
        }
    }
    error
}

/// Where in a file of data a value or its key was read, if it was.
pub(super) fn place_of(value: &Dynamic, on_key: bool) -> Option<Place> {
    find(value, "", on_key)
}

/// A number or a truth value in the words of the file that it was read from; nothing if they are not where it was found, as
/// with YAML's aliases.
pub(super) fn written(value: &Dynamic) -> Option<String> {
    let place = place_of(value, false)?;
    let line = place.file.text.lines().nth(place.line.checked_sub(1)?)?;
    let rest: String = line.chars().skip(place.column.checked_sub(1)?).collect();
    // A plain scalar ends at a comment, and between brackets at what follows it.
    let text = rest.split([',', ']', '}']).next()?.split(" #").next()?.trim();
    let again = yaml("", text.to_string()).ok()?;
    let is_same = again.type_id() == value.type_id() && again.to_string() == value.to_string();
    is_same.then(|| text.to_string())
}

/// A value with the place of another.
pub(super) fn with_place(value: Dynamic, other: &Dynamic) -> Dynamic {
    let mut value = value.flatten();
    value.set_tag(tag(other));
    value
}

/// A place as a script sees it.
pub(super) fn shown(place: &Place) -> Dynamic {
    let number = |number: usize| Dynamic::from(i64::try_from(number).unwrap_or(i64::MAX));
    let fields = [
        ("file".into(), place.file.name.clone().into()),
        ("line".into(), number(place.line)),
        ("column".into(), number(place.column)),
    ];
    Dynamic::from_map(fields.into_iter().collect())
}

/// The place that a path means in a value; what is not there is where it is missing.
fn find(given: &Dynamic, path: &str, on_key: bool) -> Option<Place> {
    let mut at = given.flatten_clone();
    // A typed parameter of a function has lost its own tag, but what is in it has not.
    let mut tagged = Some(at.tag()).filter(|tag| *tag != 0).or_else(|| parent(&at));
    let mut steps = steps(path).into_iter().peekable();
    while let Some(step) = steps.next() {
        let inner = match &step {
            Step::Key(key) => at.as_map_ref().ok().and_then(|map| map.get(key.as_str()).map(Dynamic::flatten_clone)),
            Step::Index(index) => match at.as_array_ref() {
                Ok(list) => list.get(*index).map(Dynamic::flatten_clone),
                // A single value where a list is meant.
                Err(_) if *index == 0 => continue,
                Err(_) => None,
            },
        };
        let Some(inner) = inner else {
            // The last step names what is not there, by another spelling or not at all.
            if steps.peek().is_some() {
                return None;
            }
            break;
        };
        at = inner;
        tagged = Some(at.tag());
    }
    TABLE.lock().unwrap_or_else(PoisonError::into_inner).find(tagged?, on_key)
}

/// The value that a path means in another one, as deep as it leads, and there the first that was read from a file.
pub(super) fn value_at(given: &Dynamic, path: &str) -> Dynamic {
    let mut at = given.flatten_clone();
    for step in steps(path) {
        let inner = match &step {
            Step::Key(key) => at.as_map_ref().ok().and_then(|map| map.get(key.as_str()).map(Dynamic::flatten_clone)),
            Step::Index(index) => at.as_array_ref().ok().and_then(|list| list.get(*index).map(Dynamic::flatten_clone)),
        };
        let Some(inner) = inner else { break };
        at = inner;
    }
    from_file(&at).unwrap_or(at)
}

/// The value itself or the first in it that was read from a file.
fn from_file(value: &Dynamic) -> Option<Dynamic> {
    if tag(value) != 0 {
        return Some(value.flatten_clone());
    }
    if let Ok(map) = value.as_map_ref() {
        return map.values().find_map(from_file);
    }
    value.as_array_ref().ok()?.iter().find_map(from_file)
}

/// The tag of what holds all that is in a map or list.
fn parent(value: &Dynamic) -> Option<Tag> {
    let tags: Vec<Tag> = match (value.as_map_ref(), value.as_array_ref()) {
        (Ok(map), _) => map.values().map(tag).collect(),
        (_, Ok(list)) => list.iter().map(tag).collect(),
        _ => Vec::new(),
    };
    let table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut parents = tags.into_iter().map(|tag| table.parent(tag));
    let first = parents.next()??;
    parents.all(|parent| parent == Some(first)).then_some(first)
}

/// A shared value has a tag outside and one inside.
fn tag(value: &Dynamic) -> Tag {
    if value.is_shared() { value.flatten_clone().tag() } else { value.tag() }
}

/// Rhai's tags, on machines of 64 bits.
type Tag = i32;

/// Line and column.
type Spot = (u32, u32);

/// Where a value is, where its key is if it has one, and what holds it.
struct Entry {
    value: Spot,
    key: Option<Spot>,
    parent: Option<Tag>,
}

/// The places of all values in a file; their tags follow each other.
struct Known {
    file: Arc<DataFile>,
    first: Tag,
    entries: Vec<Entry>,
    /// Where the lines of the file begin, once somebody has asked.
    lines: Option<Vec<usize>>,
}

/// The places of all files.
struct Table {
    known: VecDeque<Known>,
    count: usize,
    next: Tag,
}

// Scripts may set tags as well; nobody will begin at this end.
static TABLE: Mutex<Table> = Mutex::new(Table { known: VecDeque::new(), count: 0, next: Tag::MIN });

impl Table {
    fn add(&mut self, file: Arc<DataFile>, root: Spanned<Node>) -> Dynamic {
        let mut known = Known { file, first: self.next, entries: Vec::new(), lines: None };
        let at = spot(root.referenced);
        let value = known.tagged(root, at, None, None);
        // Numbers are never used twice. When they are used up, what is read has no places any more.
        let count = Tag::try_from(known.entries.len()).ok();
        let Some(next) = count.and_then(|count| self.next.checked_add(count)).filter(|next| *next < 0) else {
            return value;
        };
        self.next = next;
        self.count += known.entries.len();
        self.known.push_back(known);
        while self.count > MOST_PLACES
            && let Some(oldest) = self.known.pop_front()
        {
            self.count -= oldest.entries.len();
        }
        value
    }

    fn entry(&self, tag: Tag) -> Option<(&Known, &Entry)> {
        let at = self.known.partition_point(|known| known.first <= tag).checked_sub(1)?;
        let known = &self.known[at];
        let entry = known.entries.get(usize::try_from(tag.checked_sub(known.first)?).ok()?)?;
        Some((known, entry))
    }

    fn find(&self, tag: Tag, on_key: bool) -> Option<Place> {
        let (known, entry) = self.entry(tag)?;
        let (line, column) = entry.key.filter(|_| on_key).unwrap_or(entry.value);
        Some(place(&known.file, (line, column)))
    }

    fn parent(&self, tag: Tag) -> Option<Tag> {
        self.entry(tag)?.1.parent
    }
}

impl Known {
    /// The whole number that is written there with zeros before it, such as `010`: the reader takes it for a fraction.
    fn whole(&mut self, number: f64, (line, column): Spot) -> Option<i64> {
        if number.fract() != 0.0 {
            return None;
        }
        let text = &self.file.text;
        let begins = self
            .lines
            .get_or_insert_with(|| std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect());
        let line = text.get(*begins.get(usize::try_from(line).ok()?.checked_sub(1)?)?..)?.lines().next()?;
        let written: String = line
            .chars()
            .skip(usize::try_from(column).ok()?.checked_sub(1)?)
            .take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | '}'))
            .collect();
        let digits = written.trim_start_matches(['+', '-']);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { written.parse().ok() } else { None }
    }

    fn tagged(&mut self, node: Spanned<Node>, at: Spot, key: Option<Spot>, parent: Option<Tag>) -> Dynamic {
        let offset = Tag::try_from(self.entries.len()).unwrap_or(Tag::MAX);
        let tag = self.first.saturating_add(offset);
        self.entries.push(Entry { value: at, key, parent });
        let (whole, defined) = (spot(node.referenced), spot(node.defined));
        let mut value = match node.value {
            Node::Scalar(Value::Float(number)) => match self.whole(number, defined) {
                Some(whole) => whole.into(),
                None => number.into(),
            },
            Node::Scalar(value) => super::dynamic(value),
            Node::List(items) => {
                let item = |item: Spanned<Node>| {
                    let at = spot_of(&item, whole);
                    self.tagged(item, at, None, Some(tag))
                };
                items.into_iter().map(item).collect::<rhai::Array>().into()
            }
            Node::Map(entries) => {
                let entry = |(key, item): (Spanned<String>, Spanned<Node>)| {
                    let (at, of_key) = (spot_of(&item, spot(key.referenced)), spot_of(&key, spot(item.referenced)));
                    let item = self.tagged(item, at, Some(of_key), Some(tag));
                    (key.value.into(), item)
                };
                entries.into_iter().map(entry).collect::<rhai::Map>().into()
            }
        };
        value.set_tag(tag);
        value
    }
}

fn place(file: &Arc<DataFile>, (line, column): Spot) -> Place {
    Place { file: Arc::clone(file), line: line as usize, column: column as usize }
}

/// Where something is written. What an alias or a merge (`<<`) brings has the place of that, as has what it belongs to: such
/// a thing is shown where it is defined.
fn spot_of<T>(one: &Spanned<T>, whole: Spot) -> Spot {
    let referenced = spot(one.referenced);
    if referenced == whole { spot(one.defined) } else { referenced }
}

fn spot(at: Location) -> Spot {
    (number(at.line()), number(at.column()))
}

fn number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A value as the reader gives it.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, a list or a scalar")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Unit))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Scalar(flag.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Scalar(number.into()))
    }

    #[allow(clippy::cast_precision_loss, reason = "beyond the greatest integer of a script there are only floats")]
    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Scalar(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Float(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element()? {
            found.push(item);
        }
        Ok(Node::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            found.push(entry);
        }
        Ok(Node::Map(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &Dynamic) -> Option<usize> {
        place_of(value, false).map(|place| place.line)
    }

    #[test]
    fn places_stay_with_values_and_the_oldest_are_forgotten() {
        let text = "- 1\n".repeat(MOST_PLACES * 2 / 5);
        let read = || yaml("numbers.yaml", text.clone()).expect("this is YAML").cast::<rhai::Array>();
        let first = read();
        let kept = first[41].clone();
        assert_eq!(line(&kept), Some(42));
        assert_eq!(line(&Dynamic::from(first)), Some(1), "what holds the values is known although its own tag is lost");
        assert_eq!(line(&Dynamic::from(kept.as_int().unwrap_or_default())), None);
        let (second, third) = (read(), read());
        assert_eq!(line(&kept), None);
        assert_eq!((line(&second[1]), line(&third[2])), (Some(2), Some(3)));
    }

    #[test]
    fn what_is_merged_is_shown_where_it_is_defined() {
        let text = "d: &d\n  a: 1\n  b: { c: [2, 3] }\nm:\n  <<: *d\n  e: 4\nn: *d\n";
        let read = yaml("merged.yaml", text.to_string()).expect("this is YAML").cast::<rhai::Map>();
        let of = |map: &rhai::Map, key: &str| map[key].clone().cast::<rhai::Map>();
        let (m, n) = (of(&read, "m"), of(&read, "n"));
        assert_eq!((line(&m["a"]), line(&m["e"]), line(&read["n"])), (Some(2), Some(6), Some(7)));
        assert_eq!((line(&n["b"]), line(&of(&n, "b")["c"])), (Some(3), Some(3)));
        let list = of(&m, "b")["c"].clone().cast::<rhai::Array>();
        assert_eq!(place_of(&list[1], false).map(|place| (place.line, place.column)), Some((3, 15)));
        assert_eq!(place_of(&m["a"], true).map(|place| (place.line, place.column)), Some((2, 3)));
    }

    #[test]
    fn zeros_before_a_whole_number_make_no_fraction_of_it() {
        let text = "a: 010\nb: [ -07, 00, 08 ]\nc: 010.0\nd: 1e3\ne: { f: 010}\ng: &x 0012 # twelve\nh: *x\n";
        let read = yaml("zeros.yaml", text.to_string()).expect("this is YAML");
        let shown = format!("{:?}", super::super::value(&read, "").expect("data is plain"));
        let wanted = r#"Map({"a": Int(10), "b": List([Int(-7), Int(0), Int(8)]), "c": Float(10.0), "d": Float(1000.0), "e": Map({"f": Int(10)}), "g": Int(12), "h": Int(12)})"#;
        assert_eq!(shown, wanted);
    }

    #[test]
    fn json_and_yaml_give_the_same_values() {
        let text =
            r#"{ "a": [1, -2, 1.5, true, null, "\ud83d\ude00\/", 18446744073709551615], "b": { "c": "", "c": "x" } }"#;
        let read = json("a.json", text.to_string()).expect("this is JSON");
        let plain = super::super::value(&read, "").expect("data is plain");
        let other: Value = serde_json::from_str(text).expect("this is JSON");
        assert_eq!(plain, other);
        assert!(json("a.json", "a: 1".to_string()).is_err(), "YAML is not JSON");
    }
}
