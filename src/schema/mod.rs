//! libvirt's documents: from values to checked XML and back, after the installed libvirt's own schemas.
//!
//! The schemas (RELAX NG) are compiled to a table, and one mapper works on that table for all kinds of documents.
//! Nothing here knows a connection or a script engine.

mod baseline;
mod cache;
mod definition;
mod describe;
mod diff;
mod exact;
mod installed;
mod kind;
mod lens;
mod manual;
mod map;
mod overlay;
mod pattern;
mod reference;
mod release;
mod rng;
mod table;
mod tables;
pub mod xml;
mod xsd;

pub use definition::{Definition, Extra};
pub use describe::{Field, fields, values};
pub use diff::Change;
pub use installed::{set_library, set_schema_dir};
pub use kind::Kind;
pub use lens::{Element, Elements, Item};
pub use pattern::Pattern;
pub use reference::{Entry, Section, reference, releases};
pub use release::meet;
pub use tables::prepare;
