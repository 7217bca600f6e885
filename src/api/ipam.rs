//! Who holds which address on a host.

use super::definition::definition;
use super::ip::{address, card};
use super::{RhaiResultOf, data, dynamic, value};
use crate::addressing::{Ip, IpNet, Mac, Range};
use crate::floor::{Error, Finding, Options, Result};
use crate::libvirt::{Planned, Reservation, static_ips};
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn range(text: &str) -> Result<Range> {
    text.parse().map_err(|_| {
        Error::argument(format!("invalid address range: {text}"))
            .hint("write it like \"10.0.0.50-10.0.0.99\" or \"10.0.0.64/27\"")
    })
}

fn reservation(given: Map) -> Result<Reservation> {
    let options = Options::from_value("reserve", value(&given.into(), "")?, &["addr", "hostname", "hwaddr"])?;
    let needed = |key: &str| Error::argument(format!("`reserve` needs `{key}`"));
    let ip = address(&options.str("addr")?.ok_or_else(|| needed("addr"))?.into())?.addr();
    let mac = options.str("hwaddr")?.map(|mac| card(&mac.into())).transpose()?;
    let name = options.str("hostname")?.map(str::to_string);
    match (ip.is_ipv4(), &mac, &name) {
        (true, None, _) => Err(needed("hwaddr")),
        (false, Some(_), _) => Err(Error::argument("an IPv6 address is reserved for a name, not for a MAC address")),
        (false, None, None) => Err(needed("hostname")),
        _ => Ok(Reservation { ip, mac, name }),
    }
}

/// A definition with the addresses that it declares.
fn planned(given: &Dynamic) -> Result<Planned> {
    let definition = definition(Kind::Domain, given)?;
    let root = definition.root();
    let (wishes, wrong) = static_ips(&root, &definition.extras());
    if wrong.is_empty() {
        return Ok((root, wishes));
    }
    let name = definition.name().unwrap_or_default();
    Err(data::placed(Error::definition(&format!("domain `{name}`"), wrong), given))
}

/// A mistake as `refuse` takes it, at the value of the definition that it is about.
fn mistake(found: Finding, given: &Dynamic) -> Dynamic {
    let fields = [
        ("at".into(), data::value_at(given, &found.path)),
        ("message".into(), found.message.into()),
        ("hint".into(), found.hint.map_or(Dynamic::UNIT, Into::into)),
    ];
    Dynamic::from_map(fields.into_iter().collect())
}

#[export_module]
mod functions {
    use crate::libvirt::{Domain, Host, Network};

