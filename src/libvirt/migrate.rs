//! Moving a domain to another host.

use super::cause::Explain;
use super::moving::Moving;
use super::words::without_nul;
use super::{Domain, Host, Transaction, ffi};
use crate::floor::progress::Progress;
use crate::floor::{Area, Code, Error, Map, Result, interrupt};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use virt::domain::MigrateParameters;
use virt::sys;

const PAUSE: Duration = Duration::from_millis(200);

/// How a domain moves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "libvirt's flags are independent of each other")]
pub struct Migrate {
    /// The guest runs on meanwhile.
    pub live: bool,
    /// Only the definition moves; the domain is off.
    pub offline: bool,
    /// The hosts talk to each other, instead of through us.
    pub peer_to_peer: bool,
    /// The data goes through libvirt's own connection, which may be encrypted.
    pub tunnelled: bool,
    /// It has a definition there.
    pub persist: bool,
    /// It has no definition here any more.
    pub undefine_source: bool,
    /// Copy the disks, as both hosts have storage of their own.
    pub copy_storage: bool,
    /// Delete the disks here that were copied.
    pub remove_source: bool,
    /// Do it even where a disk's cache may lose data.
    pub unsafe_caches: bool,
    /// Slow a guest down that changes its memory faster than it can be copied.
    pub auto_converge: bool,
    /// Its name there.
    pub name: Option<String>,
    /// Where its data goes, such as `tcp://10.0.0.2`; else what the other host says.
    pub uri: Option<String>,
    /// The limit of its speed in MiB a second.
    pub bandwidth: Option<u64>,
    /// How long it may take; then it is given up, and the guest stays here.
    pub timeout: Option<Duration>,
}

impl Default for Migrate {
    fn default() -> Self {
        Self {
            live: true,
            offline: false,
            peer_to_peer: false,
            tunnelled: false,
            persist: true,
            undefine_source: true,
            copy_storage: false,
            remove_source: false,
            unsafe_caches: false,
            auto_converge: false,
            name: None,
            uri: None,
            bandwidth: None,
            timeout: None,
        }
    }
}

impl Domain {
    /// Moves it to another host and gives it there, with what networks keep for it. On time out or Ctrl-C the move is given up.
    pub fn migrate(&self, to: &Host, how: &Migrate) -> Result<Self> {
        without_nul("a name or a URI", &[how.name.as_deref(), how.uri.as_deref()])?;
        if self.host().is_skipped("migrate", self.object())? {
            // In a test all hosts are the same one: it is there already.
            return to.domain(self.name());
        }
        let is_off = !self.is_active()?;
        if is_off && !how.copy_storage && !how.offline {
            let message = format!("cannot migrate {}: it is off", self.object());
            return Err(Error::new(Code::InvalidState, Area::Domain, message)
                .about(self.object().plain())
                .hint("`copy_storage: true` takes its disks along")
                .hint("`offline: true` moves its definition alone, where both hosts have the same storage"));
        }
        let belongings = self.belongings()?;
        let autostart = self.is_persistent()? && self.autostart()?;
        let variables = || self.variables_path(&self.secure_xml()?);
        let moved = if how.copy_storage {
            let moving = Moving::plan(self, to)?;
            let variables = variables()?;
            let carry = || moving.carry(how, variables.as_deref());
            let foreseen = variables.as_deref().filter(|path| !is_off && !to.has_file(path).unwrap_or(true));
            let moved = moving.around(|| if is_off { carry() } else { self.go(to, how) });
            let moved = moved.inspect_err(|_| foreseen.into_iter().for_each(|path| moving.forget(to, path)))?;
            if how.undefine_source {
                moving.leave(how.remove_source, variables.as_deref());
            }
            moved
        } else if is_off {
            Moving::need_disks(self, to)?;
            let variables = variables()?;
            let moved = self.go(to, how)?;
            if let Some(path) = variables
                && let Err(error) = moved.follow_variables(self, &path, how.undefine_source)
            {
                tracing::warn!("the UEFI variables of {} stay at `{}`: {error}", self.object(), self.host().uri());
            }
            moved
        } else {
            self.go(to, how)?
        };
        if autostart
            && how.persist
            && let Err(error) = moved.set_autostart(true)
        {
            tracing::warn!("{} does not start with `{}`: {error}", moved.object(), to.uri());
        }
        // It has moved, whatever becomes of its addresses. They follow it, and stay if a transaction around this fails.
        let apart = Transaction::begin_apart();
        let held = moved.hold_belongings();
        apart.commit();
        if let Err(error) = held {
            tracing::warn!("what networks kept for {} is not kept at `{}`: {error}", self.object(), to.uri());
        }
        if how.undefine_source
            && let Err(error) = belongings.release()
        {
            tracing::warn!("what networks keep for {} stays at `{}`: {error}", self.object(), self.host().uri());
        }
        Ok(moved)
    }

