//! The reference: what every function is called, takes, gives and does, read from Rhai's own metadata.
//!
//! It feeds `help`, did-you-mean, the book's pages, the editor definitions and the test that runs each example.

use super::help;
use crate::api;
use rhai::{Engine, Module};
use serde::Deserialize;
use std::sync::LazyLock;

/// Everything that scripts can call.
#[derive(Debug, Clone)]
pub struct Reference {
    /// A page for each type or group, sorted by title.
    pub pages: Vec<Page>,
}

/// The functions of one type or group.
#[derive(Debug, Clone)]
pub struct Page {
    /// The type's name, or the group's.
    pub title: String,
    /// What the type is.
    pub text: String,
    /// Its functions and properties, sorted by name.
    pub functions: Vec<Function>,
}

/// A function or a property.
#[derive(Debug, Clone)]
pub struct Function {
    /// The name that scripts use.
    pub name: String,
    /// Whether it is read as `x.name`.
    pub getter: bool,
    /// Whether it is set as `x.name = ...`.
    pub setter: bool,
    /// The type it is called on as a method, if it is one.
    pub receiver: Option<String>,
    /// The parameters, without the receiver.
    pub parameters: Vec<Parameter>,
    /// The type of the result.
    pub returns: String,
    /// The first paragraph of the docs.
    pub summary: String,
    /// The rest of the docs, without the examples.
    pub details: String,
    /// Scripts that show it at work.
    pub examples: Vec<Example>,
}

/// A parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type, as scripts see it.
    pub kind: String,
}

/// An example of the docs.
#[derive(Debug, Clone)]
pub struct Example {
    /// The script.
    pub code: String,
    /// Whether it needs a real host: libvirt's test driver cannot do it.
    pub live: bool,
}

impl Reference {
    /// Reads the metadata of the API. Costs a few milliseconds: nothing that a good run needs.
    pub fn new() -> Self {
        let mut pages: Vec<Page> = api::parts().into_iter().map(|(title, fill)| page(title, fill)).collect();
        pages.push(page("Help", help::fill));
        pages.sort_by(|a, b| a.title.cmp(&b.title));
        Self { pages }
    }

    /// The reference, read once.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Reference> = LazyLock::new(Reference::new);
        &SHARED
    }

    /// All functions with their pages.
    pub fn functions(&self) -> impl Iterator<Item = (&Page, &Function)> {
        self.pages.iter().flat_map(|page| page.functions.iter().map(move |function| (page, function)))
    }

    /// Whether methods of this name only look something up: `domains`, and with it `domain` and `find_domain`.
    pub fn looks_up(&self, name: &str) -> bool {
        let receivers = self.functions().filter_map(|(_, function)| function.receiver.as_deref());
        let noun = name.strip_suffix('s').or_else(|| name.strip_prefix("find_")).unwrap_or(name);
        receivers.into_iter().any(|receiver| self.listing(receiver, noun).is_some())
    }

    /// The method of a type that lists what `method` looks up, such as `domains` for `domain` and `find_domain`.
    pub fn listing(&self, receiver: &str, method: &str) -> Option<&Function> {
        let noun = method.strip_prefix("find_").unwrap_or(method);
        let plural = format!("{noun}s");
        let of_type = || self.functions().map(|(_, f)| f).filter(|f| f.receiver.as_deref() == Some(receiver));
        // `wait_for_ips` would list nothing: what is listed can be had by its name too.
        of_type().find(|f| f.name == noun && f.parameters.len() == 1)?;
        of_type().find(|f| f.name == plural && f.returns == "list" && f.parameters.is_empty())
    }

    /// The keys of a function's last parameter, if that is a map whose docs name them all below `Options:`, a line each:
    /// ``* `key`: text``, or ``* those of `function`, except `key` `` for what it shares with another.
    pub fn options<'a>(&'a self, function: &'a Function) -> Option<Vec<&'a str>> {
        function.parameters.last().filter(|last| last.kind == "map")?;
        let list = function.details.lines().skip_while(|line| *line != "Options:").skip(1);
        let mut keys = Vec::new();
        for line in list.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("* ")) {
            let mut words = line.split(": ").next().unwrap_or(line).split('`').skip(1).step_by(2);
            if !line.starts_with("those of ") {
                keys.extend(words);
                continue;
            }
            let other = words.next().unwrap_or_default();
            let left_out: Vec<&str> = words.collect();
            let shared =
                self.functions().filter(|(_, one)| one.name == other).find_map(|(_, one)| self.options(one))?;
            keys.extend(shared.into_iter().filter(|key| !left_out.contains(key)));
        }
        Some(keys).filter(|keys| !keys.is_empty())
    }

    /// The functions of this name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Page, &'a Function)> {
        self.functions().filter(move |(_, function)| function.name == name)
    }
}

impl Default for Reference {
    fn default() -> Self {
        Self::new()
    }
}

