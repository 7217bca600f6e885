//! What a host is made of, and what it has left.

use super::cause::Explain;
use super::retry::ask;
use super::words::without_nul;
use super::{Host, ffi};
use crate::floor::{Map, Result, Value};

/// A host's processors and memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// The processors' model, such as `x86_64`.
    pub model: String,
    /// All memory in bytes.
    pub memory: u64,
    /// The processors that are on.
    pub cpus: u32,
    /// Their frequency in MHz; 0 if unknown.
    pub mhz: u32,
    /// The NUMA cells.
    pub nodes: u32,
    /// The sockets of a cell.
    pub sockets: u32,
    /// The cores of a socket.
    pub cores: u32,
    /// The threads of a core.
    pub threads: u32,
}

/// Which kind of guests [`Host::domain_capabilities`] is about; the default is what the host prefers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestKind {
    /// The emulator's path.
    pub emulator: Option<String>,
    /// The architecture, such as `x86_64`.
    pub arch: Option<String>,
    /// The machine type, such as `q35`.
    pub machine: Option<String>,
    /// `kvm`, `qemu`, ...
    pub virt_type: Option<String>,
}

impl Host {
    /// Its processors and memory.
    pub fn node_info(&self) -> Result<NodeInfo> {
        let info = ask(self, || self.raw()?.node_info().explain("ask for the hardware of", self.object()))?;
        Ok(NodeInfo {
            model: info.model,
            memory: info.memory.saturating_mul(1024),
            cpus: info.cpus,
            mhz: info.mhz,
            nodes: info.nodes,
            sockets: info.sockets,
            cores: info.cores,
            threads: info.threads,
        })
    }

    /// Its memory in bytes by libvirt's names (`total`, `free`, `buffers`, `cached`), of one NUMA cell or of all.
    pub fn memory_stats(&self, cell: Option<u32>) -> Result<Map> {
        let found = ask(self, || ffi::node_memory(&self.raw()?, cell).explain("ask for the memory of", self.object()))?;
        Ok(found.into_iter().map(|(name, kib)| (name, kib.saturating_mul(1024).into())).collect())
    }

    /// What its processors did since it started, in seconds by libvirt's names (`kernel`, `user`, `idle`, `iowait`), of
    /// one processor or of all.
    #[allow(clippy::cast_precision_loss, reason = "nanoseconds become seconds")]
    pub fn cpu_stats(&self, cpu: Option<u32>) -> Result<Map> {
        let found = ask(self, || ffi::node_cpu(&self.raw()?, cpu).explain("ask for the processors of", self.object()))?;
        Ok(found.into_iter().map(|(name, nanoseconds)| (name, Value::Float(nanoseconds as f64 / 1e9))).collect())
    }

    /// The free memory of each NUMA cell in bytes.
    pub fn cells_free_memory(&self) -> Result<Vec<u64>> {
        let cells = i32::try_from(self.node_info()?.nodes).unwrap_or(i32::MAX);
        ask(self, || self.raw()?.cells_free_memory(0, cells).explain("ask for the free memory of", self.object()))
    }

    /// What it can do, as XML.
    pub fn capabilities(&self) -> Result<String> {
        ask(self, || self.raw()?.capabilities().explain("ask for the capabilities of", self.object()))
    }

    /// What its guests can have, as XML.
    pub fn domain_capabilities(&self, guest: &GuestKind) -> Result<String> {
        let given = [&guest.emulator, &guest.arch, &guest.machine, &guest.virt_type].map(Option::as_deref);
        without_nul("a kind of guest", &given)?;
        let [emulator, arch, machine, virt_type] = given;
        ask(self, || {
            self.raw()?
                .domain_capabilities(emulator, arch, machine, virt_type, 0)
                .explain("ask for the domain capabilities of", self.object())
        })
    }

    /// Looks for what a storage pool of a type could stand on, as XML; `from` says where to look, if the type needs it.
    pub fn find_pool_sources(&self, kind: &str, from: Option<&str>) -> Result<String> {
        without_nul("a source", &[from])?;
        ask(self, || {
            self.raw()?.find_storage_pool_sources(kind, from, 0).explain("look up pool sources of", self.object())
        })
    }
}
