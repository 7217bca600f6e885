//! Static addresses of guests that really boot: by reservation, by seed, and the next free one.

use super::lab::lab;
use super::program::{prints, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vmscript::libvirt::Network;

/// Functions of the scripts below: a guest with one declaration on the network NETWORK.
const GUESTS: &str = r#"
fn definition(name, ip, source) {
    #{
        type: "qemu", name: name, memory: "128 MiB", vcpu: 1,
        os: #{ type: "hvm", boot: "hd" },
        features: #{ acpi: true, tcg: #{ tb_cache: "32 MiB" } },
        devices: #{
            disks: [ #{
                type: "volume", device: "disk", driver: #{ name: "qemu", type: "qcow2" },
                source: #{ pool: "default", volume: `${name}.qcow2` }, target: #{ dev: "vda", bus: "virtio" },
            } ],
            interfaces: [ #{
                type: "network", source: #{ network: "NETWORK" }, model: "virtio",
                static_ip: ip, wait_for_ip: #{ source: source, timeout: "90s" },
            } ],
            channels: [ #{ type: "unix", target: #{ type: "virtio", name: "org.qemu.guest_agent.0" } } ],
        },
    }
}

fn make(host, name, ip, source) {
    let base = host.pool("default").volume("base.qcow2");
    let disk = #{
        name: `${name}.qcow2`, capacity: "1 GiB", target: #{ format: "qcow2" },
        backing_store: #{ path: base.path, format: "qcow2" },
    };
    let vm = host.provision(definition(name, ip, source), #{ storage: [ #{ volume: disk } ] });
    print(`${name} ${vm.wait_for_ip(#{ source: source }).addr}`);
    vm
}

fn remove(host, name) {
    let vm = host.domain(name);
    vm.destroy();
    vm.undefine();
    for volume in host.pool("default").volumes() { if volume.name.starts_with(`${name}.`) || volume.name == `${name}-seed.iso` { volume.delete(); } }
}

let host = connect();
let net = host.network("NETWORK");
"#;

/// A network of a test's own, so that no other test's guest takes an address of it: 192.168.NUMBER.0/24, of which the DHCP
/// server hands out .2 to .99.
struct Own {
    name: String,
    network: Network,
}

impl Own {
    fn new(name: &str, number: u8) -> Self {
        let xml = format!(
            "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>{name}</name>
             <bridge name='virbr{number}' stp='off' delay='0'/>
             <ip address='192.168.{number}.1' netmask='255.255.255.0'>
               <dhcp><range start='192.168.{number}.2' end='192.168.{number}.99'/></dhcp></ip>
             <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options></network>"
        );
        let network = lab().host.define_network(&xml).expect("the test's network is defined");
        network.start().expect("the test's network starts");
        Self { name: name.to_string(), network }
    }

    /// What a script prints that has the functions for guests on this network.
    fn prints(&self, script: &str) -> String {
        prints(&format!("{GUESTS}{script}").replace("NETWORK", &self.name))
    }

    fn remove(self) {
        self.network.destroy().expect("the test's network stops");
        self.network.undefine().expect("the test's network is removed");
    }
}

