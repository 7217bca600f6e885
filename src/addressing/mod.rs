//! Addresses as data: names from addresses, checked declarations, free addresses and conflicts.
//!
//! Pure functions: nothing here asks a host, reads a file or knows a script.

mod conflict;
mod declaration;
mod delivery;
mod fields;
mod ip;
mod mac;
mod names;
mod parse;
mod range;
mod rules;
mod together;

pub use conflict::{Known, Record, Source};
pub use declaration::{Delivery, Route, StaticIp, Unreachable};
pub use delivery::network_config;
pub use ip::Ip;
pub use ipnet::IpNet;
pub use mac::Mac;
pub use names::{ip_from_mac, ip_from_tap, is_host_name, mac_from_ip, tap_from_ip};
pub use parse::parse;
pub use range::{Range, network, next_free, parse_net, usable};
pub use together::{Nic, Wish, wishes};
