//! Handlers of events, ports, filters, keys, external snapshots and encrypted disks, with a guest that takes part.

use super::lab::{Guest, lab, wait};
use super::objects::shell;
use super::program::{left, prints, program, text};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vmscript::floor::Code;
use vmscript::libvirt::{Apply, Domain, Filter, Provision, Remove, Revert, Snap, Source};

/// Waits for what is sure to come; only a failing test waits long.
fn eventually(what: &str, check: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !check() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn handlers_hear_of_guests_secrets_and_pools_while_the_script_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = r#"
let host = connect();
let vm = host.define_domain(#{ type: "qemu", name: "heard", memory: "32 MiB", vcpu: 1, os: #{ type: "hvm" } });
let life = vm.on("lifecycle", |e| { print(`heard ${e.event}`); e.event });
let secrets = host.on("secret.lifecycle", |e| e.event);
let values = host.on("secret.value", |e| if e.name == "/heard" { false });
vm.start();
vm.destroy();
let secret = host.define_secret(#{ usage: #{ type: "volume", volume: "/heard" } });
secret.set_value("silence");
secret.undefine();
assert(values.wait("1m"), "the value's event ends its handler");
vm.undefine();
let end = 0;
while !life.results.contains("undefined") { sleep("50ms"); end += 1; assert(end < 1200, "no event of the end"); }
for event in ["started", "stopped", "undefined"] { assert(life.results.contains(event), event); }
assert(secrets.results.contains("defined"));
"#;
    std::fs::write(folder.path().join("script.rhai"), script).expect("written");
    let output = program(folder.path()).arg("script.rhai").output().expect("the program starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("heard started"), "{}", text(&output.stdout));
}

#[test]
fn a_running_guest_has_ports_filters_keys_and_addresses_that_can_be_seen() {
    let host = &lab().host;
    let filter = host.define_nwfilter("<filter name='live-quiet' chain='root'/>").expect("defined");
    let guest = Guest { name: "wired", mac: "52:54:00:1a:00:41", network: "lab", uefi: false };
    let xml = guest.xml().replace(
        "<model type='virtio'/></interface>",
        "<model type='virtio'/><filterref filter='live-quiet'/></interface>",
    );
    let wishes =
        Provision { storage: guest.storage(), wait: vec![(0, wait(120, &[Source::Agent]))], ..Provision::default() };
    let vm = host.provision(&xml, &wishes).expect("provisioned").domain;

    let ports = host.network("lab").expect("there").ports().expect("listed");
    assert!(ports.iter().any(|port| port.xml().is_ok_and(|xml| xml.contains(guest.mac))), "{ports:?}");
    let bindings = host.nwfilter_bindings().expect("listed");
    let binding =
        bindings.iter().find(|one| one.filter().is_ok_and(|name| name == "live-quiet")).expect("its filter is at work");
    assert!(vm.xml().expect("read").contains(binding.device()), "{binding:?}");
    assert_eq!(host.nwfilter_binding("vnet9999").expect_err("no such device").code, Code::NotFound);

    // The agent may know an address before the DHCP server has written it down; once it has, it is told each time.
    let only = Filter { name: Some("wired".into()), ..Filter::default() };
    let told = || {
        let stats = host.domain_stats(&["state", "addresses"], &only).expect("asked");
        let shown = serde_json::to_string(&stats).expect("data");
        shown.contains("\"addr\":\"192.168.150.") && shown.contains(guest.mac)
    };
    eventually("its address is told with its state", told);
    assert!(told());

    // The keyboard's events come to the guest.
    let before = shell(&vm, "cat /proc/interrupts | grep i8042 || true");
    vm.send_key(&["ctrl".into(), "KEY_A".into()], Duration::from_millis(50)).expect("pressed");
    if !before.is_empty() {
        eventually("the guest's keyboard controller saw the keys", || {
            shell(&vm, "cat /proc/interrupts | grep i8042 || true") != before
        });
    }
    guest.remove(&vm);
    filter.undefine().expect("undefined");
}

/// Where in the last MiB of the guest's disk the test writes, as options of `dd`.
const END: &str = "bs=1M KEY=$(($(cat /sys/block/vda/size) / 2048 - 1))";

fn note(vm: &Domain) -> String {
    shell(vm, &format!("dd if=/dev/vda {} count=1 2>/dev/null | head -c 3", END.replace("KEY", "skip")))
}

fn write_note(vm: &Domain, text: &str) {
    shell(vm, &format!("printf {text} | dd of=/dev/vda {} conv=fsync 2>/dev/null", END.replace("KEY", "seek")));
}

#[test]
fn an_external_snapshot_takes_a_guest_back_again_and_again() {
    let guest = Guest { name: "layers", mac: "52:54:00:1a:00:42", network: "lab", uefi: false };
    let agent = wait(120, &[Source::Agent]);
    let vm = guest.provision(Some(agent.clone())).expect("provisioned").domain;
    write_note(&vm, "one");
    let make = |name: &str| {
        let xml = format!(
            "<domainsnapshot><name>{name}</name><disks><disk name='vda' snapshot='external'/></disks></domainsnapshot>"
        );
        vm.create_snapshot(&xml, Snap { disk_only: true, atomic: true, ..Snap::default() }).expect("made")
    };
    let first = make("first");
    assert!(first.is_external().expect("known"));
    write_note(&vm, "two");
    let second = make("second");
    write_note(&vm, "new");
    let error = first.revert(Revert::default()).expect_err("it runs");
    assert!(matches!(error.code, Code::Busy | Code::Unsupported), "{error:?}");
    for (snapshot, kept) in [(&second, "two"), (&first, "one"), (&second, "two")] {
        vm.destroy(false).expect("destroyed");
        lab().pool.refresh().expect("refreshed");
        snapshot.revert(Revert { running: true, ..Revert::default() }).expect("taken back");
        vm.wait_for_ip(&agent).expect("booted");
        assert_eq!(note(&vm), kept);
        assert_eq!(vm.current_snapshot().expect("asked").expect("there is one").name(), snapshot.name());
        write_note(&vm, "bad");
    }
    let tree = vm.snapshot_tree().expect("asked");
    let shown = serde_json::to_string(&tree).expect("data");
    assert!(
        shown.starts_with(r#"[{"name":"first","current":false,"external":true,"children":[{"name":"second""#),
        "{shown}"
    );
    vm.destroy(false).expect("destroyed");
    lab().pool.refresh().expect("refreshed");
    let left = || {
        let all = lab().pool.volumes().expect("listed").into_iter();
        all.map(|one| one.name().to_string()).filter(|name| name.starts_with("layers.")).collect::<Vec<_>>()
    };
    // The base, the first layer, on which the second snapshot stands, and the one layer of now: no other was left behind.
    assert_eq!(left().len(), 3, "{:?}", left());
    // The pool knows of a new one at once.
    make("third");
    assert_eq!(left().len(), 4, "{:?}", left());
    let removed = vm.remove(&Remove::default()).expect("removed");
    assert_eq!((removed.volumes.len(), removed.missing.len()), (4, 0), "{removed:?}");
    lab().pool.refresh().expect("refreshed");
    assert_eq!(left(), [""; 0]);
    guest.assert_gone();
}

#[test]
fn a_guest_reads_an_encrypted_disk_that_a_secret_opens() {
    let host = &lab().host;
    let secret = host
        .define_secret("<secret private='yes'><usage type='volume'><volume>/sealed</volume></usage></secret>")
        .expect("defined");
    secret.set_value(b"open sesame").expect("set");
    let encryption =
        format!("<encryption format='luks'><secret type='passphrase' uuid='{}'/></encryption>", secret.uuid());
    let volume = lab()
        .pool
        .create_volume(&format!(
            "<volume><name>sealed.raw</name><capacity unit='MiB'>16</capacity><target><format type='raw'/>{encryption}</target></volume>"
        ))
        .expect("created with LUKS");
    let guest = Guest { name: "sealed", mac: "52:54:00:1a:00:43", network: "lab", uefi: false };
    let vm = guest.provision(Some(wait(120, &[Source::Agent]))).expect("provisioned").domain;
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'>{encryption}</source>
         <target dev='vdb' bus='virtio'/></disk>",
        volume.path().expect("known")
    );
    vm.attach_device(&disk, Apply::Both).expect("attached");
    eventually("the guest sees the disk", || shell(&vm, "cat /proc/partitions").contains("vdb"));
    shell(&vm, "printf treasure | dd of=/dev/vdb conv=fsync 2>/dev/null");
    assert_eq!(shell(&vm, "head -c 8 /dev/vdb"), "treasure");
    // What is on the host cannot be read without the secret.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sealed");
    vm.detach_device("vdb", Apply::Both).expect("detached");
    volume.download(&file).expect("downloaded");
    let data = std::fs::read(&file).expect("read");
    assert!(data.starts_with(b"LUKS"), "{:?}", &data[..8]);
    assert!(!data.windows(8).any(|window| window == b"treasure"), "the data is encrypted");
    guest.remove(&vm);
    volume.delete_unused().expect("deleted");
    secret.undefine().expect("undefined");
}

/// The program in a terminal of its own.
struct Terminal(PathBuf);

impl Terminal {
    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(&self.0).args(words).output();
        let output = output.expect("tmux is there: `scripts/setup test` installs it");
        assert!(output.status.success(), "tmux {words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn shows(&self, wanted: &str) -> bool {
        self.tmux(&["capture-pane", "-p"]).contains(wanted)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn the_terminal_is_lent_to_a_console_and_comes_back_as_it_was() {
    let guest = Guest { name: "talker", mac: "52:54:00:1a:00:44", network: "lab", uefi: false };
    let xml = guest.xml().replace("</devices>", "<serial type='pty'/></devices>");
    let wishes =
        Provision { storage: guest.storage(), wait: vec![(0, wait(120, &[Source::Agent]))], ..Provision::default() };
    let vm = lab().host.provision(&xml, &wishes).expect("provisioned").domain;
    let folder = tempfile::tempdir().expect("a folder");
    let terminal = Terminal(folder.path().join("tmux"));
    let own: &Path = folder.path();
    terminal.tmux(&[
        "-f",
        "/dev/null",
        "new-session",
        "-d",
        "-x",
        "100",
        "-y",
        "40",
        "-c",
        &own.display().to_string(),
        "sh",
    ]);
    let run = format!(
        "stty -g > before; {} -c '{}' vm console talker; echo ended with $?; stty -g | cmp - before && echo as it was",
        env!("CARGO_BIN_EXE_vmscript"),
        lab().uri
    );
    let lend = |end: &dyn Fn()| {
        terminal.tmux(&["send-keys", "clear", "Enter"]);
        terminal.tmux(&["send-keys", "-l", &run]);
        terminal.tmux(&["send-keys", "Enter"]);
        eventually("the console is open", || terminal.shows("Ctrl-] leaves it"));
        // The guest's shell on the console does what is typed; Ctrl-C goes to it and not to the program.
        eventually("the guest answers", || {
            terminal.tmux(&["send-keys", "C-c"]);
            terminal.tmux(&["send-keys", "-l", "echo $((1200 + 34))"]);
            terminal.tmux(&["send-keys", "Enter"]);
            std::thread::sleep(Duration::from_millis(500));
            terminal.shows("\n1234")
        });
        end();
        eventually("the terminal is as it was", || terminal.shows("\nas it was"));
        assert!(terminal.shows("ended with 0"), "{}", terminal.tmux(&["capture-pane", "-p"]));
    };
    lend(&|| drop(terminal.tmux(&["send-keys", "C-]"])));
    // The guest goes while somebody looks.
    lend(&|| vm.destroy(false).expect("destroyed"));
    assert!(terminal.shows("closed: the console of domain `talker`"), "{}", terminal.tmux(&["capture-pane", "-p"]));
    vm.start().expect("started");
    guest.remove(&vm);
}

#[test]
fn an_external_snapshot_of_a_machine_that_is_off_is_deleted() {
    let shown = prints(
        r#"
import "std/vm" as vm;
write_file("/tmp/quiet.yaml", "name: quiet\nvcpus: 1\nmemory: 128 MiB\nfirmware: bios\ntype: qemu\nboot_disk: { size: 1 GiB, image: base }\nseed: none\n");
vm::create("/tmp/quiet.yaml", #{ start: false });
let quiet = connect().domain("quiet");
let snap = |name| quiet.create_snapshot(#{ name: name, disks: #{ disks: [
    #{ name: "vda", snapshot: "external", source: #{ file: `/var/lib/libvirt/images/quiet.${name}` } },
] } }, #{ disk_only: true });
let first = snap.call("first");
snap.call("second");
// What others stand on is merged into what it stands on itself.
first.delete();
print(quiet.snapshots().map(|one| one.name));
print(quiet.definition.devices.disks[0].source.file);
vm::delete_snapshot("quiet", "second", #{ yes: true });
print(quiet.state);
print(quiet.definition.devices.disks[0].source.file);
assert_eq(quiet.snapshots(), []);
vm::destroy(["quiet"], #{ yes: true });
let pool = connect().pool("default");
pool.refresh();
assert_eq(pool.volumes().map(|one| one.name).filter(|name| name.starts_with("quiet")), []);
"#,
    );
    let folder = "/var/lib/libvirt/images";
    assert_eq!(shown, format!("[\"second\"]\n{folder}/quiet.second\nshut off\n{folder}/quiet_boot\n"));
}

#[test]
fn an_external_snapshot_survives_another_name() {
    let out = prints(
        r#"
let host = connect();
let pool = host.pool("default");
pool.create_volume(#{ name: "renaming.qcow2", capacity: "8 MiB", target: #{ format: "qcow2", compat: "1.1" } });
let vm = host.define_domain(#{
    type: "qemu", name: "renaming", memory: "32 MiB", os: #{ type: "hvm", boot: "hd" },
    devices: #{ disks: [ #{ type: "file", device: "disk", driver: #{ name: "qemu", type: "qcow2" },
        source: #{ file: pool.volume("renaming.qcow2").path }, target: #{ dev: "vda", bus: "virtio" } } ] },
});
vm.owned_volumes = [ #{ pool: "default", name: "renaming.qcow2" } ];
vm.create_snapshot("before", #{ disk_only: true });
let other = vm.rename("renamed");
other.snapshot("before").revert();
print(other.xml.contains("<name>renamed</name>"));
other.start();
other.destroy();
other.remove();
"#,
    );
    assert_eq!(out, "true\n");
    assert_eq!(left("renam"), "");
}

#[test]
fn states_of_disks_alone_are_kept_by_turns_while_a_machine_with_uefi_runs_and_while_it_is_off() {
    let out = prints(
        r#"
import "std/vm" as vm;
let host = connect();
write_file("turned.yaml", "name: turned\nvcpus: 1\nmemory: 192 MiB\ntype: qemu\nfirmware: efi\nguest: { hostname: turned }\n"
    + "boot_disk: { size: 1 GiB, image: base }\ndata_disks: [ { size: 1 GiB, device: vdb } ]\ninterfaces: [ { network: lab } ]\n");
vm::create("turned.yaml");
let turned = host.domain("turned");
let on = || turned.definition.to_map().devices.disks.filter(|disk| disk.readonly != true).map(|disk| disk.source.volume ?? disk.source.file.split("/").pop());
let own = || { let pool = host.pool("default"); pool.volumes().map(|one| one.name).filter(|name| name.starts_with("turned") && name.ends_with("qcow2")) };
try { vm::snapshot("turned", "all"); } catch (err) { print(`${err.code} ${err.hints[0].contains("disk_only: true")}`); }
vm::snapshot("turned", "first", #{ disk_only: true });
assert_eq(on.call(), ["turned_boot.first-1.qcow2", "turned_data-vdb.first-1.qcow2"]);
turned.snapshot("first").delete();
assert_eq([on.call(), own.call(), turned.state], [["turned_boot", "turned_data-vdb"], [], "running"]);
for is_running in [true, false] {
    if !is_running { turned.destroy(); }
    let made = [];
    for turn in [1, 2, 3] {
        if turn > 1 { sleep("1100ms"); }
        made.push(vm::snapshot("turned", if is_running { "hot" } else { "cold" }, #{ disk_only: true, keep: 2 })[0]);
    }
    assert_eq(made.map(|one| one.deleted.len()), [0, 0, 1]);
    assert_eq([on.call()[0], turned.state], [`turned_boot.${made[2].snapshot}-1.qcow2`, if is_running { "running" } else { "shut off" }]);
}
// Two states of two disks each time; a layer that was merged is none of the pool's any more.
assert_eq([own.call().len(), vm::snapshots("turned").len()], [8, 4]);
// A machine that goes back leaves later states aside, which can be forgotten: with them go the layers that nobody needs.
let names = turned.snapshots().map(|one| one.name);
turned.snapshot(names[1]).revert();
assert_eq(turned.state, "shut off");
for name in [names[3], names[2]] { turned.snapshot(name).delete(); }
assert_eq([turned.snapshots().map(|one| one.name), own.call().len()], [[names[0], names[1]], 4]);
// Its file still describes it.
assert_eq(vm::create("turned.yaml", #{ dry_run: true, start: false })[0].differences, []);
// Snapshots with the memory in a file name their layers, too.
let file = "/var/lib/libvirt/images/turned.mem";
turned.start();
turned.create_snapshot(#{ name: "whole", memory: #{ snapshot: "external", file: file } });
assert_eq(on.call(), ["turned_boot.whole-1.qcow2", "turned_data-vdb.whole-1.qcow2"]);
turned.remove();
"#,
    );
    assert_eq!(out, "unsupported true\n");
    assert_eq!(left("turned"), "");
}
