//! What a network's definition says of its addresses.

use super::Reservation;
use crate::addressing::{IpNet, Range};
use crate::schema::xml::Elem;
use std::net::IpAddr;

/// An `<ip>` of a network.
#[derive(Debug, Clone)]
pub(super) struct Subnet {
    /// Its place among the network's, as libvirt counts them.
    pub(super) index: i32,
    /// The host's own address in it.
    pub(super) own: IpNet,
    /// What the DHCP server hands out to anybody.
    pub(super) ranges: Vec<Range>,
    /// What the DHCP server keeps for somebody.
    pub(super) hosts: Vec<Reservation>,
    /// Whether there is a DHCP server.
    pub(super) dhcp: bool,
}

/// The subnets of a network; a network that only names a bridge has none.
pub(super) fn subnets(network: &Elem) -> Vec<Subnet> {
    let all = network.find_all("ip").into_iter().enumerate();
    all.filter_map(|(index, elem)| {
        let own: IpAddr = elem.attr("address")?.parse().ok()?;
        let net = match (elem.attr("prefix"), elem.attr("netmask")) {
            (Some(prefix), _) => IpNet::new(own, prefix.parse().ok()?).ok()?,
            (None, Some(mask)) => IpNet::with_netmask(own, mask.parse().ok()?).ok()?,
            // libvirt's own meaning of neither: the class of old, or one address.
            (None, None) => IpNet::new(own, usual_prefix(own)).ok()?,
        };
        let ranges = elem
            .find_all("dhcp/range")
            .into_iter()
            .filter_map(|range| Range::new(range.attr("start")?.parse().ok()?, range.attr("end")?.parse().ok()?));
        let hosts = elem.find_all("dhcp/host").into_iter().filter_map(Reservation::read);
        Some(Subnet {
            index: i32::try_from(index).ok()?,
            own: net,
            ranges: ranges.collect(),
            hosts: hosts.collect(),
            dhcp: elem.find("dhcp").is_some(),
        })
    })
    .collect()
}

fn usual_prefix(own: IpAddr) -> u8 {
    match own {
        IpAddr::V4(v4) => match v4.octets()[0] {
            0..=127 => 8,
            128..=191 => 16,
            _ => 24,
        },
        IpAddr::V6(_) => 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::xml;

    #[test]
    fn every_way_to_write_a_subnet_is_read() {
        let network = xml::parse(
            "<network><name>n</name>
               <ip address='10.0.0.1' netmask='255.255.254.0'><dhcp>
                 <range start='10.0.0.10' end='10.0.0.20'/><range start='10.0.1.1' end='10.0.1.9'/>
                 <host mac='52:54:00:00:00:01' name='web' ip='10.0.0.5'/><host name='late'/></dhcp></ip>
               <ip family='ipv6' address='fd00::1' prefix='64'><dhcp><host name='web' ip='fd00::5'/></dhcp></ip>
               <ip address='192.168.7.1'/></network>",
        );
        let found = subnets(&network.expect("well-formed"));
        let own: Vec<_> = found.iter().map(|one| (one.index, one.own.to_string(), one.dhcp)).collect();
        assert_eq!(
            own,
            [(0, "10.0.0.1/23".into(), true), (1, "fd00::1/64".into(), true), (2, "192.168.7.1/24".into(), false)]
        );
        assert_eq!(
            found[0].ranges.iter().map(Range::to_string).collect::<Vec<_>>(),
            ["10.0.0.10-10.0.0.20", "10.0.1.1-10.0.1.9"]
        );
        assert_eq!(found[0].hosts.len() + found[1].hosts.len(), 2);
    }
}
