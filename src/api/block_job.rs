//! Jobs on the disks of a running domain.

use super::device::fragment;
use super::records::record;
use super::{RhaiResultOf, value};
use crate::floor::{Error, Options, Result};
use crate::libvirt::BlockJobOptions;
use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn options_of(what: &str, given: Map) -> Result<BlockJobOptions> {
    const KNOWN: &[&str] =
        &["bandwidth", "timeout", "wait", "base", "top", "delete", "pivot", "reuse_external", "shallow"];
    let known: &[&str] = match what {
        "block_copy" => &["bandwidth", "timeout", "wait", "pivot", "reuse_external", "shallow"],
        "block_commit" => &KNOWN[..6],
        _ => &KNOWN[..4],
    };
    let options = Options::from_value(what, value(&given.into(), "")?, known)?;
    let standard = BlockJobOptions::default();
    let flag = |key: &str, default| options.bool(key).map(|flag| flag.unwrap_or(default));
    Ok(BlockJobOptions {
        bandwidth: options.size("bandwidth")?.unwrap_or(standard.bandwidth),
        timeout: options.duration("timeout")?.unwrap_or(standard.timeout),
        wait: flag("wait", standard.wait)?,
        pivot: flag("pivot", standard.pivot)?,
        shallow: flag("shallow", standard.shallow)?,
        reuse_external: flag("reuse_external", standard.reuse_external)?,
        base: options.str("base")?.map(str::to_string),
        top: options.str("top")?.map(str::to_string),
        delete: flag("delete", standard.delete)?,
    })
}

/// A disk as XML. A copy needs no target of its own, but the schema wants one.
fn disk_xml(given: &Dynamic) -> Result<String> {
    let mut given = given.clone();
    if let Some(text) = given.read_lock::<rhai::ImmutableString>().filter(|text| !text.trim_start().starts_with('<')) {
        let hint = format!(
            "a file is `#{{ type: \"file\", driver: #{{ type: \"qcow2\" }}, source: #{{ file: \"{}\" }} }}`",
            *text
        );
        return Err(Error::argument("the copy's disk is a map or XML, and no path").hint(hint));
    }
    if let Some(mut disk) = given.write_lock::<Map>() {
        let target = Map::from([("dev".into(), "vda".into())]);
        disk.entry("target".into()).or_insert_with(|| target.into());
    }
    fragment("disks", &given)
}

#[export_module]
mod functions {
    use crate::libvirt::Domain;

