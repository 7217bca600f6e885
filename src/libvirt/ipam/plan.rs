//! The plan of a network: who holds what in it, and what is free.

use super::survey::Place;
use crate::addressing::{IpNet, Range, Record, next_free, usable};
use crate::floor::{Area, Code, Error, Result};
use crate::libvirt::Network;
use std::net::IpAddr;

impl Network {
    /// Who holds which address, and where that is written, in the order of the addresses.
    pub fn ipam(&self) -> Result<Vec<Record>> {
        let host = self.host();
        Ok(host.survey(&Place::of_network(self)?, &host.machines()?, true)?.into_sorted())
    }

    /// The next free address of the network, or of a range in it. Nothing is taken by asking.
    pub fn next_ip(&self, range: Option<Range>) -> Result<IpNet> {
        let nets: Vec<IpNet> = self.subnets()?.into_iter().map(|subnet| subnet.own.trunc()).collect();
        let net = match range {
            None => nets.first(),
            Some(range) => nets.iter().find(|net| net.contains(&range.first()) && net.contains(&range.last())),
        };
        let net = net.ok_or_else(|| {
            let listed: Vec<_> = nets.iter().map(|net| format!("`{net}`")).collect();
            let (what, hint) = match range {
                Some(range) => (format!("no subnet with {range}"), format!("its subnets: {}", listed.join(", "))),
                None => ("no subnet".to_string(), "only a network with an `ip` has addresses of its own".to_string()),
            };
            let message = format!("{} has {what}", self.object());
            Error::new(Code::InvalidArgument, Area::Network, message).about(self.object().plain()).hint(hint)
        })?;
        let range = range.unwrap_or_else(|| usable(*net));
        let used: Vec<IpAddr> = self.ipam()?.into_iter().map(|record| record.ip).collect();
        let free = next_free(&[range], used).and_then(|ip| IpNet::new(ip, net.prefix_len()).ok());
        free.ok_or_else(|| {
            let message = format!("no address of {range} is free on {}", self.object());
            Error::new(Code::NotFound, Area::Network, message).hint("`ipam(network)` shows who holds them")
        })
    }
}
