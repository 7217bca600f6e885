//! Asking before a function destroys something.

use super::Session;
use super::session::bystander;
use crate::floor::Error;
use rhai::{Dynamic, FuncRegistration, Module, NativeCallContext, RhaiFunc};
use std::sync::Arc;

/// Asked before a function destroys something: told the function and the object, such as `domain web`.
pub type Confirm = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// The methods that are asked about.
const DESTRUCTIVE: &[&str] = &["delete", "destroy", "remove", "undefine"];

impl Session {
    /// Puts functions that ask first before those that destroy something.
    pub(super) fn guard(&mut self, confirm: &Confirm) {
        let mut guards = Module::new();
        let methods = self.engine.collect_fn_metadata(
            None,
            |found| {
                let function = found.metadata;
                // Of the engine's own types nothing is destroyed: `remove` of a list or a map is just that.
                let own = function.params_info.first().is_some_and(|first| {
                    first.contains("&mut ") && !["Array", "Map", "String", "Blob"].iter().any(|own| first.contains(own))
                });
                (own && DESTRUCTIVE.contains(&function.name.as_str()))
                    .then(|| (function.name.to_string(), function.param_types.to_vec()))
            },
            false,
        );
        for (name, types) in methods {
            let (confirm, method) = (confirm.clone(), name.clone());
            let func = move |_: Option<NativeCallContext>, arguments: &mut [&mut Dynamic]| {
                let Some((object, rest)) = arguments.split_first_mut() else { return Ok(Dynamic::UNIT) };
                // The functions behind the guards are those of an engine without them.
                let behind = bystander();
                let named: Dynamic = behind.eval_fn_call("to_string", Some(object), ())?;
                if !confirm(&method, &named.to_string()) {
                    let message = format!("`{method}` of {named} was not confirmed");
                    return Err(Error::declined(&message).into());
                }
                let rest: Vec<Dynamic> = rest.iter().map(|argument| (*argument).clone()).collect();
                behind.eval_fn_call(&method, Some(object), rest)
            };
            let func = RhaiFunc::Method { func: Arc::new(func), has_context: false, is_pure: true, is_volatile: true };
            FuncRegistration::new(name).set_into_module_raw(&mut guards, types, func);
        }
        self.engine.register_global_module(guards.into());
    }
}
