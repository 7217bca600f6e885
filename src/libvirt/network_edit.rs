//! Changing a network while its guests stay connected.

use super::Network;
use super::cause::Explain;
use super::device::Apply;
use crate::floor::{Error, Result, did_you_mean};
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
        let (command, doing) = match edit {
            Edit::Add => (sys::VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, "add to"),
            Edit::Modify => (sys::VIR_NETWORK_UPDATE_COMMAND_MODIFY, "modify"),
            Edit::Delete => (sys::VIR_NETWORK_UPDATE_COMMAND_DELETE, "delete from"),
        };
        let live = apply != Apply::Config && self.is_active()?;
        let config = apply != Apply::Live && self.is_persistent()?;
        let flags = if live { sys::VIR_NETWORK_UPDATE_AFFECT_LIVE } else { 0 }
            | if config { sys::VIR_NETWORK_UPDATE_AFFECT_CONFIG } else { 0 };
        self.raw()
            .update(command, *number, parent.unwrap_or(-1), xml, flags)
            .explain(&format!("{doing} the {} of", section.replace('_', " ")), self.object())
    }
}
