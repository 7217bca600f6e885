//! The options of `provision` and of waiting, from script maps.

use super::convert::options_of;
use super::delivery::{self, Delivery};
use super::machine::{labels, texts};
use super::{definition, images, seed, shown};
use crate::floor::{self, Error, Map as Plain, Options, Result, Value};
use crate::libvirt::{
    self, Content, Family, Host, MachineRecord, Provision, Provisioned, SeedDisk, Source, Start, Storage, WaitIp,
};
use crate::schema::{Definition, Kind, xml};
use crate::seed::{Guest, Seed, cloud_init};
use rhai::{Dynamic, Map};
use std::collections::BTreeMap;
use std::path::PathBuf;

const OPTIONS: &[&str] = &[
    "annotations",
    "autostart",
    "keep",
    "lab",
    "labels",
    "paused",
    "protect",
    "seed",
    "shared_with",
    "start",
    "storage",
    "wait",
];
const STORAGE: &[&str] = &["format", "from", "image", "mode", "name", "pool", "size", "thick", "volume"];
/// The options of `wait_for_ip`, sorted.
pub(super) const WAIT: &[&str] =
    &["address", "any_address", "family", "interface", "source", "stable", "subnet", "timeout"];
const SOURCES: &[&str] = &["any", "lease", "agent", "arp"];

/// Provisions a domain, with the addresses that its definition declares.
pub(super) fn provision(host: &Host, definition: &Definition, given: &Map) -> Result<Provisioned> {
    let delivery = delivery::read(given.get("seed").unwrap_or(&Dynamic::UNIT), &definition.name().unwrap_or_default())?;
    let mut root = definition.root();
    if let Some(delivery) = &delivery {
        delivery.add_to(&mut root, host)?;
    }
    let (wishes, wrong) = libvirt::static_ips(&root, &definition.extras());
    // A definition may have been changed since it was checked.
    if !wrong.is_empty() {
        return Err(Error::definition(&format!("domain `{}`", definition.name().unwrap_or_default()), wrong));
    }
    host.has_plugs(&root)?;
    // Everything that can be wrong with the options is told before an address is taken.
    let ready = options(host, definition, given, delivery.as_ref(), None)?;
    if wishes.is_empty() {
        return host.provision(&xml::to_string(&root), &ready);
    }
    let shared = hosts(given.get("shared_with"))?;
    let by_seed = wishes.iter().any(|wish| wish.ip.via.by_seed());
    let has_seed = has_seed(given) || delivery.as_ref().is_some_and(Delivery::is_disk);
    let seed = if by_seed && !has_seed { Some(seed_disk(definition, &ready)) } else { None };
    let root = ready.recorded(&root, seed.as_ref())?;
    let claim = host.claim(&root, &wishes, seed.as_ref(), &shared)?;
    let prepared = claim.network_config().map_or(Ok(ready), |config| {
        let mut options = options(host, definition, given, delivery.as_ref(), Some(&config))?;
        if let Some(disk) = &seed {
            options.storage.push(seed_storage(definition, disk, &config)?);
        }
        Ok(options)
    });
    match prepared {
        Ok(options) => host.provision_claimed(claim, &options),
        Err(error) => Err(claim.give_up(error)),
    }
}

/// A definition for a verb that only defines: it cannot give a guest its address.
pub(super) fn without_addresses(definition: Definition) -> Result<Definition> {
    match definition.extras().iter().find(|extra| extra.key == "static_ip") {
        None => Ok(definition),
        Some(_) => Err(Error::argument("`static_ip` needs `provision`, which finds and delivers the address")
            .hint("`host.provision(definition, #{ start: false })` only defines")),
    }
}

fn hosts(given: Option<&Dynamic>) -> Result<Vec<Host>> {
    let wrong = || {
        Error::argument("`shared_with` must be a list of hosts").hint("such as `[connect(\"qemu+ssh://hv2/system\")]`")
    };
    let Some(given) = given.filter(|given| !given.is_unit()) else { return Ok(Vec::new()) };
    let list = given.as_array_ref().map_err(|_| wrong())?;
    list.iter().map(|one| one.clone().try_cast::<Host>().ok_or_else(wrong)).collect()
}

fn has_seed(given: &Map) -> bool {
    let is_seed = |item: &Dynamic| {
        let map = item.as_map_ref();
        let seeds = |from: &Dynamic| from.is::<Seed>() || from.is::<Guest>();
        map.is_ok_and(|map| map.get("from").is_some_and(seeds))
    };
    given.get("storage").is_some_and(|list| list.as_array_ref().is_ok_and(|list| list.iter().any(is_seed)))
}

