//! Values and the documents they make, and back. `UPDATE=1` rewrites the documents.

use std::path::PathBuf;
use vmscript::floor::Value;
use vmscript::schema::{Definition, Extra, Kind};

const GOLDEN: &[(&str, Kind)] = &[
    ("big", Kind::Domain),
    ("network", Kind::Network),
    ("nwfilter", Kind::NwFilter),
    ("pool-dir", Kind::Pool),
    ("pool-logical", Kind::Pool),
    ("pool-rbd", Kind::Pool),
    ("short", Kind::Domain),
    ("simple", Kind::Domain),
    ("volume", Kind::Volume),
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schema/golden").join(name)
}

fn value(name: &str) -> Value {
    let text = std::fs::read_to_string(path(&format!("{name}.json"))).expect("the value can be read");
    serde_json::from_str(&text).expect("the value is JSON")
}

fn made(name: &str, kind: Kind) -> Definition {
    Definition::from_value(kind, &value(name)).unwrap_or_else(|error| panic!("{name}: {error} {:#?}", error.findings))
}

#[test]
fn values_make_the_expected_documents() {
    for &(name, kind) in GOLDEN {
        let made = made(name, kind).xml();
        let file = path(&format!("{name}.xml"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &made).expect("the document can be written");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(made, expected, "{name}.xml");
    }
}

#[test]
fn documents_come_back_as_they_were() {
    for &(name, kind) in GOLDEN {
        let made = made(name, kind);
        let read = Definition::from_xml(kind, &made.xml()).expect("what was written can be read");
        assert_eq!(read.xml(), made.xml(), "{name}");
        if made.extras().is_empty() {
            assert_eq!(read.to_value(), made.to_value(), "{name}");
        }
        assert_eq!(read.name(), made.name(), "{name}");
        let again = Definition::from_value(kind, &made.to_value()).expect("what was read can be written");
        assert_eq!(again.xml(), made.xml(), "{name}");
    }
}

#[test]
fn values_without_shorthands_come_back_unchanged() {
    for (name, kind) in [("big", Kind::Domain), ("network", Kind::Network), ("nwfilter", Kind::NwFilter)] {
        let document = made(name, kind).xml();
        let back = Definition::from_xml(kind, &document).map(|read| read.to_value());
        assert_eq!(back, Ok(value(name)), "{name}");
    }
}

#[test]
fn fields_of_this_tool_are_taken_out() {
    let definition = made("short", Kind::Domain);
    let extra = Extra {
        path: "devices.interfaces[0]".to_string(),
        key: "wait_for_ip".to_string(),
        value: serde_json::from_str(r#"{ "timeout": 60 }"#).expect("the value is JSON"),
    };
    assert_eq!(definition.extras(), [extra]);
    assert!(!definition.xml().contains("wait"));
}

#[test]
fn extras_count_the_elements_that_are_there() {
    let value: Value = serde_json::from_str(
        r#"{ "type": "test", "name": "x", "memory": 1, "os": { "type": "hvm" }, "devices": { "interfaces": [
            { "type": "user" }, null, { "type": "user", "wait_for_ip": true }, { "type": "user", "wait_for_ip": null }
        ] } }"#,
    )
    .expect("the value is JSON");
    let definition = Definition::from_value(Kind::Domain, &value).expect("the definition is right");
    let paths: Vec<String> = definition.extras().into_iter().map(|extra| extra.path).collect();
    assert_eq!(paths, ["devices.interfaces[1]"]);
    assert_eq!(definition.root().find_all("devices/interface").len(), 3);
}

#[test]
fn elements_know_where_they_were_written() {
    let definition = made("short", Kind::Domain);
    let origin = |path: &str| definition.root().find(path).map(|elem| elem.origin.clone());
    assert_eq!(origin("devices/disk/target").as_deref(), Some("devices.disk.target"));
    assert_eq!(origin("devices/serial").as_deref(), Some("devices.serials[0]"));
}
