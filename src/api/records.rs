//! libvirt's records as script maps.

use crate::addressing::Record;
use crate::floor::{Map, Value};
use crate::image::{Compression, Description, Entry};
use crate::libvirt::{
    Address, BlockJob, DomainInfo, Expected, Found, Interface, Lease, NetworkCondition, NetworkStatus, NodeInfo,
    PoolInfo, Reservation, Transfer, VolumeInfo,
};

/// A record as a script map.
pub(super) fn record(fields: impl Into<Value>) -> rhai::Map {
    super::dynamic(fields.into()).try_cast().unwrap_or_default()
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect::<Map>())
}

impl From<(Description, Option<Compression>)> for Value {
    fn from((image, packed): (Description, Option<Compression>)) -> Self {
        map([
            ("format", image.format.name().into()),
            ("virtual_size", image.virtual_size.into()),
            ("backing_file", image.backing_file.into()),
            ("external_data", image.external_data.into()),
            ("cluster_size", image.cluster_size.into()),
            ("version", image.version.map(i64::from).into()),
            ("encrypted", image.encrypted.into()),
            ("bootable", image.bootable.into()),
            ("partitions", image.partitions.into()),
            ("compression", packed.map(Compression::name).into()),
        ])
    }
}

impl From<&Entry> for Value {
    /// As `ensure_image` takes it: what is not known is left out.
    fn from(image: &Entry) -> Self {
        let urls: Vec<Value> = image.urls.iter().map(|url| url.as_str().into()).collect();
        let fields = [
            ("name", image.name.as_str().into()),
            ("description", image.description.clone().into()),
            ("architecture", image.architecture.as_str().into()),
            ("format", image.format.clone().into()),
            ("filename", image.filename.as_str().into()),
            ("url", if let [one] = urls.as_slice() { one.clone() } else { urls.into() }),
            ("checksum", image.checksum.clone().into()),
            ("checksum_url", image.checksum_url.clone().into()),
            ("user", image.user.clone().into()),
            ("size", image.size.into()),
            ("catalogue", image.catalogue.as_str().into()),
            ("folder", image.folder.clone().into()),
            ("default", image.default.into()),
        ];
        let known = fields.into_iter().filter(|(_, value): &(_, Self)| !value.is_unit());
        Self::Map(known.map(|(key, value)| (key.to_string(), value)).collect())
    }
}

impl From<DomainInfo> for Value {
    #[allow(clippy::cast_precision_loss, reason = "nanoseconds become seconds")]
    fn from(info: DomainInfo) -> Self {
        map([
            ("memory", info.memory.into()),
            ("max_memory", info.max_memory.into()),
            ("vcpus", info.vcpus.into()),
            ("cpu_time", Value::Float(info.cpu_time as f64 / 1e9)),
        ])
    }
}

impl From<NodeInfo> for Value {
    fn from(info: NodeInfo) -> Self {
        map([
            ("model", info.model.into()),
            ("memory", info.memory.into()),
            ("cpus", info.cpus.into()),
            ("mhz", info.mhz.into()),
            ("nodes", info.nodes.into()),
            ("sockets", info.sockets.into()),
            ("cores", info.cores.into()),
            ("threads", info.threads.into()),
        ])
    }
}

impl From<Expected> for Value {
    fn from(expected: Expected) -> Self {
        map([("matched", expected.matched.into()), ("before", expected.before.into())])
    }
}

impl From<BlockJob> for Value {
    fn from(job: BlockJob) -> Self {
        map([
            ("type", job.kind.into()),
            ("bandwidth", job.bandwidth.into()),
            ("done", job.done.into()),
            ("total", job.total.into()),
        ])
    }
}

impl From<PoolInfo> for Value {
    fn from(info: PoolInfo) -> Self {
        map([
            ("state", info.state.into()),
            ("capacity", info.capacity.into()),
            ("allocation", info.allocation.into()),
            ("available", info.available.into()),
        ])
    }
}

impl From<VolumeInfo> for Value {
    fn from(info: VolumeInfo) -> Self {
        map([("type", info.kind.into()), ("capacity", info.capacity.into()), ("allocation", info.allocation.into())])
    }
}

impl From<Transfer> for Value {
    fn from(transfer: Transfer) -> Self {
        map([("size", transfer.size.into()), ("data", transfer.data.into())])
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

impl From<Record> for Value {
    fn from(record: Record) -> Self {
        map([
            ("addr", record.ip.to_string().into()),
            ("holder", record.holder.into()),
            ("source", record.source.word().into()),
            ("hwaddr", record.mac.map(|mac| mac.to_string()).into()),
            ("place", record.place.into()),
        ])
    }
}

impl From<Reservation> for Value {
    fn from(reservation: Reservation) -> Self {
        map([
            ("addr", reservation.ip.to_string().into()),
            ("hwaddr", reservation.mac.map(|mac| mac.to_string()).into()),
            ("hostname", reservation.name.into()),
        ])
    }
}

impl From<NetworkStatus> for Value {
    fn from(status: NetworkStatus) -> Self {
        map([
            ("assigned_ip", status.assigned_ip.into()),
            ("interface", status.interface.into()),
            ("mac", status.mac.into()),
            ("config_method", if status.is_static { "static" } else { "dhcp" }.into()),
            ("gateway", status.gateway.map(|gateway| gateway.to_string()).into()),
            ("dns", Value::List(status.dns.iter().map(|dns| dns.to_string().into()).collect())),
            ("source", status.source.map(str::to_string).into()),
            ("phase", status.phase.word().into()),
            ("conditions", Value::List(status.conditions.into_iter().map(Value::from).collect())),
        ])
    }
}

impl From<NetworkCondition> for Value {
    fn from(condition: NetworkCondition) -> Self {
        map([
            ("type", condition.kind.into()),
            ("status", condition.status.into()),
            ("reason", condition.reason.into()),
            ("message", condition.message.into()),
            ("time", condition.time.into()),
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
            ("source", found.source.into()),
            ("static", found.is_static.into()),
            ("elapsed", Value::Float(found.elapsed.as_secs_f64())),
        ])
    }
}
