//! Running Rhai: sessions, imports, the embedded stdlib, the reference, and errors shown where they happened.

mod check;
mod diagnostic;
mod explain;
mod help;
mod locate;
mod recipe;
mod recipes;
mod reference;
mod render;
mod session;
mod sources;
mod stdlib;

pub use diagnostic::{Diagnostic, Label, Place, Severity};
pub use recipe::{Field, Recipe};
pub use reference::{Example, Function, Page, Parameter, Reference};
pub use render::render;
pub use session::{Ended, Failure, Print, Session, Settings};
pub use sources::Sources;
