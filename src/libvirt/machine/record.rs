//! The record of a machine: what was made for it alone, its labels and annotations, and whether it is protected.

use super::Left;
use crate::floor::Result;
use crate::libvirt::Domain;
use crate::libvirt::turn::briefly_alone;
use crate::schema::xml::{self, Elem, Name, Node};
use std::collections::BTreeMap;
use std::time::Duration;

/// The namespace of the record.
const SPACE: &str = "urn:vmscript:machine:1";
/// Its customary prefix.
const PREFIX: &str = "machine";

/// How often a change is made again that somebody else took back, and how long it may take him from reading to writing.
const TRIES: u32 = 5;
const OTHERS: Duration = Duration::from_millis(20);

/// A volume that was made for a machine and goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owned {
    /// The name of its pool.
    pub pool: String,
    /// Its name.
    pub name: String,
}

/// What is kept of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineRecord {
    /// The volumes that were made for it.
    pub volumes: Vec<Owned>,
    /// What it is selected by.
    pub labels: BTreeMap<String, String>,
    /// What else is said about it.
    pub annotations: BTreeMap<String, String>,
    /// Whether it must not be removed.
    pub protected: bool,
    /// The name of the lab that made it, and takes it down.
    pub lab: Option<String>,
    /// What libvirt keeps for it still, though its definition names it no more.
    pub left: Left,
    /// The paths of files that hold the memory of its snapshots, and that were made with these.
    pub memories: Vec<String>,
}

impl MachineRecord {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a domain's XML keeps. What a later version wrote differently is passed over.
    pub fn read(domain: &Elem) -> Self {
        let root = domain.child("metadata").and_then(|metadata| {
            metadata.children().find(|child| &*child.name.space == SPACE && child.local() == "machine")
        });
        root.map(Self::of).unwrap_or_default()
    }

    /// Puts it into a domain's XML, in place of the one that is there.
    pub fn write(&self, domain: &mut Elem) {
        let metadata = domain.nodes.iter_mut().find_map(|node| match node {
            Node::Elem(child) if child.name.is_plain("metadata") => Some(child),
            _ => None,
        });
        if let Some(metadata) = metadata {
            metadata.nodes.retain(|node| !matches!(node, Node::Elem(child) if &*child.name.space == SPACE));
        }
        if self.is_empty() {
            return;
        }
        let elem = self.elem(|name| Name::new(SPACE, PREFIX, name));
        let metadata = domain.nodes.iter_mut().find_map(|node| match node {
            Node::Elem(child) if child.name.is_plain("metadata") => Some(child),
            _ => None,
        });
        if let Some(metadata) = metadata {
            metadata.nodes.push(Node::Elem(elem));
        } else {
            domain.nodes.push(Node::Elem(Elem::plain("metadata", &[]).with([elem])));
        }
    }

    fn of(root: &Elem) -> Self {
        let named = |name: &'static str| root.children().filter(move |child| child.local() == name);
        let texts = |name| {
            let pairs = named(name).filter_map(|one| Some((one.attr("name")?.to_string(), one.text().into_owned())));
            pairs.collect()
        };
        let left = |key| named("left").filter_map(|one| one.attr(key)).map(str::to_string).collect();
        let owned = |one: &Elem| Some(Owned { pool: one.attr("pool")?.into(), name: one.attr("name")?.into() });
        Self {
            volumes: named("volume").filter_map(owned).collect(),
            labels: texts("label"),
            annotations: texts("annotation"),
            protected: root.attr("protected") == Some("yes"),
            lab: root.attr("lab").map(str::to_string),
            left: Left { variables: left("variables"), tpms: left("tpm") },
            memories: named("memory").filter_map(|one| one.attr("file")).map(str::to_string).collect(),
        }
    }

