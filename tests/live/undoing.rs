//! Whatever a transaction makes has an inverse, and each is verified.

use super::program::{prints, program, run, text};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// What the scripts share: `look` tells what there is of this name.
fn shared(name: &str) -> String {
    r#"
let host = connect();
let pool = host.pool("default");
let look = || {
    let there = host.domains().map(|vm| vm.name) + host.networks().map(|network| network.name)
        + host.pools().map(|pool| pool.name) + host.secrets().map(|secret| secret.name)
        + host.nwfilters().map(|filter| filter.name) + pool.volumes().map(|volume| volume.name);
    let told = "";
    for name in there { if name.starts_with("NAME") { told += name + " "; } }
    told
};
let disk = |name| #{ name: name, capacity: "8 MiB", target: #{ format: "qcow2", compat: "1.1" } };
let make = |name| {
    pool.create_volume(disk.call(name + ".qcow2"));
    let vm = host.define_domain(#{
        type: "qemu", name: name, memory: "32 MiB", vcpu: 1, os: #{ type: "hvm", boot: "hd" },
        devices: #{ disks: [ #{ type: "file", device: "disk", driver: #{ name: "qemu", type: "qcow2" },
            source: #{ file: pool.volume(name + ".qcow2").path }, target: #{ dev: "vda", bus: "virtio" } } ] },
    });
    vm.start();
    vm
};
"#
    .replace("NAME", name)
}

/// What is there before: a running domain and a network.
const BEFORE: &str = r#"
make.call("NAME-old");
host.define_network(#{ name: "NAME-net", bridge: #{ name: "virbr-NAME", stp: "off", delay: 0 }, ips: [ #{
    address: "192.168.SUBNET.1", prefix: 24, dhcp: #{ ranges: [ #{ start: "192.168.SUBNET.2", end: "192.168.SUBNET.9" } ] },
} ] }).start();
print(look.call());
"#;

