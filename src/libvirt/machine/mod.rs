//! What this tool keeps of a machine in its metadata, and removing a machine by that record.

mod layers;
mod left;
mod metadata;
mod missing;
mod record;
mod remove;
mod taken;
mod waiting;

pub use left::Left;
pub(super) use missing::{Held, missing};
pub use record::{MachineRecord, Owned};
pub use remove::{Remove, Removed};
pub(super) use taken::disk_use;
