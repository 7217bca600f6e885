//! What goes wrong on a host: each fault ends in the right error, and nothing is left. These break the lab's host for
//! everybody, and therefore run one by one, after the other live tests.

mod daemon;
mod program;

use program::{left, prints, program, provision, run, text};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use vmscript::repl::{Repl, Surroundings};
use vmscript::script::Settings;

/// Runs a command inside the lab's node, whose folder the URI tells.
fn node(action: &str, words: &[&str]) -> Output {
    let uri = std::env::var("VMSCRIPT_LAB_URI").expect("VMSCRIPT_LAB_URI names the lab's libvirtd");
    let folder = uri.split("socket=").nth(1).and_then(|socket| socket.strip_suffix("/run/libvirt-sock"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab/node");
    let mut command = Command::new(script);
    command.arg(action).arg(folder.expect("the URI names the node's socket")).args(words);
    command.output().expect("the lab's script runs")
}

fn inside(script: &str) -> String {
    let output = node("enter", &["sh", "-c", script]);
    assert!(output.status.success(), "{script}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What libvirt keeps beside domains and volumes: UEFI variables, the state of TPMs, addresses and names in networks.
fn kept() -> String {
    let files =
        inside("find /var/lib/libvirt/qemu/nvram /var/lib/libvirt/swtpm -mindepth 1 -maxdepth 1 2>/dev/null || true");
    let reserved = prints(r#"for kept in connect().network("lab").reservations() { print(kept); }"#);
    format!("{files}{reserved}")
}

/// The journals that a run left in its folder.
fn journals(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("state/vmscript/journal")).map_or(0, |entries| entries.flatten().count())
}

/// Eight machines without an operating system, made side by side, with all that may be left of one: two with UEFI variables,
/// two with a TPM, two with an address that the network reserves. They run until the end of the transaction.
const EIGHT: &str = r#"
let host = connect();
transaction(|| {
    parallel(["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"], |name| {
        let definition = #{
            type: "qemu", name: name, memory: "32 MiB", vcpu: 1, os: #{ type: "hvm", boot: "hd" },
            devices: #{
                disks: [ #{ type: "volume", device: "disk", driver: #{ name: "qemu", type: "raw" },
                            source: #{ pool: "default", volume: name + ".raw" }, target: #{ dev: "vda", bus: "virtio" } } ],
                interfaces: [ #{ type: "network", source: #{ network: "lab" }, model: "virtio" } ],
            },
        };
        let number = name.sub_string(1).parse_int();
        if number <= 2 {
            definition.features = #{ acpi: true };
            definition.os = #{ firmware: "efi", type: #{ arch: "x86_64", machine: "q35", value: "hvm" }, boots: [ #{ dev: "hd" } ] };
        } else if number <= 4 {
            definition.devices.tpms = [ #{ model: "tpm-tis", backend: #{ type: "emulator", version: "2.0" } } ];
        } else if number <= 6 {
            definition.devices.interfaces[0].static_ip = #{ address: `192.168.150.${240 + number}/24`, via: "dhcp" };
        }
        host.provision(definition, #{ storage: [ #{ volume: #{ name: name + ".raw", capacity: "1 MiB", target: #{ format: "raw" } } } ] });
        print(name);
    });
    sleep(60);
});
"#;

#[test]
fn what_a_killed_run_made_is_recovered_whenever_it_was_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("eight.rhai"), EIGHT).expect("written");
    let before = kept();
    let recover = || program(folder.path()).args(["recover", "--yes"]).output().expect("the program starts");
    for round in 0..20_u64 {
        let mut child = program(folder.path())
            .arg("eight.rhai")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        // Spread over the time that the eight take, in an order that is not that of time.
        std::thread::sleep(Duration::from_millis(50 + round * 7 % 20 * 150));
        child.kill().expect("killed");
        child.wait().expect("ended");
        // Two recoveries at once do not disturb each other.
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(recover);
            (recover(), other.join().expect("the other ends"))
        });
        assert!(one.status.success() && other.status.success(), "{}{}", text(&one.stdout), text(&other.stdout));
        assert_eq!((left("k"), journals(folder.path())), (String::new(), 0), "round {round}");
        assert_eq!(kept(), before, "round {round}");
    }
}

/// A machine with an address that is reserved and named, and with a volume that is its own without a disk on it.
const TWICE: &str = r#"
let host = connect();
transaction(|| {
    host.provision(#{
        type: "qemu", name: "twice", memory: "32 MiB", vcpu: 1, os: #{ type: "hvm", boot: "hd" },
        devices: #{
            disks: [ #{ type: "volume", device: "disk", driver: #{ name: "qemu", type: "raw" },
                        source: #{ pool: "default", volume: "twice.raw" }, target: #{ dev: "vda", bus: "virtio" } } ],
            interfaces: [ #{ type: "network", source: #{ network: "lab" }, model: "virtio",
                            static_ip: #{ address: "192.168.150.36/24", via: "dhcp", dns_name: "twice" } } ],
        },
    }, #{ storage: ["twice.raw", "twice.log"].map(|name| #{ volume: #{ name: name, capacity: "1 MiB", target: #{ format: "raw" } } }) });
    print("made");
    if args.len() > 0 { sleep(600); }
});
"#;

#[test]
fn a_machine_that_took_the_place_of_a_killed_runs_is_left_whole() {
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let before = format!("{}{}", left("twice"), kept());
    // The second machine is made by the same user, whose journal is there to be struck, and by another one.
    for second in [folder.path(), other.path()] {
        for place in [folder.path(), other.path()] {
            std::fs::write(place.join("twice.rhai"), TWICE).expect("written");
        }
        let mut child = program(folder.path())
            .args(["twice.rhai", "stay"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it prints");
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert_eq!(line, "made\n");
        for args in [vec!["vm", "destroy", "twice", "--yes"], vec!["twice.rhai"]] {
            let output = program(second).args(&args).output().expect("the program starts");
            assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        }
        let whole = format!("{}{}", left("twice"), kept());
        assert!(whole.contains("twice.raw") && whole.contains("192.168.150.36"), "{whole}");
        let output = program(folder.path()).args(["recover", "--yes"]).output().expect("the program starts");
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(journals(folder.path()), 0, "{}", text(&output.stdout));
        assert_eq!(format!("{}{}", left("twice"), kept()), whole, "{}", text(&output.stdout));
        prints(
            r#"let host = connect(); assert(host.network("lab").xml.contains("<hostname>twice<"));
            assert_eq(host.domain("twice").state, "running"); host.domain("twice").remove();"#,
        );
        assert_eq!(format!("{}{}", left("twice"), kept()), before);
    }
}

#[test]
fn a_removal_that_is_stopped_tells_what_is_gone_and_what_stands() {
    for signal in ["INT", "TERM"] {
        prints(
            r#"let host = connect();
            for name in ["gone", "stands"] {
                host.provision(#{
                    type: "qemu", name: name, memory: "32 MiB", vcpu: 1, os: #{ type: "hvm", boot: "hd" },
                }, #{ start: name == "stands", storage: [ #{ volume: #{ name: name + ".raw", capacity: "1 MiB", target: #{ format: "raw" } } } ] });
            }"#,
        );
        let folder = tempfile::tempdir().expect("a folder");
        // Without an operating system the second one ignores the power button.
        let child = program(folder.path())
            .args(["-q", "vm", "destroy", "gone", "stands", "--yes", "--parallel", "1", "--timeout", "10min"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let end = Instant::now() + Duration::from_secs(30);
        while !left("gone").is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        let output = child.wait_with_output().expect("ended");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{told}");
        let stands =
            told.contains("domain `stands` is there with all its volumes") || told.contains("not begun: `stands`");
        let gone = told.contains("done: `gone`") || told.contains("domain `gone` is removed");
        assert!(stands && gone, "{told}");
        assert!(left("stands").contains("stands.raw"), "{}", left("stands"));
        prints(r#"connect().domain("stands").remove();"#);
    }
}

#[test]
fn ctrl_c_and_sigterm_leave_nothing_of_eight() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("eight.rhai"), EIGHT.replace("\"k", "\"i")).expect("written");
    let before = kept();
    for signal in ["INT", "TERM"] {
        let mut child = program(folder.path()).arg("eight.rhai").stdout(Stdio::null()).spawn().expect("it starts");
        let end = Instant::now() + Duration::from_secs(30);
        while left("i").lines().count() < 6 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        assert_eq!(child.wait().expect("ended").code(), Some(130));
        assert_eq!((left("i"), journals(folder.path())), (String::new(), 0), "{signal}");
        assert_eq!(kept(), before, "{signal}");
    }
}

/// Sends a run a signal.
fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[test]
fn new_disks_that_a_machine_never_ran_with_do_not_cost_it_the_old_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: never\nvcpus: 1\nmemory: 64 MiB\nfirmware: bios\nmachine: pc\nguest: { hostname: never }\n\
                boot_disk: { size: 64 MiB, image: base.qcow2 }\ndata_disks: [ { device: vdb, size: 16 MiB } ]\n";
    std::fs::write(folder.path().join("never.yaml"), spec).expect("written");
    let done = |args: &[&str]| {
        let output = program(folder.path()).args(args).output().expect("the program starts");
        let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {told}");
        told
    };
    done(&["vm", "create", "never.yaml"]);
    let before = left("never");
    let disks = || {
        prints(r#"print(connect().domain("never").definition.to_map().devices.disks.map(|disk| disk.source.volume));"#)
    };
    let had = disks();
    // Whoever asks twice to stop cuts the connection; the start goes on without it, and fails.
    for signals in [&["INT", "INT"][..], &["KILL"]] {
        inside("echo 3 > /run/libvirt/fault/sleep-started; echo yes > /run/libvirt/fault/fail-started");
        let child = program(folder.path())
            .args(["vm", "repave", "never.yaml", "--yes"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let end = Instant::now() + Duration::from_secs(30);
        while disks() == had && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(500));
        for name in signals {
            signal(&child, name);
            std::thread::sleep(Duration::from_millis(100));
        }
        let told = text(&child.wait_with_output().expect("ended").stderr);
        let end = Instant::now() + Duration::from_secs(30);
        while prints(r#"print(connect().domain("never").is_active);"#) == "true\n" && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
        inside("rm /run/libvirt/fault/sleep-started /run/libvirt/fault/fail-started");
        if *signals == ["KILL"] {
            assert_eq!(journals(folder.path()), 1);
            for args in [&["recover", "--list"][..], &["recover", "--yes"]] {
                let told = done(args);
                for (volume, is_to_do) in [("never_boot-2`", true), ("never_boot`", false)] {
                    let line = told.lines().find(|line| line.contains(volume)).expect("it is told");
                    assert_eq!(!line.ends_with("nothing is there"), is_to_do, "{told}");
                }
            }
        } else {
            assert!(told.contains("note: domain `never` has the disks that it had"), "{told}");
            assert!(!told.contains("cannot undo") && !told.contains("hint:"), "{told}");
        }
        assert_eq!((disks(), left("never"), journals(folder.path())), (had.clone(), before.clone(), 0), "{told}");
        prints(r#"let vm = connect().domain("never"); if !vm.is_active { vm.start(); }"#);
    }
    done(&["vm", "destroy", "never", "--yes"]);
    assert_eq!(left("never"), "");
}

#[test]
fn a_volume_that_takes_the_place_of_another_is_there_whenever_the_run_is_broken_off() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, byte, size) in [("old.raw", 1_u8, 8 << 20), ("new.raw", 2, 96 << 20)] {
        std::fs::write(folder.path().join(name), vec![byte; size]).expect("written");
    }
    let upload = |file: &str| {
        let mut command = program(folder.path());
        command.args(["volume", "upload", "default", file, "--name", "place.raw", "--force"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let is_begun = || {
        let entries = std::fs::read_dir(folder.path().join("state/vmscript/journal")).into_iter().flatten().flatten();
        let mut texts = entries.into_iter().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
        texts.any(|text| text.contains("\"replacement\""))
    };
    let mut broken = 0;
    for (name, pause) in [("KILL", 0), ("KILL", 60), ("KILL", 150), ("INT", 80)] {
        assert!(upload("old.raw").status().expect("the program starts").success());
        let mut child = upload("new.raw").spawn().expect("the program starts");
        while !is_begun() && child.try_wait().expect("asked").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(pause));
        if child.try_wait().expect("asked").is_none() {
            signal(&child, name);
            broken += 1;
        }
        child.wait().expect("ended");
        let output = program(folder.path()).args(["recover", "--yes"]).output().expect("the program starts");
        assert!(output.status.success(), "{}", text(&output.stdout));
        assert_eq!(left("place"), "place.raw\n", "{name} {pause}: {}", text(&output.stdout));
        let holds = r#"let volume = connect().pool("default").volume("place.raw");"#;
        let [new, old] = ["new.raw", "old.raw"].map(|file| {
            let file = folder.path().join(file).display().to_string();
            prints(&format!(r#"{holds} print(volume.holds("{file}"));"#)) == "true\n"
        });
        // Before the old one goes, which is soon after the first line, it may stay.
        assert!(new || old, "{name} {pause}: {}", text(&output.stdout));
    }
    assert!(broken > 0, "each of them had come to its end");
    prints(r#"connect().pool("default").volume("place.raw").delete();"#);
}

#[test]
fn a_hook_that_fails_a_start_is_told_and_undone() {
    inside("echo yes > /run/libvirt/fault/fail-start");
    let output = run(&provision("hooked", "wait_for_ip: true", ""));
    inside("rm /run/libvirt/fault/fail-start");
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{shown}");
    assert!(shown.contains("cannot start domain `hooked`") && shown.contains("injected fault"), "{shown}");
    assert_eq!(left("hooked"), "");
}

#[test]
fn a_full_pool_is_told_and_undone() {
    inside("mkdir -p /run/libvirt/small && mount -t tmpfs -o size=8m none /run/libvirt/small");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("big.img"), vec![7; 16 << 20]).expect("written");
    let script = r#"
let host = connect();
let pool = host.create_pool(#{ type: "dir", name: "small", target: #{ path: "/run/libvirt/small" } });
try {
    host.provision(#{ type: "qemu", name: "full", memory: "32 MiB", os: #{ type: "hvm" } },
        #{ storage: [ #{ pool: "small", name: "big.img", from: "big.img" } ] });
} catch (err) {
    print(err.code);
}
print(pool.volumes().len());
pool.destroy();
"#;
    std::fs::write(folder.path().join("script.rhai"), script).expect("written");
    let output = program(folder.path()).arg("script.rhai").output().expect("the program starts");
    inside("umount /run/libvirt/small");
    assert_eq!(text(&output.stdout), "no-space\n0\n", "{}", text(&output.stderr));
    assert_eq!((left("full"), journals(folder.path())), (String::new(), 0));
}

#[test]
fn a_pool_that_cannot_be_written_is_told_and_undone() {
    inside(
        "mkdir -p /run/libvirt/fixed && mount --bind /run/libvirt/fixed /run/libvirt/fixed && mount -o remount,ro,bind /run/libvirt/fixed",
    );
    let output = run(r#"
let host = connect();
let pool = host.create_pool(#{ type: "dir", name: "fixed", target: #{ path: "/run/libvirt/fixed" } });
try {
    host.provision(#{ type: "qemu", name: "fixed", memory: "32 MiB", os: #{ type: "hvm" } },
        #{ storage: [ #{ pool: "fixed", volume: #{ name: "a.raw", capacity: "1 MiB", target: #{ format: "raw" } } } ] });
} catch (err) {
    print(err.code);
}
pool.destroy();
"#);
    inside("umount /run/libvirt/fixed");
    assert_eq!(text(&output.stdout), "permission-denied\n", "{}", text(&output.stderr));
    assert_eq!(left("fixed"), "");
}

#[test]
fn one_wait_for_many_names_each_failure() {
    let script = r#"
let host = connect();
host.create_network(#{ name: "mute", bridge: #{ name: "virbr9", stp: "off", delay: 0 },
                       ips: [ #{ address: "192.168.152.1", prefix: 24 } ] });
let make = |name, network, seed| {
    let base = host.pool("default").volume("base.qcow2");
    let boots = seed != ();
    let disk = if boots {
        #{ volume: #{ name: name + ".qcow2", capacity: "1 GiB", target: #{ format: "qcow2" },
                      backing_store: #{ path: base.path, format: "qcow2" } } }
    } else {
        #{ volume: #{ name: name + ".qcow2", capacity: "1 MiB", target: #{ format: "qcow2" } } }
    };
    host.provision(#{
        type: "qemu", name: name, memory: "128 MiB", vcpu: 1, os: #{ type: "hvm", boot: "hd" },
        features: #{ acpi: true, tcg: #{ tb_cache: "32 MiB" } },
        devices: #{
            disks: [
                #{ type: "volume", device: "disk", driver: #{ name: "qemu", type: "qcow2" },
                   source: #{ pool: "default", volume: name + ".qcow2" }, target: #{ dev: "vda", bus: "virtio" } },
                #{ type: "volume", device: "disk", readonly: true, driver: #{ name: "qemu", type: "raw" },
                   source: #{ pool: "default", volume: name + ".iso" }, target: #{ dev: "vdb", bus: "virtio" } },
            ],
            interfaces: [ #{ type: "network", source: #{ network: network }, model: "virtio" } ],
            channels: [ #{ type: "unix", target: #{ type: "virtio", name: "org.qemu.guest_agent.0" } } ],
        },
    }, #{ storage: [ disk, #{ name: name + ".iso", from: cloud_init(seed ?? #{ user_data: #{} }) } ] })
};
let still = #{ user_data: #{}, network_config: #{ version: 2, ethernets: #{ nic: #{ "match": #{ name: "e*" }, addresses: ["192.168.152.7/24"] } } } };
let guests = [
    ["m-lease1", "lab", #{ user_data: #{} }], ["m-lease2", "lab", #{ user_data: #{} }], ["m-lease3", "lab", #{ user_data: #{} }],
    ["m-lease4", "lab", #{ user_data: #{} }], ["m-lease5", "lab", #{ user_data: #{} }],
    ["m-agent", "mute", still], ["m-killed", "lab", ()], ["m-silent", "mute", ()],
];
transaction(|| {
    let vms = parallel(guests, |guest| make.call(guest[0], guest[1], guest[2]));
    try {
        let wait_for = vms.map(|vm| ip(vm));
        wait_for.push(holds(|| { vms[6].destroy(); true }));
        wait_all(wait_for, #{ timeout: "3m", on_error: "continue" });
    } catch (err) {
        for one in err.failures { print(`${one.object}: ${one.code}`); }
    }
    for vm in vms.extract(0..6) {
        let found = vm.wait_for_ip(#{ timeout: "10s" });
        // What the guest itself says is the measure of what the wait found.
        let own = vm.wait_for_ip(#{ timeout: "2m", source: "agent" });
        assert_eq(found.addr, own.addr);
        print(`${vm.name}: ${found.addr} ${found.source}`);
    }
    exit(7);
});
"#;
    let output = run(script);
    prints("connect().network(\"mute\").destroy()");
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(7), "{shown}{}", text(&output.stderr));
    assert!(shown.contains("domain m-killed: guest-stopped\ndomain m-silent: timeout\n"), "{shown}");
    assert_eq!(shown.matches(": 192.168.150.").count(), 5, "{shown}");
    assert!(shown.contains("m-agent: 192.168.152.7 agent"), "{shown}");
    assert_eq!(left("m-"), "");
}

#[test]
fn a_frozen_qemu_ends_in_a_timeout_and_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = provision("frozen", "wait_for_ip: #{ timeout: \"8s\", family: \"ipv6\" }", "");
    std::fs::write(folder.path().join("script.rhai"), script).expect("written");
    let child = program(folder.path()).arg("script.rhai").stderr(Stdio::piped()).spawn().expect("it starts");
    // Not before the start is over: what libvirt asks QEMU during a start has no time limit.
    let end = Instant::now() + Duration::from_secs(120);
    while inside("virsh -q domstate frozen 2>&1 || true").trim() != "running" {
        assert!(Instant::now() < end, "the guest does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    inside("kill -STOP $(cat /run/libvirt/qemu/frozen.pid)");
    let output = child.wait_with_output().expect("ended");
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{shown}");
    assert!(shown.contains("got no address within 8s"), "{shown}");
    assert_eq!((left("frozen"), journals(folder.path())), (String::new(), 0));
}

#[test]
fn a_qemu_that_ends_at_work_is_no_lost_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    prints(
        r#"
connect().provision(#{
    type: "qemu", name: "ends", memory: "32 MiB", vcpu: 1, os: #{ type: "hvm", boot: "hd" },
    devices: #{ disks: [ #{ type: "volume", device: "disk", driver: #{ name: "qemu", type: "qcow2" },
        source: #{ pool: "default", volume: "ends.qcow2" }, target: #{ dev: "vda", bus: "virtio" } } ] },
}, #{ storage: [ #{ volume: #{ name: "ends.qcow2", capacity: "16 MiB", target: #{ format: "qcow2" } } } ] });
"#,
    );
    inside("kill -STOP $(cat /run/libvirt/qemu/ends.pid)");
    let child = program(folder.path())
        .args(["vm", "snapshot", "ends", "one"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // It has to wait for QEMU's answer; there is no event for that.
    std::thread::sleep(Duration::from_secs(4));
    inside("kill -KILL $(cat /run/libvirt/qemu/ends.pid)");
    let output = child.wait_with_output().expect("ended");
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{shown}");
    assert!(shown.contains("cannot create snapshot `one`: QEMU has ended meanwhile"), "{shown}");
    assert!(!shown.contains("connect again") && !shown.contains("done again"), "{shown}");
    prints("connect().domain(\"ends\").remove()");
    assert_eq!(left("ends"), "");
}

/// Lets the daemon go on, however the test ends.
struct Hanging;

impl Drop for Hanging {
    fn drop(&mut self) {
        inside("kill -CONT $(cat /run/libvirt/libvirtd.pid)");
    }
}

#[test]
fn a_second_ctrl_c_ends_a_call_to_a_daemon_that_hangs() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut prompt = program(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = prompt.stdin.take().expect("piped");
    let mut told = BufReader::new(prompt.stderr.take().expect("piped")).lines();
    let mut shown = BufReader::new(prompt.stdout.take().expect("piped")).lines();
    writeln!(lines, "host.network(\"lab\").name").expect("written");
    assert_eq!(shown.next().expect("shown").expect("text"), "\"lab\"");
    inside("kill -STOP $(cat /run/libvirt/libvirtd.pid)");
    let hanging = Hanging;
    let start = Instant::now();
    writeln!(lines, "print(\"asking\"); host.networks().len()").expect("written");
    assert_eq!(shown.next().expect("shown").expect("text"), "asking");
    let id = prompt.id().to_string();
    let interrupt = || assert!(Command::new("kill").args(["-s", "INT", &id]).status().expect("kill runs").success());
    interrupt();
    let notice = told.next().expect("told").expect("text");
    assert!(notice.contains("Ctrl-C again cuts the connection"), "{notice}");
    interrupt();
    let cut = told.find(|line| line.as_ref().expect("text").contains("cannot list the networks"));
    assert!(cut.is_some(), "the call ended");
    // libvirt itself would wait for half a minute.
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    drop(hanging);
    // Without a terminal, whoever interrupts a line ends the session.
    assert_eq!(prompt.wait().expect("ended").code(), Some(130));
}

#[test]
fn a_run_that_is_cut_off_by_a_second_ctrl_c_was_interrupted() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "let host = connect();
        print(host.networks().len() > 0);
        while !file_exists(\"go\") { sleep(\"20ms\"); }
        print(\"asking\");
        host.networks();";
    let mut run = program(folder.path())
        .args(["-e", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut told = BufReader::new(run.stderr.take().expect("piped")).lines();
    let mut shown = BufReader::new(run.stdout.take().expect("piped")).lines();
    assert_eq!(shown.next().expect("shown").expect("text"), "true");
    inside("kill -STOP $(cat /run/libvirt/libvirtd.pid)");
    let hanging = Hanging;
    std::fs::write(folder.path().join("go"), "").expect("written");
    assert_eq!(shown.next().expect("shown").expect("text"), "asking");
    let id = run.id().to_string();
    let interrupt = || assert!(Command::new("kill").args(["-s", "INT", &id]).status().expect("kill runs").success());
    interrupt();
    let notice = told.next().expect("told").expect("text");
    assert!(notice.contains("Ctrl-C again cuts the connection"), "{notice}");
    interrupt();
    let told: Vec<String> = told.map(|line| line.expect("text")).collect();
    assert!(told.iter().any(|line| line == "error: interrupted"), "{told:?}");
    assert_eq!(run.wait().expect("ended").code(), Some(130), "{told:?}");
    drop(hanging);
}

#[test]
fn a_daemon_that_hangs_leaves_the_prompt_usable() {
    let uri = std::env::var("VMSCRIPT_LAB_URI").expect("VMSCRIPT_LAB_URI names the lab's libvirtd");
    let script = Settings { uri: Some(uri), ..Settings::default() };
    let mut prompt = Repl::new(Surroundings { script, ..Surroundings::default() });
    assert_eq!(prompt.step("host.uri;").err, "");
    let line = "host.network(\"la";
    let names =
        |prompt: &mut Repl| prompt.complete(line, line.len()).1.into_iter().map(|one| one.text).collect::<Vec<_>>();
    inside("kill -STOP $(cat /run/libvirt/libvirtd.pid)");
    let hanging = Hanging;
    let start = Instant::now();
    assert_eq!(names(&mut prompt), Vec::<String>::new());
    // What can be told without the host is told.
    assert_eq!(prompt.hint("host.network(\"lab\").is_ac").map(|hint| hint.shown).as_deref(), Some("tive"));
    assert_eq!(prompt.step("40 + 2").out, "42");
    // libvirt itself would wait for half a minute.
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    drop(hanging);
    while names(&mut prompt) != ["lab"] {
        assert!(start.elapsed() < Duration::from_secs(120), "the daemon goes on, and is not asked any more");
        std::thread::sleep(Duration::from_millis(100));
    }
}