/// The disk of a seed that holds nothing but the network configuration; it stands beside the first volume.
fn seed_disk(definition: &Definition, options: &Provision) -> SeedDisk {
    let pool = options.storage.first().map_or("default", |storage| &storage.pool).to_string();
    SeedDisk { pool, volume: format!("{}-seed.iso", definition.name().unwrap_or_default()) }
}

fn seed_storage(definition: &Definition, disk: &SeedDisk, config: &Plain) -> Result<Storage> {
    let name = Value::Map(Plain::from([("local-hostname".to_string(), definition.name().into())]));
    let seed = cloud_init(&Value::Map(Plain::from([("meta_data".to_string(), name)])))?;
    let bytes = seed.with_network_config(config)?.iso()?;
    let definition = sized_volume(&disk.volume, bytes.len() as u64)?;
    Ok(Storage { pool: disk.pool.clone(), xml: definition.xml(), content: Content::Bytes(bytes) })
}

/// The options of `provision`; the definition's own wishes (`wait_for_ip`) are among them. Seeds get the network
/// configuration, if there is one.
fn options(
    host: &Host,
    definition: &Definition,
    given: &Map,
    delivery: Option<&Delivery>,
    config: Option<&Plain>,
) -> Result<Provision> {
    // Volumes may be definitions and seeds, which are no plain values.
    let mut plain = given.clone();
    let storage = plain.remove("storage").unwrap_or_default();
    plain.remove("seed");
    hosts(plain.remove("shared_with").as_ref())?;
    // Labels and annotations are for everybody to read: no secret goes there.
    let options = Options::from_value("provision", shown(&plain.into())?, OPTIONS)?;
    let wishes = definition.extras().into_iter().filter(|extra| extra.key == "wait_for_ip");
    let mut waits = Vec::new();
    let how = Start { paused: options.bool("paused")?.unwrap_or(false), ..Start::default() };
    let start = options.bool("start")?.unwrap_or(true).then_some(how);
    if options.bool("wait")?.unwrap_or(true) && start.is_some_and(|start| !start.paused) {
        for wish in wishes {
            if let Some(one) = wish_of(&wish.value)? {
                waits.push((index(&wish.path), one));
            }
        }
    }
    let mut storage = volumes(&storage, config)?;
    if let Some(delivery) = delivery {
        storage.extend(delivery.storage(host, config)?);
    }
    Ok(Provision {
        storage,
        start,
        autostart: options.bool("autostart")?.unwrap_or(false),
        wait: waits,
        keep: options.bool("keep")?.unwrap_or(false),
        record: MachineRecord {
            labels: labels(options.get("labels"), &BTreeMap::new())?,
            annotations: texts("annotations", options.get("annotations"))?,
            protected: options.bool("protect")?.unwrap_or(false),
            lab: options.str("lab")?.map(str::to_string),
            ..MachineRecord::default()
        },
    })
}

/// The options of `wait_for_ip`.
pub(super) fn wait(given: Value) -> Result<WaitIp> {
    wait_with("wait_for_ip", &mut Options::from_value("wait_for_ip", given, WAIT)?)
}

/// The options of `wait_for_ip` among those of a function.
pub(super) fn wait_with(what: &str, options: &mut Options) -> Result<WaitIp> {
    let standard = WaitIp::default();
    let family = options.one_of("family", &["ipv4", "ipv6"])?.and_then(Family::from_word);
    let address = options.str("address")?.map(|text| {
        text.parse().map_err(|_| Error::argument(format!("`address` of `{what}`: `{text}` is not an address")))
    });
    Ok(WaitIp {
        timeout: options.duration("timeout")?.unwrap_or(standard.timeout),
        sources: sources(options)?.unwrap_or(standard.sources),
        interface: match options.get("interface") {
            Some(Value::Int(place)) => Some(place.to_string()),
            _ => options.str("interface")?.map(str::to_string),
        },
        family,
        subnet: options.str("subnet")?.map(WaitIp::parse_subnet).transpose()?,
        stable: options.duration("stable")?.unwrap_or_default(),
        any_address: options.bool("any_address")?.unwrap_or(false),
        address: address.transpose()?,
    })
}

/// One source, `any`, or a list of sources in the order in which they are asked.
fn sources(options: &Options) -> Result<Option<Vec<Source>>> {
    if !matches!(options.get("source"), Some(Value::List(_))) {
        return Ok(options.one_of("source", SOURCES)?.and_then(Source::from_word).map(<[Source]>::to_vec));
    }
    let words = options.list("source");
    let known = |word: &Value| word.as_str().and_then(Source::from_word).filter(|found| found.len() == 1);
    let sources = words.iter().map(|word| {
        known(word).map(|found| found[0]).ok_or_else(|| {
            Error::argument(format!("`source` may list \"lease\", \"agent\" and \"arp\", not {}", word.show()))
        })
    });
    sources.collect::<Result<Vec<_>>>().map(Some)
}

