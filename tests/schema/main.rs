//! The schema room from outside: documents made from values, refused values, and hostile XML.
//!
//! libvirt's schemas must be installed; they come with its client library.

mod describe;
mod diff;
mod errors;
mod exact;
mod golden;
mod hostile;
mod lens;
