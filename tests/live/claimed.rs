//! What a machine needs is not taken from it: its network, its pool, its disks.

use super::lab::lab;
use super::own::inside;
use super::program::{left, prints, program, text};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// What a command says that fails, with its exit code.
fn refused(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = program(folder).args(args).output().expect("the program starts");
    (output.status.code(), text(&output.stderr))
}

#[test]
fn what_a_running_machine_needs_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: claims\nvcpus: 1\nmemory: 64 MiB\npool: claimed\nseed: none\n\
                boot_disk: { image: \"default:base.qcow2\", size: 1 GiB }\ninterfaces: [ { network: claimed } ]\n";
    std::fs::write(folder.path().join("claims.yaml"), spec).expect("written");
    std::fs::write(folder.path().join("other.raw"), [0; 4096]).expect("written");
    let succeeds = |args: &[&str]| {
        let output = program(folder.path()).args(args).output().expect("the program starts");
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    succeeds(&["network", "create", "claimed", "--address", "10.20.47.1/24"]);
    succeeds(&["pool", "add", "claimed", "/var/lib/libvirt/claimed"]);
    succeeds(&["vm", "create", "claims.yaml"]);
    for (args, words) in [
        (&["network", "stop", "claimed"][..], "the network `claimed` is in use by `claims`"),
        (&["network", "delete", "claimed", "--yes"], "the network `claimed` is in use by `claims`"),
        (&["pool", "stop", "claimed"], "the pool `claimed` is in use by `claims`"),
        (&["pool", "delete", "claimed", "--yes"], "the pool `claimed` is in use by `claims`"),
        (&["pool", "delete", "claimed", "--with-volumes", "--yes"], "the pool `claimed` is in use by `claims`"),
        (
            &["volume", "resize", "claimed", "claims_boot", "2GiB"],
            "`vmscript vm resize claims --disk vda=2GiB` does it",
        ),
        (&["volume", "clone", "claimed", "claims_boot", "copy"], "`claims` runs and writes to `claims_boot`"),
        (&["volume", "delete", "claimed", "claims_boot", "--yes"], "it is needed by domain `claims`"),
        (&["volume", "upload", "claimed", "other.raw", "--name", "claims_boot", "--force"], "needed by `claims`"),
        (&["image", "import", "default", "other.raw", "--name", "base.qcow2", "--dry-run"], "which its name denies"),
    ] {
        let (code, told) = refused(folder.path(), args);
        assert!(code.is_some_and(|code| code == 4 || code == 5) && told.contains(words), "{args:?}: {code:?} {told}");
    }
    // Whoever asks libvirt itself is told at once: the lock stays for as long as the guest runs.
    let notes = prints(
        "let volume = connect().pool(\"claimed\").volume(\"claims_boot\");
        try { volume.resize(\"2 GiB\"); } catch (err) { print(`${err.code} ${err.notes}`); }",
    );
    assert_eq!(notes, "busy []\n");
    succeeds(&["vm", "destroy", "claims", "--yes"]);
    succeeds(&["volume", "create", "claimed", "scratch", "1GiB", "--format", "raw"]);
    succeeds(&["volume", "clone", "claimed", "scratch", "scratch2"]);
    succeeds(&["volume", "resize", "claimed", "scratch2", "2GiB"]);
    succeeds(&["pool", "stop", "claimed"]);
    succeeds(&["pool", "start", "claimed"]);
    let deleted = succeeds(&["pool", "delete", "claimed", "--with-volumes", "--yes", "-o", "csv"]);
    assert_eq!(deleted, "name,result,volumes\r\nclaimed,deleted,2\r\n");
    succeeds(&["network", "stop", "claimed"]);
    succeeds(&["network", "delete", "claimed", "--yes"]);
}

#[test]
fn an_image_of_somebody_else_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let tiny = lab().images.join("tiny.qcow2").display().to_string();
    let image = |more: &[&str]| {
        let args =
            [&["image", "import", "default", &tiny, "--name", "claimed-image.qcow2", "-o", "csv"], more].concat();
        let args = [&args[..], &["--columns", "result"]].concat();
        let output = program(folder.path()).args(args).output().expect("the program starts");
        (output.status.code(), text(&output.stdout))
    };
    prints(
        "connect().pool(\"default\").create_volume(#{ name: \"claimed-image.qcow2\", capacity: \"1 MiB\", target: #{ format: \"qcow2\" } });",
    );
    let said = |code: i32, result: &str| {
        (Some(code), if code == 0 { format!("result\r\n{result}\r\n") } else { String::new() })
    };
    assert_eq!(image(&["--dry-run"]), said(5, ""));
    assert_eq!(image(&[]), said(5, ""));
    assert_eq!(image(&["--force", "--dry-run"]), said(0, "would be replaced"));
    assert_eq!(image(&["--force"]), said(0, "replaced"));
    assert_eq!(image(&[]), said(0, "unchanged"));
    prints("connect().pool(\"default\").volume(\"claimed-image.qcow2\").delete();");
    assert_eq!(left("claimed-image"), "");
}

/// Who is asked by which path: through a link, with detours, as a kernel, as a file of the firmware, from kept states.
#[test]
fn whoever_needs_a_volume_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = r#"
let host = connect();
let pool = host.pool("default");
let images = "/var/lib/libvirt/images";
run_program("ln", ["-sfn", images, "/var/lib/libvirt/needed-link"]);
let names = ["link", "straight", "kernel", "initrd", "firmware", "kept", "saved", "free"].map(|name| `needed-${name}.img`);
for name in names { pool.create_volume(#{ name: name, capacity: "1 MiB", target: #{ format: if name == "needed-kept.img" { "qcow2" } else { "raw" } } }); }
let disk = |file, target| #{ type: "file", device: "disk", driver: #{ name: "qemu", type: if "kept" in file { "qcow2" } else { "raw" } },
    source: #{ file: file }, target: #{ dev: target, bus: "virtio" } };
let os = #{ type: #{ arch: "x86_64", machine: "q35", value: "hvm" } };
let one = host.define_domain(#{
    type: "qemu", name: "needing", memory: "64 MiB",
    os: os + #{ kernel: `${images}/needed-kernel.img`, initrd: `${images}/needed-initrd.img` },
    sysinfos: [ #{ type: "fwcfg", entries: [ #{ name: "opt/needed", file: `${images}/needed-firmware.img` } ] } ],
    devices: #{ disks: [
        disk.call("/var/lib/libvirt/needed-link/needed-link.img", "vda"),
        disk.call(`${images}//../images/./needed-straight.img`, "vdb"),
    ] },
});
let two = host.define_domain(#{ type: "qemu", name: "needing-later", memory: "64 MiB", os: os, devices: #{ disks: [
    disk.call(`${images}/needed-saved.img`, "vda") ] } });
