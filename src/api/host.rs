//! Hosts: connecting, looking up, listing, defining.

use super::convert::text_or_nothing;
use super::{Context, RhaiResultOf, list, value};
use crate::floor::{Options, Result};
use crate::libvirt::Filter;
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// What a list is asked for; only domains have snapshots and saves.
fn filter(what: &str, given: Map) -> Result<Filter> {
    const KNOWN: &[&str] = &["active", "autostart", "name", "persistent", "label", "managed_save", "snapshots"];
    let known = if what == "domains" { KNOWN } else { &KNOWN[..4] };
    let options = Options::from_value(what, value(&given.into(), "")?, known)?;
    Ok(Filter {
        active: options.bool("active")?,
        persistent: options.bool("persistent")?,
        autostart: options.bool("autostart")?,
        snapshots: options.bool("snapshots")?,
        managed_save: options.bool("managed_save")?,
        name: options.str("name")?.map(str::to_string),
        labels: super::machine::wanted(options.get("label"))?,
    })
}

#[export_module]
mod functions {
    use super::super::definition::definition as checked;
    use super::super::provision::{provision as provisioned, without_addresses};
    use crate::libvirt::{Domain, Network, Pool, Volume};

    /// A connection to a hypervisor. Copies share the connection; it is closed with the last of them.
    pub type Host = crate::libvirt::Host;

