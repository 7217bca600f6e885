//! What this tool keeps of a machine in its metadata, and removing a machine by that record.

mod metadata;
mod record;
mod remove;

pub use record::{MachineRecord, Owned};
pub use remove::{Remove, Removed};
