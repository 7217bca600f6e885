//! Looking again: what libvirt says it did is read back and compared with what was asked.

use super::cause::Explain;
use super::{Domain, Volume};
use crate::floor::{Area, Code, Error, Result, clock};
use crate::schema::xml::{self, Elem};
use std::time::Duration;
use virt::sys;

/// How long a guest may take to give memory back, or to take it.
const BALLOON: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// Fails unless a domain has the processors and at least the memory of its definition.
pub(super) fn is_as_defined(domain: &Domain, text: &str) -> Result<()> {
    let document = xml::parse(text)?;
    let info = domain.info()?;
    let asked: Option<u32> = document.find_text("vcpu").and_then(|count| count.parse().ok());
    let current = document.find("vcpu").and_then(|vcpu| vcpu.attr("current")).and_then(|count| count.parse().ok());
    if let Some(asked) = current.or(asked)
        && info.vcpus != asked
    {
        return Err(differs(domain, &format!("{} processors", info.vcpus), &asked.to_string()));
    }
    let memory = size(&document, "memory");
    // libvirt rounds up to what the hypervisor can give.
    match memory {
        Some(asked) if info.max_memory < asked => {
            Err(differs(domain, &format!("{} bytes of memory", info.max_memory), &asked.to_string()))
        }
        _ => Ok(()),
    }
}

/// Fails unless a domain has so much memory for its next start. What a guest does with its balloon is its own affair: it is
/// waited for a little, and told.
pub(super) fn has_memory(domain: &Domain, asked: u64, flags: u32) -> Result<()> {
    if flags & sys::VIR_DOMAIN_AFFECT_CONFIG != 0 {
        let document = xml::parse(&domain.inactive_xml()?)?;
        if let Some(has) = size(&document, "currentMemory").or_else(|| size(&document, "memory"))
            && has / 1024 != asked / 1024
        {
            return Err(differs(domain, &format!("{has} bytes of memory"), &asked.to_string()));
        }
    }
    if flags & sys::VIR_DOMAIN_AFFECT_LIVE != 0 {
        let end = clock::now() + BALLOON;
        let mut has = domain.info()?.memory;
        while has / 1024 != asked / 1024 {
            if clock::now() > end {
                tracing::warn!(has, asked, "{} does not use its memory as asked: its guest decides", domain.object());
                break;
            }
            clock::pause(PAUSE)?;
            has = domain.info()?.memory;
        }
    }
    Ok(())
}

/// Fails unless a domain may have so much memory from its next start on.
pub(super) fn has_max_memory(domain: &Domain, asked: u64) -> Result<()> {
    let has = size(&xml::parse(&domain.inactive_xml()?)?, "memory").unwrap_or_default();
    if has / 1024 == asked / 1024 {
        return Ok(());
    }
    Err(differs(domain, &format!("{has} bytes of memory at most"), &asked.to_string()))
}

/// Fails unless a domain has so many processors wherever the flags say.
pub(super) fn has_vcpus(domain: &Domain, asked: u32, flags: u32) -> Result<()> {
    const PLACES: [u32; 2] = [sys::VIR_DOMAIN_AFFECT_LIVE, sys::VIR_DOMAIN_AFFECT_CONFIG];
    for place in PLACES.into_iter().filter(|place| flags & place != 0) {
        let which = place | (flags & sys::VIR_DOMAIN_VCPU_MAXIMUM);
        let has = domain.raw()?.vcpus_flags(which).explain("ask for the processors of", domain.object())?;
        if has != asked {
            return Err(differs(domain, &format!("{has} processors"), &asked.to_string()));
        }
    }
    Ok(())
}

/// Fails unless a disk of a running domain is as large as was asked; formats round up.
pub(super) fn has_disk_size(domain: &Domain, disk: &str, asked: u64) -> Result<()> {
    let has = domain.raw()?.block_info(disk, 0).explain("ask for the disks of", domain.object())?.capacity;
    if has >= asked {
        return Ok(());
    }
    Err(differs(domain, &format!("{has} bytes on disk `{disk}`"), &asked.to_string()))
}

/// Fails unless a domain is in the state of this word.
pub(super) fn is(domain: &Domain, word: &str) -> Result<()> {
    let state = domain.state()?;
    if state.word() == word {
        return Ok(());
    }
    Err(differs(domain, &format!("the state {state}"), word))
}

/// Fails unless a domain that was started runs.
pub(super) fn runs(domain: &Domain) -> Result<()> {
    let state = domain.state()?;
    if !state.is_over() {
        return Ok(());
    }
    let message = format!("{} is {state} right after its start", domain.object());
    Err(Error::new(Code::GuestStopped, Area::Domain, message).about(domain.object().plain()))
}

/// Fails unless a volume is as large as was asked.
pub(super) fn is_as_large(volume: &Volume, asked: u64) -> Result<()> {
    let capacity = volume.info()?.capacity;
    if capacity >= asked {
        return Ok(());
    }
    let message = format!("{} has {capacity} bytes instead of {asked}", volume.object());
    Err(Error::new(Code::Failed, Area::Storage, message).about(volume.object().plain()))
}

/// Fails unless a volume is at least as large as its definition says.
pub(super) fn is_as_defined_in_size(volume: &Volume, text: &str) -> Result<()> {
    let asked = size(&xml::parse(text)?, "capacity").unwrap_or_default();
    is_as_large(volume, asked)
}

fn differs(domain: &Domain, has: &str, asked: &str) -> Error {
    let message = format!("{} has {has} instead of {asked}", domain.object());
    Error::new(Code::Failed, Area::Domain, message).about(domain.object().plain())
}

/// A size in a definition, in bytes.
fn size(document: &Elem, field: &str) -> Option<u64> {
    let found = document.find(field)?;
    let unit = found.attr("unit").unwrap_or(if field == "capacity" { "bytes" } else { "KiB" });
    crate::floor::size(&format!("{} {unit}", found.text().trim()).into()).ok()
}
