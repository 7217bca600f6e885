//! Changing a network while its guests stay connected.

use super::Network;
use super::cause::Explain;
use super::device::Apply;
use super::undo::{self, Made};
use crate::floor::timing;
use crate::floor::{Area, Code, Error, Result, did_you_mean};
use crate::schema::xml::{self, Elem};
use std::sync::PoisonError;
use virt::sys;

/// What to do with a part of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Put it in.
    Add,
    /// Change the one that is there.
    Modify,
    /// Take it out.
    Delete,
}

/// The parts of a network that can be changed while it is in use.
const SECTIONS: &[(&str, u32)] = &[
    ("dhcp_host", sys::VIR_NETWORK_SECTION_IP_DHCP_HOST),
    ("dhcp_range", sys::VIR_NETWORK_SECTION_IP_DHCP_RANGE),
    ("dns_host", sys::VIR_NETWORK_SECTION_DNS_HOST),
    ("dns_srv", sys::VIR_NETWORK_SECTION_DNS_SRV),
    ("dns_txt", sys::VIR_NETWORK_SECTION_DNS_TXT),
    ("forward_interface", sys::VIR_NETWORK_SECTION_FORWARD_INTERFACE),
    ("portgroup", sys::VIR_NETWORK_SECTION_PORTGROUP),
];

/// The parts that libvirt cannot change in place, and by which attributes one is known.
const REPLACED: &[(&str, &[&str])] = &[
    ("dhcp_range", &["start"]),
    ("dns_host", &["ip"]),
    ("dns_srv", &["service", "protocol", "domain"]),
    ("dns_txt", &["name"]),
];

impl Network {
    /// Changes one part of it, in the running network and in its definition unless it is to be one of them only.
    /// `parent` is the index of the `ip` element for DHCP.
    pub fn edit(&self, edit: Edit, section: &str, xml: &str, parent: Option<i32>, apply: Apply) -> Result<()> {
        let Some((_, number)) = SECTIONS.iter().find(|(name, _)| *name == section) else {
            let names = || SECTIONS.iter().map(|(name, _)| *name);
            let hint = did_you_mean(section, names())
                .unwrap_or_else(|| format!("parts: {}", names().collect::<Vec<_>>().join(", ")));
            return Err(Error::argument(format!("a network has no part `{section}` to edit")).hint(hint));
        };
        if edit == Edit::Modify
            && let Some((_, keys)) = REPLACED.iter().find(|(name, _)| *name == section)
        {
            return self.replace(section, keys, xml, parent, apply);
        }
        let (command, doing) = match edit {
            Edit::Add => (sys::VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, "add to"),
            Edit::Modify => (sys::VIR_NETWORK_UPDATE_COMMAND_MODIFY, "modify"),
            Edit::Delete => (sys::VIR_NETWORK_UPDATE_COMMAND_DELETE, "delete from"),
        };
        let change = || {
            let live = apply != Apply::Config && self.is_active()?;
            let config = apply != Apply::Live && self.is_persistent()?;
            let flags = if live { sys::VIR_NETWORK_UPDATE_AFFECT_LIVE } else { 0 }
                | if config { sys::VIR_NETWORK_UPDATE_AFFECT_CONFIG } else { 0 };
            // Two changes at once would each begin with what was there before.
            let lock = self.host().lock(&self.object().plain());
            let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
            timing::noted(&self.object().plain(), "net-update", || {
                self.raw()?
                    .update(command, *number, parent.unwrap_or(-1), xml, flags)
                    .explain(&format!("{doing} the {} of", section.replace('_', " ")), self.object())
            })
        };
        if edit == Edit::Delete {
            return change().and_then(|()| self.may_be_gone());
        }
        if edit != Edit::Add || self.has_part(section, xml)? {
            return change();
        }
        let (network, section) = (self.named()?, section.to_string());
        undo::record(self.host(), Made::Part { network, section, xml: xml.to_string(), parent }, change)
    }

    /// Takes a part out and puts the new one in; the old one again if that is refused.
    fn replace(&self, section: &str, keys: &[&str], xml: &str, parent: Option<i32>, apply: Apply) -> Result<()> {
        let wanted = xml::parse(xml)?;
        let root = xml::parse(&if apply == Apply::Config { self.inactive_xml()? } else { self.xml()? })?;
        let is_meant = |one: &&Elem| keys.iter().all(|key| one.attr(key) == wanted.attr(key));
        let Some(old) = root.find_all(path(section)).into_iter().find(is_meant).map(xml::to_string) else {
            let known: Vec<_> = keys.iter().filter_map(|key| Some(format!("{key} `{}`", wanted.attr(key)?))).collect();
            let what = section.replace('_', " ");
            let message = format!("{} has no {what} with {}", self.object(), known.join(", "));
            return Err(Error::new(Code::NotFound, Area::Network, message)
                .about(self.object().plain())
                .hint(format!("`add(\"{section}\", ...)` makes one")));
        };
        self.edit(Edit::Delete, section, &old, parent, apply)?;
        self.edit(Edit::Add, section, xml, parent, apply).map_err(|error| {
            match self.edit(Edit::Add, section, &old, parent, apply) {
                Ok(()) => error,
                Err(failure) => error.note(format!("the part that was there is gone: {failure}")),
            }
        })
    }

    /// Whether it has such a part, now or from its next start on.
    pub(super) fn has_part(&self, section: &str, text: &str) -> Result<bool> {
        Ok(!self.places_with(section, text)?.is_empty())
    }

    /// Takes a part out wherever it is.
    pub(super) fn remove_part(&self, section: &str, text: &str, parent: Option<i32>) -> Result<()> {
        let places = self.places_with(section, text)?;
        places.into_iter().try_for_each(|apply| self.edit(Edit::Delete, section, text, parent, apply))
    }

    fn places_with(&self, section: &str, text: &str) -> Result<Vec<Apply>> {
        let wanted = xml::parse(text)?;
        let has =
            |text: &str| Ok(xml::parse(text)?.find_all(path(section)).into_iter().any(|one| is_like(one, &wanted)));
        let mut places = Vec::new();
        if self.is_active()? && has(&self.xml()?)? {
            places.push(Apply::Live);
        }
        if self.is_persistent()? && has(&self.inactive_xml()?)? {
            places.push(Apply::Config);
        }
        Ok(places)
    }
}

/// Where such parts are in a network's definition.
fn path(section: &str) -> &'static str {
    match section {
        "dhcp_host" => "ip/dhcp/host",
        "dhcp_range" => "ip/dhcp/range",
        "dns_host" => "dns/host",
        "dns_srv" => "dns/srv",
        "dns_txt" => "dns/txt",
        "forward_interface" => "forward/interface",
        _ => "portgroup",
    }
}

/// Whether an element has all attributes of another one, and children like its children.
fn is_like(one: &Elem, wanted: &Elem) -> bool {
    wanted.attrs.iter().all(|attr| one.attr(&attr.name.local) == Some(attr.value.as_str()))
        && wanted.text().trim() == one.text().trim()
        && wanted
            .children()
            .all(|child| one.children().any(|other| other.local() == child.local() && is_like(other, child)))
}
