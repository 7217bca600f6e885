//! Whether guests boot with a host's hardware virtualization. That KVM is offered says little: nested and emulated ones let
//! a guest hang or crawl, so a small one is tried.

use super::{Content, Domain, GuestKind, Host, Pool, Transaction};
use crate::floor::{Code, Result, cache_folder, clock, interrupt, timing};
use crate::schema::xml::{self, Elem};
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, UNIX_EPOCH};
use std::{fs, process};

/// What guests of a host should run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtType {
    /// `kvm` or `qemu`, as a domain's `type`.
    pub name: &'static str,
    /// How that is known.
    pub why: String,
}

/// How long the small guest may take: real hardware needs a fraction of a second, and a busy host some more.
const LIMIT: Duration = Duration::from_secs(10);

/// How long a finding holds.
const HOLDS: Duration = Duration::from_secs(24 * 60 * 60);

/// A boot sector that does what a guest does at its start, counts for a while, and switches the machine off.
#[rustfmt::skip]
const SECTOR: [u8; 174] = [
    // In real mode: segments and stack.
    0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc, 0x00, 0x7c,
    // Ask the BIOS about the disk, and read a sector of it.
    0xb4, 0x41, 0xbb, 0xaa, 0x55, 0xb2, 0x80, 0xcd, 0x13,
    0xb8, 0x01, 0x02, 0xb9, 0x01, 0x00, 0xba, 0x80, 0x00, 0xbb, 0x00, 0x7e, 0xcd, 0x13,
    // Page tables at 0x9000, 0xa000 and 0xb000: the first two MiB where they are.
    0xfa, 0xbf, 0x00, 0x90, 0xb9, 0x00, 0x18, 0xfc, 0x31, 0xc0, 0xf3, 0xab,
    0xc7, 0x06, 0x00, 0x90, 0x03, 0xa0, 0xc7, 0x06, 0x00, 0xa0, 0x03, 0xb0, 0xc7, 0x06, 0x00, 0xb0, 0x83, 0x00,
    // CR3, CR4.PAE, EFER.LME, the descriptors, CR0.PG and CR0.PE: long mode.
    0x66, 0xb8, 0x00, 0x90, 0x00, 0x00, 0x0f, 0x22, 0xd8, 0x0f, 0x20, 0xe0, 0x0c, 0x20, 0x0f, 0x22, 0xe0,
    0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x80, 0xcc, 0x01, 0x0f, 0x30, 0x66, 0x0f, 0x01, 0x16, 0xa8, 0x7c,
    0x0f, 0x20, 0xc0, 0x66, 0x0d, 0x01, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, 0xea, 0x75, 0x7c, 0x08, 0x00,
    // Count down from 20 million: 10 ms on hardware, 200 ms emulated, minutes where hardware is pretended.
    0xb9, 0x00, 0x2d, 0x31, 0x01, 0xff, 0xc9, 0x75, 0xfc,
    // Power off by ACPI, at the ports of q35 and of old machines; halt if that does nothing.
    0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef, 0xb6, 0xb0, 0xb2, 0x04, 0x66, 0xef, 0xf4, 0xeb, 0xfd,
    // The descriptors, and where they are.
    0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x9a, 0x20, 0x00, 0x0f, 0x00, 0x98, 0x7c, 0x00, 0x00,
];

impl Host {
    /// `kvm` if the host offers it and a guest boots on it, else `qemu`. The guest is tried in a volume of this pool, and
    /// the finding holds for a day; without a pool nothing is tried, and the host's word is taken.
    pub fn virt_type(&self, pool: Option<&Pool>) -> Result<VirtType> {
        let kvm = GuestKind { virt_type: Some("kvm".to_string()), ..GuestKind::default() };
        let found = |name, why: &str| Ok(VirtType { name, why: why.to_string() });
        let Ok(offered) = self.domain_capabilities(&kvm) else { return found("qemu", "the host has no KVM") };
        if !offered.contains("<arch>x86_64</arch>") {
            return found("kvm", "the host has KVM; only guests of x86_64 are tried");
        }
        // Many machines are made at a time, and one of them finds out.
        let lock = self.lock("virt type");
        let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let boots = match (self.kept(), pool) {
            (Some(boots), _) => boots,
            (None, None) => return found("kvm", "the host has KVM; no guest was tried"),
            (None, Some(pool)) => {
                let boots = timing::timed("KVM", "try", || self.boots("kvm", pool))?;
                self.keep(boots);
                boots
            }
        };
        if boots {
            found("kvm", "the host has KVM, and a guest boots on it")
        } else {
            found("qemu", "the host has KVM, but no guest boots on it")
        }
    }

