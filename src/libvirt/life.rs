//! The life of a domain: start, shut down, reboot, pause, sleep, stop, undefine.

use super::cause::{Explain, flag_refused};
use super::define::already;
use super::ipam::{Belongings, is_unfinished};
use super::object::{Kind, Object};
use super::retry::{despite_loss, repeatedly, while_busy};
use super::undo::{self, Made, Transaction};
use super::variables::Variables;
use super::wiring::Wiring;
use super::{Domain, MachineRecord, ffi, verify};
use crate::floor::{Area, Code, Error, Result, clock, interrupt, timing};
use crate::schema::xml::{self, Elem};
use std::time::Duration;
use virt::sys;

/// How often a guest that shuts down is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// How a guest is asked to shut down or reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// As the hypervisor thinks best.
    #[default]
    Any,
    /// The power button.
    Acpi,
    /// The guest agent.
    Agent,
}

impl Mode {
    /// The words of [`Mode::from_word`].
    pub const WORDS: &[&str] = &["any", "acpi", "agent"];

    /// The mode of a word: `any`, `acpi` or `agent`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "acpi" => Some(Self::Acpi),
            "agent" => Some(Self::Agent),
            "any" => Some(Self::Any),
            _ => None,
        }
    }
}

/// How a domain is started; the default is the plain start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "libvirt's flags are independent of each other")]
pub struct Start {
    /// Leave its processors stopped.
    pub paused: bool,
    /// Destroy it when the connection closes.
    pub autodestroy: bool,
    /// Do not fill the host's file cache while a saved state is read.
    pub bypass_cache: bool,
    /// Throw a managed save away and boot.
    pub force_boot: bool,
    /// Begin with fresh UEFI variables.
    pub reset_nvram: bool,
}

/// What to keep when a domain is undefined; the default is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// The UEFI variables.
    pub nvram: bool,
    /// The state of its TPM.
    pub tpm: bool,
}

/// How deep a guest is put to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// Suspend to memory.
    Memory,
    /// Suspend to disk: the guest is off afterwards.
    Disk,
    /// To memory and to disk.
    Hybrid,
}

impl Domain {
    /// Starts it.
    pub fn start(&self) -> Result<()> {
        self.start_with(Start::default())
    }

    /// Starts it in a special way. One that another run is still making is left to that run.
    pub fn start_with(&self, start: Start) -> Result<()> {
        let text = self.inactive_xml()?;
        if is_unfinished(&xml::parse(&text)?) {
            return Err(Error::new(Code::Busy, Area::Domain, format!("{} is still being made", self.object()))
                .about(self.object().plain())
                .hint("the run that makes it starts it; what a killed one has left `vmscript recover` of its user removes"));
        }
        self.keep_leases(&text)?;
        self.start_now(start)
    }

    /// Keeps its leases before it starts: one that is there already says nothing about that start.
    pub(super) fn remember_leases(&self) -> Result<()> {
        self.keep_leases(&self.inactive_xml()?)
    }

    fn keep_leases(&self, text: &str) -> Result<()> {
        let before = Wiring::read(text)?.leases(self.host());
        self.host().remember(self.uuid()?, before);
        Ok(())
    }

    /// Starts it when its leases are remembered.
    pub(super) fn start_now(&self, start: Start) -> Result<()> {
        let flags = flag(start.paused, sys::VIR_DOMAIN_START_PAUSED)
            | flag(start.autodestroy, sys::VIR_DOMAIN_START_AUTODESTROY)
            | flag(start.bypass_cache, sys::VIR_DOMAIN_START_BYPASS_CACHE)
            | flag(start.force_boot, sys::VIR_DOMAIN_START_FORCE_BOOT)
            | flag(start.reset_nvram, sys::VIR_DOMAIN_START_RESET_NVRAM);
        let create = || {
            self.host().attempt("start", self.object())?;
            // The plain call is known to every driver.
            let done = if flags == 0 { self.raw()?.create() } else { self.raw()?.create_with_flags(flags) };
            done.explain("start", self.object()).map_err(|error| self.host().tell_more(error))
        };
        despite_loss(self.host(), &format!("start of {}", self.object()), create, || self.was_started())?;
        verify::runs(self)
    }

    /// Whether it runs; one that a daemon found half started is waited for.
    fn was_started(&self) -> Result<Option<()>> {
        const HALF: Duration = Duration::from_secs(20);
        let end = clock::now() + HALF;
        loop {
            let state = self.state()?;
            if state.reason() != "starting up" || clock::now() > end {
                return Ok((!state.is_over()).then_some(()));
            }
            clock::pause(PAUSE)?;
        }
    }

