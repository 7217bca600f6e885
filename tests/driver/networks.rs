//! How machines stand with their addresses, as the recipes tell it.

use super::support::{Host, text};

#[test]
fn vm_get_tells_how_a_machine_stands_with_its_addresses() {
    let host = Host::new();
    let output = host.run(
        r#"
import "std/vm" as vm;
let machine = |name, ip, more| connect().provision(#{
    type: "test", name: name, memory: "1 GiB", os: #{ type: "hvm" },
    devices: #{ interfaces: [ #{ type: "network", source: #{ network: "default" }, static_ip: ip } + more ] },
}, #{ keep: true });
let tell = |name| {
    let found = vm::get(name);
    print(`${name} ${found.phase}`);
    for one in found.interfaces {
        print(`${one.assigned_ip} ${one.interface} ${one.config_method} ${one.gateway} ${one.dns} ${one.source} ${one.phase}`);
        for condition in one.conditions { print(`${condition.type} ${condition.status} ${condition.reason}`); }
    }
};
tell.call("web");
try {
    let by_dhcp = #{ address: "192.168.122.77/24", via: "dhcp", gateway: "192.168.122.1" };
    machine.call("lost", by_dhcp, #{ wait_for_ip: #{ subnet: "10.99.0.0/24", timeout: "50ms" } });
} catch (err) { print(err.code); }
tell.call("lost");
print(vm::get("lost").interfaces[0].conditions.find(|one| one.type == "Ready").message);
"#,
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    // The test driver invents the address that a running guest is seen with.
    let expected = [
        "web Running",
        "192.168.122.3/24 testnet0 dhcp  [] lease Running",
        "AddressAssigned True DHCPAssigned",
        "timeout",
        "lost Failed",
        "192.168.122.77/24 testnet0 static 192.168.122.1 [] declared Failed",
        "AddressAssigned True StaticIPAssigned",
        "GatewayReachable True GatewayAnswers",
        "Ready False StaticIPAssignmentFailed",
        "AddressSeen False StaticIPAssignmentFailed",
        "domain `lost` got no address within 50ms",
    ];
    assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), expected);
}
