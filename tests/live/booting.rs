//! Whether guests boot here is found out by booting one; what they boot with is asked for.

use super::lab::lab;
use super::own::inside;
use super::program::text;
use vmscript::libvirt::Host;

#[test]
fn a_tiny_guest_boots_switches_itself_off_and_leaves_nothing() {
    let host = Host::connect(Some(&lab().uri)).expect("the node is up");
    let pool = host.pool("default").expect("the node has a pool");
    assert!(host.boots("qemu", &pool).expect("it is tried"), "the emulated guest did not switch itself off");
    // The node hides the hardware's virtualization: a guest that cannot be started does not boot.
    assert!(!host.boots("kvm", &pool).expect("it is tried"));
    let left = |name: &str| name.starts_with("vmscript-try-");
    assert!(!host.domains().expect("they are listed").iter().any(|one| left(one.name())));
    assert!(!pool.volumes().expect("they are listed").iter().any(|one| left(one.name())));
    let found = host.virt_type(Some(&pool)).expect("it is told");
    assert_eq!((found.name, found.why.as_str()), ("qemu", "the host has no KVM"));
}

/// A firmware for one machine type is none for another. libvirt remembers what it has said of a type: these are of their own.
#[test]
fn the_firmware_is_that_of_the_machine_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = r#"
import "std/machine" as machine;
let host = connect();
let spec = #{ name: "typed", vcpus: 1, memory: "64 MiB", boot_disk: #{ empty: true, size: "1 MiB" }, seed: "none" };
for kind in ["pc-i440fx-6.1", "pc-q35-6.1"] {
    let os = machine::plan(host, spec + #{ machine: kind }).definition.to_map().os;
    print(`${kind} ${os.firmware ?? "bios"}`);
}
let os = machine::plan(host, spec + #{ domain: #{ os: #{ type: #{ machine: "pc-q35-6.0" } } } }).definition.to_map().os;
print(`${os.type.machine} ${os.firmware}`);
"#;
    std::fs::write(folder.path().join("typed.rhai"), script).expect("written");
    // In the node's own view of the files.
    let shell = format!(
        "cd {folder} && mkdir descriptors && cp /usr/share/qemu/firmware/*.json descriptors && \
         sed -i '/i440fx/d; s/\"pc-q35-\\*\",/\"pc-q35-*\"/' descriptors/* && \
         mount --bind descriptors /usr/share/qemu/firmware && \
         {{ XDG_STATE_HOME={folder} {program} -c qemu:///system typed.rhai; code=$?; umount /usr/share/qemu/firmware; exit $code; }}",
        folder = folder.path().display(),
        program = env!("CARGO_BIN_EXE_vmscript"),
    );
    let done = inside(&["sh", "-c", &shell]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout), "pc-i440fx-6.1 bios\npc-q35-6.1 efi\npc-q35-6.0 efi\n");
}