    /// Copies a disk of the running domain to where another disk says, and goes over to the copy when it is complete. `to` is a map as of a domain's disk, or XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let to = #{ type: "file", driver: #{ type: "qcow2" }, source: #{ file: "/var/lib/libvirt/images/copy.qcow2" } };
    /// vm.block_copy("vda", to);
    /// let back = #{ type: "file", driver: #{ type: "qcow2" }, source: #{ file: "/var/lib/libvirt/images/guest.qcow2" } };
    /// vm.block_copy("vda", back, #{ reuse_external: true });
    /// connect().pool("default").refresh();
    /// connect().pool("default").volume("copy.qcow2").delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn block_copy(vm: &mut Domain, disk: &str, to: Dynamic) -> RhaiResultOf<()> {
        block_copy_with(vm, disk, to, Map::new())
    }

    /// Copies a disk of the running domain to where another disk says.
    ///
    /// Options:
    /// * `pivot`: go over to the copy when it is complete, default `true`; else the copy is a picture of that moment.
    /// * `shallow`: copy only the top of the chain; the copy stands on the same base.
    /// * `reuse_external`: into a file that is there already.
    /// * `bandwidth`: the limit of its speed in bytes a second, or text such as `"10 MiB"`; default is none.
    /// * `timeout`: how long it may take, default 1 hour; then it is given up.
    /// * `wait`: whether to wait for its end, default `true`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let to = #{ type: "file", driver: #{ type: "qcow2" }, source: #{ file: "/var/lib/libvirt/images/picture.qcow2" } };
    /// vm.block_copy("vda", to, #{ pivot: false });
    /// let pool = connect().pool("default");
    /// pool.refresh();
    /// pool.volume("picture.qcow2").delete();
    /// ```
    #[rhai_fn(name = "block_copy", pure, return_raw)]
    pub fn block_copy_with(vm: &mut Domain, disk: &str, to: Dynamic, options: Map) -> RhaiResultOf<()> {
        Ok(vm.block_copy(disk, &disk_xml(&to)?, &options_of("block_copy", options)?)?)
    }

    /// Merges the overlays of a disk of the running domain into what they stand on. The counterpart of a snapshot with `disk_only`.
    ///
    /// Options:
    /// * `base`: the file that the disk stands on afterwards; default is the lowest of the chain.
    /// * `top`: the uppermost file to merge; default is the disk itself.
    /// * `delete`: delete the files that were merged, where the host can.
    /// * `bandwidth`: the limit of its speed in bytes a second, or text such as `"10 MiB"`; default is none.
    /// * `timeout`: how long it may take, default 1 hour; then it is given up.
    /// * `wait`: whether to wait for its end, default `true`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.create_snapshot(#{ name: "layer-1", disks: #{ disks: [ #{ name: "vda", snapshot: "external" } ] } }, #{ disk_only: true, no_metadata: true });
    /// vm.block_commit("vda", #{ base: "/var/lib/libvirt/images/guest.qcow2" });
    /// ```
    #[rhai_fn(name = "block_commit", pure, return_raw)]
    pub fn block_commit_with(vm: &mut Domain, disk: &str, options: Map) -> RhaiResultOf<()> {
        Ok(vm.block_commit(disk, &options_of("block_commit", options)?)?)
    }

    /// Merges the topmost overlay of a disk of the running domain into the file below it, and goes over to that.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.create_snapshot(#{ name: "layer-2", disks: #{ disks: [ #{ name: "vda", snapshot: "external" } ] } }, #{ disk_only: true, no_metadata: true });
    /// vm.block_commit("vda");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn block_commit(vm: &mut Domain, disk: &str) -> RhaiResultOf<()> {
        let base = vm.backing_file(disk)?;
        Ok(vm.block_commit(disk, &BlockJobOptions { base, ..BlockJobOptions::default() })?)
    }

    /// Copies what a disk of the running domain stands on into the disk, so that it stands alone.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.block_pull("vda");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn block_pull(vm: &mut Domain, disk: &str) -> RhaiResultOf<()> {
        Ok(vm.block_pull(disk, &BlockJobOptions::default())?)
    }

    /// Copies what a disk of the running domain stands on into the disk.
    ///
    /// Options:
    /// * `base`: the file that the disk stands on afterwards; default is none.
    /// * `bandwidth`: the limit of its speed in bytes a second, or text such as `"10 MiB"`; default is none.
    /// * `timeout`: how long it may take, default 1 hour; then it is given up.
    /// * `wait`: whether to wait for its end, default `true`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.create_snapshot(#{ name: "layer-3", disks: #{ disks: [ #{ name: "vda", snapshot: "external" } ] } }, #{ disk_only: true, no_metadata: true });
    /// vm.block_pull("vda", #{ bandwidth: "200 MiB", timeout: "5m" });
    /// ```
    #[rhai_fn(name = "block_pull", pure, return_raw)]
    pub fn block_pull_with(vm: &mut Domain, disk: &str, options: Map) -> RhaiResultOf<()> {
        Ok(vm.block_pull(disk, &options_of("block_pull", options)?)?)
    }

    /// What a disk is busy with, `#{ type, bandwidth, done, total }` in bytes, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// assert_eq(vm.block_job("vda"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn block_job(vm: &mut Domain, disk: &str) -> RhaiResultOf<Dynamic> {
        Ok(vm.block_job(disk)?.map_or(Dynamic::UNIT, |job| record(job).into()))
    }

    /// Ends the job of a disk: goes over to its result (`true`), which must be complete, or gives it up (`false`).
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let to = #{ type: "file", driver: #{ type: "qcow2" }, source: #{ file: "/var/lib/libvirt/images/given-up.qcow2" } };
    /// vm.block_copy("vda", to, #{ wait: false, bandwidth: "1 MiB" });
    /// vm.end_block_job("vda", false);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn end_block_job(vm: &mut Domain, disk: &str, pivot: bool) -> RhaiResultOf<()> {
        Ok(vm.end_block_job(disk, pivot)?)
    }
}
