//! Changing a domain in place: devices, memory, CPUs.

use super::convert::text_or_nothing;
use super::definition::definition;
use super::{RhaiResultOf, data, value};
use crate::floor::{Error, Map as Plain, Options, Result, Value, size};
use crate::libvirt::Apply;
use crate::schema::{Definition, Kind, xml};
use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

pub(super) fn apply(what: &str, given: Map) -> Result<Apply> {
    let options = Options::from_value(what, value(&given.into(), "")?, &["apply"])?;
    Ok(options.one_of("apply", Apply::WORDS)?.and_then(Apply::from_word).unwrap_or_default())
}

fn cpus(count: i64) -> Result<u32> {
    u32::try_from(count).map_err(|_| Error::argument(format!("{count} is no number of CPUs")))
}

/// The XML of each device: XML and a definition are taken as they are, a map is checked as the `devices` of a domain.
fn devices(given: &Dynamic) -> Result<Vec<String>> {
    if let Some(ready) = given.read_lock::<Definition>() {
        return match ready.kind() {
            Kind::Device(_) => Ok(vec![ready.xml()]),
            other => Err(Error::argument(format!("a device is needed here, not a {}", other.name()))),
        };
    }
    if let Ok(text) = given.as_immutable_string_ref() {
        return Ok(vec![text.to_string()]);
    }
    let around = [
        ("type", "qemu".into()),
        ("name", "devices".into()),
        ("memory", "1 MiB".into()),
        ("os", Value::Map(Plain::from([("type".to_string(), "hvm".into())]))),
        ("devices", value(given, "")?),
    ];
    let around: Plain = around.map(|(key, value): (&str, Value)| (key.to_string(), value)).into_iter().collect();
    let checked = definition(Kind::Domain, &super::dynamic(around.into())).map_err(|mut error| {
        for finding in &mut error.findings {
            finding.path = finding.path.trim_start_matches("devices.").to_string();
        }
        data::placed(error, given)
    })?;
    let root = checked.root();
    Ok(root.child("devices").map(|devices| devices.children().map(xml::to_string).collect()).unwrap_or_default())
}

/// The XML of one device of a list, such as `disks`: XML and a definition are taken as they are.
pub(super) fn fragment(list: &str, given: &Dynamic) -> Result<String> {
    if given.is_string() || given.is::<Definition>() {
        return devices(given)?.pop().ok_or_else(|| Error::argument("a device is needed here"));
    }
    let devices_map = Map::from([(list.into(), vec![given.clone()].into())]);
    devices(&devices_map.into())?.pop().ok_or_else(|| Error::argument("a map or XML is needed here"))
}

#[export_module]
mod functions {
    use crate::libvirt::Domain;

