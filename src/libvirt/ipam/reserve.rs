//! Host reservations of a network's DHCP server, made and taken back while the network runs.

use super::subnet::{Subnet, subnets};
use crate::addressing::{Mac, Source, is_host_name, usable};
use crate::floor::{Area, Code, Error, Result, shell_word};
use crate::libvirt::Network;
use crate::libvirt::undo::{self, Made};
use crate::schema::xml::{self, Elem};
use std::net::IpAddr;
use virt::sys;

/// That a network's DHCP server keeps an address for a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The address.
    pub ip: IpAddr,
    /// The card it is for. An IPv6 address is kept for a name instead.
    pub mac: Option<Mac>,
    /// The machine's name.
    pub name: Option<String>,
}

impl Reservation {
    pub(super) fn read(host: &Elem) -> Option<Self> {
        Some(Self {
            ip: host.attr("ip")?.parse().ok()?,
            mac: host.attr("mac").and_then(|mac| mac.parse().ok()),
            name: host.attr("name").map(str::to_string),
        })
    }

    /// Whether it keeps this address for this card, or for a name.
    pub(in crate::libvirt) fn is_for(&self, ip: IpAddr, mac: Option<&str>) -> bool {
        self.ip == ip && self.mac.map(|mac| mac.to_string()).as_deref() == mac
    }

    fn xml(&self) -> String {
        let mut host = Elem::plain("host", &[]);
        if let Some(mac) = self.mac {
            host.set("mac", &mac.to_string());
        }
        if let Some(name) = &self.name {
            host.set("name", name);
        }
        host.set("ip", &self.ip.to_string());
        xml::to_string(&host)
    }
}

impl Network {
    /// The reservations of its DHCP server.
    pub fn reservations(&self) -> Result<Vec<Reservation>> {
        Ok(self.subnets()?.into_iter().flat_map(|subnet| subnet.hosts).collect())
    }

    /// Whether it keeps an address as it is wanted, whatever name stands with it if none is wanted. An error tells what is in
    /// the way: no subnet has the address, somebody else holds it, or another reservation has the address, the card or the name.
    pub fn is_reserved(&self, wanted: &Reservation) -> Result<bool> {
        let subnets = self.subnets()?;
        sound(wanted, self.subnet_of(&subnets, wanted.ip)?)?;
        let is_same = |one: &Option<String>| wanted.name.is_none() || *one == wanted.name;
        for held in subnets.iter().flat_map(|subnet| &subnet.hosts) {
            if held.is_for(wanted.ip, wanted.mac.map(|mac| mac.to_string()).as_deref()) && is_same(&held.name) {
                return Ok(true);
            }
            let has_card = held.mac.is_some() && held.mac == wanted.mac;
            if held.ip == wanted.ip || has_card || held.name.is_some() && held.name == wanted.name {
                let holder: Vec<String> =
                    held.mac.map(|mac| mac.to_string()).into_iter().chain(held.name.clone()).collect();
                let message = format!("{} keeps {} for {}", self.object(), held.ip, holder.join(", "));
                return Err(Error::new(Code::AlreadyExists, Area::Network, message).about(self.object().plain()).hint(
                    format!("`vmscript network release {} {}` takes it back", shell_word(self.name()), held.ip),
                ));
            }
        }
        // What the card holds itself, or the machine of that name where IPv6 knows no cards, is in nobody's way.
        let is_own = |mac: Option<Mac>, holder: &str| {
            mac.is_some() && mac == wanted.mac || wanted.mac.is_none() && wanted.name.as_deref() == Some(holder)
        };
        let others = self.ipam()?.into_iter().filter(|one| one.ip == wanted.ip && one.source != Source::StaleLease);
        match others.filter(|one| !is_own(one.mac, &one.holder)).min_by_key(|one| one.source) {
            Some(held) => Err(Error::new(Code::AlreadyExists, Area::Network, held.to_string())
                .about(self.object().plain())
                .hint(held.reason())),
            None => Ok(false),
        }
    }

    /// Reserves an address, in the running network and in its definition. Other guests keep what they have.
    pub fn reserve(&self, reservation: &Reservation) -> Result<()> {
        let subnets = self.subnets()?;
        let subnet = self.subnet_of(&subnets, reservation.ip)?;
        sound(reservation, subnet)?;
        let made = Made::Reservation {
            network: self.named()?,
            ip: reservation.ip,
            mac: reservation.mac.map(|mac| mac.to_string()),
        };
        let doing = format!("reserve {} on", reservation.ip);
        undo::record(self.host(), made, || {
            self.change(sys::VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, subnet.index, &reservation.xml(), &doing)
        })
    }

