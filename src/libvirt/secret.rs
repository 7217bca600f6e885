//! Secrets that a host keeps for disks and servers. Their values go in and never come out.

use super::cause::Explain;
use super::define::validated;
use super::link::Live;
use super::lookup::sorted;
use super::object::{Kind, Object};
use super::undo::{self, Made};
use super::{Host, ffi};
use crate::floor::{Code, Error, Result, did_you_mean};
use virt::sys;

/// A secret on a host.
#[derive(Debug, Clone)]
pub struct Secret {
    host: Host,
    raw: Live<virt::secret::Secret>,
    uuid: String,
    object: Object,
}

impl Host {
    /// All secrets, by what they are used for.
    pub fn secrets(&self) -> Result<Vec<Secret>> {
        let found = self.raw()?.list_all_secrets(0).explain("list the secrets of", self.object())?;
        let all = found.into_iter().map(|raw| Secret::new(self, raw)).collect::<Result<Vec<_>>>()?;
        Ok(sorted(all, Secret::name))
    }

    /// The secret of that UUID, or for that use; an error if there is none.
    pub fn secret(&self, name: &str) -> Result<Secret> {
        let all = self.secrets()?;
        if let Some(found) = all.iter().find(|one| one.uuid == name || one.name() == name) {
            return Ok(found.clone());
        }
        let object = Object::new(Kind::Secret, name);
        let hint = did_you_mean(name, all.iter().map(Secret::name))
            .unwrap_or_else(|| "`host.secrets()` lists what is there".to_string());
        Err(Error::new(Code::NotFound, Kind::Secret.area(), format!("there is no {object}"))
            .about(object.plain())
            .hint(hint))
    }

    /// Defines a secret; it has no value yet.
    pub fn define_secret(&self, xml: &str) -> Result<Secret> {
        let object = Object::new(Kind::Secret, "new");
        let (made, uuid, xml) = Made::identify(Kind::Secret, &object.name, xml)?;
        let define = || {
            let host = self.raw()?;
            let define = |flags| host.define_secret_xml(&xml, flags);
            let raw = validated(|| define(sys::VIR_SECRET_DEFINE_VALIDATE), || define(0));
            Secret::new(self, raw.explain("define", &object)?)
        };
        // One that is there is changed, not made.
        if self.secrets()?.iter().any(|one| one.uuid() == uuid) { define() } else { undo::record(self, made, define) }
    }
}

impl Secret {
    fn new(host: &Host, raw: virt::secret::Secret) -> Result<Self> {
        let uuid = raw.uuid_string().explain("ask for a secret's UUID on", host.object())?;
        // One that is used for nothing in particular has no usage id.
        let usage = ffi::secret_usage(&raw).filter(|usage| !usage.is_empty());
        let object = Object::new(Kind::Secret, usage.as_deref().unwrap_or(&uuid));
        Ok(Self { host: host.clone(), raw: Live::new(host.link(), raw), uuid, object })
    }

    /// The host it is on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What it is used for, such as the path of a volume; else its UUID.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// Its UUID.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// What kind of thing it is used for: `none`, `volume`, `ceph`, `iscsi`, `tls` or `vtpm`.
    pub fn usage(&self) -> Result<&'static str> {
        Ok(match self.raw()?.usage_type().explain("ask for the usage of", &self.object)? {
            sys::VIR_SECRET_USAGE_TYPE_VOLUME => "volume",
            sys::VIR_SECRET_USAGE_TYPE_CEPH => "ceph",
            sys::VIR_SECRET_USAGE_TYPE_ISCSI => "iscsi",
            sys::VIR_SECRET_USAGE_TYPE_TLS => "tls",
            sys::VIR_SECRET_USAGE_TYPE_VTPM => "vtpm",
            _ => "none",
        })
    }

    /// Its XML, which does not hold its value.
    pub fn xml(&self) -> Result<String> {
        self.raw()?.xml_desc(0).explain("read the XML of", &self.object)
    }

    /// Sets its value.
    pub fn set_value(&self, value: &[u8]) -> Result<()> {
        self.raw()?.set_value(value, 0).map(drop).explain("set the value of", &self.object)
    }

    /// Removes it with its value.
    pub fn undefine(&self) -> Result<()> {
        self.raw()?.undefine().explain("undefine", &self.object)?;
        undo::gone(&self.host, |made| matches!(made, Made::Secret { uuid } if *uuid == self.uuid));
        Ok(())
    }

    fn raw(&self) -> Result<virt::secret::Secret> {
        self.raw.get(self.host.link(), |connect, _| connect.lookup_secret_by_uuid_string(&self.uuid))
    }
}
