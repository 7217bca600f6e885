//! What counts as a difference, and what does not.

use vmscript::schema::{Definition, Kind};

fn changes(kind: Kind, before: &str, after: &str) -> Vec<String> {
    let read = |text: &str| Definition::from_xml(kind, text).expect("the document is well-formed");
    let found = read(before).diff(&read(after)).expect("both are of one kind");
    found.iter().map(|change| format!("{}: {} -> {}", change.path, change.before.show(), change.after.show())).collect()
}

fn domain(before: &str, after: &str) -> Vec<String> {
    let whole = |inner: &str| format!("<domain type='kvm'><name>a</name>{inner}</domain>");
    changes(Kind::Domain, &whole(before), &whole(after))
}

#[test]
fn what_has_no_meaning_does_not_count() {
    for (before, after) in [
        ("<title>x</title><vcpu>2</vcpu>", "<vcpu>2</vcpu><title>x</title>"),
        ("<memory unit='GiB'>2</memory>", "<memory unit='MiB'>2048</memory>"),
        ("<memory unit='GiB'>2</memory>", "<memory>2097152</memory>"),
        ("<vcpu>2</vcpu>", "<vcpu placement='static'>2</vcpu>"),
        ("", "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>"),
        ("<os><type machine='q35'>hvm</type></os>", "<os><type machine='pc-q35-7.2' arch='x86_64'>hvm</type></os>"),
        ("<os><type machine='pc'>hvm</type></os>", "<os><type machine='pc-i440fx-7.2'>hvm</type></os>"),
        ("<os><type machine='virt'>hvm</type></os>", "<os><type machine='virt-7.2'>hvm</type></os>"),
        (
            "<devices><interface type='user'><mac address='52:54:00:AA:00:01'/></interface></devices>",
            "<devices><interface type='user'><mac address='52:54:00:aa:00:01'/><alias name='net0'/><address type='pci' bus='0x01'/></interface></devices>",
        ),
        ("<devices/>", "<devices><controller type='usb' index='0'/><memballoon model='virtio'/></devices>"),
        (
            "<devices><hostdev><source><address bus='0x05'/></source></hostdev></devices>",
            "<devices><hostdev><source><address bus='5'/></source></hostdev></devices>",
        ),
    ] {
        assert_eq!(domain(before, after), [""; 0], "{before} {after}");
        assert_eq!(domain(after, before), [""; 0], "{after} {before}");
    }
}

#[test]
fn what_has_a_meaning_counts() {
    for (before, after, expected) in [
        ("<title>x</title>", "", "title: \"x\" -> ()"),
        ("<title>x</title>", "<title>X</title>", "title: \"x\" -> \"X\""),
        ("<memory unit='GiB'>2</memory>", "<memory unit='MiB'>2</memory>", "memory.unit: \"GiB\" -> \"MiB\""),
        (
            "<os><type machine='pc-q35-7.2'>hvm</type></os>",
            "<os><type machine='pc-q35-8.0'>hvm</type></os>",
            "os.type.machine: \"pc-q35-7.2\" -> \"pc-q35-8.0\"",
        ),
        (
            "<os><type machine='q35'>hvm</type></os>",
            "<os><type machine='pc'>hvm</type></os>",
            "os.type.machine: \"q35\" -> \"pc\"",
        ),
        (
            "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>",
            "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1800</uuid>",
            "uuid: \"c7a5fdbd-edaf-9455-926a-d65c16db1809\" -> \"c7a5fdbd-edaf-9455-926a-d65c16db1800\"",
        ),
        (
            "<metadata><a/></metadata>",
            "<metadata><b/></metadata>",
            "metadata: \"<metadata><a/></metadata>\" -> \"<metadata><b/></metadata>\"",
        ),
        ("<new/>", "", "_xml: a list -> a list"),
    ] {
        assert_eq!(domain(before, after), [expected], "{before} {after}");
    }
}

#[test]
fn one_that_was_added_or_removed_is_just_that() {
    let disk = |dev: &str| format!("<disk type='file'><target dev='{dev}'/></disk>");
    let devices =
        |devs: &[&str]| format!("<devices>{}</devices>", devs.iter().map(|dev| disk(dev)).collect::<String>());
    assert_eq!(domain(&devices(&["a", "b", "c"]), &devices(&["a", "c"])), ["devices.disks[1]: a map -> ()"]);
    assert_eq!(domain(&devices(&["b"]), &devices(&["a", "b"])), ["devices.disks[0]: () -> a map"]);
    assert_eq!(domain(&devices(&["a", "b"]), &devices(&["a", "x"])), ["devices.disks[1].target.dev: \"b\" -> \"x\""]);
}

#[test]
fn the_order_of_rules_counts() {
    let filter = |inner: &str| format!("<filter name='a'>{inner}</filter>");
    let (rule, reference) = ("<rule action='drop' direction='in'/>", "<filterref filter='b'/>");
    assert_eq!(
        changes(Kind::NwFilter, &filter(&format!("{rule}{reference}")), &filter(&format!("{reference}{rule}"))),
        ["entries: a list -> a list"]
    );
}

#[test]
fn different_kinds_cannot_be_compared() {
    let read = |text: &str| Definition::read(text).expect("the document is well-formed");
    let error = read("<network/>").diff(&read("<pool/>")).expect_err("these are two kinds");
    assert_eq!(error.message, "a network cannot be compared with a pool");
}
