//! Jobs on the disks of a running domain: copy, commit, pull.

use super::cause::Explain;
use super::events::{EventKind, Events};
use super::{Domain, ffi};
use crate::floor::progress::Progress;
use crate::floor::{Area, Code, Error, Result, Value, interrupt};
use std::time::{Duration, Instant};
use virt::sys;

const PAUSE: Duration = Duration::from_millis(100);
/// How long the event of a job that is gone may take.
const GRACE: Duration = Duration::from_secs(2);

/// What a disk is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockJob {
    /// `pull`, `copy`, `commit`, `active-commit` or `backup`.
    pub kind: &'static str,
    /// The limit of its speed in bytes a second; 0 for none.
    pub bandwidth: u64,
    /// How much is done, in bytes.
    pub done: u64,
    /// How much there is to do, in bytes; it may grow.
    pub total: u64,
}

/// How a block job is done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "libvirt's flags are independent of each other")]
pub struct BlockJobOptions {
    /// The limit of its speed in bytes a second; 0 for none.
    pub bandwidth: u64,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether to wait for its end at all.
    pub wait: bool,
    /// Copy: go over to the copy when it is complete; else the copy is a picture of that moment.
    pub pivot: bool,
    /// Copy: only the top of the chain.
    pub shallow: bool,
    /// Copy: into a file that is there already.
    pub reuse_external: bool,
    /// Commit and pull: the file that the disk stands on afterwards.
    pub base: Option<String>,
    /// Commit: the uppermost file to merge; else the disk itself.
    pub top: Option<String>,
    /// Commit: delete the files that were merged.
    pub delete: bool,
}

impl Default for BlockJobOptions {
    fn default() -> Self {
        Self {
            bandwidth: 0,
            timeout: Duration::from_secs(3600),
            wait: true,
            pivot: true,
            shallow: false,
            reuse_external: false,
            base: None,
            top: None,
            delete: false,
        }
    }
}

impl Domain {
    /// Copies a disk to where the XML of a disk says, while the guest uses it.
    pub fn block_copy(&self, disk: &str, xml: &str, options: &BlockJobOptions) -> Result<()> {
        let events = self.job_events()?;
        let flag = |on: bool, value| if on { value } else { 0 };
        let flags = flag(options.shallow, sys::VIR_DOMAIN_BLOCK_COPY_SHALLOW)
            | flag(options.reuse_external, sys::VIR_DOMAIN_BLOCK_COPY_REUSE_EXT)
            // A domain with a definition takes such a job only if that may be lost with the domain.
            | sys::VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB;
        ffi::block_copy(&self.raw()?, disk, xml, options.bandwidth, flags)
            .explain(&format!("copy the disk `{disk}` of"), self.object())?;
        if !options.wait {
            return Ok(());
        }
        self.wait_block_job(disk, &events, options.timeout, true)?;
        self.end_block_job(disk, options.pivot)
    }

    /// Merges the overlays of a disk into what they stand on, while the guest uses it.
    pub fn block_commit(&self, disk: &str, options: &BlockJobOptions) -> Result<()> {
        let events = self.job_events()?;
        // Without a top the disk itself is merged, and then goes over to its base.
        let active = options.top.is_none();
        let flags = if active { sys::VIR_DOMAIN_BLOCK_COMMIT_ACTIVE } else { 0 }
            | if options.delete { sys::VIR_DOMAIN_BLOCK_COMMIT_DELETE } else { 0 };
        let (base, top) = (options.base.as_deref(), options.top.as_deref());
        ffi::block_commit(&self.raw()?, disk, base, top, options.bandwidth, flags)
            .explain(&format!("commit the disk `{disk}` of"), self.object())?;
        if !options.wait {
            return Ok(());
        }
        self.wait_block_job(disk, &events, options.timeout, active)?;
        if active { self.end_block_job(disk, true) } else { Ok(()) }
    }

    /// Copies what a disk stands on into the disk, so that it stands alone, or on `base`.
    pub fn block_pull(&self, disk: &str, options: &BlockJobOptions) -> Result<()> {
        let events = self.job_events()?;
        ffi::block_rebase(&self.raw()?, disk, options.base.as_deref(), options.bandwidth)
            .explain(&format!("pull the disk `{disk}` of"), self.object())?;
        if options.wait { self.wait_block_job(disk, &events, options.timeout, false) } else { Ok(()) }
    }

