//! Reading and changing documents in place.

use vmscript::floor::{Code, Value};
use vmscript::schema::{Definition, Element, Elements, Item, Kind};

const WEB: &str = "<domain type='kvm'>
  <name>web</name>
  <!-- a comment carries nothing -->
  <memory unit='KiB'>2097152</memory>
  <vcpu placement='static'>2</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <interface type='network'><source network='default'/></interface>
    <disk type='file' device='disk'>
      <target dev='vda' bus='virtio'/>
      <new a='1'/>
      <source file='/srv/web.qcow2'/>
      <driver name='qemu' type='qcow2'/>
    </disk>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
  </devices>
</domain>";

fn web() -> Definition {
    Definition::from_xml(Kind::Domain, WEB).expect("the document is well-formed")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("the value is JSON")
}

fn item(definition: &Definition, path: &str) -> Item {
    let mut item = Item::Element(definition.element());
    for step in path.split('.') {
        item = match (item, step.parse()) {
            (Item::Element(element), _) => element.get(step).expect("the field is there"),
            (Item::List(list), Ok(index)) => list.get(index).expect("the item is there"),
            (other, _) => panic!("nothing at `{step}` of `{path}`: {other:?}"),
        };
    }
    item
}

fn element(definition: &Definition, path: &str) -> Element {
    let Item::Element(element) = item(definition, path) else { panic!("`{path}` is no element") };
    element
}

fn list(definition: &Definition, path: &str) -> Elements {
    let Item::List(list) = item(definition, path) else { panic!("`{path}` is no list") };
    list
}

fn value(definition: &Definition, path: &str) -> Value {
    match item(definition, path) {
        Item::Value(value) => value,
        other => panic!("`{path}` is no value: {other:?}"),
    }
}

#[test]
fn what_a_field_reads_as_depends_on_its_type_only() {
    let web = web();
    assert_eq!(value(&web, "name"), "web".into());
    assert_eq!(value(&web, "title"), Value::Unit);
    assert_eq!(value(&web, "cputune"), Value::Unit);
    assert_eq!(value(&web, "vcpu.value"), 2.into());
    assert_eq!(value(&web, "vcpu.cpuset"), Value::Unit);
    assert_eq!(value(&web, "devices.disks.0.target.dev"), "vda".into());
    assert_eq!(value(&web, "devices.disk.-1.source.file"), "/srv/web.qcow2".into());
    assert!(list(&web, "devices.graphics").is_empty().expect("the devices are there"));
    assert_eq!(element(&web, "memory").bytes(), Ok(2 << 30));
    assert_eq!(element(&web, "memory").says(&"2 GiB".into()), Ok(true));
    assert_eq!(element(&web, "memory").says(&"2048 KiB".into()), Ok(false));
    assert_eq!(element(&web, "vcpu").says(&2.into()), Ok(true));
    assert_eq!(element(&web, "vcpu").says(&3.into()), Ok(false));
}

#[test]
fn a_number_without_unit_has_libvirts_own() {
    let domain = Definition::from_xml(Kind::Domain, "<domain><memory>1024</memory></domain>").expect("well-formed");
    assert_eq!(element(&domain, "memory").bytes(), Ok(1 << 20));
    let volume = Definition::from_xml(Kind::Volume, "<volume><capacity>1024</capacity></volume>").expect("well-formed");
    assert_eq!(element(&volume, "capacity").bytes(), Ok(1024));
    let os = Definition::from_xml(Kind::Domain, "<domain><os/></domain>").expect("well-formed");
    assert_eq!(element(&os, "os").bytes().map_err(|error| error.message.clone()), Err("os is not a size".to_string()));
}

#[test]
fn unknown_fields_are_errors_in_both_directions() {
    let web = web();
    let driver = element(&web, "devices.disks.0.driver");
    let read = driver.get("cahce").expect_err("there is no such field");
    assert_eq!((read.code, read.message.as_str()), (Code::InvalidDefinition, "driver has no field `cahce`"));
    assert_eq!(read.hints, ["did you mean `cache`?"]);
    let written = driver.set("cahce", &"none".into()).expect_err("there is no such field");
    assert_eq!(written.message, read.message);
    let wrong = driver.set("cache", &"non".into()).expect_err("there is no such value");
    assert_eq!(wrong.hints, ["did you mean \"none\"?"]);
    assert_eq!(web.xml(), self::web().xml(), "nothing changed");
}

