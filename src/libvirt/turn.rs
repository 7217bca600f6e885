//! Volumes that another run of this machine is making at the same time.

use super::replace::beside;
use super::{Pool, Volume, undo};
use crate::floor::progress::Progress;
use crate::floor::{Result, interrupt};
use std::time::Duration;

/// How often it is looked whether the other run is done: a look reads the journals of this machine.
const LOOK: Duration = Duration::from_millis(100);

impl Pool {
    /// Looks for the volume of this name. One that another run is making is waited for: what it holds is not known before.
    pub fn find_whole_volume(&self, name: &str) -> Result<Option<Volume>> {
        let found = self.find_volume(name)?;
        if found.is_some() && self.wait_for_maker(name)? { self.find_volume(name) } else { Ok(found) }
    }

    /// Gives way to another run that makes or replaces the volume of this name; without one, to calls that are on their way.
    pub fn give_way(&self, name: &str) -> Result<()> {
        if self.wait_for_maker(&beside(name))? || self.wait_for_maker(name)? { Ok(()) } else { interrupt::sleep(LOOK) }
    }

    fn wait_for_maker(&self, name: &str) -> Result<bool> {
        let pool = self.named()?;
        if !undo::is_being_made(Some(&pool), name) {
            return Ok(false);
        }
        tracing::warn!("another run is making volume `{name}`, which is waited for");
        let _waiting = Progress::begin(&format!("wait for the run that makes {name}"), None);
        while undo::is_being_made(Some(&pool), name) {
            interrupt::sleep(LOOK)?;
        }
        Ok(true)
    }
}

impl Volume {
    /// Waits while another run is making it.
    pub fn wait_until_whole(&self) -> Result<()> {
        // Which pool it is in is a call to the host.
        if undo::is_being_made(None, self.name()) {
            self.pool()?.wait_for_maker(self.name())?;
        }
        Ok(())
    }
}
