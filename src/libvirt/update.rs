//! Changing a domain to what a definition says: live where libvirt can, else at its next start; all of it or nothing.

use super::Domain;
use super::cause::Explain;
use super::device::{devices, names};
use super::ipam::Parting;
use super::live::Deed;
use super::passwords::with_passwords;
use super::undo::{Named, Transaction};
use super::variables::Variables;
use super::{MachineRecord, Owned, Storage, define::name_of, object, provision::fill};
use crate::floor::{Area, Code, Error, Result, Value};
use crate::schema::xml::{self, Elem, Node};
use crate::schema::{Change, Definition, Kind};
use virt::sys;

/// What an update did, sorted by when it takes effect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Updated {
    /// In the running domain, and in its definition.
    pub live: Vec<Change>,
    /// In the definition of a domain that is off.
    pub next_boot: Vec<Change>,
    /// In the definition of a running domain that must stop and start to have it.
    pub needs_restart: Vec<Change>,
}

/// Differences that belong together, and what makes them live.
struct Step {
    changes: Vec<Change>,
    deed: Option<Deed>,
}

impl Domain {
    /// Makes the domain what the definition says. It is never undefined for that; a failure leaves it as it was. What was
    /// changed is read back, and a difference is an error. What is kept of the addresses of cards goes and comes with them.
    pub fn update(&self, wanted: &Definition) -> Result<Updated> {
        let _turn = self.alone()?;
        let old = self.secure_xml()?;
        let before = Definition::from_xml(Kind::Domain, &old)?;
        let mut root = self.completed(&before, wanted)?.root();
        let parting = Parting::between(&before.root(), &mut root);
        let wanted = Definition::from_xml(Kind::Domain, &xml::to_string(&root))?;
        let changes = before.diff(&wanted)?;
        if changes.is_empty() {
            return Ok(Updated::default());
        }
        parting.around(self, || self.change(&old, &before, &wanted, changes))
    }

    fn change(&self, old: &str, before: &Definition, wanted: &Definition, changes: Vec<Change>) -> Result<Updated> {
        let persistent = self.is_persistent()?;
        if persistent {
            self.redefine(&wanted.xml())?;
            if let Err(error) = self.kept(wanted, &changes).and_then(|()| self.note_left(old)) {
                return Err(self.put_back(old, error));
            }
        }
        if !self.is_active()? {
            return Ok(Updated { next_boot: changes, ..Updated::default() });
        }
        let mut updated = Updated::default();
        let mut done = Vec::new();
        for step in steps(&before.root(), &wanted.root(), changes)? {
            let applied = step.deed.map(|deed| {
                let back = deed.reversed(self)?;
                deed.apply(self).map(|()| back)
            });
            match applied {
                Some(Ok(back)) => {
                    updated.live.extend(step.changes);
                    done.push(back);
                }
                Some(Err(error)) if persistent && refused(&error) => {
                    tracing::debug!(domain = self.name(), %error, "only at the next start");
                    updated.needs_restart.extend(step.changes);
                }
                None if persistent => updated.needs_restart.extend(step.changes),
                other => {
                    let error = match other {
                        Some(Err(error)) => error,
                        _ => transient(self, &step.changes),
                    };
                    let error = done.iter().rev().fold(error, |error, back| match back.apply(self) {
                        Ok(()) => error,
                        Err(failed) => error.note(format!("cannot undo: {failed}")),
                    });
                    return Err(if persistent { self.put_back(old, error) } else { error });
                }
            }
        }
        let (waiting, settled) = self.note_waiting(&updated.live, updated.needs_restart)?;
        updated.needs_restart = waiting;
        updated.live.extend(settled);
        Ok(updated)
    }

