//! What libvirt keeps for a domain goes with a definition that has it, and else stays for ever: what a definition had and has
//! no more is recorded, and goes with the machine.

use super::MachineRecord;
use crate::floor::Result;
use crate::libvirt::undo::Transaction;
use crate::libvirt::variables::{Variables, name_file};
use crate::libvirt::{Domain, Keep};
use crate::schema::xml::{self, Elem};

/// What a machine's former definitions had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// The paths of files of UEFI variables.
    pub variables: Vec<String>,
    /// The versions of emulated TPMs, each with a state.
    pub tpms: Vec<String>,
}

impl Domain {
    /// Records what this definition has, and the present one has not.
    pub(in crate::libvirt) fn note_left(&self, before: &str) -> Result<()> {
        let (old, now) = (xml::parse(before)?, xml::parse(&self.secure_xml()?)?);
        let mut record = MachineRecord::read(&now);
        let kept = record.left.clone();
        let (had, has) = (Variables::of(&old), Variables::of(&now));
        if had.is_some()
            && had != has
            && let Some(path) = self.variables_path(before)?
        {
            record.left.variables.push(path);
        }
        record.left.tpms.extend(tpms(&old));
        let has_tpms = tpms(&now);
        record.left.variables.retain(|path| !has.as_ref().is_some_and(|has| has.is(&Variables::from(path.as_str()))));
        record.left.tpms.retain(|version| !has_tpms.contains(version));
        for list in [&mut record.left.variables, &mut record.left.tpms] {
            list.sort();
            list.dedup();
        }
        if record.left == kept {
            return Ok(());
        }
        let news = |list: &[String], kept: &[String]| list.iter().any(|one| !kept.contains(one));
        for (what, is_new) in [
            ("the file of its UEFI variables", news(&record.left.variables, &kept.variables)),
            ("the state of its TPM", news(&record.left.tpms, &kept.tpms)),
        ] {
            if is_new {
                tracing::warn!("{what} stays until {} is removed, or has it again", self.object());
            }
        }
        self.set_record(&record)
    }

    /// After a change of its definition to a former one: the variables are those of the machine, whatever file it had then.
    pub(in crate::libvirt) fn keep_variables(&self, before: &str) -> Result<()> {
        if !self.is_persistent()? {
            return Ok(());
        }
        let mut now = xml::parse(&self.secure_xml()?)?;
        let Some(has) = Variables::of(&now) else { return Ok(()) };
        let path = match self.variables_path(before)? {
            None => self.record()?.left.variables.pop(),
            path => path,
        };
        match path.filter(|path| !has.is(&Variables::from(path.as_str()))) {
            Some(path) => {
                name_file(&mut now, &path);
                self.redefine(&xml::to_string(&now))
            }
            None => Ok(()),
        }
    }

    /// Deletes what is left of former definitions of a domain that is undefined now. libvirt does so with a definition that
    /// has it: one is made for that.
    pub(in crate::libvirt) fn delete_left(&self, was: &Elem, left: &Left, keep: Keep) {
        let (none, host) = (Vec::new(), self.host());
        let variables = if keep.nvram { &none } else { &left.variables };
        let tpms = if keep.tpm { &none } else { &left.tpms };
        for at in 0..variables.len().max(tpms.len()) {
            let transaction = Transaction::begin_apart();
            let made = host.define_domain(&shell(was, variables.get(at), tpms.get(at)));
            for note in transaction.undo().into_iter().chain(made.err().map(|error| error.to_string())) {
                tracing::warn!("something of former definitions of {} stays: {note}", self.object());
            }
        }
    }
}

/// The versions of a definition's emulated TPMs.
fn tpms(domain: &Elem) -> Vec<String> {
    let backends = domain.find_all("devices/tpm/backend").into_iter();
    let emulated = backends.filter(|backend| backend.attr("type") == Some("emulator"));
    emulated.map(|backend| backend.attr("version").unwrap_or("2.0").to_string()).collect()
}

/// A definition of nothing but what is left.
fn shell(was: &Elem, variables: Option<&String>, tpm: Option<&String>) -> String {
    let elem = |name| Elem::plain(name, &[]);
    let firmware: &[(&str, &str)] = if variables.is_some() { &[("firmware", "efi")] } else { &[] };
    let mut domain = Elem::plain("domain", &[("type", was.attr("type").unwrap_or("qemu"))])
        .with(["name", "uuid"].iter().filter_map(|key| was.child(key)).cloned())
        .with([elem("memory").with_text("1024"), Elem::plain("os", firmware).with(was.find("os/type").cloned())])
        .with([elem("features").with([elem("acpi")])]);
    if let Some(version) = tpm {
        let backend = Elem::plain("backend", &[("type", "emulator"), ("version", version)]);
        let tpm = Elem::plain("tpm", &[("model", "tpm-tis")]).with([backend]);
        domain = domain.with([elem("devices").with([tpm])]);
    }
    if let Some(path) = variables {
        name_file(&mut domain, path);
    }
    xml::to_string(&domain)
}