impl Function {
    /// How it is written: `vm.start(options: map) -> ()`, `vm.name -> string`.
    pub fn signature(&self) -> String {
        let parameters =
            self.parameters.iter().map(|p| format!("{}: {}", p.name, p.kind)).collect::<Vec<_>>().join(", ");
        let name = &self.name;
        if name == "[]" {
            let receiver = self.receiver.as_deref().unwrap_or_default();
            return match (self.getter, self.parameters.split_last()) {
                (false, Some((value, key))) => {
                    let key = key.first().map(|key| format!("{}: {}", key.name, key.kind)).unwrap_or_default();
                    format!("{receiver}[{key}] = {}", value.kind)
                }
                _ => format!("{receiver}[{parameters}]: {}", self.returns),
            };
        }
        let receiver = self.receiver.as_ref().map(|name| format!("{name}.")).unwrap_or_default();
        if self.getter {
            format!("{receiver}{name}: {}", self.returns)
        } else if self.setter {
            format!("{receiver}{name} = {}", self.parameters.first().map_or("any", |p| p.kind.as_str()))
        } else if self.returns == "()" {
            format!("{receiver}{name}({parameters})")
        } else {
            format!("{receiver}{name}({parameters}) -> {}", self.returns)
        }
    }
}

/// A type as scripts know it.
pub(super) fn script_type(name: &str) -> String {
    let name = name.trim().trim_start_matches("&mut ").trim_start_matches('&');
    let name = name
        .strip_prefix("Result<")
        .and_then(|rest| rest.split_once(", Box<EvalAltResult>>").map(|(inner, _)| inner))
        .unwrap_or(name);
    match name {
        "i64" | "INT" => "int",
        "f64" | "FLOAT" => "float",
        "str" | "String" | "ImmutableString" | "string" | "str | ImmutableString | String" => "string",
        "Array" | "array" => "list",
        "Map" => "map",
        "Dynamic" | "?" | "" => "any",
        "FnPtr" | "Fn" => "function",
        "Blob" => "blob",
        other => other,
    }
    .to_string()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    custom_types: Vec<CustomType>,
    #[serde(default)]
    functions: Vec<Native>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomType {
    #[serde(default)]
    doc_comments: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Native {
    name: String,
    #[serde(default)]
    params: Vec<NativeParameter>,
    #[serde(default)]
    return_type: String,
    #[serde(default)]
    doc_comments: Vec<String>,
}

#[derive(Deserialize)]
struct NativeParameter {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
}

fn page(title: &str, fill: api::Fill) -> Page {
    let mut module = Module::new();
    fill(&mut module);
    let mut engine = Engine::new_raw();
    engine.register_global_module(module.into());
    let json = engine.gen_fn_metadata_to_json(false).expect("metadata is plain data");
    let metadata: Metadata = serde_json::from_str(&json).expect("the metadata has Rhai's own form");
    let mut functions: Vec<Function> = metadata.functions.into_iter().map(function).collect();
    // The metadata come in no certain order: overloads are told apart by their signatures.
    functions.sort_by_cached_key(|function| (function.name.clone(), function.parameters.len(), function.signature()));
    let text = metadata.custom_types.iter().map(|kind| plain(&kind.doc_comments)).collect::<Vec<_>>().join("\n");
    Page { title: title.to_string(), text, functions }
}

fn function(native: Native) -> Function {
    let (name, getter, setter) = match native.name.split_once('$') {
        Some(("get", name)) => (name, true, false),
        Some(("set", name)) => (name, false, true),
        Some(("index", "get$")) => ("[]", true, false),
        Some(("index", "set$")) => ("[]", false, true),
        _ => (native.name.as_str(), false, false),
    };
    let mut parameters = native.params.into_iter().peekable();
    let receiver = parameters.next_if(|first| first.kind.starts_with("&mut ")).map(|first| script_type(&first.kind));
    let parameters = parameters
        .map(|p| Parameter { name: p.name.trim_start_matches("mut ").to_string(), kind: script_type(&p.kind) })
        .collect();
    let returns = script_type(&native.return_type);
    Function { getter, setter, receiver, returns, ..documented(name, parameters, &native.doc_comments) }
}

/// A function that a script defines.
pub(super) fn scripted(name: &str, parameters: Vec<String>, comments: &[String]) -> Function {
    let parameters = parameters.into_iter().map(|name| Parameter { name, kind: "any".to_string() }).collect();
    documented(name, parameters, comments)
}

fn documented(name: &str, parameters: Vec<Parameter>, comments: &[String]) -> Function {
    let (prose, examples) = split(&plain(comments));
    let (summary, details) = prose.split_once("\n\n").unwrap_or((&prose, ""));
    Function {
        name: name.to_string(),
        getter: false,
        setter: false,
        receiver: None,
        parameters,
        returns: "any".to_string(),
        summary: summary.replace('\n', " ").trim().to_string(),
        details: details.trim().to_string(),
        examples,
    }
}

/// Doc comments without their slashes.
fn plain(comments: &[String]) -> String {
    let lines = comments.iter().flat_map(|block| block.lines());
    lines
        .map(|line| line.trim_start().trim_start_matches("///").strip_prefix(' ').unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Prose and examples of a doc comment.
pub(super) fn split(text: &str) -> (String, Vec<Example>) {
    let (mut prose, mut examples, mut block) = (Vec::new(), Vec::new(), None::<Example>);
    for line in text.lines() {
        match (&mut block, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => examples.extend(block.take()),
            (Some(example), None) => {
                example.code.push_str(line);
                example.code.push('\n');
            }
            (None, Some(tags)) => block = Some(Example { code: String::new(), live: tags.contains("live") }),
            (None, None) if line.starts_with("# Example") => {}
            (None, None) => prose.push(line),
        }
    }
    (prose.join("\n").trim().to_string(), examples)
}
