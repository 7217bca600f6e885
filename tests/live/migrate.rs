//! Moving a running guest between two private hosts, each with storage of its own.

use super::lab::{Guest, lab, wait};
use super::objects::shell;
use super::program::prints;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use vmscript::floor::Code;
use vmscript::libvirt::{Domain, Host, Migrate, Source};

const POOL: &str = "<pool type='dir'><name>live</name><target><path>/var/lib/libvirt/live</path></target></pool>";

/// Another node beside the lab's, with a wire between them; it goes when this is dropped.
struct Other {
    name: String,
    host: Host,
}

fn script(words: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab/lab");
    let output = Command::new(script)
        .args(words)
        .env("LAB_OWNER", std::process::id().to_string())
        .output()
        .expect("the lab's script runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

impl Other {
    fn up() -> Self {
        let folder = lab().uri.split("socket=").nth(1).and_then(|socket| socket.strip_suffix("/run/libvirt-sock"));
        let first = Path::new(folder.expect("the URI names the node's socket")).file_name().expect("a folder");
        let first = first.to_str().expect("its name is plain").to_string();
        let name = format!("{first}-b");
        let uri = script(&["up", &name]);
        // From here on it is taken down, whatever happens.
        let other = Self { name, host: Host::connect(Some(&uri)).expect("the other node answers") };
        script(&["wire", &first, &other.name]);
        let pool = other.host.define_pool(POOL).expect("defined");
        pool.build(None).expect("built");
        pool.start().expect("started");
        other
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        script(&["down", &self.name]);
    }
}

/// What tells one boot of a guest from all others.
fn boot(vm: &Domain) -> String {
    shell(vm, "cat /proc/sys/kernel/random/boot_id")
}

#[test]
fn a_guest_moves_to_another_host_and_back_while_it_runs() {
    let other = Other::up();
    let guest = Guest { name: "moving", mac: "52:54:00:1a:00:40", network: "lab", uefi: false };
    let vm = guest.provision(Some(wait(120, &[Source::Agent]))).expect("provisioned").domain;
    let before = boot(&vm);
    let there = Migrate { copy_storage: true, uri: Some("tcp://10.99.0.2".into()), ..Migrate::default() };

    // Too slow: it is given up, and the guest stays.
    let slow = Migrate { bandwidth: Some(1), timeout: Some(Duration::from_secs(3)), ..there.clone() };
    let error = vm.migrate(&other.host, &slow).expect_err("a MiB each second is not enough");
    assert_eq!(error.code, Code::Timeout, "{error}");
    assert_eq!(boot(&vm), before);
    assert!(other.host.find_domain("moving").expect("asked").is_none(), "nothing is left there");
    let pool = other.host.pool("live").expect("there");
    pool.refresh().expect("refreshed");
    assert!(pool.find_volume(&guest.disk()).expect("asked").is_none(), "not even the disk that libvirt made for it");

    let moved = vm.migrate(&other.host, &there).expect("moved, directly");
    assert_eq!((moved.host().uri(), boot(&moved)), (other.host.uri(), before.clone()));
    assert!(lab().host.find_domain("moving").expect("asked").is_none(), "it is here no more");

    // Back, with the hosts talking to each other. Its old disk is in the way.
    let back = Migrate { peer_to_peer: true, uri: Some("tcp://10.99.0.1".into()), ..there.clone() };
    let error = moved.migrate(&lab().host, &back).expect_err("nothing is copied over what is there");
    assert_eq!(error.code, Code::AlreadyExists, "{error}");
    assert!(error.message.contains(&guest.disk()), "{error}");
    lab().pool.volume(&guest.disk()).expect("there").delete().expect("deleted");
    let vm = moved.migrate(&lab().host, &back).expect("moved, from host to host");
    assert_eq!(boot(&vm), before);
    lab().pool.refresh().expect("refreshed");

    // A domain that is off: only its definition moves.
    vm.destroy(false).expect("destroyed");
    let definition = Migrate { offline: true, copy_storage: false, ..there };
    let moved = vm.migrate(&other.host, &definition).expect("moved, off");
    assert_eq!(moved.state().expect("known").word(), "shut off");
    lab().pool.volume(&guest.disk()).expect("there").delete().expect("deleted");
    guest.assert_gone();
}

#[test]
fn a_machine_moves_with_all_that_is_its_own() {
    let other = Other::up();
    let script = r#"
import "std/vm" as vm;
let here = connect();
let there = connect("THERE");
let volumes = |host| { let pool = host.pool("default"); pool.refresh(); pool.volumes().map(|one| one.name).filter(|name| name.starts_with("nomad")) };
let kept = |host| host.network("lab").reservations().map(|one| `${one.addr}`);
let how = #{ copy_storage: true, uri: "tcp://10.99.0.2" };
let refused = |change, to| {
    let how = how + change;
    try { here.domain("nomad").migrate(to, how); return "moved"; } catch (err) { return err.code; }
};
write_file("/tmp/nomad.yaml", "name: nomad\nvcpus: 1\nmemory: 192 MiB\ntype: qemu\nfirmware: efi\nguest: { hostname: nomad }\n"
    + "boot_disk: { size: 1 GiB, image: base }\ninterfaces: [ { network: lab, address: 192.168.150.77/24, gateway: 192.168.150.1 } ]\n");

// Whoever made it does not find it anywhere if the whole fails.
try {
    transaction(|| {
        vm::create("/tmp/nomad.yaml");
        here.domain("nomad").migrate(there, how);
        throw "later";
    });
} catch (err) { print(err); }
for host in [here, there] { assert_eq([host.find_domain("nomad"), volumes.call(host), kept.call(host)], [(), [], []]); }

// Nothing is copied over what is there, and what a failure leaves goes.
vm::create("/tmp/nomad.yaml");
let foreign = there.pool("default").create_volume(#{ name: "nomad_boot", capacity: "1 MiB", target: #{ format: "raw" } });
print(refused.call(#{}, there));
assert_eq([volumes.call(there), foreign.info.capacity], [["nomad_boot"], 1024 * 1024]);
foreign.delete();
print(refused.call(#{ bandwidth: 0 }, there));
print(refused.call(#{ bandwidth: 1, timeout: "2s" }, there));
assert_eq([here.domain("nomad").state, volumes.call(there), kept.call(there)], ["running", [], []]);

let moved = here.domain("nomad").migrate(there, how + #{ remove_source: true });
assert_eq([moved.state, moved.missing_volumes], ["running", []]);
// What is empty takes no room there.
let room = there.pool("default").volume("nomad_boot").info;
assert(room.capacity == 1 << 30 && room.allocation < 200 << 20, `${room}`);
assert_eq([volumes.call(here), kept.call(here), kept.call(there)], [[], [], ["192.168.150.77"]]);
moved.remove();
assert_eq([volumes.call(there), kept.call(there)], [[], []]);
"#;
    assert_eq!(
        prints(&script.replace("THERE", other.host.uri())),
        "later\nalready-exists\ninvalid-argument\ntimeout\n"
    );
}

#[test]
fn a_machine_that_is_off_moves_with_all_that_is_its_own() {
    let other = Other::up();
    let folder = "/var/lib/libvirt/tight";
    script(&["enter", &other.name, "sh", "-c", &format!("mkdir {folder} && mount -t tmpfs -o size=8m tight {folder}")]);
    let script = r#"
import "std/vm" as vm;
let here = connect();
let there = connect("THERE");
let volumes = |host| { let pool = host.pool("default"); pool.refresh(); pool.volumes().map(|one| one.name).filter(|name| name.starts_with("settler")) };
let kept = |host| host.network("lab").reservations().map(|one| `${one.addr}`);
let variables = |host| {
    let path = "/var/lib/libvirt/qemu/nvram";
    let known = host.pools().find(|pool| pool.definition.to_map().target?.path == path);
    let pool = known ?? host.create_pool(#{ type: "dir", name: "settler-variables", target: #{ path: path } });
    pool.refresh();
    let found = pool.volumes().map(|one| one.name).filter(|name| name.starts_with("settler"));
    let sum = if found.is_empty() { () } else { pool.volume(found[0]).download("variables"); run_program("sha256sum", ["variables"]).stdout };
    if known == () { pool.destroy(); }
    sum
};
write_file("settler.yaml", "name: settler\nvcpus: 1\nmemory: 192 MiB\ntype: qemu\nfirmware: efi\nguest: { hostname: settler }\nboot_disk: { size: 1 GiB, image: base }\n"
    + "data_disks: [ { size: 1 GiB, device: vdb } ]\ninterfaces: [ { network: lab, address: 192.168.150.78/24, gateway: 192.168.150.1 } ]\n");
vm::create("settler.yaml");
let settler = here.domain("settler");
settler.wait_for_agent(#{ timeout: "2m" });
settler.exec("/bin/sh", ["-c", "echo here to stay > /dev/vdb; sync"]);
let refused = |how| { try { here.domain("settler").migrate(there, how); return "moved"; } catch (err) { return err; } };
// The other node's name is known to nobody.
let unknown = refused.call(#{ copy_storage: true });
print(unknown.hints.some(|hint| hint.contains("uri: \"tcp://")));
settler.destroy();
settler.autostart = true;
let own = variables.call(here);
let off = refused.call(#{});
print(`${off.code} ${off.hints[0]}`);
let bare = refused.call(#{ offline: true });
print(`${bare.code} ${bare.message.contains("`settler_boot` in pool `default`")} ${bare.hints}`);
// Too large for the pool there.
let tight = |host| { let pool = host.define_pool(#{ type: "dir", name: "tight", target: #{ path: "/var/lib/libvirt/tight" } }); pool.build(); pool.start(); pool };
let large = tight.call(here).create_volume(#{ name: "settler_large", capacity: "16 MiB", target: #{ format: "raw" } });
let small = tight.call(there);
let extra = disk(#{ type: "volume", device: "disk", driver: #{ name: "qemu", type: "raw" }, source: #{ pool: "tight", volume: "settler_large" }, target: #{ dev: "vdc", bus: "virtio" } });
settler.attach_device(extra);
let full = refused.call(#{ copy_storage: true });
print(`${full.code} ${full.message.contains("needs 16 MiB in pool `tight`")}`);
settler.detach_device("vdc");
large.delete();
for pool in [here.pool("tight"), small] { pool.destroy(); pool.undefine(); }
// A name that libvirt refuses, when all is there.
print(refused.call(#{ copy_storage: true, name: "not/a/name" }).code);
settler.create_snapshot("before");
print(refused.call(#{ copy_storage: true }).message.contains("1 snapshots"));
settler.snapshot("before").delete();
assert_eq([volumes.call(there), kept.call(there), variables.call(there), settler.state], [[], [], (), "shut off"]);

let moved = settler.migrate(there, #{ copy_storage: true, remove_source: true });
assert_eq([moved.state, moved.autostart, moved.missing_volumes, kept.call(there)], ["shut off", true, [], ["192.168.150.78"]]);
assert_eq([here.find_domain("settler"), volumes.call(here), kept.call(here), variables.call(here)], [(), [], [], ()]);
assert_eq(variables.call(there), own);
assert(there.pool("default").volume("settler_data-vdb").info.allocation < 100 << 20);
moved.start();
moved.wait_for_agent(#{ timeout: "2m" });
print(moved.exec("/bin/sh", ["-c", "head -c 12 /dev/vdb"]).stdout);
moved.remove();
assert_eq([volumes.call(there), kept.call(there), variables.call(there)], [[], [], ()]);
"#;
    assert_eq!(
        prints(&script.replace("THERE", other.host.uri())),
        "true\ninvalid-state `copy_storage: true` takes its disks along\n\
         not-found true [\"`copy_storage: true` in place of `offline` brings the disks along\"]\nno-space true\n\
         invalid-definition\ntrue\nhere to stay\n"
    );
}
