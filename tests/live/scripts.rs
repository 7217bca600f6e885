//! The real program on the lab's host: scripts that a user would write.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program with the lab's host as its default, in a folder of its own.
fn program(folder: &Path) -> Command {
    let uri = std::env::var("VMSCRIPT_LAB_URI").expect("VMSCRIPT_LAB_URI names the lab's libvirtd");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmscript"));
    command.current_dir(folder).env("VMSCRIPT_CONNECT", uri).env_remove("VMSCRIPT_LOG");
    command
}

fn run(script: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("script.rhai"), script).expect("written");
    program(folder.path()).arg("script.rhai").output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a script that must succeed prints.
fn prints(script: &str) -> String {
    let output = run(script);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn example(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let output = program(Path::new(env!("CARGO_MANIFEST_DIR"))).arg(file).output().expect("the program starts");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A provisioning script for the lab's tiny guest on its network `lab`.
fn provision(name: &str, wait: &str, more: &str) -> String {
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

fn remove(name: &str) -> String {
    format!(
        r#"
let host = connect();
let vm = host.domain("{name}");
vm.destroy();
vm.undefine();
for name in ["{name}.qcow2", "{name}.iso"] {{ host.pool("default").volume(name).delete(); }}
"#
    )
}

/// What a guest left on the host.
fn left(name: &str) -> String {
    prints(&format!(
        r#"
let host = connect();
let left = host.domains().map(|vm| vm.name) + host.pool("default").volumes().map(|volume| volume.name);
for name in left.filter(|left| left.starts_with("{name}")) {{ print(name); }}
"#
    ))
}

#[test]
fn the_examples_provision_say_what_is_there_and_leave_nothing() {
    let first = example("provision.rhai");
    assert!(first.contains("domain   example made") && first.contains("address  192.168.160."), "{first}");
    let second = example("provision.rhai");
    assert!(second.contains("example is already there, running") && second.contains("address  192"), "{second}");
    let gone = example("teardown.rhai");
    assert_eq!(gone.lines().count(), 4, "domain, two volumes and network go: {gone}");
    assert_eq!(left("example"), "");
    assert_eq!(prints("print(connect().find_network(\"example\"))"), "\n");
}

#[test]
fn the_guest_reads_the_seed_and_both_sources_tell_its_address() {
    let script = r#"
let lease = vm.wait_for_ip(#{ source: "lease", timeout: "60s" });
let agent = vm.wait_for_ip(#{ source: "agent", timeout: "60s" });
assert_eq(lease.addr, agent.addr);
assert(vm.interface_addresses("lease")[0].addrs.len() == 1);
let leases = host.network("lab").dhcp_leases().filter(|lease| lease.hostname == "seeded");
assert_eq(leases.len(), 1);
print(lease.addr);

let logs = host.create_pool(#{ type: "dir", name: "logs", target: #{ path: "/var/log/libvirt/qemu" } });
logs.volume("seeded-serial.log").download("serial.log");
logs.destroy();
"#;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("script.rhai");
    std::fs::write(&file, provision("seeded", "wait_for_ip: #{ timeout: \"90s\" }", script)).expect("written");
    let output = program(folder.path()).arg("script.rhai").output().expect("the program starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("192.168."), "{}", text(&output.stdout));
    let serial = text(&std::fs::read(folder.path().join("serial.log")).expect("the serial log is there"));
    assert!(serial.contains("hostname seeded"), "the guest took its name from the seed: {serial}");
    prints(&remove("seeded"));
    assert_eq!(left("seeded"), "");
}

#[test]
fn a_timeout_and_a_ctrl_c_while_waiting_leave_nothing() {
    let output = run(&provision("late", "wait_for_ip: #{ timeout: \"500ms\", source: \"lease\" }", ""));
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("got no address within"), "{}", text(&output.stderr));
    assert_eq!(left("late"), "");

    let folder = tempfile::tempdir().expect("a folder");
    let file: PathBuf = folder.path().join("script.rhai");
    std::fs::write(&file, provision("stopped", "wait_for_ip: #{ timeout: \"300s\", family: \"ipv6\" }", ""))
        .expect("written");
    let mut child =
        program(folder.path()).arg("script.rhai").stderr(Stdio::piped()).spawn().expect("the program starts");
    let end = Instant::now() + Duration::from_secs(30);
    while !left("stopped").lines().any(|line| line == "stopped") && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    assert_eq!(left("stopped"), "");
}
