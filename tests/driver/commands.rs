//! What a command that failed tells: its exit code, and the words of the command line.

use super::support::{Host, text};

/// Standard error and exit code.
fn run(host: &Host, args: &[&str]) -> (String, Option<i32>) {
    let output = host.command(args).output().expect("started");
    (text(&output.stderr), output.status.code())
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let host = Host::new();
    let write = |name: &str, text: &str| std::fs::write(host.folder().join(name), text).expect("written");
    write("empty.yaml", "---\n");
    write("wrong.yaml", "name: db\nvcpus: many\n");
    write("db.yaml", "name: db\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { empty: true, size: 1 GiB }\nseed: none\n");
    for (args, code, expected) in [
        // What was asked for is wrong.
        (&["network", "create", "lab", "--mode", "bridge"][..], 1, "the mode `bridge` needs the host's"),
        (&["vm", "create", "db.yaml", "--set", "vcpus"], 1, "a setting is KEY=VALUE, not `vcpus`"),
        (&["vm", "label", "web"], 1, "there is nothing to set"),
        (&["hypervisor", "serve-images", "images"], 1, "the folder needs its full path"),
        // A definition is.
        (&["vm", "create", "wrong.yaml"], 2, "wrong.yaml:2:8"),
        // No connection.
        (&["-c", "test:///no/such/host.xml", "vm", "list"], 3, "error: cannot connect to"),
        (&["hypervisor", "check", "--ssh", "nobody@256.0.0.1"], 3, "256.0.0.1 cannot be reached"),
        // A machine or a network refuses.
        (&["vm", "ip", "nobody"], 4, "there is no domain `nobody`"),
        (&["vm", "clone", "web", "copy"], 4, "web runs, and its disks would change while they are copied"),
        (&["vm", "resize", "idle", "--disk", "vdq=2GiB"], 4, "idle has no disk vdq"),
        (&["network", "delete", "default"], 4, "the network `default` is protected\n = hint: `--force` deletes it"),
        (&["network", "delete", "--yes", "nowhere"], 4, "there is no network `nowhere`"),
        // Storage does.
        (&["pool", "delete", "default"], 5, "is protected\n = hint: `--force` deletes it"),
        (&["pool", "add", "default", "/srv/other"], 5, "there is another pool"),
        (&["volume", "info", "default", "nothing"], 5, "there is no volume `nothing`"),
        (&["volume", "create", "default", "a.qcow2", "0GiB"], 1, "holds nothing\n = hint: such as `40GiB`"),
        // What is meant is told.
        (&["vm", "create", "wrog.yaml"], 1, "hint: did you mean `wrong.yaml`?"),
        (&["vm", "create", "none/web.yaml"], 1, "hint: there is no folder `none`"),
        (&["vm", "create", "empty.yaml"], 2, "is empty\n = hint: a machine has `name`"),
        (&["-c", "xen:///foo", "vm", "list"], 3, "have a driver for `xen`"),
    ] {
        let (told, found) = run(&host, args);
        assert!(found == Some(code) && told.contains(expected), "{args:?}: {found:?}: {told}");
    }
}

#[test]
fn a_wrong_command_or_option_is_told_the_right_one() {
    let host = Host::new();
    for (args, hint) in [
        (&["vm", "delete", "web"][..], "here that is `vmscript vm destroy`"),
        (&["vm", "show", "web"], "here that is `vmscript vm get`"),
        (&["vm", "ls"], "here that is `vmscript vm list`"),
        (&["vm", "reboot", "web"], "here that is `vmscript vm restart`"),
        (&["vm", "cp", "web", "copy"], "here that is `vmscript vm clone`"),
        (&["volume", "rm", "default", "x"], "here that is `vmscript volume delete`"),
        (&["pool", "create", "p"], "here that is `vmscript pool add`"),
        (&["lab", "destroy", "lab.yaml"], "here that is `vmscript lab down`"),
        (&["vm", "ssh", "web", "-u", "debian"], "`vm ssh` has `--user`"),
        (&["vm", "create", "web.yaml", "--memory", "3"], "a field of the file is set with `--set memory=VALUE`"),
        (
            &["vm", "snapshot", "web", "one", "-d", "why"],
            "`vm snapshot` has `--description` and `--disk-only` and `--dry-run`",
        ),
    ] {
        let (told, code) = run(&host, args);
        assert!(code == Some(1) && told.ends_with(&format!(" = hint: {hint}\n")), "{args:?}: {told}");
        let is_misled = told.contains("similar") || told.contains("tip:") && args[1] == "create";
        assert!(!is_misled, "{told}");
    }
    // What a line of script does is told with that line, which does it.
    for word in ["save", "pause", "dumpxml", "stats", "autostart", "edit"] {
        let (told, _) = run(&host, &["vm", word, "web"]);
        let line = told.split("`vmscript -e '").nth(1).and_then(|rest| rest.split("'`\n").next());
        let line = line.unwrap_or_else(|| panic!("{word}: {told}"));
        assert!(!told.contains("similar"), "{told}");
        let (told, code) = run(&host, &["-e", line]);
        assert!(code == Some(0), "{line}: {told}");
        run(&host, &["vm", "start", "web"]);
    }
    // What runs something else stands in front of no recipe; what clap thinks similar stays where nothing else is meant.
    for (args, told_too) in [(&["vm", "list", "-i", "x"][..], "argument '-i'"), (&["vm", "creat", "x"], "'create'")] {
        let (told, _) = run(&host, args);
        assert!(told.contains(told_too) && !told.contains("hint"), "{told}");
    }
    // As ssh has it: the key is looked for, and nothing is said of options.
    let (told, _) =
        run(&host, &["vm", "ssh", "web", "-i", "no-such-key", "-J", "nobody@127.0.0.1", "--timeout", "1s", "true"]);
    assert!(!told.contains("unexpected"), "{told}");
}

