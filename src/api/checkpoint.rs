//! Checkpoints of domains, and backups.

use super::definition::definition as checked;
use super::snapshot::named_xml;
use super::{RhaiResultOf, list, value};
use crate::floor::Options;
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};
use std::time::Duration;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use crate::libvirt::Domain;

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