    fn go(&self, to: &Host, how: &Migrate) -> Result<Self> {
        let progress = Progress::begin(&format!("migrate {}", self.name()), None);
        let (answer, moved) = mpsc::channel();
        let (domain, target, options) = (self.clone(), to.clone(), how.clone());
        let thread = thread::Builder::new().name("migrate".to_string()).spawn(move || {
            // Whoever waits for it may have given up.
            drop(answer.send(domain.migrate_now(&target, &options)));
        });
        thread.map_err(|error| {
            Error::new(Code::Failed, Area::Domain, "cannot start a thread").caused_by(error.to_string())
        })?;
        let begin = Instant::now();
        let mut given_up = None;
        loop {
            match moved.recv_timeout(PAUSE) {
                Ok(Ok(domain)) => return Ok(domain),
                Ok(Err(error)) if self.host().has_plan() => {
                    return Err(
                        error.hint("libvirt's test driver moves nothing: `skip(\"migrate\")` counts it as done")
                    );
                }
                Ok(Err(error)) => return Err(given_up.unwrap_or(error)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(Code::Failed, Area::Domain, "the migration's thread is gone"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if given_up.is_none() {
                given_up = self.give_up(begin, how.timeout);
                if given_up.is_some() {
                    // The move may be over at this very moment; its answer comes in any case.
                    drop(self.abort_job());
                }
            }
            if let Ok(job) = self.job() {
                let mib = |name: &str| match job.get(name) {
                    Some(crate::floor::Value::Int(bytes)) => bytes >> 20,
                    _ => 0,
                };
                progress.status(&format!("{} of {} MiB", mib("data_processed"), mib("data_total")));
            }
        }
    }

    /// The job that it is busy with, by libvirt's names in snake case; empty if there is none.
    pub fn job(&self) -> Result<Map> {
        let (kind, flat) = ffi::job_stats(&self.raw()?, false).explain("ask for the job of", self.object())?;
        if kind == 0 {
            return Ok(Map::new());
        }
        Ok(flat.into_iter().map(|(name, value)| (name.replace('-', "_"), value)).collect())
    }

    /// Gives up the job that it is busy with.
    pub fn abort_job(&self) -> Result<()> {
        ffi::abort_job(&self.raw()?).explain("abort the job of", self.object())
    }

    fn give_up(&self, begin: Instant, timeout: Option<Duration>) -> Option<Error> {
        if let Err(error) = interrupt::check() {
            return Some(error);
        }
        let timeout = timeout.filter(|timeout| begin.elapsed() > *timeout)?;
        let message =
            format!("{} has not moved within {} s; it stays where it is", self.object(), timeout.as_secs_f64());
        Some(
            Error::new(Code::Timeout, Area::Domain, message)
                .about(self.object().plain())
                .hint("give it more `timeout` or `bandwidth`, or pass `auto_converge: true`"),
        )
    }

    fn migrate_now(&self, to: &Host, how: &Migrate) -> Result<Self> {
        let flag = |on: bool, value| if on { value } else { 0 };
        let flags = flag(how.live && !how.offline, sys::VIR_MIGRATE_LIVE)
            | flag(how.offline, sys::VIR_MIGRATE_OFFLINE)
            | flag(how.peer_to_peer || how.tunnelled, sys::VIR_MIGRATE_PEER2PEER)
            | flag(how.tunnelled, sys::VIR_MIGRATE_TUNNELLED)
            | flag(how.persist || how.offline, sys::VIR_MIGRATE_PERSIST_DEST)
            | flag(how.undefine_source, sys::VIR_MIGRATE_UNDEFINE_SOURCE)
            | flag(how.copy_storage, sys::VIR_MIGRATE_NON_SHARED_DISK)
            | flag(how.unsafe_caches, sys::VIR_MIGRATE_UNSAFE)
            | flag(how.auto_converge, sys::VIR_MIGRATE_AUTO_CONVERGE);
        let parameters = MigrateParameters {
            dest_name: how.name.clone(),
            uri: how.uri.clone(),
            bandwidth: how.bandwidth,
            ..MigrateParameters::default()
        };
        let doing = format!("migrate to `{}`", to.uri());
        if flags & sys::VIR_MIGRATE_PEER2PEER != 0 {
            self.raw()?.migrate_to_uri3(Some(to.uri()), parameters, flags).explain(&doing, self.object())?;
            return to.domain(how.name.as_deref().unwrap_or(self.name()));
        }
        let raw = self.raw()?.migrate3(&to.raw()?, parameters, flags).explain(&doing, self.object())?;
        Domain::new(to, raw)
    }
}
