//! A domain's document with what its addresses add to it.

use super::record::Record;
use super::{SeedDisk, assign::Assigned};
use crate::libvirt::delivery::add_seed_disk;
use crate::schema::xml::{Elem, Node};

/// Adds the MAC addresses and names of cards, the disk of a seed, and what is kept of it all.
pub(super) fn complete(root: &mut Elem, assigned: &[Assigned], seed: Option<&SeedDisk>, record: &Record) {
    let devices = root.child_or_new("devices");
    let mut at = 0;
    for node in &mut devices.nodes {
        if let Node::Elem(nic) = node
            && nic.name.is_plain("interface")
        {
            for one in assigned.iter().filter(|one| one.wish.nic == at) {
                nic.child_or_new("mac").set("address", &one.mac.to_string());
                if let Some(tap) = &one.tap {
                    nic.child_or_new("target").set("dev", tap);
                }
            }
            at += 1;
        }
    }
    if let Some(seed) = seed {
        add_seed_disk(root, None, &seed.pool, &seed.volume);
    }
    root.child_or_new("metadata").nodes.push(Node::Elem(record.elem()));
}
