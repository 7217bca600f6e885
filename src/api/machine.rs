//! Machines: what is kept of them, and removing them.

use super::convert::text_or_nothing;
use super::definition::definition;
use super::provision::storage;
use super::records::record;
use super::{RhaiResultOf, dynamic, shown, value};
use crate::floor::{Error, Options, Result, Value};
use crate::libvirt::{Lease, Owned, Rebuild, Remove, Removed, Selector, Uses};
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};
use std::collections::BTreeMap;

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

/// Labels or annotations: a map of text. Numbers and flags become text.
pub(super) fn texts(what: &str, given: Option<&Value>) -> Result<BTreeMap<String, String>> {
    let wrong = |shown: String| {
        Error::argument(format!("`{what}` must be a map of text, not {shown}")).hint("such as `#{ role: \"web\" }`")
    };
    match given {
        None | Some(Value::Unit) => Ok(BTreeMap::new()),
        Some(Value::Map(map)) => map
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key.clone(), text.clone())),
                Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok((key.clone(), value.show())),
                other => Err(wrong(format!("{} in `{key}`", other.kind()))),
            })
            .collect(),
        Some(other) => Err(wrong(other.show())),
    }
}

/// Labels that a selection can name; those that a machine has already may stay.
pub(super) fn labels(given: Option<&Value>, had: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let labels = texts("labels", given)?;
    let fresh = |(name, value): &(&String, &String)| had.get(*name) != Some(*value);
    match labels.iter().filter(fresh).find(|(name, value)| !Selector::can_name(name, value)) {
        None => Ok(labels),
        Some((name, value)) => {
            let message = format!("no selection can name the label `{name}` with the value `{value}`");
            Err(Error::argument(message).hint(
                "a name has no spaces and none of `=!<>(),`, a value no `,`, `(`, `)` or `!=`, no `=` at its beginning, and no spaces around it; annotations may be anything",
            ))
        }
    }
}

/// The labels to look for: a text such as `"role=web"`, a list of those that must all hold, or a map.
pub(super) fn wanted(given: Option<&Value>) -> Result<Selector> {
    match given {
        Some(Value::String(text)) => Selector::parse(text),
        Some(Value::List(list)) => {
            list.iter().try_fold(Selector::default(), |all, item| Ok(all.and(wanted(Some(item))?)))
        }
        other => Ok(Selector::of(texts("label", other)?)),
    }
}

fn map(texts: BTreeMap<String, String>) -> Map {
    texts.into_iter().map(|(key, text)| (key.into(), text.into())).collect()
}

fn volumes(owned: Vec<Owned>) -> Array {
    let one = |volume: Owned| {
        let fields = [("pool".into(), volume.pool.into()), ("name".into(), volume.name.into())];
        Dynamic::from_map(fields.into_iter().collect())
    };
    owned.into_iter().map(one).collect()
}

fn owned(given: &Dynamic) -> Result<Owned> {
    let options = Options::from_value("owned_volumes", value(given, "")?, &["name", "pool"])?;
    match (options.str("pool")?, options.str("name")?) {
        (Some(pool), Some(name)) => Ok(Owned { pool: pool.to_string(), name: name.to_string() }),
        _ => Err(Error::argument("a volume is told by its `pool` and its `name`")),
    }
}

fn pools(given: Option<&Value>) -> Result<BTreeMap<String, bool>> {
    let wrong = |what: &Value| Error::argument(format!("`pools` must be a map of flags, not {}", what.show()));
    match given {
        None | Some(Value::Unit) => Ok(BTreeMap::new()),
        Some(Value::Map(map)) => map
            .iter()
            .map(|(name, folder)| match folder {
                Value::Bool(folder) => Ok((name.clone(), *folder)),
                other => Err(wrong(other)),
            })
            .collect(),
        Some(other) => Err(wrong(other)),
    }
}

fn removed(gone: Removed) -> Map {
    let lease = |(network, lease): (String, Lease)| {
        let mut fields = record(lease);
        fields.insert("network".into(), network.into());
        Dynamic::from_map(fields)
    };
    let leases: Array = gone.leases.into_iter().map(lease).collect();
    let memories: Array = gone.memories.into_iter().map(Dynamic::from).collect();
    let fields = [
        ("volumes".into(), volumes(gone.volumes).into()),
        ("missing".into(), volumes(gone.missing).into()),
        ("memories".into(), memories.into()),
        ("leases".into(), leases.into()),
    ];
    fields.into_iter().collect()
}

#[export_module]
mod functions {
    use crate::libvirt::Domain;

