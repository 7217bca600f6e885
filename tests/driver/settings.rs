//! What is wrong with settings: of files, variables and options.

use super::support::{Host, text};

/// What a run with these variables says on standard error, and its exit code.
fn told(host: &Host, args: &[&str], variables: &[(&str, &str)]) -> (String, Option<i32>) {
    let mut command = host.command(args);
    command.env("XDG_CONFIG_HOME", host.folder().join("none")).envs(variables.iter().copied());
    let output = command.output().expect("started");
    (text(&output.stderr), output.status.code())
}

#[test]
fn help_is_shown_whatever_the_folders_file_says() {
    let host = Host::new();
    std::fs::write(host.folder().join("vmscript.toml"), "output = \"jsn\"\n").expect("written");
    for option in ["--help", "--version"] {
        assert_eq!(told(&host, &[option], &[]), (String::new(), Some(0)), "{option}");
    }
    let (told, code) = told(&host, &["vm", "list"], &[]);
    assert!(code == Some(2) && told.contains("`vmscript.toml:1`: `output` must be one of"), "{told}");
}

#[test]
fn mistakes_in_variables_are_told_by_the_name_of_the_variable() {
    let host = Host::new();
    for (variable, value, expected) in [
        (
            "VMSCRIPT_COLOR",
            "alway",
            "must be one of auto, always, never, not `alway`\n  = hint: did you mean `always`?",
        ),
        ("VMSCRIPT_LOG", "loud", "must be one of error, warn, info, debug, trace, not `loud`"),
        ("VMSCRIPT_TIMINGS", "csv", "must be one of text, json, not `csv`"),
        (
            "VMSCRIPT_OUTPUT",
            "jsn",
            "must be one of table, json, yaml, name, csv, not `jsn`\n  = hint: did you mean `json`?",
        ),
        ("VMSCRIPT_QUIET", "maybe", "must be true or false, not `maybe`"),
        ("VMSCRIPT_NO_INIT", "x", "must be true or false, not `x`"),
        ("VMSCRIPT_BASE_PATH", "srv", "must be a path that begins with `/`, not `srv`"),
    ] {
        let (told, code) = told(&host, &["vm", "list"], &[(variable, value)]);
        let expected = format!("error: the variable `{variable}` {expected}");
        assert!(code == Some(2) && told.starts_with(&expected), "{told}");
    }
    let empty = ["COLOR", "LOG", "LOG_FORMAT", "TIMINGS", "OUTPUT", "QUIET", "RECIPES", "INIT", "BASE_PATH"];
    for name in empty {
        assert_eq!(
            told(&host, &["vm", "list"], &[(&format!("VMSCRIPT_{name}"), "")]),
            (String::new(), Some(0)),
            "{name}"
        );
    }
    for yes in ["1", "true", "Yes"] {
        assert_eq!(told(&host, &["vm", "list"], &[("VMSCRIPT_QUIET", yes)]), (String::new(), Some(0)), "{yes}");
    }
}

#[test]
fn folders_of_recipes_that_are_not_there_are_told() {
    let host = Host::new();
    let (shown, code) = told(&host, &["--recipes", "nowhere", "vm", "list"], &[]);
    assert_eq!(code, Some(1));
    assert_eq!(shown, "error: there is no folder of recipes `nowhere`\n  = hint: the option `--recipes` names it\n");
    let (shown, _) = told(&host, &["--recipes", "host.xml", "recipes"], &[]);
    assert!(shown.starts_with("error: there is no folder of recipes `host.xml`"), "{shown}");
    let (shown, _) = told(&host, &["recipes"], &[("VMSCRIPT_RECIPES", "nowhere")]);
    assert!(shown.ends_with("hint: the variable `VMSCRIPT_RECIPES` names it\n"), "{shown}");
    std::fs::write(host.folder().join("vmscript.toml"), "recipes = [\"nowhere\"]\n").expect("written");
    let (shown, _) = told(&host, &["-e", "1"], &[]);
    assert!(shown.ends_with("hint: `recipes` in `vmscript.toml` names it\n"), "{shown}");
    // Where it is from can be seen all the same.
    assert_eq!(told(&host, &["config"], &[]), (String::new(), Some(0)));
}

#[test]
fn a_host_that_nobody_has_configured_is_told_as_such() {
    let host = Host::new();
    let (shown, code) = told(&host, &["-c", "hv2", "vm", "list"], &[]);
    assert_eq!(code, Some(3));
    assert!(shown.starts_with("error: there is no host `hv2` in the configuration, and it is no URI\n"), "{shown}");
    assert!(shown.contains("`[hosts]`"), "{shown}");
    let hosts = format!("[hosts]\nhv1 = \"{}\"\n", host.uri());
    std::fs::write(host.folder().join("vmscript.toml"), hosts).expect("written");
    for args in [&["-c", "hv2", "vm", "list"][..], &["-e", "connect(\"hv2\")"]] {
        let (shown, code) = told(&host, args, &[]);
        assert!(code == Some(3) && shown.contains("hint: did you mean `hv1`?"), "{shown}");
    }
    assert_eq!(told(&host, &["-c", "hv1", "vm", "list"], &[]), (String::new(), Some(0)));
}