/// One of everything.
const ALL: &str = r#"
let old = host.domain("NAME-old");
let network = host.network("NAME-net");
transaction(|| {
    host.define_secret(#{ ephemeral: "no", "private": "yes", usage: #{ type: "ceph", name: "NAME-secret" } });
    host.define_nwfilter(#{ name: "NAME-filter", chain: "root" });
    let built = host.define_pool(#{ type: "dir", name: "NAME-pool", target: #{ path: "/var/lib/libvirt/NAME-pool" } });
    built.build();
    built.start();
    built.create_volume(disk.call("NAME-inside.qcow2"));
    network.add("dhcp_host", #{ mac: "52:54:00:1a:17:01", name: "NAME", ip: "192.168.SUBNET.77" });
    let owner = #{ name: "NAME", uuid: "0f0e0d0c-0b0a-4009-8807-060504030SUBNET" };
    network.create_port(#{ uuid: "0f0e0d0c-0b0a-4009-8807-060504031SUBNET", owner: owner, mac: #{ address: "52:54:00:1a:17:02" } });
    host.create_nwfilter_binding(#{
        owner: owner, portdev: #{ name: "virbr-NAME" }, mac: #{ address: "52:54:00:1a:17:02" },
        filterref: #{ filter: "NAME-filter" },
    });
    network.add("dns_host", "<host ip='192.168.SUBNET.78'><hostname>NAME</hostname></host>");
    pool.clone_volume(disk.call("NAME-copy.qcow2"), built.volume("NAME-inside.qcow2"));
    old.create_snapshot("inside");
    old.create_snapshot(#{ name: "outside" }, #{ disk_only: true });
    make.call("NAME-new").create_checkpoint("moment");
    print(look.call());
    ENDING
});
"#;

/// Only what was there before is there, and it is as it was.
const AFTER: &str = r#"
let old = host.domain("NAME-old");
let network = host.network("NAME-net");
pool.refresh();
print(look.call());
assert(!network.xml.contains("NAME</hostname>") && !network.xml.contains("192.168.SUBNET.77"));
assert_eq(network.ports().len(), 0);
assert(!host.nwfilter_bindings().some(|binding| binding.device == "virbr-NAME"));
assert_eq(old.snapshots().len(), 0);
assert_eq(old.state, "running");
assert_eq(old.definition.devices.disks[0].source.file, pool.volume("NAME-old.qcow2").path);
let again = host.define_pool(#{ type: "dir", name: "NAME-pool", target: #{ path: "/var/lib/libvirt/NAME-pool" } });
try { again.start(); print("the directory is left"); } catch { }
again.undefine();
old.destroy();
old.undefine();
pool.volume("NAME-old.qcow2").delete();
network.destroy();
network.undefine();
"#;

fn script(name: &str, subnet: &str, body: &str) -> String {
    format!("{}{}", shared(name), body.replace("NAME", name).replace("SUBNET", subnet))
}

/// What `look` tells while all is there: two domains, a network, a pool, a secret, a filter, three volumes and the layer of a snapshot.
const MADE: usize = 10;

#[test]
fn everything_that_a_failed_transaction_made_is_taken_back() {
    let before = prints(&script("tall", "181", BEFORE));
    let failed = run(&script("tall", "181", &ALL.replace("ENDING", "throw \"enough\";")));
    let shown = format!("{}{}", text(&failed.stdout), text(&failed.stderr));
    assert_eq!(text(&failed.stdout).split_whitespace().count(), MADE, "{shown}");
    assert!(shown.contains("enough") && !shown.contains("cannot undo"), "{shown}");
    assert_eq!(prints(&script("tall", "181", AFTER)), before);
}

/// Runs a script until it prints something, kills it, and gives that.
fn killed_at_its_first_line(folder: &Path, script: &str) -> String {
    std::fs::write(folder.join("script.rhai"), script).expect("written");
    let mut child = program(folder).arg("script.rhai").stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it prints");
    child.kill().expect("killed");
    child.wait().expect("ended");
    line
}

#[test]
fn everything_that_a_killed_transaction_made_is_recovered() {
    let before = prints(&script("kall", "182", BEFORE));
    let folder = tempfile::tempdir().expect("a folder");
    let body = script("kall", "182", &ALL.replace("ENDING", "sleep(600);"));
    let line = killed_at_its_first_line(folder.path(), &body);
    assert_eq!(line.split_whitespace().count(), MADE, "{line}");
    let listed = program(folder.path()).args(["recover", "--list"]).output().expect("the program starts");
    assert_eq!(text(&listed.stdout).matches("to do").count(), 15, "{}", text(&listed.stdout));
    let recovered = program(folder.path()).args(["recover", "--yes"]).output().expect("the program starts");
    assert!(recovered.status.success(), "{}", text(&recovered.stdout));
    assert_eq!(prints(&script("kall", "182", AFTER)), before);
}

#[test]
fn what_somebody_makes_under_the_name_of_what_a_run_undoes_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = r#"transaction(|| {
        connect().pool("default").create_volume(#{ name: "wanted.raw", capacity: "2 MiB", target: #{ format: "raw" } });
        print("made");
        sleep(600);
    });"#;
    let uri = std::env::var("VMSCRIPT_LAB_URI").expect("VMSCRIPT_LAB_URI names the lab's libvirtd");
    for round in 0..2 {
        std::fs::write(folder.path().join("script.rhai"), script).expect("written");
        let mut undone = program(folder.path())
            .arg("script.rhai")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(undone.stdout.take().expect("piped")).read_line(&mut line).expect("it prints");
        assert_eq!(line, "made\n");
        // Whoever wants the name tries on and on, and has it as soon as it is free.
        let mut other = Command::new("virsh")
            .args(["-q", "-c", &uri])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("virsh starts");
        let mut lines = other.stdin.take().expect("piped");
        let sent = Command::new("kill").args(["-s", "INT", &undone.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        while undone.try_wait().expect("known").is_none() {
            writeln!(lines, "vol-create-as default wanted.raw 1M").expect("virsh reads");
        }
        writeln!(lines, "vol-create-as default wanted.raw 1M").expect("virsh reads");
        drop(lines);
        other.wait().expect("ended");
        let undone = undone.wait_with_output().expect("ended");
        let told = text(&undone.stderr);
        assert_eq!((undone.status.code(), told.contains("cannot undo")), (Some(130), false), "{round}: {told}");
        assert!(!told.contains("recover"), "{told}");
        let recovered = program(folder.path()).args(["recover", "--yes"]).output().expect("the program starts");
        assert_eq!(text(&recovered.stdout), "no killed run left anything to undo\n");
        let there = r#"let there = connect().pool("default").volume("wanted.raw"); print(there.info.capacity); there.delete();"#;
        assert_eq!(prints(there), "1048576\n");
    }
}

#[test]
fn what_somebody_made_under_the_name_of_what_a_killed_run_made_stays() {
    let script = r#"transaction(|| {
        connect().pool("default").create_volume(#{ name: "swapped.raw", capacity: "2 MiB", target: #{ format: "raw" } });
        print("made");
        sleep(600);
    });"#;
    let swap = r#"let pool = connect().pool("default");
        pool.volume("swapped.raw").delete();
        pool.create_volume(#{ name: "swapped.raw", capacity: "1 MiB", target: #{ format: "raw" } });"#;
    for (answered, told) in [(true, "it was changed after that run ended"), (false, "it is not what was asked for")] {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(killed_at_its_first_line(folder.path(), script), "made\n");
        let listed = program(folder.path()).args(["recover", "--list"]).output().expect("the program starts");
        assert!(text(&listed.stdout).ends_with(": to do\n"), "{}", text(&listed.stdout));
        prints(swap);
        // A run that was killed a while ago, or whose call was never answered.
        let journals = folder.path().join("state/vmscript/journal");
        let journal = std::fs::read_dir(journals).expect("listed").flatten().next().expect("a journal").path();
        if !answered {
            let lines = std::fs::read_to_string(&journal).expect("read");
            let said = |line: &&str| line.contains("\"answered\"") || line.contains("\"complete\"");
            let rest = lines.lines().filter(|line| !said(line)).map(|line| format!("{line}\n"));
            std::fs::write(&journal, rest.collect::<String>()).expect("written");
        }
        let ended = SystemTime::now() - Duration::from_secs(60);
        std::fs::File::options().append(true).open(&journal).expect("opened").set_modified(ended).expect("set");
        let recovered = program(folder.path()).args(["recover", "--yes"]).output().expect("the program starts");
        let (code, shown) = (recovered.status.code(), text(&recovered.stdout));
        assert!(code == Some(0) && shown.contains(told), "{answered} {code:?}: {shown}");
        assert!(shown.contains("`vmscript volume delete default swapped.raw` deletes it"), "{shown}");
        let there = r#"let there = connect().pool("default").volume("swapped.raw"); print(there.info.capacity); there.delete();"#;
        assert_eq!(prints(there), "1048576\n");
    }
}

/// Who types `:undo` takes back what the session made, not what has its name by then.
#[test]
fn what_others_made_under_a_name_of_the_session_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = format!("{} -e 'connect().pool(\"default\")", env!("CARGO_BIN_EXE_vmscript"));
    let volume = |size| {
        format!(".create_volume(#{{ name: \"retyped\", capacity: \"{size}\", target: #{{ format: \"raw\" }} }})")
    };
    let lines = [
        format!("host.pool(\"default\"){};", volume("1 MiB")),
        format!(":! {other}.volume(\"retyped\").delete()'; {other}{};'", volume("2 MiB")),
        ":undo".to_string(),
        "print(host.pool(\"default\").volume(\"retyped\").info.capacity);".to_string(),
        "host.pool(\"default\").volume(\"retyped\").delete();".to_string(),
    ];
    let mut child = program(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(format!("{}\n", lines.join("\n")).as_bytes()).expect("typed");
    let mut told = (String::new(), String::new());
    child.stdout.take().expect("a pipe").read_to_string(&mut told.0).expect("text");
    child.stderr.take().expect("a pipe").read_to_string(&mut told.1).expect("text");
    child.wait().expect("it ends");
    let refused = "did not delete volume `retyped` of pool `default`: it is not what was asked for";
    assert!(told.1.contains(refused) && told.0.contains("2097152"), "{told:?}");
}

/// Runs a body that takes back what it made: it shows what there is by then, and of the files just this one is told to stay.
fn leaves_but_names(name: &str, body: &str, there: &str, stays: &str) {
    let done = run(&script(name, "0", body));
    let (shown, told) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{shown}{told}");
    assert_eq!(shown, there, "{told}");
    assert_eq!((told.matches(" stays").count(), told.contains(stays)), (1, true), "{told}");
}

#[test]
fn a_snapshot_that_is_taken_back_leaves_no_layer_and_no_memory_unnamed() {
    let body = r#"
let old = make.call("NAME-old");
for file in ["/var/lib/libvirt/images/NAME.mem", "/var/lib/libvirt/NAME-out.mem"] {
    try {
        transaction(|| {
            let snapshot = #{ name: "all", memory: #{ snapshot: "external", file: file }, disks: #{ disks: [#{ name: "vda", snapshot: "external" }] } };
            old.create_snapshot(snapshot);
            throw "enough";
        });
    } catch (err) { assert_eq(err, "enough"); }
    assert_eq(old.snapshots().len(), 0);
}
pool.refresh();
print(look.call());
let outside = host.create_pool(#{ type: "dir", name: "NAME-outside", target: #{ path: "/var/lib/libvirt" } });
outside.volume("NAME-out.mem").delete();
outside.destroy();
// The layer of one that is off is merged as well.
old.destroy();
let before = old.definition.devices.disks[0].source.file;
try {
    transaction(|| {
        old.create_snapshot("off", #{ disk_only: true });
        assert(old.definition.devices.disks[0].source.file != before);
        throw "enough";
    });
} catch (err) { assert_eq(err, "enough"); }
assert_eq([old.snapshots().len(), old.state, old.definition.devices.disks[0].source.file], [0, "shut off", before]);
old.start();
old.destroy();
old.undefine();
pool.refresh();
assert_eq(pool.volumes().map(|one| one.name).filter(|name| name.starts_with("NAME")), ["NAME-old.qcow2"]);
pool.volume("NAME-old.qcow2").delete();
"#;
    let stays = "the memory of snapshot `all` stays in `/var/lib/libvirt/recalled-out.mem`";
    leaves_but_names("recalled", body, "recalled-old recalled-old.qcow2 \n", stays);
}

#[test]
fn the_memory_of_snapshots_goes_with_the_machine_that_made_it_and_is_named_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = r#"
let host = connect();
let pool = host.pool("default");
let make = |name| host.provision(#{
    type: "qemu", name: name, memory: "64 MiB", vcpu: 1, os: #{ type: "hvm" }, devices: #{ disks: [ #{
        type: "volume", device: "disk", driver: #{ name: "qemu", type: "qcow2" }, source: #{ pool: "default", volume: `${name}.qcow2` },
        target: #{ dev: "vda", bus: "virtio" } } ] },
}, #{ storage: [ #{ volume: #{ name: `${name}.qcow2`, capacity: "1 MiB", target: #{ format: "qcow2" } } } ] });
let images = "/var/lib/libvirt/images";
let kept = |name, file| #{ name: name, memory: #{ snapshot: "external", file: file }, disks: #{ disks: [ #{ name: "vda", snapshot: "no" } ] } };
let one = make.call("asleep");
one.create_snapshot(kept.call("own", `${images}/asleep-own.mem`));
one.create_snapshot(kept.call("outside", "/var/lib/libvirt/asleep-outside.mem"));
// As another tool makes it: nobody has recorded it.
one.create_snapshot(kept.call("foreign", `${images}/asleep-foreign.mem`));
let record = one.metadata("urn:vmscript:machine:1");
let other = record.split("\n").filter(|line| !line.contains("asleep-foreign")).reduce(|text, line| if text == () { line } else { text + line });
one.set_metadata("urn:vmscript:machine:1", "machine", other);
pool.refresh();
try { pool.volume("asleep-own.mem").delete(); } catch (err) { print(err.message); }
// Files of that name that its snapshots do not name are nobody's.
let two = make.call("asleep-too");
two.create_snapshot(kept.call("first", `${images}/asleep-too.mem`));
two.snapshot("first").delete(#{ metadata_only: true });
for name in ["asleep", "asleep-too"] {
    let vm = host.domain(name);
    assert_eq(vm.remove(#{ dry_run: true }), vm.remove(#{ dry_run: true }));
    let told = vm.remove(#{ dry_run: true });
    let gone = vm.remove();
    assert_eq([gone.volumes, gone.memories], [told.volumes, told.memories]);
    print(`${gone.volumes.map(|one| one.name)} ${gone.memories}`);
}
pool.refresh();
for volume in pool.volumes().filter(|one| one.name.starts_with("asleep")) { print(volume.name); volume.delete(); }
let outside = host.create_pool(#{ type: "dir", name: "asleep-outside", target: #{ path: "/var/lib/libvirt" } });
outside.volume("asleep-outside.mem").delete();
outside.destroy();
"#;
    std::fs::write(folder.path().join("asleep.rhai"), body).expect("written");
    let done = program(folder.path()).arg("asleep.rhai").output().expect("the program starts");
    let (shown, told) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{shown}{told}");
    assert_eq!(
        shown,
        "cannot delete volume `asleep-own.mem`: it is needed by domain `asleep` (snapshot `own`)\n\
         [\"asleep.qcow2\", \"asleep-own.mem\"] [\"/var/lib/libvirt/asleep-outside.mem\", \"/var/lib/libvirt/images/asleep-foreign.mem\"]\n\
         [\"asleep-too.qcow2\"] []\nasleep-foreign.mem\nasleep-too.mem\n",
        "{told}"
    );
}

#[test]
fn the_file_of_a_backup_that_is_taken_back_goes_or_is_named() {
    let body = r#"
let guest = make.call("NAME-saved");
let disk = |file| #{ disks: #{ disks: [#{ name: "vda", type: "file", target: #{ file: file }, driver: #{ type: "qcow2" } }] } };
guest.backup(disk.call("/var/lib/libvirt/images/NAME-kept.bak"), #{});
for file in ["/var/lib/libvirt/images/NAME.bak", "/var/lib/libvirt/NAME-out.bak"] {
    try { transaction(|| { guest.backup(disk.call(file), #{}); throw "enough"; }); } catch (err) { assert_eq(err, "enough"); }
}
try { guest.block_copy("vda", "/var/lib/libvirt/images/NAME-copy"); } catch (err) { assert_contains(err.hints[0], `source: #{ file: "/var/lib/libvirt/images/NAME-copy" }`); }
pool.refresh();
print(look.call());
let outside = host.create_pool(#{ type: "dir", name: "NAME-outside", target: #{ path: "/var/lib/libvirt" } });
outside.volume("NAME-out.bak").delete();
outside.destroy();
guest.destroy();
guest.undefine();
for one in ["saved.qcow2", "kept.bak"] { pool.volume(`NAME-${one}`).delete(); }
"#;
    let stays = "`/var/lib/libvirt/backed-out.bak` stays, a file that no pool knows";
    leaves_but_names("backed", body, "backed-saved backed-kept.bak backed-saved.qcow2 \n", stays);
}
