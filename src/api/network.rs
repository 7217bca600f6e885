//! Networks: their state and their leases.

use super::{RhaiResultOf, dynamic};
use rhai::plugin::*;
use rhai::{Array, Dynamic, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use crate::libvirt::Host;
    use crate::schema::{Definition, Kind};

    /// A virtual network on a host.
    pub type Network = crate::libvirt::Network;

    /// Its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// print(net.name);
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(net: &mut Network) -> String {
        net.name().to_string()
    }

    /// Its UUID.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// assert_eq(net.uuid.len(), 36);
    /// ```
    #[rhai_fn(get = "uuid", pure, return_raw)]
    pub fn uuid(net: &mut Network) -> RhaiResultOf<String> {
        Ok(net.uuid()?)
    }

    /// Whether it is started.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// if net.is_active { print("up"); }
    /// ```
    #[rhai_fn(get = "is_active", pure, return_raw)]
    pub fn is_active(net: &mut Network) -> RhaiResultOf<bool> {
        Ok(net.is_active()?)
    }

    /// Whether its definition stays when it stops.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// assert(net.is_persistent);
    /// ```
    #[rhai_fn(get = "is_persistent", pure, return_raw)]
    pub fn is_persistent(net: &mut Network) -> RhaiResultOf<bool> {
        Ok(net.is_persistent()?)
    }

    /// Whether the host starts it at boot.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// print(net.autostart);
    /// ```
    #[rhai_fn(get = "autostart", pure, return_raw)]
    pub fn autostart(net: &mut Network) -> RhaiResultOf<bool> {
        Ok(net.autostart()?)
    }

    /// Sets whether the host starts it at boot.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// net.autostart = true;
    /// assert(net.autostart);
    /// ```
    #[rhai_fn(set = "autostart", pure, return_raw)]
    pub fn set_autostart(net: &mut Network, autostart: bool) -> RhaiResultOf<()> {
        Ok(net.set_autostart(autostart)?)
    }

    /// Its XML as the host has it now.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// print(net.xml);
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(net: &mut Network) -> RhaiResultOf<String> {
        Ok(net.xml()?)
    }

    /// Its definition: what stays when it stops.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// print(net.definition.name);
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn definition(net: &mut Network) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::Network, &net.xml()?)?)
    }

    /// The host it is on.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// print(net.host.uri);
    /// ```
    #[rhai_fn(get = "host", pure)]
    pub fn host(net: &mut Network) -> Host {
        net.host().clone()
    }

    /// What it is and its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// print(net);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(net: &mut Network) -> String {
        format!("network {}", net.name())
    }

    /// The bridge it is on, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// print(net.bridge);
    /// ```
    #[rhai_fn(get = "bridge", pure, return_raw)]
    pub fn bridge(net: &mut Network) -> RhaiResultOf<Dynamic> {
        Ok(net.bridge().map_or(Dynamic::UNIT, Into::into))
    }

    /// Starts it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// net.destroy();
    /// net.start();
    /// assert(net.is_active);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn start(net: &mut Network) -> RhaiResultOf<()> {
        Ok(net.start()?)
    }

    /// Stops it. Its definition stays.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// net.destroy();
    /// assert(!net.is_active);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn destroy(net: &mut Network) -> RhaiResultOf<()> {
        Ok(net.destroy()?)
    }

    /// Removes its definition. Stop it first with `destroy`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// net.destroy();
    /// net.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn undefine(net: &mut Network) -> RhaiResultOf<()> {
        Ok(net.undefine()?)
    }

    /// The leases that its DHCP server gave:
    /// `[#{ hwaddr, addr, prefix, type, hostname, client_id, expiry, interface }]`; `expiry` is in seconds since 1970.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for lease in connect().network("lab").dhcp_leases() { print(`${lease.hwaddr} ${lease.addr}`); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn dhcp_leases(net: &mut Network) -> RhaiResultOf<Array> {
        Ok(net.dhcp_leases()?.into_iter().map(|lease| dynamic(lease.into())).collect())
    }
}
