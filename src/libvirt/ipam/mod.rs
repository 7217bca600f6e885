//! Addresses on a host: who holds which, and how a machine gets one that nobody else has.

mod assign;
mod belongings;
mod claim;
mod condition;
mod document;
mod foresee;
mod here;
mod lease;
mod names;
mod parting;
mod plan;
mod plugs;
mod readdress;
mod record;
mod release6;
mod reserve;
mod status;
mod subnet;
mod survey;
mod wishes;

pub(super) use belongings::{Belongings, keeps};
pub use claim::{Claim, SeedDisk};
pub use condition::{NetworkCondition, Phase};
pub use foresee::Planned;
pub(super) use parting::Parting;
pub(super) use record::{SPACE, declared, is_pending, is_unfinished};
pub use reserve::Reservation;
pub use status::NetworkStatus;
pub use wishes::static_ips;
