//! Volumes that stand on each other, secrets, and networks in use.

use super::lab::{Guest, lab, wait};
use super::objects::shell;
use super::own::inside;
use super::program::{prints, text};
use vmscript::floor::Code;
use vmscript::libvirt::{Apply, Content, Edit, Source};

#[test]
fn a_volume_that_is_needed_is_not_deleted() {
    let pool = &lab().pool;
    let base = pool
        .create_filled_volume(
            "<volume><name>below.raw</name><capacity>1048576</capacity></volume>",
            &Content::Bytes(vec![7; 1 << 20]),
        )
        .expect("created");
    let path = base.path().expect("known");
    let overlay = |name: &str, below: &str, format: &str| {
        let xml = format!(
            "<volume><name>{name}</name><capacity>1048576</capacity><target><format type='qcow2'/></target>
             <backingStore><path>{below}</path><format type='{format}'/></backingStore></volume>"
        );
        pool.create_volume(&xml).expect("created")
    };
    let middle = overlay("middle.qcow2", &path, "raw");
    let top = overlay("top.qcow2", &middle.path().expect("known"), "qcow2");
    let chain = top.chain().expect("known");
    assert_eq!(chain, [top.path().expect("known"), middle.path().expect("known"), path.clone()]);
    let user = lab()
        .host
        .define_domain(
            "<domain type='qemu'><name>user</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
             <disk type='volume' device='disk'><driver type='qcow2'/><source pool='live' volume='top.qcow2'/>
             <target dev='vda' bus='virtio'/></disk></devices></domain>",
        )
        .expect("defined");
    let error = base.delete_unused().expect_err("it is needed");
    assert_eq!((error.code, error.exit_code()), (Code::Busy, 5));
    assert_eq!(
        error.message,
        "cannot delete volume `below.raw`: it is needed by domain `user` and its overlay `middle.qcow2`"
    );
    user.undefine().expect("undefined");
    // A flat copy needs nobody.
    let copy = pool
        .copy_volume(
            "<volume><name>flat.qcow2</name><capacity>1048576</capacity><target><format type='qcow2'/></target></volume>",
            &top,
            None,
            false,
        )
        .expect("cloned");
    assert_eq!(copy.chain().expect("known").len(), 1);
    for volume in [&copy, &top, &middle, &base] {
        if volume.name() == "below.raw" {
            volume.wipe(None).expect("wiped");
        }
        volume.delete_unused().expect("deleted from the top");
    }
}

#[test]
fn a_secret_opens_an_encrypted_volume() {
    let host = &lab().host;
    let xml = "<secret ephemeral='no' private='yes'><usage type='volume'><volume>/luks</volume></usage></secret>";
    let error = host.define_secret(&xml.replace("<usage", "<bogus/><usage")).expect_err("libvirt validates it");
    assert_eq!(error.code, Code::InvalidDefinition, "{error}");
    let error = host.define_nwfilter("<filter name='bogus'><bogus/></filter>").expect_err("libvirt validates it");
    assert_eq!(error.code, Code::InvalidDefinition, "{error}");
    let secret = host.define_secret(xml).expect("defined");
    secret.set_value(b"open sesame").expect("set");
    assert_eq!((secret.usage().expect("known"), secret.name()), ("volume", "/luks"));
    assert!(!secret.xml().expect("read").contains("sesame"));
    let volume = lab()
        .pool
        .create_volume(&format!(
            "<volume><name>luks.qcow2</name><capacity unit='MiB'>16</capacity><target><format type='qcow2'/>
             <encryption format='luks'><secret type='passphrase' uuid='{}'/></encryption></target></volume>",
            secret.uuid()
        ))
        .expect("created with LUKS");
    assert!(volume.xml().expect("read").contains("luks"));
    volume.delete_unused().expect("deleted");
    secret.undefine().expect("undefined");
    assert_eq!(host.secret("/luks").expect_err("gone").code, Code::NotFound);
}

#[test]
fn a_network_changes_while_a_guest_keeps_its_lease() {
    let guest = Guest { name: "edits", mac: "52:54:00:1a:00:30", network: "lab", uefi: false };
    let made = guest.provision(Some(wait(120, &[Source::Agent]))).expect("provisioned");
    let network = lab().host.network("lab").expect("there");
    let before = shell(&made.domain, "cat /sys/class/net/eth0/address; ip -4 addr show eth0");
    let host = "<host mac='52:54:00:1a:00:31' name='later' ip='192.168.150.222'/>";
    network.edit(Edit::Add, "dhcp_host", host, None, Apply::Both).expect("added");
    let dns = "<host ip='192.168.150.222'><hostname>files.lab</hostname></host>";
    network.edit(Edit::Add, "dns_host", dns, None, Apply::Both).expect("added");
    assert!(network.xml().expect("read").contains("192.168.150.222"));
    let moved = host.replace(".222'", ".223'");
    network.edit(Edit::Modify, "dhcp_host", &moved, None, Apply::Both).expect("modified");
    assert!(network.xml().expect("read").contains("192.168.150.223"));
    assert_eq!(shell(&made.domain, "cat /sys/class/net/eth0/address; ip -4 addr show eth0"), before);
    assert!(network.dhcp_leases().expect("listed").iter().any(|lease| lease.mac == guest.mac), "the lease stays");
    network.edit(Edit::Delete, "dhcp_host", &moved, None, Apply::Both).expect("deleted");
    network.edit(Edit::Delete, "dns_host", dns, None, Apply::Both).expect("deleted");
    assert!(!network.xml().expect("read").contains("192.168.150.22"));
    let error = network.edit(Edit::Add, "dhcp_hots", host, None, Apply::Both).expect_err("no such part");
    assert_eq!(error.hints, ["did you mean `dhcp_host`?"]);
    guest.remove(&made.domain);
}