    fn subnet_of<'s>(&self, subnets: &'s [Subnet], ip: IpAddr) -> Result<&'s Subnet> {
        subnets.iter().find(|subnet| subnet.own.contains(&ip)).ok_or_else(|| {
            let message = format!("{} has no subnet with {ip}", self.object());
            let listed: Vec<_> = subnets.iter().map(|subnet| format!("`{}`", subnet.own.trunc())).collect();
            let error = Error::new(Code::InvalidArgument, Area::Network, message).about(self.object().plain());
            if listed.is_empty() { error } else { error.hint(format!("its subnets: {}", listed.join(", "))) }
        })
    }

    /// The name of a machine in the reservation of an address, unless the subnet has it. An IPv6 address is kept for a
    /// name and nothing else, so there it always has one.
    pub(super) fn host_name(&self, machine: &str, ip: IpAddr) -> Result<Option<String>> {
        let subnets = self.subnets()?;
        let hosts = || subnets.iter().filter(|subnet| subnet.own.contains(&ip)).flat_map(|subnet| &subnet.hosts);
        let is_free = |name: &String| is_host_name(name) && hosts().all(|host| host.name.as_ref() != Some(name));
        if ip.is_ipv4() {
            return Ok(Some(machine.to_string()).filter(is_free));
        }
        let plain: String = machine.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let plain = plain.trim_matches('-');
        let numbered = (2..1000).map(|number| format!("{plain}-{number}"));
        Ok(std::iter::once(plain.to_string()).chain(numbered).find(is_free))
    }

    /// Takes the reservation of an address back; tells whether there was one.
    pub fn release(&self, ip: IpAddr) -> Result<bool> {
        self.take_back(|host| host.ip == ip)
    }

    /// Takes the reservation of an address back if it is for this card, or for a name as IPv6 has it.
    pub(in crate::libvirt) fn release_for(&self, ip: IpAddr, mac: Option<&str>) -> Result<bool> {
        self.take_back(|host| host.is_for(ip, mac))
    }

    fn take_back(&self, which: impl Fn(&Reservation) -> bool) -> Result<bool> {
        let mut released = false;
        for subnet in self.subnets()? {
            for host in subnet.hosts.iter().filter(|host| which(host)) {
                let doing = format!("release {} on", host.ip);
                self.change(sys::VIR_NETWORK_UPDATE_COMMAND_DELETE, subnet.index, &host.xml(), &doing)?;
                released = true;
            }
        }
        if released {
            self.may_be_gone()?;
        }
        Ok(released)
    }

    pub(super) fn subnets(&self) -> Result<Vec<Subnet>> {
        Ok(subnets(&xml::parse(&self.xml()?)?))
    }

    /// Changes the DHCP hosts wherever they are kept: in the running network, in its definition, or in both.
    fn change(&self, command: u32, subnet: i32, host: &str, doing: &str) -> Result<()> {
        let live = if self.is_active()? { sys::VIR_NETWORK_UPDATE_AFFECT_LIVE } else { 0 };
        let config = if self.is_persistent()? { sys::VIR_NETWORK_UPDATE_AFFECT_CONFIG } else { 0 };
        self.update(command, sys::VIR_NETWORK_SECTION_IP_DHCP_HOST, subnet, host, live | config, doing)
    }
}

/// Whether a machine can have what shall be kept for it: libvirt hands it to the DHCP server as it is.
fn sound(wanted: &Reservation, subnet: &Subnet) -> Result<()> {
    let (ip, net) = (wanted.ip, subnet.own.trunc());
    let free = usable(net);
    if ip == subnet.own.addr() {
        return Err(Error::argument(format!("{ip} is the host's own address in {net}")).hint("choose another one"));
    }
    if !free.contains(ip) {
        let what = if ip == net.network() { "address of the network" } else { "broadcast address of" };
        return Err(Error::argument(format!("{ip} is the {what} {net}")).hint(format!(
            "machines have {} to {}",
            free.first(),
            free.last()
        )));
    }
    if let Some(mac) = wanted.mac.filter(|mac| !mac.is_unicast()) {
        return Err(Error::argument(format!("`{mac}` is the MAC address of no card"))
            .hint("name the one of a card, such as `52:54:00:12:34:56`: its first octet is even"));
    }
    match &wanted.name {
        Some(name) if !is_host_name(name) => Err(Error::argument(format!("{name:?} is no host name"))
            .hint("letters, digits and `-`, in parts with dots between; none begins or ends with `-`")),
        _ => Ok(()),
    }
}
