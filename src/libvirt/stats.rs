//! Statistics of many domains in one call, as trees instead of libvirt's flat names.

use super::cause::Explain;
use super::filter::Filter;
use super::machine::{Held, disk_use, missing};
use super::retry::ask;
use super::{Domain, Host, MachineRecord, Selector, State, ffi};
use crate::floor::{Code, Error, Map, Result, Value, did_you_mean};
use crate::schema::xml;
use std::collections::HashMap;
use std::panic::resume_unwind;
use virt::sys;

/// The groups of statistics by their names in libvirt's flat names.
const GROUPS: &[(&str, u32)] = &[
    ("state", sys::VIR_DOMAIN_STATS_STATE),
    ("cpu", sys::VIR_DOMAIN_STATS_CPU_TOTAL),
    ("balloon", sys::VIR_DOMAIN_STATS_BALLOON),
    ("vcpu", sys::VIR_DOMAIN_STATS_VCPU),
    ("net", sys::VIR_DOMAIN_STATS_INTERFACE),
    ("block", sys::VIR_DOMAIN_STATS_BLOCK),
    ("perf", sys::VIR_DOMAIN_STATS_PERF),
    ("iothread", sys::VIR_DOMAIN_STATS_IOTHREAD),
    ("memory", sys::VIR_DOMAIN_STATS_MEMORY),
    ("dirtyrate", sys::VIR_DOMAIN_STATS_DIRTYRATE),
];

/// Not libvirt's: what the networks of the host gave to the domains.
const ADDRESSES: &str = "addresses";
/// Not libvirt's either: what this program keeps in the metadata of each domain.
const LABELS: &str = "labels";
/// Nor is this: memory and vCPUs as libvirt knows them itself. For `balloon` and `vcpu` it asks the QEMU of each domain that
/// runs, one after the other, which takes some milliseconds each.
const INFO: &str = "info";

/// Nor this: what the disks take that a domain writes to.
const DISK_USE: &str = "disk_use";

/// So many domains are asked at once: libvirtd answers five calls of a client at a time.
const AT_ONCE: usize = 4;

/// The entries of `balloon` that libvirt counts in KiB.
const KIB: &[&str] =
    &["current", "maximum", "swap_in", "swap_out", "unused", "available", "rss", "usable", "disk_caches"];

impl Host {
    /// Statistics of all domains that a filter lets through, by name and label, in one call; no groups means all of libvirt's.
    /// The group `addresses` takes one more call for each network, labels one for each domain and one for each pool that they
    /// have volumes in, `info` one for each domain that runs. `disk_use` comes with labels, takes one more for each disk of those
    /// that are off, and libvirt asks the QEMU of those that run.
    pub fn domain_stats(&self, groups: &[&str], filter: &Filter) -> Result<Vec<Map>> {
        // A domain that is busy with a job is not waited for: it says less.
        let mut flags = sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
        match filter.active {
            Some(true) => flags |= sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE,
            Some(false) => flags |= sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE,
            None => {}
        }
        let [addresses, labels, info, disks, nets, blocks, balloon, vcpu] =
            [ADDRESSES, LABELS, INFO, DISK_USE, "net", "block", "balloon", "vcpu"].map(|one| groups.contains(&one));
        // The addresses are found by the interfaces; without any group libvirt would tell all.
        let groups = groups.iter().map(|group| match *group {
            ADDRESSES => "net",
            DISK_USE => "block",
            LABELS | INFO => "state",
            group => group,
        });
        let mut found = self.flat_stats(numbers(&groups.collect::<Vec<_>>())?, flags)?;
        found.retain(|(name, _)| filter.matches(name));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let mut found: Vec<Map> = found.into_iter().map(|(name, flat)| tree(Some(&name), flat)).collect();
        for stats in &mut found {
            self.add_sizes(stats, balloon, vcpu)?;
        }
        if info {
            self.add_info(&mut found, filter)?;
        }
        if labels || disks || !filter.labels.is_empty() {
            found = self.with_labels(found, filter, labels || disks, disks)?;
        }
        if disks && !blocks {
            for stats in &mut found {
                stats.shift_remove("blocks");
            }
        }
        if addresses {
            self.add_addresses(&mut found)?;
            if !nets {
                for stats in &mut found {
                    stats.shift_remove("nets");
                }
            }
        }
        Ok(found)
    }

