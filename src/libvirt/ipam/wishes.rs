//! The declarations of a definition, found among its fields of this tool.

use crate::addressing::{Nic, Wish, wishes};
use crate::floor::{Finding, Value};
use crate::schema::Extra;
use crate::schema::xml::Elem;

/// The `static_ip` declarations of a domain's definition, and everything that is wrong with them.
pub fn static_ips(root: &Elem, extras: &[Extra]) -> (Vec<Wish>, Vec<Finding>) {
    let nics = root.find_all("devices/interface");
    let declared: Vec<(usize, Nic, &Value)> = extras
        .iter()
        .filter(|extra| extra.key == "static_ip")
        .filter_map(|extra| {
            let at = place(&extra.path)?;
            Some((at, nic(nics.get(at)?), &extra.value))
        })
        .collect();
    wishes(declared.iter().map(|(at, nic, value)| (*at, nic, *value)))
}

/// The place of an interface among the domain's: 2 for `devices.interfaces[2]`.
fn place(path: &str) -> Option<usize> {
    path.rsplit_once('[')?.1.trim_end_matches(']').parse().ok()
}

fn nic(elem: &Elem) -> Nic {
    Nic {
        path: format!("{}.static_ip", elem.origin),
        kind: elem.attr("type").unwrap_or_default().to_string(),
        has_mac: elem.find("mac").is_some_and(|mac| mac.attr("address").is_some()),
        has_target: elem.find("target").is_some_and(|target| target.attr("dev").is_some()),
    }
}