    fn elem(&self, name: impl Fn(&str) -> Name) -> Elem {
        let mut root = Elem::new(name("machine"));
        if self.protected {
            root.set("protected", "yes");
        }
        if let Some(lab) = &self.lab {
            root.set("lab", lab);
        }
        for volume in &self.volumes {
            let mut elem = Elem::new(name("volume"));
            elem.set("pool", &volume.pool);
            elem.set("name", &volume.name);
            root.nodes.push(Node::Elem(elem));
        }
        for (key, values) in [("variables", &self.left.variables), ("tpm", &self.left.tpms)] {
            for value in values {
                let mut elem = Elem::new(name("left"));
                elem.set(key, value);
                root.nodes.push(Node::Elem(elem));
            }
        }
        for file in &self.memories {
            let mut elem = Elem::new(name("memory"));
            elem.set("file", file);
            root.nodes.push(Node::Elem(elem));
        }
        for (kind, texts) in [("label", &self.labels), ("annotation", &self.annotations)] {
            for (key, text) in texts {
                let mut elem = Elem::new(name(kind));
                elem.set("name", key);
                root.nodes.push(Node::Elem(elem.with_text(text)));
            }
        }
        root
    }
}

impl Domain {
    /// What is kept of it; empty for a machine that this tool did not make.
    pub fn record(&self) -> Result<MachineRecord> {
        let Some(text) = self.metadata(SPACE)? else { return Ok(MachineRecord::default()) };
        Ok(MachineRecord::of(&xml::parse(&text)?))
    }

    /// Changes what is kept of it. Another run of this machine that changes it at the same time comes before or after; a run of
    /// another user or machine may have read it before, and take the change back: that is noticed, and it is made again.
    pub fn change_record(&self, change: impl Fn(&mut MachineRecord) -> Result<()>) -> Result<()> {
        let _alone = briefly_alone(&format!("record of {} of {}", self.uuid()?, self.host().uri()))?;
        for _ in 0..TRIES {
            let before = self.record()?;
            let mut record = before.clone();
            change(&mut record)?;
            if record == before {
                return Ok(());
            }
            self.set_record(&record)?;
            // For so long somebody else may take from reading to writing.
            std::thread::sleep(OTHERS);
        }
        // Somebody else wants it otherwise, and comes later.
        Ok(())
    }

    /// Keeps this of it, in place of what was kept.
    pub fn set_record(&self, record: &MachineRecord) -> Result<()> {
        // libvirt adds the namespace by itself, to every element.
        let text = (!record.is_empty()).then(|| xml::to_string(&record.elem(Name::plain)));
        self.set_metadata(text.as_deref(), PREFIX, SPACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back() {
        let texts = |value: &str| BTreeMap::from([("role".to_string(), value.to_string())]);
        let record = MachineRecord {
            volumes: vec![Owned { pool: "a<b".into(), name: "web'\"&.qcow2".into() }],
            labels: texts("web <&>"),
            annotations: texts("]]> \"quoted\" --"),
            protected: true,
            lab: Some("<blue>".into()),
            left: Left { variables: vec!["/srv/<a>_VARS.fd".into()], tpms: vec!["2.0".into()] },
            memories: vec!["/srv/<a>.mem".into()],
        };
        for domain in ["<domain/>", "<domain><metadata><x:y xmlns:x='urn:x'/></metadata></domain>"] {
            let mut domain = xml::parse(domain).expect("well-formed");
            record.write(&mut domain);
            let text = xml::to_string(&domain);
            assert_eq!(MachineRecord::read(&xml::parse(&text).expect("well-formed")), record, "{text}");
        }
        let mut twice = xml::parse("<domain/>").expect("well-formed");
        record.write(&mut twice);
        record.write(&mut twice);
        assert_eq!(xml::to_string(&twice).matches(":volume ").count(), 1);
        let mut bare = xml::parse("<domain/>").expect("well-formed");
        MachineRecord::default().write(&mut bare);
        assert_eq!(xml::to_string(&bare), "<domain/>");
    }
}
