//! Typed handles on what a libvirt host holds, and their verbs. The only room that knows the `virt` crate.
//!
//! A handle is cheap to clone and safe to use from several threads. Errors are [`crate::floor::Error`] with libvirt's
//! own words as their cause; nothing here prints, and nothing knows that scripts exist.

mod address;
mod block_job;
mod cause;
mod define;
mod device;
mod domain;
mod events;
mod ffi;
mod filter;
mod guest;
mod host;
mod host_info;
mod life;
mod lookup;
mod network;
mod object;
mod pool;
mod provision;
mod retry;
mod snapshot;
mod state;
mod stats;
mod transfer;
mod undo;
mod verify;
mod volume;
mod wait;
mod wiring;
mod words;

pub use address::{Address, Family, Interface, Source, is_reachable};
pub use block_job::{BlockJob, BlockJobOptions};
pub use device::Apply;
pub use domain::{Domain, DomainInfo};
pub use events::{Event, EventKind, Events};
pub use filter::Filter;
pub use guest::{Ended, Exec};
pub use host::Host;
pub use host_info::{GuestKind, NodeInfo};
pub use life::{Keep, Mode, Sleep, Start};
pub use network::{Lease, Network};
pub use pool::{Pool, PoolInfo};
pub use provision::{Content, Provision, Provisioned, Storage};
pub use retry::RetryPolicy;
pub use snapshot::{DeleteSnapshot, Revert, Snap, Snapshot};
pub use state::State;
pub use transfer::Transfer;
pub use undo::{Current, Recovered, Transaction, recover};
pub use volume::{Volume, VolumeInfo};
pub use wait::{
    Clock, Condition, Found, Login, Ready, RealClock, Target, WaitIp, WaitOptions, wait, wait_all, wait_any,
};
