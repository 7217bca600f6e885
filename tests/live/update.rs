//! A running domain is changed to what its definition says.

use super::program::prints;

#[test]
fn an_update_is_live_where_it_can_be_and_all_or_nothing() {
    let shown = prints(
        r#"
let host = connect();
let pool = host.pool("default");
let disk = |name, size| pool.create_volume(#{ name: name, capacity: size, target: #{ format: "raw" } }).path;
let vm = host.provision(#{
    type: "qemu", name: "updated", memory: "160 MiB", vcpu: 1,
    os: #{ type: "hvm", boot: "hd" },
    features: #{ acpi: true, tcg: #{ tb_cache: "32 MiB" } },
    devices: #{
        disks: [ #{
            type: "volume", device: "disk", driver: #{ name: "qemu", type: "qcow2" },
            source: #{ pool: "default", volume: "updated.qcow2" }, target: #{ dev: "vda", bus: "virtio" },
        } ],
        interfaces: [ #{
            type: "network", source: #{ network: "lab" }, model: "virtio", wait_for_ip: #{ source: "agent", timeout: "120s" },
        } ],
        channels: [ #{ type: "unix", target: #{ type: "virtio", name: "org.qemu.guest_agent.0" } } ],
    },
}, #{ storage: [ #{ volume: #{
    name: "updated.qcow2", capacity: "1 GiB", target: #{ format: "qcow2" },
    backing_store: #{ path: pool.volume("base.qcow2").path, format: "qcow2" },
} } ] });
let paths = |changes| changes.map(|change| change.path);
let extra = disk.call("updated-extra.raw", "16 MiB");

let done = vm.update(|d| {
    d.title = "first";
    d.current_memory = "120 MiB";
    d.on_crash = "restart";
    d.devices.interfaces[0].link = "down";
    d.devices.disks.push(#{
        type: "file", device: "disk", driver: #{ name: "qemu", type: "raw" },
        source: #{ file: extra }, target: #{ dev: "vdx", bus: "virtio" },
    });
});
let nic = vm.definition.devices.interfaces[0].mac.address;
let live = paths.call(done.live);
for path in ["title", "current_memory.value", `devices.interface[${nic}].link`, "devices.disk[vdx]"] {
    assert(live.contains(path), `${path} is missing in ${live}`);
}
assert_eq(paths.call(done.needs_restart), ["on_crash"]);
assert_eq(done.next_boot, []);
let sees = || vm.exec("/bin/cat", ["/proc/partitions"]).stdout.contains("vdb");
wait(holds(sees), #{ timeout: "60s" });
assert_eq(vm.info.memory, 120 * 1024 * 1024);
assert_eq(vm.xml.contains("<link state='down'/>"), true);

// The limits of a disk, and its way out.
let limited = vm.update(|d| {
    let disk = d.devices.disks.find(|one| one.target.dev == "vdx");
    disk.iotune = #{ total_iops_sec: 500 };
});
assert_eq(paths.call(limited.live), ["devices.disk[vdx].iotune"]);
assert(vm.xml.contains("<total_iops_sec>500</total_iops_sec>"));

// A device that cannot come takes everything else with it.
try {
    vm.update(|d| {
        d.title = "never";
        d.devices.disks.push(#{
            type: "file", device: "disk", driver: #{ name: "qemu", type: "raw" },
            source: #{ file: "/nonexistent" }, target: #{ dev: "vdy", bus: "virtio" },
        });
    });
    throw "a missing file was taken";
} catch (err) { print(err.message); }
assert_eq(vm.definition.title, "first");
assert(!vm.xml.contains("never"));
assert_eq(vm.definition.devices.disks.len(), 2);

let gone = vm.update(|d| {
    d.devices.disks.remove(1);
    d.devices.interfaces[0].link = ();
});
assert_eq(gone.live.len(), 2);
wait(holds(|| !sees.call()), #{ timeout: "60s" });
assert(!vm.update(vm.definition).changed);
vm.destroy();
vm.undefine();
for name in ["updated.qcow2", "updated-extra.raw"] { pool.volume(name).delete(); }
"#,
    );
    assert!(shown.contains("cannot attach disk `vdy` to domain `updated`"), "{shown}");
}

#[test]
fn a_screen_goes_with_the_next_start() {
    prints(
        r#"
let host = connect();
let vm = host.define_domain(#{
    type: "qemu", name: "screened", memory: "64 MiB", vcpu: 1, os: #{ type: "hvm" },
    devices: #{ graphics: [ #{ type: "vnc", autoport: true } ] },
});
vm.start();
let done = vm.update(|d| { d.devices.graphics.remove(0); });
assert_eq([done.live, done.needs_restart.map(|change| change.path)], [[], ["devices.graphics[0]"]]);
assert(vm.xml.contains("<graphics") && !vm.definition.xml.contains("<graphics"));
vm.destroy();
vm.undefine();
"#,
    );
}

