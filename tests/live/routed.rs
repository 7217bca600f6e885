//! A guest without a bridge: the hook gives it its gateway and its route.

use super::own::{inside, node};
use super::program::{prints, run};

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