    fn flat_stats(&self, groups: u32, flags: u32) -> Result<Vec<(String, Map)>> {
        ask(self, || {
            let host = self.raw()?;
            let of = |flags| ffi::domain_stats(&host, &[], groups, flags);
            let found = of(flags).or_else(|error| {
                // The test driver does not know `nowait`.
                if super::cause::flag_refused(&error) {
                    of(flags & !sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
                } else {
                    Err(error)
                }
            });
            found.explain("ask for the statistics of", self.object())
        })
    }

    /// Adds memory and vCPUs: of those that are off with one call, of the others with one each.
    fn add_info(&self, found: &mut [Map], filter: &Filter) -> Result<()> {
        let mut known: HashMap<String, Map> = HashMap::new();
        if filter.active != Some(true) {
            let groups = sys::VIR_DOMAIN_STATS_BALLOON | sys::VIR_DOMAIN_STATS_VCPU;
            for (name, flat) in self.flat_stats(groups, sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE)? {
                if let [Some(Value::Int(maximum)), Some(Value::Int(current)), Some(Value::Int(vcpus))] =
                    ["balloon.maximum", "balloon.current", "vcpu.current"].map(|key| flat.get(key))
                {
                    known.insert(name, info_of(maximum.saturating_mul(1024), current.saturating_mul(1024), *vcpus));
                }
            }
        }
        let is_open =
            |stats: &&mut Map| stats.get("name").and_then(Value::as_str).is_some_and(|name| !known.contains_key(name));
        let mut open: Vec<&mut Map> = found.iter_mut().filter(is_open).collect();
        if !open.is_empty() {
            let domains = self.domains_where(&Filter { labels: Selector::default(), ..filter.clone() })?;
            let domains: HashMap<&str, &Domain> = domains.iter().map(|domain| (domain.name(), domain)).collect();
            let share = open.len().div_ceil(AT_ONCE).max(AT_ONCE);
            std::thread::scope(|scope| {
                let ask = |share| scope.spawn(|| ask_each(share, &domains));
                let threads: Vec<_> = open.chunks_mut(share).map(ask).collect();
                threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            })?;
        }
        for stats in found {
            let name = stats.get("name").and_then(Value::as_str).unwrap_or_default();
            if let Some(info) = known.remove(name) {
                stats.insert(INFO.to_string(), Value::Map(info));
            }
        }
        Ok(())
    }

    /// Adds the sizes that a driver tells of each domain only, such as libvirt's test driver.
    fn add_sizes(&self, stats: &mut Map, balloon: bool, vcpu: bool) -> Result<()> {
        let (balloon, vcpu) = (balloon && !stats.contains_key("balloon"), vcpu && !stats.contains_key("vcpu"));
        let Some(name) = stats.get("name").and_then(Value::as_str).filter(|_| balloon || vcpu) else { return Ok(()) };
        // It may be gone by now.
        let Some(domain) = self.find_domain(name)? else { return Ok(()) };
        let info = domain.info()?;
        let bytes = |size| Value::Int(i64::try_from(size).unwrap_or(i64::MAX));
        let mut add = |path: [&str; 2], value| plant(stats, &path.map(str::to_string), value);
        if balloon {
            add(["balloon", "current"], bytes(info.memory));
            add(["balloon", "maximum"], bytes(info.max_memory));
        }
        if vcpu {
            add(["vcpu", "current"], i64::from(info.vcpus).into());
        }
        Ok(())
    }

    /// Those with the labels of the filter; what is kept of each is told, if it is asked for.
    fn with_labels(&self, stats: Vec<Map>, filter: &Filter, told: bool, disks: bool) -> Result<Vec<Map>> {
        // Their labels are looked at here, once.
        let domains = self.domains_where(&Filter { labels: Selector::default(), ..filter.clone() })?;
        let domains: HashMap<&str, &Domain> = domains.iter().map(|domain| (domain.name(), domain)).collect();
        let mut chosen = Vec::new();
        let mut held = Held::new();
        let mut pools = HashMap::new();
        for mut stats in stats {
            let domain = stats.get("name").and_then(Value::as_str).and_then(|name| domains.get(name));
            let read = |domain: &&Domain| -> Result<_> {
                if !told {
                    return Ok((domain.record()?, Vec::new(), None));
                }
                let document = xml::parse(&domain.inactive_xml()?)?;
                let used = if disks { disk_use(self, &document, stats.get("blocks"), &mut pools)? } else { None };
                Ok((MachineRecord::read(&document), missing(self, &document, &mut held)?, used))
            };
            let known = match domain.map(read).transpose() {
                // It is gone by now.
                Err(error) if error.code == Code::NotFound => None,
                known => known?,
            };
            let (record, missing, used) = known.unwrap_or_default();
            if !filter.labels.fits(&record.labels) {
                continue;
            }
            if told {
                let labels = record.labels.into_iter().map(|(key, label)| (key, label.into())).collect();
                stats.insert(LABELS.to_string(), Value::Map(labels));
                stats.insert("is_protected".to_string(), record.protected.into());
                let missing = missing.into_iter().map(|one| format!("{}/{}", one.pool, one.name).into()).collect();
                stats.insert("missing".to_string(), Value::List(missing));
                if disks {
                    stats.insert(DISK_USE.to_string(), used.into());
                }
            }
            chosen.push(stats);
        }
        Ok(chosen)
    }
}

impl Domain {
    /// Its statistics; no groups means all of them.
    pub fn stats(&self, groups: &[&str]) -> Result<Map> {
        let found = ffi::domain_stats(&self.host().raw()?, &[&self.raw()?], numbers(groups)?, 0)
            .explain("ask for the statistics of", self.object())?;
        Ok(found.into_iter().next().map(|(name, flat)| tree(Some(&name), flat)).unwrap_or_default())
    }
}

/// Asks for memory and vCPUs of each. What is gone by now has nothing.
fn ask_each(stats: &mut [&mut Map], domains: &HashMap<&str, &Domain>) -> Result<()> {
    for stats in stats {
        let domain = stats.get("name").and_then(Value::as_str).and_then(|name| domains.get(name));
        let info = match domain.map(|domain| domain.info()).transpose() {
            Err(error) if error.code == Code::NotFound => continue,
            info => info?,
        };
        if let Some(info) = info {
            let whole = |size| i64::try_from(size).unwrap_or(i64::MAX);
            let info = info_of(whole(info.max_memory), whole(info.memory), info.vcpus.into());
            stats.insert(INFO.to_string(), Value::Map(info));
        }
    }
    Ok(())
}

fn info_of(max_memory: i64, memory: i64, vcpus: i64) -> Map {
    [("max_memory", max_memory), ("memory", memory), ("vcpus", vcpus)]
        .map(|(key, value)| (key.to_string(), Value::Int(value)))
        .into()
}

fn numbers(groups: &[&str]) -> Result<u32> {
    let names = || GROUPS.iter().map(|(name, _)| *name).chain([ADDRESSES, DISK_USE, INFO, LABELS]);
    groups.iter().try_fold(0, |all, group| {
        if let Some((_, number)) = GROUPS.iter().find(|(name, _)| name == group) {
            return Ok(all | number);
        }
        let hint = did_you_mean(group, names())
            .unwrap_or_else(|| format!("groups: {}", names().collect::<Vec<_>>().join(", ")));
        Err(Error::argument(format!("there is no group of statistics `{group}`")).hint(hint))
    })
}

/// `block.0.rd.bytes` becomes `blocks[0].rd.bytes`; state and reason become words, memory becomes bytes.
pub(super) fn tree(name: Option<&str>, mut flat: Map) -> Map {
    let mut root = Map::new();
    if let Some(name) = name {
        root.insert("name".to_string(), name.into());
    }
    let number = |value: Option<Value>| if let Some(Value::Int(number)) = value { Some(number) } else { None };
    if let Some(state) = number(flat.shift_remove("state.state")) {
        let reason = number(flat.shift_remove("state.reason")).unwrap_or_default();
        let state = State::new(u32::try_from(state).unwrap_or_default(), i32::try_from(reason).unwrap_or_default());
        root.insert("state".to_string(), state.word().into());
        root.insert("reason".to_string(), state.reason().into());
    }
    for (path, value) in flat {
        // The lists tell their lengths.
        let parts: Vec<String> = path.split('.').map(|part| part.replace('-', "_")).collect();
        if parts.last().is_some_and(|last| last == "count") {
            continue;
        }
        let value = match (value, parts.as_slice()) {
            (Value::Int(kib), [group, entry]) if group == "balloon" && KIB.contains(&entry.as_str()) => {
                kib.saturating_mul(1024).into()
            }
            (value, _) => value,
        };
        plant(&mut root, &parts, value);
    }
    root
}

fn plant(map: &mut Map, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => {
            map.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            let Some(index) = rest[0].parse::<usize>().ok().filter(|index| *index < 4096) else {
                return plant(child(map, name), rest, value);
            };
            let Value::List(list) = map.entry(format!("{name}s")).or_insert_with(|| Value::List(Vec::new())) else {
                return;
            };
            while list.len() <= index {
                list.push(Value::Map(Map::new()));
            }
            match (&mut list[index], &rest[1..]) {
                (Value::Map(item), rest @ [_, ..]) => plant(item, rest, value),
                (item, _) => *item = value,
            }
        }
    }
}