    /// What a disk is busy with, if it is.
    pub fn block_job(&self, disk: &str) -> Result<Option<BlockJob>> {
        let info = ffi::block_job_info(&self.raw()?, disk)
            .explain(&format!("ask for the job of the disk `{disk}` of"), self.object())?;
        Ok(info.map(|info| BlockJob {
            kind: match info.kind {
                sys::VIR_DOMAIN_BLOCK_JOB_TYPE_PULL => "pull",
                sys::VIR_DOMAIN_BLOCK_JOB_TYPE_COPY => "copy",
                sys::VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT => "commit",
                sys::VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT => "active-commit",
                sys::VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP => "backup",
                _ => "unknown",
            },
            bandwidth: info.bandwidth,
            done: info.done,
            total: info.total,
        }))
    }

    /// Ends a disk's job: goes over to its result if it is complete and `pivot` says so, else gives it up.
    pub fn end_block_job(&self, disk: &str, pivot: bool) -> Result<()> {
        let flags = if pivot { sys::VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT } else { 0 };
        let doing = if pivot { "go over to the result of the job of" } else { "end the job of" };
        ffi::block_job_abort(&self.raw()?, disk, flags).explain(&format!("{doing} the disk `{disk}` of"), self.object())
    }

    fn job_events(&self) -> Result<Events> {
        self.host().events(&[EventKind::BlockJob])
    }

    /// Waits until a job is ready to be ended (`until_ready`) or has ended by itself. Given up on time out or Ctrl-C.
    fn wait_block_job(&self, disk: &str, events: &Events, timeout: Duration, until_ready: bool) -> Result<()> {
        let progress = Progress::begin(&format!("disk {disk} of {}", self.name()), None);
        let done = self.watch_block_job(disk, events, timeout, until_ready, &progress);
        if done.as_ref().is_err_and(|error| matches!(error.code, Code::Timeout | Code::Interrupted)) {
            // The error at hand says more than whatever this may meet.
            drop(self.end_block_job(disk, false));
        }
        done
    }

    fn watch_block_job(
        &self,
        disk: &str,
        events: &Events,
        timeout: Duration,
        until_ready: bool,
        progress: &Progress,
    ) -> Result<()> {
        let (begin, uuid) = (Instant::now(), self.uuid()?);
        let failed = |how: &str| {
            let message = format!("the job of the disk `{disk}` of {} {how}", self.object());
            Error::new(Code::Failed, Area::Domain, message).about(self.object().plain())
        };
        let mut gone = None;
        loop {
            while let Some(event) = events.try_next() {
                let field = |name: &str| event.fields.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
                if event.uuid != uuid || field("disk") != disk {
                    continue;
                }
                let status = field("status");
                // The end of a job before may be heard late: libvirt tells it before it forgets that job.
                let is_end = matches!(status.as_str(), "completed" | "failed" | "canceled");
                if is_end && self.block_job(disk)?.is_some() {
                    continue;
                }
                match status.as_str() {
                    "ready" if until_ready => return Ok(()),
                    "completed" if until_ready => return Err(failed("ended before it was ready")),
                    "completed" => return Ok(()),
                    "failed" => return Err(failed("failed").hint("is there enough space for the data?")),
                    "canceled" => return Err(failed("was canceled")),
                    _ => {}
                }
            }
            match self.block_job(disk)? {
                Some(job) => progress.status(&format!("{} {} of {} MiB", job.kind, job.done >> 20, job.total >> 20)),
                // Its event is on its way.
                None => {
                    if gone.get_or_insert_with(Instant::now).elapsed() > GRACE {
                        return if until_ready { Err(failed("is gone")) } else { Ok(()) };
                    }
                }
            }
            if begin.elapsed() > timeout {
                let message = format!(
                    "the job of the disk `{disk}` of {} takes longer than {} s",
                    self.object(),
                    timeout.as_secs_f64()
                );
                return Err(Error::new(Code::Timeout, Area::Domain, message).about(self.object().plain()));
            }
            interrupt::pause(PAUSE)?;
        }
    }
}
