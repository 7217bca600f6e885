//! Recipes that work on many machines: chosen by name or by label, each with its row, whatever becomes of the others.

use super::support::{Host, text};

/// A host whose machines `web` and `idle` have a label.
fn labelled() -> Host {
    let host = Host::new();
    let file = host.folder().join("host.xml");
    let record = "<metadata><m:machine xmlns:m='urn:vmscript:machine:1'><m:label name='role'>web</m:label></m:machine></metadata>";
    let xml = std::fs::read_to_string(&file).expect("it is there");
    std::fs::write(&file, xml.replace("<memory unit='MiB'>", &format!("{record}<memory unit='MiB'>")))
        .expect("written");
    host
}

/// Standard output, standard error and exit code.
fn run(host: &Host, args: &[&str]) -> (String, String, Option<i32>) {
    let output = host.command(args).output().expect("started");
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn a_label_takes_the_place_of_the_names() {
    let host = labelled();
    for (args, rows) in [
        (&["vm", "snapshot", "-l", "role=web", "before"][..], "name,result\r\nidle,kept\r\nweb,kept\r\n"),
        (&["vm", "snapshot", "before", "--label=role"], "name,result\r\nidle,kept\r\nweb,kept\r\n"),
        (&["vm", "snapshot", "web", "idle", "before"], "name,result\r\nweb,kept\r\nidle,kept\r\n"),
        (&["vm", "snapshot", "idle", "before"], "name,result\r\nidle,kept\r\n"),
        (
            &["vm", "snapshot", "-l", "role", "before", "--dry-run"],
            "name,result\r\nidle,would be kept\r\nweb,would be kept\r\n",
        ),
        (
            &["vm", "resize", "-l", "role=web", "--vcpus", "2", "--columns", "name,result"],
            "name,result\r\nidle,resized\r\nweb,unchanged\r\n",
        ),
        (&["vm", "stop", "-l", "role=web", "--force"], "name,result\r\nidle,not running\r\nweb,forced off\r\n"),
        (&["vm", "ip", "-l", "role=web", "--filter", "name=nobody", "--timeout", "1ms"], ""),
        (&["vm", "get", "-l", "role=web", "--columns", "name,state"], "name,state\r\nidle,shut off\r\nweb,running\r\n"),
        (
            &["vm", "adopt", "-l", "role=web", "--columns", "name,result"],
            "name,result\r\nidle,unchanged\r\nweb,unchanged\r\n",
        ),
    ] {
        let mut words = args.to_vec();
        words.extend(["-o", "csv"]);
        let (shown, told, code) = run(&host, &words);
        if rows.is_empty() {
            // One of them has no card that could have an address.
            assert_eq!(code, Some(4), "{args:?}: {told}");
            continue;
        }
        assert_eq!((shown.as_str(), code), (rows, Some(0)), "{args:?}: {told}");
    }
    assert_eq!(run(&host, &["vm", "ip", "web"]).0, "192.168.122.3\n");
    assert_eq!(run(&host, &["vm", "ip", "web", "web"]).0, "NAME  ADDRESS\nweb   192.168.122.3\n");
}

#[test]
fn what_follows_the_names_belongs_to_the_command() {
    let host = labelled();
    // The test driver has no agent; how the words were understood shows in who is named.
    let (_, told, code) = run(&host, &["vm", "exec", "idle", "ls", "-l", "x"]);
    assert!(code == Some(4) && told.starts_with("error: cannot use the agent of domain `idle`"), "{told}");
    for args in
        [&["vm", "exec", "-l", "role=web", "--", "ls", "-l"][..], &["vm", "exec", "-l", "role=web", "ls", "-l", "x"]]
    {
        let (shown, told, code) = run(&host, args);
        assert_eq!(shown, "NAME  RESULT\nidle  failed\nweb   failed\n", "{told}");
        assert!(
            code == Some(4) && told.starts_with("error: 2 of 2 items failed\n = note: `idle`: cannot use"),
            "{told}"
        );
    }
    let (_, told, code) = run(&host, &["vm", "ssh", "-l", "role=web"]);
    assert!(code == Some(1) && told.contains("name a command to run on several"), "{told}");
}

#[test]
fn labels_select_as_kubectl_does() {
    let host = labelled();
    let file = host.folder().join("host.xml");
    let xml = std::fs::read_to_string(&file).expect("it is there");
    let (before, idle) = xml.split_once("<name>idle</name>").expect("the host has this machine");
    let other = "<m:label name='role'>db</m:label><m:label name='env'>test-1</m:label>";
    let idle = idle.replacen("<m:label name='role'>web</m:label>", other, 1);
    std::fs::write(&file, format!("{before}<name>idle</name>{idle}")).expect("written");
    for (label, expected) in [
        ("role=web", "web\n"),
        ("role!=web", "idle\n"),
        ("role", "idle\nweb\n"),
        ("!env", "web\n"),
        ("role in (web, db)", "idle\nweb\n"),
        ("role notin (web)", "idle\n"),
        ("role!=db,!env", "web\n"),
        ("env=test-*", "idle\n"),
        ("role!=*", ""),
    ] {
        assert_eq!(
            run(&host, &["vm", "list", "-o", "name", "-l", label]),
            (expected.to_string(), String::new(), Some(0)),
            "{label}"
        );
    }
    let script = "print(connect().domains(#{ label: \"role!=web\" }).map(|vm| vm.name)); \
                  print(connect().domains(#{ label: [\"role\", \"!env\"] }).map(|vm| vm.name));";
    assert_eq!(text(&host.run(script).stdout), "[\"idle\"]\n[\"web\"]\n");
}

#[test]
fn wrong_choices_are_told() {
    let host = labelled();
    for (args, expected) in [
        (
            &["vm", "snapshot", "web", "before", "-l", "role=web"][..],
            "name machines or select them with `--label`, not both",
        ),
        (&["vm", "stop", "web", "-l", "role=web"], "cannot be used with '--label"),
        (&["vm", "stop"], "name machines, or select them with `--label`"),
        (&["vm", "stop", "-l", ""], "`` is no selection by label: a name is missing"),
        (
            &["vm", "stop", "-l", ","],
            "`,` is no selection by label: a name is missing\n = hint: write `role=web`, `role!=web`",
        ),
        (&["vm", "destroy", "--yes", "-l", "=web"], "`=web` is no selection by label: a name is missing"),
        (&["vm", "list", "-l", "role=web,"], "`role=web,` is no selection by label: a name is missing"),
        (&["vm", "stop", "-l", "role in web"], "`role in web` is no name of a label"),
        (&["vm", "stop", "-l", "role in (web"], "a `(` is not closed"),
        (
            &["vm", "label", "web"],
            "there is nothing to set\n = hint: say `--set NAME=VALUE`, or `--set NAME=` to remove a label",
        ),
        (&["vm", "stop", "web", "--parallel", "0"], "it must be at least 1"),
        (&["vm", "exec", "-l", "role=web"], "required arguments were not provided:\n  <COMMAND>"),
        (&["vm", "snapshot", "web"], "vmscript vm snapshot [OPTIONS] --label <LABEL> <SNAPSHOT>"),
        (&["vm", "ip"], "required arguments were not provided:\n  <NAME>"),
        (&["vm", "stop", "web", "ghost"], "there is no domain `ghost`"),
    ] {
        let (shown, told, code) = run(&host, args);
        assert!(shown.is_empty() && told.contains(expected), "{args:?}: {shown}{told}");
        assert!(matches!(code, Some(1 | 4)), "{args:?}: {code:?}");
    }
    // Nobody has this label: that is no error, but not silent either.
    for args in [
        &["vm", "stop", "-l", "role=db"][..],
        &["vm", "snapshot", "-l", "role=db", "x"],
        &["vm", "list", "-l", "role=db"],
        &["vm", "list", "--filter", "name=nobody"],
    ] {
        assert_eq!(run(&host, args), (String::new(), "nothing found\n".to_string(), Some(0)), "{args:?}");
    }
    assert_eq!(run(&host, &["vm", "list", "-l", "role=db", "-o", "json"]).0, "[]\n");
    assert_eq!(run(&host, &["vm", "list", "-l", "role=db", "-q"]).1, "");
}

#[test]
fn one_that_fails_stops_no_other() {
    let host = labelled();
    let (shown, told, code) = run(&host, &["vm", "ip", "-l", "role=web", "--timeout", "5s"]);
    assert_eq!(shown, "NAME  ADDRESS        RESULT\nidle                 failed\nweb   192.168.122.3\n");
    let reason = "`idle`: `idle` is shut off\n = hint: start it with `vmscript vm start idle`";
    assert_eq!((told.as_str(), code), (format!("error: 1 of 2 items failed\n = note: {reason}\n").as_str(), Some(4)));
    let (shown, ..) = run(&host, &["vm", "ip", "-l", "role=web", "-o", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&shown).expect("JSON alone");
    assert_eq!(rows[0]["error"], "`idle` is shut off");
    assert_eq!(rows[1]["address"], "192.168.122.3");
    // What was made for the others stays, although a command is a transaction.
    let script = "import \"std/vm\" as vm;
        try { transaction(|| { vm::snapshot(\"web\", \"kept\"); vm::revert([\"web\", \"idle\"], \"kept\", #{ yes: true }); }); }
        catch (err) { print(err.facts.results.map(|one| one.result)); }
        print(vm::snapshots([\"web\"]).map(|one| one.name));";
    let output = host.run(script);
    assert!(
        text(&output.stdout).ends_with("[\"reverted\", \"failed\"]\n[\"kept\"]\n"),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn the_mistakes_of_all_are_told_where_they_are() {
    let host = Host::new();
    let specs = "- { name: a, type: test, memory: 1 GiB, titel: it }\n- { name: b }\n- { name: c, type: test, memory: 1 GiB, bootloadr: x }\n";
    std::fs::write(host.folder().join("all.yaml"), specs).expect("written");
    let each = "parallel(read_yaml(\"all.yaml\"), |one| { if one.name == \"b\" { throw \"no more\"; } domain(one) }, #{ on_error: \"continue\" })";
    let output = host.run(each);
    let shown = text(&output.stderr);
    for told in [
        "domain has no field `titel`\n --> all.yaml:1:",
        "error: `b`: no more\n",
        "no field `bootloadr`\n --> all.yaml:3:",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert_eq!(output.status.code(), Some(2));
    let caught = format!(
        "try {{ {each}; }} catch (err) {{ for one in err.mistakes {{ print(`${{one.message}} ${{one.place.line}}`); }} }}"
    );
    let shown = text(&host.run(&caught).stdout);
    assert!(shown.contains("no field `titel` 1\n") && shown.contains("no field `bootloadr` 3\n"), "{shown}");
}

#[test]
fn a_pattern_stands_for_all_names_that_fit() {
    let host = Host::new();
    let file = host.folder().join("host.xml");
    // One of them is called like a pattern.
    let xml = std::fs::read_to_string(&file).expect("it is there").replace("<name>idle</name>", "<name>we*</name>");
    std::fs::write(&file, xml).expect("written");
    for (args, rows) in [
        (&["vm", "stop", "*eb", "w*", "--force"][..], "web,forced off\r\nwe*,not running\r\n"),
        (&["vm", "stop", "we*", "--force"], "we*,not running\r\n"),
        (&["vm", "get", "w?b", "--columns", "name,state"], "web,running\r\n"),
        (&["vm", "ip", "*b"], "web,192.168.122.3\r\n"),
        (&["vm", "snapshot", "w*", "before"], "we*,kept\r\nweb,kept\r\n"),
        (
            &["vm", "destroy", "w*", "--dry-run", "--columns", "name,result"],
            "we*,would be removed\r\nweb,would be removed\r\n",
        ),
        (&["vm", "destroy", "x*", "--if-exists", "--columns", "name,result"], "x*,not there\r\n"),
    ] {
        let (shown, told, code) = run(&host, &[args, &["-o", "csv"]].concat());
        let rows = shown.split_once("\r\n").map(|(_, shown)| shown == rows);
        assert_eq!((rows, code), (Some(true), Some(0)), "{args:?}: {shown}{told}");
    }
    for (args, message) in [
        (&["vm", "stop", "x*"][..], "error: no machine fits `x*`\n = hint: `vmscript vm list`"),
        (&["vm", "destroy", "web", "x*", "--yes"], "error: no machine fits `x*`\n"),
        (&["vm", "stop", "x*", "y"], "error: there are no machines `x*`, `y`\n"),
    ] {
        let (_, told, code) = run(&host, args);
        assert!(told.starts_with(message) && code == Some(4), "{args:?}: {told}");
    }
    // Whoever is asked sees the names.
    let (_, told, _) = run(&host, &["vm", "destroy", "w*"]);
    assert!(told.contains("remove we* (0 volumes) web (0 volumes)?"), "{told}");
}

#[test]
fn a_recipe_can_give_something_though_it_failed() {
    let host = Host::new();
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let recipe = "/// Backs up.\nfn run() { throw #{ message: \"1 of 2 backups failed\", results: [#{ name: \"a\" }, #{ name: \"b\" }] } }";
    std::fs::write(host.folder().join("recipes/backup.rhai"), recipe).expect("written");
    let (shown, told, code) = run(&host, &["backup", "run", "-o", "name"]);
    assert_eq!((shown.as_str(), code), ("a\nb\n", Some(1)));
    assert!(told.starts_with("error: 1 of 2 backups failed\n"), "{told}");
}

#[test]
fn options_of_the_program_may_stand_behind() {
    let host = Host::new();
    let spec = "name: db\nvcpus: 1\nmemory: 1 GiB\nseed: none\nboot_disk: { empty: true, size: 1 GiB }\n";
    std::fs::write(host.folder().join("db.yaml"), spec).expect("written");
    let (_, told, code) =
        run(&host, &["vm", "create", "db.yaml", "--timings=json", "-q", "--color", "never", "--log-level", "info"]);
    let rows: serde_json::Value = serde_json::from_str(&told).expect("JSON alone");
    assert_eq!((rows[0]["object"].as_str(), code), (Some("volume db_boot"), Some(0)));
    let (_, told, _) = run(&host, &["vm", "create", "db.yaml", "--timings", "--no-progress"]);
    assert!(told.contains("✓ domain db: start\n") && told.contains("s  domain db: start"), "{told}");
    let (_, told, _) = run(&host, &["vm", "list", "--log-level", "debug"]);
    assert!(told.contains("DEBUG"), "{told}");
    let (_, told, code) = run(&host, &["vm", "list", "--recipes", "x"]);
    assert!(
        code == Some(1)
            && told
                .ends_with("hint: this option stands in front of the recipe: `vmscript --recipes ... vm list ...`\n"),
        "{told}"
    );
    // A recipe's own option of such a name is the recipe's.
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    let recipe = "/// Tells.\n///\n/// # Options\n/// - `timings` (string): what\n/// - `output` (int): what\nfn tell(options) { [options.timings, options.output] }";
    std::fs::write(host.folder().join("recipes/mine.rhai"), recipe).expect("written");
    assert_eq!(run(&host, &["mine", "tell", "--timings", "x", "--output", "3"]).0, "x\n3\n");
}

#[test]
fn who_stops_reading_stops_no_work() {
    let host = Host::new();
    let file = host.folder().join("db.yaml");
    let spec = "name: db\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { size: 1 GiB, empty: true }\nseed: none\n";
    std::fs::write(&file, spec).expect("written");
    for (words, hears) in
        [(&["vm", "create", "db.yaml"][..], true), (&["vm", "create", "db.yaml"], false), (&["recipes"], false)]
    {
        let mut command = host.command(words);
        command.current_dir(host.folder()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().expect("started");
        // The ends that `head` closes.
        drop(child.stderr.take());
        let shown = child.stdout.take().filter(|_| hears).map(|out| std::io::read_to_string(out).expect("read"));
        assert_eq!(child.wait().expect("ended").code(), Some(0), "{words:?}");
        assert!(shown.is_none_or(|shown| shown.contains("created")), "{words:?}");
    }
}

#[test]
fn a_result_that_is_a_document_stays_one_whatever_the_settings_say_of_tables() {
    let host = Host::new();
    let spec = "name: db\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { size: 1 GiB, empty: true }\nseed: none\n";
    std::fs::write(host.folder().join("db.yaml"), spec).expect("written");
    let shown = |words: &[&str]| {
        let output = host.command(words).current_dir(host.folder()).env("VMSCRIPT_OUTPUT", "json").output();
        String::from_utf8(output.expect("started").stdout).expect("text")
    };
    assert!(shown(&["vm", "render", "db.yaml"]).starts_with("<domain "));
    assert!(shown(&["vm", "render", "db.yaml", "-o", "json"]).starts_with("\"<domain "));
    assert!(shown(&["vm", "list"]).starts_with('['));
}
