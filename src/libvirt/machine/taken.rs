//! What the disks of a machine take on their host.

use crate::floor::{Code, Result, Value};
use crate::libvirt::{Host, Pool};
use crate::schema::xml::Elem;
use std::collections::HashMap;

/// The bytes that the disks take that a machine writes to, by what its QEMU tells of those of one that runs, and else by what
/// its pools know. Nothing if that cannot be known of one of them, as of a file outside of all pools.
pub(in crate::libvirt) fn disk_use(
    host: &Host,
    domain: &Elem,
    blocks: Option<&Value>,
    pools: &mut HashMap<String, Option<Pool>>,
) -> Result<Option<u64>> {
    let mut sum = 0;
    for disk in domain.find_all("devices/disk") {
        let is_disk = matches!(disk.attr("device"), None | Some("disk"));
        let Some(source) = disk.child("source").filter(|_| is_disk && disk.child("readonly").is_none()) else {
            continue;
        };
        let target = disk.child("target").and_then(|target| target.attr("dev"));
        let told = target.and_then(|target| physical(blocks?, target));
        let size = match told {
            Some(size) => Some(size),
            None => match allocated(host, source, pools) {
                // It is gone, or its pool is stopped.
                Err(error) if matches!(error.code, Code::NotFound | Code::InvalidState) => None,
                size => size?,
            },
        };
        let Some(size) = size else { return Ok(None) };
        sum += size;
    }
    Ok(Some(sum))
}

/// What a running domain's own statistics say of a disk.
fn physical(blocks: &Value, target: &str) -> Option<u64> {
    let Value::List(blocks) = blocks else { return None };
    let of = |block: &Value, key: &str| match block {
        Value::Map(fields) => fields.get(key).cloned(),
        _ => None,
    };
    let block = blocks.iter().find(|block| of(block, "name").as_ref().and_then(Value::as_str) == Some(target))?;
    match of(block, "physical")? {
        Value::Int(size) => u64::try_from(size).ok(),
        _ => None,
    }
}

/// What the pool of a disk says.
fn allocated(host: &Host, source: &Elem, pools: &mut HashMap<String, Option<Pool>>) -> Result<Option<u64>> {
    let volume = if let (Some(pool), Some(name)) = (source.attr("pool"), source.attr("volume")) {
        if !pools.contains_key(pool) {
            pools.insert(pool.to_string(), host.find_pool(pool)?);
        }
        match &pools[pool] {
            Some(pool) => pool.find_volume(name)?,
            None => None,
        }
    } else if let Some(path) = source.attr("file").or_else(|| source.attr("dev")) {
        host.find_volume_by_path(path)?
    } else {
        None
    };
    Ok(volume.map(|volume| volume.info()).transpose()?.map(|info| info.allocation))
}
