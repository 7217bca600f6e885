//! Looking at values and at what a session knows, without running a line.

use super::reference::{self, script_type};
use super::session::bystander;
use super::{Function, Reference, Session};
use rhai::{Dynamic, FuncArgs, Module};
use std::collections::BTreeMap;

impl Session {
    /// The type of a value, as scripts know it.
    pub fn type_of(&self, value: &Dynamic) -> String {
        script_type(self.engine.map_type_name(value.type_name()))
    }

    /// A property of a value, if it has one and reading it works.
    pub fn property(&self, value: &Dynamic, name: &str) -> Option<Dynamic> {
        if let Some(map) = value.read_lock::<rhai::Map>() {
            return map.get(name).cloned();
        }
        self.call(value, &format!("get${name}"), ())
    }

    /// What a method without side effects gives, if the value has it and calling it works.
    pub fn call(&self, value: &Dynamic, method: &str, arguments: impl FuncArgs) -> Option<Dynamic> {
        self.engine.eval_fn_call(method, Some(&mut value.clone()), arguments).ok()
    }

    /// A value as `print` writes it.
    pub fn text_of(&self, value: &Dynamic) -> String {
        self.call(value, "to_string", ()).map_or_else(|| value.to_string(), |text| text.to_string())
    }

    /// The functions that lines defined; of several with the same name and number of parameters, the last.
    pub fn functions(&self) -> Vec<Function> {
        let mut known = BTreeMap::new();
        for function in self.libraries.iter().flat_map(|library| defined(library)) {
            known.insert((function.name.clone(), function.parameters.len()), function);
        }
        known.into_values().collect()
    }

    /// What lines imported: the alias, and the functions of the module.
    pub fn modules(&self) -> impl Iterator<Item = (&str, Vec<Function>)> {
        self.modules.iter().map(|(alias, module)| (alias.as_str(), defined(module)))
    }
}

/// [`Session::call`] without a session, for a thread beside it.
pub fn call(value: &Dynamic, method: &str, arguments: impl FuncArgs) -> Option<Dynamic> {
    bystander().eval_fn_call(method, Some(&mut value.clone()), arguments).ok()
}

/// A method of Rhai's own for values of a type: its name, and whether it takes arguments.
pub type BuiltIn = (String, bool);

impl Session {
    /// Rhai's own methods for values of a type, such as `list`, by name.
    pub fn built_in(&self, kind: &str) -> Vec<BuiltIn> {
        let all = self.engine.collect_fn_metadata(
            None,
            |found| {
                let parameters = &found.metadata.params_info;
                let receiver = parameters.first()?.split_once(':')?.1.to_string();
                let name = found.metadata.name.to_string();
                if Reference::shared().named(&name).next().is_some() {
                    return None;
                }
                name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some((
                    receiver,
                    name,
                    parameters.len(),
                ))
            },
            true,
        );
        let mut takes: BTreeMap<String, bool> = BTreeMap::new();
        for (_, name, count) in all.into_iter().filter(|(receiver, ..)| script_type(receiver) == kind) {
            *takes.entry(name).or_default() |= count > 1;
        }
        takes.into_iter().collect()
    }
}

/// The functions that a script defines, by name.
fn defined(module: &Module) -> Vec<Function> {
    let all = module.iter_script_fn_info().map(|(.., function)| function);
    let named = all.filter(|function| !function.name.starts_with("anon$"));
    let mut found: Vec<_> = named
        .map(|function| {
            let parameters = function.params.iter().map(ToString::to_string).collect();
            let comments: Vec<String> = function.comments.iter().map(ToString::to_string).collect();
            reference::scripted(&function.name, parameters, &comments)
        })
        .collect();
    found.sort_by(|a, b| (&a.name, a.parameters.len()).cmp(&(&b.name, b.parameters.len())));
    found
}