#[test]
fn lists_of_names_may_have_commas() {
    let host = Host::new();
    let one = |name: &str| {
        format!("name: {name}\nvcpus: 1\nmemory: 64 MiB\nseed: none\nboot_disk: {{ empty: true, size: 1 GiB }}\n")
    };
    std::fs::write(host.folder().join("all.yaml"), [one("a"), one("b"), one("c")].join("---\n")).expect("written");
    for words in [&["--machine", "a,c"][..], &["--machine", "a", "--machine", "c"]] {
        let words = [&["vm", "create", "all.yaml", "--dry-run", "-o", "name"], words].concat();
        assert_eq!(text(&host.command(words).output().expect("started").stdout), "a\nc\n");
    }
    let shown = |args: &[&str]| text(&host.command(args).output().expect("started").stdout);
    // A value may hold one.
    let rendered = shown(&["vm", "render", "all.yaml", "--machine", "a", "--set", "a.title=x,y"]);
    assert!(rendered.contains("<title>x,y</title>"), "{rendered}");
    let help = shown(&["vm", "create", "--help"]);
    for part in [
        "only the machines of these names; several with commas between",
        "YAML files with variables; may be given several times",
    ] {
        assert!(help.contains(part), "{help}");
    }
}

#[test]
fn a_script_throws_errors_with_codes() {
    let host = Host::new();
    for (script, code, expected) in [
        ("throw error(\"failed\", \"it is so\");", 1, "error: it is so\n"),
        ("throw error(\"invalid-definition\", \"it is so\");", 2, "error: it is so\n"),
        ("throw error(\"timeout\", \"it is so\", #{ object: \"domain web\" });", 4, "error: it is so\n"),
        (
            "assert(false, error(\"no-space\", \"it is so\", #{ object: \"pool a\", hint: [\"b\", \"c\"] }));",
            5,
            "hint: c\n",
        ),
        ("throw error(\"interrupted\", \"it is so\", #{ cause: \"why\" });", 130, "note: why\n"),
        ("throw error(\"no-such\", \"it is so\");", 1, "there is no error code `no-such`"),
        ("throw error(\"failed\", \"\", #{ object: \"domian web\" });", 1, "hint: did you mean `domain`?"),
        ("throw error(\"failed\", \"\", #{ hint: 5 });", 1, "`hint` must be text or a list of texts, not 5"),
        ("throw error(\"failed\", \"\", #{ facts: 5 });", 1, "`facts` must be a map, not 5"),
    ] {
        let output = host.run(script);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(code) && told.contains(expected), "{script}: {told}");
    }
    let gives = "let found = ();\ntry { throw error(\"busy\", \"x\", #{ object: \"volume a\", facts: #{ results: [1] } }); } \
                 catch (err) { found = [err.code, err.object, err.facts]; }\nprint(found);";
    assert_eq!(text(&host.run(gives).stdout), "[\"busy\", \"volume a\", #{\"results\": [1]}]\n");
}

