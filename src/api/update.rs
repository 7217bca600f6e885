//! Changing a domain to what a definition says, and its limits.

use super::definition::{change, definition};
use super::device::apply;
use super::provision::storage;
use super::{RhaiResultOf, dynamic, value};
use crate::floor::{Options, Result};
use crate::libvirt::{Domain, Storage, Tune, Updated};
use crate::schema::{Change, Definition, Kind};
use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn updated(vm: &Domain, wanted: &Definition, storage: &[Storage]) -> Result<Map> {
    let Updated { live, next_boot, needs_restart } = vm.update_with(wanted, storage)?;
    let changed = !(live.is_empty() && next_boot.is_empty() && needs_restart.is_empty());
    let list = |changes: Vec<Change>| -> Dynamic { changes.into_iter().map(change).collect::<Array>().into() };
    let fields = [
        ("changed", changed.into()),
        ("live", list(live)),
        ("next_boot", list(next_boot)),
        ("needs_restart", list(needs_restart)),
    ];
    Ok(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn tuning(vm: &Domain, tune: Tune) -> RhaiResultOf<Dynamic> {
    Ok(dynamic(vm.tuning(tune)?.into()))
}

fn tune(vm: &Domain, tune: Tune, values: Map, options: Map) -> RhaiResultOf<()> {
    let applied = apply(&format!("set_{}", tune.name()), options)?;
    Ok(vm.set_tuning(tune, &value(&values.into(), "")?, applied)?)
}

#[export_module]
mod functions {
    /// Makes the domain what the definition says: a definition, a map or XML of the whole domain. What can change while it runs changes at once, the rest at its next start; it is never undefined for that. What was changed is read back, and a failure leaves the domain as it was.
    ///
    /// Returns `#{ changed, live, next_boot, needs_restart }`: lists of `#{ path, before, after }` by when they take effect. `next_boot` is of a domain that is off, `needs_restart` of one that runs.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// let wanted = vm.definition;
    /// wanted.title = "spare";
    /// let done = vm.update(wanted);
    /// assert_eq(done.next_boot[0], #{ path: "title", before: (), after: "spare" });
    /// assert(!vm.update(wanted).changed);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn update(vm: &mut Domain, wanted: Dynamic) -> RhaiResultOf<Map> {
        Ok(updated(vm, &definition(Kind::Domain, &wanted)?, &[])?)
    }

    /// The same with volumes that the new definition needs. They are made first and recorded as the machine's own; if it fails, they are gone again, but for those of disks that the guest does not give back.
    ///
    /// Options:
    /// * `storage`: the volumes, a list as `provision` takes it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// let wanted = vm.definition;
    /// wanted.devices.disks.push(#{
    ///     type: "volume", device: "disk", driver: #{ name: "qemu", type: "raw" },
    ///     source: #{ pool: "default", volume: "more" }, target: #{ dev: "vdm", bus: "virtio" },
    /// });
    /// vm.update(wanted, #{ storage: [#{ volume: #{ name: "more", capacity: "1 GiB", target: #{ format: "raw" } } }] });
    /// assert_eq(vm.owned_volumes, [#{ pool: "default", name: "more" }]);
    /// ```
    #[rhai_fn(name = "update", pure, return_raw)]
    pub fn update_with(vm: &mut Domain, wanted: Dynamic, mut options: Map) -> RhaiResultOf<Map> {
        let storage = storage(&options.remove("storage").unwrap_or_default())?;
        Options::from_value("update", value(&options.into(), "")?, &["storage"])?;
        Ok(updated(vm, &definition(Kind::Domain, &wanted)?, &storage)?)
    }

    /// Changes the domain by a function that changes its definition.
    ///
    /// Returns what the other `update` does.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let done = connect().domain("idle").update(|d| {
    ///     d.memory = "2 GiB";
    ///     d.vcpu = 3;
    /// });
    /// assert_eq(done.next_boot.map(|change| change.path), ["memory.unit", "memory.value", "vcpu.value"]);
    /// ```
    #[rhai_fn(name = "update", pure, return_raw)]
    pub fn update_by(call: NativeCallContext, vm: &mut Domain, change: FnPtr) -> RhaiResultOf<Map> {
        let wanted = Definition::from_xml(Kind::Domain, &vm.inactive_xml()?)?;
        let returned: Dynamic = change.call_within_context(&call, (wanted.clone(),))?;
        // A function may as well return another definition than the one that it was given.
        let wanted = if returned.is::<Definition>() { definition(Kind::Domain, &returned)? } else { wanted };
        wanted.check()?;
        Ok(updated(vm, &wanted, &[])?)
    }

    /// Limits and weights of its processors by libvirt's names, such as `cpu_shares`, `vcpu_period` and `vcpu_quota` (microseconds; below 0 is no limit).
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().domain("web").cputune);
    /// ```
    #[rhai_fn(get = "cputune", pure, return_raw)]
    pub fn cputune(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        tuning(vm, Tune::Cpu)
    }

    /// Sets limits and weights of its processors: `cpu_shares`, `vcpu_period`, `vcpu_quota`, `emulator_period`, `emulator_quota`, `global_period`, `global_quota`, `iothread_period`, `iothread_quota`.
    ///
    /// Options:
    /// * `apply`: where: `live` (the running domain), `config` (its definition), or `both`, the default: wherever that is possible.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_cputune(#{ cpu_shares: 512 }, #{ apply: "config" });
    /// assert_eq(vm.definition.cputune.shares, 512);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_cputune(vm: &mut Domain, values: Map, options: Map) -> RhaiResultOf<()> {
        tune(vm, Tune::Cpu, values, options)
    }

    /// Sets limits and weights of its processors, now and for its next starts.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { vm.set_cputune(#{ cpu_shares: 2048 }); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(name = "set_cputune", pure, return_raw)]
    pub fn set_cputune_plain(vm: &mut Domain, values: Map) -> RhaiResultOf<()> {
        tune(vm, Tune::Cpu, values, Map::new())
    }

    /// Limits of its memory in bytes by libvirt's names, such as `hard_limit`; `"unlimited"` where there is none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().domain("web").memtune);
    /// ```
    #[rhai_fn(get = "memtune", pure, return_raw)]
    pub fn memtune(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        tuning(vm, Tune::Memory)
    }

    /// Sets limits of its memory: `hard_limit`, `soft_limit`, `swap_hard_limit`, `min_guarantee`; sizes or `"unlimited"`.
    ///
    /// Options:
    /// * `apply`: where: `live` (the running domain), `config` (its definition), or `both`, the default: wherever that is possible.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// vm.set_memtune(#{ hard_limit: "4 GiB" }, #{ apply: "config" });
    /// assert_eq(vm.memtune.hard_limit, 4294967296);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_memtune(vm: &mut Domain, values: Map, options: Map) -> RhaiResultOf<()> {
        tune(vm, Tune::Memory, values, options)
    }

    /// Sets limits of its memory, now and for its next starts.
    ///
    /// # Example
    ///
    /// ```rhai
    /// connect().domain("web").set_memtune(#{ soft_limit: "unlimited" });
    /// ```
    #[rhai_fn(name = "set_memtune", pure, return_raw)]
    pub fn set_memtune_plain(vm: &mut Domain, values: Map) -> RhaiResultOf<()> {
        tune(vm, Tune::Memory, values, Map::new())
    }

    /// The host's NUMA cells that its memory comes from: `numa_nodeset`, and `numa_mode` as a word.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().domain("web").numatune);
    /// ```
    #[rhai_fn(get = "numatune", pure, return_raw)]
    pub fn numatune(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        tuning(vm, Tune::Numa)
    }

    /// Sets the NUMA cells that its memory comes from: `numa_nodeset` such as `"0-1"`, and `numa_mode`: `strict`, `preferred`, `interleave` or `restrictive`.
    ///
    /// Options:
    /// * `apply`: where: `live` (the running domain), `config` (its definition), or `both`, the default: wherever that is possible.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_numatune(#{ numa_mode: "strict", numa_nodeset: "0" }, #{ apply: "config" });
    /// assert_eq(vm.definition.numatune.memory.nodeset, "0");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_numatune(vm: &mut Domain, values: Map, options: Map) -> RhaiResultOf<()> {
        tune(vm, Tune::Numa, values, options)
    }

    /// Weights and limits on the host's disks by libvirt's names, such as `weight` and `device_weight`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().define_domain(#{
    ///     type: "qemu", name: "weighed", memory: "64 MiB", os: #{ type: "hvm" }, blkiotune: #{ weight: 300 },
    /// });
    /// assert_eq(vm.blkiotune.weight, 300);
    /// vm.undefine();
    /// ```
    #[rhai_fn(get = "blkiotune", pure, return_raw)]
    pub fn blkiotune(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        tuning(vm, Tune::Disks)
    }

    /// Sets weights and limits on the host's disks: `weight`, and by the host's device `device_weight`, `device_read_iops_sec`, `device_write_iops_sec`, `device_read_bytes_sec`, `device_write_bytes_sec`, such as `"/dev/vda,500"`.
    ///
    /// Options:
    /// * `apply`: where: `live` (the running domain), `config` (its definition), or `both`, the default: wherever that is possible.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_blkiotune(#{ weight: 500 }, #{ apply: "config" });
    /// assert_eq(vm.definition.blkiotune.weight, 500);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_blkiotune(vm: &mut Domain, values: Map, options: Map) -> RhaiResultOf<()> {
        tune(vm, Tune::Disks, values, options)
    }
}