/// What an interface wishes: `true`, a timeout, or a map.
fn wish_of(wish: &Value) -> Result<Option<WaitIp>> {
    match wish {
        Value::Bool(false) | Value::Unit => Ok(None),
        Value::Bool(true) => Ok(Some(WaitIp::default())),
        map @ Value::Map(_) => match wait(map.clone())? {
            WaitIp { interface: Some(_), .. } => {
                Err(Error::argument("`interface` has no place in an interface's own `wait_for_ip`"))
            }
            wait => Ok(Some(wait)),
        },
        time => Ok(Some(WaitIp { timeout: crate::floor::duration(time)?, ..WaitIp::default() })),
    }
}

/// The place of an interface among the domain's: 2 for `devices.interfaces[2]`.
fn index(path: &str) -> usize {
    path.rsplit_once('[').and_then(|(_, rest)| rest.trim_end_matches(']').parse().ok()).unwrap_or(0)
}

/// The volumes to make for a machine that has its addresses.
pub(super) fn storage(given: &Dynamic) -> Result<Vec<Storage>> {
    volumes(given, None)
}

fn volumes(given: &Dynamic, config: Option<&Plain>) -> Result<Vec<Storage>> {
    if given.is_unit() {
        return Ok(Vec::new());
    }
    let wrong = || {
        Error::argument("`storage` must be a list of maps").hint("such as `[#{ pool: \"default\", volume: #{ ... } }]`")
    };
    let list = given.as_array_ref().map_err(|_| wrong())?;
    list.iter().map(|item| volume(&*item.as_map_ref().map_err(|_| wrong())?, config)).collect()
}

fn volume(item: &Map, config: Option<&Plain>) -> Result<Storage> {
    let mut plain = item.clone();
    let (volume, from, image) = (plain.remove("volume"), plain.remove("from"), plain.remove("image"));
    let options = options_of("storage", &plain, STORAGE)?;
    let pool = options.str("pool")?.unwrap_or("default").to_string();
    if let Some(image) = image {
        if volume.is_some() || from.is_some() {
            return Err(Error::argument("storage takes one of `volume`, `from` and `image`"));
        }
        let name = options.str("name")?.ok_or_else(|| Error::argument("storage with `image` needs `name`"))?;
        let (xml, content) = images::disk(name, &images::image_of(&image)?, &options)?;
        return Ok(Storage { pool, xml, content });
    }
    if let Some(key) = ["format", "mode", "size", "thick"].into_iter().find(|key| options.get(key).is_some()) {
        return Err(Error::argument(format!("`{key}` belongs to storage with `image`")));
    }
    let (content, size) = match &from {
        None => (Content::None, None),
        Some(from) => content(from, config)?,
    };
    let definition = match (volume, options.str("name")?) {
        (Some(volume), None) => definition::definition(Kind::Volume, &volume)?,
        (None, Some(name)) => {
            let size = size.ok_or_else(|| {
                Error::argument(format!("storage `{name}` has a name only"))
                    .hint("give it `volume: #{ ... }`, or `from`")
            })?;
            sized_volume(name, size)?
        }
        (Some(_), Some(_)) => return Err(Error::argument("storage takes `volume` or `name`, not both")),
        (None, None) => return Err(Error::argument("storage needs `volume`").hint("or `name` and `from`")),
    };
    Ok(Storage { pool, xml: definition.xml(), content })
}

/// A raw volume of this size.
pub(super) fn sized_volume(name: &str, size: u64) -> Result<Definition> {
    images::volume_definition(name, size, "raw", images::Room::Thin)
}

/// What goes into a volume, and how large it is.
fn content(from: &Dynamic, config: Option<&Plain>) -> Result<(Content, Option<u64>)> {
    if from.is::<Guest>() || from.is::<Seed>() {
        let seed = seed::of(from)?;
        let bytes = match config {
            Some(config) => seed.with_network_config(config)?.iso()?,
            None => seed.iso()?,
        };
        let size = bytes.len() as u64;
        return Ok((Content::Bytes(bytes), Some(size)));
    }
    let Ok(path) = from.as_immutable_string_ref() else {
        return Err(Error::argument("`from` must be the path of a file, a seed or a guest"));
    };
    file_content(&path).map(|(content, size)| (content, Some(size)))
}

/// The content of a file, and how large it is.
pub(super) fn file_content(path: &str) -> Result<(Content, u64)> {
    let path = PathBuf::from(path);
    let size = floor::regular(&path)?.len();
    Ok((Content::File(path), size))
}
