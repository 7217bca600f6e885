//! What is found before a machine is made: on the host itself, and from elsewhere.

use super::own::inside;
use super::program::{program, text};
use std::path::Path;

/// What the program tells on standard error inside the node, where the host's files are its own.
fn told_inside(folder: &Path, args: &[&str]) -> String {
    let go = format!("cd '{}' && exec \"$@\"", folder.display());
    let state = format!("XDG_STATE_HOME={}", folder.display());
    let mut all = vec!["sh", "-ec", &go, "sh", "env", &state, env!("CARGO_BIN_EXE_vmscript"), "-c", "qemu:///system"];
    all.extend(args);
    text(&inside(&all).stderr)
}

#[test]
fn the_file_system_of_a_pool_that_is_not_there_yet_has_its_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    let machine = |name: &str, pool: &str, format: &str| {
        format!(
            "- {{ name: ahead-{name}, vcpus: 1, memory: 64 MiB, pool: {pool}, seed: none, boot_disk: {{ size: 900 TiB, empty: true, format: {format} }} }}\n"
        )
    };
    write("raw.yaml", &format!("machines:\n{}", machine("raw", "ahead-none", "raw")));
    let told = told_inside(folder.path(), &["vm", "create", "raw.yaml", "--dry-run"]);
    assert!(
        told.starts_with("error: the file system of pool `ahead-none` has ")
            && told.contains(" GiB left: raw disks of 921600.0 GiB do not fit\n --> raw.yaml:2:"),
        "{told}"
    );
    // A lab's own pool, and one below a folder that is not there either.
    let pools = "pools: [ { type: dir, name: ahead-lab, target: { path: /var/lib/libvirt/ahead/deep } } ]\nmachines:\n";
    write("lab.yaml", &format!("{pools}{}", machine("thin", "ahead-lab", "qcow2")));
    let told = told_inside(folder.path(), &["lab", "up", "lab.yaml", "--dry-run"]);
    let begin = "warning: the file system of pool ahead-lab has ";
    assert!(told.contains(begin) && told.contains(", and the new disks may grow to 921600.0 GiB\n"), "{told}");
    // Elsewhere nobody can look at it.
    let output = program(folder.path()).args(["vm", "create", "raw.yaml", "--dry-run"]).output().expect("it starts");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn files_of_another_host_outside_of_its_pools_are_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = |name: &str| {
        format!(
            "- {{ name: ahead-{name}, vcpus: 1, memory: 64 MiB, seed: none, iso: /srv/ahead.iso, boot_disk: {{ size: 1 MiB, empty: true }} }}\n"
        )
    };
    std::fs::write(folder.path().join("iso.yaml"), format!("machines:\n{}{}", machine("a"), machine("b")))
        .expect("written");
    let output = program(folder.path()).args(["vm", "create", "iso.yaml", "--dry-run"]).output().expect("it starts");
    let warning =
        "warning: nobody can see from here whether the host has /srv/ahead.iso: none of its pools has that folder\n";
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), warning.to_string()));
    // On the host itself it is looked at.
    let told = told_inside(folder.path(), &["vm", "create", "iso.yaml", "--dry-run"]);
    assert!(told.contains("`iso`: the host has no file `/srv/ahead.iso`\n --> iso.yaml:2:"), "{told}");
}