    /// Whether a guest of this type (`kvm`, `qemu`) boots and switches itself off within ten seconds. Its disk is made in this
    /// pool, and nothing is left of it.
    pub fn boots(&self, kind: &str, pool: &Pool) -> Result<bool> {
        // Other machines may try at the same moment.
        let moment = UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos());
        let name = format!("vmscript-try-{kind}-{}-{moment}", process::id());
        let transaction = Transaction::begin();
        let tried = self.try_boot(kind, pool, &name);
        // Nothing of it is kept, however it ended.
        for note in transaction.undo() {
            tracing::warn!("{note}");
        }
        tried
    }

    fn try_boot(&self, kind: &str, pool: &Pool, name: &str) -> Result<bool> {
        let mut sector = SECTOR.to_vec();
        sector.resize(510, 0);
        sector.extend([0x55, 0xaa]);
        sector.resize(1 << 20, 0);
        let volume = format!(
            "<volume><name>{name}</name><capacity>{}</capacity><target><format type='raw'/></target></volume>",
            sector.len()
        );
        pool.create_filled_volume(&volume, &Content::Bytes(sector))?;
        let source = Elem::plain("source", &[("pool", pool.name()), ("volume", name)]);
        let started = self.create_domain(&format!(
            "<domain type='{kind}'><name>{name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os><features><acpi/></features>\
             <on_poweroff>destroy</on_poweroff><on_crash>destroy</on_crash><devices><disk type='volume' device='disk'>\
             <driver name='qemu' type='raw'/>{}<target dev='vda' bus='virtio'/><readonly/></disk>\
             <memballoon model='none'/></devices></domain>",
            xml::to_string(&source)
        ));
        match started {
            // The host refuses to start one at all. What ends a run, and trouble with storage, says nothing about guests.
            Err(error) if matches!(error.code, Code::Failed | Code::InvalidDefinition | Code::Unsupported) => {
                tracing::warn!(%error, "no guest of type {kind} can be started");
                Ok(false)
            }
            started => ends(&started?),
        }
    }

    /// What was found at most a day ago.
    fn kept(&self) -> Option<bool> {
        let file = self.finding()?;
        let age = fs::metadata(&file).ok()?.modified().ok()?.elapsed().ok()?;
        if age > HOLDS {
            return None;
        }
        match fs::read_to_string(&file).ok()?.trim() {
            "kvm" => Some(true),
            "qemu" => Some(false),
            _ => None,
        }
    }

    /// Not being able to keep it costs time and nothing else.
    fn keep(&self, boots: bool) {
        if let Some(file) = self.finding() {
            drop(file.parent().map(fs::create_dir_all));
            drop(fs::write(file, if boots { "kvm" } else { "qemu" }));
        }
    }

    /// The file of the finding: `$XDG_CACHE_HOME/vmscript/virt-type/HOST`.
    fn finding(&self) -> Option<PathBuf> {
        let name =
            self.hostname().ok().filter(|name| !name.is_empty() && !name.contains('/') && !name.starts_with('.'))?;
        Some(cache_folder()?.join("virt-type").join(name))
    }
}

/// Whether a guest switches itself off in time.
fn ends(domain: &Domain) -> Result<bool> {
    let end = clock::now() + LIMIT;
    while domain.is_active().unwrap_or(false) {
        if clock::now() > end {
            return Ok(false);
        }
        interrupt::pause(Duration::from_millis(20))?;
    }
    Ok(true)
}
