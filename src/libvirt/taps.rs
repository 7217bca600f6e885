//! The addresses of all running domains in a number of calls that does not grow with them.
//!
//! Statistics name the host's device of each interface (`vnet0`) but not its MAC address, and leases name nothing but MAC
//! addresses. The names of the host's devices have both (`net_vnet0_fe_54_00_12_34_56`, where `fe` stands for the first
//! byte of the guest's), and come in one call. Where the host does not list its devices, a domain's definition is read,
//! once for each of its starts.

use super::Host;
use super::cause::Explain;
use super::filter::Filter;
use crate::floor::{Code, Map, Result, Value};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use virt::sys;

/// A MAC address without its first byte, in lower case.
type Tail = String;

/// A domain's name and its devices, which it has for one run.
type Run = (String, Vec<String>);

/// The interfaces of domains whose definitions were read.
#[derive(Debug, Default)]
pub(super) struct Taps(Mutex<HashMap<Run, Vec<Tail>>>);

impl Host {
    /// Adds to the statistics of domains, which hold their `nets`, the addresses that libvirt's networks gave them.
    pub(super) fn add_addresses(&self, stats: &mut [Map]) -> Result<()> {
        let known = self.tails_of_taps()?;
        let leases = self.all_leases()?;
        for domain in stats {
            let (mut given, mut unleased) = (Vec::new(), 0);
            for tail in self.tails(domain, &known)? {
                let before = given.len();
                given.extend(
                    leases.iter().filter(|(mac, _)| mac.get(3..) == Some(&tail)).map(|(_, lease)| lease.clone()),
                );
                unleased += i64::from(given.len() == before);
            }
            domain.insert("unleased".to_string(), unleased.into());
            domain.insert("addresses".to_string(), Value::List(given));
        }
        Ok(())
    }

    fn tails(&self, domain: &Map, known: &HashMap<String, Tail>) -> Result<Vec<Tail>> {
        let nets = if let Some(Value::List(nets)) = domain.get("nets") { nets.as_slice() } else { &[] };
        let taps: Vec<String> = nets
            .iter()
            .filter_map(|net| net.as_map().and_then(|net| net.get("name")).and_then(Value::as_str).map(plain))
            .collect();
        let tails: Option<Vec<Tail>> = taps.iter().map(|tap| known.get(tap).cloned()).collect();
        if let Some(tails) = tails {
            return Ok(tails);
        }
        let name = domain.get("name").and_then(Value::as_str).unwrap_or_default().to_string();
        let key = (name, taps);
        if let Some(tails) = self.taps().0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(tails.clone());
        }
        let tails = match self.find_domain(&key.0)?.map(|domain| domain.xml()).transpose() {
            Ok(Some(xml)) => {
                super::wiring::Wiring::read(&xml)?.nics.into_iter().filter_map(|nic| tail(&nic.mac?)).collect()
            }
            Ok(None) => Vec::new(),
            Err(error) if error.code == Code::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut remembered = self.taps().0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|(name, _), _| *name != key.0);
        Ok(remembered.entry(key).or_insert(tails).clone())
    }

    /// The MAC addresses of the host's devices, without their first bytes; none where the host does not tell.
    fn tails_of_taps(&self) -> Result<HashMap<String, Tail>> {
        let found = self.raw()?.list_all_node_devices(sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET).unwrap_or_default();
        Ok(found.iter().filter_map(|device| split(&device.name().ok()?)).collect())
    }

    /// All leases of started networks with their MAC addresses; a network whose driver knows no leases has none.
    fn all_leases(&self) -> Result<Vec<(String, Value)>> {
        let mut all = Vec::new();
        for network in self.networks_where(&Filter { active: Some(true), ..Filter::default() })? {
            let leases = match super::ffi::dhcp_leases(&network.raw()?).explain("list the leases of", network.object())
            {
                Err(error) if matches!(error.code, Code::NotFound | Code::Unsupported) => continue,
                other => other?,
            };
            all.extend(leases.into_iter().map(|lease| {
                let fields: [(&str, Value); 6] = [
                    ("hwaddr", lease.mac.clone().into()),
                    ("type", lease.family.word().into()),
                    ("addr", lease.addr.into()),
                    ("prefix", i64::from(lease.prefix).into()),
                    ("hostname", lease.hostname.into()),
                    ("network", network.name().into()),
                ];
                let fields = fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
                (lease.mac, Value::Map(fields))
            }));
        }
        Ok(all)
    }
}

/// `net_vnet0_fe_54_00_12_34_56` becomes `vnet0` and `54:00:12:34:56`.
fn split(device: &str) -> Option<(String, Tail)> {
    const TAIL: usize = "_54_00_12_34_56".len();
    const MAC: usize = TAIL + "_fe".len();
    let rest = device.strip_prefix("net_")?;
    let name = rest.get(..rest.len().checked_sub(MAC)?)?;
    let tail = rest.get(rest.len() - TAIL + 1..)?;
    Some((name.to_string(), tail.replace('_', ":")))
}

/// A device's name as it stands in the names of libvirt's node devices.
fn plain(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

fn tail(mac: &str) -> Option<Tail> {
    mac.get(3..).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_have_the_mac_address() {
        let found = split("net_vnet0_fe_54_00_12_34_56").expect("it has all");
        assert_eq!(found, ("vnet0".to_string(), "54:00:12:34:56".to_string()));
        assert_eq!(split("net_my_tap_fe_54_00_12_34_56").expect("it has all").0, plain("my-tap"));
        assert_eq!(split("net_lo"), None);
        assert_eq!(tail("52:54:00:AB:cd:ef").as_deref(), Some("54:00:ab:cd:ef"));
    }
}
