//! Several addresses of one interface, of both families, by seed and by reservation, and a name for them.

use super::own::{Own, inside};
use super::program::text;

/// Asks a network's DNS server for the IPv4 address of a name.
const RESOLVE: &str = r#"
import socket, struct, sys
server, name = sys.argv[1:]
question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0" + struct.pack(">HH", 1, 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(30)
    asking.sendto(struct.pack(">6H", 7, 256, 1, 0, 0, 0) + question, (server, 53))
    answer = asking.recv(512)
answers = struct.unpack(">6H", answer[:12])[3]
print(socket.inet_ntoa(answer[-4:]) if answers else "unknown")
"#;

/// A DHCP client for IPv6 on a link of its own, which tells its name and prints the address that it gets.
const ASK: &str = r#"
folder=$(mktemp -d)
ip link add ask0 type veth peer name ask1
ip link set ask0 master virbr173 up
ip link set ask1 up
printf 'send fqdn.fqdn "dual";\nsend fqdn.no-client-update on;\n' >$folder/conf
printf '#!/bin/sh\n[ -z "$new_ip6_address" ] || echo "$new_ip6_address"\n' >$folder/tell
chmod +x $folder/tell
# Until duplicate address detection is over, the link has no address to ask from.
until ip -6 address show dev ask1 scope link -tentative | grep -q fe80; do sleep 0.1; done
timeout 120 dhclient -6 -1 -q -cf $folder/conf -sf $folder/tell -lf $folder/leases -pf $folder/pid ask1
until [ -s $folder/pid ]; do sleep 0.1; done
kill "$(cat $folder/pid)"
ip link del ask0
rm -r $folder
"#;

#[test]
fn one_interface_has_addresses_of_both_families_and_a_name() {
    let six = "<ip family='ipv6' address='fd00:173::1' prefix='64'>
        <dhcp><range start='fd00:173::100' end='fd00:173::1ff'/></dhcp></ip>";
    let own = Own::with("dual", 173, six);
    let script = r#"
let vm = make(host, "dual", [
    #{ address: "192.168.173.150/24", gateway: "192.168.173.1", dns_name: "files.lab" },
    #{ address: "192.168.173.151/24" },
    #{ address: "fd00:173::5/64", gateway: "fd00:173::1" },
], "agent");
for status in vm.network_status { print(`status ${status.assigned_ip} ${status.config_method}`); }
for ip in ["192.168.173.151/24", "fd00:173::5/64"] {
    try {
        host.provision(definition("second", ip, "agent"), #{ start: false });
        throw "a second claim was taken";
    } catch (err) {
        print(err.message);
    }
}
"#;
    let shown = own.prints(script);
    for expected in [
        "status 192.168.173.150/24 static",
        "status 192.168.173.151/24 static",
        "status fd00:173::5/64 static",
        "IP address 192.168.173.151 is already in use by machine dual",
        "IP address fd00:173::5 is already in use by machine dual",
    ] {
        assert!(shown.lines().any(|line| line == expected), "`{expected}` is missing in\n{shown}");
    }
    for address in ["192.168.173.150", "192.168.173.151", "fd00:173::5"] {
        let answered = inside(&["ping", "-n", "-c", "1", "-w", "60", address]);
        assert!(answered.status.success(), "{address} does not answer: {answered:?}");
    }
    let resolved = || text(&inside(&["python3", "-c", RESOLVE, "192.168.173.1", "files.lab"]).stdout);
    assert_eq!(resolved(), "192.168.173.150\n");
    // A real client of DHCPv6 that tells the guest's name gets what is kept for it.
    let asked = inside(&["sh", "-ec", ASK]);
    assert_eq!(text(&asked.stdout), "fd00:173::5\n", "{asked:?}");

    own.prints(r#"remove(host, "dual"); assert_eq(net.reservations(), []);"#);
    assert_eq!(resolved(), "unknown\n");
    own.remove();
}
