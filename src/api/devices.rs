//! Constructors of a domain's devices, to attach and detach them.

use super::RhaiResultOf;
use super::definition::definition;
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use crate::schema::Definition;

    /// An audio backend, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = audio(#{ id: 1, type: "none" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn audio(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("audio"), &fields.into())?)
    }

    /// A channel between host and guest, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = channel(#{ type: "unix", target: #{ type: "virtio", name: "org.qemu.guest_agent.0" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn channel(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("channel"), &fields.into())?)
    }

    /// A console, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = console(#{ type: "pty", target: #{ type: "serial", port: 0 } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn console(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("console"), &fields.into())?)
    }

    /// A controller, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = controller(#{ type: "scsi", index: 0, model: "virtio-scsi" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn controller(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("controller"), &fields.into())?)
    }

    /// A crypto device, from a map; libvirt 9.0.0 and older have none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     print(crypto(#{ model: "virtio", type: "qemu", backend: #{ model: "builtin", queues: 1 } }).xml);
    /// } catch (err) {
    ///     assert_eq(err.code, "invalid-definition");
    /// }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn crypto(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("crypto"), &fields.into())?)
    }

    /// A disk, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = disk(#{ type: "file", source: #{ file: "/srv/data.qcow2" }, target: "vdb" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn disk(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("disk"), &fields.into())?)
    }

    /// A directory shared with the guest, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = filesystem(#{ type: "mount", source: #{ dir: "/srv/share" }, target: "share" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn filesystem(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("filesystem"), &fields.into())?)
    }

    /// A graphical console, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = graphics(#{ type: "vnc", autoport: true });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn graphics(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("graphics"), &fields.into())?)
    }

    /// A device of the host, handed to the guest, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = hostdev(#{
    ///     mode: "subsystem", type: "pci", source: #{ address: #{ domain: 0, bus: "0x65", slot: 0, function: 0 } },
    /// });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn hostdev(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("hostdev"), &fields.into())?)
    }

    /// A hub, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = hub(#{ type: "usb" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn hub(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("hub"), &fields.into())?)
    }

    /// An input device, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = input(#{ type: "tablet", bus: "usb" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn input(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("input"), &fields.into())?)
    }

    /// A network interface, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = interface(#{ type: "network", source: #{ network: "default" }, model: "virtio" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn interface(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("interface"), &fields.into())?)
    }

    /// An IOMMU, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = iommu(#{ model: "intel" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn iommu(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("iommu"), &fields.into())?)
    }

    /// A lock that the domain holds, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = lease(#{ lockspace: "area", key: "web", target: #{ path: "/srv/leases", offset: 0 } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn lease(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("lease"), &fields.into())?)
    }

    /// A memory balloon, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = memballoon(#{ model: "virtio" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn memballoon(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("memballoon"), &fields.into())?)
    }

    /// A memory module, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = memory(#{ model: "dimm", target: #{ size: "1 GiB", node: 0 } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn memory(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("memory"), &fields.into())?)
    }

    /// Non-volatile memory of a pSeries guest, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = nvram(#{ address: #{ type: "spapr-vio", reg: "0x3000" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn nvram(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("nvram"), &fields.into())?)
    }

    /// A device by which the guest tells that it panicked, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = panic(#{ model: "isa" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn panic(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("panic"), &fields.into())?)
    }

    /// A parallel port, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = parallel(#{ type: "pty" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn parallel(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("parallel"), &fields.into())?)
    }

    /// Storage that keeps what a crashed guest wrote, from a map; libvirt 9.0.0 and older have none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// try {
    ///     print(pstore(#{ backend: "acpi-erst", path: "/srv/web.pstore", size: "1 MiB" }).xml);
    /// } catch (err) {
    ///     assert_eq(err.code, "invalid-definition");
    /// }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pstore(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("pstore"), &fields.into())?)
    }

    /// A redirected USB device, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = redirdev(#{ bus: "usb", type: "spicevmc" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn redirdev(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("redirdev"), &fields.into())?)
    }

    /// A filter for redirected USB devices, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = redirfilter(#{ usbdevs: [ #{ class: "0x08", allow: true }, #{ allow: false } ] });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn redirfilter(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("redirfilter"), &fields.into())?)
    }

    /// A random number generator, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = rng(#{ model: "virtio", backend: #{ model: "random", value: "/dev/urandom" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rng(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("rng"), &fields.into())?)
    }

    /// A serial port, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = serial(#{ type: "pty" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn serial(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("serial"), &fields.into())?)
    }

    /// Memory shared between guests, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = shmem(#{ name: "shared", model: #{ type: "ivshmem-plain" }, size: "4 M" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn shmem(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("shmem"), &fields.into())?)
    }

    /// A smart card, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = smartcard(#{ mode: "host" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn smartcard(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("smartcard"), &fields.into())?)
    }

    /// A sound card, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = sound(#{ model: "ich9" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sound(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("sound"), &fields.into())?)
    }

    /// A trusted platform module, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = tpm(#{ model: "tpm-crb", backend: #{ type: "emulator", version: "2.0" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn tpm(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("tpm"), &fields.into())?)
    }

    /// A video card, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = video(#{ model: "virtio" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn video(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("video"), &fields.into())?)
    }

    /// A socket between host and guest, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = vsock(#{ model: "virtio", cid: #{ auto: true } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn vsock(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("vsock"), &fields.into())?)
    }

    /// A watchdog, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = watchdog(#{ model: "i6300esb", action: "reset" });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn watchdog(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Device("watchdog"), &fields.into())?)
    }
}
