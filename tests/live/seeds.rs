//! Seeds on the lab's host: by each way to a guest that reads them, taken out, and put in anew.

use super::labs::{column, run};
use super::program::{left, prints, program};
use std::process::Stdio;
use std::time::Instant;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGQw7kJXTrQxJxOZQXc0zT9P1Ff0rJrUX0hWkC3vNnR4 me";

/// A script that provisions the tiny guest with this seed and waits until it is up, and what follows.
fn provisioned(name: &str, disks: &str, seed: &str, more: &str) -> String {
    prints(&format!(
        r#"
let host = connect();
let pool = host.pool("default");
let me = guest(#{{ hostname: "{name}", ssh_authorized_keys: ["{KEY}"] }});
let vm = host.provision(#{{
    type: "qemu", name: "{name}", memory: "128 MiB", vcpu: 1,
    os: #{{ type: #{{ arch: "x86_64", machine: "q35", value: "hvm" }}, boot: "hd" }},
    features: #{{ acpi: true, tcg: #{{ tb_cache: "32 MiB" }} }},
    devices: #{{
        disks: [ {disks} #{{
            type: "volume", device: "disk", driver: #{{ name: "qemu", type: "qcow2" }},
            source: #{{ pool: "default", volume: "{name}.qcow2" }}, target: #{{ dev: "vda", bus: "virtio" }},
        }} ],
        interfaces: [ #{{ type: "network", source: #{{ network: "lab" }}, model: "virtio" }} ],
        serials: [ #{{ type: "file", source: #{{ path: "/var/lib/libvirt/images/{name}.log" }} }} ],
        channels: [ #{{ type: "unix", target: #{{ type: "virtio", name: "org.qemu.guest_agent.0" }} }} ],
    }},
}}, #{{ storage: [ #{{ name: "{name}.qcow2", image: pool.volume("base.qcow2") }} ], seed: {seed} }});
// The agent is one of the last things that the guest starts.
let up = || {{ vm.wait_for_ip(#{{ source: "agent", timeout: "3m" }}); }};
let inside = |path| vm.exec("/bin/cat", [path], #{{ check: true }}).stdout;
let line = |path| {{ let text = inside.call(path); text.trim(); text }};
up.call();
let console = || {{
    pool.refresh();
    pool.volume("{name}.log").download("console.log");
    read_file("console.log")
}};
let seeds = || vm.definition.to_map().devices.disks.filter(|disk| "readonly" in disk).map(|disk| `${{disk.target.dev}} ${{disk.target.bus}} ${{disk.device}}`);
{more}
print(vm.remove().volumes.map(|one| one.name));
pool.refresh();
pool.volume("{name}.log").delete();
"#
    ))
}

#[test]
fn a_seed_comes_by_virtio_and_is_read_changed_and_taken_out() {
    let out = provisioned(
        "seed-virtio",
        "",
        "me",
        r#"
print(seeds.call());
let said = console.call();
assert(said.contains("cidata dev=/dev/vdb"), said);
assert(said.contains("hostname seed-virtio instance-id iid-") && said.contains("keys=1"), said);
print(inside.call("/root/.ssh/authorized_keys").contains("AAAAC3NzaC1lZDI1NTE5AAAAIGQw7kJXTrQxJxOZQXc0zT9P1Ff0rJrUX0hWkC3vNnR4"));
let first = inside.call("/run/instance-id");
vm.set_seed(guest(#{ hostname: "other" }));
vm.destroy();
vm.start();
up.call();
print(line.call("/etc/hostname"));
print(inside.call("/run/instance-id") != first);
print(vm.eject_seed());
print(vm.eject_seed());
print(seeds.call());
"#,
    );
    let lines: Vec<_> = out.lines().collect();
    let expected =
        [r#"["vdb virtio disk"]"#, "true", "other", "true", "true", "false", "[]", r#"["seed-virtio.qcow2"]"#];
    assert_eq!(lines, expected);
    assert_eq!(left("seed-virtio"), "");
}

#[test]
fn a_seed_on_scsi_comes_after_the_installer_and_its_medium_changes_while_the_guest_runs() {
    let installer = r#"#{
        type: "volume", device: "cdrom", source: #{ pool: "default", volume: "seed-scsi-installer.iso" },
        target: #{ dev: "sda", bus: "sata" }, readonly: true,
    },"#;
    prints(
        r#"
write_file("readme", "installer");
connect().pool("default").upload_seed("seed-scsi-installer.iso", seed_from(".", #{ label: "installer" }));
"#,
    );
    let out = provisioned(
        "seed-scsi",
        installer,
        "#{ from: me, bus: \"scsi\" }",
        r#"
print(seeds.call());
let said = console.call();
assert(said.contains("cidata dev=/dev/sr"), said);
assert(said.contains("hostname seed-scsi "), said);
vm.set_seed(guest(#{ hostname: "other" }));
print(pool.volumes().map(|one| one.name).filter(|name| name.starts_with("seed-scsi-seed")));
vm.destroy();
vm.start();
up.call();
print(line.call("/etc/hostname"));
print(vm.eject_seed(#{ keep: true }));
print(vm.xml.contains("seed-scsi-seed"));
pool.volume("seed-scsi-seed.iso").delete();
pool.volume("seed-scsi-installer.iso").delete(#{ force: true });
"#,
    );
    let lines: Vec<_> = out.lines().collect();
    let expected = [
        r#"["sda sata cdrom", "sdb scsi cdrom"]"#,
        r#"["seed-scsi-seed.iso"]"#,
        "other",
        "true",
        "false",
        r#"["seed-scsi.qcow2"]"#,
    ];
    assert_eq!(lines, expected);
    assert_eq!(left("seed-scsi"), "");
}

#[test]
fn a_cd_rom_on_scsi_comes_to_a_running_machine_and_goes() {
    let out = provisioned(
        "seed-plugged",
        "",
        "me",
        r#"
let read = "mkdir -p /mnt/seed; until [ -b /dev/sr0 ]; do sleep 0.1; done; mount /dev/sr0 /mnt/seed; cat /mnt/seed/user-data";
let seen = || vm.exec("/bin/sh", ["-c", read + "; umount /mnt/seed"], #{ check: true }).stdout.split("\n")[1];
print(vm.eject_seed());
// The machine has no SCSI controller so far.
vm.set_seed(guest(#{ hostname: "first" }), #{ bus: "scsi" });
print(seeds.call());
print(seen.call());
vm.set_seed(guest(#{ hostname: "second" }));
print(seeds.call());
print(seen.call());
// What the guest has in use goes, too.
vm.exec("/bin/sh", ["-c", read], #{ check: true });
print(vm.eject_seed());
print(seeds.call());
print(vm.xml.contains("cdrom"));
"#,
    );
    let lines: Vec<_> = out.lines().collect();
    let expected = [
        "true",
        r#"["sda scsi cdrom"]"#,
        "hostname: first",
        r#"["sda scsi cdrom"]"#,
        "hostname: second",
        "true",
        "[]",
        "false",
        r#"["seed-plugged.qcow2"]"#,
    ];
    assert_eq!(lines, expected);
    assert_eq!(left("seed-plugged"), "");
}

#[test]
fn ignition_comes_by_the_firmware() {
    let out = provisioned(
        "seed-firmware",
        "",
        "#{ from: me, via: \"fw_cfg\" }",
        r#"
let config = inside.call("/sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw");
print(config == me.ignition());
print(pool.volume("seed-firmware-config.ign").definition.target.permissions.mode);
"#,
    );
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        ["true", "0400", r#"["seed-firmware.qcow2", "seed-firmware-config.ign"]"#]
    );
    assert_eq!(left("seed-firmware"), "");
}

#[test]
fn the_machine_tells_where_its_seed_is() {
    let out = provisioned(
        "seed-url",
        "",
        "#{ via: \"smbios\", url: \"http://192.168.150.1/seeds/web\" }",
        "print(line.call(\"/sys/class/dmi/id/product_serial\"));",
    );
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines, ["ds=nocloud-net;s=http://192.168.150.1/seeds/web/", r#"["seed-url.qcow2"]"#]);
    assert_eq!(left("seed-url"), "");
}

/// The number of the machine's disks, whether its seed is there and recorded, and the host name that the seed gives.
const SEED: &str = "let vm = connect().domain(\"sower\");
let disks = vm.definition.to_map().devices.disks;
let name = disks.find(|disk| \"readonly\" in disk).source.volume;
assert(vm.owned_volumes.some(|one| one.name == name), `${name} is not recorded`);
let seeds = connect().pool(\"default\").volumes().filter(|one| one.name.starts_with(\"sower_cloudinit\"));
assert(seeds.all(|seed| vm.owned_volumes.some(|one| one.name == seed.name)), \"a volume is nobody's\");
print(`${disks.len()} ${vm.seed_user_data.contains(\"hostname: odd\")}`);";

#[test]
fn a_killed_change_of_a_seed_leaves_a_seed_and_a_record_that_does_not_lie() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: sower\nvcpus: 1\nmemory: 64 MiB\nfirmware: bios\nmachine: pc\nguest: { hostname: even }\n\
                boot_disk: { size: 16 MiB, empty: true }\n";
    std::fs::write(folder.path().join("sower.yaml"), spec).expect("written");
    let create = ["vm", "create", "sower.yaml", "--start=false"];
    let odd = [&create[..], &["--set", "guest.hostname=odd"]].concat();
    let (to_odd, to_even) = ([&odd[..], &["--update"]].concat(), [&create[..], &["--update"]].concat());
    run(folder.path(), &create);
    let begin = Instant::now();
    run(folder.path(), &to_odd);
    let whole = begin.elapsed();
    run(folder.path(), &to_even);
    for part in 1..11 {
        let mut child = program(folder.path()).args(&to_odd).stdout(Stdio::null()).spawn().expect("the program starts");
        std::thread::sleep(whole * part / 10);
        child.kill().expect("killed");
        child.wait().expect("ended");
        run(folder.path(), &["recover", "--yes"]);
        let seed = prints(SEED);
        // What is told to be unchanged is.
        if seed == "2 false\n" {
            assert_ne!(column(folder.path(), &odd, "result"), ["unchanged"]);
        } else {
            assert_eq!(seed, "2 true\n");
            assert_ne!(column(folder.path(), &create, "result"), ["unchanged"]);
        }
        run(folder.path(), &to_even);
        assert_eq!(column(folder.path(), &create, "result"), ["unchanged"]);
        assert_eq!(prints(SEED), "2 false\n");
        // Whatever the killed run left, the seed has its name again, and nothing lies beside it.
        let seeds = prints("print(connect().domain(\"sower\").owned_volumes.map(|one| one.name));");
        assert_eq!(seeds.matches("_cloudinit").count(), 1, "{seeds}");
        assert!(seeds.contains("\"sower_cloudinit\""), "{seeds}");
    }
    // What fails around it does not take the new seed away, as the former one is gone.
    let fails = "let vm = connect().domain(\"sower\");
        try { transaction(|| { vm.set_seed(guest(#{ hostname: \"odd\" })); throw \"later\"; }); } catch {}";
    prints(fails);
    assert_eq!(prints(SEED), "2 true\n");
    run(folder.path(), &["vm", "destroy", "sower", "--yes"]);
    assert_eq!(left("sower"), "");
}

#[test]
fn a_running_machine_that_lost_its_seed_gets_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: bereft\nvcpus: 1\nmemory: 192 MiB\nfirmware: bios\nmachine: pc\nguest: { hostname: even }\n\
                boot_disk: { size: 1 GiB, image: base.qcow2 }\ninterfaces: [ { network: lab } ]\n";
    std::fs::write(folder.path().join("bereft.yaml"), spec).expect("written");
    let create = ["vm", "create", "bereft.yaml"];
    run(folder.path(), &create);
    // As a change that was killed between its steps leaves it; a guest gives a disk back once it is up.
    let vm = "let vm = connect().domain(\"bereft\");";
    let lose =
        format!("{vm} vm.wait_for_agent(#{{ timeout: \"5m\" }}); vm.detach_device(\"vdz\", #{{ apply: \"live\" }});");
    let has = || prints(&format!("{vm} print(vm.xml.contains(\"<target dev='vdz'\"));")) == "true\n";
    for more in [&[][..], &["--set", "guest.hostname=odd"]] {
        prints(&lose);
        assert!(!has());
        let create = [&create[..], more].concat();
        assert_eq!(column(folder.path(), &create, "result"), ["differs"]);
        assert_eq!(column(folder.path(), &[&create[..], &["--update"]].concat(), "result"), ["updated"]);
        assert!(has());
        assert_eq!(column(folder.path(), &create, "result"), ["unchanged"]);
    }
    run(folder.path(), &["vm", "destroy", "bereft", "--yes"]);
    assert_eq!(left("bereft"), "");
}