    /// The same with volumes that it needs, which are made first and recorded as its own. If it fails, they are gone again,
    /// but for those that it still has a disk on.
    pub fn update_with(&self, wanted: &Definition, storage: &[Storage]) -> Result<Updated> {
        if storage.is_empty() {
            return self.update(wanted);
        }
        let _turn = self.alone()?;
        let kept = self.record()?;
        let mut record = kept.clone();
        for one in storage {
            let owned = Owned { pool: one.pool.clone(), name: name_of(object::Kind::Volume, &one.xml)? };
            if !record.volumes.contains(&owned) {
                record.volumes.push(owned);
            }
        }
        let pools = self.host().empty_places(storage)?;
        let transaction = Transaction::beside(Named { name: self.name().to_string(), uuid: self.uuid()? });
        let made = fill(&pools, storage).and_then(|()| {
            self.set_record(&record)?;
            let updated = self.with_own_metadata(wanted).and_then(|wanted| self.update(&wanted));
            updated.map_err(|error| match self.still_own(kept, &record) {
                Ok(()) => error,
                Err(failed) => error.note(format!("cannot undo: {failed}")),
            })
        });
        match made {
            Ok(updated) => {
                transaction.commit();
                Ok(updated)
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }

    /// Keeps the former record, and in it what the domain did not give back: a volume that it still has a disk on stays its own.
    fn still_own(&self, mut kept: MachineRecord, meant: &MachineRecord) -> Result<()> {
        for owned in &meant.volumes {
            if !kept.volumes.contains(owned)
                && let Some(volume) = self.find_owned(owned)?
                && self.stands_on(&volume)?
            {
                kept.volumes.push(owned.clone());
            }
        }
        self.set_record(&kept)
    }

    /// The definition with the metadata that the domain has, as libvirt writes it.
    fn with_own_metadata(&self, wanted: &Definition) -> Result<Definition> {
        let (now, mut root) = (xml::parse(&self.inactive_xml()?)?, wanted.root());
        root.nodes.retain(|node| !matches!(node, Node::Elem(one) if one.name.is_plain("metadata")));
        root.nodes.extend(now.child("metadata").cloned().map(Node::Elem));
        Definition::from_xml(Kind::Domain, &xml::to_string(&root))
    }

    /// The wanted definition with what identifies this domain, and with the passwords that it does not speak of. Memory that was
    /// all in use stays so when its size changes.
    pub(super) fn completed(&self, before: &Definition, wanted: &Definition) -> Result<Definition> {
        let (old, mut root) = (before.root(), wanted.root());
        for key in ["name", "uuid"] {
            let has = old.find_text(key);
            match root.find_text(key) {
                Some(other) if Some(&other) != has.as_ref() => {
                    let message = format!(
                        "the definition is of another domain: its {key} is `{other}`, not that of {}",
                        self.object()
                    );
                    let error = Error::argument(message).about(self.object().plain());
                    return Err(if key == "name" { error.hint("`rename` gives it another name") } else { error });
                }
                Some(_) => {}
                None => root.nodes.extend(old.child(key).cloned().map(Node::Elem)),
            }
        }
        let size =
            |root: &Elem, key| root.child(key).map(xml::to_string).map(|text| text.replace("currentMemory", "memory"));
        let all_in_use = size(&old, "memory") == size(&old, "currentMemory");
        if all_in_use
            && size(&root, "memory") != size(&old, "memory")
            && size(&root, "currentMemory") == size(&old, "currentMemory")
        {
            root.nodes.retain(|node| !matches!(node, Node::Elem(one) if one.local() == "currentMemory"));
        }
        let mut text = xml::to_string(&with_passwords(root, &old));
        if Variables::of(&old) != Variables::of(&xml::parse(&text)?) {
            text = self.host().with_own_variables(&text)?;
        }
        Definition::from_xml(Kind::Domain, &text)
    }

    pub(super) fn redefine(&self, xml: &str) -> Result<()> {
        let host = self.host().raw()?;
        let raw = super::define::validated(
            || host.define_domain_xml_flags(xml, sys::VIR_DOMAIN_DEFINE_VALIDATE),
            || host.define_domain_xml(xml),
        );
        raw.map(drop).explain("update", self.object())
    }

    /// Fails where libvirt kept something else than what was changed.
    fn kept(&self, wanted: &Definition, changes: &[Change]) -> Result<()> {
        let now = Definition::from_xml(Kind::Domain, &self.secure_xml()?)?;
        for left in wanted.diff(&now)? {
            // What libvirt adds to a new device, and what it writes in another way, was not asked for.
            let asked = !left.before.is_unit() && changes.iter().any(|change| change.path == left.path);
            let is_same = left.path == "metadata" && bare(&left.before) == bare(&left.after);
            if asked && !is_same {
                let message = format!(
                    "{} has {} at `{}` after it was set to {}",
                    self.object(),
                    left.after.show(),
                    left.path,
                    left.before.show()
                );
                let error = Error::new(Code::Failed, Area::Domain, message).about(self.object().plain());
                return Err(error.hint(
                    "if somebody else changes it at the same time, do it again; else libvirt does not keep that",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn put_back(&self, old: &str, error: Error) -> Error {
        // To define it anew would bring it back.
        if self.uuid().and_then(|uuid| self.host().domain_of_uuid(&uuid)).is_ok_and(|there| there.is_none()) {
            return error.note(format!("{} is gone: somebody else has removed it", self.object()));
        }
        match self.redefine(old) {
            Ok(()) => error,
            Err(failed) => error.note(format!("cannot undo: {failed}")),
        }
    }
}

/// A text without its white space: libvirt indents metadata as it likes.
fn bare(value: &Value) -> String {
    value.as_str().unwrap_or_default().split_whitespace().collect()
}

/// Whether libvirt says that it cannot do this to a running domain, in contrast to a deed that went wrong.
fn refused(error: &Error) -> bool {
    matches!(error.code, Code::Unsupported | Code::InvalidDefinition | Code::InvalidState)
}

fn transient(domain: &Domain, changes: &[Change]) -> Error {
    let paths: Vec<_> = changes.iter().map(|change| format!("`{}`", change.path)).collect();
    let message = format!("{} is transient and cannot change {} while it runs", domain.object(), paths.join(", "));
    Error::new(Code::Unsupported, Area::Domain, message)
        .about(domain.object().plain())
        .hint("a transient domain has no next start: define it to keep it")
}

/// The differences, each with what makes it live, in the order of the document; devices come last.
fn steps(before: &Elem, wanted: &Elem, changes: Vec<Change>) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut last = String::new();
    for change in changes.into_iter().filter(|change| !change.path.starts_with("devices")) {
        let key = change.path.split(['.', '[']).next().unwrap_or_default().to_string();
        match steps.last_mut() {
            Some(step) if last == key => step.changes.push(change),
            _ => steps.push(Step { changes: vec![change], deed: None }),
        }
        last = key;
    }
    for step in &mut steps {
        step.deed = Deed::of_part(before, wanted, &step.changes);
    }
    let (old, new) = (devices(before), devices(wanted));
    let keys = |all: &[Elem]| -> Vec<String> { (0..all.len()).map(|at| key(all, at)).collect() };
    let (old_keys, new_keys) = (keys(&old), keys(&new));
    // Out goes first: a new device may take the place of an old one.
    let gone = old.iter().zip(&old_keys).filter(|(device, key)| !is_base(device) && !new_keys.contains(key));
    for (device, key) in gone {
        steps.push(Step {
            changes: vec![Change { path: key.clone(), before: value(device)?, after: Value::Unit }],
            deed: Some(Deed::Detach(xml::to_string(device))),
        });
    }
    for (device, key) in new.iter().zip(&new_keys) {
        let Some(at) = old_keys.iter().position(|old| old == key) else {
            steps.push(Step {
                changes: vec![Change { path: key.clone(), before: Value::Unit, after: value(device)? }],
                deed: Some(Deed::Attach(xml::to_string(device))),
            });
            continue;
        };
        let changes = differences(&old[at], device, key)?;
        if !changes.is_empty() {
            let deed = Deed::of_device(&old[at], device, &changes);
            steps.push(Step { changes, deed: Some(deed) });
        }
    }
    Ok(steps)
}

/// What libvirt adds to every machine and no guest gives back: a definition that does not speak of it means no harm.
fn is_base(device: &Elem) -> bool {
    matches!(device.local(), "controller" | "emulator")
}

/// What one device says differently.
fn differences(old: &Elem, new: &Elem, key: &str) -> Result<Vec<Change>> {
    let Some(kind) = Kind::named(old.local()) else {
        let (before, after) = (xml::to_string(old), xml::to_string(new));
        let change = Change { path: key.to_string(), before: before.as_str().into(), after: after.as_str().into() };
        return Ok(if before == after { Vec::new() } else { vec![change] });
    };
    let read = |device: &Elem| Definition::from_xml(kind, &xml::to_string(device));
    let mut changes = read(old)?.diff(&read(new)?)?;
    for change in &mut changes {
        change.path = format!("{key}.{}", change.path);
    }
    Ok(changes)
}

fn value(device: &Elem) -> Result<Value> {
    match Kind::named(device.local()) {
        Some(kind) => Ok(Definition::from_xml(kind, &xml::to_string(device))?.to_value()),
        None => Ok(xml::to_string(device).into()),
    }
}

/// What a device is known by: `disk vdb`, `interface 52:54:00:1a:00:11`, or which of its kind it is.
fn key(all: &[Elem], at: usize) -> String {
    let device = &all[at];
    let own = match (device.local(), device.attr("type"), device.attr("index")) {
        ("controller", Some(kind), Some(index)) => Some(format!("{kind} {index}")),
        _ => names(device).into_iter().next(),
    };
    let own = own.unwrap_or_else(|| all[..at].iter().filter(|one| one.local() == device.local()).count().to_string());
    format!("devices.{}[{own}]", device.local())
}
