//! Making objects from XML, validated by libvirt; what is there already is never redefined.

use super::cause::{Explain, flag_refused};
use super::object::{Kind, Object};
use super::retry::{despite_loss, repeatedly, while_busy};
use super::turn::{Over, Side};
use super::undo::{self, Made, Transaction};
use super::uses::backing;
use super::wiring::Wiring;
use super::{Content, Domain, Host, Network, Pool, Volume, ffi, verify};
use crate::floor::{Area, Code, Error, Result, timing};
use crate::schema::xml::{self, Elem, Node};
use std::sync::PoisonError;
use std::time::UNIX_EPOCH;
use virt::error::Error as VirtError;
use virt::storage_vol::StorageVol;
use virt::sys;

impl Host {
    /// Defines a domain, which stays when it stops.
    pub fn define_domain(&self, xml: &str) -> Result<Domain> {
        self.define_absent_domain(&self.absent(Kind::Domain, xml)?, xml)
    }

    /// The same for one that was looked for, and is not there. What comes into being at this very moment libvirt refuses to
    /// define anew, as it has another UUID.
    pub(super) fn define_absent_domain(&self, object: &Object, xml: &str) -> Result<Domain> {
        let xml = &self.with_own_variables(xml)?;
        self.making(object, xml, Self::domain_of_uuid, |xml| {
            self.attempt("define_domain", object)?;
            let host = self.raw()?;
            let raw = validated(
                || host.define_domain_xml_flags(xml, sys::VIR_DOMAIN_DEFINE_VALIDATE),
                || host.define_domain_xml(xml),
            );
            Domain::new(self, raw.explain("define", object)?)
        })
    }

    /// Starts a transient domain, which is gone when it stops.
    pub fn create_domain(&self, xml: &str) -> Result<Domain> {
        let object = self.absent(Kind::Domain, xml)?;
        let xml = &self.with_own_variables(xml)?;
        let before = Wiring::read(xml)?.leases(self);
        let domain = self.making(&object, xml, Self::domain_of_uuid, |xml| {
            self.attempt("create_domain", &object)?;
            let host = self.raw()?;
            let raw = validated(
                || host.create_domain_xml(xml, sys::VIR_DOMAIN_START_VALIDATE),
                || host.create_domain_xml(xml, sys::VIR_DOMAIN_NONE),
            );
            Domain::new(self, raw.explain("create", &object)?)
        })?;
        self.remember(domain.uuid()?, before);
        Ok(domain)
    }

    /// Defines a network.
    pub fn define_network(&self, xml: &str) -> Result<Network> {
        let object = self.absent(Kind::Network, xml)?;
        self.making(&object, xml, Self::network_of_uuid, |xml| {
            self.attempt("define_network", &object)?;
            let host = self.raw()?;
            let raw = validated(|| ffi::define_network_validated(&host, xml), || host.define_network_xml(xml));
            Network::new(self, raw.explain("define", &object)?)
        })
    }

    /// Starts a transient network.
    pub fn create_network(&self, xml: &str) -> Result<Network> {
        let object = self.absent(Kind::Network, xml)?;
        self.making(&object, xml, Self::network_of_uuid, |xml| {
            self.attempt("create_network", &object)?;
            let host = self.raw()?;
            let raw = validated(|| ffi::create_network_validated(&host, xml), || host.create_network_xml(xml));
            Network::new(self, raw.explain("create", &object)?)
        })
    }

    /// Defines a pool.
    pub fn define_pool(&self, xml: &str) -> Result<Pool> {
        let object = self.absent(Kind::Pool, xml)?;
        self.making(&object, xml, Self::pool_of_uuid, |xml| {
            self.attempt("define_pool", &object)?;
            let host = self.raw()?;
            let raw = validated(
                || host.define_storage_pool_xml(xml, sys::VIR_STORAGE_POOL_DEFINE_VALIDATE),
                || host.define_storage_pool_xml(xml, 0),
            );
            Pool::new(self, raw.explain("define", &object)?)
        })
    }

