//! Devices, network interfaces and network filters of a host.

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
    use crate::libvirt::Host;
    use crate::schema::Definition;

    /// A device of a host.
    pub type NodeDevice = crate::libvirt::NodeDevice;

    /// A network interface of a host.
    pub type HostInterface = crate::libvirt::HostInterface;

    /// A network filter: rules for the interfaces that name it.
    pub type NwFilter = crate::libvirt::NwFilter;

    /// All devices of the host, by name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for device in connect().node_devices() { print(device.name); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn node_devices(host: &mut Host) -> RhaiResultOf<Array> {
        Ok(list(host.node_devices(None)?))
    }

    /// The devices of the host that have a capability: `pci`, `usb_device`, `net`, `scsi_host`, `storage`, `system`, `mdev`, `drm`, ...
    ///
    /// # Example
    ///
    /// ```rhai
    /// for device in connect().node_devices("net") { print(device.name); }
    /// ```
    #[rhai_fn(name = "node_devices", pure, return_raw)]
    pub fn node_devices_with(host: &mut Host, capability: &str) -> RhaiResultOf<Array> {
        Ok(list(host.node_devices(Some(capability))?))
    }

    /// The device of this name, such as `pci_0000_00_1f_2`; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let name = connect().node_devices()[0].name;
    /// assert_eq(connect().node_device(name).name, name);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn node_device(host: &mut Host, name: &str) -> RhaiResultOf<NodeDevice> {
        Ok(host.node_device(name)?)
    }

    /// Its name.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// print(device.name);
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(device: &mut NodeDevice) -> String {
        device.name().to_string()
    }

    /// The name of the device that it hangs on, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// print(device.parent);
    /// ```
    #[rhai_fn(get = "parent", pure)]
    pub fn parent(device: &mut NodeDevice) -> Dynamic {
        device.parent().map_or(Dynamic::UNIT, Into::into)
    }

    /// The host's driver for it, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// print(device.driver);
    /// ```
    #[rhai_fn(get = "driver", pure, return_raw)]
    pub fn driver(device: &mut NodeDevice) -> RhaiResultOf<Dynamic> {
        Ok(device.driver()?.map_or(Dynamic::UNIT, Into::into))
    }

    /// Its file in `/dev`, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// print(device.devnode);
    /// ```
    #[rhai_fn(get = "devnode", pure, return_raw)]
    pub fn devnode(device: &mut NodeDevice) -> RhaiResultOf<Dynamic> {
        Ok(device.devnode()?.map_or(Dynamic::UNIT, Into::into))
    }

    /// What it can do, such as `pci` or `net`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// print(device.capabilities);
    /// ```
    #[rhai_fn(get = "capabilities", pure, return_raw)]
    pub fn capabilities(device: &mut NodeDevice) -> RhaiResultOf<Array> {
        Ok(device.capabilities()?.into_iter().map(Dynamic::from).collect())
    }

    /// Its XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// print(device.xml);
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(device: &mut NodeDevice) -> RhaiResultOf<String> {
        Ok(device.xml()?)
    }

    /// Its definition, with the details of each capability.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// print(device.definition.to_map());
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn definition(device: &mut NodeDevice) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::NodeDevice, &device.xml()?)?)
    }

    /// Takes it from the host's driver, so that a guest may have it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// try { device.detach(); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn detach(device: &mut NodeDevice) -> RhaiResultOf<()> {
        Ok(device.detach()?)
    }

    /// Gives it back to the host's driver.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// try { device.reattach(); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reattach(device: &mut NodeDevice) -> RhaiResultOf<()> {
        Ok(device.reattach()?)
    }

    /// Resets it.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// try { device.reset(); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reset(device: &mut NodeDevice) -> RhaiResultOf<()> {
        Ok(device.reset()?)
    }

    /// What it is and its name.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let device = connect().node_device("computer");
    /// print(device);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(device: &mut NodeDevice) -> String {
        format!("device {}", device.name())
    }

    /// All network interfaces of the host, by name.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for interface in connect().host_interfaces() { print(interface.name); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn host_interfaces(host: &mut Host) -> RhaiResultOf<Array> {
        Ok(list(host.host_interfaces()?))
    }

    /// Its name.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for interface in connect().host_interfaces() { print(interface.name); }
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn interface_name(interface: &mut HostInterface) -> String {
        interface.name().to_string()
    }

    /// Its MAC address.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for interface in connect().host_interfaces() { print(interface.mac); }
    /// ```
    #[rhai_fn(get = "mac", pure, return_raw)]
    pub fn mac(interface: &mut HostInterface) -> RhaiResultOf<String> {
        Ok(interface.mac()?)
    }

    /// Whether it is up.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for interface in connect().host_interfaces() { print(interface.is_active); }
    /// ```
    #[rhai_fn(get = "is_active", pure, return_raw)]
    pub fn is_active(interface: &mut HostInterface) -> RhaiResultOf<bool> {
        Ok(interface.is_active()?)
    }

    /// Its XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for interface in connect().host_interfaces() { print(interface.xml); }
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn interface_xml(interface: &mut HostInterface) -> RhaiResultOf<String> {
        Ok(interface.xml()?)
    }

    /// The network interface of the host of this name; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let interface = connect("test:///default").host_interface("eth1");
    /// print(interface.definition.to_map());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn host_interface(host: &mut Host, name: &str) -> RhaiResultOf<HostInterface> {
        Ok(host.host_interface(name)?)
    }

    /// Defines a network interface of the host: a definition, a map or XML. Only hosts whose libvirt was built with netcf can do that.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect("test:///default");
    /// let interface = host.define_host_interface(#{ type: "ethernet", name: "eth7", start: #{ mode: "onboot" } });
    /// interface.start();
    /// interface.destroy();
    /// interface.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn define_host_interface(host: &mut Host, definition: Dynamic) -> RhaiResultOf<HostInterface> {
        Ok(host.define_host_interface(&checked(Kind::HostInterface, &definition)?.xml())?)
    }

    /// Its definition.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let interface = connect("test:///default").host_interface("eth1");
    /// assert_eq(interface.definition.name, "eth1");
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn interface_definition(interface: &mut HostInterface) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::HostInterface, &interface.xml()?)?)
    }

    /// Brings it up. Only where libvirt was built with netcf.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let interface = connect("test:///default").host_interface("eth1");
    /// interface.destroy();
    /// interface.start();
    /// assert(interface.is_active);
    /// ```
    #[rhai_fn(name = "start", pure, return_raw)]
    pub fn start_interface(interface: &mut HostInterface) -> RhaiResultOf<()> {
        Ok(interface.start()?)
    }

    /// Takes it down. Only where libvirt was built with netcf.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let interface = connect("test:///default").host_interface("eth1");
    /// interface.destroy();
    /// assert(!interface.is_active);
    /// interface.start();
    /// ```
    #[rhai_fn(name = "destroy", pure, return_raw)]
    pub fn destroy_interface(interface: &mut HostInterface) -> RhaiResultOf<()> {
        Ok(interface.destroy()?)
    }

    /// Removes its definition. Only where libvirt was built with netcf.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect("test:///default");
    /// host.define_host_interface(#{ type: "ethernet", name: "eth8", start: #{ mode: "none" } }).undefine();
    /// ```
    #[rhai_fn(name = "undefine", pure, return_raw)]
    pub fn undefine_interface(interface: &mut HostInterface) -> RhaiResultOf<()> {
        Ok(interface.undefine()?)
    }

    /// All network filters of the host, by name.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for filter in connect().nwfilters() { print(filter.name); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn nwfilters(host: &mut Host) -> RhaiResultOf<Array> {
        Ok(list(host.nwfilters()?))
    }

    /// The network filter of this name; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let filter = connect().define_nwfilter(#{ name: "f-get", chain: "ipv4" });
    /// assert_eq(connect().nwfilter("f-get").uuid, filter.uuid);
    /// filter.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn nwfilter(host: &mut Host, name: &str) -> RhaiResultOf<NwFilter> {
        Ok(host.nwfilter(name)?)
    }

    /// Defines a network filter: a definition, a map or XML. An error if one of this name is there already.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let filter = connect().define_nwfilter(#{ name: "f-define", chain: "ipv4" });
    /// filter.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn define_nwfilter(host: &mut Host, definition: Dynamic) -> RhaiResultOf<NwFilter> {
        Ok(host.define_nwfilter(&checked(Kind::NwFilter, &definition)?.xml())?)
    }

    /// Its name.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let filter = connect().define_nwfilter(#{ name: "f-name", chain: "ipv4" });
    /// assert_eq(filter.name, "f-name");
    /// filter.undefine();
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn filter_name(filter: &mut NwFilter) -> String {
        filter.name().to_string()
    }

    /// Its UUID.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let filter = connect().define_nwfilter(#{ name: "f-uuid", chain: "ipv4" });
    /// assert_eq(filter.uuid.len(), 36);
    /// filter.undefine();
    /// ```
    #[rhai_fn(get = "uuid", pure, return_raw)]
    pub fn filter_uuid(filter: &mut NwFilter) -> RhaiResultOf<String> {
        Ok(filter.uuid()?)
    }

    /// Its XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let filter = connect().define_nwfilter(#{ name: "f-xml", chain: "ipv4" });
    /// print(filter.xml);
    /// filter.undefine();
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn filter_xml(filter: &mut NwFilter) -> RhaiResultOf<String> {
        Ok(filter.xml()?)
    }

    /// Its definition.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let filter = connect().define_nwfilter(#{ name: "f-definition", chain: "ipv4" });
    /// print(filter.definition.name);
    /// filter.undefine();
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn filter_definition(filter: &mut NwFilter) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::NwFilter, &filter.xml()?)?)
    }

    /// Removes its definition.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let filter = connect().define_nwfilter(#{ name: "f-undefine", chain: "ipv4" });
    /// filter.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn undefine(filter: &mut NwFilter) -> RhaiResultOf<()> {
        Ok(filter.undefine()?)
    }
}
