//! Limits and weights of a domain by libvirt's names: processors, memory, NUMA, disks.

use super::cause::Explain;
use super::ffi::{self, CType, TuneFamily as Family};
use super::{Apply, Domain};
use crate::floor::{Area, Code, Error, Map, Options, Result, Value, size};
use virt::sys;

/// What can be tuned; libvirt's documents have an element of that name for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tune {
    /// Processor time: `cputune`.
    Cpu,
    /// Memory: `memtune`.
    Memory,
    /// The host's NUMA cells that memory comes from: `numatune`.
    Numa,
    /// The host's disks: `blkiotune`.
    Disks,
}

/// libvirt's number for memory without a limit, in KiB.
const UNLIMITED: u64 = sys::VIR_DOMAIN_MEMORY_PARAM_UNLIMITED;
const NO_LIMIT: &str = "unlimited";
/// The words of `numa_mode`, in the order of libvirt's numbers.
const NUMA_MODES: [&str; 4] = ["strict", "preferred", "interleave", "restrictive"];

impl Tune {
    /// The name of its element.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cputune",
            Self::Memory => "memtune",
            Self::Numa => "numatune",
            Self::Disks => "blkiotune",
        }
    }

    /// The parameters that can be set.
    pub fn parameters(self) -> impl Iterator<Item = &'static str> {
        self.table().iter().map(|(name, _)| *name)
    }

    fn table(self) -> &'static [(&'static str, CType)] {
        match self {
            Self::Cpu => &[
                ("cpu_shares", CType::ULLong),
                ("emulator_period", CType::ULLong),
                ("emulator_quota", CType::LLong),
                ("global_period", CType::ULLong),
                ("global_quota", CType::LLong),
                ("iothread_period", CType::ULLong),
                ("iothread_quota", CType::LLong),
                ("vcpu_period", CType::ULLong),
                ("vcpu_quota", CType::LLong),
                ("weight", CType::UInt),
            ],
            Self::Memory => &[
                ("hard_limit", CType::ULLong),
                ("min_guarantee", CType::ULLong),
                ("soft_limit", CType::ULLong),
                ("swap_hard_limit", CType::ULLong),
            ],
            Self::Numa => &[("numa_mode", CType::Int), ("numa_nodeset", CType::Text)],
            Self::Disks => &[
                ("device_read_bytes_sec", CType::Text),
                ("device_read_iops_sec", CType::Text),
                ("device_weight", CType::Text),
                ("device_write_bytes_sec", CType::Text),
                ("device_write_iops_sec", CType::Text),
                ("weight", CType::UInt),
            ],
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Cpu => Family::Cpu,
            Self::Memory => Family::Memory,
            Self::Numa => Family::Numa,
            Self::Disks => Family::Disks,
        }
    }

    /// What libvirt is told for a value.
    fn told(self, name: &str, ty: CType, value: &Value) -> Result<String> {
        let wrong = |what: &str| Err(Error::argument(format!("`{name}` is {what}, not {}", value.show())));
        if self == Self::Memory {
            return match value.as_str() {
                Some(NO_LIMIT) => Ok(UNLIMITED.to_string()),
                _ => Ok((size(value)? / 1024).to_string()),
            };
        }
        if name == "numa_mode" {
            let Some(at) = NUMA_MODES.iter().position(|mode| value.as_str() == Some(mode)) else {
                return wrong(&format!("one of {}", NUMA_MODES.join(", ")));
            };
            return Ok(at.to_string());
        }
        match (ty, value) {
            (CType::Text, Value::String(text)) => Ok(text.clone()),
            (CType::Text, _) => wrong("text"),
            (CType::LLong, Value::Int(number)) => Ok(number.to_string()),
            (_, Value::Int(number)) if *number >= 0 => Ok(number.to_string()),
            (CType::LLong, _) => wrong("a number"),
            _ => wrong("a number that is not negative"),
        }
    }

    /// What a script is told for libvirt's value: memory in bytes, modes as words.
    fn shown(self, name: &str, value: Value) -> Value {
        match value {
            Value::Int(kib) if self == Self::Memory => match u64::try_from(kib) {
                Ok(kib) if kib >= UNLIMITED => NO_LIMIT.into(),
                _ => Value::Int(kib.saturating_mul(1024)),
            },
            Value::Int(mode) if name == "numa_mode" => usize::try_from(mode)
                .ok()
                .and_then(|mode| NUMA_MODES.get(mode))
                .map_or(Value::Int(mode), |&mode| mode.into()),
            other => other,
        }
    }
}

impl Domain {
    /// The parameters as they are: of the running domain, or of its definition.
    pub fn tuning(&self, tune: Tune) -> Result<Map> {
        let found = ffi::tuning(&self.raw()?, tune.family(), sys::VIR_DOMAIN_AFFECT_CURRENT)
            .explain(&format!("read the {} of", tune.name()), self.object())?;
        Ok(found.into_iter().map(|(name, value)| (name.clone(), tune.shown(&name, value))).collect())
    }

    /// Sets parameters, and reads them back.
    pub fn set_tuning(&self, tune: Tune, values: &Value, apply: Apply) -> Result<()> {
        let known: Vec<&str> = tune.parameters().collect();
        let options = Options::from_value(tune.name(), values.clone(), &known)?;
        let mut told = Vec::new();
        for (name, ty) in tune.table() {
            if let Some(value) = options.get(name) {
                told.push((*name, *ty, tune.told(name, *ty, value)?));
            }
        }
        let flags = self.affects(apply)?;
        let places = [sys::VIR_DOMAIN_AFFECT_LIVE, sys::VIR_DOMAIN_AFFECT_CONFIG].into_iter();
        for place in places.filter(|place| flags & place != 0) {
            match self.tune(tune, &told, place) {
                // A driver that keeps one definition only knows no places.
                Err(error)
                    if apply == Apply::Both
                        && error.cause.as_deref().is_some_and(|words| words.contains("unsupported flags")) =>
                {
                    return self.tune(tune, &told, sys::VIR_DOMAIN_AFFECT_CURRENT);
                }
                done => done?,
            }
        }
        Ok(())
    }

    fn tune(&self, tune: Tune, told: &[(&str, CType, String)], place: u32) -> Result<()> {
        ffi::set_tuning(&self.raw()?, tune.family(), told, place)
            .explain(&format!("change the {} of", tune.name()), self.object())?;
        self.took(tune, told, place)
    }

    /// Fails where libvirt says another number than the one it was told. Lists of devices it writes in its own way.
    fn took(&self, tune: Tune, told: &[(&str, CType, String)], place: u32) -> Result<()> {
        let now = ffi::tuning(&self.raw()?, tune.family(), place)
            .explain(&format!("read the {} of", tune.name()), self.object())?;
        for (name, _, asked) in told.iter().filter(|(_, ty, _)| *ty != CType::Text) {
            if let Some(Value::Int(has)) = now.get(*name)
                && has.to_string() != *asked
            {
                let message = format!("{} has {name} {has} after it was set to {asked}", self.object());
                return Err(Error::new(Code::Failed, Area::Domain, message).about(self.object().plain()));
            }
        }
        Ok(())
    }
}
