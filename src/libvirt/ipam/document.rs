//! A domain's document with what its addresses add to it.

use super::record::Record;
use super::{SeedDisk, assign::Assigned};
use crate::schema::xml::{Attr, Elem, Name, Node};

/// Adds the MAC addresses and names of cards, the disk of a seed, and what is kept of it all.
pub(super) fn complete(root: &mut Elem, assigned: &[Assigned], seed: Option<&SeedDisk>, record: &Record) {
    let devices = child(root, "devices");
    let mut at = 0;
    for node in &mut devices.nodes {
        if let Node::Elem(nic) = node
            && nic.name.is_plain("interface")
        {
            for one in assigned.iter().filter(|one| one.wish.nic == at) {
                set(child(nic, "mac"), "address", &one.mac.to_string());
                if let Some(tap) = &one.tap {
                    set(child(nic, "target"), "dev", tap);
                }
            }
            at += 1;
        }
    }
    if let Some(seed) = seed {
        let disk = disk(devices, seed);
        devices.nodes.push(Node::Elem(disk));
    }
    child(root, "metadata").nodes.push(Node::Elem(record.elem()));
}

fn disk(devices: &Elem, seed: &SeedDisk) -> Elem {
    let taken: Vec<&str> =
        devices.find_all("disk/target").into_iter().filter_map(|target| target.attr("dev")).collect();
    let names = ('b'..='z').map(|letter| format!("vd{letter}"));
    let name = names.into_iter().find(|name| !taken.contains(&name.as_str())).unwrap_or_else(|| "vdaa".to_string());
    let mut disk = elem("disk", &[("type", "volume"), ("device", "disk")]);
    let parts = [
        elem("driver", &[("name", "qemu"), ("type", "raw")]),
        elem("source", &[("pool", &seed.pool), ("volume", &seed.volume)]),
        // Found by every guest's kernel at once, while a CD-ROM drive may be ready too late for cloud-init.
        elem("target", &[("dev", &name), ("bus", "virtio")]),
        elem("readonly", &[]),
    ];
    disk.nodes.extend(parts.map(Node::Elem));
    disk
}

fn elem(name: &str, attrs: &[(&str, &str)]) -> Elem {
    let mut elem = Elem::new(Name::plain(name));
    for (name, value) in attrs {
        set(&mut elem, name, value);
    }
    elem
}

fn set(elem: &mut Elem, name: &str, value: &str) {
    elem.attrs.retain(|attr| !attr.name.is_plain(name));
    elem.attrs.push(Attr { name: Name::plain(name), value: value.to_string() });
}

/// The child of that name, made if it is missing.
fn child<'a>(elem: &'a mut Elem, name: &str) -> &'a mut Elem {
    let is_it = |node: &Node| matches!(node, Node::Elem(child) if child.name.is_plain(name));
    let at = elem.nodes.iter().position(is_it).unwrap_or_else(|| {
        elem.nodes.push(Node::Elem(Elem::new(Name::plain(name))));
        elem.nodes.len() - 1
    });
    match &mut elem.nodes[at] {
        Node::Elem(child) => child,
        Node::Text(_) => unreachable!("the position is that of an element"),
    }
}
