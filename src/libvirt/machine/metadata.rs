//! A domain's title, its description, and what programs keep in its metadata.

use crate::floor::{Error, Result};
use crate::libvirt::cause::Explain;
use crate::libvirt::retry::repeatedly;
use crate::libvirt::words::without_nul;
use crate::libvirt::{Apply, Domain};
use crate::schema::xml;
use virt::error::ErrorNumber;
use virt::sys;

impl Domain {
    /// The XML that a program keeps under its namespace, if it keeps any.
    pub fn metadata(&self, space: &str) -> Result<Option<String>> {
        self.read_metadata(sys::VIR_DOMAIN_METADATA_ELEMENT, Some(space))
    }

    /// Keeps an element of a namespace, now and at the next start; `None` removes what is kept.
    pub fn set_metadata(&self, element: Option<&str>, prefix: &str, space: &str) -> Result<()> {
        self.set_metadata_for(Apply::Both, element, prefix, space)
    }

    /// The same where that is asked for.
    pub(in crate::libvirt) fn set_metadata_for(
        &self,
        apply: Apply,
        element: Option<&str>,
        prefix: &str,
        space: &str,
    ) -> Result<()> {
        if let Some(element) = element {
            xml::parse(element)
                .map_err(|error| Error::argument(format!("what is kept as metadata is {}", error.message)))?;
        }
        self.write_metadata(apply, sys::VIR_DOMAIN_METADATA_ELEMENT, element, Some((prefix, space)))
    }

    /// Its title, a line at most.
    pub fn title(&self) -> Result<Option<String>> {
        self.read_metadata(sys::VIR_DOMAIN_METADATA_TITLE, None)
    }

    /// Sets its title; an empty one removes it.
    pub fn set_title(&self, title: &str) -> Result<()> {
        self.write_metadata(Apply::Both, sys::VIR_DOMAIN_METADATA_TITLE, Some(title), None)
    }

    /// Its description.
    pub fn description(&self) -> Result<Option<String>> {
        self.read_metadata(sys::VIR_DOMAIN_METADATA_DESCRIPTION, None)
    }

    /// Sets its description; an empty one removes it.
    pub fn set_description(&self, description: &str) -> Result<()> {
        self.write_metadata(Apply::Both, sys::VIR_DOMAIN_METADATA_DESCRIPTION, Some(description), None)
    }

    fn read_metadata(&self, kind: u32, space: Option<&str>) -> Result<Option<String>> {
        without_nul("a namespace", &[space])?;
        match self.raw()?.metadata(kind.cast_signed(), space, 0) {
            Err(error) if error.code().is_any(vec![ErrorNumber::NoDomainMetadata]) => Ok(None),
            other => other.explain("read the metadata of", self.object()).map(Some),
        }
    }

    /// Writes a text or an element as it is; `space` is the prefix and the namespace of an element.
    pub(in crate::libvirt) fn write_metadata(
        &self,
        apply: Apply,
        kind: u32,
        text: Option<&str>,
        space: Option<(&str, &str)>,
    ) -> Result<()> {
        let (prefix, space) = space.unzip();
        without_nul("metadata", &[text, prefix, space])?;
        repeatedly(self.host(), || {
            let flags = self.affects(apply)?;
            self.raw()?
                .set_metadata(kind.cast_signed(), text, prefix, space, flags)
                .explain("change the metadata of", self.object())
        })
    }
}