two.start();
two.managed_save();
let three = host.define_domain(#{ type: "qemu", name: "needing-once", memory: "64 MiB", os: os, devices: #{ disks: [
    #{ type: "volume", device: "disk", driver: #{ name: "qemu", type: "qcow2" }, source: #{ pool: "default", volume: "needed-state.qcow2" },
       target: #{ dev: "vda", bus: "virtio" } },
    disk.call(`${images}/needed-kept.img`, "vdb") ] } });
pool.create_volume(#{ name: "needed-state.qcow2", capacity: "1 MiB", target: #{ format: "qcow2" } });
three.create_snapshot("before");
three.detach_device("vdb");
for name in names {
    try { pool.volume(name).delete(); print(`${name} deleted`); } catch (err) { print(err.message); }
}
three.snapshot("before").delete();
two.remove_managed_save();
for vm in [one, two, three] { vm.undefine(); }
pool.volume("needed-state.qcow2").delete();
for name in names { if name != "needed-free.img" { pool.volume(name).delete(); } }
run_program("rm", ["/var/lib/libvirt/needed-link"]);
"#;
    std::fs::write(folder.path().join("needs.rhai"), script).expect("written");
    let file = folder.path().join("needs.rhai").display().to_string();
    let state = format!("XDG_STATE_HOME={}", folder.path().display());
    let done = inside(&["env", &state, env!("CARGO_BIN_EXE_vmscript"), "-c", "qemu:///system", &file]);
    let shown = text(&done.stdout);
    assert!(done.status.success(), "{shown}{}", text(&done.stderr));
    let refused =
        |name: &str, who: &str| format!("cannot delete volume `needed-{name}.img`: it is needed by domain {who}\n");
    let first = ["link", "straight", "kernel", "initrd", "firmware"].map(|name| refused(name, "`needing`")).concat();
    let kept = refused("kept", "`needing-once` (snapshot `before`)")
        + refused("saved", "`needing-later` (saved state)").as_str();
    assert_eq!(shown, format!("{first}{kept}needed-free.img deleted\n"));
    assert_eq!(left("need"), "");
}

