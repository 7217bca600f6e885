//! Statistics of domains and of the host.

use super::{check, read_params, text};
use crate::floor::Map;
use std::ffi::{c_int, c_uint};
use std::ptr;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

/// The statistics of domains as libvirt's flat names and values: of the given ones, or of all if there are none given.
pub(in super::super) fn domain_stats(
    connect: &Connect,
    domains: &[&Domain],
    groups: c_uint,
    flags: c_uint,
) -> Result<Vec<(String, Map)>, Error> {
    let mut records = ptr::null_mut();
    let count = if domains.is_empty() {
        // SAFETY: the connection is alive while it is borrowed; libvirt sets the array to memory that is ours from then on.
        check(unsafe { sys::virConnectGetAllDomainStats(connect.as_ptr(), groups, &raw mut records, flags) })?
    } else {
        // SAFETY: the domains are alive while they are borrowed.
        let mut pointers: Vec<_> = domains.iter().map(|domain| unsafe { domain.as_ptr() }).collect();
        pointers.push(ptr::null_mut());
        // SAFETY: the list ends in a null pointer and outlives the call; libvirt sets the array to memory that is ours.
        check(unsafe { sys::virDomainListGetStats(pointers.as_mut_ptr(), groups, &raw mut records, flags) })?
    };
    let mut found = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: libvirt returned `count` valid records, each with a domain and `nparams` parameters.
        found.push(unsafe {
            let record = &**records.add(index);
            let name = text(sys::virDomainGetName(record.dom)).unwrap_or_default();
            (name, read_params(record.params, usize::try_from(record.nparams).unwrap_or_default()))
        });
    }
    // SAFETY: the array came from libvirt and is not used again; its end is marked by a null pointer.
    unsafe { sys::virDomainStatsRecordListFree(records) };
    Ok(found)
}

/// The host's memory in KiB by libvirt's names, of one cell or of all.
pub(in super::super) fn node_memory(connect: &Connect, cell: Option<u32>) -> Result<Vec<(String, u64)>, Error> {
    let cell = cell.map_or(sys::VIR_NODE_MEMORY_STATS_ALL_CELLS, |cell| c_int::try_from(cell).unwrap_or(c_int::MAX));
    let mut count = 0;
    // SAFETY: the connection is alive; without an array libvirt only says how many entries there are.
    check(unsafe { sys::virNodeGetMemoryStats(connect.as_ptr(), cell, ptr::null_mut(), &raw mut count, 0) })?;
    let mut array = vec![sys::virNodeMemoryStats { field: [0; 80], value: 0 }; usize::try_from(count).unwrap_or(0)];
    // SAFETY: the array has `count` entries, which libvirt fills.
    check(unsafe { sys::virNodeGetMemoryStats(connect.as_ptr(), cell, array.as_mut_ptr(), &raw mut count, 0) })?;
    // SAFETY: each name ends in NUL within its 80 bytes.
    Ok(array.iter().map(|one| (unsafe { text(one.field.as_ptr()) }.unwrap_or_default(), one.value)).collect())
}

/// What the host's processors did in nanoseconds by libvirt's names, of one processor or of all.
pub(in super::super) fn node_cpu(connect: &Connect, cpu: Option<u32>) -> Result<Vec<(String, u64)>, Error> {
    let cpu = cpu.map_or(sys::VIR_NODE_CPU_STATS_ALL_CPUS, |cpu| c_int::try_from(cpu).unwrap_or(c_int::MAX));
    let mut count = 0;
    // SAFETY: the connection is alive; without an array libvirt only says how many entries there are.
    check(unsafe { sys::virNodeGetCPUStats(connect.as_ptr(), cpu, ptr::null_mut(), &raw mut count, 0) })?;
    let mut array = vec![sys::virNodeCPUStats { field: [0; 80], value: 0 }; usize::try_from(count).unwrap_or(0)];
    // SAFETY: the array has `count` entries, which libvirt fills.
    check(unsafe { sys::virNodeGetCPUStats(connect.as_ptr(), cpu, array.as_mut_ptr(), &raw mut count, 0) })?;
    // SAFETY: each name ends in NUL within its 80 bytes.
    Ok(array.iter().map(|one| (unsafe { text(one.field.as_ptr()) }.unwrap_or_default(), one.value)).collect())
}
