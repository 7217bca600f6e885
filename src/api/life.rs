//! The life of a domain, from start to undefine.

use super::{RhaiResultOf, value};
use crate::floor::{Error, Options, Result, duration};
use crate::libvirt::{Mode, Start};
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn mode(options: &Options) -> Result<Mode> {
    Ok(options.one_of("mode", Mode::WORDS)?.and_then(Mode::from_word).unwrap_or_default())
}

fn start_options(given: &Map) -> Result<Start> {
    const KNOWN: &[&str] = &["autodestroy", "bypass_cache", "force_boot", "paused", "reset_nvram"];
    let options = Options::from_value("start", value(&given.clone().into(), "")?, KNOWN)?;
    let flag = |key: &str| options.bool(key).map(Option::unwrap_or_default);
    Ok(Start {
        paused: flag("paused")?,
        autodestroy: flag("autodestroy")?,
        bypass_cache: flag("bypass_cache")?,
        force_boot: flag("force_boot")?,
        reset_nvram: flag("reset_nvram")?,
    })
}

#[export_module]
mod functions {
    use crate::libvirt::{Domain, Keep, Sleep};

    /// Starts it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// vm.start();
    /// assert_eq(vm.state, "running");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn start(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.start()?)
    }

    /// Asks the guest to shut down, and returns at once. A guest may ignore it: see `destroy`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.shutdown();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn shutdown(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.shutdown(Mode::Any)?)
    }

    /// Stops it at once, as pulling the plug does. Its definition and its storage stay.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.destroy();
    /// assert_eq(vm.state, "shut off");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn destroy(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.destroy(false)?)
    }

    /// Asks the guest to reboot, and returns at once.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.reboot();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reboot(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.reboot(Mode::Any)?)
    }

    /// Pauses it: its memory stays, its CPUs stop.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.suspend();
    /// assert_eq(vm.state, "paused");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn suspend(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.suspend()?)
    }

    /// Lets it run on after `suspend`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.suspend();
    /// vm.resume();
    /// assert_eq(vm.state, "running");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn resume(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.resume()?)
    }

    /// Removes its definition with everything libvirt keeps for it: UEFI variables, TPM state, managed save, snapshot and
    /// checkpoint metadata. Its disks stay. A running domain runs on until it stops.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// vm.undefine();
    /// assert_eq(connect().find_domain("nobody"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn undefine(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.undefine()?)
    }

    /// Starts it in a special way.
    ///
    /// Options:
    /// * `paused`: leave its CPUs stopped until `resume`.
    /// * `autodestroy`: destroy it when the connection closes.
    /// * `bypass_cache`: keep the host's file cache out of reading a saved state.
    /// * `force_boot`: throw a managed save away and boot.
    /// * `reset_nvram`: begin with fresh UEFI variables.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.destroy();
    /// vm.start(#{ paused: true });
    /// assert_eq(vm.state, "paused");
    /// ```
    #[rhai_fn(name = "start", pure, return_raw)]
    pub fn start_with(vm: &mut Domain, options: Map) -> RhaiResultOf<()> {
        Ok(vm.start_with(start_options(&options)?)?)
    }

    /// Asks the guest to shut down.
    ///
    /// Options:
    /// * `mode`: how it is asked: `acpi` (the power button), `agent`, or `any`, the default.
    /// * `timeout`: seconds or text such as `"1m"`: wait for it to be off. Without, the call returns at once.
    /// * `force`: stop the guest at the end of that time; without, that is an error with the code `timeout`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.shutdown(#{ timeout: "30s", force: true });
    /// assert_eq(vm.state, "shut off");
    /// ```
    #[rhai_fn(name = "shutdown", pure, return_raw)]
    pub fn shutdown_with(vm: &mut Domain, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("shutdown", value(&options.into(), "")?, &["force", "mode", "timeout"])?;
        let mode = mode(&options)?;
        let force = options.bool("force")?.unwrap_or(false);
        match options.duration("timeout")? {
            Some(timeout) => Ok(vm.shutdown_and_wait(mode, timeout, force)?),
            None if force => Err(Error::argument("`force` needs `timeout`: how long may the guest take?").into()),
            None => Ok(vm.shutdown(mode)?),
        }
    }

    /// Stops it at once.
    ///
    /// Options:
    /// * `graceful`: let QEMU flush its caches, and do not kill it if it hangs.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.destroy(#{ graceful: true });
    /// ```
    #[rhai_fn(name = "destroy", pure, return_raw)]
    pub fn destroy_with(vm: &mut Domain, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("destroy", value(&options.into(), "")?, &["graceful"])?;
        Ok(vm.destroy(options.bool("graceful")?.unwrap_or(false))?)
    }

    /// Asks the guest to reboot, and returns at once.
    ///
    /// Options:
    /// * `mode`: how it is asked: `acpi`, `agent`, or `any`, the default.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.reboot(#{ mode: "any" });
    /// ```
    #[rhai_fn(name = "reboot", pure, return_raw)]
    pub fn reboot_with(vm: &mut Domain, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("reboot", value(&options.into(), "")?, &["mode"])?;
        Ok(vm.reboot(mode(&options)?)?)
    }

    /// Removes its definition, but keeps some of what libvirt keeps for it. Its disks stay.
    ///
    /// Options:
    /// * `keep_nvram`: keep the UEFI variables.
    /// * `keep_tpm`: keep the state of the TPM.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// vm.undefine(#{ keep_nvram: false });
    /// assert_eq(connect().find_domain("nobody"), ());
    /// ```
    #[rhai_fn(name = "undefine", pure, return_raw)]
    pub fn undefine_with(vm: &mut Domain, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("undefine", value(&options.into(), "")?, &["keep_nvram", "keep_tpm"])?;
        let flag = |key: &str| options.bool(key).map(Option::unwrap_or_default);
        Ok(vm.undefine_but(Keep { nvram: flag("keep_nvram")?, tpm: flag("keep_tpm")? })?)
    }

    /// Presses the reset button: the guest is not asked.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.reset();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reset(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.reset()?)
    }

    /// Puts the guest to sleep through its agent: `memory`, `disk` or `hybrid`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try {
    ///     vm.pm_suspend("memory");
    ///     vm.wait_for_state("pmsuspended", #{ timeout: "30s" });
    /// } catch (err) {
    ///     print(err.message);
    /// }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pm_suspend(vm: &mut Domain, target: &str) -> RhaiResultOf<()> {
        let sleep = match target {
            "memory" => Sleep::Memory,
            "disk" => Sleep::Disk,
            "hybrid" => Sleep::Hybrid,
            _ => {
                return Err(Error::argument(format!("no sleep `{target}`"))
                    .hint("`memory`, `disk` or `hybrid`")
                    .into());
            }
        };
        Ok(vm.pm_suspend(sleep)?)
    }

    /// Wakes the guest from its sleep.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { vm.pm_wakeup(); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pm_wakeup(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.pm_wakeup()?)
    }

    /// Gives it another name, and gives the domain under that name. It must be off. Its volumes and their record stay its
    /// own, under the names that they have; the file of its UEFI variables is called after it again. Who was had before keeps
    /// the former `name`, and is the same domain.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle").rename("spare");
    /// assert_eq(vm.name, "spare");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn rename(vm: &mut Domain, name: &str) -> RhaiResultOf<Domain> {
        Ok(vm.rename(name)?)
    }

    /// Gives it a copy of the UEFI variables of another domain, and gives whether that has some. It must be off, and not have
    /// run yet.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// assert(!host.domain("idle").take_variables(host.domain("web")));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn take_variables(vm: &mut Domain, from: Domain) -> RhaiResultOf<bool> {
        Ok(vm.take_variables(&from)?)
    }

    /// Has its next start make its UEFI variables anew, from the template that its definition has then: boot entries and keys
    /// that were in them are lost. Gives whether it has such variables. It must be off.
    ///
    /// libvirt makes them only where there are none: a firmware with Secure Boot would go on without its keys.
    ///
    /// # Errors
    ///
    /// * `invalid-state`: it runs
    /// * `busy`: another domain has the same file
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(!connect().domain("idle").renew_variables());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn renew_variables(vm: &mut Domain) -> RhaiResultOf<bool> {
        Ok(vm.renew_variables()?)
    }

    /// Sends a non-maskable interrupt, at which many guests write a crash dump.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.inject_nmi();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn inject_nmi(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.inject_nmi()?)
    }

    /// Presses keys together and lets them go, by the names of Linux's input codes: `KEY_LEFTCTRL` or `ctrl`, `f2`, `a`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.send_key(["KEY_LEFTCTRL", "KEY_LEFTALT", "KEY_F2"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn send_key(vm: &mut Domain, keys: Array) -> RhaiResultOf<()> {
        send_key_for(vm, keys, "50ms".into())
    }

    /// Presses keys together and holds them for so long.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.send_key(["enter"], "100ms");
    /// ```
    #[rhai_fn(name = "send_key", pure, return_raw)]
    pub fn send_key_for(vm: &mut Domain, keys: Array, hold: Dynamic) -> RhaiResultOf<()> {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        Ok(vm.send_key(&keys, duration(&value(&hold, "hold")?)?)?)
    }
}