/// A machine that is off has a disk outside of the pools, which stands on an image through a neighbour; another disk only looks
/// as if it did, as its guest may have written that.
#[test]
fn a_base_of_overlays_that_no_pool_knows_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = r#"
let host = connect();
let pool = host.pool("default");
for name in ["outside-base", "outside-free"] { pool.create_volume(#{ name: `${name}.qcow2`, capacity: "1 MiB", target: #{ format: "qcow2" } }); }
let folder = "/var/lib/libvirt/outside";
run_program("mkdir", [folder]);
let overlay = |base, file| run_program("qemu-img", ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, `${folder}/${file}`]);
overlay.call("/var/lib/libvirt/images/outside-base.qcow2", "middle");
overlay.call("middle", "top");
overlay.call("/var/lib/libvirt/images/outside-free.qcow2", "written");
let disk = |file, target, kind| #{ type: "file", device: "disk", driver: #{ name: "qemu", type: kind }, source: #{ file: `${folder}/${file}` }, target: #{ dev: target, bus: "virtio" } };
let vm = host.define_domain(#{ type: "qemu", name: "outside", memory: "64 MiB", os: #{ type: "hvm" },
    devices: #{ disks: [disk.call("top", "vda", "qcow2"), disk.call("written", "vdb", "raw")] } });
let base = pool.volume("outside-base.qcow2");
print(base.users().domains.map(|one| one.name));
print(host.volume_uses().users(`${folder}/middle`).domains.map(|one| one.name));
for deed in [|| base.delete(), || base.wipe(), || base.upload(`${folder}/top`)] {
    try { deed.call(); print("done"); } catch (err) { print(err.message); }
}
pool.volume("outside-free.qcow2").delete();
vm.undefine();
base.delete();
run_program("rm", ["-r", folder]);
"#;
    std::fs::write(folder.path().join("outside.rhai"), script).expect("written");
    let file = folder.path().join("outside.rhai").display().to_string();
    let state = format!("XDG_STATE_HOME={}", folder.path().display());
    let done = inside(&["env", &state, env!("CARGO_BIN_EXE_vmscript"), "-c", "qemu:///system", &file]);
    let shown = text(&done.stdout);
    assert!(done.status.success(), "{shown}{}", text(&done.stderr));
    let refused = |verb: &str, who: &str| {
        format!(
            "cannot {verb} volume `outside-base.qcow2`: it is needed by {who}its overlay `/var/lib/libvirt/outside/middle`\n"
        )
    };
    let deeds = [refused("delete", "domain `outside` and "), refused("wipe", ""), refused("upload to", "")].concat();
    assert_eq!(shown, format!("[\"outside\"]\n[\"outside\"]\n{deeds}"));
    assert_eq!(left("outside"), "");
}

/// Who looks for users of an image takes the longer the more volumes there are; a machine that comes meanwhile is not overlooked.
#[test]
fn an_image_goes_or_is_used_and_never_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: raced\nvcpus: 1\nmemory: 64 MiB\nfirmware: bios\npool: raced\nseed: none\n\
                boot_disk: { image: \"raced:raced-image\", size: 32 MiB }\n";
    std::fs::write(folder.path().join("raced.yaml"), spec).expect("written");
    prints(
        r#"
let pool = connect().define_pool(#{ type: "dir", name: "raced", target: #{ path: "/var/lib/libvirt/raced" } });
pool.build();
pool.start();
for at in 0..600 { pool.create_volume(#{ name: `filler-${at}`, capacity: "4 KiB", target: #{ format: "raw" } }); }"#,
    );
    for round in 0..10 {
        prints(
            "connect().pool(\"raced\").create_volume(#{ name: \"raced-image\", capacity: \"16 MiB\", target: #{ format: \"qcow2\" } });",
        );
        let mut delete = program(folder.path());
        delete.args(["image", "delete", "raced", "raced-image", "--yes"]).stderr(Stdio::piped()).stdout(Stdio::null());
        let delete = delete.spawn().expect("the program starts");
        std::thread::sleep(Duration::from_millis(25 * round));
        let create = program(folder.path()).args(["vm", "create", "raced.yaml", "--start=false"]).output();
        let create = create.expect("the program starts");
        let deleted = delete.wait_with_output().expect("it ends");
        let told = format!("{round}: {}{}", text(&create.stderr), text(&deleted.stderr));
        assert_ne!(create.status.success(), deleted.status.success(), "{told}");
        let volumes = prints(
            "for one in connect().pool(\"raced\").volumes().filter(|one| one.name.starts_with(\"raced\")) { print(one.name); }",
        );
        if create.status.success() {
            assert!(told.contains("cannot delete volume `raced-image`: it is needed by "), "{told}");
            assert!(volumes.contains("raced-image\n") && volumes.contains("raced_boot\n"), "{volumes}");
            prints("connect().domain(\"raced\").remove(); connect().pool(\"raced\").volume(\"raced-image\").delete();");
        } else {
            assert_eq!(volumes, "", "{told}");
        }
    }
    assert_eq!(left("raced"), "");
    prints(
        r#"
let pool = connect().pool("raced");
for one in pool.volumes() { one.delete(#{ force: true }); }
pool.destroy();
pool.delete();
pool.undefine();"#,
    );
}

#[test]
fn a_seed_that_kept_states_need_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = |host: &str| {
        format!(
            "name: seeded\nvcpus: 1\nmemory: 64 MiB\nfirmware: bios\nboot_disk: {{ image: base.qcow2, size: 1 GiB }}\n\
             interfaces: [ {{ network: lab }} ]\nguest: {{ hostname: {host} }}\n"
        )
    };
    let run = |args: &[&str]| crate::labs::run(folder.path(), args);
    let write = |host: &str| std::fs::write(folder.path().join("seeded.yaml"), spec(host)).expect("written");
    write("one");
    run(&["vm", "create", "seeded.yaml", "--start=false"]);
    run(&["vm", "snapshot", "seeded", "before"]);
    write("other");
    run(&["vm", "create", "seeded.yaml", "--update", "--start=false"]);
    assert!(left("seeded").contains("seeded_cloudinit-2"), "{}", left("seeded"));
    run(&["vm", "revert", "seeded", "before", "--yes"]);
    run(&["vm", "start", "seeded"]);
    run(&["vm", "destroy", "seeded", "--yes"]);
    assert_eq!(left("seeded"), "");
}
