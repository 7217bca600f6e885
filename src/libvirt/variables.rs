//! The files of domains' UEFI variables: libvirt names one after the domain unless the definition tells, whosever that file
//! is by then. Here each domain gets one of its own, and nobody deletes that of another one.

use super::cause::Explain;
use super::object::Kind;
use super::undo::{Made, left_variables};
use super::{Domain, Host};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml::{self, Elem, Node};

/// The end of libvirt's folder of such files, wherever that is.
const FOLDER: &str = "/qemu/nvram";

/// Where a definition has its UEFI variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variables {
    /// The folder; nothing for the one that libvirt takes by itself.
    folder: Option<String>,
    file: String,
}

impl Variables {
    /// Those of a domain's document, if it has a file of them.
    pub(super) fn of(domain: &Elem) -> Option<Self> {
        let os = domain.child("os")?;
        let nvram = os.child("nvram");
        let source = nvram.and_then(|nvram| nvram.child("source"));
        if let Some(path) = explicit(domain) {
            return Some(Self::from(path.as_str()));
        }
        let loader = os.child("loader");
        let says = |key, value| loader.and_then(|loader| loader.attr(key)) == Some(value);
        let has_them = os.attr("firmware") == Some("efi") || (says("type", "pflash") && says("readonly", "yes"));
        let file = format!("{}_VARS.fd", domain.find_text("name")?);
        (has_them && source.is_none() && !says("stateless", "yes")).then_some(Self { folder: None, file })
    }

    /// Whether both are one file.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same_folder = match (&self.folder, &other.folder) {
            (Some(one), Some(other)) => one == other,
            (Some(one), None) | (None, Some(one)) => one.ends_with(FOLDER),
            (None, None) => true,
        };
        same_folder && self.file == other.file
    }
}

impl Host {
    /// A definition whose UEFI variables are a file that no other domain has: where libvirt would take that of another one, it
    /// names one of its own. One that names another's itself is refused.
    pub(super) fn with_own_variables(&self, text: &str) -> Result<String> {
        let root = xml::parse(text)?;
        let Some(wanted) = Variables::of(&root) else { return Ok(text.to_string()) };
        let uuid = root.find_text("uuid").unwrap_or_default();
        let name = root.find_text("name").unwrap_or_default();
        let user = self.user_of(&wanted, &uuid)?.map(|(other, theirs)| (other.object().to_string(), theirs));
        // What a killed run left has the boot entries and keys of another machine.
        let left = || {
            let mut left = left_variables(self.uri(), &uuid).into_iter().map(|path| Variables::from(path.as_str()));
            left.find(|left| wanted.folder.is_none() && left.is(&wanted)).map(|left| ("a killed run".to_string(), left))
        };
        let Some((whose, theirs)) = user.or_else(left) else { return Ok(text.to_string()) };
        let (None, Some(folder)) = (&wanted.folder, &theirs.folder) else {
            let message = format!("the file of UEFI variables `{}` is that of {whose}", wanted.file);
            return Err(Error::new(Code::Busy, Area::Domain, message)
                .about(format!("domain {name}"))
                .hint("name another file, or none: then it gets one of its own"));
        };
        let (_, uuid, text) = Made::identify(Kind::Domain, &name, text)?;
        let mut root = xml::parse(&text)?;
        let path = format!("{folder}/{}", by_uuid(&name, &uuid));
        tracing::info!(path, "{whose} has the file `{}` for its UEFI variables", wanted.file);
        name_file(&mut root, &path);
        Ok(xml::to_string(&root))
    }

    /// Who has this file, beside the domain of this UUID, and how it names it.
    pub(super) fn user_of(&self, wanted: &Variables, but: &str) -> Result<Option<(Domain, Variables)>> {
        for domain in self.domains()? {
            // What runs may be defined differently.
            let running = domain.is_active().unwrap_or(false).then(|| domain.xml());
            for text in running.into_iter().chain([domain.inactive_xml()]) {
                let root = match text {
                    // Gone since it was listed.
                    Err(error) if error.code == Code::NotFound => continue,
                    text => xml::parse(&text?)?,
                };
                let theirs = Variables::of(&root).filter(|theirs| theirs.is(wanted));
                if let Some(theirs) = theirs.filter(|_| root.find_text("uuid").as_deref() != Some(but)) {
                    return Ok(Some((domain, theirs)));
                }
            }
        }
        Ok(None)
    }
}

impl Domain {
    /// The path of the file of its UEFI variables by its definition, if it has one.
    pub(super) fn variables_path(&self, definition: &str) -> Result<Option<String>> {
        let root = xml::parse(definition)?;
        if Variables::of(&root).is_none() {
            return Ok(None);
        }
        if let Some(path) = explicit(&root) {
            return Ok(Some(path));
        }
        let native = self.host().raw()?.domain_xml_to_native("qemu-argv", definition, 0);
        match native.explain("ask for the command of", self.object()) {
            Ok(native) => Ok(second_flash(&native)),
            // Only QEMU has such files.
            Err(error) if error.code == Code::Unsupported => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The path that a definition names.
fn explicit(domain: &Elem) -> Option<String> {
    let file = || domain.find("os/nvram/source")?.attr("file").map(str::to_string);
    domain.find_text("os/nvram").or_else(file)
}

/// A file name that no other domain can have by itself.
pub(super) fn by_uuid(name: &str, uuid: &str) -> String {
    format!("{name}-{}_VARS.fd", uuid.split('-').next().unwrap_or_default())
}

/// Names the file in a domain's document.
pub(super) fn name_file(domain: &mut Elem, path: &str) {
    let Some(os) = domain.children_mut().find(|child| child.name.is_plain("os")) else { return };
    let nvram = os.child_or_new("nvram");
    nvram.attrs.retain(|attr| !attr.name.is_plain("type"));
    nvram.nodes = vec![Node::Text(path.to_string())];
}

/// The file of the variables in QEMU's command, where it is the second flash.
fn second_flash(command: &str) -> Option<String> {
    let parts = command.split('\'').filter_map(|part| serde_json::from_str::<serde_json::Value>(part).ok());
    let mut flashes = parts.filter(|part| part["node-name"] == "libvirt-pflash1-storage");
    flashes.next()?["filename"].as_str().map(str::to_string)
}

impl From<&str> for Variables {
    fn from(path: &str) -> Self {
        let (folder, file) = path.rsplit_once('/').unwrap_or_default();
        Self { folder: Some(folder.to_string()), file: file.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Variables> {
        Variables::of(&xml::parse(text).expect("well-formed"))
    }

    #[test]
    fn one_file_is_known_however_it_is_named() {
        let chosen = of("<domain><name>a</name><os firmware='efi'/></domain>").expect("it has variables");
        let named = |path: &str| {
            let text = format!("<domain><name>b</name><os firmware='efi'><nvram>{path}</nvram></os></domain>");
            of(&text).expect("it has variables")
        };
        assert!(chosen.is(&named("/var/lib/libvirt/qemu/nvram/a_VARS.fd")));
        assert!(!chosen.is(&named("/srv/a_VARS.fd")) && !chosen.is(&named("/var/lib/libvirt/qemu/nvram/b_VARS.fd")));
        let source =
            "<domain><name>c</name><os><nvram type='file'><source file='/srv/a_VARS.fd'/></nvram></os></domain>";
        assert!(named("/srv/a_VARS.fd").is(&of(source).expect("it has variables")));
        for without in ["<os/>", "<os><loader type='rom'/></os>", "<os firmware='bios'/>"] {
            assert_eq!(of(&format!("<domain><name>d</name>{without}</domain>")), None);
        }
    }
}
