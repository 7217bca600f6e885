//! The file of a domain's UEFI variables, which libvirt names after the domain unless the definition tells.

use super::Domain;
use super::cause::Explain;
use crate::floor::Result;
use crate::schema::xml::{self, Elem, Name, Node};

impl Domain {
    /// Writes the file of its UEFI variables into its definition if libvirt would look for another one under another
    /// name. Gives the definition of before if it was changed.
    pub(super) fn pin_variables(&self) -> Result<Option<String>> {
        let old = self.secure_xml()?;
        let mut root = xml::parse(&old)?;
        let chosen = root.child("os").is_some_and(|os| os.attr("firmware") == Some("efi"));
        if !chosen || root.find_text("os/nvram").is_some_and(|file| !file.is_empty()) || self.is_active()? {
            return Ok(None);
        }
        let native = self.host().raw()?.domain_xml_to_native("qemu-argv", &old, 0);
        let native = native.explain("ask for the command of", self.object())?;
        let Some(file) = variables(&native) else { return Ok(None) };
        let os = root.nodes.iter_mut().find_map(|node| match node {
            Node::Elem(child) if child.name.is_plain("os") => Some(child),
            _ => None,
        });
        if let Some(os) = os {
            let mut nvram = os.child("nvram").cloned().unwrap_or_else(|| Elem::new(Name::plain("nvram")));
            os.nodes.retain(|node| !matches!(node, Node::Elem(child) if child.name.is_plain("nvram")));
            nvram.nodes.push(Node::Text(file));
            os.nodes.push(Node::Elem(nvram));
        }
        self.redefine(&xml::to_string(&root))?;
        Ok(Some(old))
    }
}

/// The file of the variables in QEMU's command, where it is the second flash.
fn variables(command: &str) -> Option<String> {
    let parts = command.split('\'').filter_map(|part| serde_json::from_str::<serde_json::Value>(part).ok());
    let mut flashes = parts.filter(|part| part["node-name"] == "libvirt-pflash1-storage");
    flashes.next()?["filename"].as_str().map(str::to_string)
}
