//! What a host is made of and what its domains use.

use super::records::record;
use super::{RhaiResultOf, dynamic, value};
use crate::floor::{Error, Options, Result};
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn number(given: i64, what: &str) -> Result<u32> {
    u32::try_from(given).map_err(|_| Error::argument(format!("there is no {what} {given}")))
}

#[export_module]
mod functions {
    use crate::floor::Value;
    use crate::libvirt::{Domain, Filter, GuestKind, Host, Pool};
    use crate::schema::{Definition, Kind};

    /// Its processors and memory: `#{ model, memory, cpus, mhz, nodes, sockets, cores, threads }`; `memory` is in bytes.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let info = connect().node_info;
    /// print(`${info.cpus} CPUs, ${info.memory / 1024 / 1024} MiB`);
    /// ```
    #[rhai_fn(get = "node_info", pure, return_raw)]
    pub fn node_info(host: &mut Host) -> RhaiResultOf<Map> {
        Ok(record(host.node_info()?))
    }

    /// Its memory in bytes by libvirt's names: `total`, `free`, `buffers`, `cached`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// print(connect().memory_stats().free);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn memory_stats(host: &mut Host) -> RhaiResultOf<Map> {
        Ok(record(host.memory_stats(None)?))
    }

    /// The memory of one NUMA cell in bytes.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// print(connect().memory_stats(0).free);
    /// ```
    #[rhai_fn(name = "memory_stats", pure, return_raw)]
    pub fn cell_memory_stats(host: &mut Host, cell: i64) -> RhaiResultOf<Map> {
        Ok(record(host.memory_stats(Some(number(cell, "cell")?))?))
    }

    /// What its processors did since it started, in seconds by libvirt's names: `kernel`, `user`, `idle`, `iowait`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let used = connect().cpu_stats();
    /// print(used.user + used.kernel);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn cpu_stats(host: &mut Host) -> RhaiResultOf<Map> {
        Ok(record(host.cpu_stats(None)?))
    }

    /// What one of its processors did since it started, in seconds.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// print(connect().cpu_stats(0).user);
    /// ```
    #[rhai_fn(name = "cpu_stats", pure, return_raw)]
    pub fn one_cpu_stats(host: &mut Host, cpu: i64) -> RhaiResultOf<Map> {
        Ok(record(host.cpu_stats(Some(number(cpu, "CPU")?))?))
    }

    /// The free memory of each of its NUMA cells in bytes.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for free in connect().cells_free_memory() { print(free); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn cells_free_memory(host: &mut Host) -> RhaiResultOf<Array> {
        Ok(host.cells_free_memory()?.into_iter().map(|free| dynamic(free.into())).collect())
    }

    /// What it can do: CPUs, guests, security models, NUMA cells.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let can = connect().capabilities.to_map();
    /// print(can.host.cpu.arch);
    /// ```
    #[rhai_fn(get = "capabilities", pure, return_raw)]
    pub fn capabilities(host: &mut Host) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::Capabilities, &host.capabilities()?)?)
    }

    /// What its guests can have: machine, CPU models, firmware, devices and features.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let can = connect().domain_capabilities().to_map();
    /// print(can.machine);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn domain_capabilities(host: &mut Host) -> RhaiResultOf<Definition> {
        domain_capabilities_of(host, Map::new())
    }

    /// What guests of some kind can have.
    ///
    /// Options:
    /// * `arch`: such as `x86_64`.
    /// * `machine`: such as `q35`.
    /// * `type`: `kvm`, `qemu`, ...
    /// * `emulator`: the path of the emulator.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let can = connect().domain_capabilities(#{ machine: "q35" }).to_map();
    /// print(can.machine);
    /// ```
    #[rhai_fn(name = "domain_capabilities", pure, return_raw)]
    pub fn domain_capabilities_of(host: &mut Host, options: Map) -> RhaiResultOf<Definition> {
        const KNOWN: &[&str] = &["arch", "emulator", "machine", "type"];
        let options = Options::from_value("domain_capabilities", value(&options.into(), "")?, KNOWN)?;
        let text = |key: &str| options.str(key).map(|text| text.map(str::to_string));
        let (arch, emulator) = (text("arch")?, text("emulator")?);
        let guest = GuestKind { arch, emulator, machine: text("machine")?, virt_type: text("type")? };
        Ok(Definition::from_xml(Kind::DomainCapabilities, &host.domain_capabilities(&guest)?)?)
    }

    /// What its guests should run on: `#{ type, why }`. `type` is `kvm` if the host offers it and a guest boots on it, else `qemu`: nested and pretended hardware lets guests hang.
    ///
    /// Options:
    /// * `pool`: a started pool in which a tiny guest is tried, unless one was on that host within a day. It takes half a second, ten where it fails, and nothing is left of it. Without a pool nothing is tried.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let host = connect();
    /// let best = host.virt_type(#{ pool: host.pool("default") });
    /// print(`${best.type}: ${best.why}`);
    /// assert(best.type in ["kvm", "qemu"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn virt_type(host: &mut Host, mut options: Map) -> RhaiResultOf<Map> {
        let wrong = || Error::argument("`pool` must be a pool").hint("such as `host.pool(\"default\")`");
        let pool = options.remove("pool").filter(|pool| !pool.is_unit());
        let pool = pool.map(|pool| pool.try_cast::<Pool>().ok_or_else(wrong)).transpose()?;
        Options::from_value("virt_type", value(&options.into(), "")?, &["pool"])?;
        let found = host.virt_type(pool.as_ref())?;
        Ok(Map::from([("type".into(), found.name.into()), ("why".into(), found.why.into())]))
    }

    /// Statistics of all its domains in one call, sorted by name: `[#{ name, state, reason, cpu, balloon, vcpu, vcpus, nets, blocks, ... }]`.
    ///
    /// The names are those of `virsh domstats`: `block.0.rd.bytes` is `blocks[0].rd.bytes`. Memory (`balloon`) is in bytes, times are in nanoseconds. A domain that is busy with a job is not waited for: it tells less.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for stats in connect().domain_stats() { print(`${stats.name} ${stats.state}`); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn domain_stats(host: &mut Host) -> RhaiResultOf<Array> {
        domain_stats_of(host, Map::new())
    }

    /// Statistics of some domains in one call.
    ///
    /// The group `addresses` adds what libvirt's networks gave to each domain, `[#{ hwaddr, type, addr, prefix, hostname, network }]`, and as `unleased` how many of its interfaces they gave none, with one more call for each network, whatever the number of domains.
    /// The group `labels` adds `labels`, `is_protected` and `missing` (as `vm.missing_volumes`, each as `POOL/NAME`), with one more call for each domain, and some for each pool that they have volumes in. `disk_use` adds that and `disk_use`, the bytes that the disks take that it writes to, `()` where nobody can know: by what its QEMU tells of one that runs, and with one more call for each disk of one that is off.
    /// The group `info` adds memory in bytes and vCPUs as libvirt knows them, `#{ memory, max_memory, vcpus }`, with one more call for each domain that runs. For `balloon` and `vcpu` libvirt asks each QEMU, which takes some milliseconds each.
    ///
    /// Options:
    /// * `groups`: what is asked for, a list of `state`, `cpu`, `balloon`, `vcpu`, `net`, `block`, `perf`, `iothread`, `memory`, `dirtyrate`, `addresses`, `disk_use`, `info` and `labels`; default is all but the last four.
    /// * `active`: `true` for running domains only, `false` for the others.
    /// * `name`: a name; `*` stands for any text and `?` for any letter.
    /// * `label`: labels as `host.domains` takes them, with one more call for each domain.
    ///
    /// # Example
    ///
    /// ```rhai
    /// for stats in connect().domain_stats(#{ groups: ["state"], active: true, name: "w*" }) {
    ///     assert_eq(stats.state, "running");
    /// }
    /// let web = connect().domain("web");
    /// web.labels = #{ role: "web" };
    /// for vm in connect().domain_stats(#{ groups: ["state", "info", "addresses", "labels"] }) {
    ///     print(`${vm.name} ${vm.state} ${vm.info.max_memory} ${vm.info.vcpus} ${vm.addresses.map(|one| one.addr)}`);
    ///     assert_eq(vm.labels, if vm.name == "web" { #{ role: "web" } } else { #{} });
    /// }
    /// ```
    #[rhai_fn(name = "domain_stats", pure, return_raw)]
    pub fn domain_stats_of(host: &mut Host, options: Map) -> RhaiResultOf<Array> {
        let options =
            Options::from_value("domain_stats", value(&options.into(), "")?, &["active", "groups", "label", "name"])?;
        let groups = options.list("groups");
        let wrong = |group: &Value| Error::argument(format!("a group is a word, not {}", group.show()));
        let groups: Vec<&str> =
            groups.iter().map(|group| group.as_str().ok_or_else(|| wrong(group))).collect::<Result<_>>()?;
        let filter = Filter {
            active: options.bool("active")?,
            name: options.str("name")?.map(str::to_string),
            labels: super::super::machine::wanted(options.get("label"))?,
            ..Filter::default()
        };
        Ok(host.domain_stats(&groups, &filter)?.into_iter().map(|stats| dynamic(stats.into())).collect())
    }

    /// Its statistics, as `host.domain_stats()` gives them.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// print(vm.stats().blocks[0].rd.bytes);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn stats(vm: &mut Domain) -> RhaiResultOf<Map> {
        Ok(record(vm.stats(&[])?))
    }

    /// Some groups of its statistics: `state`, `cpu`, `balloon`, `vcpu`, `net`, `block`, `perf`, `iothread`, `memory`, `dirtyrate`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// print(vm.stats(["cpu", "balloon"]).balloon.current);
    /// ```
    #[rhai_fn(name = "stats", pure, return_raw)]
    pub fn stats_of(vm: &mut Domain, groups: Array) -> RhaiResultOf<Map> {
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        Ok(record(vm.stats(&groups)?))
    }

    /// Looks for what a pool of a type could stand on: volume groups for `logical`, exports for `netfs`, targets for `iscsi`. `from` is XML that says where to look, or `()`. Gives the sources as XML.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// try { print(connect().find_pool_sources("logical", ())); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn find_pool_sources(host: &mut Host, kind: &str, from: Dynamic) -> RhaiResultOf<String> {
        let from = value(&from, "from")?;
        Ok(host.find_pool_sources(kind, from.as_str())?)
    }
}
