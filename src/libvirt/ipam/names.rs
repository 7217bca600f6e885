//! Names that a network's DNS server knows, made and taken back while the network runs.

use crate::floor::Result;
use crate::libvirt::{Apply, Edit, Network};
use crate::schema::xml::{self, Elem};
use std::net::IpAddr;

impl Network {
    /// Whether it has a DNS server.
    pub(super) fn has_dns(&self) -> Result<bool> {
        let root = xml::parse(&self.xml()?)?;
        let off = root.find("dns").is_some_and(|dns| dns.attr("enable") == Some("no"));
        Ok(!off && root.find("ip").is_some())
    }

    /// The names that its DNS server has from its definition, each with its address.
    pub(in crate::libvirt) fn names(&self) -> Result<Vec<(IpAddr, String)>> {
        let root = xml::parse(&self.xml()?)?;
        let hosts = root.find_all("dns/host").into_iter();
        let read = hosts.filter_map(|host| Some((host.attr("ip")?.parse::<IpAddr>().ok()?, host)));
        let all = read.flat_map(|(ip, host)| {
            let names = host.find_all("hostname").into_iter();
            names.map(move |name| (ip, name.text().trim().to_string())).collect::<Vec<_>>()
        });
        Ok(all.collect())
    }

    /// Gives an address a name.
    pub(super) fn add_name(&self, ip: IpAddr, name: &str) -> Result<()> {
        self.edit(Edit::Add, "dns_host", &host(ip, name), None, Apply::Both)
    }

    /// Takes a name back; tells whether the address had it.
    pub(in crate::libvirt) fn release_name(&self, ip: IpAddr, name: &str) -> Result<bool> {
        let has = self.names()?.iter().any(|(of, known)| *of == ip && known == name);
        if has {
            self.edit(Edit::Delete, "dns_host", &host(ip, name), None, Apply::Both)?;
        }
        Ok(has)
    }
}

fn host(ip: IpAddr, name: &str) -> String {
    let named = Elem::plain("hostname", &[]).with_text(name);
    xml::to_string(&Elem::plain("host", &[("ip", &ip.to_string())]).with([named]))
}
