//! Changing networks while they are in use.

use super::definition::definition;
use super::{RhaiResultOf, value};
use crate::floor::{Error, Options, Result};
use crate::libvirt::Edit;
use crate::schema::{Kind, xml};
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// A part of a network as XML: checked inside a network that holds nothing else.
fn part_xml(part: &str, given: &Dynamic) -> Result<String> {
    if given.is_string() {
        return Ok(given.to_string());
    }
    let list = |key: &str, item: Dynamic| -> Dynamic { Map::from([(key.into(), vec![item].into())]).into() };
    let map = |key: &str, item: Dynamic| -> Dynamic { Map::from([(key.into(), item)]).into() };
    let (key, item, path) = match part {
        "dhcp_host" => ("ips", Array::from([map("dhcp", list("hosts", given.clone()))]).into(), "ip/dhcp/host"),
        "dhcp_range" => ("ips", Array::from([map("dhcp", list("ranges", given.clone()))]).into(), "ip/dhcp/range"),
        "dns_host" => ("dns", list("hosts", given.clone()), "dns/host"),
        "dns_srv" => ("dns", list("srvs", given.clone()), "dns/srv"),
        "dns_txt" => ("dns", list("txts", given.clone()), "dns/txt"),
        "forward_interface" => ("forward", list("interfaces", given.clone()), "forward/interface"),
        _ => ("portgroups", Array::from([given.clone()]).into(), "portgroup"),
    };
    let around = Map::from([("name".into(), "part".into()), (key.into(), item)]);
    let whole = definition(Kind::Network, &around.into())?;
    let found = whole.root().find(path).map(xml::to_string);
    found.ok_or_else(|| Error::argument(format!("`{part}` must be a map or XML")))
}

#[export_module]
mod functions {
    use crate::libvirt::{Apply, Network};

    /// Adds a part to a network while it is in use.
    ///
    /// Parts: `dhcp_host`, `dhcp_range`, `dns_host`, `dns_srv`, `dns_txt`, `forward_interface`, `portgroup`. The part is a map as in a network's definition, or XML. The running network and its definition change together, and guests stay connected.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let net = connect().network("lab");
    /// net.add("dhcp_host", #{ mac: "52:54:00:aa:00:01", name: "printer", ip: "192.168.150.201" });
    /// net.delete("dhcp_host", #{ mac: "52:54:00:aa:00:01", name: "printer", ip: "192.168.150.201" });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn add(net: &mut Network, part: &str, fields: Dynamic) -> RhaiResultOf<()> {
        Ok(net.edit(Edit::Add, part, &part_xml(part, &fields)?, None, Apply::Both)?)
    }

    /// Changes a part of a network while it is in use. A DHCP host is found by its MAC address, a range by its first address, a DNS host by its address, a DNS text and a port group by their names, and a DNS service by its name, protocol and domain.
    ///
    /// Parts: `dhcp_host`, `dhcp_range`, `dns_host`, `dns_srv`, `dns_txt`, `forward_interface`, `portgroup`. The part is a map as in a network's definition, or XML. The running network and its definition change together, and guests stay connected.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let net = connect().network("lab");
    /// net.add("dhcp_host", #{ mac: "52:54:00:aa:00:02", ip: "192.168.150.202" });
    /// net.modify("dhcp_host", #{ mac: "52:54:00:aa:00:02", ip: "192.168.150.203" });
    /// net.delete("dhcp_host", #{ mac: "52:54:00:aa:00:02", ip: "192.168.150.203" });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn modify(net: &mut Network, part: &str, fields: Dynamic) -> RhaiResultOf<()> {
        Ok(net.edit(Edit::Modify, part, &part_xml(part, &fields)?, None, Apply::Both)?)
    }

    /// Takes a part out of a network while it is in use.
    ///
    /// Parts: `dhcp_host`, `dhcp_range`, `dns_host`, `dns_srv`, `dns_txt`, `forward_interface`, `portgroup`. The part is a map as in a network's definition, or XML. The running network and its definition change together, and guests stay connected.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let net = connect().network("lab");
    /// net.add("dns_host", #{ ip: "192.168.150.204", hostnames: ["files"] });
    /// net.delete("dns_host", #{ ip: "192.168.150.204", hostnames: ["files"] });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn delete(net: &mut Network, part: &str, fields: Dynamic) -> RhaiResultOf<()> {
        Ok(net.edit(Edit::Delete, part, &part_xml(part, &fields)?, None, Apply::Both)?)
    }

    /// Changes a part of a network: `add`, `modify` or `delete`.
    ///
    /// Options:
    /// * `apply`: where: `live` (the running network), `config` (its definition), or `both`, the default.
    /// * `parent`: the index of the `ip` for DHCP, if the network has several.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let net = connect().network("lab");
    /// net.edit("add", "dns_txt", #{ name: "x.lab", value: "y" }, #{ apply: "config" });
    /// net.edit("delete", "dns_txt", #{ name: "x.lab", value: "y" }, #{ apply: "config" });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn edit(net: &mut Network, what: &str, part: &str, fields: Dynamic, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("edit", value(&options.into(), "")?, &["apply", "parent"])?;
        let apply = options.one_of("apply", Apply::WORDS)?.and_then(Apply::from_word).unwrap_or_default();
        let parent = options.int("parent")?.map(|parent| i32::try_from(parent).unwrap_or(-1));
        let edit = match what {
            "add" => Edit::Add,
            "modify" => Edit::Modify,
            "delete" => Edit::Delete,
            _ => return Err(Error::argument(format!("no edit `{what}`")).hint("`add`, `modify` or `delete`").into()),
        };
        Ok(net.edit(edit, part, &part_xml(part, &fields)?, parent, apply)?)
    }
}
