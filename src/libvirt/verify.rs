//! Looking again: what libvirt says it did is read back and compared with what was asked.

use super::{Domain, Volume};
use crate::floor::{Area, Code, Error, Result};
use crate::schema::xml;

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
    let memory = document.find("memory").and_then(|memory| {
        let unit = memory.attr("unit").unwrap_or("KiB");
        crate::floor::size(&format!("{} {unit}", memory.text().trim()).into()).ok()
    });
    // libvirt rounds up to what the hypervisor can give.
    match memory {
        Some(asked) if info.max_memory < asked => {
            Err(differs(domain, &format!("{} bytes of memory", info.max_memory), &asked.to_string()))
        }
        _ => Ok(()),
    }
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

fn differs(domain: &Domain, has: &str, asked: &str) -> Error {
    let message = format!("{} was made with {has} instead of {asked}", domain.object());
    Error::new(Code::Failed, Area::Domain, message).about(domain.object().plain())
}
