//! `vmscript test`: users' tests of their own recipes.

use super::docs::blocks;
use super::support::{Host, root, text};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use vmscript::schema::xml;

const RECIPE: &str = "fn create(name) {
    let host = connect(\"qemu:///system\");
    transaction(|| {
        let lan = host.define_network(#{ name: name, ips: [ #{ address: \"10.17.3.1\", prefix: 24 } ] });
        lan.start();
        host.pool(\"default\").create_volume(#{ name: name, capacity: \"1 GiB\", target: #{ format: \"raw\" } });
        let vm = host.define_domain(#{
            type: \"test\", name: name, memory: \"512 MiB\", os: #{ type: \"hvm\" },
            devices: #{ interfaces: [ #{ type: \"network\", source: #{ network: name } } ] },
        });
        vm.start();
        vm.wait_for_ip(#{ timeout: \"5m\" }).addr
    })
}\n";

/// A project with a recipe and a script of tests.
fn project(tests: &str) -> Host {
    let host = Host::new();
    for folder in ["recipes", "tests"] {
        std::fs::create_dir(host.folder().join(folder)).expect("the folder is made");
    }
    write(&host, "recipes/web.rhai", RECIPE);
    write(&host, "tests/web.rhai", &format!("import \"web\" as web;\n{tests}"));
    host
}

fn write(host: &Host, file: &str, text: &str) {
    std::fs::write(host.folder().join(file), text).expect("the file is written");
}

/// Runs the tests, without the folder's own host as the default, which they shall not need.
fn command(host: &Host, args: &[&str]) -> Command {
    let mut command = host.command([&["test"], args].concat());
    command.env_remove("VMSCRIPT_CONNECT");
    command
}

fn run(host: &Host, args: &[&str]) -> Output {
    command(host, args).output().expect("the program starts")
}

/// Runs tests that all pass.
fn pass(tests: &str) {
    let output = run(&project(tests), &[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_failure_is_shown_with_its_place_and_what_was_printed() {
    let host = project(
        "fn test_good(host) { assert_eq(host.domains(), []); }
fn test_bad(host) {
    print(\"look here\");
    assert_eq(host.pools()[0].name, \"other\");
}
fn helper() { throw \"never called\"; }\n",
    );
    let output = run(&host, &[]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}{}", text(&output.stderr));
    let head = "running 2 tests\ntest web::test_good ... ok\ntest web::test_bad ... FAILED\n\nfailures:\n
---- web::test_bad ----\nlook here\n
error: assertion failed: \"default\" is not equal to \"other\"
 --> tests/web.rhai:5:5
  |
5 |     assert_eq(host.pools()[0].name, \"other\");
  |     ^^^^^^^^^\n
test result: FAILED. 1 passed; 1 failed; finished in ";
    assert!(shown.starts_with(head), "{shown}");
    let quiet = text(&run(&host, &["--quiet"]).stdout);
    assert!(quiet.contains("1 passed; 1 failed") && !quiet.contains("test_good"), "{quiet}");
}

#[test]
fn whatever_step_fails_nothing_is_left_behind() {
    pass(
        "fn test_each() {
    for step in [\"define_network\", \"start\", \"create_volume\", \"define_domain\"] {
        fail(step, #{ times: 1 });
        let error = assert_unchanged(|| assert_error(\"failed\", || web::create(\"shop\")));
        assert_contains(error.message, \"the test planned it to fail\");
    }
    fail(\"start\", #{ object: \"domain *\", code: \"no-space\", message: \"disk full\" });
    let error = assert_unchanged(|| assert_error(\"no-space\", || web::create(\"shop\")));
    assert_eq(error.message, \"cannot start domain `shop`: disk full\");
}
fn test_after_and_times(host) {
    fail(\"create_volume\", #{ after: 1, times: 2 });
    let gave = [];
    for name in [\"a\", \"b\", \"c\", \"d\"] {
        try {
            host.pool(\"default\").create_volume(#{ name: name, capacity: 1, target: #{ format: \"raw\" } });
            gave.push(name);
        } catch { }
    }
    assert_eq(gave, [\"a\", \"d\"]);
}
fn test_busy_is_tried_again(host) {
    fail(\"create_volume\", #{ code: \"busy\" });
    let before = clock();
    assert_unchanged(|| assert_error(\"busy\", || web::create(\"shop\")));
    assert(clock() - before > 10, \"it was not tried for long\");
}
fn test_an_unknown_call_is_refused() {
    let error = assert_error(\"invalid-argument\", || fail(\"define_domian\"));
    assert_contains(error.hints[0], \"define_domain\");
    assert_error(\"invalid-argument\", || skip(\"define_domain\"));
    assert_error(\"invalid-argument\", || fail(\"start\", #{ code: \"full\" }));
    assert_error(\"invalid-argument\", || fail(\"start\", #{ time: 1 }));
}
fn test_what_is_changed_is_told(host) {
    let notes = [];
    try { assert_unchanged(|| {
        host.define_network(#{ name: \"lab\" });
        let pool = host.pool(\"default\");
        pool.autostart = !pool.autostart;
        host.network(\"default\").destroy();
    }); } catch (error) { notes = error.notes; }
    for change in [\"network `lab` is new\", \"pool `default` is changed\", \"network `default` is changed\"] {
        assert_contains(notes, change);
    }
}\n",
    );
}

#[test]
fn addresses_come_late_agents_hang_guests_crash_and_no_wait_takes_time() {
    let start = Instant::now();
    pass(
        "fn test_address(host) {
    address(\"shop\", \"10.17.3.9/24\", #{ after: 20 });
    assert_eq(web::create(\"shop\"), \"10.17.3.9\");
    address(host.domain(\"shop\"), \"10.17.3.10/24\", #{ source: \"agent\" });
    let found = host.domain(\"shop\").wait_for_ip();
    assert_eq([found.addr, found.source], [\"10.17.3.10\", \"agent\"]);
}
fn test_never() {
    never_answers(\"ip\");
    let before = clock();
    let error = assert_unchanged(|| assert_error(\"timeout\", || web::create(\"shop\")));
    assert_near(clock() - before, 300, 1);
    assert_contains(error.facts.sources.lease, \"no address\");
}
fn test_ports(host) {
    web::create(\"shop\");
    let vm = host.domain(\"shop\");
    address(vm, \"10.17.3.9/24\");
    let before = clock();
    assert_error(\"timeout\", || vm.wait_for_ssh(#{ timeout: \"5m\" }));
    assert_near(clock() - before, 300, 1);
    listens(vm, 22, #{ after: 3 });
    assert_eq(vm.wait_for_ssh().addr, \"10.17.3.9\");
    assert_eq(wait(ssh(vm, #{ user: \"root\" })).port, 22);
}
fn test_what_cannot_be_undone_is_told(host) {
    for verb in [\"start\", \"undefine\"] { fail(verb); }
    let error = assert_error(\"failed\", || web::create(\"shop\"));
    assert_contains(error.notes[0], \"cannot undefine network `shop`\");
    assert_ne(host.find_network(\"shop\"), ());
}
fn test_many_threads_at_a_busy_pool(host) {
    fail(\"create_volume\", #{ times: 6, code: \"busy\" });
    let made = parallel([1, 2, 3], |n| {
        host.pool(\"default\").create_volume(#{ name: `v${n}`, capacity: 1, target: #{ format: \"raw\" } }).name
    });
    assert_eq(made, [\"v1\", \"v2\", \"v3\"]);
}
fn test_silent_agent(host) {
    web::create(\"shop\");
    never_answers(\"agent\");
    let vm = host.domain(\"shop\");
    let error = assert_error(\"timeout\", || wait(agent(vm), #{ timeout: \"1h\" }));
    assert_contains(error.notes[0], \"no answer\");
    assert_error(\"agent-unavailable\", || vm.exec(\"/bin/true\", []));
    assert(!vm.agent_ping());
}
fn test_crash() {
    never_answers(\"ip\");
    stops(\"shop\", #{ after: 5, how: \"crash\" });
    let error = assert_error(\"guest-stopped\", || web::create(\"shop\"));
    assert_contains(error.message, \"crashed\");
}
fn test_clock(host) {
    let before = clock();
    sleep(3600);
    parallel([1, 2, 3], |n| sleep(n * 100));
    let tries = 0;
    retry(|| { tries += 1; if tries < 3 { throw \"not yet\"; } }, #{ backoff: \"1h\", on: [\"failed\"] });
    slow(\"define_network\", \"10m\");
    host.define_network(#{ name: \"lab\" });
    assert_near(clock() - before, 3600 + 300 + 7200 + 600, 5);
}
fn test_events(host) {
    let seen = host.on(\"network\", |e| e.name);
    host.define_network(#{ name: \"lab\" });
    while seen.results.is_empty() { sleep(1); }
    let event = wait_any([delay(\"1m\"), event(host, \"network\", #{})]);
    assert_eq(event.condition, \"delay\");
}\n",
    );
    // These take more than three hours by their own clock.
    assert!(start.elapsed() < Duration::from_secs(300), "{:?}", start.elapsed());
}

#[test]
fn each_test_has_a_host_a_folder_and_a_setup_of_its_own() {
    let host = project(
        "fn setup(host) {
    assert(!file_exists(\"made\"), \"another test was here\");
    write_file(\"made\", \"\");
    host.define_network(#{ name: \"from-setup\" });
}
fn test_one(host) { host.define_network(#{ name: \"lab\" }); }
fn test_two(host) { assert_eq(host.find_network(\"lab\"), ()); assert_ne(host.find_network(\"from-setup\"), ()); }
fn test_all_hosts_are_this_one(host) {
    assert_eq(connect(\"qemu+ssh://hv1/system\").uri, host.uri);
    assert_eq(connect(\"qemu+ssh://hv1/system\", |other| other.networks().len()), 2);
    assert_eq(connect((), #{ read_only: true }).networks().len(), 2);
    assert_ne(connect(\"test:///default\").uri, host.uri);
}\n",
    );
    std::fs::create_dir(host.folder().join("tests/more")).expect("the folder is made");
    let own = "fn host_xml() { \"../../host.xml\" }\nfn test_fixture(host) { assert_eq(host.domains().len(), 2); }\n";
    write(&host, "tests/more/own.rhai", own);
    write(&host, "tests/more/helper.rhai", "fn helper() { 1 }");
    let text_of_host = "fn host_xml() { \"<node/>\" }\nfn test_empty(host) { assert_eq(host.pools(), []); }\n";
    write(&host, "tests/empty.rhai", text_of_host);
    let output = run(&host, &[]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    let listed = text(&run(&host, &["--list"]).stdout);
    let names =
        "empty::test_empty\nmore/own::test_fixture\nweb::test_one\nweb::test_two\nweb::test_all_hosts_are_this_one\n";
    assert_eq!(listed, names);
    write(&host, "tests/web.rhai", "fn test_given(host) { assert_eq(host.domains().len(), 2); }\n");
    let given = run(&host, &["--host", "host.xml", "--jobs", "1", "tests/web.rhai"]);
    assert!(given.status.success(), "{}", text(&given.stdout));
    assert!(!host.folder().join("made").exists());
}

#[test]
fn tests_are_chosen_listed_and_missed() {
    let host = project("fn test_one() { }\nfn test_two() { }\nfn test_three() { }\n");
    let chosen = text(&run(&host, &["--filter", "two", "--filter", "three"]).stdout);
    assert!(chosen.contains("2 passed; 0 failed; 1 filtered out") && !chosen.contains("test_one"), "{chosen}");
    for (args, message) in [
        (&["--filter", "four"][..], "error: none of the 3 tests fits the filter\n  = hint: `--list`"),
        (&["recipes"], "error: there is no test in `recipes`\n  = hint: tests are functions"),
        (&["nowhere"], "error: there is no `nowhere`\n"),
    ] {
        let output = run(&host, args);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()), "{args:?}");
        assert!(text(&output.stderr).starts_with(message), "{}", text(&output.stderr));
    }
}

#[test]
fn a_recipe_that_does_not_parse_is_told_once() {
    let host = project("import \"broken\" as broken;\nfn test_one() { }\nfn test_two() { }\n");
    write(&host, "tests/broken.rhai", "fn deed(count) { count > 1 ? 2 : 1 }\n");
    let shown = text(&run(&host, &[]).stdout);
    assert_eq!(shown.matches("hint: a choice is `if condition").count(), 2, "beside its own:\n{shown}");
    assert!(shown.contains("---- web::test_two ----\nthe same as web::test_one\n"), "{shown}");
}

#[test]
fn what_does_not_parse_or_does_not_fit_is_a_failure_with_its_place() {
    let host = project(
        "fn test_one() { }\nfn test_two(a, b) { }\nfn test_exit() { exit(0); }
fn test_ends() { assert_exit(3, || exit(3)); }
fn test_differs() { assert_eq(#{ a: [1, #{ b: 2 }] }, #{ a: [1, #{ b: 3 }] }); }
fn test_text_differs() { assert_eq(\"one\\ntwo\\n\", \"one\\nzwei\\n\"); }\n",
    );
    write(&host, "tests/broken.rhai", "fn test_x() {\n    let = 1;\n}\n");
    let output = run(&host, &[]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "test broken ... FAILED",
        " --> tests/broken.rhai:2:9",
        "`test_two` takes too many arguments for a test\n --> tests/web.rhai:3:1",
        "the test ended the run with `exit(0)`\n --> tests/web.rhai:4:1",
        "  = note: at `a[1].b`: 2 is not equal to 3",
        "  = note: line 2: \"two\" is not equal to \"zwei\"",
        "\nfailed:\n    broken\n    web::test_two\n    web::test_exit\n    web::test_differs\n    web::test_text_differs\n",
        "2 passed; 5 failed",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    // Nobody knows which tests it would have: it fails whatever is chosen, and is told beside the others.
    let chosen = run(&host, &["--filter", "test_one"]);
    assert_eq!(chosen.status.code(), Some(1));
    let shown = text(&chosen.stdout);
    assert!(shown.contains("test broken ... FAILED") && shown.contains("1 passed; 1 failed"), "{shown}");
    let listed = run(&host, &["--list"]);
    assert_eq!(listed.status.code(), Some(1));
    assert!(!text(&listed.stdout).contains("broken"), "{}", text(&listed.stdout));
    assert!(text(&listed.stderr).contains(" --> tests/broken.rhai:2:9"), "{}", text(&listed.stderr));
}

#[test]
fn tests_end_with_who_runs_them_and_leave_no_folder() {
    let host = project("fn test_waits() { run_program(\"sleep\", [\"7777\"]); }\nfn test_turns() { loop {} }\n");
    let folder = host.folder().join("tmp");
    std::fs::create_dir(&folder).expect("the folder is made");
    let mut command = command(&host, &["--jobs", "2"]);
    let mut child = command.env("TMPDIR", &folder).stdout(Stdio::null()).spawn().expect("the program starts");
    let holds = |count: usize| {
        let until = Instant::now() + Duration::from_secs(30);
        while std::fs::read_dir(&folder)
            .expect("it is there")
            .filter(|one| one.as_ref().is_ok_and(|one| one.path().join("host.xml").exists()))
            .count()
            != count
        {
            assert!(Instant::now() < until, "not {count} folders in {}", folder.display());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    holds(2);
    child.kill().expect("it is killed");
    child.wait().expect("it has ended");
    holds(0);
    assert_eq!(std::fs::read_dir(&folder).expect("it is there").count(), 0);
}

#[test]
fn reports_are_junit_and_json() {
    let host = project("fn test_good() { print(\"a <b> & \\u001b[31mred\"); }\nfn test_bad() { throw \"1 < 2\"; }\n");
    let output = run(&host, &["--junit", "report.xml", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let tests: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(tests[0]["name"], "web::test_good");
    assert_eq!((&tests[0]["passed"], &tests[1]["passed"]), (&true.into(), &false.into()));
    let report = std::fs::read_to_string(host.folder().join("report.xml")).expect("it is written");
    let report = xml::parse(&report).expect("it is XML");
    assert_eq!((report.attr("tests"), report.attr("failures")), (Some("2"), Some("1")));
    let cases = report.find_all("testsuite/testcase");
    assert_eq!((cases[0].attr("classname"), cases[0].attr("name")), (Some("web"), Some("test_good")));
    assert_eq!(cases[0].attr("file"), Some("tests/web.rhai"));
    assert_eq!(cases[0].find_text("system-out").as_deref(), Some("a <b> & red"));
    assert_eq!(cases[1].find("failure").and_then(|failure| failure.attr("message")), Some("1 < 2"));
}

#[test]
fn a_report_that_cannot_be_written_and_a_test_that_is_there_twice_are_told() {
    let host = project("fn test_one() { }\nfn test_two() { }\nfn test_two(host) { }\n");
    let output = run(&host, &["--junit", "no/such/folder.xml"]);
    let (told, shown) = (text(&output.stdout), text(&output.stderr));
    assert!(
        told.contains("there are 2 functions `test_two`, and only one would run\n --> tests/web.rhai:3:1"),
        "{told}"
    );
    assert!(told.contains("test result: FAILED. 1 passed; 1 failed"), "{told}");
    assert!(shown.contains("cannot write `no/such/folder.xml`") && output.status.code() == Some(1), "{shown}");
}

#[test]
fn a_planned_failure_that_never_comes_fails_the_test() {
    let host = project(concat!(
        "fn plan() { fail(\"start\", #{ object: \"wbe\" }); }\n",
        "fn test_none(host) {\n    plan();\n    host.domain(\"idle\").start();\n}\n",
        "fn test_late(host) {\n    fail(\"start\", #{ after: 1 });\n    host.domain(\"idle\").start();\n}\n",
        "fn test_met(host) { fail(\"start\", #{ times: 2 }); assert_error(|| host.domain(\"idle\").start()); }\n",
        "fn test_wrong(host) { fail(\"start\"); throw \"its own\"; }\n",
    ));
    let output = run(&host, &["--host", "host.xml"]);
    let told = text(&output.stdout);
    for part in [
        "the planned failure of `start` of `wbe` has not come to pass\n --> tests/web.rhai:2:13",
        "the planned failure of `start` has not come to pass\n --> tests/web.rhai:8:5",
        "= hint: no call that it fits came since: look at its name, `object` and `after`",
        "error: its own",
        "test result: FAILED. 1 passed; 3 failed",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn scripts_that_are_called_alike_have_their_folders_in_the_names_of_their_tests() {
    let host = project("");
    for folder in ["x", "y"] {
        std::fs::create_dir(host.folder().join(folder)).expect("made");
        write(&host, &format!("{folder}/a.rhai"), "fn test_same() { }\n");
    }
    write(&host, "x/b.rhai", "fn test_same(host) { assert_eq(host.domains(), [()]); }\n");
    let files = ["x/a.rhai", "y/a.rhai", "x/b.rhai"];
    let listed = text(&run(&host, &[&["--list"], &files[..]].concat()).stdout);
    assert_eq!(listed, "x/a::test_same\ny/a::test_same\nb::test_same\n");
    let listed = run(&host, &[&["--list", "-o", "json"], &files[..]].concat());
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed[1], serde_json::json!({ "name": "y/a::test_same", "file": "y/a.rhai" }));
    // Objects tell of themselves.
    let shown = text(&run(&host, &["x/b.rhai", "--host", "host.xml"]).stdout);
    assert!(shown.contains("[domain idle, domain web] is not equal to [()]"), "{shown}");
}

#[test]
fn a_test_that_hangs_is_ended() {
    let host = project("fn test_hangs() { print(\"here\"); loop { } }\nfn test_good() { }\n");
    let output = run(&host, &["--timeout", "2s", "--slowest", "1"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    let told = "here\n\nerror: the test takes longer than 2 s\n --> tests/web.rhai:2:1";
    assert!(shown.contains(told), "{shown}");
    assert!(shown.contains("1 passed; 1 failed"), "{shown}");
    assert!(shown.contains("  web::test_hangs\n\ntest result"), "{shown}");
}

#[test]
fn a_test_ends_with_the_programs_that_it_started() {
    let started = Instant::now();
    let host = project(
        "fn test_waits() { run_interactive(\"sleep\", [\"600\"]); }\nfn test_leaves() { run_program(\"sh\", [\"-c\", \"sleep 600 >/dev/null 2>&1 & echo $!\"]).stdout; }\n",
    );
    let output = run(&host, &["--timeout", "2s"]);
    assert!(text(&output.stdout).contains("1 passed; 1 failed"), "{}", text(&output.stdout));
    assert!(started.elapsed() < Duration::from_secs(300), "{:?}", started.elapsed());
}

#[test]
fn ctrl_c_ends_it_with_what_ran() {
    // To the program alone, and as a terminal does it to the tests as well.
    for whom in ["", "-"] {
        let host = project("fn test_good() { }\nfn test_hangs() { loop { } }\nfn test_more() { }\n");
        let mut command = command(&host, &["--jobs", "1"]);
        let mut child = command.process_group(0).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut out = child.stdout.take().expect("piped");
        let mut shown = String::new();
        while !shown.contains("test_good ... ok\n") {
            let mut byte = [0];
            out.read_exact(&mut byte).expect("the first test passes");
            shown.push(char::from(byte[0]));
        }
        let sent = Command::new("kill").args(["-s", "INT", "--", &format!("{whom}{}", child.id())]).status();
        assert!(sent.expect("kill runs").success());
        assert_eq!(child.wait().expect("ended").code(), Some(130));
        out.read_to_string(&mut shown).expect("the rest");
        assert!(shown.contains("FAILED. 1 passed; 0 failed; 2 not run"), "{shown}");
    }
}

#[test]
fn the_examples_and_the_recipes_of_the_program_pass_their_tests() {
    for folder in ["examples/recipes/tests", "tests/recipes"] {
        let output = run(&Host::new(), &[&Path::new(root()).join(folder).display().to_string()]);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn the_tests_of_the_book_pass() {
    let host = project("");
    let page = std::fs::read_to_string(root().join("book/src/testing.md")).expect("the page is there");
    let blocks = blocks(&page, "rhai");
    for (number, block) in blocks.iter().enumerate() {
        write(&host, &format!("tests/block_{number}.rhai"), block);
    }
    let output = run(&host, &[]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert_eq!(shown.matches(" ... ok").count(), page.matches("\nfn test_").count(), "{shown}");
}