    /// Plugs devices in: one device (`disk(#{...})` or its XML), or a map such as a domain's `devices`. In the running domain and in its definition.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// connect().pool("default").create_volume(#{ name: "extra.raw", capacity: "16 MiB", target: #{ format: "raw" } });
    /// vm.attach_device(#{ disks: [ #{
    ///     type: "file",
    ///     device: "disk",
    ///     driver: #{ name: "qemu", type: "raw" },
    ///     source: #{ file: connect().pool("default").volume("extra.raw").path },
    ///     target: #{ dev: "vdx", bus: "virtio" },
    /// } ] });
    /// vm.detach_device("vdx");
    /// connect().pool("default").volume("extra.raw").delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn attach_device(vm: &mut Domain, device: Dynamic) -> RhaiResultOf<()> {
        attach_device_with(vm, device, Map::new())
    }

    /// Plugs devices in, only here or there.
    ///
    /// Options:
    /// * `apply`: where: `live` (the running domain), `config` (its definition), or `both`, the default: wherever that is possible.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let nic = #{ interfaces: [ #{ type: "network", mac: #{ address: "52:54:00:1a:0a:01" }, source: #{ network: "lab" }, model: #{ type: "virtio" } } ] };
    /// vm.attach_device(nic, #{ apply: "config" });
    /// vm.detach_device("52:54:00:1a:0a:01", #{ apply: "config" });
    /// ```
    #[rhai_fn(name = "attach_device", pure, return_raw)]
    pub fn attach_device_with(vm: &mut Domain, device: Dynamic, options: Map) -> RhaiResultOf<()> {
        let apply = apply("attach_device", options)?;
        for xml in devices(&device)? {
            vm.attach_device(&xml, apply)?;
        }
        Ok(())
    }

    /// Takes a device out: named by its target (`vdb`), MAC address or alias, or given as XML. A running guest gives a device back by itself, which is waited for.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let nic = #{ interfaces: [ #{ type: "network", mac: #{ address: "52:54:00:1a:0a:02" }, source: #{ network: "lab" }, model: #{ type: "virtio" } } ] };
    /// vm.attach_device(nic);
    /// vm.detach_device("52:54:00:1a:0a:02");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn detach_device(vm: &mut Domain, device: &str) -> RhaiResultOf<()> {
        Ok(vm.detach_device(device, Apply::Both)?)
    }

    /// Takes a device out, only here or there.
    ///
    /// Options:
    /// * `apply`: where: `live` (the running domain), `config` (its definition), or `both`, the default: wherever that is possible.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let nic = #{ interfaces: [ #{ type: "network", mac: #{ address: "52:54:00:1a:0a:03" }, source: #{ network: "lab" }, model: #{ type: "virtio" } } ] };
    /// vm.attach_device(nic, #{ apply: "live" });
    /// vm.detach_device("52:54:00:1a:0a:03", #{ apply: "live" });
    /// ```
    #[rhai_fn(name = "detach_device", pure, return_raw)]
    pub fn detach_device_with(vm: &mut Domain, device: &str, options: Map) -> RhaiResultOf<()> {
        Ok(vm.detach_device(device, apply("detach_device", options)?)?)
    }

    /// Changes devices in place: a map such as a domain's `devices`, or the XML of one device. Which device is meant is told by its target or its MAC address.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let nic = vm.definition.to_map().devices.interfaces[0];
    /// nic.link = #{ state: "up" };
    /// vm.update_device(#{ interfaces: [ nic ] });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn update_device(vm: &mut Domain, device: Dynamic) -> RhaiResultOf<()> {
        for xml in devices(&device)? {
            vm.update_device(&xml, Apply::Both)?;
        }
        Ok(())
    }

    /// The XML of one of its devices, named by its target (`vda`), MAC address or alias.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// print(vm.device_xml("vda"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn device_xml(vm: &mut Domain, device: &str) -> RhaiResultOf<String> {
        Ok(vm.device(device)?)
    }

    /// Puts a file into a CD or floppy drive; `()` takes the medium out.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.attach_device("<disk type='file' device='cdrom'><target dev='sdc' bus='sata'/><readonly/></disk>", #{ apply: "config" });
    /// vm.change_media("sdc", connect().pool("default").volume("base.qcow2").path);
    /// vm.change_media("sdc", ());
    /// vm.detach_device("sdc", #{ apply: "config" });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn change_media(vm: &mut Domain, drive: &str, file: Dynamic) -> RhaiResultOf<()> {
        let file = value(&file, "file")?;
        Ok(vm.change_media(drive, text_or_nothing(&file, "a medium")?, Apply::Both, false)?)
    }

    /// Pulls the cable of a network interface (`false`), or puts it back (`true`). The interface is named by its target or MAC address.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_link_state("52:54:00:1a:01:01", false);
    /// vm.set_link_state("52:54:00:1a:01:01", true);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_link_state(vm: &mut Domain, interface: &str, up: bool) -> RhaiResultOf<()> {
        Ok(vm.set_link_state(interface, up, Apply::Both)?)
    }

    /// Sets the memory that it has: bytes or text such as `"2 GiB"`. In a running domain this is the balloon's target.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_memory("128 MiB");
    /// vm.set_memory("160 MiB");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_memory(vm: &mut Domain, memory: Dynamic) -> RhaiResultOf<()> {
        Ok(vm.set_memory(size(&value(&memory, "")?)?, Apply::Both)?)
    }

    /// Sets the memory that it has, only here or there.
    ///
    /// Options:
    /// * `apply`: where: `live` (the running domain), `config` (its definition), or `both`, the default: wherever that is possible.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// vm.set_memory("256 MiB", #{ apply: "config" });
    /// assert_eq(vm.info.memory, 268435456);
    /// ```
    #[rhai_fn(name = "set_memory", pure, return_raw)]
    pub fn set_memory_with(vm: &mut Domain, memory: Dynamic, options: Map) -> RhaiResultOf<()> {
        Ok(vm.set_memory(size(&value(&memory, "")?)?, apply("set_memory", options)?)?)
    }

    /// Sets the most memory that it may have from its next start on: bytes or text such as `"4 GiB"`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// vm.set_max_memory("1 GiB");
    /// assert_eq(vm.info.max_memory, 1073741824);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_max_memory(vm: &mut Domain, memory: Dynamic) -> RhaiResultOf<()> {
        Ok(vm.set_max_memory(size(&value(&memory, "")?)?)?)
    }

    /// Sets the number of its CPUs.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// vm.set_vcpus(1);
    /// assert_eq(vm.info.vcpus, 1);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_vcpus(vm: &mut Domain, count: i64) -> RhaiResultOf<()> {
        Ok(vm.set_vcpus(cpus(count)?, Apply::Both)?)
    }

    /// Sets the number of its CPUs, only here or there.
    ///
    /// Options:
    /// * `apply`: where: `live` (the running domain), `config` (its definition), or `both`, the default: wherever that is possible.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.set_vcpus(1, #{ apply: "config" });
    /// ```
    #[rhai_fn(name = "set_vcpus", pure, return_raw)]
    pub fn set_vcpus_with(vm: &mut Domain, count: i64, options: Map) -> RhaiResultOf<()> {
        Ok(vm.set_vcpus(cpus(count)?, apply("set_vcpus", options)?)?)
    }

    /// Sets the most CPUs that it may have from its next start on.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("idle");
    /// vm.set_max_vcpus(4);
    /// vm.set_vcpus(4);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_max_vcpus(vm: &mut Domain, count: i64) -> RhaiResultOf<()> {
        Ok(vm.set_max_vcpus(cpus(count)?)?)
    }

    /// Makes a disk of the running domain larger: the guest sees it at once. The disk is named by its target.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.block_resize("vda", "1100 MiB");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn block_resize(vm: &mut Domain, disk: &str, capacity: Dynamic) -> RhaiResultOf<()> {
        Ok(vm.block_resize(disk, size(&value(&capacity, "")?)?)?)
    }

    /// Limits the speed of a disk by libvirt's names, such as `total_iops_sec`, `read_bytes_sec` and `write_bytes_sec`; 0 is no limit.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// vm.set_iotune("vda", #{ total_iops_sec: 5000 });
    /// vm.set_iotune("vda", #{ total_iops_sec: 0 });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_iotune(vm: &mut Domain, disk: &str, limits: Map) -> RhaiResultOf<()> {
        let limits = limits.iter().map(|(name, limit)| Ok((name.as_str(), size(&value(limit, name)?)?)));
        let limits = limits.collect::<Result<Vec<_>>>()?;
        Ok(vm.set_iotune(disk, &limits, Apply::Both)?)
    }
}
