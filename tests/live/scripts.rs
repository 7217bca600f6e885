//! The real program on the lab's host: scripts that a user would write.

use super::program::{left, prints, program, provision, run, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn example(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let state = tempfile::tempdir().expect("a folder");
    let mut command = program(Path::new(env!("CARGO_MANIFEST_DIR")));
    let output = command.env("XDG_STATE_HOME", state.path()).arg(file).output().expect("the program starts");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
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
    // What has the same names and is somebody else's stays.
    prints(
        "let host = connect(); host.pool(\"default\").create_volume(#{ name: \"example.qcow2\", capacity: 1, target: #{ format: \"raw\" } });
        host.define_domain(#{ type: \"qemu\", name: \"example\", memory: \"64 MiB\", os: #{ type: \"hvm\" } });",
    );
    assert_eq!(example("teardown.rhai"), "domain   example stays: provision.rhai has not made it\n");
    prints(
        "let host = connect(); host.domain(\"example\").undefine(); host.pool(\"default\").volume(\"example.qcow2\").delete();",
    );
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
