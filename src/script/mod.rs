//! Running Rhai: sessions, imports, the embedded stdlib, the reference, and errors shown where they happened.

mod check;
mod confirm;
mod diagnostic;
mod excerpt;
mod explain;
mod help;
mod isolate;
mod line;
mod locate;
mod look;
mod recipe;
mod recipes;
mod reference;
mod render;
mod session;
mod sources;
mod stdlib;
mod tests;

pub use confirm::Confirm;
pub use diagnostic::{Diagnostic, Label, Place, Severity};
pub use line::{Line, Outcome};
pub use look::{BuiltIn, call};
pub use recipe::{Field, KINDS, Recipe};
pub use recipes::Given;
pub use reference::{Example, Function, Page, Parameter, Reference};
pub use render::render;
pub use session::{Ended, Failure, Print, Session, Settings};
pub use sources::{Ahead, Sources};
pub use stdlib::stdlib_modules;
pub use tests::{Test, failure};
