//! Runs the real program on the lab's host.

use std::path::Path;
use std::process::{Command, Output};

/// The program with the lab's host as its default, in a folder of its own.
pub(crate) fn program(folder: &Path) -> Command {
    let uri = std::env::var("VMSCRIPT_LAB_URI").expect("VMSCRIPT_LAB_URI names the lab's libvirtd");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmscript"));
    command.current_dir(folder).env("VMSCRIPT_CONNECT", uri).env_remove("VMSCRIPT_LOG");
    command.env("XDG_STATE_HOME", folder.join("state"));
    command
}

pub(crate) fn run(script: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("script.rhai"), script).expect("written");
    program(folder.path()).arg("script.rhai").output().expect("the program starts")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a script that must succeed prints.
pub(crate) fn prints(script: &str) -> String {
    let output = run(script);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A provisioning script for the lab's tiny guest on its network `lab`.
pub(crate) fn provision(name: &str, wait: &str, more: &str) -> String {
    format!(
        r#"
let host = connect();
let base = host.pool("default").volume("base.qcow2");
let vm = host.provision(#{{
    type: "qemu", name: "{name}", memory: "128 MiB", vcpu: 1,
    os: #{{ type: "hvm", boot: "hd" }},
    features: #{{ acpi: true, tcg: #{{ tb_cache: "32 MiB" }} }},
    devices: #{{
        disks: [
            #{{ type: "volume", device: "disk", driver: #{{ name: "qemu", type: "qcow2" }},
               source: #{{ pool: "default", volume: "{name}.qcow2" }}, target: #{{ dev: "vda", bus: "virtio" }} }},
            #{{ type: "volume", device: "disk", readonly: true, driver: #{{ name: "qemu", type: "raw" }},
               source: #{{ pool: "default", volume: "{name}.iso" }}, target: #{{ dev: "vdb", bus: "virtio" }} }},
        ],
        interfaces: [ #{{ type: "network", source: #{{ network: "lab" }}, model: "virtio", {wait} }} ],
        serials: [ #{{ type: "pty", log: #{{ file: "/var/log/libvirt/qemu/{name}-serial.log", append: false }} }} ],
        channels: [ #{{ type: "unix", target: #{{ type: "virtio", name: "org.qemu.guest_agent.0" }} }} ],
    }},
}}, #{{ storage: [
    #{{ volume: #{{ name: "{name}.qcow2", capacity: "1 GiB", target: #{{ format: "qcow2" }},
                 backing_store: #{{ path: base.path, format: "qcow2" }} }} }},
    #{{ name: "{name}.iso", from: cloud_init(#{{ user_data: #{{ hostname: "{name}" }} }}) }},
] }});
{more}
"#
    )
}

/// What a guest left on the host.
pub(crate) fn left(name: &str) -> String {
    prints(&format!(
        r#"
let host = connect();
let left = host.domains().map(|vm| vm.name) + host.pool("default").volumes().map(|volume| volume.name);
for name in left.filter(|left| left.starts_with("{name}")) {{ print(name); }}
"#
    ))
}
