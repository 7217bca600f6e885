//! Changing a domain's devices and sizes: live, for its next start, or both.

use super::cause::Explain;
use super::retry::{repeatedly, while_busy};
use super::{Domain, ffi, verify};
use crate::floor::{Area, Code, Error, Result, clock};
use crate::schema::xml::{self, Elem, Node};
use std::time::Duration;
use virt::sys;

/// How long a guest may take to give a device back.
const UNPLUG: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// Where a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Apply {
    /// In the running domain if it runs, and in the definition if it has one.
    #[default]
    Both,
    /// In the running domain only.
    Live,
    /// In the definition only: from the next start on.
    Config,
}

impl Apply {
    /// The words of [`Apply::from_word`].
    pub const WORDS: &[&str] = &["both", "live", "config"];

    /// The meaning of a word: `both`, `live` or `config`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "both" => Some(Self::Both),
            "live" => Some(Self::Live),
            "config" => Some(Self::Config),
            _ => None,
        }
    }
}

impl Domain {
    /// Plugs a device in.
    pub fn attach_device(&self, xml: &str, apply: Apply) -> Result<()> {
        while_busy(self.host(), || {
            if self.host().is_skipped("attach_device", self.object())? {
                return Ok(());
            }
            let flags = self.affects(apply)?;
            self.raw()?.attach_device_flags(xml, flags).explain(&format!("attach {} to", named(xml)), self.object())
        })
    }

    /// Takes a device out. In a running guest this is done when the guest has given it back, which is waited for.
    pub fn detach_device(&self, device: &str, apply: Apply) -> Result<()> {
        if while_busy(self.host(), || self.host().is_skipped("detach_device", self.object()))? {
            return Ok(());
        }
        self.wherever(device, apply, |xml, flags| {
            let doing = format!("detach {} from", named(xml));
            while_busy(self.host(), || self.raw()?.detach_device_flags(xml, flags).explain(&doing, self.object()))?;
            if flags == sys::VIR_DOMAIN_AFFECT_LIVE { self.wait_detached(xml) } else { Ok(()) }
        })
    }

    /// Changes a device in place, such as the medium of a CD drive or the network of an interface.
    pub fn update_device(&self, xml: &str, apply: Apply) -> Result<()> {
        repeatedly(self.host(), || {
            if self.host().is_skipped("update_device", self.object())? {
                return Ok(());
            }
            let flags = self.affects(apply)?;
            self.raw()?.update_device_flags(xml, flags).explain(&format!("update {} of", named(xml)), self.object())
        })
    }

    /// The XML of one of its devices, named by target (`vdb`, `vnet0`), by MAC address or by alias.
    pub fn device(&self, device: &str) -> Result<String> {
        self.find_device(&devices(&xml::parse(&self.xml()?)?), device)
    }

    /// What its disks are called in it, such as `vda`.
    pub fn disk_names(&self) -> Result<Vec<String>> {
        let root = xml::parse(&self.xml()?)?;
        let targets = root.find_all("devices/disk/target");
        Ok(targets.iter().filter_map(|target| target.attr("dev")).map(str::to_string).collect())
    }

    /// The file that a disk of the running domain stands on, if it is an overlay.
    pub fn backing_file(&self, disk: &str) -> Result<Option<String>> {
        let disk = xml::parse(&self.device(disk)?)?;
        let source = disk.find("backingStore/source");
        Ok(source.and_then(|source| source.attr("file").or_else(|| source.attr("dev"))).map(str::to_string))
    }

    /// Puts a medium into a CD or floppy drive, or takes it out. With `force` a guest that has locked the drive is not asked.
    pub fn change_media(&self, drive: &str, file: Option<&str>, apply: Apply, force: bool) -> Result<()> {
        self.change_source(drive, file.map(|file| ("file", Elem::plain("source", &[("file", file)]))), apply, force)
    }

    /// The same with a medium of any type of source, in the element that names it.
    pub(super) fn change_source(
        &self,
        drive: &str,
        medium: Option<(&str, Elem)>,
        apply: Apply,
        force: bool,
    ) -> Result<()> {
        let (kind, source) = medium.map_or(("file", None), |(kind, source)| (kind, Some(source)));
        self.wherever(drive, apply, |device, flags| {
            let mut device = xml::parse(device)?;
            // It may have been of another one.
            device.set("type", kind);
            let flags = if force { flags | sys::VIR_DOMAIN_DEVICE_MODIFY_FORCE } else { flags };
            self.replace_child(&xml::to_string(&device), &["source", "backingStore"], source.clone(), flags)
        })
    }

