//! A domain's memory in files, and a picture of its screen.

use super::{RhaiResultOf, value};
use crate::floor::{Error, Options, Result};
use crate::libvirt::Save;
use rhai::plugin::*;
use rhai::{Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn save_options(what: &str, given: Map) -> Result<Save> {
    let options = Options::from_value(what, value(&given.into(), "")?, &["bypass_cache", "paused", "running"])?;
    let flag = |key: &str| options.bool(key).map(Option::unwrap_or_default);
    Ok(Save { running: flag("running")?, paused: flag("paused")?, bypass_cache: flag("bypass_cache")? })
}

#[export_module]
mod functions {
    use crate::libvirt::{Domain, Dump, Host};

    /// Writes its memory to a file of the host and stops it; `host.restore` lets it run on.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.save("/var/lib/libvirt/guest.save");
    /// connect().restore("/var/lib/libvirt/guest.save");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn save(vm: &mut Domain, path: &str) -> RhaiResultOf<()> {
        Ok(vm.save(path, Save::default())?)
    }

    /// Writes its memory to a file of the host and stops it.
    ///
    /// Options:
    /// * `running`: it runs after the restore, whatever it did before.
    /// * `paused`: it is paused after the restore.
    /// * `bypass_cache`: keep the host's file cache out of it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.save("/var/lib/libvirt/paused.save", #{ paused: true });
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save_with(vm: &mut Domain, path: &str, options: Map) -> RhaiResultOf<()> {
        Ok(vm.save(path, save_options("save", options)?)?)
    }

    /// Lets a domain run on from a file that `save` made.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.save("/var/lib/libvirt/again.save");
    /// connect().restore("/var/lib/libvirt/again.save");
    /// assert_eq(vm.state, "running");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn restore(host: &mut Host, path: &str) -> RhaiResultOf<()> {
        Ok(host.restore(path, Save::default())?)
    }

    /// Lets a domain run on from a file that `save` made.
    ///
    /// Options:
    /// * `running`: it runs after the restore, whatever it did before.
    /// * `paused`: it is paused after the restore.
    /// * `bypass_cache`: keep the host's file cache out of it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.save("/var/lib/libvirt/third.save");
    /// connect().restore("/var/lib/libvirt/third.save", #{ paused: true });
    /// assert_eq(vm.state, "paused");
    /// ```
    #[rhai_fn(name = "restore", pure, return_raw)]
    pub fn restore_with(host: &mut Host, path: &str, options: Map) -> RhaiResultOf<()> {
        Ok(host.restore(path, save_options("restore", options)?)?)
    }

    /// Writes its memory to where libvirt keeps it and stops it; its next start goes on from there.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.managed_save();
    /// assert(vm.has_managed_save);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn managed_save(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.managed_save(Save::default())?)
    }

    /// Writes its memory to where libvirt keeps it and stops it.
    ///
    /// Options:
    /// * `running`: it runs after the restore, whatever it did before.
    /// * `paused`: it is paused after the restore.
    /// * `bypass_cache`: keep the host's file cache out of it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.managed_save(#{ running: true });
    /// ```
    #[rhai_fn(name = "managed_save", pure, return_raw)]
    pub fn managed_save_with(vm: &mut Domain, options: Map) -> RhaiResultOf<()> {
        Ok(vm.managed_save(save_options("managed_save", options)?)?)
    }

    /// Whether its next start goes on from a managed save.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(!connect().domain("web").has_managed_save);
    /// ```
    #[rhai_fn(get = "has_managed_save", pure, return_raw)]
    pub fn has_managed_save(vm: &mut Domain) -> RhaiResultOf<bool> {
        Ok(vm.has_managed_save()?)
    }

    /// Throws its managed save away: its next start boots.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.managed_save();
    /// vm.remove_managed_save();
    /// assert(!vm.has_managed_save);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn remove_managed_save(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.remove_managed_save()?)
    }

    /// Writes the memory of the guest to a file of the host, for a debugger.
    ///
    /// Options:
    /// * `memory_only`: an ELF file, which `crash` and `gdb` read.
    /// * `live`: do not stop the guest meanwhile.
    /// * `crash`: leave the domain crashed afterwards.
    /// * `reset`: reset the guest afterwards.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.core_dump("/var/lib/libvirt/guest.core", #{ memory_only: true });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn core_dump(vm: &mut Domain, path: &str, options: Map) -> RhaiResultOf<()> {
        let options =
            Options::from_value("core_dump", value(&options.into(), "")?, &["crash", "live", "memory_only", "reset"])?;
        let flag = |key: &str| options.bool(key).map(Option::unwrap_or_default);
        let (memory_only, live) = (flag("memory_only")?, flag("live")?);
        Ok(vm.core_dump(path, Dump { memory_only, live, crash: flag("crash")?, reset: flag("reset")? })?)
    }

    /// Writes a picture of its first screen to a new PNG file.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.screenshot("screen.png");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn screenshot(vm: &mut Domain, file: &str) -> RhaiResultOf<()> {
        let path = std::path::Path::new(file);
        let png = vm.screenshot(0)?;
        Ok(std::fs::write(path, png).map_err(|cause| Error::io(path, "write", &cause))?)
    }
}
