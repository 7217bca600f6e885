//! What only the exact check finds: correlations, with the way out as a hint.

use super::errors::{findings, lines};
use vmscript::floor::Value;
use vmscript::schema::{Definition, Kind};

fn domain(devices: &str) -> Vec<String> {
    let start = r#""type": "kvm", "name": "web", "memory": "2 GiB", "os": { "type": "hvm" }"#;
    findings(Kind::Domain, &format!("{{ {start}, \"devices\": {{ {devices} }} }}"))
}

#[test]
fn an_attribute_of_another_alternative() {
    assert_eq!(
        domain(r#""disks": [ { "type": "file", "source": { "dev": "/dev/vg0/web" }, "target": "vda" } ]"#),
        ["devices.disks[0].source.dev (key): `dev` is not allowed here; allowed when disk.type is \"block\""]
    );
    assert_eq!(
        domain(r#""interfaces": { "type": "user", "source": { "bridge": "br0" } }"#),
        [
            "devices.interfaces.source.bridge (key): `bridge` is not allowed here; allowed when interface.type is \"bridge\" or \"network\""
        ]
    );
}

#[test]
fn a_value_that_another_field_rules_out() {
    assert_eq!(
        domain(r#""disks": [ { "type": "file", "device": "lun", "source": { "file": "/x" }, "target": "sda" } ]"#),
        ["devices.disks[0].device: `device` must be \"floppy\", \"disk\", \"cdrom\" here, not \"lun\"; \
             allowed when disk.type is \"block\" or \"network\" or \"volume\""]
    );
}

#[test]
fn every_mistake_is_told_once_and_the_rest_is_checked_all_the_same() {
    assert_eq!(
        domain(
            r#""disks": [ { "type": "file", "source": { "dev": "/a" }, "target": "vda" },
                          { "type": "block", "source": { "dev": "/b" }, "target": "vdb" },
                          { "type": "block", "source": { "file": "/c" }, "target": "vdc" } ],
               "interfaces": [ { "type": "bridge", "source": { "network": "default" } } ]"#
        ),
        [
            "devices.disks[0].source.dev (key): `dev` is not allowed here; allowed when disk.type is \"block\"",
            "devices.disks[2].source.file (key): `file` is not allowed here; allowed when disk.type is \"file\"",
            "devices.interfaces[0].source (key): source also needs `bridge`",
        ]
    );
}

#[test]
fn what_an_alternative_needs() {
    assert_eq!(findings(Kind::Pool, r#"{ "type": "dir", "name": "images" }"#), [" (key): pool also needs `target`"]);
    assert_eq!(
        findings(
            Kind::Pool,
            r#"{ "type": "logical", "name": "vg", "source": { "dir": "/x" }, "target": { "path": "/dev/vg" } }"#
        ),
        ["source.dir (key): `dir` is not allowed here; allowed here: names, format, vendor, product, devices"]
    );
    assert_eq!(findings(Kind::Secret, r#"{ "usage": { "type": "ceph" } }"#), ["usage (key): usage also needs `name`"]);
}

#[test]
fn raw_xml_is_left_to_the_server_but_a_strict_check_refuses_it() {
    let value: Value = serde_json::from_str(
        r#"{ "type": "kvm", "name": "web", "memory": 1, "os": { "type": "hvm" }, "_attrs": { "new": 1 },
             "devices": { "_xml": "<gadget/>" } }"#,
    )
    .expect("the value is JSON");
    let definition = Definition::from_value(Kind::Domain, &value).expect("raw XML is allowed");
    let error = definition.check().expect_err("a strict check knows no gadget");
    assert_eq!(
        lines(&error),
        [
            "new (key): `new` is not allowed here; allowed here: id",
            "devices.gadget (key): `gadget` is not allowed here"
        ]
    );
}

#[test]
fn known_names_in_raw_xml_are_checked() {
    assert_eq!(
        domain(r#""_xml": "<disk type='file'><source dev='/x'/><target dev='vda'/></disk>""#),
        ["devices.disks[0].source.dev (key): `dev` is not allowed here; allowed when disk.type is \"block\""]
    );
}

#[test]
fn many_threads_share_one_automaton() {
    let value: Value = serde_json::from_str(r#"{ "type": "dir", "name": "a", "target": { "path": "/a" } }"#)
        .expect("the value is JSON");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert!(Definition::from_value(Kind::Pool, &value).is_ok());
                }
            });
        }
    });
}
