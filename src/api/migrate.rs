//! Moving domains to other hosts, checkpoints and backups.

use super::definition::definition as checked;
use super::records::record;
use super::snapshot::named_xml;
use super::{RhaiResultOf, list, value};
use crate::floor::{Options, Result};
use crate::libvirt::Migrate;
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};
use std::time::Duration;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn migrate_options(given: Map) -> Result<Migrate> {
    const KNOWN: &[&str] = &[
        "auto_converge",
        "bandwidth",
        "copy_storage",
        "live",
        "name",
        "offline",
        "peer_to_peer",
        "persist",
        "timeout",
        "tunnelled",
        "undefine_source",
        "unsafe_caches",
        "uri",
    ];
    let options = Options::from_value("migrate", value(&given.into(), "")?, KNOWN)?;
    let standard = Migrate::default();
    let flag = |key: &str, default| options.bool(key).map(|flag| flag.unwrap_or(default));
    Ok(Migrate {
        live: flag("live", standard.live)?,
        offline: flag("offline", standard.offline)?,
        peer_to_peer: flag("peer_to_peer", standard.peer_to_peer)?,
        tunnelled: flag("tunnelled", standard.tunnelled)?,
        persist: flag("persist", standard.persist)?,
        undefine_source: flag("undefine_source", standard.undefine_source)?,
        copy_storage: flag("copy_storage", standard.copy_storage)?,
        unsafe_caches: flag("unsafe_caches", standard.unsafe_caches)?,
        auto_converge: flag("auto_converge", standard.auto_converge)?,
        name: options.str("name")?.map(str::to_string),
        uri: options.str("uri")?.map(str::to_string),
        bandwidth: options.int("bandwidth")?.and_then(|mib| u64::try_from(mib).ok()),
        timeout: options.duration("timeout")?,
    })
}

#[export_module]
mod functions {
    use crate::libvirt::{Domain, Host};

