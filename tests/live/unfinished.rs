//! Machines and images that another run has not made to their end: nobody takes them for whole.

use super::program::{left, prints, program, text};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

/// As much as takes a moment to bring, none of it zeros.
const MUCH: usize = 400 << 20;

/// Begins a script, as a user of its own.
fn begun(folder: &Path, user: &str, script: &str) -> Child {
    std::fs::write(folder.join(format!("{user}.rhai")), script).expect("written");
    let mut run = program(folder);
    run.env("XDG_STATE_HOME", folder.join(user)).arg(format!("{user}.rhai"));
    run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
}

/// What a run prints that must succeed.
fn printed(run: Child) -> String {
    let output = run.wait_with_output().expect("waited for");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn nobody_starts_a_machine_whose_disks_are_being_filled() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("much.raw"), vec![5; MUCH]).expect("written");
    for (card, looks) in [
        // It is there when its last volume is.
        ("", "print(host.pool(\"default\").find_volume(\"filled.last\") != ());"),
        // Its address is taken by its definition, so that is there before its disks.
        (
            "static_ip: \"192.168.150.77/24\",",
            "print(vm.is_active); try { vm.start(); } catch (err) { print(`${err.code}: ${err.message}`); }",
        ),
    ] {
        let makes = format!(
            r#"
let host = connect();
let disk = |name, dev| #{{ type: "volume", device: "disk", driver: #{{ name: "qemu", type: "raw" }},
    source: #{{ pool: "default", volume: name }}, target: #{{ dev: dev, bus: "virtio" }} }};
let vm = host.provision(#{{ type: "qemu", name: "filled", memory: "64 MiB", os: #{{ type: "hvm" }},
    devices: #{{ disks: [disk.call("filled.raw", "vda"), disk.call("filled.last", "vdb")],
        interfaces: [#{{ type: "network", source: #{{ network: "lab" }}, {card} }}] }} }}, #{{ storage: [
    #{{ name: "filled.raw", from: "much.raw" }},
    #{{ volume: #{{ name: "filled.last", capacity: "1 MiB", allocation: 0, target: #{{ format: "raw" }} }} }},
] }});
print(vm.state);
vm.remove();
"#
        );
        let looks = format!(
            "let host = connect(); let vm = (); let end = now() + 30; while vm == () && now() < end {{ vm = host.find_domain(\"filled\"); }} {looks}"
        );
        let (looks, makes) = (begun(folder.path(), "other", &looks), begun(folder.path(), "maker", &makes));
        let wanted = if card.is_empty() { "true\n" } else { "false\nbusy: domain `filled` is still being made\n" };
        assert_eq!((printed(makes).as_str(), printed(looks).as_str()), ("running\n", wanted));
        assert_eq!(left("filled"), "");
    }
}

/// Writes a file of five machines, and begins what does something with the first of them as soon as the second is made.
fn five_and(folder: &Path, name: &str, deed: &str) -> Child {
    let rest = "vcpus: 1, memory: 64 MiB, firmware: bios, seed: none, boot_disk: { size: 64 MiB, empty: true }";
    let one = |number| format!("  - {{ name: {name}-{number}, {rest} }}\n");
    let spec = format!("machines:\n{}", (1..=5).map(one).collect::<String>());
    std::fs::write(folder.join(format!("{name}.yaml")), spec).expect("written");
    let script = format!(
        "let host = connect(); let end = now() + 30; while host.find_domain(\"{name}-2\") == () && now() < end {{ }}
        host.domain(\"{name}-1\").{deed}();"
    );
    begun(folder, "other", &script)
}

#[test]
fn a_machine_that_ends_before_all_are_made_is_no_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let killer = five_and(folder.path(), "ends", "destroy");
    let output =
        program(folder.path()).args(["vm", "create", "ends.yaml", "--parallel", "1"]).output().expect("started");
    printed(killer);
    let told = text(&output.stderr);
    assert!(told.contains("ends-1 is shut off (destroyed) before it ran"), "{:?} {told}", output.status);
    assert_eq!((text(&output.stdout), left("ends")), (String::new(), String::new()));
}

#[test]
fn a_machine_that_somebody_removes_meanwhile_takes_no_other_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = five_and(folder.path(), "goes", "remove");
    let vm = |args: &[&str]| program(folder.path()).arg("vm").args(args).output().expect("started");
    let output = vm(&["create", "goes.yaml", "--parallel", "1", "-o", "csv", "--columns", "result"]);
    printed(other);
    let results: Vec<_> = text(&output.stdout).lines().map(str::to_string).collect();
    assert_eq!(results, ["result", "gone", "created", "created", "created", "created"], "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("somebody has removed goes-1 meanwhile"), "{}", text(&output.stderr));
    let states = prints("for vm in connect().domains(#{ name: \"goes-*\" }) { print(vm.state); }");
    assert_eq!(states, "running\n".repeat(4));
    assert!(vm(&["destroy", "goes-*", "--yes"]).status.success());
    assert_eq!(left("goes"), "");
}

#[test]
fn half_an_image_is_not_taken_for_a_whole_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut image = vec![5; 32 << 20];
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(folder.path().join("half.raw"), &image[..16 << 20]).expect("written");
    // Its end is not written to.
    image.resize(48 << 20, 0);
    std::fs::write(folder.path().join("whole.raw"), &image).expect("written");
    let half = "let volume = connect().pool(\"default\").create_volume(#{ name: \"halved.raw\", capacity: 50331648, allocation: 0, target: #{ format: \"raw\" } });
        volume.upload(\"half.raw\"); print(\"half\");";
    let import =
        ["image", "import", "default", "whole.raw", "--name", "halved.raw", "-o", "csv", "--columns", "result"];
    // Somebody who goes on in a moment.
    let mut other = begun(folder.path(), "other", &format!("{half} sleep(1.5); volume.upload(\"whole.raw\");"));
    let mut lines = BufReader::new(other.stdout.take().expect("a pipe"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("read");
    assert_eq!(line, "half\n");
    let imported = program(folder.path()).args(import).output().expect("started");
    assert_eq!(text(&imported.stdout).lines().last(), Some("unchanged"), "{}", text(&imported.stderr));
    assert!(text(&imported.stderr).contains("somebody else is writing volume `halved.raw`"), "{imported:?}");
    printed(other);
    // Somebody who was killed.
    prints("connect().pool(\"default\").volume(\"halved.raw\").delete();");
    printed(begun(folder.path(), "other", half));
    let refused = program(folder.path()).args(import).output().expect("started");
    let told = text(&refused.stderr);
    assert!(told.contains("has other content") && told.contains("`vmscript recover` of that user"), "{told}");
    prints("connect().pool(\"default\").volume(\"halved.raw\").delete();");
    assert_eq!(left("halved"), "");
}