#[test]
fn commands_are_told_in_the_words_of_the_command_line() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let recipe = "/// Tries.\n///\n/// # Options\n/// - `dry_run` (flag): nothing\n/// - `source` (string): who\nfn it(options) {\n    \
                  if options.dry_run { assert(false, error(\"failed\", \"no\", #{ hint: \"`dry_run: false` does it\" })); }\n    \
                  connect().domain(\"web\").wait_for_ip(#{ source: options.source })\n}";
    std::fs::write(host.folder().join("recipes/try.rhai"), recipe).expect("written");
    std::fs::write(host.folder().join("vault.yaml"), "name: db\nmemory: '{{ size }}'\nvcpus: 1\n").expect("written");
    for (args, expected) in [
        (&["try", "it", "--dry-run"][..], "hint: `--dry-run=false` does it\n"),
        (&["vm", "start", "nobody"], "hint: `vmscript vm list` lists what is there: `idle`, `web`\n"),
        (&["vm", "stop"], "name machines, or select them with `--label`\n"),
        (&["vm", "create", "vault.yaml"], "with `--set size=VALUE`, in a file of variables (`--vars`)"),
        (&["volume", "delete", "default", "web.qcow2"], "hint: `--yes` answers it\n"),
    ] {
        let (told, _) = run(&host, args);
        assert!(told.contains(expected), "{args:?}: {told}");
    }
    // Scripts are told in their own words.
    let told = text(&host.run("import \"std/network\" as network; network::delete(\"default\");").stderr);
    assert!(told.contains("= hint: `force: true` deletes it all the same"), "{told}");
}

#[test]
fn docs_of_own_recipes_that_cannot_be_read_are_told() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let write = |name: &str, text: &str| {
        std::fs::write(host.folder().join("recipes").join(name), text).expect("written");
    };
    write("greet.rhai", "/// Greets.\n///\n/// # Parameters\n/// - `name` (strnig): who\nfn hello(name) { name }\n");
    for args in [&["greet", "hello", "you"][..], &["recipes"]] {
        let (told, code) = run(&host, args);
        assert_eq!(code, Some(1), "{args:?}: {told}");
        let shown = told.contains("`name` has the unknown type `strnig`") && told.contains("did you mean `string`?");
        assert!(shown && told.contains("recipes/greet.rhai:4:15"), "{args:?}: {told}");
    }
    write("greet.rhai", "/// Greets.\nfn hello() { 1 }\nfn hello(name) { 1 }\n\nfn bye() { 2 }\nfn test_bye() { }\n");
    let undocumented =
        "`bye` (recipes/greet.rhai:5) is no command until a line such as `/// What it does.` stands above it\n";
    let (told, code) = run(&host, &["recipes"]);
    assert_eq!((told.as_str(), code), (format!("note: {undocumented}").as_str(), Some(0)));
    let (told, code) = run(&host, &["greet", "bye"]);
    assert!(code == Some(1) && told.ends_with(&format!("  = hint: {undocumented}")), "{told}");
    write("greet.rhai", "fn bye() { 2 }\n");
    let (told, _) = run(&host, &["greet", "bye"]);
    assert!(
        told.contains("the module `greet` holds no commands") && told.contains("`bye` (recipes/greet.rhai:1)"),
        "{told}"
    );
}

#[test]
fn one_name_in_two_folders_is_the_same_for_commands_and_imports() {
    let host = Host::new();
    let home = host.folder().join("home");
    for (folder, who) in [(home.join("vmscript/recipes"), "home"), (host.folder().join("recipes"), "local")] {
        std::fs::create_dir_all(&folder).expect("made");
        let recipe = format!("/// Says who.\nfn who() {{ \"{who}\" }}\n");
        std::fs::write(folder.join("twice.rhai"), recipe).expect("written");
    }
    let by_import = "/// Asks.\nfn ask() { import \"twice\" as twice; twice::who() }\n/// Never.\nfn list() { }\n";
    std::fs::write(host.folder().join("recipes/vm.rhai"), by_import).expect("written");
    let run = |args: &[&str]| host.command(args).env("XDG_CONFIG_HOME", &home).output().expect("started");
    assert_eq!(text(&run(&["twice", "who"]).stdout), "local\n");
    assert_eq!(text(&run(&["vm", "ask"]).stdout), "local\n");
    let shown = text(&run(&["recipes"]).stderr);
    let other = home.join("vmscript/recipes/twice.rhai").display().to_string();
    assert!(
        shown.contains(&format!("note: `twice who` is the one of `recipes/twice.rhai`, not of `{other}`")),
        "{shown}"
    );
    assert!(shown.contains("note: `vm list` is the one of `std/vm`, not of `recipes/vm.rhai`"), "{shown}");
    // A closure is nothing that wants docs.
    std::fs::write(host.folder().join("recipes/vm.rhai"), "/// Two.\nfn two() { [1].map(|x| x * 2) }\n")
        .expect("written");
    let shown = text(&run(&["recipes"]).stderr);
    assert!(!shown.contains("anon"), "{shown}");
}

