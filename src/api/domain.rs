//! Domains: their state and their addresses.

use super::records::record;
use super::{RhaiResultOf, dynamic};
use crate::floor::Error;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use crate::libvirt::{Host, Source};
    use crate::schema::{Definition, Kind};

    /// A virtual machine on a host.
    pub type Domain = crate::libvirt::Domain;

    /// Its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.name);
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(vm: &mut Domain) -> String {
        vm.name().to_string()
    }

    /// Its UUID.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// assert_eq(vm.uuid.len(), 36);
    /// ```
    #[rhai_fn(get = "uuid", pure, return_raw)]
    pub fn uuid(vm: &mut Domain) -> RhaiResultOf<String> {
        Ok(vm.uuid()?)
    }

    /// What `ssh` has to be told to know its guest again: a list of texts. The host key of the first login is kept under the
    /// machine's UUID in a file of its own, not with the keys of addresses and names, which others get later. It is forgotten
    /// when the machine is removed, rebuilt or taken back to a snapshot.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// let words = vm.host_key_arguments();
    /// assert(words.contains(`HostKeyAlias=${vm.uuid}`));
    /// // run_program("ssh", words + ["root@192.168.122.3", "uptime"])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn host_key_arguments(vm: &mut Domain) -> RhaiResultOf<Array> {
        Ok(vm.host_key_arguments()?.into_iter().map(Dynamic::from).collect())
    }

    /// Whether it is running.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// if vm.is_active { print("up"); }
    /// ```
    #[rhai_fn(get = "is_active", pure, return_raw)]
    pub fn is_active(vm: &mut Domain) -> RhaiResultOf<bool> {
        Ok(vm.is_active()?)
    }

    /// Whether its definition stays when it stops.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// assert(vm.is_persistent);
    /// ```
    #[rhai_fn(get = "is_persistent", pure, return_raw)]
    pub fn is_persistent(vm: &mut Domain) -> RhaiResultOf<bool> {
        Ok(vm.is_persistent()?)
    }

    /// Whether the host starts it at boot.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.autostart);
    /// ```
    #[rhai_fn(get = "autostart", pure, return_raw)]
    pub fn autostart(vm: &mut Domain) -> RhaiResultOf<bool> {
        Ok(vm.autostart()?)
    }

    /// Sets whether the host starts it at boot.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.autostart = true;
    /// assert(vm.autostart);
    /// ```
    #[rhai_fn(set = "autostart", pure, return_raw)]
    pub fn set_autostart(vm: &mut Domain, autostart: bool) -> RhaiResultOf<()> {
        Ok(vm.set_autostart(autostart)?)
    }

    /// Its XML as the host has it now.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.xml);
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(vm: &mut Domain) -> RhaiResultOf<String> {
        Ok(vm.xml()?)
    }

    /// Its definition: what stays when it stops.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.definition.name);
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn definition(vm: &mut Domain) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::Domain, &vm.inactive_xml()?)?)
    }

    /// Its definition with the passwords of its screens, for whoever defines it anew: `definition` is without them, as libvirt
    /// tells them only when asked. What is printed or logged has `***` in their place.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// vm.update(|d| { d.devices.graphics = [#{ type: "vnc", port: -1, autoport: true, passwd: "sesame" }]; });
    /// assert_eq(vm.definition.to_map().devices.graphics[0].passwd, ());
    /// assert_eq(vm.secure_definition().to_map().devices.graphics[0].passwd, "sesame");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn secure_definition(vm: &mut Domain) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::Domain, &vm.secure_xml()?)?)
    }

    /// The host it is on.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.host.uri);
    /// ```
    #[rhai_fn(get = "host", pure)]
    pub fn host(vm: &mut Domain) -> Host {
        vm.host().clone()
    }

    /// What it is and its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(vm: &mut Domain) -> String {
        format!("domain {}", vm.name())
    }

    /// Its number while it runs, else `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.id);
    /// ```
    #[rhai_fn(get = "id", pure, return_raw)]
    pub fn id(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        Ok(vm.id().map_or(Dynamic::UNIT, |id| i64::from(id).into()))
    }

    /// Its state, in the words of `virsh domstate`: `running`, `idle`, `paused`, `in shutdown`, `shut off`, `crashed`
    /// or `pmsuspended`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// assert_eq(vm.state, "running");
    /// ```
    #[rhai_fn(get = "state", pure, return_raw)]
    pub fn state(vm: &mut Domain) -> RhaiResultOf<String> {
        Ok(vm.state()?.word().into())
    }

    /// Why it is in its state, in the words of `virsh domstate --reason`: `booted`, `destroyed`, `crashed`, ...
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(`${vm.state} (${vm.reason})`);
    /// ```
    #[rhai_fn(get = "reason", pure, return_raw)]
    pub fn reason(vm: &mut Domain) -> RhaiResultOf<String> {
        Ok(vm.state()?.reason().into())
    }

    /// What libvirt has to say of it as it runs, as `virsh dominfo` shows it: that it is `tainted` by something that libvirt
    /// does not stand by, such as `qemu_commandline`, or that it has what a later QEMU is not going to have.
    /// Nothing is said of one that is off. Needs libvirt's QEMU driver.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// assert_eq(vm.messages, []);
    /// ```
    #[rhai_fn(get = "messages", pure, return_raw)]
    pub fn messages(vm: &mut Domain) -> RhaiResultOf<Array> {
        Ok(vm.messages()?.into_iter().map(Dynamic::from).collect())
    }

    /// Memory in bytes, vCPUs and CPU time in seconds: `#{ memory, max_memory, vcpus, cpu_time }`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.info.vcpus);
    /// ```
    #[rhai_fn(get = "info", pure, return_raw)]
    pub fn info(vm: &mut Domain) -> RhaiResultOf<Map> {
        Ok(record(vm.info()?))
    }

    /// The addresses of its interfaces as one source knows them: `lease`, `agent`, `arp`, or `any` for all of them.
    ///
    /// Gives `[#{ name, hwaddr, addrs: [#{ type, addr, prefix }] }]`. For `any`, a source that fails counts as silent.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// for nic in vm.interface_addresses("lease") {
    ///     for address in nic.addrs { print(`${nic.hwaddr} ${address.addr}/${address.prefix}`); }
    /// }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn interface_addresses(vm: &mut Domain, source: &str) -> RhaiResultOf<Array> {
        let sources = Source::from_word(source).ok_or_else(|| {
            Error::argument(format!("no source `{source}`")).hint("sources are `lease`, `agent`, `arp` and `any`")
        })?;
        Ok(vm.interface_addresses(sources)?.into_iter().map(|nic| dynamic(nic.into())).collect())
    }

    /// The addresses of its interfaces as any source knows them.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// print(vm.interface_addresses());
    /// ```
    #[rhai_fn(name = "interface_addresses", pure, return_raw)]
    pub fn any_addresses(vm: &mut Domain) -> RhaiResultOf<Array> {
        interface_addresses(vm, "any")
    }
}
