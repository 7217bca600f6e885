//! What a script sees: one file per script type, functions of a few lines each.

#![allow(unreachable_pub, reason = "`#[export_module]` exports what is `pub`")]
#![allow(clippy::unnecessary_wraps, clippy::needless_pass_by_value, reason = "the signatures are Rhai's")]

mod convert;
mod definition;
mod domain;
mod error;
mod host;
mod host_info;
mod life;
mod network;
mod pool;
mod provision;
mod records;
mod script;
mod seed;
mod volume;

pub use convert::{dynamic, value};
use rhai::{Array, Dynamic, EvalAltResult, Module, NativeCallContext};

/// The result of a fallible script function; the name is one that Rhai's metadata shows as its `T`.
pub(crate) type RhaiResultOf<T> = Result<T, Box<EvalAltResult>>;

/// What native functions know of the session that calls them.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The URI that `connect()` uses.
    pub uri: Option<String>,
}

impl Context {
    /// The context of the session that makes this call.
    fn of(call: &NativeCallContext) -> Self {
        call.tag().and_then(|tag| tag.clone().try_cast::<Self>()).unwrap_or_default()
    }
}

/// The token with which a run is stopped from outside.
#[derive(Debug, Clone, Copy)]
pub struct Stopped;

/// Every module of the API with the title of its reference page, sorted.
pub fn modules() -> Vec<(&'static str, Module)> {
    vec![
        ("Definition", definition::module()),
        ("Domain", domain::module()),
        ("Error", error::module()),
        ("Hardware", host_info::module()),
        ("Host", host::module()),
        ("Lifecycle", life::module()),
        ("Network", network::module()),
        ("Pool", pool::module()),
        ("Script", script::module()),
        ("Seed", seed::module()),
        ("Volume", volume::module()),
    ]
}

/// Handles as a script list.
fn list<T: Clone + Send + Sync + 'static>(items: Vec<T>) -> Array {
    items.into_iter().map(Dynamic::from).collect()
}