    /// Pulls the cable of a network interface, or puts it back.
    pub fn set_link_state(&self, interface: &str, up: bool, apply: Apply) -> Result<()> {
        let link = Elem::plain("link", &[("state", if up { "up" } else { "down" })]);
        self.wherever(interface, apply, |xml, flags| self.replace_child(xml, &["link"], Some(link.clone()), flags))
    }

    /// Sets the memory in bytes; in a running domain that is the balloon's target.
    pub fn set_memory(&self, bytes: u64, apply: Apply) -> Result<()> {
        repeatedly(self.host(), || {
            self.host().attempt("set_memory", self.object())?;
            let flags = self.affects(apply)?;
            self.raw()?.set_memory_flags(bytes / 1024, flags).map(drop).explain("set the memory of", self.object())?;
            verify::has_memory(self, bytes, flags)
        })
    }

    /// Sets the most memory in bytes that it may have from its next start on.
    pub fn set_max_memory(&self, bytes: u64) -> Result<()> {
        let flags = sys::VIR_DOMAIN_AFFECT_CONFIG | sys::VIR_DOMAIN_MEM_MAXIMUM;
        repeatedly(self.host(), || {
            let done = self.raw()?.set_memory_flags(bytes / 1024, flags).map(drop);
            done.explain("set the maximum memory of", self.object())
        })?;
        verify::has_max_memory(self, bytes)
    }

    /// Sets the number of its processors.
    pub fn set_vcpus(&self, count: u32, apply: Apply) -> Result<()> {
        repeatedly(self.host(), || {
            let flags = self.affects(apply)?;
            self.host().attempt("set_vcpus", self.object())?;
            self.raw()?.set_vcpus_flags(count, flags).map(drop).explain("set the processors of", self.object())?;
            verify::has_vcpus(self, count, flags)
        })
    }

    /// Sets the most processors that it may have from its next start on.
    pub fn set_max_vcpus(&self, count: u32) -> Result<()> {
        let flags = sys::VIR_DOMAIN_AFFECT_CONFIG | sys::VIR_DOMAIN_VCPU_MAXIMUM;
        repeatedly(self.host(), || {
            let done = self.raw()?.set_vcpus_flags(count, flags).map(drop);
            done.explain("set the maximum processors of", self.object())
        })?;
        verify::has_vcpus(self, count, flags)
    }

    /// Makes a disk of the running domain as large as this many bytes.
    pub fn block_resize(&self, disk: &str, bytes: u64) -> Result<()> {
        let skipped = repeatedly(self.host(), || {
            let skipped = self.host().is_skipped("resize", self.object())?;
            if !skipped {
                let resized = self.raw()?.block_resize(disk, bytes, sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES);
                resized.map(drop).explain(&format!("resize the disk `{disk}` of"), self.object())?;
            }
            Ok(skipped)
        })?;
        if skipped {
            return Ok(());
        }
        verify::has_disk_size(self, disk, bytes)
    }

    /// Limits the speed of a disk by libvirt's names, such as `total_iops_sec` and `read_bytes_sec`; 0 is no limit.
    pub fn set_iotune(&self, disk: &str, limits: &[(&str, u64)], apply: Apply) -> Result<()> {
        repeatedly(self.host(), || {
            let flags = self.affects(apply)?;
            ffi::set_block_io_tune(&self.raw()?, disk, limits, flags)
                .explain(&format!("limit the disk `{disk}` of"), self.object())
        })
    }

    /// libvirt's flags for what a change can affect right now.
    pub(super) fn affects(&self, apply: Apply) -> Result<u32> {
        Ok(match apply {
            Apply::Live => sys::VIR_DOMAIN_AFFECT_LIVE,
            Apply::Config => sys::VIR_DOMAIN_AFFECT_CONFIG,
            Apply::Both => {
                let live = if self.is_active()? { sys::VIR_DOMAIN_AFFECT_LIVE } else { 0 };
                let config = if self.is_persistent()? { sys::VIR_DOMAIN_AFFECT_CONFIG } else { 0 };
                live | config
            }
        })
    }

