//! What completion and the field reference are made from.

use vmscript::schema::{Field, Kind, fields, values};

fn field(kind: Kind, path: &str, key: &str) -> Field {
    let found = fields(kind, path).expect("the schemas are installed");
    found.into_iter().find(|field| field.key == key).unwrap_or_else(|| panic!("no `{key}` at `{path}`"))
}

#[test]
fn fields_are_described() {
    let disks = field(Kind::Domain, "devices", "disks");
    assert_eq!((disks.takes.as_str(), disks.list, disks.required, disks.nested), ("a map", true, false, true));
    let name = field(Kind::Domain, "", "name");
    assert_eq!((name.xml.as_str(), name.required, name.nested), ("name", true, false));
    let memory = field(Kind::Domain, "", "memory");
    assert_eq!(memory.takes, "a size such as \"2 GiB\", or a map");
    assert_eq!(field(Kind::Domain, "features", "acpi").takes, "true or false");
    assert_eq!(field(Kind::Domain, "devices.disks[3].source", "file").xml, "@file");
    assert_eq!(field(Kind::Domain, "devices.interfaces", "wait_for_ip").xml, "");
    assert!(field(Kind::NwFilter, "", "entries").list);
    assert!(field(Kind::NwFilter, "entries[0].rule", "action").required);
}

#[test]
fn a_path_may_use_every_spelling_that_a_map_may() {
    for path in ["devices.disks[0].driver", "devices.disk.driver", "devices.disks.driver"] {
        assert_eq!(field(Kind::Domain, path, "cache").values[0], "\"default\"", "{path}");
    }
}

#[test]
fn values_to_choose_from_are_written_as_in_scripts() {
    let of = |path: &str| values(Kind::Domain, path).expect("the schemas are installed");
    assert_eq!(of("devices.disks[0].device"), ["\"floppy\"", "\"disk\"", "\"cdrom\"", "\"lun\""]);
    assert_eq!(of("devices.disks[0].driver.detect_zeroes"), ["true", "false", "\"unmap\""]);
    assert_eq!(of("features.acpi"), ["true", "false"]);
    assert_eq!(of("name"), [""; 0]);
}

#[test]
fn a_path_to_nowhere_has_nothing() {
    for path in ["nonsense", "name.x", "devices.disks.nonsense.x", "_xml", "devices.interfaces.wait_for_ip.timeout"] {
        assert_eq!(fields(Kind::Domain, path), Ok(vec![]), "{path}");
        assert_eq!(values(Kind::Domain, path), Ok(vec![]), "{path}");
    }
}
