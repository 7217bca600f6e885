//! The options that docs name are those that functions take: `vmscript check` reads the docs.

use super::support::{Host, text};
use vmscript::script::{Function, Reference};

/// A call with an option that there is not, which prints what its refusal says of those that there are.
fn refused(function: &Function) -> String {
    let argument = |name: &str, kind: &str| match (name, kind) {
        ("definition", _) if function.name == "create_snapshot" => "#{}",
        ("definition" | "wanted", _) => "vm.definition",
        ("memory", _) => "1073741824",
        ("source", _) => "\"agent\"",
        ("to", "any") => "#{ type: \"file\", source: #{ file: \"/start\" } }",
        ("word", _) => "\"running\"",
        (_, "Condition") => "delay(0)",
        (_, "Host") => "host",
        (_, "Domain") => "vm",
        (_, "Volume") => "host.pool(\"default\").volume(\"web.qcow2\")",
        (_, "Pool") => "host.pool(\"default\")",
        (_, "Network") => "host.network(\"default\")",
        (_, "Snapshot") => "vm.snapshot(\"one\")",
        (_, "function") => "|| 1",
        (_, "int") => "1",
        (_, "list") => "[]",
        (_, "map") => "#{}",
        _ => "\"start\"",
    };
    let mut arguments: Vec<_> =
        function.parameters.iter().map(|parameter| argument(&parameter.name, &parameter.kind)).collect();
    arguments.pop();
    // A disk without image has nothing that options could be of.
    let image = "#{ zzqq: 1, image: host.pool(\"default\").volume(\"web.qcow2\") }";
    arguments.push(if function.name == "create_disk" { image } else { "#{ zzqq: 1 }" });
    let receiver = function.receiver.as_deref().map(|kind| format!("{}.", argument("", kind))).unwrap_or_default();
    let call = format!("{receiver}{}({})", function.name, arguments.join(", "));
    format!("try {{ {call}; print(`taken: {call}`); }} catch (err) {{ print(`${{err.message}}: ${{err.hints}}`); }}\n")
}

#[test]
fn the_options_that_docs_name_are_those_that_functions_take() {
    let reference = Reference::new();
    let declaring: Vec<_> =
        reference.functions().filter_map(|(_, function)| Some((function, reference.options(function)?))).collect();
    assert!(declaring.len() > 60, "only {} functions declare options", declaring.len());
    let calls = declaring.iter().map(|(function, _)| refused(function)).collect::<Vec<_>>().concat();
    let script = format!(
        "let host = connect();\nlet vm = host.domain(\"web\");\nvm.create_snapshot(#{{ name: \"one\" }});\n{calls}"
    );
    let output = Host::new().run(&script);
    let told = text(&output.stdout);
    assert_eq!(told.lines().count(), declaring.len(), "{told}{}", text(&output.stderr));
    let mut wrong = Vec::new();
    for ((function, mut documented), line) in declaring.into_iter().zip(told.lines()) {
        let known = line.rsplit_once("`: ").map(|(_, rest)| rest.trim_end_matches(['"', ']'])).unwrap_or_default();
        let mut known: Vec<_> = known.split(", ").collect();
        known.sort_unstable();
        documented.sort_unstable();
        if !line.contains("has no option `zzqq`") || known != documented {
            wrong.push(format!("{}\n  documented: {documented:?}\n  {line}", function.signature()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