    /// Connects to the default host. A run has one connection to each host: to connect twice costs nothing.
    ///
    /// The default is that of `--connect`, else of `VMSCRIPT_CONNECT`, else `connect` of the configuration files, else libvirt's own, which `LIBVIRT_DEFAULT_URI` sets.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// print(host.uri);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn connect(call: NativeCallContext) -> RhaiResultOf<Host> {
        Ok(Context::of(&call).connect(None, false)?)
    }

    /// The URI that `connect()` uses, without connecting; `()` where libvirt chooses.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(default_uri() ?? "libvirt's own default");
    /// ```
    pub fn default_uri(call: NativeCallContext) -> Dynamic {
        Context::of(&call).default_uri().map_or(Dynamic::UNIT, Into::into)
    }

    /// What `ssh` has to be told to run something on the host of a URI, the command left out: a list of texts. It gets there
    /// as libvirt does, with the URI's port and key and over the same connection, and asks nobody.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let words = ssh_arguments("qemu+ssh://root@hv1/system?keyfile=/root/lab");
    /// assert_eq(words[-1], "ssh://root@hv1");
    /// assert(words.contains("/root/lab"));
    /// // run_program("ssh", words + ["uptime"])
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ssh_arguments(call: NativeCallContext, uri: &str) -> RhaiResultOf<Array> {
        let words = crate::libvirt::ssh_arguments(Context::of(&call).meant(uri))?;
        Ok(words.into_iter().map(Dynamic::from).collect())
    }

    /// Connects to the host of a URI such as `qemu:///system` or `qemu+ssh://root@hv1/system`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect("test:///default");
    /// print(host.hostname);
    /// ```
    #[rhai_fn(name = "connect", return_raw)]
    pub fn connect_uri(call: NativeCallContext, uri: &str) -> RhaiResultOf<Host> {
        Ok(Context::of(&call).connect(Some(uri), false)?)
    }

    /// Connects to the host of a URI with options; `()` as the URI means the default host.
    ///
    /// Options:
    /// * `read_only`: whether the connection can look but not touch, default `false`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect((), #{ read_only: true });
    /// try {
    ///     host.domain("web").destroy();
    /// } catch (err) {
    ///     assert_eq(err.code, "permission-denied");
    /// }
    /// ```
    #[rhai_fn(name = "connect", return_raw)]
    pub fn connect_with(call: NativeCallContext, uri: Dynamic, options: Map) -> RhaiResultOf<Host> {
        let uri = value(&uri, "")?;
        let options = Options::from_value("connect", value(&options.into(), "")?, &["read_only"])?;
        let read_only = options.bool("read_only")?.unwrap_or(false);
        Ok(Context::of(&call).connect(text_or_nothing(&uri, "a URI")?, read_only)?)
    }

    /// Connects to the host of a URI, calls a function with it, and closes the connection afterwards, whether the function
    /// succeeds or fails. Gives what the function gives. The connection is not shared with others.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let names = connect("test:///default", |host| host.domains().map(|vm| vm.name));
    /// assert_eq(names, ["test"]);
    /// ```
    #[rhai_fn(name = "connect", return_raw)]
    pub fn connect_for(call: NativeCallContext, uri: &str, body: FnPtr) -> RhaiResultOf<Dynamic> {
        let (host, own) = Context::of(&call).connect_anew(uri)?;
        let done = body.call_within_context::<Dynamic>(&call, (host.clone(),));
        if own {
            host.close();
        }
        done
    }

    /// The URI that libvirt made of the one given.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().uri);
    /// ```
    #[rhai_fn(get = "uri", pure, return_raw)]
    pub fn uri(host: &mut Host) -> RhaiResultOf<String> {
        Ok(host.uri().to_string())
    }

    /// The name that the host gives itself.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().hostname);
    /// ```
    #[rhai_fn(get = "hostname", pure, return_raw)]
    pub fn hostname(host: &mut Host) -> RhaiResultOf<String> {
        Ok(host.hostname()?)
    }

    /// The version of the hypervisor, such as `7.2.22`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().version);
    /// ```
    #[rhai_fn(get = "version", pure, return_raw)]
    pub fn version(host: &mut Host) -> RhaiResultOf<String> {
        Ok(host.version()?)
    }

    /// Closes the connection: the host and all that was had from it say so when they are used. The next `connect()` makes
    /// a new one; closing what is closed does nothing.
    ///
    /// libvirt's daemon sees the end of the connection when no variable holds anything from it any more.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let vm = host.domain("web");
    /// host.close();
    /// try {
    ///     vm.destroy();
    ///     throw "it was closed";
    /// } catch (err) {
    ///     assert_eq(err.code, "invalid-state");
    /// }
    /// assert_eq(connect().domain("web").state, "running");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn close(host: &mut Host) -> RhaiResultOf<()> {
        host.close();
        Ok(())
    }

    /// Makes the connection anew, whether it stands, was lost or was closed. Domains, volumes and all else that was had from
    /// it go on over the new one, and so do subscriptions to events.
    ///
    /// A connection that was lost comes back by itself as soon as it is used and the daemon answers; this is for one that was
    /// closed, and for a daemon that is another one now.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let vm = host.domain("web");
    /// host.close();
    /// assert(!host.is_alive);
    /// host.reconnect();
    /// assert(host.is_alive);
    /// assert_eq(vm.state, "running");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn reconnect(host: &mut Host) -> RhaiResultOf<()> {
        Ok(host.reconnect()?)
    }

    /// The version of libvirt on the host, such as `9.0.0`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect().lib_version);
    /// ```
    #[rhai_fn(get = "lib_version", pure, return_raw)]
    pub fn lib_version(host: &mut Host) -> RhaiResultOf<String> {
        Ok(host.lib_version()?)
    }

    /// Whether the connection still works.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(connect().is_alive);
    /// ```
    #[rhai_fn(get = "is_alive", pure, return_raw)]
    pub fn is_alive(host: &mut Host) -> RhaiResultOf<bool> {
        Ok(host.is_alive())
    }

    /// All domains of the host, running or not, sorted by name. One call, whatever their number.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for vm in connect().domains() { print(vm.name); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn domains(host: &mut Host) -> RhaiResultOf<Array> {
        Ok(list(host.domains()?))
    }

    /// The domains that fit, sorted by name. One call, whatever their number; with `label` one more for each.
    ///
    /// Options:
    /// * `active`: `true` for those that are started, `false` for the others.
    /// * `persistent`: `true` for those that stay when they stop.
    /// * `autostart`: `true` for those that start with the host.
    /// * `name`: a name; `*` stands for any text and `?` for any letter.
    /// * `snapshots`: `true` for those with a snapshot.
    /// * `managed_save`: `true` for those with a managed save.
    /// * `label`: `"role=web"`, `"role!=web"`, `"role"` for any value, `"!role"`, `"role in (web,db)"`, `"role notin (web)"`,
    ///   several with commas between or as a list, or a map; `*` stands for any text. See `vm.labels`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for vm in connect().domains(#{ active: true, name: "we*" }) { assert_eq(vm.state, "running"); }
    /// ```
    #[rhai_fn(name = "domains", pure, return_raw)]
    pub fn domains_where(host: &mut Host, options: Map) -> RhaiResultOf<Array> {
        Ok(list(host.domains_where(&filter("domains", options)?)?))
    }

    /// The domain of this name; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// assert_eq(vm.name, "web");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn domain(host: &mut Host, name: &str) -> RhaiResultOf<Domain> {
        Ok(host.domain(name)?)
    }

    /// The domain of this name, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().find_domain("nobody"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn find_domain(host: &mut Host, name: &str) -> RhaiResultOf<Dynamic> {
        Ok(host.find_domain(name)?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Defines a domain that stays: a definition, a map or XML. An error if one of this name is there already.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().define_domain(#{ type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" } });
    /// vm.start();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn define_domain(host: &mut Host, definition: Dynamic) -> RhaiResultOf<Domain> {
        Ok(host.define_domain(&without_addresses(checked(Kind::Domain, &definition)?)?.xml())?)
    }

    /// Creates a domain that is running and is gone when it stops: a definition, a map or XML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().create_domain(#{ type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" } });
    /// assert(vm.is_active);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn create_domain(host: &mut Host, definition: Dynamic) -> RhaiResultOf<Domain> {
        Ok(host.create_domain(&without_addresses(checked(Kind::Domain, &definition)?)?.xml())?)
    }

    /// All networks of the host, running or not, sorted by name. One call, whatever their number.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for net in connect().networks() { print(net.name); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn networks(host: &mut Host) -> RhaiResultOf<Array> {
        Ok(list(host.networks()?))
    }

    /// The networks that fit, sorted by name. One call, whatever their number.
    ///
    /// Options:
    /// * `active`: `true` for those that are started, `false` for the others.
    /// * `persistent`: `true` for those that stay when they stop.
    /// * `autostart`: `true` for those that start with the host.
    /// * `name`: a name; `*` stands for any text and `?` for any letter.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().networks(#{ name: "def*" }).len(), 1);
    /// ```
    #[rhai_fn(name = "networks", pure, return_raw)]
    pub fn networks_where(host: &mut Host, options: Map) -> RhaiResultOf<Array> {
        Ok(list(host.networks_where(&filter("networks", options)?)?))
    }

    /// The network of this name; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().network("default");
    /// assert_eq(net.name, "default");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn network(host: &mut Host, name: &str) -> RhaiResultOf<Network> {
        Ok(host.network(name)?)
    }

    /// The network of this name, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().find_network("nobody"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn find_network(host: &mut Host, name: &str) -> RhaiResultOf<Dynamic> {
        Ok(host.find_network(name)?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Defines a network that stays: a definition, a map or XML. An error if one of this name is there already.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().define_network(#{ name: "lab", ips: [ #{ address: "10.17.3.1", prefix: 24 } ] });
    /// net.start();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn define_network(host: &mut Host, definition: Dynamic) -> RhaiResultOf<Network> {
        Ok(host.define_network(&checked(Kind::Network, &definition)?.xml())?)
    }

    /// Creates a network that is running and is gone when it stops: a definition, a map or XML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let net = connect().create_network(#{ name: "lab", ips: [ #{ address: "10.17.3.1", prefix: 24 } ] });
    /// assert(net.is_active);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn create_network(host: &mut Host, definition: Dynamic) -> RhaiResultOf<Network> {
        Ok(host.create_network(&checked(Kind::Network, &definition)?.xml())?)
    }

    /// All pools of the host, running or not, sorted by name. One call, whatever their number.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for pool in connect().pools() { print(pool.name); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pools(host: &mut Host) -> RhaiResultOf<Array> {
        Ok(list(host.pools()?))
    }

    /// The pools that fit, sorted by name. One call, whatever their number.
    ///
    /// Options:
    /// * `active`: `true` for those that are started, `false` for the others.
    /// * `persistent`: `true` for those that stay when they stop.
    /// * `autostart`: `true` for those that start with the host.
    /// * `name`: a name; `*` stands for any text and `?` for any letter.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for pool in connect().pools(#{ active: true }) { print(pool.name); }
    /// ```
    #[rhai_fn(name = "pools", pure, return_raw)]
    pub fn pools_where(host: &mut Host, options: Map) -> RhaiResultOf<Array> {
        Ok(list(host.pools_where(&filter("pools", options)?)?))
    }

    /// The pool of this name; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().pool("default");
    /// assert_eq(pool.name, "default");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn pool(host: &mut Host, name: &str) -> RhaiResultOf<Pool> {
        Ok(host.pool(name)?)
    }

    /// The pool of this name, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().find_pool("nobody"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn find_pool(host: &mut Host, name: &str) -> RhaiResultOf<Dynamic> {
        Ok(host.find_pool(name)?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Defines a pool that stays: a definition, a map or XML. An error if one of this name is there already.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().define_pool(#{ type: "dir", name: "data", target: #{ path: "/srv/data" } });
    /// pool.start();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn define_pool(host: &mut Host, definition: Dynamic) -> RhaiResultOf<Pool> {
        Ok(host.define_pool(&checked(Kind::Pool, &definition)?.xml())?)
    }

    /// Creates a pool that is running and is gone when it stops: a definition, a map or XML.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let pool = connect().create_pool(#{ type: "dir", name: "data", target: #{ path: "/srv/data" } });
    /// assert(pool.is_active);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn create_pool(host: &mut Host, definition: Dynamic) -> RhaiResultOf<Pool> {
        Ok(host.create_pool(&checked(Kind::Pool, &definition)?.xml())?)
    }

    /// The volume at this path; an error if no pool of the host has it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let volume = host.pool("default").volume("web.qcow2");
    /// assert_eq(host.volume_by_path(volume.path).name, "web.qcow2");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn volume_by_path(host: &mut Host, path: &str) -> RhaiResultOf<Volume> {
        Ok(host.volume_by_path(path)?)
    }

    /// Makes a domain with its storage, starts it and waits as its interfaces ask; see the three-parameter form.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().provision(#{ type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" } });
    /// assert_eq(vm.state, "running");
    /// ```
    #[rhai_fn(name = "provision", pure, return_raw)]
    pub fn provision_plain(host: &mut Host, definition: Dynamic) -> RhaiResultOf<Domain> {
        provision(host, definition, Map::new())
    }

    /// Makes a domain with its storage, starts it and waits as its interfaces ask. A failure undoes all of it.
    ///
    /// An interface asks with `wait_for_ip: true`, `"2m"` or `#{ timeout: 300, source: "any" }`; sources are `lease`,
    /// `agent`, `arp` and `any`, the default. The wait is the last step, and only here: reading, listing and deleting
    /// never wait. The address is not stored in the definition.
    ///
    /// An interface declares its addresses with `static_ip: #{ address: "10.0.0.5/24", gateway: "10.0.0.1" }`, or a list of
    /// such maps; `address: "auto"` takes the next free one. They are checked against everything the host knows before
    /// anything is made, reserved, and delivered by the seed (one is made if `storage` has none), `via: "dhcp"`, or by nothing else (`via: "none"`).
    ///
    /// Options:
    /// * `storage`: volumes to make first, a list of `#{ pool, volume, from }`: `pool` is a name (default `"default"`),
    ///   `volume` a definition or a map, `from` a file to upload or a seed. A seed needs no `volume` but a `name`.
    /// * `seed`: what the guest reads at its first boot: a seed, a guest, or `#{ from, bus, pool, name }` with a disk on the
    ///   bus that the machine starts from or on another one; `#{ from, via: "fw_cfg", key }` for Ignition;
    ///   `#{ via: "smbios", url }` for a seed on a server.
    /// * `labels`, `annotations`: maps of text to keep with the machine.
    /// * `protect`: whether `remove` refuses it, default `false`.
    /// * `lab`: the name of the lab that it is part of.
    /// * `shared_with`: other hosts whose bridge of the same name is the same network; their addresses count too.
    /// * `start`: whether to start it, default `true`.
    /// * `paused`: whether its processors stay stopped until `resume`, default `false`; nothing is waited for then.
    /// * `wait`: whether to wait as the interfaces ask, default `true`.
    /// * `autostart`: whether the host starts it at boot, default `false`.
    /// * `keep`: leave everything in place when a wait fails, for a look at the guest; default `false`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().provision(
    ///     #{
    ///         type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" },
    ///         devices: #{ interfaces: [
    ///             #{ type: "network", source: #{ network: "default" }, wait_for_ip: #{ timeout: "30s" } },
    ///         ] },
    ///     },
    ///     #{ storage: [ #{ pool: "default", volume: #{ name: "db.raw", capacity: "1 GiB", target: #{ format: "raw" } } } ] },
    /// );
    /// print(vm.wait_for_ip().addr);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn provision(host: &mut Host, definition: Dynamic, options: Map) -> RhaiResultOf<Domain> {
        let definition = checked(Kind::Domain, &definition)?;
        Ok(provisioned(host, &definition, &options)?.domain)
    }

    /// The host's URI.
    ///
    /// # Example
    ///
    /// ```rhai
    /// print(connect());
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(host: &mut Host) -> String {
        format!("host {}", host.uri())
    }
}