#[test]
fn every_part_of_a_network_is_added_changed_and_taken_out_while_it_runs() {
    let shown = prints(
        r#"
let host = connect();
let net = host.define_network(#{
    name: "parts", bridge: #{ name: "virbr-parts", stp: "off", delay: 0 }, forward: "nat",
    ips: [ #{ address: "192.168.184.1", prefix: 24, dhcp: #{ ranges: [ #{ start: "192.168.184.2", end: "192.168.184.9" } ] } } ],
});
net.start();
let parts = [
    ["dhcp_host", #{ mac: "52:54:00:1a:18:01", ip: "192.168.184.20" }, #{ mac: "52:54:00:1a:18:01", ip: "192.168.184.21" }],
    ["dhcp_range", #{ start: "192.168.184.30", end: "192.168.184.39" }, #{ start: "192.168.184.30", end: "192.168.184.35" }],
    ["dns_host", #{ ip: "192.168.184.40", hostnames: ["one"] }, #{ ip: "192.168.184.40", hostnames: ["two"] }],
    ["dns_srv", #{ service: "ldap", protocol: "tcp", domain: "a.lab", target: "x", port: 389 }, #{ service: "ldap", protocol: "tcp", domain: "a.lab", target: "y", port: 636 }],
    ["dns_txt", #{ name: "t.lab", value: "one" }, #{ name: "t.lab", value: "two" }],
    ["portgroup", #{ name: "slow" }, #{ name: "slow", bandwidth: #{ inbound: #{ average: 100 } } }],
];
// What runs and what is defined, without what only a running network has.
let both = || [net.xml, net.definition.xml];
let before = both.call();
for part in parts {
    net.add(part[0], part[1]);
    let added = both.call();
    net.modify(part[0], part[2]);
    let changed = both.call();
    for at in 0..2 { assert(added[at] != before[at] && changed[at] != added[at] && changed[at] != before[at], part[0]); }
    net.delete(part[0], part[2]);
    assert_eq(both.call(), before);
    try { net.modify(part[0], part[2]); throw "it was changed"; } catch (err) { print(`${part[0]}: ${err.message}`); }
    assert_eq(both.call(), before);
}
net.destroy();
net.undefine();
let direct = host.define_network(#{ name: "parts-direct", forward: #{ mode: "private", interfaces: [ #{ dev: "lo" } ] } });
direct.add("forward_interface", #{ dev: "virbr1" });
assert(direct.xml.contains("virbr1"));
direct.delete("forward_interface", #{ dev: "virbr1" });
assert(!direct.xml.contains("virbr1"));
direct.undefine();
"#,
    );
    assert_eq!(shown.lines().count(), 6, "{shown}");
    assert!(shown.contains("dns_txt: network `parts` has no dns txt with name `t.lab`"), "{shown}");
}

#[test]
fn a_start_that_fails_tells_what_was_meant_and_which_folder_is_closed() {
    let shown = prints(
        r#"
let host = connect();
let vm = host.define_domain(#{ type: "qemu", name: "meant", memory: "64 MiB", os: #{ type: "hvm" },
    devices: #{ interfaces: [ #{ type: "network", source: #{ network: "labb" } } ] } });
try { vm.start(); throw "it started"; } catch (err) { print(err.hints[0]); }
vm.undefine();
"#,
    );
    assert_eq!(shown.trim(), "did you mean `lab`?");
    // Only a program on the host itself can look at its folders.
    let script = r#"
let vm = connect().define_domain(#{ type: "qemu", name: "closed", memory: "64 MiB", os: #{ type: "hvm" },
    devices: #{ disks: [ #{ type: "file", device: "disk", driver: #{ name: "qemu", type: "raw" },
        source: #{ file: "/var/lib/libvirt/closed/in/disk.raw" }, target: #{ dev: "vda", bus: "virtio" } } ] } });
try { vm.start(); throw "it started"; } catch (err) { print(`${err.code} ${err.hints[0]}`); }
vm.undefine();
"#;
    let folder = tempfile::tempdir().expect("a folder");
    let (file, state) = (folder.path().join("script.rhai"), format!("XDG_STATE_HOME={}", folder.path().display()));
    std::fs::write(&file, script).expect("written");
    let prepare = "mkdir -p /var/lib/libvirt/closed/in && chmod 700 /var/lib/libvirt/closed && truncate -s 1M /var/lib/libvirt/closed/in/disk.raw";
    assert!(inside(&["sh", "-c", prepare]).status.success());
    let file = file.to_str().expect("a plain path");
    let done = inside(&["env", &state, env!("CARGO_BIN_EXE_vmscript"), "-c", "qemu:///system", file]);
    inside(&["rm", "-r", "/var/lib/libvirt/closed"]);
    let shown = format!("{}{}", text(&done.stdout), text(&done.stderr));
    assert!(
        shown.contains("permission-denied user ") && shown.contains("cannot enter `/var/lib/libvirt/closed`"),
        "{shown}"
    );
}
