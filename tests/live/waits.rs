//! Conditions that need a guest: its serial console, the end of cloud-init, ssh.

use super::own::Own;
use super::program::{left, prints, provision, run, text};
use std::process::Command;

const REMOVE: &str = r#"
vm.destroy();
vm.undefine();
for volume in host.pool("default").volumes() { if volume.name.starts_with(vm.name + ".") { volume.delete(); } }
"#;

#[test]
fn the_console_and_the_end_of_cloud_init_are_waited_for() {
    let script = r#"
let found = wait_all([serial(vm, "^LAB .* ready "), cloud_init(vm)], #{ timeout: "3m" });
print(`${found[0].source}: ${found[0].line.split(" ")[2]}`);
print(`${found[1].source}: ${found[1].datasource} ${found[1].status}`);
// As newer versions of cloud-init tell it.
vm.write_file("/run/cloud-init/status.json",
    `{ "v1": { "init": { "errors": [], "recoverable_errors": { "WARNING": ["old key"] } }, "stage": null } }`);
let found = wait(cloud_init(vm));
print(`${found.status} ${found.warnings}`);
// A guest whose kernel does not see the seed's disk.
vm.write_file("/run/cloud-init/result.json", `{ "v1": { "datasource": "DataSourceNone", "errors": [] } }`);
try { print(wait(cloud_init(vm))); } catch (err) { print(err.message); }
"#;
    let shown = prints(&provision("cloudy", "wait_for_ip: false", &format!("{script}{REMOVE}")));
    assert_eq!(
        shown,
        "console: ready\nagent: DataSourceNoCloud [seed=/dev/vdb][dsmode=net] done\ndegraded [\"old key\"]\n\
         cloud-init has not found its seed in domain `cloudy`\n"
    );
    assert_eq!(left("cloudy"), "");
}

#[test]
fn an_address_that_the_machine_was_not_given_is_no_success() {
    let script = r#"
import "std/vm" as vm;
let host = connect();
let card = `{ bridge: ${host.network("lab").bridge}, address: 192.168.150.94/24 }`;
// The small guest has no driver for SATA: it does not see its seed, and asks for an address.
write_file("strayed.yaml", "name: strayed\nvcpus: 1\nmemory: 256 MiB\nseed_bus: sata\n" +
    "boot_disk: { size: 64 MiB, image: base.qcow2 }\ninterfaces: [ " + card + " ]\n");
vm::create("strayed.yaml");
let strayed = host.domain("strayed");
let seen = strayed.wait_for_ip(#{ any_address: true, source: "agent", family: "ipv4", subnet: "192.168.150.0/24" });
try { print(strayed.wait_for_ip(#{ timeout: "3s" })); } catch (err) {
    print(err.code);
    print(err.notes.some(|one| one.contains(`${seen.addr} is not 192.168.150.94, which the machine declares`)));
    print(err.hints.filter(|one| one.contains("seed")).len());
}
vm::destroy(["strayed"], #{ yes: true });
"#;
    assert_eq!(prints(script), "timeout\ntrue\n2\n");
    assert_eq!(left("strayed"), "");
}

#[test]
fn what_cloud_init_could_not_do_is_told() {
    let waits = "wait(cloud_init(vm), #{ timeout: \"3m\" });";
    let script = provision("ailing", "wait_for_ip: false", waits)
        .replace("user_data: #{ hostname: \"ailing\" }", "user_data: #{}, meta_data: #{ lab: \"cloudfail\" }");
    let output = run(&format!("transaction(|| {{ {script} }});"));
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{shown}");
    assert!(
        shown.contains("cloud-init failed in domain `ailing`") && shown.contains("Runparts: 1 failures"),
        "{shown}"
    );
    assert_eq!(left("ailing"), "");
}

#[test]
fn ssh_is_waited_for_until_a_login_succeeds() {
    let own = Own::new("logins", 183);
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.expect("ssh-keygen runs").success());
    let public = std::fs::read_to_string(key.with_extension("pub")).expect("the key is there");
    let script = format!(
        r#"
let seed = cloud_init(#{{ user_data: #{{ ssh_authorized_keys: ["{}"] }} }});
let definition = definition("logins", (), "any");
definition.devices.disks.push(#{{ type: "volume", device: "disk", readonly: true, driver: #{{ name: "qemu", type: "raw" }},
    source: #{{ pool: "default", volume: "logins.iso" }}, target: #{{ dev: "vdb", bus: "virtio" }} }});
let base = host.pool("default").volume("base.qcow2");
let disk = #{{ name: "logins.qcow2", capacity: "1 GiB", target: #{{ format: "qcow2" }},
    backing_store: #{{ path: base.path, format: "qcow2" }} }};
let vm = host.provision(definition, #{{ storage: [ #{{ volume: disk }}, #{{ name: "logins.iso", from: seed }} ] }});
let login = #{{ user: "root", key: "{}" }};
let found = wait_all([port(vm, 80), ssh(vm), ssh(vm, login), cloud_init(vm, login)], #{{ timeout: "3m" }});
assert(found[1].banner.starts_with("SSH-"));
print(`${{found[0].port}} ${{found[2].user}} ${{found[3].source}} ${{vm.wait_for_ssh().condition}}`);
remove(host, "logins");
"#,
        public.trim(),
        key.display()
    );
    assert_eq!(own.prints_inside(&script), "80 root ssh ssh\n");
    own.remove();
}
