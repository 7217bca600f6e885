//! Constructors of documents, one for each kind that can be written.

use super::RhaiResultOf;
use super::definition::definition;
use crate::floor::{Error, Result, did_you_mean};
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn named(name: &str) -> Result<Kind> {
    Kind::named(name).ok_or_else(|| {
        let error = Error::argument(format!("there is no kind of definition `{name}`"));
        let known = Kind::ALL.iter().map(|kind| kind.name()).chain(Kind::DEVICES.iter().copied());
        match did_you_mean(name, known) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })
}

#[export_module]
mod functions {
    use crate::schema::Definition;

    /// A checked definition of a backup job from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = backup(#{ mode: "push", disks: #{ disks: [ #{ name: "vda", target: #{ file: "/srv/backup/vda.qcow2" }, type: "file" } ] } });
    /// assert_eq(d.kind, "backup");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn backup(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Backup, &fields.into())?)
    }

    /// A checked definition of a domain checkpoint from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = checkpoint(#{ name: "monday", disks: #{ disks: [ #{ name: "vda", checkpoint: "bitmap" } ] } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn checkpoint(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Checkpoint, &fields.into())?)
    }

    /// A checked CPU definition from a map, for comparing and baselines.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = cpu(#{ "match": "exact", model: "Skylake-Client", feature: [ #{ policy: "require", name: "vmx" } ] });
    /// assert_eq(d.feature[0].name, "vmx");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cpu(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Cpu, &fields.into())?)
    }

    /// A checked definition of any kind from a map; `kind` is what definitions have as `.kind`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = definition("network", #{ name: "lab" });
    /// assert_eq(definition(d.kind, d.to_map()), d);
    /// ```
    #[rhai_fn(name = "definition", return_raw)]
    pub fn of_kind(kind: &str, fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(named(kind)?, &fields.into())?)
    }

    /// A checked domain definition from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = domain(#{ type: "qemu", name: "web", memory: "2 GiB", vcpu: 2, os: #{ type: "hvm" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn domain(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Domain, &fields.into())?)
    }

    /// A checked definition of one of the host's network interfaces from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = host_interface(#{ type: "ethernet", name: "eth1", start: #{ mode: "onboot" }, protocols: [ #{ family: "ipv4", dhcp: true } ] });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn host_interface(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::HostInterface, &fields.into())?)
    }

    /// A checked network definition from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network(#{
    ///     name: "lab",
    ///     forward: #{ mode: "nat" },
    ///     ips: [ #{ address: "10.17.3.1", prefix: 24, dhcp: #{ ranges: [ #{ start: "10.17.3.100", end: "10.17.3.254" } ] } } ],
    /// });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn network(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Network, &fields.into())?)
    }

    /// A checked definition of a port of a network from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = network_port(#{
    ///     uuid: "5d744f21-ba4a-4d6e-bdb2-30a35ff3207d",
    ///     owner: #{ name: "web", uuid: "06578fc1-c686-46fa-bc2c-83893b466a6c" },
    ///     mac: "52:54:00:7b:35:93",
    /// });
    /// assert_eq(d.owner.name, "web");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn network_port(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::NetworkPort, &fields.into())?)
    }

    /// A checked definition of a device of the host from a map, such as a mediated device.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = node_device(#{
    ///     name: "mdev_web",
    ///     parent: "pci_0000_00_02_0",
    ///     capabilities: [ #{ type: "mdev", mdev_type: #{ id: "i915-GVTg_V5_4" } } ],
    /// });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn node_device(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::NodeDevice, &fields.into())?)
    }

    /// A checked network filter definition from a map; rules and references stand in one list in order.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = nwfilter(#{ name: "no-spoof", entries: [
    ///     #{ filterref: #{ filter: "clean-traffic" } },
    ///     #{ rule: #{ action: "drop", direction: "inout" } },
    /// ] });
    /// assert_eq(d.entries.len(), 2);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn nwfilter(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::NwFilter, &fields.into())?)
    }

    /// A checked definition that binds a network filter to a port, from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = nwfilter_binding(#{
    ///     owner: #{ name: "web", uuid: "d54df46f-1ab5-4a22-8618-4560ef5fac2c" },
    ///     portdev: "vnet0",
    ///     mac: "52:54:00:7b:35:93",
    ///     filterref: "clean-traffic",
    /// });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn nwfilter_binding(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::NwFilterBinding, &fields.into())?)
    }

    /// A checked storage pool definition from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = pool(#{ type: "dir", name: "images", target: #{ path: "/srv/images" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pool(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Pool, &fields.into())?)
    }

    /// A checked definition of a secret from a map; its value is never part of it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = secret(#{ ephemeral: false, "private": true, usage: #{ type: "volume", volume: "/srv/images/web.qcow2" } });
    /// print(d.xml);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn secret(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Secret, &fields.into())?)
    }

    /// A checked definition of a domain snapshot from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = snapshot(#{ name: "before-upgrade", description: "clean state" });
    /// assert_eq(d.name, "before-upgrade");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn snapshot(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Snapshot, &fields.into())?)
    }

    /// A checked storage volume definition from a map.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let d = volume(#{ name: "web.qcow2", capacity: "20 GiB", target: #{ format: "qcow2" } });
    /// assert_eq(d.capacity.bytes(), 20 * 1024 * 1024 * 1024);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn volume(fields: Map) -> RhaiResultOf<Definition> {
        Ok(definition(Kind::Volume, &fields.into())?)
    }
}
