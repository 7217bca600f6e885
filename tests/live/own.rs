//! Networks that belong to one test, guests for them, and programs that run inside the node, where its bridges are.

use super::lab::lab;
use super::program::{prints, text};
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
pub(crate) struct Own {
    name: String,
    network: Network,
}

impl Own {
    pub(crate) fn new(name: &str, number: u8) -> Self {
        Self::with(name, number, "")
    }

    /// With a further `<ip>`.
    pub(crate) fn with(name: &str, number: u8, ip: &str) -> Self {
        let xml = format!(
            "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>{name}</name>
             <bridge name='virbr{number}' stp='off' delay='0'/>
             <ip address='192.168.{number}.1' netmask='255.255.255.0'>
               <dhcp><range start='192.168.{number}.2' end='192.168.{number}.99'/></dhcp></ip>{ip}
             <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options></network>"
        );
        let network = lab().host.define_network(&xml).expect("the test's network is defined");
        network.start().expect("the test's network starts");
        Self { name: name.to_string(), network }
    }

    /// What a script prints that has the functions for guests on this network.
    pub(crate) fn prints(&self, script: &str) -> String {
        prints(&format!("{GUESTS}{script}").replace("NETWORK", &self.name))
    }

    /// The same by a program inside the node: for it, the host is its own machine.
    pub(crate) fn prints_inside(&self, script: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("script.rhai");
        std::fs::write(&file, format!("{GUESTS}{script}").replace("NETWORK", &self.name)).expect("written");
        let state = format!("XDG_STATE_HOME={}", folder.path().display());
        let file = file.to_str().expect("a plain path");
        let output = inside(&["env", &state, env!("CARGO_BIN_EXE_vmscript"), "-c", "qemu:///system", file]);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    pub(crate) fn remove(self) {
        self.network.destroy().expect("the test's network stops");
        self.network.undefine().expect("the test's network is removed");
    }
}

/// The lab node's folder on this machine: its socket is in `run`.
pub(crate) fn node() -> PathBuf {
    let (_, socket) = lab().uri.split_once("socket=").expect("the lab's URI names its socket");
    Path::new(socket).ancestors().nth(2).expect("the socket is in the node's folder").to_path_buf()
}

/// Runs a command inside the node.
pub(crate) fn inside(command: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab/lab");
    let name = node().file_name().expect("a node has a name").to_owned();
    Command::new(script).arg("enter").arg(name).args(command).output().expect("the lab's script starts")
}