#[test]
fn guests_get_the_addresses_they_declare_and_nobody_else_gets_them() {
    let script = r#"
// A guest with an ordinary lease stands by: it keeps its address whatever happens to the network.
let bystander = make(host, "bystander", (), "lease");
let before = bystander.wait_for_ip(#{ source: "lease" }).addr;

let made = [
    make(host, "kept", #{ address: "192.168.170.230/24", via: "dhcp" }, "lease"),
    make(host, "seeded-ip", #{ address: "192.168.170.231/24", gateway: "192.168.170.1", gateway_unreachable: "error" }, "agent"),
    make(host, "next", #{ address: "auto", range: "192.168.170.230-192.168.170.239", mac_from_ip: true }, "agent"),
];
print(made[2].definition.to_map().devices.interfaces[0].mac.address);
for vm in made {
    let status = vm.network_status[0];
    assert_eq([status.config_method, status.phase], ["static", "Running"]);
}
for last in 230..=232 {
    try {
        make(host, "second", #{ address: `192.168.170.${last}/24` }, "agent");
        throw "a second claim was taken";
    } catch (err) {
        print(err.message);
    }
}
let holders = ipam(net).filter(|held| held.source == "reservation").map(|held| `${held.holder} ${held.addr}`);
print(holders);
assert_eq(bystander.wait_for_ip(#{ source: "agent" }).addr, before);
for name in ["kept", "seeded-ip", "next", "bystander"] { remove(host, name); }
assert_eq(net.reservations(), []);
assert_eq(host.find_domain("second"), ());
"#;
    let own = Own::new("assigned", 170);
    let shown = own.prints(script);
    for expected in [
        "kept 192.168.170.230",
        "seeded-ip 192.168.170.231",
        "next 192.168.170.232",
        "be:ef:c0:a8:aa:e8",
        "IP address 192.168.170.230 is already in use by machine kept",
        "IP address 192.168.170.231 is already in use by machine seeded-ip",
        "IP address 192.168.170.232 is already in use by machine next",
        r#"["kept 192.168.170.230", "seeded-ip 192.168.170.231", "next 192.168.170.232"]"#,
    ] {
        assert!(shown.lines().any(|line| line == expected), "`{expected}` is missing in\n{shown}");
    }
    own.remove();
}

/// Two programs take the addresses of one range from a real daemon, at the same time.
#[test]
fn racing_programs_never_share_an_address() {
    let own = Own::new("raced", 171);
    let run = |which: usize| {
        let script = r#"
let host = connect();
for at in 0..10 {
    host.provision(#{
        type: "qemu", name: `race-WHICH-${at}`, memory: "64 MiB", os: #{ type: "hvm" },
        devices: #{ interfaces: [ #{
            type: "network", source: #{ network: "raced" },
            static_ip: #{ address: "auto", range: "192.168.171.200-192.168.171.219", via: "dhcp" },
        } ] },
    }, #{ start: false });
}
"#;
        std::thread::spawn(move || prints(&script.replace("WHICH", &which.to_string())))
    };
    let runs = [run(0), run(1)];
    for run in runs {
        run.join().expect("both runs find an address for each guest");
    }
    let shown = prints(
        r#"
let host = connect();
for vm in host.domains() {
    if vm.name.starts_with("race-") { print(vm.network_status[0].assigned_ip); vm.undefine(); }
}
assert_eq(host.network("raced").reservations(), []);
"#,
    );
    let mut held: Vec<_> = shown.lines().collect();
    assert_eq!(held.len(), 20);
    held.sort_unstable();
    held.dedup();
    assert_eq!(held.len(), 20, "an address is shared");
    own.remove();
}

/// The lab node's folder on this machine: its socket is in `run`.
fn node() -> PathBuf {
    let (_, socket) = lab().uri.split_once("socket=").expect("the lab's URI names its socket");
    Path::new(socket).ancestors().nth(2).expect("the socket is in the node's folder").to_path_buf()
}

/// Runs a command inside the node.
fn inside(command: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab/lab");
    let name = node().file_name().expect("a node has a name").to_owned();
    Command::new(script).arg("enter").arg(name).args(command).output().expect("the lab's script starts")
}

#[test]
fn a_routed_guest_is_reached_through_the_hook_s_route_which_goes_with_it() {
    let hooks = node().join("etc/hooks/qemu.d");
    std::fs::create_dir_all(&hooks).expect("the folder of hooks is made");
    let script = format!(
        r#"
import "std/routing" as routing;
routing::install_hook(#{{ folder: "{}", program: "{}" }});
{}"#,
        hooks.display(),
        env!("CARGO_BIN_EXE_vmscript"),
        r#"
let host = connect();
let base = host.pool("default").volume("base.qcow2");
let vm = host.provision(#{
    type: "qemu", name: "routed", memory: "128 MiB", vcpu: 1,
    os: #{ type: "hvm", boot: "hd" },
    features: #{ acpi: true, tcg: #{ tb_cache: "32 MiB" } },
    devices: #{
        disks: [ #{
            type: "volume", device: "disk", driver: #{ name: "qemu", type: "qcow2" },
            source: #{ pool: "default", volume: "routed.qcow2" }, target: #{ dev: "vda", bus: "virtio" },
        } ],
        interfaces: [ #{
            type: "ethernet", model: "virtio",
            static_ip: #{ address: "10.55.22.22/32", gateway: "169.254.0.1", mac_from_ip: true, tap_from_ip: true },
            wait_for_ip: #{ source: "agent", timeout: "90s" },
        } ],
        channels: [ #{ type: "unix", target: #{ type: "virtio", name: "org.qemu.guest_agent.0" } } ],
    },
}, #{ storage: [ #{ volume: #{
    name: "routed.qcow2", capacity: "1 GiB", target: #{ format: "qcow2" },
    backing_store: #{ path: base.path, format: "qcow2" },
} } ] });
"#
    );
    prints(&script);
    let routes = || String::from_utf8_lossy(&inside(&["ip", "route"]).stdout).into_owned();
    assert!(routes().contains("10.55.22.22 dev vm0a371616 scope link"), "{}", routes());
    // An answer needs the route there and the guest's way back over its gateway on the link.
    let reached = inside(&["ping", "-n", "-c", "1", "-w", "30", "10.55.22.22"]);
    assert!(reached.status.success(), "{reached:?}");
    let log = std::fs::read_to_string(node().join("log/vmscript-hook.log")).expect("the hook wrote its log");
    assert!(log.contains(r#""guest":"routed","operation":"started","tap":"vm0a371616","ip":"10.55.22.22""#), "{log}");

    // The same address again is refused, whatever the name of the guest.
    let second = run(r#"
connect().provision(#{
    type: "qemu", name: "routed-too", memory: "64 MiB", os: #{ type: "hvm" },
    devices: #{ interfaces: [ #{ type: "ethernet", static_ip: #{ address: "10.55.22.22/32", tap_from_ip: true } } ] },
}, #{ start: false });
"#);
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(2), "{told}");
    for expected in [
        "IP address 10.55.22.22 is already in use by machine routed",
        "tap device `vm0a371616` is already in use by machine routed",
    ] {
        assert!(told.contains(expected), "{told}");
    }

    prints(
        r#"
let host = connect();
let vm = host.domain("routed");
vm.destroy();
vm.undefine();
for name in ["routed.qcow2", "routed-seed.iso"] { host.pool("default").volume(name).delete(); }
"#,
    );
    assert!(!routes().contains("10.55.22.22"), "{}", routes());
    assert!(!inside(&["ip", "link", "show", "vm0a371616"]).status.success(), "the tap is gone");
    // The hook stays: guests of other tests may be starting through it.
}