    /// Asks the guest to shut down, and does not wait for it.
    pub fn shutdown(&self, mode: Mode) -> Result<()> {
        let flags = match mode {
            Mode::Any => sys::VIR_DOMAIN_SHUTDOWN_DEFAULT,
            Mode::Acpi => sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN,
            Mode::Agent => sys::VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,
        };
        self.host().attempt("shutdown", self.object())?;
        self.raw()?.shutdown_flags(flags).explain("shut down", self.object())
    }

    /// Asks the guest to shut down and waits until it is off. With `force`, a guest that is still up at the end of the
    /// time is stopped; without, that is an error.
    pub fn shutdown_and_wait(&self, mode: Mode, timeout: Duration, force: bool) -> Result<()> {
        let end = clock::now() + timeout;
        self.shutdown(mode)?;
        loop {
            match self.state() {
                // A transient domain is gone when it is off.
                Err(error) if error.code == Code::NotFound => return Ok(()),
                Err(error) => return Err(error),
                Ok(state) if state.is_over() => return Ok(()),
                Ok(_) => {}
            }
            let left = end.saturating_sub(clock::now());
            if left.is_zero() {
                break;
            }
            clock::pause(left.min(PAUSE))?;
        }
        if force {
            return self.destroy(false);
        }
        let message = format!("{} is still {} after {} s", self.object(), self.state()?, timeout.as_secs_f64());
        Err(Error::new(Code::Timeout, Area::Domain, message)
            .about(self.object().plain())
            .hint("a guest may ignore the power button: pass `force: true`, or use `destroy()`"))
    }

    /// Asks the guest to reboot, and does not wait for it.
    pub fn reboot(&self, mode: Mode) -> Result<()> {
        let flags = match mode {
            Mode::Any => sys::VIR_DOMAIN_REBOOT_DEFAULT,
            Mode::Acpi => sys::VIR_DOMAIN_REBOOT_ACPI_POWER_BTN,
            Mode::Agent => sys::VIR_DOMAIN_REBOOT_GUEST_AGENT,
        };
        // The guest will ask for its address anew; the lease of before is no answer to that.
        let before = Wiring::read(&self.xml()?)?.leases(self.host());
        self.host().attempt("reboot", self.object())?;
        self.raw()?.reboot(flags).explain("reboot", self.object())?;
        self.host().remember(self.uuid()?, before);
        Ok(())
    }

    /// Presses the reset button: the guest is not asked.
    pub fn reset(&self) -> Result<()> {
        self.raw()?.reset().explain("reset", self.object())
    }

    /// Stops it at once; gracefully means that QEMU may still flush its caches, and that a hanging QEMU is not killed.
    pub fn destroy(&self, graceful: bool) -> Result<()> {
        let flags = if graceful { sys::VIR_DOMAIN_DESTROY_GRACEFUL } else { sys::VIR_DOMAIN_DESTROY_DEFAULT };
        // A transient domain ends here, and its addresses with it.
        let own = self.uuid()?;
        let kept = if self.is_persistent()? { None } else { Some(self.belongings()?) };
        while_busy(self.host(), || {
            self.host().attempt("destroy", self.object())?;
            self.raw()?.destroy_flags(flags).explain("destroy", self.object())
        })?;
        self.may_be_gone(&own);
        kept.map_or(Ok(()), Belongings::release)
    }

    /// Freezes its processors.
    pub fn suspend(&self) -> Result<()> {
        repeatedly(self.host(), || {
            self.host().attempt("suspend", self.object())?;
            self.raw()?.suspend().explain("suspend", self.object())
        })?;
        verify::is(self, "paused")
    }

    /// Lets its processors run again.
    pub fn resume(&self) -> Result<()> {
        let resume = || {
            self.host().attempt("resume", self.object())?;
            self.raw()?.resume().explain("resume", self.object())
        };
        let resume = || while_busy(self.host(), resume);
        despite_loss(self.host(), &format!("resumption of {}", self.object()), resume, || {
            Ok((self.state()?.word() == "running").then_some(()))
        })?;
        verify::runs(self)
    }

    /// Asks the guest's agent to put it to sleep.
    pub fn pm_suspend(&self, sleep: Sleep) -> Result<()> {
        let target = match sleep {
            Sleep::Memory => sys::VIR_NODE_SUSPEND_TARGET_MEM,
            Sleep::Disk => sys::VIR_NODE_SUSPEND_TARGET_DISK,
            Sleep::Hybrid => sys::VIR_NODE_SUSPEND_TARGET_HYBRID,
        };
        ffi::pm_suspend(&self.raw()?, target).explain("put to sleep", self.object())
    }

    /// Wakes it from its sleep.
    pub fn pm_wakeup(&self) -> Result<()> {
        self.raw()?.pm_wakeup(0).explain("wake up", self.object())
    }