/// A machine without an operating system, in which nobody gives a device back, and disks for it.
const EMPTY: &str = r#"
let host = connect();
let pool = host.pool("default");
let volume = |name| #{ volume: #{ name: name, capacity: "1 MiB", target: #{ format: "qcow2" } } };
let disk = |name, dev| #{
    type: "volume", device: "disk", driver: #{ name: "qemu", type: "qcow2" },
    source: #{ pool: "default", volume: name }, target: #{ dev: dev, bus: "virtio" },
};
let vm = host.provision(#{
    type: "qemu", name: "NAME", memory: "64 MiB", vcpu: 1, os: #{ type: #{ machine: "q35", value: "hvm" } },
    devices: #{ disks: [disk.call("NAME-a", "vda")] },
}, #{ storage: [volume.call("NAME-a")] });
let owned = || vm.owned_volumes.map(|one| one.name);
"#;

#[test]
fn a_disk_that_a_guest_does_not_give_back_stays_its_own() {
    let script = format!(
        "{EMPTY}{}",
        r#"
vm.suspend();
let missing = #{
    type: "file", device: "disk", driver: #{ name: "qemu", type: "raw" },
    source: #{ file: "/nowhere/NAME" }, target: #{ dev: "vdc", bus: "virtio" },
};
let grown = || { let d = vm.definition.copy(); d.devices.disks.push(disk.call("NAME-b", "vdb")); d };
let wanted = grown.call();
wanted.devices.disks.push(missing);
let failed = "";
try { vm.update(wanted, #{ storage: [volume.call("NAME-b")] }); } catch (err) { failed = `${err.message} ${err.notes}`; }
assert_contains(failed, "/nowhere/NAME");
assert_contains(failed, "does not give it back");
assert_eq(owned.call(), ["NAME-a", "NAME-b"]);
assert_eq(vm.definition.devices.disks.len(), 1);
// The same goes on with what is there.
let done = vm.update(grown.call(), #{ storage: [] });
assert_eq(done.live.map(|one| one.path), ["devices.disk[vdb]"]);
assert_eq(vm.definition.devices.disks.len(), 2);
assert_eq(vm.remove().volumes.map(|one| one.name), ["NAME-a", "NAME-b"]);
assert_eq(pool.find_volume("NAME-b"), ());
print("done");
"#
    );
    assert_eq!(prints(&script.replace("NAME", "stuck-disk")), "done\n");
}

#[test]
fn a_start_that_leaves_questions_out_is_told_and_taken_back() {
    let shown = prints(
        r#"
import "std/vm" as vm;
let file = "/tmp/quick.yaml";
let plain = "name: quick\nvcpus: 1\nmemory: 128 MiB\nfirmware: bios\ntype: qemu\nboot_disk: { size: 1 GiB, image: base }\nseed: none\n";
let quick = plain + "domain: { qemu_capabilities: { dels: [ { capability: cpu-unavailable-features } ] } }";
let result = |text, update| { write_file(file, text); vm::create(file, #{ update: update })[0] };
print(result.call(quick, false).result);
assert(connect().domain("quick").messages.some(|one| one.contains("tainted")));
print(result.call(quick, false).result);
print(result.call(plain, false).differences.map(|one| one.path));
vm::stop(["quick"], #{ force: true });
print(result.call(plain, true).result);
assert(!connect().domain("quick").xml.contains("qemu:capabilities"));
vm::destroy(["quick"], #{ yes: true });
"#,
    );
    assert_eq!(shown, "created\nunchanged\n[\"qemu_capabilities\"]\nupdated\n");
}

#[test]
fn what_finds_no_slot_goes_with_the_next_start() {
    let script = format!(
        "{EMPTY}{}",
        r#"
let wanted = vm.definition.copy();
let storage = [];
for letter in ["b", "c", "d", "e", "f"] {
    wanted.devices.disks.push(disk.call(`NAME-${letter}`, `vd${letter}`));
    storage.push(volume.call(`NAME-${letter}`));
}
let done = vm.update(wanted, #{ storage: storage });
assert_eq(done.live.len() + done.needs_restart.len(), 5);
assert_contains(done.needs_restart.map(|one| one.path), "devices.disk[vdf]");
let spare = "<disk type='volume'><source pool='default' volume='NAME-f'/><target dev='vdg' bus='virtio'/></disk>";
let error = assert_error("unsupported", || vm.attach_device(spare, #{ apply: "live" }));
assert_contains(`${error.hints}`, "stop it first");
vm.destroy();
vm.start();
assert_contains(vm.xml, "NAME-f");
assert_eq(vm.remove().volumes.len(), 6);
print("done");
"#
    );
    assert_eq!(prints(&script.replace("NAME", "slots")), "done\n");
}