    /// Does something with a device in the running domain and in the definition, each with its own XML of it: they may
    /// have it at different places, or only one of them has it.
    fn wherever(&self, device: &str, apply: Apply, deed: impl Fn(&str, u32) -> Result<()>) -> Result<()> {
        let flags = self.affects(apply)?;
        if device.trim_start().starts_with('<') {
            return deed(device, flags);
        }
        let mut missing = None;
        let mut found = false;
        for (place, config) in [(sys::VIR_DOMAIN_AFFECT_LIVE, false), (sys::VIR_DOMAIN_AFFECT_CONFIG, true)] {
            if flags & place == 0 {
                continue;
            }
            let xml = if config { self.inactive_xml()? } else { self.xml()? };
            match self.find_device(&devices(&xml::parse(&xml)?), device) {
                Ok(xml) => {
                    found = true;
                    deed(&xml, place)?;
                }
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        match missing {
            Some(error) if !found => Err(error),
            _ => Ok(()),
        }
    }

    fn find_device(&self, devices: &[Elem], device: &str) -> Result<String> {
        let named = |one: &&Elem| names(one).iter().any(|name| name.eq_ignore_ascii_case(device));
        devices.iter().find(named).map(xml::to_string).ok_or_else(|| {
            let telling = devices.iter().filter(|one| matches!(one.local(), "disk" | "interface" | "filesystem"));
            let known: Vec<String> = telling.filter_map(|one| names(one).into_iter().next()).collect();
            let error = Error::new(Code::NotFound, Area::Domain, format!("{} has no device `{device}`", self.object()))
                .about(self.object().plain());
            match crate::floor::did_you_mean(device, known.iter().map(String::as_str)) {
                Some(hint) => error.hint(hint),
                None if known.is_empty() => error,
                None => error.hint(format!("it has {}", known.join(", "))),
            }
        })
    }

    fn replace_child(&self, device: &str, old: &[&str], new: Option<Elem>, flags: u32) -> Result<()> {
        let mut device = xml::parse(device)?;
        device.nodes.retain(|node| !matches!(node, Node::Elem(one) if old.contains(&one.local())));
        device.nodes.extend(new.map(Node::Elem));
        let xml = xml::to_string(&device);
        repeatedly(self.host(), || {
            self.raw()?.update_device_flags(&xml, flags).explain(&format!("update {} of", named(&xml)), self.object())
        })
    }

    fn wait_detached(&self, device: &str) -> Result<()> {
        let wanted = xml::parse(device)?;
        let end = clock::now() + UNPLUG;
        while devices(&xml::parse(&self.xml()?)?).iter().any(|one| same(one, &wanted)) {
            if clock::now() > end {
                let what = named(device);
                let message = format!("cannot detach {what} from {}: the guest does not give it back", self.object());
                return Err(Error::new(Code::Timeout, Area::Domain, message)
                    .about(self.object().plain())
                    .hint("a guest gives devices back only when it has booted"));
            }
            clock::pause(PAUSE)?;
        }
        Ok(())
    }
}

/// The devices of a domain's document.
pub(super) fn devices(domain: &Elem) -> Vec<Elem> {
    domain.child("devices").map(|devices| devices.children().cloned().collect()).unwrap_or_default()
}

/// What a device is called: by its target, its MAC address, its alias.
pub(super) fn names(device: &Elem) -> Vec<String> {
    let attr = |child: &str, name: &str| device.child(child).and_then(|one| one.attr(name)).map(str::to_string);
    let target = attr("target", "dev").filter(|_| device.local() != "filesystem").or_else(|| attr("target", "dir"));
    [target, attr("mac", "address"), attr("alias", "name")].into_iter().flatten().collect()
}

/// Whether two pieces of XML are about the same device.
pub(super) fn same(a: &Elem, b: &Elem) -> bool {
    let (a_names, b_names) = (names(a), names(b));
    a.local() == b.local() && a_names.iter().any(|name| b_names.contains(name))
}

/// What a device is called in messages: disk `vdb`.
fn named(xml: &str) -> String {
    let Ok(device) = xml::parse(xml) else { return "a device".to_string() };
    match names(&device).first() {
        Some(name) => format!("{} `{name}`", device.local()),
        None => format!("a device `{}`", device.local()),
    }
}
