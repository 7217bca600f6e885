//! Values that are refused: every mistake at once, each at its path, with a hint where one can be given.

use vmscript::floor::{Code, Error, Value};
use vmscript::schema::{Definition, Kind};

fn refused(kind: Kind, json: &str) -> Error {
    let value: Value = serde_json::from_str(json).expect("the value is JSON");
    Definition::from_value(kind, &value).map(|made| made.xml()).expect_err("the value is wrong")
}

/// The findings, a line each: path, what is pointed at, message and hint.
pub(crate) fn findings(kind: Kind, json: &str) -> Vec<String> {
    let error = refused(kind, json);
    assert_eq!(error.code, Code::InvalidDefinition);
    assert_eq!(error.exit_code(), 2);
    lines(&error)
}

pub(crate) fn lines(error: &Error) -> Vec<String> {
    error
        .findings
        .iter()
        .map(|finding| {
            let at = if finding.on_key { " (key)" } else { "" };
            let hint = finding.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("{}{at}: {}{hint}", finding.path, finding.message)
        })
        .collect()
}

#[test]
fn a_domain_with_every_kind_of_mistake() {
    let found = findings(
        Kind::Domain,
        r#"{
            "type": "kvm", "name": "web", "memory": "2 gigs", "vcpu": "two",
            "os": { "type": { "arch": "x86-64", "value": "hvm" } },
            "features": { "acpi": "yes" },
            "devices": {
                "disks": [ { "type": "file", "device": "disk", "source": { "file": "/srv/web.qcow2" },
                             "tareget": { "dev": "vda", "bus": "virtoi" } } ],
                "interfaces": { "type": "network", "source": { "network": "default" }, "model": "virtio", "mac": "52:54:00:zz:00:01" },
                "memballoon": [ "virtio" ],
                "graphics": [ { "type": "vnc", "autoport": 1 } ]
            }
        }"#,
    );
    assert_eq!(
        found,
        [
            "memory: `memory` must be a size such as \"2 GiB\", not \"2 gigs\"",
            "vcpu: `vcpu` must be an integer of at least 1, not \"two\"",
            "os.type.arch: `arch` must be \"i686\", \"x86_64\", \"ia64\", \"aarch64\", \"alpha\", \"armv6l\", \"armv7l\", \
             \"cris\", \"lm32\", \"m68k\", \"microblaze\", \"microblazeel\", ... (34 values), not \"x86-64\"; \
             did you mean \"x86_64\"?",
            "features.acpi: `acpi` must be true or false, not \"yes\"",
            "devices.disks[0].tareget (key): disk has no field `tareget`; did you mean `target`?",
            "devices.interfaces.mac: `mac` must be a MAC address such as \"52:54:00:12:34:56\", not \"52:54:00:zz:00:01\"",
            "devices.graphics[0].autoport: `autoport` must be true or false, not 1",
            "devices.memballoon: `memballoon` is a single value, not a list",
        ]
    );
}

#[test]
fn a_network_with_a_wrong_address() {
    let found = findings(
        Kind::Network,
        r#"{ "name": "lab",
             "ips": [ { "address": "10.0.0.300", "netmask": "255.255.255.0", "dhcp": { "ranges": [ { "start": "10.0.0.10" } ] } } ],
             "dns": { "srvs": [ { "service": "ldap", "protocol": "tcp", "prio": 1 } ] } }"#,
    );
    assert_eq!(
        found,
        [
            "dns.srvs[0].prio (key): srv has no field `prio`; did you mean `priority`?",
            "ips[0].address: `address` must be an IP address, not \"10.0.0.300\"",
            "ips[0].dhcp.ranges[0] (key): range needs `end` (an IP address)",
        ]
    );
}

#[test]
fn a_volume_with_both_spellings() {
    let found = findings(
        Kind::Volume,
        r#"{ "name": "web.qcow2", "capacity": 20.5, "target": { "format": "qcow3" },
             "backingStore": { "path": "/srv/base.qcow2", "format": { "type": "qcow2" } },
             "backing_store": { "path": "/srv/base.qcow2" } }"#,
    );
    assert_eq!(
        found,
        [
            "backing_store (key): `backingStore` and `backing_store` are the same field; write it once, as `backingStore`",
            "capacity: `capacity` must be a non-negative integer, not 20.5",
            "target.format: `format` must be \"unknown\", \"raw\", \"dir\", \"bochs\", \"cloop\", \"dmg\", \"iso\", \"vpc\", \
             \"vdi\", \"fat\", \"vhd\", \"ploop\", ... (40 values), not \"qcow3\"; did you mean \"qcow\"?",
        ]
    );
}

