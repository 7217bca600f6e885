//! Addresses on a host: who holds which, and how a machine gets one that nobody else has.

mod assign;
mod belongings;
mod claim;
mod document;
mod here;
mod lease;
mod names;
mod plan;
mod plugs;
mod record;
mod reserve;
mod status;
mod subnet;
mod survey;
mod wishes;

pub(super) use belongings::Belongings;
pub use claim::{Claim, SeedDisk};
pub use reserve::Reservation;
pub use status::{NetworkCondition, NetworkStatus, Phase};
pub use wishes::static_ips;
