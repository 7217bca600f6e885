//! What changes a running domain: one deed for each part of its definition that libvirt can change while it runs.

use super::ipam::{SPACE, is_pending};
use super::{Apply, Domain, Tune};
use crate::floor::{Area, Code, Error, Map, Result, Value, clock, size};
use crate::schema::Change;
use crate::schema::xml::{self, Elem, Name, Node};
use std::sync::Arc;
use std::time::Duration;
use virt::sys;

/// How long a guest may take to give memory back or to take it.
const BALLOON: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// A change of a running domain that can be reversed.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Attach(String),
    Detach(String),
    /// A device before and after.
    Device(String, String),
    /// The disk's name, and its limits before and after.
    Iotune(String, Map, Map),
    /// Bytes before and after.
    Memory(u64, u64),
    /// Processors before and after.
    Vcpus(u32, u32),
    /// The title or the description before and after.
    Text(Text, Option<String>, Option<String>),
    /// Elements of namespaces before and after: namespace, prefix, element.
    Metadata(Vec<Foreign>, Vec<Foreign>),
    /// Parameters afterwards.
    Tune(Tune, Map),
}

/// Which text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Text {
    Title,
    Description,
}

/// An element of somebody's namespace in the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Foreign {
    space: Arc<str>,
    prefix: Arc<str>,
    element: String,
}

impl Deed {
    /// What makes the differences of one part of the document live, if anything does.
    pub(super) fn of_part(before: &Elem, wanted: &Elem, changes: &[Change]) -> Option<Self> {
        let only = |paths: &[&str]| changes.iter().all(|change| paths.contains(&change.path.as_str()));
        let part = changes.first()?.path.split(['.', '[']).next()?;
        match part {
            "current_memory" => Some(Self::Memory(bytes(before)?, bytes(wanted)?)),
            "vcpu" if only(&["vcpu.current"]) => Some(Self::Vcpus(processors(before)?, processors(wanted)?)),
            "title" => Some(Self::Text(Text::Title, before.find_text(part), wanted.find_text(part))),
            "description" => Some(Self::Text(Text::Description, before.find_text(part), wanted.find_text(part))),
            "metadata" => Some(Self::Metadata(foreign(before), foreign(wanted))),
            "cputune" => tuned(Tune::Cpu, before, wanted, changes),
            "memtune" => tuned(Tune::Memory, before, wanted, changes),
            "blkiotune" => tuned(Tune::Disks, before, wanted, changes),
            _ => None,
        }
    }

    /// What makes the differences of a device live; libvirt may refuse it.
    pub(super) fn of_device(before: &Elem, after: &Elem, changes: &[Change]) -> Self {
        if before.local() == "disk" && changes.iter().all(|change| change.path.contains("].iotune")) {
            let name = after.child("target").and_then(|target| target.attr("dev")).unwrap_or_default();
            let limits = |disk: &Elem| -> Map {
                let limits = disk.child("iotune").map(|limits| limits.children().map(number).collect());
                limits.unwrap_or_default()
            };
            // What is not limited any more is set to 0, which is libvirt's word for that.
            let (mut old, mut new) = (limits(before), limits(after));
            for name in old.keys().chain(new.keys()).cloned().collect::<Vec<_>>() {
                old.entry(name.clone()).or_insert(Value::Int(0));
                new.entry(name).or_insert(Value::Int(0));
            }
            return Self::Iotune(name.to_string(), old, new);
        }
        Self::Device(xml::to_string(before), xml::to_string(after))
    }