    /// Starts a transient pool.
    pub fn create_pool(&self, xml: &str) -> Result<Pool> {
        let object = self.absent(Kind::Pool, xml)?;
        self.making(&object, xml, Self::pool_of_uuid, |xml| {
            self.attempt("create_pool", &object)?;
            let raw = self.raw()?.create_storage_pool_xml(xml, sys::VIR_STORAGE_POOL_CREATE_NORMAL);
            Pool::new(self, raw.explain("create", &object)?)
        })
    }

    /// Makes an object of this XML with a UUID that is known, and in a transaction written down, before. By it, `find` tells
    /// whether the object was made although the connection was lost.
    fn making<T>(
        &self,
        object: &Object,
        xml: &str,
        find: fn(&Self, &str) -> Result<Option<T>>,
        make: impl Fn(&str) -> Result<T>,
    ) -> Result<T> {
        let (step, uuid, xml) = Made::identify(object.kind, &object.name, xml)?;
        undo::record(self, step, || {
            timing::timed(&object.plain(), "define", || {
                despite_loss(self, &format!("definition of {object}"), || make(&xml), || find(self, &uuid))
            })
        })
    }

    /// What a definition names, unless it is there already: libvirt would quietly redefine it.
    fn absent(&self, kind: Kind, xml: &str) -> Result<Object> {
        let object = Object::new(kind, &name_of(kind, xml)?);
        let there = match kind {
            Kind::Domain => self.find_domain(&object.name)?.is_some(),
            Kind::Network => self.find_network(&object.name)?.is_some(),
            _ => self.find_pool(&object.name)?.is_some(),
        };
        if there { Err(already(&object)) } else { Ok(object) }
    }
}

impl Pool {
    /// Creates a volume. A pool that is busy for a moment is waited for.
    pub fn create_volume(&self, xml: &str) -> Result<Volume> {
        let made = Made::volume(self, xml)?;
        self.absent(xml)?;
        self.new_volume(xml, &made).inspect(|_| undo::complete(&made))
    }

    /// The volume that a definition names, unless it is there already.
    pub(super) fn absent(&self, xml: &str) -> Result<Object> {
        let object = self.named_in(xml)?;
        if self.find_volume(&object.name)?.is_some() { Err(already(&object)) } else { Ok(object) }
    }

    fn named_in(&self, xml: &str) -> Result<Object> {
        Ok(Object::new(Kind::Volume, &name_of(Kind::Volume, xml)?).within(self.name()))
    }

    fn new_volume(&self, xml: &str, made: &Made) -> Result<Volume> {
        let object = self.named_in(xml)?;
        let base = backing(&xml::parse(xml)?);
        let _others = base.as_ref().map(|_| Side::Used.over(Over::Bases)).transpose()?;
        // libvirt's schema for volumes demands more than libvirt itself, such as a `target`: it is not asked.
        let lock = self.host().lock(&self.object().plain());
        let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
        undo::record(self.host(), made.clone(), || {
            timing::timed(&object.plain(), "create", || {
                let volume = self
                    .making(&object, made, || StorageVol::create_xml(&self.raw()?, xml, 0).explain("create", &object));
                let volume = volume.map_err(|error| self.without_base(&object, base.as_deref(), error))?;
                verify::is_as_defined_in_size(&volume, xml)?;
                Ok(volume)
            })
        })
    }

    /// Why a volume was not made: what it was to stand on may have gone meanwhile.
    fn without_base(&self, object: &Object, base: Option<&str>, error: Error) -> Error {
        match base {
            Some(base)
                if error.cause.as_ref().is_some_and(|told| told.contains(base) && told.contains("No such file"))
                    && matches!(self.host().find_volume_by_path(base), Ok(None)) =>
            {
                let message = format!("cannot create {object}: there is no `{base}` for it to stand on");
                let told = error.cause.clone().unwrap_or_default();
                Error::new(Code::NotFound, Area::Storage, message)
                    .about(object.plain())
                    .told_by_libvirt(told)
                    .hint("another run may have deleted it just now: `vmscript volume list` shows what is there")
            }
            _ => error,
        }
    }

