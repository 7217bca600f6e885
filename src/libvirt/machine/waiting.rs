//! What of a running domain's definition waits for its next start. libvirt keeps metadata of a running domain apart from that
//! of its definition, so what is noted there goes by itself when the domain stops.

use crate::floor::Result;
use crate::libvirt::{Apply, Domain};
use crate::schema::Change;
use crate::schema::xml::{self, Elem, Node};
use std::collections::BTreeMap;

/// The namespace of the note.
const SPACE: &str = "urn:vmscript:restart:1";
/// Its customary prefix.
const PREFIX: &str = "restart";
/// What stands for a value that is not told.
const HIDDEN: &str = "***";

impl Domain {
    /// The parts of its definition that it does not run with before it was stopped and started: those that changes of this
    /// tool left for that, its memory and its processors whoever changed them. Nothing for one that is off.
    pub fn waiting(&self) -> Result<Vec<String>> {
        let live = xml::parse(&self.xml()?)?;
        // Only what runs has a number.
        if live.attr("id").is_none() {
            return Ok(Vec::new());
        }
        let next = xml::parse(&self.inactive_xml()?)?;
        let mut found: Vec<String> = noted(&live).into_keys().collect();
        for part in ["memory", "vcpu"] {
            let is_noted = found.iter().any(|path| path == part || path.starts_with(&format!("{part}.")));
            if !is_noted && live.find_text(part) != next.find_text(part) {
                found.push(part.to_string());
            }
        }
        found.sort();
        Ok(found)
    }

    /// Notes changes that wait for the next start, and that those which are live do not any more. Gives those that do, and those
    /// back to what it runs with.
    pub(in crate::libvirt) fn note_waiting(
        &self,
        live: &[Change],
        changes: Vec<Change>,
    ) -> Result<(Vec<Change>, Vec<Change>)> {
        let before = noted(&xml::parse(&self.xml()?)?);
        let mut noted = before.clone();
        noted.retain(|path, _| !live.iter().any(|change| change.path == *path));
        let (mut waiting, mut settled) = (Vec::new(), Vec::new());
        for change in changes {
            let after = told(&change.path, &change.after.show());
            if after != HIDDEN && noted.get(&change.path) == Some(&after) {
                noted.remove(&change.path);
                settled.push(change);
                continue;
            }
            noted.entry(change.path.clone()).or_insert_with(|| told(&change.path, &change.before.show()));
            waiting.push(change);
        }
        if noted == before {
            return Ok((waiting, settled));
        }
        let mut root = Elem::plain("changes", &[]);
        for (path, before) in &noted {
            root.nodes.push(Node::Elem(Elem::plain("change", &[("path", path), ("before", before)])));
        }
        let text = xml::to_string(&root);
        // What was changed is changed all the same, and one that has stopped meanwhile has it at its start.
        if let Err(error) = self.set_metadata_for(Apply::Live, (!noted.is_empty()).then_some(&text), PREFIX, SPACE)
            && self.is_active()?
        {
            tracing::warn!(%error, "that {} has to be restarted is told once", self.object());
        }
        Ok((waiting, settled))
    }
}

/// What was noted in a running domain's document: paths, and what it runs with there.
fn noted(live: &Elem) -> BTreeMap<String, String> {
    let kept = live.child("metadata").and_then(|metadata| metadata.children().find(|one| &*one.name.space == SPACE));
    let changes = kept.into_iter().flat_map(Elem::children);
    changes.filter_map(|one| Some((one.attr("path")?.to_string(), one.attr("before")?.to_string()))).collect()
}

/// A value as it is noted: everybody can read metadata, so no password goes there.
fn told(path: &str, value: &str) -> String {
    if path.contains("passw") || value.contains("passw") { HIDDEN.to_string() } else { value.to_string() }
}