    /// Moves it to another host while it runs, and gives it there. See the form with options.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let away = connect("test:///default");
    /// try { connect().domain("web").migrate(away); } catch (err) { assert_eq(err.code, "unsupported"); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn migrate(vm: &mut Domain, to: Host) -> RhaiResultOf<Domain> {
        migrate_with(vm, to, Map::new())
    }

    /// Moves it to another host, and gives it there. When the time is over, or on Ctrl-C, the move is given up and the guest stays.
    ///
    /// Options:
    /// * `live`: the guest runs on meanwhile, default `true`.
    /// * `offline`: only the definition moves; the domain is off.
    /// * `peer_to_peer`: the hosts talk to each other, instead of through this program.
    /// * `tunnelled`: the data goes through libvirt's own connection.
    /// * `persist`: it has a definition there, default `true`.
    /// * `undefine_source`: it has no definition here any more, default `true`.
    /// * `copy_storage`: copy the disks, as both hosts have storage of their own.
    /// * `unsafe_caches`: do it even where a disk's cache may lose data.
    /// * `auto_converge`: slow a guest down that changes its memory too fast.
    /// * `name`: its name there.
    /// * `uri`: where its data goes, such as `tcp://10.0.0.2`.
    /// * `bandwidth`: the limit of its speed in MiB a second.
    /// * `timeout`: how long it may take.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let away = connect("test:///default");
    /// try {
    ///     connect().domain("web").migrate(away, #{ copy_storage: true, timeout: "10m" });
    /// } catch (err) {
    ///     assert_eq(err.code, "unsupported");
    /// }
    /// ```
    #[rhai_fn(name = "migrate", pure, return_raw)]
    pub fn migrate_with(vm: &mut Domain, to: Host, options: Map) -> RhaiResultOf<Domain> {
        Ok(vm.migrate(&to, &migrate_options(options)?)?)
    }

    /// The job that it is busy with, such as a migration or a backup, by libvirt's names in snake case (`data_total`, `data_processed`, `time_elapsed`, ...); empty if there is none.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// assert_eq(vm.job(), #{});
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn job(vm: &mut Domain) -> RhaiResultOf<Map> {
        Ok(record(vm.job()?))
    }

    /// Gives up the job that it is busy with.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { vm.abort_job(); } catch (err) { assert_eq(err.code, "invalid-state"); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn abort_job(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.abort_job()?)
    }

    /// A moment from which on the disks of a domain know what changes.
    pub type Checkpoint = crate::libvirt::Checkpoint;

    /// Makes a checkpoint: a name, a definition, a map or XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let checkpoint = vm.create_checkpoint("c-1");
    /// checkpoint.delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn create_checkpoint(vm: &mut Domain, definition: Dynamic) -> RhaiResultOf<Checkpoint> {
        Ok(vm.create_checkpoint(&named_xml(Kind::Checkpoint, &definition)?)?)
    }

    /// Its checkpoints, parents before their children.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let checkpoint = vm.create_checkpoint("c-2");
    /// assert_eq(vm.checkpoints().len(), 1);
    /// checkpoint.delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn checkpoints(vm: &mut Domain) -> RhaiResultOf<Array> {
        Ok(list(vm.checkpoints()?))
    }

    /// The checkpoint of this name; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let checkpoint = vm.create_checkpoint("c-3");
    /// vm.checkpoint("c-3").delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn checkpoint(vm: &mut Domain, name: &str) -> RhaiResultOf<Checkpoint> {
        Ok(vm.checkpoint(name)?)
    }

    /// Its name.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let checkpoint = vm.create_checkpoint("c-4");
    /// print(checkpoint.name);
    /// checkpoint.delete();
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(checkpoint: &mut Checkpoint) -> String {
        checkpoint.name().to_string()
    }

    /// Its XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let checkpoint = vm.create_checkpoint("c-5");
    /// print(checkpoint.xml);
    /// checkpoint.delete();
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(checkpoint: &mut Checkpoint) -> RhaiResultOf<String> {
        Ok(checkpoint.xml()?)
    }

    /// Deletes it; its parent still knows what changed since then.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let checkpoint = vm.create_checkpoint("c-6");
    /// checkpoint.delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn delete(checkpoint: &mut Checkpoint) -> RhaiResultOf<()> {
        Ok(checkpoint.delete(false)?)
    }

    /// What it is and its name.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let checkpoint = vm.create_checkpoint("c-7");
    /// print(checkpoint);
    /// checkpoint.delete();
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(checkpoint: &mut Checkpoint) -> String {
        format!("checkpoint {}", checkpoint.name())
    }

    /// Backs its disks up while it runs: a definition, a map or XML of a backup. Waits for the end.
    ///
    /// Options:
    /// * `checkpoint`: make a checkpoint of the same moment: a name, a definition, a map or XML.
    /// * `timeout`: how long it may take, default 1 hour; then it is given up.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let disks = |n| #{ disks: #{ disks: [ #{ name: "vda", type: "file", target: #{ file: `/var/lib/libvirt/images/backup-${n}.qcow2` }, driver: #{ type: "qcow2" } } ] } };
    /// vm.backup(disks.call(1), #{ checkpoint: "monday" });
    /// let changed = disks.call(2);
    /// changed.incremental = "monday";
    /// vm.backup(changed, #{ timeout: "5m" });
    /// vm.checkpoint("monday").delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn backup(vm: &mut Domain, definition: Dynamic, options: Map) -> RhaiResultOf<()> {
        let mut options = options;
        let checkpoint = options.remove("checkpoint").map(|given| named_xml(Kind::Checkpoint, &given)).transpose()?;
        let options = Options::from_value("backup", value(&options.into(), "")?, &["checkpoint", "timeout"])?;
        let timeout = options.duration("timeout")?.unwrap_or(Duration::from_secs(3600));
        Ok(vm.backup(&checked(Kind::Backup, &definition)?.xml(), checkpoint.as_deref(), timeout)?)
    }
}
