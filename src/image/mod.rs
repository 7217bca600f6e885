//! Disk images: fetched, verified, unpacked, and told by their content. Knows no libvirt.

mod cache;
mod catalogue;
mod checksum;
mod compression;
mod convert;
mod download;
mod fetch;
mod format;
mod http;
mod part;
mod proxy;
mod rules;
mod served;
mod signature;
mod sparse;

pub use cache::cache_folder;
pub use catalogue::{Catalogue, Entry, unpacked_name};
pub use checksum::Checksum;
pub use compression::Compression;
pub use convert::convert;
pub use fetch::{Fetched, Request, fetch, fetched_before, inspect, listed_checksum, look};
pub use format::{Description, Format, describe, describe_file};
pub use rules::check;
pub use served::{Served, serve, serve_alone};
pub use signature::{Key, Signature};

/// The last part of a URL or a path, without what follows a question mark.
pub fn file_name(source: &str) -> &str {
    let source = if source.contains("://") { source.split(['?', '#']).next().unwrap_or(source) } else { source };
    source.trim_end_matches('/').rsplit('/').next().unwrap_or(source)
}