    /// What would keep machines from being made as far as their cards go: networks and bridges that are not there, VLAN
    /// tags that a bridge cannot have, addresses and MAC addresses that others hold. A list with the mistakes of each
    /// definition, as `refuse` takes them; the host is asked once for all of them, and nothing is made or taken.
    ///
    /// Options:
    /// * `probe`: whether to ask for each address who answers there, which takes its time; default `false`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let card = #{ type: "network", source: #{ network: "lab" } };
    /// let db = #{ type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" }, devices: #{ interfaces: [card] } };
    /// let found = connect().obstacles([db], #{});
    /// assert_eq(found[0].map(|one| one.message), ["there is no network `lab`"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn obstacles(host: &mut Host, definitions: Array, options: Map) -> RhaiResultOf<Array> {
        let options = Options::from_value("obstacles", value(&options.into(), "")?, &["probe"])?;
        let all = definitions.iter().map(planned).collect::<Result<Vec<_>>>()?;
        let found = host.obstacles(&all, options.bool("probe")?.unwrap_or(false))?;
        let told = definitions
            .iter()
            .zip(found)
            .map(|(given, found)| Dynamic::from_array(found.into_iter().map(|one| mistake(one, given)).collect()));
        Ok(told.collect())
    }

    /// Gives cards of a machine other addresses: those with `static_ip` in the definition, which is its own one otherwise; a
    /// card may get another MAC address as well. Reservations and names of the former addresses go, those of the new ones
    /// come. The seed that tells the guest of it is a matter of its own (`set_seed`), and all is seen at its next start.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let wanted = vm.definition.to_map();
    /// wanted.devices.interfaces[0].static_ip = #{ address: "192.168.122.60/24", via: "dhcp" };
    /// vm.readdress(wanted);
    /// assert_eq(connect().network("default").reservations().map(|one| one.addr), ["192.168.122.60"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn readdress(vm: &mut Domain, wanted: Dynamic) -> RhaiResultOf<()> {
        let (root, wishes) = planned(&wanted)?;
        Ok(vm.readdress(&root, &wishes).map_err(|error| data::placed(error, &wanted))?)
    }

    /// The addresses that networks should keep for a machine and keep no more, because somebody took the reservation back
    /// or the network was made anew: `[#{ addr, hwaddr, network }]`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let card = #{ type: "network", source: #{ network: "default" }, static_ip: #{ address: "192.168.122.60/24", via: "dhcp" } };
    /// let vm = host.provision(#{ type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" }, devices: #{ interfaces: [card] } }, #{ start: false });
    /// host.network("default").release("192.168.122.60");
    /// assert_eq(vm.lost_reservations().map(|one| `${one.addr} in ${one.network}`), ["192.168.122.60/24 in default"]);
    /// vm.reserve_again();
    /// assert_eq(vm.lost_reservations(), []);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn lost_reservations(vm: &mut Domain) -> RhaiResultOf<Array> {
        let told = |(net, mac, network): (IpNet, Mac, String)| {
            let fields: [(_, Dynamic); 3] = [
                ("addr".into(), net.to_string().into()),
                ("hwaddr".into(), mac.to_string().into()),
                ("network".into(), network.into()),
            ];
            Dynamic::from_map(fields.into_iter().collect())
        };
        Ok(vm.lost_reservations()?.into_iter().map(told).collect())
    }

    /// Has networks keep again the addresses that they should keep for a machine (`lost_reservations`). An error, and nothing
    /// is kept, if one of them is kept for another card by now.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.reserve_again();
    /// assert_eq(vm.lost_reservations(), []);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reserve_again(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.reserve_again()?)
    }

    /// Who holds which address of a network, in the order of the addresses:
    /// `[#{ addr, holder, source, hwaddr, place }]`.
    ///
    /// `source` is where that is written: `host` (the host's own), `declared` (a domain's `static_ip`), `reservation`,
    /// `lease`, `arp`, or `stale-lease`, of a machine that is gone.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// for held in ipam(net) { print(`${held.addr} ${held.holder} ${held.source}`); }
    /// assert_eq(net.ipam()[0].addr, "192.168.122.1");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn ipam(net: &mut Network) -> RhaiResultOf<Array> {
        Ok(net.ipam()?.into_iter().map(|record| dynamic(record.into())).collect())
    }

    /// The next free address of a network, with its prefix. Nothing is taken by asking.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// assert(ip("192.168.122.0/24").contains(net.next_ip()));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn next_ip(net: &mut Network) -> RhaiResultOf<Ip> {
        Ok(net.next_ip(None).map(IpNet::into)?)
    }

    /// The next free address of a range of a network, such as `"10.0.0.50-10.0.0.99"` or `"10.0.0.64/27"`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// assert_eq(net.next_ip("192.168.122.50-192.168.122.99"), ip("192.168.122.50/24"));
    /// ```
    #[rhai_fn(name = "next_ip", pure, return_raw)]
    pub fn next_ip_of(net: &mut Network, range: &str) -> RhaiResultOf<Ip> {
        Ok(net.next_ip(Some(super::range(range)?)).map(IpNet::into)?)
    }

    /// The addresses that the network's DHCP server keeps for somebody: `[#{ addr, hwaddr, hostname }]`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// assert_eq(net.reservations(), []);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reservations(net: &mut Network) -> RhaiResultOf<Array> {
        Ok(net.reservations()?.into_iter().map(|reservation| dynamic(reservation.into())).collect())
    }

    /// Keeps an address for a card, at once and in the network's definition; other guests keep what they have.
    ///
    /// * `addr`: the address.
    /// * `hwaddr`: the card's MAC address. An IPv6 address is kept for a `hostname` instead.
    /// * `hostname`: the machine's name, optional.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// net.reserve(#{ addr: "192.168.122.9", hwaddr: "52:54:00:00:00:09", hostname: "printer" });
    /// assert_eq(net.reservations()[0].hostname, "printer");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reserve(net: &mut Network, reservation: Map) -> RhaiResultOf<()> {
        Ok(net.reserve(&super::reservation(reservation)?)?)
    }

    /// Whether an address is kept for a card as `reserve` would do it, with the same fields. An error tells what keeps `reserve`
    /// from doing so: another holder, another address of the card, or that no subnet has the address.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// let printer = #{ addr: "192.168.122.9", hwaddr: "52:54:00:00:00:09" };
    /// if !net.is_reserved(printer) { net.reserve(printer); }
    /// assert(net.is_reserved(printer));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn is_reserved(net: &mut Network, reservation: Map) -> RhaiResultOf<bool> {
        Ok(net.is_reserved(&super::reservation(reservation)?)?)
    }

    /// Takes the reservation of an address back; tells whether there was one.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// net.reserve(#{ addr: "192.168.122.9", hwaddr: "52:54:00:00:00:09" });
    /// assert(net.release("192.168.122.9"));
    /// assert(!net.release("192.168.122.9"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn release(net: &mut Network, address: Dynamic) -> RhaiResultOf<bool> {
        Ok(net.release(super::address(&address)?.addr())?)
    }

    /// How each interface stands with its addresses, by what can be known at once:
    /// `[#{ assigned_ip, interface, mac, config_method, gateway, dns, source, phase, conditions }]`.
    ///
    /// `config_method` is `static` or `dhcp`; `source` says who confirms the address: `lease` or `arp`, or only the
    /// declaration (`declared`). `phase` is `Validating` while its addresses are compared with those of guests made at the same
    /// time, `Creating` while it is being made, `Pending` while it is off, `Running`, or `Failed` if `keep` left it after a failure.
    ///
    /// Each condition has `type`, `status` (`True`, `False` or `Unknown`), `reason`, `message` and `time`:
    /// * `AddressAssigned`: `StaticIPAssigned`, or for DHCP `DHCPAssigned` or `NoAddress`.
    /// * `GatewayReachable`: `GatewayAnswers`, `GatewayUnreachable`, or `NotProbed` from another machine.
    /// * `AddressSeen`, of a running guest: `AddressSeen`, `NotSeen`, or `StaticIPAssignmentFailed` if it has another one.
    /// * `Ready`: `Provisioned`, `StaticIPAssignmentFailed` or `ProvisioningFailed`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().provision(#{
    ///     type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" },
    ///     devices: #{ interfaces: [ #{
    ///         type: "network", source: #{ network: "default" },
    ///         static_ip: #{ address: "192.168.122.77/24", via: "dhcp" },
    ///     } ] },
    /// });
    /// let status = vm.network_status[0];
    /// assert_eq([status.assigned_ip, status.config_method, status.phase], ["192.168.122.77/24", "static", "Running"]);
    /// for one in status.conditions { print(`${one.type} ${one.status} ${one.reason}: ${one.message}`); }
    /// ```
    #[rhai_fn(get = "network_status", pure, return_raw)]
    pub fn network_status(vm: &mut Domain) -> RhaiResultOf<Array> {
        Ok(vm.network_status()?.into_iter().map(|status| dynamic(status.into())).collect())
    }
}
