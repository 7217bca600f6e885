//! The command line itself.

use super::support::{Host, text};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};
use vmscript::script::{Session, Settings};

#[test]
fn arguments_after_the_file_belong_to_the_script() {
    let host = Host::new();
    std::fs::write(host.folder().join("a.rhai"), "print(args); fn f() { args.len() } print(f());").expect("written");
    let output = host.command(["a.rhai", "-c", "x", "--help", "--", "-q"]).output().expect("started");
    assert_eq!(text(&output.stdout), "[\"-c\", \"x\", \"--help\", \"--\", \"-q\"]\n5\n");
}

#[test]
fn code_standard_input_and_a_hash_bang_line_run() {
    let host = Host::new();
    let output = host.command(["-e", "print(args)", "a", "-b"]).output().expect("started");
    assert_eq!(text(&output.stdout), "[\"a\", \"-b\"]\n", "{}", text(&output.stderr));

    let mut child = host.command(["-", "x"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("piped").write_all(b"#!/usr/bin/env vmscript\nprint(args[0])").expect("written");
    assert_eq!(text(&child.wait_with_output().expect("ended").stdout), "x\n");
}

// Elsewhere it is linked as any library.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn libvirt_is_loaded_by_those_who_call_it() {
    let host = Host::new();
    // Where libvirt is linked as any library, the loader would load it before the program begins.
    let output = host.command(["--version"]).env("LD_TRACE_LOADED_OBJECTS", "1").output().expect("started");
    let shown = text(&output.stdout);
    assert!(shown.contains("libc.so") && !shown.contains("libvirt"), "{shown}");
    // A library that is broken, in the place of libvirt's.
    std::fs::write(host.folder().join("libvirt-qemu.so.0"), "broken").expect("written");
    let without = |args: &[&str]| {
        let output = host.command(args).env("LD_LIBRARY_PATH", host.folder()).output().expect("started");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    std::fs::write(
        host.folder().join("one.yaml"),
        "name: one\nvcpus: 1\nmemory: 1 GiB\nseed: none\nboot_disk: { size: 1 GiB, empty: true }\n",
    )
    .expect("written");
    let (code, shown, told) = without(&["vm", "render", "one.yaml"]);
    assert!(code == Some(0) && shown.contains("<name>one</name>"), "{shown}{told}");
    for args in [&["vm", "list"][..], &["-e", "connect()"], &["-e", "let host = connect(); print(host.lib_version)"]] {
        let (code, shown, told) = without(args);
        assert_eq!((code, shown.as_str()), (Some(3), ""), "{told}");
        assert!(told.contains("error: cannot load libvirt\n") && told.contains("libvirt-qemu.so.0: "), "{told}");
        assert!(told.contains("apt-get install libvirt0"), "{told}");
    }
}

#[test]
fn a_column_that_no_record_could_have_is_refused_where_there_is_none() {
    let host = Host::new();
    std::fs::write(host.folder().join("empty.xml"), "<node/>").expect("written");
    let uri = format!("test://{}", host.folder().join("empty.xml").display());
    for option in [["--columns", "nme"], ["--filter", "nme=3"], ["--sort", "nme"]] {
        let output = host.command(["-c", &uri, "vm", "list"]).args(option).output().expect("started");
        assert_eq!(output.status.code(), Some(1), "{option:?}");
        let told = text(&output.stderr);
        assert!(told.contains("there is no column `nme`") && told.contains("hint: did you mean `name`?"), "{told}");
    }
    let output =
        host.command(["-c", &uri, "vm", "list", "-o", "json", "--filter", "state=x"]).output().expect("started");
    assert_eq!(text(&output.stdout), "[]\n");
    // What reads a table by its places finds them where they always are.
    for words in
        [&["vm", "list"][..], &["vm", "list", "--wide"], &["storage", "status"], &["storage", "status", "--wide"]]
    {
        let head = |uri: &[&str]| {
            let output = host.command(uri).args(words).args(["-o", "csv"]).output().expect("started");
            text(&output.stdout).lines().next().map(str::to_string)
        };
        assert!(head(&[]).is_some_and(|head| head.starts_with("name,state,")), "{words:?}");
        assert_eq!(head(&["-c", &uri]), head(&[]), "{words:?}");
    }
}

#[test]
fn a_single_record_is_filtered_as_a_list_is() {
    let host = Host::new();
    let run = |more: &[&str]| host.command(["vm", "get", "web"]).args(more).output().expect("started");
    assert_eq!(text(&run(&["--filter", "state=run*", "-o", "name"]).stdout), "web\n");
    assert_eq!(text(&run(&["--filter", "state=shut*", "-o", "name"]).stdout), "");
    assert_eq!(text(&run(&["--filter", "state=shut*", "-o", "json"]).stdout), "null\n");
    let wrong = run(&["--sort", "nosuch"]);
    assert!(text(&wrong.stderr).contains("there is no column `nosuch`") && wrong.status.code() == Some(1));
}

#[test]
fn a_function_that_is_called_like_a_word_of_rhai_has_its_hint() {
    let host = Host::new();
    let output = host.run("import \"std/inventory\" as inv;\ninv::export(#{});");
    let told = text(&output.stderr);
    for part in ["`export` is a word of Rhai", "script.rhai:2:6", "hint: a function of a module", "`inv::export_`"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn of_files_that_are_there_none_is_written() {
    let host = Host::new();
    let one = |name: &str| {
        format!("- {{ name: {name}, vcpus: 1, memory: 1 GiB, boot_disk: {{ empty: true, size: 1 GiB }} }}\n")
    };
    let file = |name: &str| host.folder().join(name);
    std::fs::write(file("in.yaml"), format!("machines:\n{}{}{}", one("a"), one("b"), one("c"))).expect("written");
    for name in ["b.yaml", "c.yaml"] {
        std::fs::write(file(name), "mine").expect("written");
    }
    for more in [&["--dry-run"][..], &[]] {
        let output = host.command(["inventory", "import", "in.yaml"]).args(more).output().expect("started");
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output.stderr);
        assert!(told.starts_with("error: ./b.yaml and ./c.yaml are there already\n = hint: `--force`"), "{told}");
        assert!(!file("a.yaml").exists());
    }
    let output = host.command(["inventory", "import", "in.yaml", "--to", "new"]).output().expect("started");
    assert!(text(&output.stderr).contains(" = hint: there is no folder `new`"), "{}", text(&output.stderr));
}

#[test]
fn a_lab_comes_from_a_pipe_if_it_says_its_name() {
    let host = Host::new();
    let up = |lab: &str| piped(&host, ["lab", "up", "/dev/stdin", "-o", "csv"], lab);
    let (shown, told) = up("lab: home\nnetworks:\n- { name: blue }\n");
    assert!(shown.contains("network,blue,created"), "{shown}{told}");
    let (_, told) = up("networks:\n- { name: blue }\n");
    assert!(told.contains("the lab has no name: a pipe gives it none"), "{told}");
}

/// What a run with this on its standard input prints and tells.
fn piped(host: &Host, words: [&str; 5], input: &str) -> (String, String) {
    let mut command = host.command(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ended");
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_machine_comes_from_standard_input() {
    let host = Host::new();
    let create = |spec: &str| piped(&host, ["vm", "create", "-", "-o", "csv"], spec);
    let spec = |vcpus: &str| {
        format!("name: piped\nvcpus: {vcpus}\nmemory: 1 GiB\nseed: none\nboot_disk: {{ size: 1 GiB, empty: true }}\n")
    };
    let (_, told) = create(&spec("0.5"));
    assert!(told.starts_with("error: `vcpus` must be a whole number\n --> /dev/stdin:2:8"), "{told}");
    let (shown, told) = create(&spec("2.0"));
    assert!(shown.contains("piped,created"), "{shown}{told}");
}

#[test]
fn a_mark_of_the_byte_order_is_passed_over() {
    let host = Host::new();
    std::fs::write(host.folder().join("part.rhai"), "\u{feff}fn two() { 2 }").expect("written");
    let script = "\u{feff}#!/usr/bin/env vmscript\nimport \"part\" as part;\nprint(part::two());";
    std::fs::write(host.folder().join("a.rhai"), script).expect("written");
    let output = host.command(["a.rhai"]).output().expect("started");
    assert_eq!(text(&output.stdout), "2\n", "{}", text(&output.stderr));

    let mut child = host.command::<&str>([]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("piped").write_all("\u{feff}print(3)\n".as_bytes()).expect("written");
    assert_eq!(text(&child.wait_with_output().expect("ended").stdout), "3\n");
}

#[test]
fn imports_are_relative_to_the_importing_script() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("lib/deep")).expect("made");
    std::fs::write(host.folder().join("lib/a.rhai"), "import \"deep/b\" as b; fn one() { b::two() }").expect("written");
    std::fs::write(host.folder().join("lib/deep/b.rhai"), "fn two() { 2 }").expect("written");
    let output = host.run("import \"lib/a\" as a;\nprint(a::one());");
    assert_eq!(text(&output.stdout), "2\n", "{}", text(&output.stderr));
}

#[test]
fn the_default_host_is_the_one_of_the_option_then_the_one_of_the_environment() {
    let host = Host::new();
    let other = Host::new();
    let uri = |args: &[&str]| text(&host.command(args).output().expect("started").stdout);
    assert_eq!(uri(&["-e", "print(connect().uri)"]), format!("{}\n", host.uri()));
    assert_eq!(uri(&["-c", &other.uri(), "-e", "print(connect().uri)"]), format!("{}\n", other.uri()));
    let mut command = host.command(["-e", "print(connect().uri)"]);
    command.env_remove("VMSCRIPT_CONNECT").env("LIBVIRT_DEFAULT_URI", other.uri());
    assert_eq!(text(&command.output().expect("started").stdout), format!("{}\n", other.uri()));
    // A file of ours is stronger than libvirt's own variable.
    std::fs::write(host.folder().join("vmscript.toml"), format!("connect = \"{}\"\n", host.uri())).expect("written");
    command.current_dir(host.folder());
    assert_eq!(text(&command.output().expect("started").stdout), format!("{}\n", host.uri()));
    std::fs::remove_file(host.folder().join("vmscript.toml")).expect("removed");
    let settings = |variable: &str| {
        let mut command = host.command(["config", "-o", "csv"]);
        command.env_remove("VMSCRIPT_CONNECT").env("LIBVIRT_DEFAULT_URI", variable);
        let all = text(&command.output().expect("started").stdout);
        all.lines().find(|line| line.starts_with("connect,")).expect("it is told").to_string()
    };
    assert_eq!(settings(&other.uri()), format!("connect,{},LIBVIRT_DEFAULT_URI", other.uri()));
    assert!(settings("").contains("libvirt's own"));
    let mut command = host.command(["-e", "connect()"]);
    command.env_remove("VMSCRIPT_CONNECT").env("LIBVIRT_DEFAULT_URI", "test:///nowhere");
    let told = text(&command.output().expect("started").stderr);
    assert!(told.contains("cannot connect to `test:///nowhere`, which LIBVIRT_DEFAULT_URI names"), "{told}");
}

#[test]
fn ctrl_c_and_sigterm_end_a_run_inside_a_native_wait_too() {
    let host = Host::new();
    for (signal, script) in [
        ("INT", "sleep(60)"),
        ("TERM", "loop { }"),
        ("INT", "try { sleep(60) } catch { sleep(60) }"),
        ("INT", "run_program(\"sleep\", [\"60\"])"),
    ] {
        let script = format!("print(\"here\"); {script}");
        let mut command = host.command(["-e", &script]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        // From its first line on, the program minds signals.
        child.stdout.as_mut().expect("piped").read_exact(&mut [0; 5]).expect("the script runs");
        let sent = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        let start = Instant::now();
        let code = child.wait().expect("ended").code();
        assert_eq!(code, Some(130), "{script}");
        assert!(start.elapsed() < Duration::from_secs(20), "{script} took {:?}", start.elapsed());
    }
}

#[test]
fn the_log_is_text_or_json_on_standard_error() {
    let host = Host::new();
    let log = |args: &[&str]| text(&host.command(args).output().expect("started").stderr);
    assert_eq!(log(&["-e", "connect().domain(\"idle\").start()"]), "");
    let shown = log(&["--log-level", "info", "-e", "connect().domain(\"idle\").start()"]);
    assert!(shown.contains("INFO") && shown.contains("idle"), "{shown}");
    let json = log(&["--log-level", "info", "--log-format", "json", "-e", "connect().domain(\"idle\").start()"]);
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!lines.is_empty());
}

#[test]
fn recipes_are_commands_with_help_options_and_output_formats() {
    let host = Host::new();
    let run = |args: &[&str]| host.command(args).output().expect("started");
    let list = run(&["vm", "list"]);
    assert_eq!(
        text(&list.stdout),
        "NAME  STATE     VCPUS  MEMORY_MIB  AUTOSTART\nidle  shut off  1      512         no\nweb   running   2      512         no\n",
        "{}",
        text(&list.stderr)
    );
    let json: serde_json::Value =
        serde_json::from_slice(&run(&["vm", "list", "--active", "-o", "json"]).stdout).expect("JSON");
    assert_eq!(json[0]["name"], "web");
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert!(text(&run(&["vm", "list", "-o", "yaml"]).stdout).contains("name: idle"));
    assert!(text(&run(&["vm", "stop", "--help"]).stdout).contains("--timeout <DURATION>"));
    assert!(text(&run(&["recipes"]).stdout).contains("vm stop NAMES"));
    let wrong = run(&["vm", "lst"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("'list'"), "{}", text(&wrong.stderr));
    let module = run(&["vn", "list"]);
    assert_eq!(module.status.code(), Some(1));
    let told = "error: there is no script and no module of recipes `vn`\n  = hint: did you mean `vm`?\n";
    assert_eq!(text(&module.stderr), told);
    // What begins with `-` belongs to the command that is to run, unless it stands before it.
    for words in [&["vm", "exec", "web", "--timeout", "1s", "ls", "-l"][..], &["vm", "exec", "web", "--", "ls"]] {
        let told = text(&run(words).stderr);
        assert!(told.starts_with("error: cannot use the agent of domain `web`"), "{told}");
    }
    let other = Host::new();
    assert!(run(&["vm", "list", "-c", &other.uri()]).status.success());
    let missing = run(&["vm", "ip", "nobody"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(text(&missing.stderr).contains("there is no domain `nobody`"), "{}", text(&missing.stderr));
}

#[test]
fn the_columns_that_a_recipe_names_are_those_it_gives() {
    let session = Session::new(&Settings::default());
    let file = "name: db\nvcpus: 1\nmemory: 1 GiB\nseed: none\nboot_disk: { empty: true, size: 1 GiB }\n";
    let lab = "networks: [ { name: blue } ]\nmachines:\n- { name: db, vcpus: 1, memory: 1 GiB, seed: none, boot_disk: { empty: true, size: 1 GiB } }\n";
    let images = "vm_images: { web: { filename: web.qcow2, format: qcow2, download_url: 'http://localhost:9/w' } }";
    for words in [
        &["vm", "list", "--wide"][..],
        &["vm", "get", "web", "idle"],
        &["vm", "create", "db.yaml"],
        &["vm", "start", "idle"],
        &["vm", "stop", "web"],
        &["vm", "restart", "web"],
        &["vm", "wait", "web"],
        &["vm", "ip", "web", "web"],
        &["vm", "resize", "idle", "--vcpus", "2"],
        &["vm", "clone", "idle", "second"],
        &["vm", "snapshot", "web", "before"],
        &["vm", "protect", "web"],
        &["vm", "unprotect", "web"],
        &["vm", "label", "web", "--set", "a=b"],
        &["vm", "adopt", "idle"],
        &["vm", "destroy", "web", "--yes"],
        &["lab", "up", "lab.yaml"],
        &["lab", "down", "lab.yaml", "--yes"],
        &["spec", "load", "db.yaml"],
        &["spec", "catalogue", "images.yaml"],
        &["volume", "list", "default"],
        &["volume", "info", "default", "web.qcow2"],
        &["volume", "chain", "default", "web.qcow2"],
        &["volume", "create", "default", "new", "1MiB"],
        &["volume", "resize", "default", "web.qcow2", "40GiB", "--dry-run"],
        &["volume", "delete", "default", "web.qcow2", "--yes"],
        &["image", "list"],
        &["image", "refresh", "default", "images.yaml"],
        &["image", "delete", "default", "web.qcow2", "--yes"],
        &["storage", "status", "--wide"],
        &["pool", "list"],
        &["pool", "info", "default"],
        &["pool", "add", "data", "/srv/data"],
        &["pool", "start", "default"],
        &["pool", "stop", "default"],
        &["pool", "delete", "default", "--force", "--with-volumes", "--yes"],
        &["pool", "refresh", "default"],
        &["network", "list"],
        &["network", "info", "default"],
        &["network", "create", "blue", "--mode", "isolated"],
        &["network", "start", "default"],
        &["network", "stop", "default", "--force"],
        &["network", "delete", "default", "--force", "--yes"],
        &["network", "users", "default"],
        &["network", "reserve", "default", "192.168.122.50", "52:54:00:00:00:50"],
        &["network", "release", "default", "192.168.122.50"],
        &["inventory", "list"],
        &["hypervisor", "check"],
        &["hypervisor", "info"],
        &["hypervisor", "setup", "--dry-run", "--packages=false"],
        &["hypervisor", "serve-images", "/srv/images", "--dry-run", "--packages=false"],
        &["hypervisor", "redfish", "--dry-run", "--packages=false"],
    ] {
        let (_, imports) =
            session.recipe_modules(&[]).into_iter().find(|(name, _)| name == words[0]).expect("a module");
        let recipes = session.recipes(words[0], &imports).unwrap_or_else(|_| panic!("{words:?} parses"));
        let recipe = recipes.iter().find(|one| one.command_name() == words[1]).expect("a recipe");
        let host = Host::new();
        for (name, text) in [("db.yaml", file), ("lab.yaml", lab), ("images.yaml", images)] {
            std::fs::write(host.folder().join(name), text).expect("written");
        }
        let output = host.command(words.iter().chain(&["-o", "json"])).output().expect("started");
        let rows: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words:?}: {}", text(&output.stderr)));
        let rows = if rows.is_array() { rows } else { serde_json::json!([rows]) };
        let rows: Vec<serde_json::Map<_, _>> = serde_json::from_value(rows).expect("records");
        let given: BTreeSet<&String> = rows.iter().flat_map(serde_json::Map::keys).collect();
        let named: BTreeSet<&String> = recipe.columns.iter().collect();
        assert!(!given.is_empty() && given.is_subset(&named), "{words:?}: {given:?} are not among {named:?}");
        // Of one that lists what is there all are given.
        if ["list", "users", "status", "check", "info"].contains(&words[1]) && words[0] != "volume" {
            assert_eq!(given, named, "{words:?}");
        }
        let help = text(&host.command([words[0], words[1], "--help"]).output().expect("started").stdout);
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(&format!("Columns: {}", recipe.columns.join(", "))), "{help}");
    }
}

#[test]
fn a_user_has_recipes_of_his_own() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    std::fs::create_dir_all(host.folder().join("more")).expect("made");
    let recipe = "/// Greets.\n///\n/// # Parameters\n/// - `name` (string): who\nfn hello(name) { `hello ${name}` }";
    std::fs::write(host.folder().join("recipes/greet.rhai"), recipe).expect("written");
    let twice = "/// Doubles.\n///\n/// # Parameters\n/// - `number` (int): what\nfn twice(number) { number * 2 }";
    std::fs::write(host.folder().join("more/math.rhai"), twice).expect("written");
    let run = |args: &[&str]| host.command(args).output().expect("started");
    assert_eq!(text(&run(&["greet", "hello", "you"]).stdout), "hello you\n");
    assert_eq!(text(&run(&["--recipes", "more", "math", "twice", "-21"]).stdout), "-42\n");
    let wrong = run(&["--recipes", "more", "math", "twice", "x"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("invalid value 'x'"), "{}", text(&wrong.stderr));
}

#[test]
fn defaults_and_kinds_of_a_recipe_hold() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let recipe = "/// Says it.\n///\n/// # Parameters\n/// - `word` (string, default \"hi\"): what\n/// - `times` (int, default 2): how often\n///\n\
                  /// # Options\n/// - `limit` (size, default \"1 GiB\"): how much\n/// - `pause` (duration): how long\n\
                  fn say(word, times, options) { `${word} ${times} ${options}` }";
    std::fs::write(host.folder().join("recipes/talk.rhai"), recipe).expect("written");
    let run = |args: &[&str]| host.command(args).output().expect("started");
    assert_eq!(text(&run(&["talk", "say"]).stdout), "hi 2 #{\"limit\": \"1 GiB\"}\n");
    assert_eq!(text(&run(&["talk", "say", "ho", "3", "--limit", "5K"]).stdout), "ho 3 #{\"limit\": \"5K\"}\n");
    for (option, value) in [("--limit", "3 parsec"), ("--pause", "soon")] {
        let wrong = run(&["talk", "say", option, value]);
        assert_eq!(wrong.status.code(), Some(1));
        assert!(text(&wrong.stderr).contains(&format!("invalid value '{value}'")), "{}", text(&wrong.stderr));
    }
}

#[test]
fn folders_of_recipes_add_to_what_is_there() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let write = |name: &str, text: &str| {
        std::fs::write(host.folder().join("recipes").join(name), text).expect("written");
    };
    write("vm.rhai", "/// Mine.\nfn mine() { \"mine\" }\n/// Not theirs.\nfn list() { \"stolen\" }");
    write("config.rhai", "/// Never.\nfn never() { }");
    let run = |args: &[&str]| host.command(args).output().expect("started");
    assert_eq!(text(&run(&["vm", "mine"]).stdout), "mine\n");
    assert!(text(&run(&["vm", "list"]).stdout).contains("web"));
    let listed = run(&["recipes"]);
    assert!(listed.status.success() && text(&listed.stdout).contains("vm mine"), "{}", text(&listed.stdout));
    assert!(
        !text(&listed.stdout).contains("never") && text(&listed.stderr).contains("`vmscript config` is something else")
    );
    // One that is broken takes nothing away from the others.
    write("broken.rhai", "fn x( {");
    let listed = run(&["recipes"]);
    assert!(!listed.status.success() && text(&listed.stdout).contains("vm mine"), "{}", text(&listed.stdout));
    assert!(text(&listed.stderr).contains("recipes/broken.rhai:1:7"), "{}", text(&listed.stderr));
    let nothing = run(&["machine"]);
    assert!(text(&nothing.stderr).contains("the module `machine` holds no commands"), "{}", text(&nothing.stderr));
}

#[test]
fn a_run_has_one_connection_to_each_host() {
    // Each connection to a host file of the test driver has a state of its own, so this tells one from two.
    let script = "connect().define_domain(#{ type: \"test\", name: \"db\", memory: \"1 GiB\", os: #{ type: \"hvm\" } });\n\
                  print(connect().domain(\"db\").name);\n\
                  print(connect((), #{ read_only: true }).find_domain(\"db\") == ());";
    assert_eq!(text(&Host::new().run(script).stdout), "db\ntrue\n");
}

#[test]
fn settings_come_in_layers_and_hosts_have_aliases() {
    let host = Host::new();
    let folder = host.folder().join("config");
    std::fs::create_dir_all(folder.join("vmscript")).expect("made");
    let user =
        format!("output = \"json\"\nlog_level = \"info\"\nconnect = \"lab\"\n[hosts]\nlab = \"{}\"\n", host.uri());
    std::fs::write(folder.join("vmscript/config.toml"), user).expect("written");
    let run = |args: &[&str]| {
        let mut command = host.command(args);
        command.env_remove("VMSCRIPT_CONNECT").env("XDG_CONFIG_HOME", &folder);
        let output = command.output().expect("started");
        (text(&output.stdout), text(&output.stderr), output.status.code())
    };
    // An alias stands for its URI, on the command line and in scripts.
    assert_eq!(run(&["-e", "print(connect().uri == connect(\"lab\").uri)"]).0, "true\n");
    assert!(run(&["vm", "list", "-c", "lab"]).0.starts_with('['), "as JSON, as the file says");
    assert!(run(&["vm", "list", "-o", "name"]).0.starts_with("idle\n"), "an option is stronger");
    // The folder's file is stronger than the user's, the environment than both, and an option than all.
    std::fs::write(host.folder().join("vmscript.toml"), "log_level = \"error\"\n").expect("written");
    let shown = run(&["config", "-o", "table"]).0;
    assert!(shown.contains("log_level    error") && shown.contains("vmscript.toml"), "{shown}");
    assert!(shown.contains("hosts.lab"), "{shown}");
    let shown = run(&["--log-level", "debug", "config", "-o", "table"]).0;
    assert!(shown.lines().any(|line| line.starts_with("log_level") && line.ends_with("--log-level")), "{shown}");
    std::fs::write(host.folder().join("vmscript.toml"), "log_levl = \"error\"\n").expect("written");
    let (_, told, code) = run(&["config"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("unknown setting `log_levl`") && told.contains("did you mean `log_level`?"), "{told}");
}

#[test]
fn each_option_and_variable_is_a_setting() {
    let host = Host::new();
    let folder = host.folder().join("config");
    std::fs::create_dir_all(folder.join("vmscript/own")).expect("made");
    let recipe = "/// Says where.\n///\n/// # Options\n/// - `base_path` (path, default \"/var\"): where\nfn where_(options) { options.base_path }";
    std::fs::write(folder.join("vmscript/own/say.rhai"), recipe).expect("written");
    std::fs::write(folder.join("vmscript/first.rhai"), "print(\"first\")").expect("written");
    let user =
        "recipes = [\"own\"]\nbase_path = \"/srv\"\ninit = \"first.rhai\"\nno_progress = true\ntimings = \"json\"\n";
    std::fs::write(folder.join("vmscript/config.toml"), user).expect("written");
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = host.command(args);
        command.env("XDG_CONFIG_HOME", &folder).envs(variables.iter().copied()).stdin(Stdio::null());
        let output = command.output().expect("started");
        (text(&output.stdout), text(&output.stderr), output.status.code())
    };
    let (shown, told, _) = run(&["say", "where"], &[]);
    assert!(shown == "/srv\n" && told.starts_with('['), "{shown}{told}");
    assert_eq!(run(&["say", "where"], &[("VMSCRIPT_BASE_PATH", "/data")]).0, "/data\n");
    assert_eq!(run(&["say", "where", "--base-path", "/mine"], &[("VMSCRIPT_BASE_PATH", "/data")]).0, "/mine\n");
    assert_eq!(run(&["say", "where"], &[("VMSCRIPT_RECIPES", "none:nowhere")]).2, Some(2));
    // What is run before the first prompt.
    assert!(run(&[], &[]).0.starts_with("first\n"));
    assert!(!run(&["--no-init"], &[]).0.contains("first"));
    assert!(!run(&[], &[("VMSCRIPT_NO_INIT", "1")]).0.contains("first"));
    std::fs::write(host.folder().join("vmscript.toml"), "no_init = true\n").expect("written");
    assert!(!run(&[], &[]).0.contains("first"));
    assert!(run(&["--init", "config/vmscript/first.rhai"], &[]).0.contains("first"), "an option is stronger");
    // Each setting is listed, for programs too.
    let rows: Vec<serde_json::Value> = serde_json::from_str(&run(&["config", "-o", "json"], &[]).0).expect("JSON");
    let value = |name: &str| rows.iter().find(|row| row["name"] == name).map(|row| row["value"].clone());
    assert_eq!(value("recipes"), Some(format!("{}/vmscript/own", folder.display()).into()));
    assert_eq!((value("base_path"), value("no_progress")), (Some("/srv".into()), Some("true".into())));
    let program = host.command(["--help"]).output().expect("started");
    for option in text(&program.stdout).split("--").skip(1).filter_map(|rest| rest.split([' ', '\n', '[']).next()) {
        let is_setting = value(&option.replace('-', "_")).is_some();
        assert!(is_setting || ["", "help", "version"].contains(&option), "--{option} is no setting");
    }
    assert!(run(&["recipes", "-o", "csv"], &[]).0.starts_with("command,summary\r\n"));
    for (wrong, expected) in [
        (
            "quiet = true\nrecipe = \"a\"\n",
            "`vmscript.toml:2` has an unknown setting `recipe`\n  = hint: did you mean `recipes`?",
        ),
        (
            "color = \"alway\"\n",
            "`vmscript.toml:1`: `color` must be one of auto, always, never, not `alway`\n  = hint: did you mean `always`?",
        ),
        ("quiet = \"yes\"\n", "`vmscript.toml:1`: `quiet` must be true or false, not `yes`"),
        ("recipes = 5\n", "`vmscript.toml:1`: `recipes` must be a list of folders, not integer"),
        ("[hosts]\nlab = 5\n", "`vmscript.toml:2`: host `lab` must be a URI"),
        ("[hosts]\nlab = \"hv1\"\n", "`vmscript.toml:2`: host `lab` must be a URI"),
        ("base_path = \"srv\"\n", "`vmscript.toml:1`: `base_path` must be a path that begins with `/`, not `srv`"),
    ] {
        std::fs::write(host.folder().join("vmscript.toml"), wrong).expect("written");
        let (_, told, code) = run(&["config"], &[]);
        assert!(code == Some(2) && told.contains(expected), "{told}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure_and_a_reader_who_stops_is_none() {
    let host = Host::new();
    let db = "transaction(|| {
        connect().define_domain(#{ type: \"test\", name: \"db\", memory: \"1 GiB\", os: #{ type: \"hvm\" } });
        print(\"made\");
        for at in 0..1000 { let x = at; }
        assert(connect().find_domain(\"db\") != ());
    });
    write_file(\"end\", \"reached\");";
    std::fs::write(host.folder().join("tests.rhai"), "fn test_one() { }").expect("written");
    for words in [
        &["-e", "print(1)"][..],
        &["-e", "print(1); for at in 0..1000 { let x = at; } print(2)"],
        &["-e", db],
        &["vm", "list"],
        &["vm", "list", "-o", "json"],
        &["vm", "rename", "idle", "spare"],
        &["recipes"],
        &["config"],
        &["recover", "--list"],
        &["completions", "bash"],
        &["test", "tests.rhai"],
        &["--help"],
        &["vm", "list", "--help"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("the kernel has it");
        let output = host.command(words).stdout(full).output().expect("started");
        let told = text(&output.stderr);
        let expected = "error: cannot write `standard output`: No space left on device (os error 28)\n";
        // What was done is told besides.
        let told: String = told.lines().filter(|line| !line.starts_with("✓ ")).flat_map(|line| [line, "\n"]).collect();
        assert_eq!((told.as_str(), output.status.code()), (expected, Some(1)), "{words:?}");
    }
    assert!(!host.folder().join("end").exists());
    let full = std::fs::File::options().write(true).open("/dev/full").expect("the kernel has it");
    let output = host.command(["-e", "print(1); exit(7)"]).stdout(full).output().expect("started");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    for words in [&["-e", "loop { print(1) }"][..], &["-e", db], &["vm", "list"], &["recipes"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = host.command(words).stdout(writer).output().expect("started");
        assert_eq!((text(&output.stderr).as_str(), output.status.code()), ("", Some(0)), "{words:?}");
    }
    // What is being made is not undone because nobody reads.
    assert!(host.folder().join("end").exists());
}

/// The recipes that give no records: texts, what is not theirs to name, or nothing.
const WITHOUT_RECORDS: &[&str] = &[
    "hypervisor bgp",
    "hypervisor dhcp",
    "image info",
    "inventory export",
    "inventory import",
    "network free-address",
    "routing bird",
    "spec lab",
    "vm console",
    "vm rename",
    "vm render",
];

#[test]
fn each_recipe_that_gives_records_names_its_columns() {
    let session = Session::new(&Settings::default());
    let mut without = BTreeSet::new();
    for (module, imports) in session.recipe_modules(&[]) {
        let recipes = session.recipes(&module, &imports).unwrap_or_else(|_| panic!("{module} parses"));
        let bare = recipes.into_iter().filter(|recipe| recipe.is_command() && recipe.columns.is_empty());
        without.extend(bare.map(|recipe| format!("{module} {}", recipe.command_name())));
    }
    assert_eq!(without, WITHOUT_RECORDS.iter().map(ToString::to_string).collect());
}

#[test]
fn modules_that_cannot_be_read_say_why() {
    let host = Host::new();
    std::fs::write(host.folder().join("bin.rhai"), [0xff, 0xfe]).expect("written");
    std::fs::create_dir(host.folder().join("folder.rhai")).expect("made");
    std::os::unix::fs::symlink("nowhere", host.folder().join("gone.rhai")).expect("linked");
    for (module, told) in
        [("bin", "valid UTF-8"), ("folder", "Is a directory"), ("gone", "No such file"), ("none", "no module")]
    {
        let output = host.command(["-e", &format!("import \"{module}\" as m;")]).output().expect("started");
        let shown = text(&output.stderr);
        assert!(shown.contains(told) && output.status.code() == Some(1), "{module}: {shown}");
    }
    let output = host.command(["-e", "throw connect()"]).output().expect("started");
    assert!(text(&output.stderr).contains("error: a Host was thrown"), "{}", text(&output.stderr));
}