/// The map under a name; a value that is in its place moves into it, as in `vcpu.0.wait` and `vcpu.0.wait.sum`.
fn child<'m>(map: &'m mut Map, name: &str) -> &'m mut Map {
    let entry = map.entry(name.to_string()).or_insert_with(|| Value::Map(Map::new()));
    if !matches!(entry, Value::Map(_)) {
        *entry = Value::Map(Map::from([("value".to_string(), std::mem::take(entry))]));
    }
    match entry {
        Value::Map(child) => child,
        _ => unreachable!("the entry was made a map above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_names_become_a_tree() {
        let flat = [
            ("state.state", 1),
            ("state.reason", 1),
            ("balloon.current", 1024),
            ("balloon.major_fault", 7),
            ("vcpu.current", 2),
            ("vcpu.1.time", 5),
            ("vcpu.1.wait", 6),
            ("vcpu.1.wait.sum", 8),
            ("block.count", 1),
            ("block.0.rd.bytes", 9),
        ];
        let flat: Map = flat.into_iter().map(|(name, value)| (name.to_string(), Value::Int(value))).collect();
        let tree = serde_json::to_string(&tree(Some("web"), flat)).expect("values are data");
        assert_eq!(
            tree,
            r#"{"name":"web","state":"running","reason":"booted","balloon":{"current":1048576,"major_fault":7},"vcpu":{"current":2},"vcpus":[{},{"time":5,"wait":{"value":6,"sum":8}}],"blocks":[{"rd":{"bytes":9}}]}"#
        );
    }

    #[test]
    fn a_wrong_group_is_corrected() {
        assert_eq!(numbers(&["blok"]).expect_err("no such group").hints, ["did you mean `block`?"]);
        assert_eq!(numbers(&["state", "cpu"]).expect("both are there"), 3);
    }
}
