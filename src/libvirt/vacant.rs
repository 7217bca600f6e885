//! Pools that go when they hold nothing, such as those that were made for machines: any number of runs fill and empty them at once.

use super::Pool;
use super::turn::{Over, Side};
use super::undo::{self, Made};
use crate::floor::{Code, Error, Result, interrupt};
use std::time::Duration;

/// How often it is tried to take a pool away that another host's run takes away or starts at the same time, and the pause between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

impl Pool {
    /// Says that the transaction of this thread is about to make volumes in it: until that ends, no other run of this machine takes
    /// it away for being empty, and undoing does if it is empty then; `folder` as for [`Pool::remove_if_empty`]. Gives whether it
    /// is there and started; another run may just have taken it away.
    pub fn hold(&self, folder: bool) -> Result<bool> {
        let _others = Side::Used.over(Over::Pools)?;
        let own = self.uuid()?;
        let Some(pool) = self.host().pool_of_uuid(&own)? else { return Ok(false) };
        if !pool.is_active()? {
            return Ok(false);
        }
        undo::once(self.host(), self.vacant(folder, true)?)?;
        Ok(true)
    }

    /// Takes it away if it holds nothing and no other run of this machine is about to fill it: stops it and undefines it, and with
    /// `folder` deletes what it stands on, unless somebody put more than volumes there. Gives whether it is gone. The wish to stop
    /// waits: half a pool is of no use to anybody.
    pub fn remove_if_empty(&self, folder: bool) -> Result<bool> {
        interrupt::shielded(|| {
            let _alone = Side::Gone.over(Over::Pools)?;
            let own = self.uuid()?;
            let mut tries = TRIES;
            loop {
                let Some(pool) = self.host().pool_of_uuid(&own)? else { return Ok(true) };
                match pool.take(folder) {
                    // A run of another machine does the same.
                    Err(error) if tries > 0 && matches!(error.code, Code::NotFound | Code::InvalidState) => {
                        tries -= 1;
                        std::thread::sleep(PAUSE);
                    }
                    done => return done,
                }
            }
        })
    }

    fn take(&self, folder: bool) -> Result<bool> {
        if !self.is_vacant()? {
            return Ok(false);
        }
        let is_kept = self.is_persistent()?;
        if self.is_active()? {
            self.destroy()?;
        }
        if folder && let Err(error) = self.delete() {
            tracing::debug!(%error, "what the pool stands on stays");
        }
        if is_kept {
            self.undefine()?;
        }
        Ok(true)
    }

    /// Whether it holds nothing, and no other run is about to fill it. One whose removal was broken off is stopped by then, and
    /// perhaps without its folder.
    pub(super) fn is_vacant(&self) -> Result<bool> {
        if undo::is_being_filled(&self.uuid()?) {
            return Ok(false);
        }
        let was_active = self.is_active()?;
        let looked = if was_active { self.holds_nothing() } else { self.start().and_then(|()| self.holds_nothing()) };
        if !was_active && self.is_active()? {
            self.destroy()?;
        }
        match looked {
            // Its folder may be on a disk that is not mounted: then machines are there without their volumes.
            Err(error) if is_nowhere(&error) => Ok(!undo::is_needed(self.host(), self.named()?)?),
            looked => looked,
        }
    }

    fn holds_nothing(&self) -> Result<bool> {
        if !self.volumes()?.is_empty() {
            return Ok(false);
        }
        // Somebody may have put a file there.
        self.refresh()?;
        Ok(self.volumes()?.is_empty())
    }

    /// What there is to do with it if it holds nothing; `fills` says whether the run is about to change that.
    pub(super) fn vacant(&self, folder: bool, fills: bool) -> Result<Made> {
        Ok(Made::Vacant { pool: self.named()?, folder, fills })
    }
}

/// Whether the folder of a pool is gone.
fn is_nowhere(error: &Error) -> bool {
    error.cause.as_deref().is_some_and(|words| words.contains("No such file or directory"))
}
