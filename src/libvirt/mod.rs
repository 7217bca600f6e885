//! Typed handles on what a libvirt host holds, and their verbs. The only room that knows the `virt` crate.
//!
//! A handle is cheap to clone and safe to use from several threads. Errors are [`crate::floor::Error`] with libvirt's
//! own words as their cause; nothing here prints, and nothing knows that scripts exist.

mod address;
mod backup;
mod beneath;
mod block_job;
mod cause;
mod console;
mod copy;
mod cut;
mod define;
mod delivery;
mod device;
mod domain;
mod events;
mod ffi;
mod filter;
mod guest;
mod hints;
mod hook;
mod host;
mod host_info;
mod host_key;
mod host_object;
mod inventory;
mod ipam;
mod keys;
mod layer;
mod life;
mod link;
mod live;
mod lookup;
mod machine;
mod migrate;
mod more;
mod moving;
mod netlink;
mod network;
mod network_edit;
mod nvram;
mod object;
mod passwords;
mod plan;
mod pool;
mod port;
mod provision;
mod rebuild;
mod replace;
mod retry;
mod revert;
mod saved;
mod secret;
mod seed_drive;
mod selector;
mod snapshot;
mod ssh;
mod state;
mod stats;
mod taps;
mod transfer;
mod tune;
mod turn;
mod undo;
mod update;
mod uses;
mod vacant;
mod variables;
mod verify;
mod virt_type;
mod volume;
mod volume_use;
mod wait;
mod wiring;
mod words;

pub use address::{Address, Family, Interface, Source, is_reachable};
pub use backup::Checkpoint;
pub use block_job::{BlockJob, BlockJobOptions};
pub use console::{Console, Expected};
pub use cut::cut_connections;
pub use delivery::{Bus, add_fw_cfg, add_seed_disk, add_smbios_seed};
pub use device::Apply;
pub use domain::{Domain, DomainInfo};
pub use events::{Event, EventKind, Events};
pub use ffi::leave;
pub use filter::Filter;
pub use guest::{Ended, Exec};
pub use hook::qemu_hook;
pub use host::Host;
pub use host_info::{GuestKind, NodeInfo};
pub use host_object::{HostInterface, NodeDevice, NwFilter};
pub use inventory::Inventory;
pub use ipam::{Claim, NetworkCondition, NetworkStatus, Phase, Planned, Reservation, SeedDisk, static_ips};
pub use life::{Keep, Mode, Sleep, Start};
pub use machine::{Left, MachineRecord, Owned, Remove, Removed};
pub use migrate::Migrate;
pub use network::{Lease, Network};
pub use network_edit::Edit;
pub use plan::{Answer, End, FirstBoot, Turn};
pub use pool::{Pool, PoolInfo};
pub use port::{NetworkPort, NwFilterBinding};
pub use provision::{Content, Provision, Provisioned, Storage};
pub use rebuild::Rebuild;
pub use retry::RetryPolicy;
pub use saved::{Dump, Save, Screenshot};
pub use secret::Secret;
pub use seed_drive::NewSeed;
pub use selector::Selector;
pub use snapshot::{DeleteSnapshot, Revert, Snap, Snapshot};
pub use ssh::{is_ssh_open, set_ssh_persist, ssh_arguments};
pub use state::State;
pub use transfer::Transfer;
pub use tune::Tune;
pub use turn::alone;
pub use undo::{Current, Kept, Recovered, Transaction, forget, left_over, recover};
pub use update::Updated;
pub use uses::Uses;
pub use virt_type::VirtType;
pub use volume::{Volume, VolumeInfo};
pub use volume_use::Users;
pub use wait::{Condition, Found, Login, Ready, Target, WaitIp, WaitOptions, wait, wait_all, wait_any};

/// Loads libvirt, or waits until it is loaded. What is wrong with it is told to who connects.
pub fn load() {
    drop(ffi::load());
}

/// Begins to load libvirt, for a run that is going to call it: its scripts are read meanwhile.
pub fn load_ahead() {
    // Without a thread, the first call loads it.
    drop(std::thread::Builder::new().name("libvirt".to_string()).spawn(load));
}

/// The file that libvirt was loaded from.
pub fn library() -> Option<std::path::PathBuf> {
    ffi::library()
}

/// Waits until all events that libvirt has by now were handed out.
pub fn settle() {
    ffi::flush_events();
}