#[test]
fn what_is_not_touched_stays_as_it_is() {
    let web = web();
    let before = web.xml();
    let driver = element(&web, "devices.disks.0.driver");
    driver.set("cache", &"none".into()).expect("this is allowed");
    assert_eq!(web.xml(), before.replace("type='qcow2'/>", "type='qcow2' cache='none'/>"));
    driver.set("cache", &Value::Unit).expect("an optional attribute can go");
    assert_eq!(web.xml(), before);
}

#[test]
fn a_bare_value_changes_what_an_element_says_and_keeps_the_rest() {
    let web = web();
    let root = web.element();
    root.set("vcpu", &4.into()).expect("this is allowed");
    root.set("memory", &"3 GiB".into()).expect("this is allowed");
    root.set("title", &"The web server".into()).expect("this is allowed");
    let xml = web.xml();
    assert!(xml.contains("<vcpu placement='static'>4</vcpu>"), "{xml}");
    assert!(xml.contains("<memory unit='GiB'>3</memory>"), "{xml}");
    assert!(xml.contains("<name>web</name>\n  <title>The web server</title>\n"), "libvirt's order: {xml}");
    root.set("vcpu", &json(r#"{ "value": 1 }"#)).expect("a map replaces all");
    assert!(web.xml().contains("<vcpu>1</vcpu>"));
    element(&web, "devices.disks.0").set("target", &"vdb".into()).expect("a shorthand works");
    assert!(web.xml().contains("<target dev='vdb' bus='virtio'/>"));
}

#[test]
fn elements_come_and_go() {
    let web = web();
    let root = web.element();
    root.set("features", &json(r#"{ "acpi": true }"#)).expect("this is allowed");
    let features = element(&web, "features");
    assert_eq!(features.get("acpi").map(|item| format!("{item:?}")), Ok("Value(Bool(true))".to_string()));
    features.set("acpi", &false.into()).expect("this is allowed");
    assert_eq!(value(&web, "features.acpi"), Value::Unit);
    root.set("features", &Value::Unit).expect("this is optional");
    assert_eq!(features.get("acpi").map_err(|error| error.code).err(), Some(Code::InvalidState));
    assert_eq!(
        root.set("name", &Value::Unit).map_err(|error| error.message.clone()),
        Err("domain needs `name`".into())
    );
    assert!(root.set("devices", &json(r#"{ "disks": [ { "tpe": 1 } ] }"#)).is_err());
    assert_eq!(web.xml(), self::web().xml(), "a refused change changes nothing");
}

#[test]
fn lists_grow_and_shrink_and_their_elements_stay_the_same() {
    let web = web();
    let disks = list(&web, "devices.disks");
    let first = element(&web, "devices.disks.0");
    disks.insert(0, &json(r#"{ "type": "block", "source": { "dev": "/dev/vg/a" }, "target": "vdx" }"#)).expect("right");
    disks.push(&json(r#"{ "type": "file", "target": { "dev": "vdz" } }"#)).expect("right");
    assert_eq!(disks.len(), Ok(3));
    assert_eq!(value(&web, "devices.disks.0.target.dev"), "vdx".into());
    assert_eq!(value(&web, "devices.disks.-1.target.dev"), "vdz".into());
    first.set("device", &"cdrom".into()).expect("the element is the same as before");
    assert_eq!(value(&web, "devices.disks.1.device"), "cdrom".into());
    let order = web.xml().find("vdz") < web.xml().find("<emulator>");
    assert!(order, "a new one goes behind the last of its kind: {}", web.xml());
    assert_eq!(disks.remove_element(&first), Ok(true));
    assert_eq!(disks.remove_element(&first), Ok(false));
    disks.remove(-1).expect("it is there");
    assert_eq!(disks.len(), Ok(1));
    assert_eq!(
        disks.get(1).map(|_| ()).map_err(|error| error.message.clone()),
        Err("`disks` has no item 1: there are 1".into())
    );
    assert!(disks.get(-2).is_err() && disks.set(7, &Value::Unit).is_err() && disks.get(i64::MIN).is_err());
    disks.set(0, &json(r#"{ "type": "file", "target": "vda" }"#)).expect("right");
    assert_eq!(value(&web, "devices.disks.0.type"), "file".into());
}

#[test]
fn mistakes_are_told_relative_to_the_value_that_was_given() {
    let web = web();
    let disks = list(&web, "devices.disks");
    let error = disks.push(&json(r#"{ "type": "file", "target": { "dve": "vda" } }"#)).expect_err("misspelt");
    assert_eq!(error.findings[0].path, "target.dve");
    let error = element(&web, "devices").set("disks", &json(r#"[ { "type": "flie" } ]"#)).expect_err("misspelt");
    assert_eq!(error.findings[0].path, "[0].type");
}

#[test]
fn a_new_list_goes_where_libvirt_writes_it() {
    let web = web();
    list(&web, "devices.graphics").push(&json(r#"{ "type": "vnc" }"#)).expect("right");
    let xml = web.xml();
    assert!(xml.find("</interface>") < xml.find("<graphics"), "{xml}");
    element(&web, "devices").set("graphics", &Value::List(vec![])).expect("right");
    assert!(!web.xml().contains("graphics"));
}

#[test]
fn entries_keep_their_order_whatever_they_are() {
    let filter = Definition::from_xml(
        Kind::NwFilter,
        "<filter name='x'><filterref filter='a'/><rule action='drop' direction='in'/><filterref filter='b'/></filter>",
    )
    .expect("well-formed");
    let entries = list(&filter, "entries");
    assert_eq!(entries.len(), Ok(3));
    entries.insert(1, &json(r#"{ "filterref": { "filter": "c" } }"#)).expect("right");
    entries.remove(0).expect("it is there");
    let names: Vec<String> = filter.root().children().map(|child| child.local().to_string()).collect();
    assert_eq!(names, ["filterref", "rule", "filterref"]);
    let all = entries.to_value().expect("the entries are there");
    filter.element().set("entries", &all).expect("what was read can be written");
    assert_eq!(entries.to_value(), Ok(all));
}

#[test]
fn clones_share_a_document_and_copies_do_not() {
    let web = web();
    let (clone, copy) = (web.clone(), web.copy());
    web.element().set("name", &"db".into()).expect("right");
    assert_eq!((clone.name().as_deref(), copy.name().as_deref()), (Some("db"), Some("web")));
}

#[test]
fn fields_of_this_tool_move_with_their_element() {
    let web = web();
    let interfaces = list(&web, "devices.interfaces");
    element(&web, "devices.interfaces.0").set("wait_for_ip", &true.into()).expect("right");
    interfaces.insert(0, &json(r#"{ "type": "user" }"#)).expect("right");
    let paths: Vec<String> = web.extras().into_iter().map(|extra| extra.path).collect();
    assert_eq!(paths, ["devices.interfaces[1]"]);
    assert_eq!(value(&web, "devices.interfaces.1.wait_for_ip"), true.into());
}

#[test]
fn threads_may_read_and_write_one_document() {
    let web = web();
    std::thread::scope(|scope| {
        for number in 0..4_i64 {
            let disks = list(&web, "devices.disks");
            scope.spawn(move || {
                for _ in 0..50 {
                    disks.push(&json(r#"{ "type": "file", "target": "vdz" }"#)).expect("right");
                    disks.remove(-1).expect("one was added");
                    assert!(disks.len().is_ok(), "{number}");
                }
            });
        }
    });
    assert_eq!(web.xml(), self::web().xml());
}

#[test]
fn devices_are_definitions_of_their_own() {
    let disk = Definition::from_value(
        Kind::Device("disk"),
        &json(r#"{ "type": "file", "source": { "file": "/a" }, "target": "vda" }"#),
    )
    .expect("the disk is right");
    assert_eq!(disk.xml(), "<disk type='file'>\n  <source file='/a'/>\n  <target dev='vda'/>\n</disk>\n");
    let wrong = json(r#"{ "type": "file", "source": { "dev": "/a" }, "target": "vda" }"#);
    let error = Definition::from_value(Kind::Device("disk"), &wrong).expect_err("a file has no device");
    assert_eq!(error.findings[0].path, "source.dev");
    assert_eq!(error.findings[0].hint.as_deref(), Some("allowed when disk.type is \"block\""));
    assert_eq!(Definition::read("<disk/>").map(|read| read.kind()), Ok(Kind::Device("disk")));
}

#[test]
fn every_child_of_devices_is_a_device() {
    let known = vmscript::schema::fields(Kind::Domain, "devices").expect("the schemas are installed");
    let known: Vec<_> = known.iter().map(|field| field.xml.as_str()).filter(|name| *name != "emulator").collect();
    assert!(known.len() >= 29, "{known:?}");
    assert!(known.iter().all(|name| Kind::DEVICES.contains(name)), "{known:?}");
}