    /// Makes a volume that was not there before. What is there when the connection was lost may be half made: it is removed,
    /// and made again, unless somebody else may have made it meanwhile.
    pub(super) fn making(
        &self,
        object: &Object,
        asked: &Made,
        mut make: impl FnMut() -> Result<StorageVol>,
    ) -> Result<Volume> {
        let mut attempt = || self.host().attempt("create_volume", object).and_then(|()| make());
        let create = || while_busy(self.host(), &mut attempt).and_then(|raw| Volume::new(self.host(), raw));
        despite_loss(self.host(), &format!("creation of {object}"), create, || {
            let Some(half) = self.find_volume(&object.name)? else { return Ok(None) };
            match asked.doubt(self.host(), &undo::own())? {
                Some(doubt) => {
                    Err(Error::new(Code::AlreadyExists, Area::Storage, format!("there is a {object}: {doubt}")))
                }
                None => half.delete().map(|()| None),
            }
        })
    }

    /// Creates a volume and fills it. A failure leaves no volume.
    pub fn create_filled_volume(&self, xml: &str, content: &Content) -> Result<Volume> {
        if !matches!(content, Content::Copy { .. }) {
            self.absent(xml)?;
        }
        self.fill_absent_volume(xml, content)
    }

    /// The same for one that was looked for just now, and is not there. libvirt makes none that has come into being since.
    pub(super) fn fill_absent_volume(&self, xml: &str, content: &Content) -> Result<Volume> {
        if let Content::Copy { from, grow, thick } = content {
            return self.copy_volume(xml, from, *grow, *thick);
        }
        let transaction = Transaction::begin();
        let made = Made::volume(self, xml)?;
        let filled = self.new_volume(xml, &made).and_then(|volume| {
            let name = volume.object().plain();
            match content {
                Content::None | Content::Copy { .. } => {}
                Content::File(path) => {
                    timing::timed(&name, "upload", || repeatedly(self.host(), || volume.upload(path).map(drop)))?;
                }
                Content::Bytes(data) => {
                    timing::timed(&name, "upload", || repeatedly(self.host(), || volume.upload_bytes(data).map(drop)))?;
                }
            }
            // libvirt scans the pool by itself after an upload.
            self.settle()?;
            Ok(volume)
        });
        match filled {
            Ok(volume) => {
                undo::complete(&made);
                transaction.commit();
                Ok(volume)
            }
            Err(error) => Err(transaction.roll_back(error)),
        }
    }
}

pub(super) fn already(object: &Object) -> Error {
    Error::new(Code::AlreadyExists, object.kind.area(), format!("there is a {object} already"))
        .about(object.plain())
        .hint(format!("`{}` gets hold of it", object.expression()))
}

/// Calls the form that validates, and the plain one where a driver does not know the flag.
pub(super) fn validated<T>(
    strict: impl Fn() -> Result<T, VirtError>,
    plain: impl Fn() -> Result<T, VirtError>,
) -> Result<T, VirtError> {
    match strict() {
        Err(error) if flag_refused(&error) => plain(),
        done => done,
    }
}

/// The name in a definition, and the definition with it; like libvirt, the seconds since 1970 if it has none.
pub(super) fn name_or_new(kind: Kind, text: &str) -> Result<(String, String)> {
    if let Ok(name) = name_of(kind, text) {
        return Ok((name, text.to_string()));
    }
    let seconds = UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
    let mut document = xml::parse(text)?;
    document.nodes.insert(0, Node::Elem(Elem::plain("name", &[]).with_text(seconds.to_string())));
    Ok((seconds.to_string(), xml::to_string(&document)))
}

/// The name in a definition.
pub(super) fn name_of(kind: Kind, xml: &str) -> Result<String> {
    xml::parse(xml)?.find_text("name").ok_or_else(|| {
        Error::new(Code::InvalidDefinition, kind.area(), "the definition has no name").hint("give it the field `name`")
    })
}