    /// Removes it completely: stops it, undefines it with its UEFI variables, TPM state, managed save, snapshots and
    /// reserved addresses, and deletes the volumes that were made for it by `provision`, and the memory of snapshots that was made by
    /// `create_snapshot`; nothing else.
    ///
    /// Gives `#{ volumes, missing, memories, leases }`: what was deleted, what was recorded but is not there any more, the files
    /// with memory of its snapshots that stay, as another tool made them or no pool knows them, and the leases that could not be ended from here: `#{ network, addr, hwaddr, expiry, ... }`, which run out by themselves at `expiry`
    /// (seconds since 1970).
    /// A protected domain is refused, and so is one whose volumes somebody else needs; nothing is touched then.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let disk = #{ pool: "default", volume: #{ name: "db.qcow2", capacity: "1 GiB", target: #{ format: "qcow2" } } };
    /// let vm = host.provision(
    ///     #{ type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" } },
    ///     #{ storage: [disk] },
    /// );
    /// assert_eq(vm.remove().volumes, [#{ pool: "default", name: "db.qcow2" }]);
    /// assert_eq(host.pool("default").find_volume("db.qcow2"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn remove(vm: &mut Domain) -> RhaiResultOf<Map> {
        Ok(removed(vm.remove(&Remove::default())?))
    }

    /// Removes it completely.
    ///
    /// Options:
    /// * `timeout`: ask the guest to shut down, and stop it at the end of this time; without, it is stopped at once.
    /// * `keep_volumes`: leave the volumes that were made for it.
    /// * `force`: even if it is protected.
    /// * `if_exists`: no error if it is gone by now, as when somebody else removes it at the same time.
    /// * `dry_run`: remove nothing; what would be refused fails as well, and what would be deleted is given.
    /// * `pools`: pools that go with its last volume if they hold nothing then, such as `#{ fast: true }`; whether their folders go, too.
    /// * `uses`: what `host.volume_uses()` said before; without, each removal looks at all disks of the host.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// host.domain("web").remove(#{ timeout: "5s", keep_volumes: true });
    /// assert_eq(host.find_domain("web"), ());
    /// ```
    #[rhai_fn(name = "remove", pure, return_raw)]
    pub fn remove_with(vm: &mut Domain, mut options: Map) -> RhaiResultOf<Map> {
        let wrong = || Error::argument("`uses` must be what `host.volume_uses()` gives");
        let uses = options.remove("uses").map(|uses| uses.try_cast::<Uses>().ok_or_else(wrong)).transpose()?;
        let known = ["dry_run", "force", "if_exists", "keep_volumes", "pools", "timeout", "uses"];
        let options = Options::from_value("remove", value(&options.into(), "")?, &known)?;
        let flag = |key: &str| options.bool(key).map(Option::unwrap_or_default);
        let how = Remove {
            timeout: options.duration("timeout")?,
            keep_volumes: flag("keep_volumes")?,
            force: flag("force")?,
            dry_run: flag("dry_run")?,
            pools: pools(options.get("pools"))?,
            uses,
        };
        let gone = if flag("if_exists")? { vm.remove_if_exists(&how)? } else { Some(vm.remove(&how)?) };
        Ok(removed(gone.unwrap_or_default()))
    }

    /// Gives it other disks, safely: makes the volumes of `storage`, stops it, makes it what the definition says, starts it,
    /// and then deletes the volumes that were made for it and that it has no disk on any more; nothing else. Gives these:
    /// a list of `#{ pool, name }`.
    ///
    /// A failure leaves it as it was. After a kill `vmscript recover` leaves the new machine if that runs, and gives it
    /// back the disks that it had if not. What is done cannot be undone: a transaction around it keeps it.
    /// Refused are a protected domain, one with snapshots or a saved state, and volumes that somebody else needs.
    ///
    /// Options:
    /// * `storage`: the volumes to make, as for `provision`.
    /// * `timeout`: ask the guest to shut down, and stop it at the end of this time; without, it is stopped at once.
    /// * `start`: whether to start it afterwards, default `true`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let host = connect();
    /// let disk = |name| #{ volume: #{ name: name, capacity: "1 GiB", target: #{ format: "qcow2" } } };
    /// let on = |name| [ #{ type: "volume", source: #{ pool: "default", volume: name }, target: #{ dev: "vda", bus: "virtio" } } ];
    /// let vm = host.provision(
    ///     #{ type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" }, devices: #{ disks: on.call("db.qcow2") } },
    ///     #{ storage: [disk.call("db.qcow2")] },
    /// );
    /// let wanted = vm.definition.to_map();
    /// wanted.devices.disks = on.call("db-2.qcow2");
    /// assert_eq(vm.rebuild(wanted, #{ storage: [disk.call("db-2.qcow2")] }), [#{ pool: "default", name: "db.qcow2" }]);
    /// assert_eq(vm.owned_volumes, [#{ pool: "default", name: "db-2.qcow2" }]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn rebuild(vm: &mut Domain, wanted: Dynamic, mut options: Map) -> RhaiResultOf<Array> {
        let wanted = definition(Kind::Domain, &wanted)?;
        let storage = storage(&options.remove("storage").unwrap_or_default())?;
        let options = Options::from_value("rebuild", value(&options.into(), "")?, &["start", "storage", "timeout"])?;
        let timeout = options.duration("timeout")?;
        let how = Rebuild { storage, timeout, start: options.bool("start")?.unwrap_or(true) };
        Ok(volumes(vm.rebuild(&wanted, &how)?))
    }

    /// The volumes that were made for it and go with it: a list of `#{ pool, name }`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().domain("web").owned_volumes, []);
    /// ```
    #[rhai_fn(get = "owned_volumes", pure, return_raw)]
    pub fn owned_volumes(vm: &mut Domain) -> RhaiResultOf<Array> {
        Ok(volumes(vm.record()?.volumes))
    }

    /// Records which volumes go with it, as for a machine that another tool made.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.owned_volumes = [#{ pool: "default", name: "web.qcow2" }];
    /// assert_eq(vm.owned_volumes.len(), 1);
    /// ```
    #[rhai_fn(set = "owned_volumes", pure, return_raw)]
    pub fn set_owned_volumes(vm: &mut Domain, volumes: Array) -> RhaiResultOf<()> {
        let volumes = volumes.iter().map(owned).collect::<Result<Vec<_>>>()?;
        Ok(vm.change_record(|record| {
            record.volumes.clone_from(&volumes);
            Ok(())
        })?)
    }

    /// The volumes that its record or one of its disks names and that the host does not know any more, as after a removal that
    /// was broken off: a list of `#{ pool, name }`. Those of a pool that is stopped are not among them: nobody can say.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// assert_eq(vm.missing_volumes, []);
    /// vm.owned_volumes = [#{ pool: "default", name: "deleted.qcow2" }];
    /// assert_eq(vm.missing_volumes, [#{ pool: "default", name: "deleted.qcow2" }]);
    /// ```
    #[rhai_fn(get = "missing_volumes", pure, return_raw)]
    pub fn missing_volumes(vm: &mut Domain) -> RhaiResultOf<Array> {
        Ok(volumes(vm.missing_volumes()?))
    }

    /// Its labels, by which `host.domains(#{ label: "role=web" })` selects.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.labels = #{ role: "web" };
    /// assert_eq(vm.labels.role, "web");
    /// assert_eq(connect().domains(#{ label: "role=web" }).len(), 1);
    /// ```
    #[rhai_fn(get = "labels", pure, return_raw)]
    pub fn labels(vm: &mut Domain) -> RhaiResultOf<Map> {
        Ok(map(vm.record()?.labels))
    }

    /// Whether a selection can name a label with this value; a machine gets no others.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(is_label("role", "web"));
    /// assert(!is_label("role", "web,db"));
    /// ```
    pub fn is_label(name: &str, value: &str) -> bool {
        Selector::can_name(name, value)
    }

    /// Sets its labels, in place of those it had.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.labels = #{ role: "web", env: "test" };
    /// vm.labels = #{};
    /// ```
    #[rhai_fn(set = "labels", pure, return_raw)]
    pub fn set_labels(vm: &mut Domain, labels: Map) -> RhaiResultOf<()> {
        let given = shown(&labels.into())?;
        Ok(vm.change_record(|record| {
            record.labels = super::labels(Some(&given), &record.labels)?;
            Ok(())
        })?)
    }

    /// Sets some of its labels, and takes off those that are `()`; all others stay, as do those that another run sets now.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.labels = #{ role: "web", env: "test" };
    /// vm.change_labels(#{ env: (), tier: "front" });
    /// assert_eq(vm.labels, #{ role: "web", tier: "front" });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn change_labels(vm: &mut Domain, labels: Map) -> RhaiResultOf<()> {
        let (gone, set): (Map, Map) = labels.into_iter().partition(|(_, value)| value.is_unit());
        let given = shown(&set.into())?;
        Ok(vm.change_record(|record| {
            let set = super::labels(Some(&given), &record.labels)?;
            record.labels.retain(|name, _| !gone.contains_key(name.as_str()));
            record.labels.extend(set);
            Ok(())
        })?)
    }

    /// What else is said about it, by name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().domain("web").annotations, #{});
    /// ```
    #[rhai_fn(get = "annotations", pure, return_raw)]
    pub fn annotations(vm: &mut Domain) -> RhaiResultOf<Map> {
        Ok(map(vm.record()?.annotations))
    }

    /// Sets what else is said about it, in place of what was.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.annotations = #{ owner: "the <web> team" };
    /// assert_eq(vm.annotations.owner, "the <web> team");
    /// ```
    #[rhai_fn(set = "annotations", pure, return_raw)]
    pub fn set_annotations(vm: &mut Domain, annotations: Map) -> RhaiResultOf<()> {
        let annotations = texts("annotations", Some(&shown(&annotations.into())?))?;
        Ok(vm.change_record(|record| {
            record.annotations.clone_from(&annotations);
            Ok(())
        })?)
    }

    /// The name of the lab that made it with `lab up` or the option `lab` of `provision`, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().domain("web").lab, ());
    /// ```
    #[rhai_fn(get = "lab", pure, return_raw)]
    pub fn lab(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        Ok(vm.record()?.lab.map_or(Dynamic::UNIT, Into::into))
    }

    /// The parts of its definition that it does not run with before it was stopped and started, as paths: those that `update`
    /// gave as `needs_restart`, and its memory and processors whoever changed them. None for one that is off.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// assert_eq(vm.needs_restart, []);
    /// vm.update(|d| { d.vcpu = 3; });
    /// assert_eq(vm.needs_restart, ["vcpu.value"]);
    /// ```
    #[rhai_fn(get = "needs_restart", pure, return_raw)]
    pub fn needs_restart(vm: &mut Domain) -> RhaiResultOf<Array> {
        Ok(vm.waiting()?.into_iter().map(Dynamic::from).collect())
    }

    /// Whether a run that was killed made it and did not come to its end: `vmscript recover` would remove it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(!connect().domain("web").is_left_over);
    /// ```
    #[rhai_fn(get = "is_left_over", pure, return_raw)]
    pub fn is_left_over(vm: &mut Domain) -> RhaiResultOf<bool> {
        Ok(vm.is_left_over()?)
    }

    /// Whether `remove` refuses to remove it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert(!connect().domain("web").is_protected);
    /// ```
    #[rhai_fn(get = "is_protected", pure, return_raw)]
    pub fn is_protected(vm: &mut Domain) -> RhaiResultOf<bool> {
        Ok(vm.record()?.protected)
    }

    /// Sets whether `remove` refuses to remove it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.is_protected = true;
    /// try {
    ///     vm.remove();
    /// } catch (err) {
    ///     assert_eq(err.message, "cannot remove domain `web`: it is protected");
    /// }
    /// ```
    #[rhai_fn(set = "is_protected", pure, return_raw)]
    pub fn set_is_protected(vm: &mut Domain, on: bool) -> RhaiResultOf<()> {
        Ok(vm.change_record(|record| {
            record.protected = on;
            Ok(())
        })?)
    }

    /// Its title, a line at most, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().domain("web").title, ());
    /// ```
    #[rhai_fn(get = "title", pure, return_raw)]
    pub fn title(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        Ok(dynamic(vm.title()?.into()))
    }

    /// Sets its title; an empty one removes it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.title = "the shop's web server";
    /// assert_eq(vm.title, "the shop's web server");
    /// ```
    #[rhai_fn(set = "title", pure, return_raw)]
    pub fn set_title(vm: &mut Domain, title: &str) -> RhaiResultOf<()> {
        Ok(vm.set_title(title)?)
    }

    /// Its description, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().domain("web").description, ());
    /// ```
    #[rhai_fn(get = "description", pure, return_raw)]
    pub fn description(vm: &mut Domain) -> RhaiResultOf<Dynamic> {
        Ok(dynamic(vm.description()?.into()))
    }

    /// Sets its description; an empty one removes it.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.description = "serves the shop\nand the blog";
    /// assert(vm.description.ends_with("the blog"));
    /// ```
    #[rhai_fn(set = "description", pure, return_raw)]
    pub fn set_description(vm: &mut Domain, description: &str) -> RhaiResultOf<()> {
        Ok(vm.set_description(description)?)
    }

    /// The XML that a program keeps in its metadata under a namespace, or `()`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(connect().domain("web").metadata("urn:example:none"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn metadata(vm: &mut Domain, space: &str) -> RhaiResultOf<Dynamic> {
        Ok(dynamic(vm.metadata(space)?.into()))
    }

    /// Keeps an element in its metadata under a namespace with its prefix, in place of what was there; `()` removes it.
    /// libvirt adds the namespace to the element.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let vm = connect().domain("web");
    /// vm.set_metadata("urn:example:shop", "shop", "<ticket number='7'/>");
    /// assert(vm.metadata("urn:example:shop").contains("7"));
    /// vm.set_metadata("urn:example:shop", "shop", ());
    /// assert_eq(vm.metadata("urn:example:shop"), ());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_metadata(vm: &mut Domain, space: &str, prefix: &str, element: Dynamic) -> RhaiResultOf<()> {
        let element = shown(&element)?;
        Ok(vm.set_metadata(text_or_nothing(&element, "an element")?, prefix, space)?)
    }
}