#[test]
fn single_mistakes() {
    let domain = |fields: &str| {
        let start = r#""type": "kvm", "name": "web", "memory": 1, "os": { "type": "hvm" }"#;
        findings(Kind::Domain, &format!("{{ {start}, {fields} }}"))
    };
    for (fields, expected) in [
        (r#""metadata": "<a>""#, "metadata: `metadata` is not well-formed XML: `<a>` is not closed (line 1)"),
        (r#""metadata": 5"#, "metadata: `metadata` must be XML in a string, not 5"),
        (r#""_xml": "<p:a/>""#, "_xml: `_xml` is not well-formed XML: the prefix of `p:a` is not declared (line 1)"),
        (r#""_attrs": { "a b": 1 }"#, "_attrs.a b (key): `a b` is not the name of an attribute"),
        (r#""_attrs": { "type": "x" }"#, "_attrs.type (key): domain has `type` already"),
        (r#""_attrs": 1"#, "_attrs: `_attrs` must be a map, not 1"),
        (r#""title": "a\u0001b""#, "title: `title` holds a control character, which XML cannot hold"),
        (r#""title": true"#, "title: `title` must be a string without line break, not true"),
        (r#""devices": "all""#, "devices: `devices` must be a map, not \"all\""),
        (r#""devices": []"#, "devices: `devices` is a single value, not a list"),
        (r#""devices": { "disks": ["/srv/a.img"] }"#, "devices.disks[0]: `disks[0]` must be a map, not \"/srv/a.img\""),
        (
            r#""devices": { "consoles": [5] }"#,
            "devices.consoles[0]: `consoles[0]` must be \"dev\", \"file\", \"pipe\", \"unix\", \"tcp\", \"udp\", \"null\", \"stdio\", \"vc\", \"pty\", \"spicevmc\", \"spiceport\", ... (15 values), not 5",
        ),
        (r#""features": { "vmport": "maybe" }"#, "features.vmport: `vmport` must be a map, not \"maybe\""),
        (
            r#""current_memory": { "value": 1, "unit": "parsec" }"#,
            "current_memory.unit: `unit` must be a size unit such as \"KiB\", \"MiB\" or \"GiB\", not \"parsec\"",
        ),
        (r#""features": { "acpi": { "x": 1 } }"#, "features.acpi.x (key): acpi has no field `x`; it takes no fields"),
    ] {
        assert_eq!(domain(fields), [expected], "{fields}");
    }
    assert_eq!(findings(Kind::Domain, "5"), [": domain must be a map, not 5"]);
    assert_eq!(
        findings(Kind::NwFilter, r#"{ "name": "x", "entries": [ { "rul": {} }, 5 ] }"#),
        [
            "entries[0].rul (key): filter has no entry `rul`; did you mean `rule`?",
            "entries[1]: `entries[1]` must be a map with one of `filterref`, `rule`, not 5",
        ]
    );
}

#[test]
fn the_error_names_the_definition() {
    let error = refused(Kind::Domain, r#"{ "name": "web", "memory": "lots", "vcpu": 0 }"#);
    assert_eq!(error.message, "domain `web` has 3 mistakes");
    assert_eq!(
        refused(Kind::Pool, r#"{ "type": "dir", "name": 5, "targt": {} }"#).message,
        "pool has no field `targt`"
    );
}

#[test]
fn nesting_without_end_is_refused() {
    let mut store = Value::Unit;
    for _ in 0..5_000 {
        let map = [("type".to_string(), "file".into()), ("backing_store".to_string(), store)];
        store = Value::Map(map.into_iter().collect());
    }
    let disk: Value = serde_json::from_str(r#"{ "type": "file", "target": "vda" }"#).expect("the value is JSON");
    let Value::Map(mut disk) = disk else { panic!("a map was written") };
    disk.insert("backing_store".to_string(), store);
    let mut domain: Value =
        serde_json::from_str(r#"{ "type": "kvm", "name": "x", "memory": 1, "os": { "type": "hvm" }, "devices": {} }"#)
            .expect("the value is JSON");
    let Value::Map(map) = &mut domain else { panic!("a map was written") };
    let devices = vmscript::floor::Map::from([("disks".to_string(), Value::Map(disk))]);
    map.insert("devices".to_string(), devices.into());
    let error = Definition::from_value(Kind::Domain, &domain).map(|made| made.xml()).expect_err("this is too deep");
    assert!(error.message.contains("nested too deeply"), "{}", error.message);
    // Dropping so deep a value would need a deep stack as well.
    std::mem::forget(domain);
}
