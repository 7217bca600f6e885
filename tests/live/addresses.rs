//! Static addresses of guests that really boot: by reservation, by seed, and the next free one.

use super::own::Own;
use super::program::prints;

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
let seen = made[0].network_status[0].conditions.filter(|one| one.type == "AddressSeen");
print(`${seen[0].status} ${seen[0].message}`);
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
        "True told by lease",
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

/// One card has a lease, and the other an address of its own.
#[test]
fn all_addresses_of_a_machine_are_listed() {
    let script = r#"
import "std/network" as network;
import "std/vm" as vm;
network::create("listed", #{ mode: "isolated", address: "10.66.0.1/24" });
write_file("listed.yaml", "name: listed\nvcpus: 1\nmemory: 128 MiB\nfirmware: bios\nmachine: pc\nboot_disk: { size: 64 MiB, image: base.qcow2 }\n" +
    "interfaces: [ { network: lab }, { network: listed, address: 10.66.0.5/24 } ]\n");
vm::create("listed.yaml");
connect().domain("listed").wait_for_ip(#{ source: "lease" });
print(vm::list(#{ wide: true }).find(|one| one.name == "listed").addresses.map(|one| one.split(".")[0]));
vm::destroy(["listed"], #{ yes: true });
network::delete("listed", #{ yes: true });
"#;
    assert_eq!(prints(script), "[\"192\", \"10\"]\n");
}
