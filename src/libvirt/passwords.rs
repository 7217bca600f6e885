//! The passwords of screens. libvirt leaves them out of what it tells, and whatever is defined without them has none from
//! then on: anybody may look at the screen.

use super::Domain;
use super::cause::Explain;
use crate::floor::{Result, hide_from_now_on};
use crate::schema::xml::{self, Elem};
use virt::sys;

/// What libvirt keeps of a password: itself, how long it holds, and what becomes of those who look on when it changes.
const KEPT: [&str; 3] = ["passwd", "passwdValidTo", "connected"];

impl Domain {
    /// The XML that its next start will use, with the passwords. It is for libvirt; where it is shown all the same, they are
    /// hidden.
    pub fn secure_xml(&self) -> Result<String> {
        let flags = sys::VIR_DOMAIN_XML_INACTIVE | sys::VIR_DOMAIN_XML_SECURE;
        let text = self.raw()?.xml_desc(flags).explain("read the XML of", self.object())?;
        for screen in screens(&xml::parse(&text)?) {
            if let Some(password) = screen.attr("passwd") {
                hide_from_now_on(password);
            }
        }
        Ok(text)
    }
}

/// The new definition of a domain with the passwords of the old one, for those screens that do not bring one along.
pub(super) fn with_passwords(mut new: Elem, old: &Elem) -> Elem {
    let old = screens(old);
    let mut seen: Vec<String> = Vec::new();
    for screen in screens_mut(&mut new) {
        let kind = screen.attr("type").unwrap_or_default().to_string();
        let before = seen.iter().filter(|other| **other == kind).count();
        let same = old.iter().filter(|one| one.attr("type") == Some(&kind)).nth(before);
        if let Some(same) = same.filter(|_| screen.attr("passwd").is_none()) {
            let kept = same.attrs.iter().filter(|attr| KEPT.iter().any(|name| attr.name.is_plain(name)));
            let kept: Vec<_> = kept.filter(|attr| screen.attr(&attr.name.local).is_none()).cloned().collect();
            screen.attrs.extend(kept);
        }
        seen.push(kind);
    }
    new
}

fn screens(domain: &Elem) -> Vec<&Elem> {
    domain.find_all("devices/graphics")
}

fn screens_mut(domain: &mut Elem) -> impl Iterator<Item = &mut Elem> {
    let devices = domain.children_mut().filter(|child| child.local() == "devices");
    devices.flat_map(Elem::children_mut).filter(|device| device.local() == "graphics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_defined_anew_keeps_the_passwords_that_it_does_not_bring_along() {
        let of = |screens: &str| xml::parse(&format!("<domain><devices>{screens}</devices></domain>")).expect("XML");
        let old = of("<graphics type='spice' passwd='s'/>\
            <graphics type='vnc' passwd='v1' passwdValidTo='2030-01-01T00:00:00'/><graphics type='vnc' passwd='v2'/>");
        for (new, kept) in [
            ("<graphics type='vnc'/>", "<graphics type='vnc' passwd='v1' passwdValidTo='2030-01-01T00:00:00'/>"),
            ("<graphics type='vnc' passwd='own'/>", "<graphics type='vnc' passwd='own'/>"),
            (
                "<graphics type='vnc' passwd='a'/><graphics type='vnc' port='1'/><graphics type='spice'/>",
                "<graphics type='vnc' passwd='a'/><graphics type='vnc' port='1' passwd='v2'/><graphics type='spice' passwd='s'/>",
            ),
            ("<graphics type='sdl'/>", "<graphics type='sdl'/>"),
        ] {
            assert_eq!(xml::to_string(&with_passwords(of(new), &old)), xml::to_string(&of(kept)));
        }
    }
}