    /// Removes its definition and all that libvirt keeps for it: UEFI variables, TPM state, managed save, the records of
    /// snapshots and checkpoints, and what networks keep for it: reservations, names and leases. Disks stay.
    pub fn undefine(&self) -> Result<()> {
        self.undefine_but(Keep::default())
    }

    /// Removes its definition and what libvirt keeps for it, but for some of it.
    pub fn undefine_but(&self, keep: Keep) -> Result<()> {
        // While it runs it goes on using its addresses.
        let kept = if self.is_active()? { None } else { Some(self.belongings()?) };
        let own = self.uuid()?;
        let was = xml::parse(&self.inactive_xml()?)?;
        let nvram = keep.nvram || self.shares_variables(&was, &own)?;
        while_busy(self.host(), || self.undefine_raw(Keep { nvram, ..keep }))?;
        self.delete_left(&was, &MachineRecord::read(&was).left, keep);
        self.may_be_gone(&own);
        kept.map_or(Ok(()), Belongings::release)
    }

    /// Whether another domain has the file of its UEFI variables, which is then that one's to keep.
    fn shares_variables(&self, was: &Elem, own: &str) -> Result<bool> {
        let Some(file) = Variables::of(was) else { return Ok(false) };
        let Some((other, _)) = self.host().user_of(&file, own)? else { return Ok(false) };
        tracing::warn!(
            "the UEFI variables of {} stay: they are in the same file as those of {}",
            self.object(),
            other.object()
        );
        Ok(true)
    }

    /// With it go its snapshots and checkpoints.
    fn may_be_gone(&self, own: &str) {
        undo::gone(self.host(), |made| match made {
            Made::Domain { uuid, .. } | Made::Snapshot { uuid, .. } | Made::Checkpoint { uuid, .. } => uuid == own,
            _ => false,
        });
    }

    fn undefine_raw(&self, keep: Keep) -> Result<()> {
        // Older drivers know fewer flags, and refuse the call for one that they do not know.
        const BASE: u32 = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
        self.host().attempt("undefine", self.object())?;
        let nvram = if keep.nvram { sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM } else { sys::VIR_DOMAIN_UNDEFINE_NVRAM };
        let tpm = if keep.tpm { sys::VIR_DOMAIN_UNDEFINE_KEEP_TPM } else { sys::VIR_DOMAIN_UNDEFINE_TPM };
        let checkpoints = BASE | nvram | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
        let mut tries = vec![checkpoints | tpm];
        // What must be kept is never deleted because a driver knows no flag for it.
        if !keep.tpm {
            tries.extend([checkpoints, BASE | nvram]);
            if !keep.nvram {
                tries.extend([BASE, 0]);
            }
        }
        let last = tries.pop().unwrap_or_default();
        for flags in tries {
            match self.raw()?.undefine_flags(flags) {
                Err(error) if flag_refused(&error) => {}
                done => return done.explain("undefine", self.object()),
            }
        }
        self.raw()?.undefine_flags(last).explain("undefine", self.object())
    }

    /// Gives it another name; it must be off. The file of its UEFI variables goes with it, and is called after it again. It is
    /// done as a whole: who asks to stop meanwhile is heard afterwards.
    pub fn rename(&self, name: &str) -> Result<Self> {
        let _turn = self.alone()?;
        self.host().attempt("rename", self.object())?;
        timing::timed(&self.object().plain(), "rename", || interrupt::shielded(|| self.renamed(name)))
    }

    fn renamed(&self, name: &str) -> Result<Self> {
        if self.host().find_domain(name)?.is_some() {
            return Err(already(&Object::new(Kind::Domain, name)));
        }
        let transaction = Transaction::begin_apart();
        let renamed = self.move_variables(name).and_then(|former| {
            self.raw()?.rename(name, 0).explain("rename", self.object()).map(drop).map_err(|error| {
                let is_taken = error.code == Code::AlreadyExists;
                let error = if is_taken { already(&Object::new(Kind::Domain, name)) } else { error };
                former.iter().fold(error, |error, former| self.put_back(former, error))
            })
        });
        if let Err(error) = renamed {
            return Err(transaction.roll_back(error));
        }
        // What is undone is the making of the file that it does not use: now, that is the former one.
        for note in transaction.undo() {
            tracing::warn!("{note}");
        }
        self.host().domain(name)
    }

    /// Sends a non-maskable interrupt, at which many guests write a crash dump.
    pub fn inject_nmi(&self) -> Result<()> {
        ffi::inject_nmi(&self.raw()?).explain("send an interrupt to", self.object())
    }
}

fn flag(on: bool, value: u32) -> u32 {
    if on { value } else { 0 }
}
