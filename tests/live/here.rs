//! What only a program on the host itself can do: see neighbours, probe gateways, give leases back.

use super::own::{Own, inside};
use super::program::text;

fn shell(script: &str) -> String {
    let done = inside(&["sh", "-ec", script]);
    assert!(done.status.success(), "{done:?}");
    text(&done.stdout)
}

/// Somebody on the bridge whom libvirt does not know; gives the number of the process that is it.
const STRANGER: &str = "
    unshare --net sleep infinity </dev/null >/dev/null 2>&1 &
    until [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/$$/ns/net)\" ]; do sleep 0.05; done
    ip link add stranger type veth peer name inner netns $!
    ip link set stranger master virbr172 up
    nsenter -t $! -n ip link set inner up
    nsenter -t $! -n ip address add 192.168.172.150/24 dev inner
    echo $!";

/// A card of a virtual machine asks for a lease and is gone without giving it back; prints the address.
const GONE: &str = r#"
    folder=$(mktemp -d)
    ip link add gone0 type veth peer name gone1 address 52:54:00:00:00:77
    ip link set gone0 master virbr172 up
    ip link set gone1 up
    printf '#!/bin/sh\n[ -z "$new_ip_address" ] || echo "$new_ip_address"\n' >$folder/tell
    chmod +x $folder/tell
    : >$folder/conf
    timeout 120 dhclient -4 -1 -q -cf $folder/conf -sf $folder/tell -lf $folder/leases -pf $folder/pid gone1
    # The client goes to the background before it writes down which process it is.
    until [ -s $folder/pid ]; do sleep 0.1; done
    kill "$(cat $folder/pid)"
    ip link del gone0
    rm -r $folder"#;

/// A DHCP client for IPv6 with the guest's card gets a lease and is gone without giving it back.
const ASK: &str = r#"
    folder=$(mktemp -d)
    ip link add six0 type veth peer name six1 address 52:54:00:00:00:74
    ip link set six0 master virbr174 up
    ip link set six1 up
    printf '#!/bin/sh\n[ -z "$new_ip6_address" ] || echo "$new_ip6_address"\n' >$folder/tell
    chmod +x $folder/tell
    : >$folder/conf
    # Until duplicate address detection is over, the link has no address to ask from.
    until ip -6 address show dev six1 scope link -tentative | grep -q fe80; do sleep 0.1; done
    timeout 120 dhclient -6 -1 -q -cf $folder/conf -sf $folder/tell -lf $folder/leases -pf $folder/pid six1
    until [ -s $folder/pid ]; do sleep 0.1; done
    kill "$(cat $folder/pid)"
    ip link del six0
    rm -r $folder"#;

#[test]
fn leases_of_both_families_end_with_the_machine_and_those_that_cannot_are_told() {
    let six = "<ip family='ipv6' address='fd00:174::1' prefix='64'>
        <dhcp><range start='fd00:174::100' end='fd00:174::1ff'/></dhcp></ip>";
    let own = Own::with("released", 174, six);
    let asked = shell(ASK);
    let address = asked.trim();
    assert!(address.starts_with("fd00:174::1"), "{asked}");
    let script = r#"
let vm = host.define_domain(#{
    type: "qemu", name: "released", memory: "64 MiB", os: #{ type: "hvm" },
    devices: #{ interfaces: [ #{
        type: "network", mac: #{ address: "52:54:00:00:00:74" }, source: #{ network: "released" },
    } ] },
});
"#;
    let remove = r"
for lease in vm.remove().leases { print(`${lease.network} ${lease.addr} ${lease.hwaddr} ${lease.expiry > 0}`); }
print(net.dhcp_leases().len());
";
    // Over a connection by which the host is another machine, the lease stays and is told.
    let told = own.prints(&format!("{script}{remove}"));
    assert_eq!(told, format!("released {address} 52:54:00:00:00:74 true\n1\n"));
    // The command tells it, too.
    let destroy = "import \"std/vm\" as vm; print(vm::destroy([\"released\"], #{ yes: true })[0].leases_left);";
    assert_eq!(own.prints(&format!("{script}{destroy}")), format!("[\"{address} of released\"]\n"));
    assert_eq!(own.prints_inside(&format!("{script}{remove}")), "0\n");
    own.remove();
}

#[test]
fn neighbours_are_seen_gateways_probed_and_leases_given_back() {
    let own = Own::new("here", 172);
    let stranger = shell(STRANGER);
    let shown = own.prints_inside(r#"make(host, "leased", (), "lease");"#);
    let guest = shown.trim().strip_prefix("leased ").expect("the guest's address").to_string();
    // Whoever was spoken to stands in the neighbour table, for a while that does not depend on how busy this machine is.
    shell(&format!(
        "echo 3600000 >/proc/sys/net/ipv4/neigh/virbr172/base_reachable_time_ms
         ip neighbour flush dev virbr172
         ping -n -c 1 -w 60 {guest}"
    ));
    let gone = shell(GONE);
    let script = r#"
for one in ipam(net) { print(`${one.addr} ${one.holder} ${one.source}`); }
for ip in [
    #{ address: "192.168.172.150/24" },
    #{ address: "192.168.172.160/24", gateway: "192.168.172.99", gateway_unreachable: "error" },
] {
    try {
        host.provision(definition("refused", ip, "agent"), #{ start: false });
        throw "it was taken";
    } catch (err) {
        print(err.message);
    }
}
let next = host.provision(definition("beside", #{
    address: "auto", range: "192.168.172.150-192.168.172.159", gateway: "192.168.172.150", via: "dhcp",
}, "agent"), #{ start: false });
print(next.network_status[0].assigned_ip);
print(next.network_status[0].conditions.filter(|one| one.type == "GatewayReachable")[0].reason);
// The address of a machine that is gone is free, and its lease ends.
let heir = host.provision(definition("heir", #{ address: "GONE/24", via: "dhcp" }, "agent"), #{ start: false });
assert_eq(net.dhcp_leases().len(), 1);
heir.undefine();
remove(host, "leased");
next.undefine();
assert_eq([net.dhcp_leases(), net.reservations()], [[], []]);
"#;
    let shown = own.prints_inside(&script.replace("GONE", gone.trim()));
    for expected in [
        format!("{guest} leased lease").as_str(),
        format!("{} 52:54:00:00:00:77 stale-lease", gone.trim()).as_str(),
        format!("{guest} leased arp").as_str(),
        "IP address 192.168.172.150 is already in use by machine unknown",
        "gateway 192.168.172.99 does not answer",
        "192.168.172.151/24",
        "GatewayAnswers",
    ] {
        assert!(shown.lines().any(|line| line == expected), "`{expected}` is missing in\n{shown}");
    }
    shell(&format!("kill {stranger}"));
    own.remove();
}
