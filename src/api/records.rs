//! libvirt's records as script maps.

use crate::floor::{Map, Value};
use crate::libvirt::{Address, DomainInfo, Found, Interface, Lease, PoolInfo, VolumeInfo};

/// A record as a script map.
pub(super) fn record(fields: impl Into<Value>) -> rhai::Map {
    super::dynamic(fields.into()).try_cast().unwrap_or_default()
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect::<Map>())
}

/// A count as an integer; libvirt's are far below the limit.
fn count(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

impl From<DomainInfo> for Value {
    #[allow(clippy::cast_precision_loss, reason = "nanoseconds become seconds")]
    fn from(info: DomainInfo) -> Self {
        map([
            ("memory", count(info.memory)),
            ("max_memory", count(info.max_memory)),
            ("vcpus", i64::from(info.vcpus).into()),
            ("cpu_time", Value::Float(info.cpu_time as f64 / 1e9)),
        ])
    }
}

impl From<PoolInfo> for Value {
    fn from(info: PoolInfo) -> Self {
        map([
            ("capacity", count(info.capacity)),
            ("allocation", count(info.allocation)),
            ("available", count(info.available)),
        ])
    }
}

impl From<VolumeInfo> for Value {
    fn from(info: VolumeInfo) -> Self {
        map([("type", info.kind.into()), ("capacity", count(info.capacity)), ("allocation", count(info.allocation))])
    }
}

impl From<Interface> for Value {
    fn from(nic: Interface) -> Self {
        map([
            ("name", nic.name.into()),
            ("hwaddr", nic.hwaddr.into()),
            ("addrs", Value::List(nic.addrs.into_iter().map(Value::from).collect())),
        ])
    }
}

impl From<Address> for Value {
    fn from(address: Address) -> Self {
        map([
            ("type", address.family.word().into()),
            ("addr", address.addr.into()),
            ("prefix", i64::from(address.prefix).into()),
        ])
    }
}

impl From<Lease> for Value {
    fn from(lease: Lease) -> Self {
        map([
            ("hwaddr", lease.mac.into()),
            ("type", lease.family.word().into()),
            ("addr", lease.addr.into()),
            ("prefix", i64::from(lease.prefix).into()),
            ("hostname", lease.hostname.into()),
            ("client_id", lease.client_id.into()),
            ("expiry", lease.expiry.into()),
            ("interface", lease.interface.into()),
        ])
    }
}

impl From<Found> for Value {
    fn from(found: Found) -> Self {
        map([
            ("type", found.family.word().into()),
            ("addr", found.addr.into()),
            ("prefix", i64::from(found.prefix).into()),
            ("hwaddr", found.mac.into()),
            ("source", found.source.word().into()),
            ("elapsed", Value::Float(found.elapsed.as_secs_f64())),
        ])
    }
}