    /// The deed that takes this one back; asked for before it is done.
    pub(super) fn reversed(&self, domain: &Domain) -> Result<Self> {
        Ok(match self.clone() {
            Self::Attach(device) => Self::Detach(device),
            Self::Detach(device) => Self::Attach(device),
            Self::Device(before, after) => Self::Device(after, before),
            Self::Iotune(disk, before, after) => Self::Iotune(disk, after, before),
            Self::Memory(before, after) => Self::Memory(after, before),
            Self::Vcpus(before, after) => Self::Vcpus(after, before),
            Self::Text(kind, before, after) => Self::Text(kind, after, before),
            Self::Metadata(before, after) => Self::Metadata(after, before),
            Self::Tune(tune, after) => {
                let now = domain.tuning(tune)?;
                Self::Tune(tune, now.into_iter().filter(|(name, _)| after.contains_key(name)).collect())
            }
        })
    }

    /// Does it to the running domain, and looks whether it was done.
    pub(super) fn apply(&self, domain: &Domain) -> Result<()> {
        match self {
            // Somebody may have done it to the running domain before.
            Self::Attach(device) if domain.has_live(device)? => Ok(()),
            Self::Attach(device) => domain.attach_device(device, Apply::Live),
            Self::Detach(device) if !domain.may_have_live(device)? => Ok(()),
            Self::Detach(device) => domain.detach_device(device, Apply::Live).map_err(|mut error| {
                // Which one without a name is meant, libvirt does not always see: it goes at the next start.
                let is_nameless = xml::parse(device).is_ok_and(|device| super::device::names(&device).is_empty());
                if error.code == Code::NotFound && is_nameless {
                    error.code = Code::Unsupported;
                }
                error
            }),
            Self::Device(_, after) => domain.update_device(after, Apply::Live),
            Self::Iotune(disk, _, after) => {
                let limits: Vec<(&str, u64)> =
                    after.iter().map(|(name, limit)| Ok((name.as_str(), size(limit)?))).collect::<Result<_>>()?;
                domain.set_iotune(disk, &limits, Apply::Live)
            }
            Self::Memory(_, after) => {
                domain.set_memory(*after, Apply::Live)?;
                domain.settles(*after)
            }
            Self::Vcpus(_, after) => {
                domain.set_vcpus(*after, Apply::Live)?;
                let has = domain.info()?.vcpus;
                if has == *after {
                    Ok(())
                } else {
                    Err(differs(domain, &format!("{has} processors"), &after.to_string()))
                }
            }
            Self::Text(kind, _, after) => {
                let kind = match kind {
                    Text::Title => sys::VIR_DOMAIN_METADATA_TITLE,
                    Text::Description => sys::VIR_DOMAIN_METADATA_DESCRIPTION,
                };
                domain.write_metadata(Apply::Live, kind, Some(after.as_deref().unwrap_or_default()), None)
            }
            Self::Metadata(before, after) => domain.set_foreign(before, after),
            Self::Tune(tune, after) => domain.set_tuning(*tune, &after.clone().into(), Apply::Live),
        }
    }
}

impl Domain {
    fn has_live(&self, device: &str) -> Result<bool> {
        let (wanted, live) = (xml::parse(device)?, xml::parse(&self.xml()?)?);
        Ok(super::device::devices(&live).iter().any(|one| super::device::same(one, &wanted)))
    }

    /// The same, of a device without a name too, such as a screen: one of that kind may be it.
    fn may_have_live(&self, device: &str) -> Result<bool> {
        let wanted = xml::parse(device)?;
        if !super::device::names(&wanted).is_empty() {
            return self.has_live(device);
        }
        let live = xml::parse(&self.xml()?)?;
        Ok(super::device::devices(&live).iter().any(|one| one.local() == wanted.local()))
    }

    /// Waits until the guest has as much memory as its balloon was told.
    fn settles(&self, asked: u64) -> Result<()> {
        let end = clock::now() + BALLOON;
        loop {
            let has = self.info()?.memory;
            if has == asked {
                return Ok(());
            }
            if clock::now() > end {
                let error = differs(self, &format!("{has} bytes of memory"), &asked.to_string());
                return Err(error.hint("the guest's balloon driver did not follow; `set_memory(..., #{ apply: \"config\" })` waits for the next start"));
            }
            clock::pause(PAUSE)?;
        }
    }

