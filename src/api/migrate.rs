//! Moving domains to other hosts.

use super::records::record;
use super::{RhaiResultOf, value};
use crate::floor::{Error, Options, Result};
use crate::libvirt::Migrate;
use rhai::plugin::*;
use rhai::{Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn migrate_options(given: Map) -> Result<Migrate> {
    const KNOWN: &[&str] = &[
        "auto_converge",
        "bandwidth",
        "copy_storage",
        "live",
        "name",
        "offline",
        "peer_to_peer",
        "persist",
        "remove_source",
        "timeout",
        "tunnelled",
        "undefine_source",
        "unsafe_caches",
        "uri",
    ];
    let options = Options::from_value("migrate", value(&given.into(), "")?, KNOWN)?;
    let standard = Migrate::default();
    let flag = |key: &str, default| options.bool(key).map(|flag| flag.unwrap_or(default));
    Ok(Migrate {
        live: flag("live", standard.live)?,
        offline: flag("offline", standard.offline)?,
        peer_to_peer: flag("peer_to_peer", standard.peer_to_peer)?,
        tunnelled: flag("tunnelled", standard.tunnelled)?,
        persist: flag("persist", standard.persist)?,
        undefine_source: flag("undefine_source", standard.undefine_source)?,
        copy_storage: flag("copy_storage", standard.copy_storage)?,
        remove_source: flag("remove_source", standard.remove_source)?,
        unsafe_caches: flag("unsafe_caches", standard.unsafe_caches)?,
        auto_converge: flag("auto_converge", standard.auto_converge)?,
        name: options.str("name")?.map(str::to_string),
        uri: options.str("uri")?.map(str::to_string),
        bandwidth: options.int("bandwidth")?.map(speed).transpose()?,
        timeout: options.duration("timeout")?,
    })
}

fn speed(mib: i64) -> Result<u64> {
    let fits = u64::try_from(mib).ok().filter(|mib| *mib > 0);
    fits.ok_or_else(|| {
        Error::argument(format!("`bandwidth` must be at least 1 MiB a second, not {mib}"))
            .hint("without it there is no limit")
    })
}

#[export_module]
mod functions {
    use crate::libvirt::{Domain, Host};

    /// Moves it to another host while it runs, and gives it there. See the form with options.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let away = connect("test:///default");
    /// try { connect().domain("web").migrate(away); } catch (err) { assert_eq(err.code, "unsupported"); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn migrate(vm: &mut Domain, to: Host) -> RhaiResultOf<Domain> {
        migrate_with(vm, to, Map::new())
    }

    /// Moves it to another host, and gives it there. When the time is over, or on Ctrl-C, the move is given up and the guest stays; what was made there for it goes.
    /// What networks here keep for its addresses is kept by those of the same names there, and it starts with the host there if it did here. In a transaction that made it, it goes from there if that fails.
    ///
    /// One that is off moves with `copy_storage`, by way of this program: its disks, its UEFI variables, and what else was made for it (`live`, `uri`, `bandwidth` and `timeout` mean nothing then). It must have no snapshots, no saved state and no emulated TPM.
    ///
    /// Options:
    /// * `live`: the guest runs on meanwhile, default `true`.
    /// * `offline`: only the definition moves, with the UEFI variables; the domain is off, and its disks are on storage that both hosts have. Refused if a pool there has not got them.
    /// * `peer_to_peer`: the hosts talk to each other, instead of through this program.
    /// * `tunnelled`: the data goes through libvirt's own connection.
    /// * `persist`: it has a definition there, default `true`.
    /// * `undefine_source`: it has no definition here any more, default `true`.
    /// * `copy_storage`: copy the disks, as both hosts have storage of their own, in pools of the same names. Volumes of these names must not be there yet. What is empty takes no room there; a disk that stands on an image has a copy of that in it afterwards, and stands on nothing. Without enough room in the pools there nothing is begun. Libvirt copies no disk that is only read: the machine's seed is brought along, other ones must be there.
    /// * `remove_source`: delete the disks here once they are copied, default `false`: they stay, and belong to nobody.
    /// * `unsafe_caches`: do it even where a disk's cache may lose data.
    /// * `auto_converge`: slow a guest down that changes its memory too fast.
    /// * `name`: its name there.
    /// * `uri`: where its data goes, such as `tcp://10.0.0.2`; else to the name of the other host, which must be known here.
    /// * `bandwidth`: the limit of its speed in MiB a second.
    /// * `timeout`: how long it may take.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let away = connect("test:///default");
    /// try {
    ///     connect().domain("web").migrate(away, #{ copy_storage: true, timeout: "10m" });
    /// } catch (err) {
    ///     assert_eq(err.code, "unsupported");
    /// }
    /// ```
    #[rhai_fn(name = "migrate", pure, return_raw)]
    pub fn migrate_with(vm: &mut Domain, to: Host, options: Map) -> RhaiResultOf<Domain> {
        Ok(vm.migrate(&to, &migrate_options(options)?)?)
    }

    /// The job that it is busy with, such as a migration or a backup, by libvirt's names in snake case (`data_total`, `data_processed`, `time_elapsed`, ...); empty if there is none.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// assert_eq(vm.job(), #{});
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn job(vm: &mut Domain) -> RhaiResultOf<Map> {
        Ok(record(vm.job()?))
    }

    /// Gives up the job that it is busy with.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { vm.abort_job(); } catch (err) { assert_eq(err.code, "invalid-state"); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn abort_job(vm: &mut Domain) -> RhaiResultOf<()> {
        Ok(vm.abort_job()?)
    }
}