#[test]
fn docs_name_parameters_that_there_are() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let recipe = "/// Doubles.\n///\n/// # Parameters\n/// - `other` (int): what\nfn g(real) { real * 2 }\n";
    std::fs::write(host.folder().join("recipes/math.rhai"), recipe).expect("written");
    for args in [&["math", "g", "1"][..], &["recipes"]] {
        let (told, code) = run(&host, args);
        let shown = told.contains("`g` has no parameter `other`") && told.contains("hint: parameters: real");
        assert!(code == Some(1) && shown && told.contains("recipes/math.rhai:4:7"), "{args:?}: {told}");
    }
    let recipe = "/// Doubles.\n///\n/// # Options\n/// - `o` (flag): what\nfn g() { 2 }\n";
    std::fs::write(host.folder().join("recipes/math.rhai"), recipe).expect("written");
    let (told, code) = run(&host, &["math", "g", "--o"]);
    assert!(code == Some(1) && told.contains("`g` takes no options, such as `o`"), "{told}");
}

#[test]
fn what_is_missing_is_told_with_names_that_are_there() {
    let host = Host::new();
    let (told, _) = run(&host, &["vm", "revert", "web", "nosuch", "--yes"]);
    assert!(told.contains("hint: `vmscript vm snapshots web` lists what is there"), "{told}");
    let (told, code) = run(&host, &["vm", "snapshot", "web"]);
    assert_eq!(code, Some(1));
    assert!(told.ends_with("hint: the last word is the SNAPSHOT, and what stands before it each NAME\n"), "{told}");
}

#[test]
fn what_is_no_table_and_no_exit_code_is_told() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let recipe = "/// A text.\nfn say() { \"hi\" }\n/// A closure.\nfn later() { || 1 }\n/// Ends.\nfn end(code) { exit(code) }\n\
                  /// Never ends.\nfn rec() { rec() }\n";
    std::fs::write(host.folder().join("recipes/odd.rhai"), recipe).expect("written");
    let (told, code) = run(&host, &["odd", "say", "--columns", "name"]);
    assert!(code == Some(1) && told.contains("the result is no table, so it has no column `name`"), "{told}");
    let (told, code) = run(&host, &["vm", "list", "--columns", "name,addresses"]);
    assert!(code == Some(1) && told.contains("hint: `--wide` adds it"), "{told}");
    assert_eq!(run(&host, &["vm", "list", "--wide", "--columns", "name,addresses"]).1, Some(0));
    assert_eq!(text(&host.command(["odd", "later"]).output().expect("started").stdout), "closure\n");
    let (told, code) = run(&host, &["odd", "end", "300"]);
    assert!(code == Some(1) && told.contains("an exit code is a whole number, not \"300\""), "{told}");
    assert_eq!(run(&host, &["-e", "exit(3)"]).1, Some(3));
    // Too many nested calls have a place: where the circle begins.
    let (told, code) = run(&host, &["odd", "rec"]);
    assert!(
        code == Some(1) && told.contains("too many nested calls") && told.contains("recipes/odd.rhai:8:12"),
        "{told}"
    );
    let others = "/// One.\nfn one() { two() }\n/// Two.\nfn two() { one() }\n";
    std::fs::write(host.folder().join("recipes/others.rhai"), others).expect("written");
    let (told, _) = run(&host, &["others", "two"]);
    assert!(told.contains("too many nested calls") && told.contains("recipes/others.rhai:2:12"), "{told}");
    std::fs::write(host.folder().join("rec.rhai"), "fn rec() {\n    rec()\n}\nrec();\n").expect("written");
    let (told, _) = run(&host, &["rec.rhai"]);
    assert!(told.contains("too many nested calls") && told.contains("rec.rhai:2:5"), "{told}");
}

#[test]
fn names_that_cannot_be_are_refused_before_anything_is_done() {
    let host = Host::new();
    let (told, code) = run(&host, &["vm", "snapshot", "web", ""]);
    assert!(code == Some(1) && told.contains("a state needs a name"), "{told}");
    let long = "n".repeat(300);
    let (told, code) = run(&host, &["volume", "create", "default", &long, "1MiB", "--dry-run"]);
    assert!(code == Some(1) && told.contains("the name of the volume has 300 bytes"), "{told}");
    assert_eq!(run(&host, &["volume", "create", "default", &long[..255], "1MiB", "--dry-run"]).1, Some(0));
}

#[test]
fn a_wait_for_the_agent_that_the_agent_ends_is_told_once() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let recipe = "/// Waits.\nfn watch() {\n    answers(\"agent\", #{ object: \"web\", after: 3 });\n    \
                  connect().domain(\"web\").wait_for_agent(#{ timeout: \"1m\" });\n}\n";
    std::fs::write(host.folder().join("recipes/own.rhai"), recipe).expect("written");
    let (told, code) = run(&host, &["own", "watch"]);
    assert!(code == Some(0) && told.contains("domain web: wait for agent ("), "{told}");
}