    fn set_foreign(&self, before: &[Foreign], after: &[Foreign]) -> Result<()> {
        let gone = before.iter().filter(|old| !after.iter().any(|new| new.space == old.space)).map(|old| (old, None));
        let new = after.iter().filter(|new| !before.contains(new)).map(|new| (new, Some(new.element.as_str())));
        for (foreign, element) in gone.chain(new) {
            // What runs keeps the addresses that it has until it stops, where the next start has others.
            if &*foreign.space == SPACE && is_pending(&xml::parse(&self.xml()?)?) {
                continue;
            }
            let prefix = if foreign.prefix.is_empty() { "ns" } else { &*foreign.prefix };
            let kind = sys::VIR_DOMAIN_METADATA_ELEMENT;
            self.write_metadata(Apply::Live, kind, element, Some((prefix, &foreign.space)))?;
        }
        Ok(())
    }
}

fn differs(domain: &Domain, has: &str, asked: &str) -> Error {
    let message = format!("{} has {has} after it was set to {asked}", domain.object());
    Error::new(Code::Failed, Area::Domain, message).about(domain.object().plain())
}

fn sized(element: &Elem) -> Option<u64> {
    let unit = element.attr("unit").unwrap_or("KiB");
    size(&format!("{} {unit}", element.text().trim()).into()).ok()
}

fn bytes(domain: &Elem) -> Option<u64> {
    sized(domain.child("currentMemory").or_else(|| domain.child("memory"))?)
}

fn processors(domain: &Elem) -> Option<u32> {
    let vcpu = domain.child("vcpu")?;
    vcpu.attr("current").map_or_else(|| vcpu.text().trim().parse().ok(), |count| count.parse().ok())
}

fn number(element: &Elem) -> (String, Value) {
    (element.local().to_string(), element.text().trim().parse().map_or(Value::Unit, Value::Int))
}

/// libvirt's names of parameters are those of its elements, but for three.
fn tuned(tune: Tune, before: &Elem, wanted: &Elem, changes: &[Change]) -> Option<Deed> {
    let parameters = |root: &Elem| -> Map {
        let elements = root.child(tune.name()).into_iter().flat_map(Elem::children);
        let named = elements.map(|element| {
            let name = match element.local() {
                "shares" => "cpu_shares".to_string(),
                "period" => "vcpu_period".to_string(),
                "quota" => "vcpu_quota".to_string(),
                other => other.to_string(),
            };
            let value = if tune == Tune::Memory {
                sized(element).and_then(|size| i64::try_from(size).ok()).map_or(Value::Unit, Value::Int)
            } else {
                number(element).1
            };
            (name, value)
        });
        named.filter(|(name, value)| !value.is_unit() && tune.parameters().any(|known| known == name)).collect()
    };
    let (old, new) = (parameters(before), parameters(wanted));
    // A limit that is taken away has no number that libvirt could be told; nor has what is no parameter.
    let covered = changes.iter().all(|change| !change.after.is_unit()) && old.keys().all(|name| new.contains_key(name));
    let fresh: Map = new.into_iter().filter(|(name, value)| old.get(name) != Some(value)).collect();
    (covered && !fresh.is_empty()).then_some(Deed::Tune(tune, fresh))
}

fn foreign(domain: &Elem) -> Vec<Foreign> {
    let elements = domain.child("metadata").into_iter().flat_map(Elem::children);
    let foreign = elements.map(|element| Foreign {
        space: element.name.space.clone(),
        prefix: element.name.prefix.clone(),
        element: xml::to_string(&bare(element, &element.name.space)),
    });
    foreign.collect()
}

/// An element without its namespace, which libvirt adds by itself, and takes for a mistake if it is there.
fn bare(element: &Elem, space: &str) -> Elem {
    let mut element = element.clone();
    if &*element.name.space == space {
        element.name = Name::plain(element.local());
    }
    for node in &mut element.nodes {
        if let Node::Elem(child) = node {
            *child = bare(child, space);
        }
    }
    element
}
