//! Ports of networks, and network filters at work on devices.

use super::definition::definition as checked;
use super::{RhaiResultOf, list};
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use crate::libvirt::{Host, Network};
    use crate::schema::Definition;

    /// A port of a network: the place of one interface on it.
    pub type NetworkPort = crate::libvirt::NetworkPort;

    /// A network filter at work on a device of the host.
    pub type NwFilterBinding = crate::libvirt::NwFilterBinding;

    /// The network's ports: one for each interface of a running domain on it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for port in connect().network("lab").ports() { print(port.definition.owner.name); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn ports(net: &mut Network) -> RhaiResultOf<Array> {
        Ok(list(net.ports()?))
    }

    /// The port of this UUID; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let net = connect().network("lab");
    /// let uuid = net.ports()[0].uuid;
    /// assert_eq(net.port(uuid).uuid, uuid);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn port(net: &mut Network, uuid: &str) -> RhaiResultOf<NetworkPort> {
        Ok(net.port(uuid)?)
    }

    /// Makes a port: a definition, a map or XML. libvirt does this by itself for the interfaces of domains; it is for programs that plug other things into a network.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let port = connect().network("lab").create_port(#{
    ///     uuid: "0f0e0d0c-0b0a-4009-8807-060504030299",
    ///     owner: #{ name: "other", uuid: "0f0e0d0c-0b0a-4009-8807-060504030201" },
    ///     mac: #{ address: "52:54:00:1a:01:aa" },
    /// });
    /// port.delete();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn create_port(net: &mut Network, definition: Dynamic) -> RhaiResultOf<NetworkPort> {
        Ok(net.create_port(&checked(Kind::NetworkPort, &definition)?.xml())?)
    }

    /// Its UUID.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// print(connect().network("lab").ports()[0].uuid);
    /// ```
    #[rhai_fn(get = "uuid", pure)]
    pub fn uuid(port: &mut NetworkPort) -> String {
        port.uuid().to_string()
    }

    /// Its XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// print(connect().network("lab").ports()[0].xml);
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(port: &mut NetworkPort) -> RhaiResultOf<String> {
        Ok(port.xml()?)
    }

    /// Its definition: whose it is, its MAC address, what it is plugged into.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// print(connect().network("lab").ports()[0].definition.mac.address);
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn definition(port: &mut NetworkPort) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::NetworkPort, &port.xml()?)?)
    }

    /// Deletes it. A domain whose interface it is stays connected until it stops, but libvirt has forgotten it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let net = connect().network("lab");
    /// let owner = #{ name: "other", uuid: "0f0e0d0c-0b0a-4009-8807-060504030202" };
    /// let port = net.create_port(#{
    ///     uuid: "0f0e0d0c-0b0a-4009-8807-060504030298",
    ///     owner: owner,
    ///     mac: #{ address: "52:54:00:1a:01:ab" },
    /// });
    /// port.delete();
    /// assert(!net.ports().map(|one| one.uuid).contains(port.uuid));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn delete(port: &mut NetworkPort) -> RhaiResultOf<()> {
        Ok(port.delete()?)
    }

    /// What it is and its UUID.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// print(connect().network("lab").ports()[0]);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(port: &mut NetworkPort) -> String {
        format!("network port {}", port.uuid())
    }

    /// The network filters at work: one for each interface of a running domain that names a filter.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for binding in connect().nwfilter_bindings() { print(`${binding.device}: ${binding.filter}`); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn nwfilter_bindings(host: &mut Host) -> RhaiResultOf<Array> {
        Ok(list(host.nwfilter_bindings()?))
    }

    /// The network filter at work on a device of the host; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// try {
    ///     connect().nwfilter_binding("vnet99");
    /// } catch (err) {
    ///     assert_eq(err.code, "not-found");
    /// }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn nwfilter_binding(host: &mut Host, device: &str) -> RhaiResultOf<NwFilterBinding> {
        Ok(host.nwfilter_binding(device)?)
    }

    /// Puts a network filter to work on a device of the host: a definition, a map or XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let host = connect();
    /// let filter = host.define_nwfilter(#{ name: "f-binding", chain: "ipv4" });
    /// let device = from_xml(host.domain("guest").xml).devices.interfaces[0].target.dev;
    /// let binding = host.create_nwfilter_binding(#{
    ///     owner: #{ name: "guest", uuid: host.domain("guest").uuid },
    ///     portdev: #{ name: device },
    ///     mac: #{ address: "52:54:00:1a:01:01" },
    ///     filterref: #{ filter: "f-binding" },
    /// });
    /// assert_eq(host.nwfilter_binding(device).filter, "f-binding");
    /// print(binding.xml);
    /// print(binding.definition.portdev.name);
    /// binding.delete();
    /// filter.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn create_nwfilter_binding(host: &mut Host, definition: Dynamic) -> RhaiResultOf<NwFilterBinding> {
        Ok(host.create_nwfilter_binding(&checked(Kind::NwFilterBinding, &definition)?.xml())?)
    }

    /// The device of the host that is filtered, such as `vnet0`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for binding in connect().nwfilter_bindings() { print(binding.device); }
    /// ```
    #[rhai_fn(get = "device", pure)]
    pub fn device(binding: &mut NwFilterBinding) -> String {
        binding.device().to_string()
    }

    /// The name of the filter.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for binding in connect().nwfilter_bindings() { print(binding.filter); }
    /// ```
    #[rhai_fn(get = "filter", pure, return_raw)]
    pub fn filter(binding: &mut NwFilterBinding) -> RhaiResultOf<String> {
        Ok(binding.filter()?)
    }

    /// Its XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for binding in connect().nwfilter_bindings() { print(binding.xml); }
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn binding_xml(binding: &mut NwFilterBinding) -> RhaiResultOf<String> {
        Ok(binding.xml()?)
    }

    /// Its definition.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for binding in connect().nwfilter_bindings() { print(binding.definition.filterref.filter); }
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn binding_definition(binding: &mut NwFilterBinding) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::NwFilterBinding, &binding.xml()?)?)
    }

    /// Takes the filter from the device.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for binding in connect().nwfilter_bindings() {
    ///     if binding.filter == "nobody-uses-this" { binding.delete(); }
    /// }
    /// ```
    #[rhai_fn(name = "delete", pure, return_raw)]
    pub fn delete_binding(binding: &mut NwFilterBinding) -> RhaiResultOf<()> {
        Ok(binding.delete()?)
    }
}
