//! Transactions, and the journal of runs that were killed.

use super::support::{Host, text};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn journals(host: &Host) -> usize {
    std::fs::read_dir(host.folder().join("state/vmscript/journal")).map_or(0, |entries| entries.flatten().count())
}

/// Kills a run as soon as it has printed a line and written something down. Gives the line.
fn killed(host: &Host, script: &str) -> String {
    let mut child = host.command(["-e", script]).stdout(Stdio::piped()).spawn().expect("started");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it prints");
    let end = Instant::now() + Duration::from_secs(20);
    while journals(host) == 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(journals(host), 1, "{line}");
    line
}

#[test]
fn whatever_ends_a_transaction_badly_undoes_it() {
    let host = Host::new();
    for (end, code) in [("throw \"no\"", Some(1)), ("exit(7)", Some(7)), ("exit(0)", Some(0)), ("1", Some(0))] {
        let script = format!(
            "let host = connect();
             transaction(|| {{
                 host.define_domain(#{{ type: \"test\", name: \"db\", memory: \"1 GiB\", os: #{{ type: \"hvm\" }} }});
                 transaction(|| host.pool(\"default\").create_volume(#{{ name: \"new.raw\", capacity: \"1 MiB\", target: #{{ format: \"raw\" }} }}));
                 {end}
             }});"
        );
        let shown = host.command(["--log-level", "info", "-e", &script]).output().expect("started");
        assert_eq!(shown.status.code(), code, "{}", text(&shown.stderr));
        let undone: Vec<_> =
            ["delete volume `new.raw`", "remove domain `db`"].map(|what| text(&shown.stderr).find(what)).into();
        assert_eq!(undone.iter().all(Option::is_some), code != Some(0), "{}", text(&shown.stderr));
        assert!(undone.is_sorted(), "in reverse: {}", text(&shown.stderr));
        assert_eq!(journals(&host), 0, "{end}");
    }
}

#[test]
fn an_interface_of_the_host_is_taken_down_and_undefined() {
    let host = Host::new();
    let script = "let host = connect();
         let there = host.host_interfaces().len();
         try {
             transaction(|| {
                 let made = host.define_host_interface(#{ type: \"ethernet\", name: \"eth7\", start: #{ mode: \"onboot\" } });
                 made.start();
                 assert_eq(host.host_interfaces().len(), there + 1);
                 throw \"no\";
             });
         } catch (err) {
             assert_eq(err, \"no\");
         }
         assert_eq(host.host_interfaces().len(), there);";
    let shown = host.run(script);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    assert!(!text(&shown.stderr).contains("cannot undo"), "{}", text(&shown.stderr));
}

#[test]
fn what_was_there_before_is_never_touched() {
    let host = Host::new();
    let shown = host.run(
        "let host = connect();
         let there = host.domain(\"idle\");
         try {
             transaction(|| host.define_domain(#{ type: \"test\", name: \"idle\", memory: \"1 GiB\", os: #{ type: \"hvm\" } }));
         } catch (err) {
             assert_eq!(err.code, \"already-exists\");
         }
         assert_eq(host.domain(\"idle\").uuid, there.uuid);"
            .replace("assert_eq!", "assert_eq")
            .as_str(),
    );
    assert!(shown.status.success(), "{}", text(&shown.stderr));
}

#[test]
fn the_journal_of_a_killed_run_is_recovered_and_that_of_a_living_one_is_not() {
    let host = Host::new();
    let script = "let host = connect();
        transaction(|| {
            host.define_network(#{ name: \"lab\", ips: [ #{ address: \"10.17.3.1\", prefix: 24 } ] });
            sleep(60);
        })";
    let mut child = host.command(["-e", script]).stderr(Stdio::piped()).spawn().expect("started");
    let end = Instant::now() + Duration::from_secs(20);
    while journals(&host) == 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let recover = |args: &[&str]| {
        let output = host.command([&["recover"], args].concat()).output().expect("started");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(recover(&[]), "no killed run left anything to undo\n");
    child.kill().expect("killed");
    child.wait().expect("ended");
    // Each process has a test host of its own, so that the network went with the killed one.
    let left = format!("{}: remove network `lab`: nothing is there\n", host.uri());
    assert_eq!(recover(&["--list"]), left);
    assert_eq!(recover(&["--dry-run"]), left);
    assert_eq!(journals(&host), 1);
    // Where nothing is to do, nobody has to be asked.
    assert_eq!(recover(&[]), left);
    assert_eq!(journals(&host), 0);
    assert_eq!(recover(&[]), "no killed run left anything to undo\n");
}

#[test]
fn a_pool_that_another_run_is_about_to_fill_stays_and_turns_are_waited_for() {
    let host = Host::new();
    let pool = "let host = connect();
        let pool = host.define_pool(#{ uuid: \"aaaaaaaa-0000-8000-8000-000000000001\", type: \"dir\", name: \"fast\", target: #{ path: \"/srv/fast\" } });
        pool.start();";
    // The first run holds a pool of this UUID, and its turn; each process has a test host of its own.
    let script = format!(
        "{pool} alone(\"x\", || {{ transaction(|| {{ assert(pool.hold(true)); sleep(2); }}); write_file(\"done\", \"\"); }})"
    );
    let mut first = host.command(["-e", &script]).spawn().expect("started");
    let end = Instant::now() + Duration::from_secs(20);
    while journals(&host) == 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = format!(
        "{pool} assert(!pool.remove_if_empty(true)); assert(pool.is_active);
        alone(\"y\", || assert(!file_exists(\"done\")));
        alone(\"x\", || assert(file_exists(\"done\")));
        assert(pool.remove_if_empty(true)); assert_eq(host.find_pool(\"fast\"), ());"
    );
    let output = host.command(["-e", &second]).output().expect("started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("another run is at work on x, which is waited for"),
        "{}",
        text(&output.stderr)
    );
    assert!(first.wait().expect("ended").success());
}

/// A run that makes a volume and a domain, prints, and is killed.
fn killed_making_db(host: &Host) {
    let script = "let host = connect();
        transaction(|| {
            host.pool(\"default\").create_volume(#{ name: \"db.raw\", capacity: \"1 MiB\", target: #{ format: \"raw\" } });
            host.define_domain(#{ type: \"test\", name: \"db\", memory: \"1 GiB\", os: #{ type: \"hvm\" } });
            print(\"made\");
            sleep(600);
        })";
    killed(host, script);
}

#[test]
fn what_is_made_anew_is_not_that_of_a_killed_run() {
    let host = Host::new();
    killed_making_db(&host);
    // The test host of each process begins without them.
    let volume = "let pool = connect().pool(\"default\");
        pool.create_volume(#{ name: \"db.raw\", capacity: \"1 MiB\", target: #{ format: \"raw\" } });";
    assert!(host.run(volume).status.success());
    let output = host.command(["recover", "--list"]).output().expect("started");
    assert_eq!(text(&output.stdout), format!("{}: remove domain `db`: nothing is there\n", host.uri()));
}

#[test]
fn what_is_deleted_is_struck_from_the_journal_of_a_killed_run() {
    let host = Host::new();
    killed_making_db(&host);
    let file = host.folder().join("host.xml");
    let before = std::fs::read_to_string(&file).expect("read");
    let there = before.replace("<volume>", "<volume><name>db.raw</name><capacity>1048576</capacity></volume><volume>");
    std::fs::write(&file, there).expect("written");
    assert!(host.run("connect().pool(\"default\").volume(\"db.raw\").delete();").status.success());
    let output = host.command(["recover", "--list"]).output().expect("started");
    assert_eq!(text(&output.stdout), format!("{}: remove domain `db`: nothing is there\n", host.uri()));
}

#[test]
fn a_machine_that_somebody_protected_since_is_left_alone_with_what_it_has() {
    let host = Host::new();
    killed_making_db(&host);
    let folder = host.folder().join("state/vmscript/journal");
    let journal = std::fs::read_dir(folder).expect("listed").flatten().next().expect("the journal of the killed run");
    let journal = std::fs::read_to_string(journal.path()).expect("read");
    let (_, rest) = journal.split_once("\"name\":\"db\",\"uuid\":\"").expect("the domain is written down");
    let uuid = &rest[..36];
    let file = host.folder().join("host.xml");
    let disk = "<disk type='volume' device='disk'><source pool='default' volume='db.raw'/><target dev='vda'/></disk>";
    let record = "<m:machine xmlns:m='urn:vmscript:machine:1' protected='yes'><m:volume pool='default' name='db.raw'/></m:machine>";
    let domain = format!(
        "<domain type='test'><name>db</name><uuid>{uuid}</uuid><metadata>{record}</metadata><memory>1048576</memory><os><type>hvm</type></os><devices>{disk}</devices></domain>"
    );
    let there = std::fs::read_to_string(&file)
        .expect("read")
        .replace("<volume>", "<volume><name>db.raw</name><capacity>1048576</capacity></volume><volume>")
        .replace("</node>", &format!("{domain}</node>"));
    std::fs::write(&file, there).expect("written");
    let uri = host.uri();
    let told = format!(
        "{uri}: remove domain `db`: left alone: it is protected\n\
         {uri}: delete volume `db.raw` of pool `default`: left alone: domain `db` has it\n"
    );
    for words in [&["recover", "--list"][..], &["recover", "--yes"]] {
        let output = host.command(words).output().expect("started");
        assert_eq!((text(&output.stdout), output.status.code()), (told.clone(), Some(0)));
    }
    assert_eq!(journals(&host), 0);
}

#[test]
fn a_volume_is_a_killed_runs_if_its_machine_tells_so() {
    let host = Host::new();
    let file = host.folder().join("host.xml");
    let bare = std::fs::read_to_string(&file).expect("read");
    let uri = host.uri();
    let remove = format!("{uri}: remove domain `db`: ");
    let delete = format!("{uri}: delete volume `db.raw` of pool `default`: ");
    // The test host does not tell when a volume was changed.
    let doubt = "left alone: its host does not tell when it was changed, so somebody else may have made it; `vmscript volume delete default db.raw` deletes it\n";
    for is_there in [true, false] {
        std::fs::write(&file, &bare).expect("written");
        killed_making_db(&host);
        let folder = host.folder().join("state/vmscript/journal");
        let journal = std::fs::read_dir(folder).expect("listed").flatten().next().expect("a journal").path();
        let lines = std::fs::read_to_string(&journal).expect("read");
        let (_, rest) = lines.split_once("\"name\":\"db\",\"uuid\":\"").expect("the domain is written down");
        let disk =
            "<disk type='volume' device='disk'><source pool='default' volume='db.raw'/><target dev='vda'/></disk>";
        let domain = format!(
            "<domain type='test'><name>db</name><uuid>{}</uuid><memory>1048576</memory><os><type>hvm</type></os><devices>{disk}</devices></domain>",
            &rest[..36]
        );
        let domain = if is_there { domain.as_str() } else { "" };
        let there = bare
            .replace("<volume>", "<volume><name>db.raw</name><capacity>1048576</capacity></volume><volume>")
            .replace("</node>", &format!("{domain}</node>"));
        std::fs::write(&file, there).expect("written");
        let recover = |args: &[&str]| text(&host.command(args).output().expect("started").stdout);
        let (listed, done) = if is_there {
            (format!("{remove}to do\n{delete}to do\n"), format!("{remove}done\n{delete}done\n"))
        } else {
            let told = format!("{remove}nothing is there\n{delete}{doubt}");
            (told.clone(), told)
        };
        assert_eq!(recover(&["recover", "--list"]), listed);
        if is_there {
            // Nobody can be asked.
            let output = host.command(["recover"]).output().expect("started");
            let told = text(&output.stderr);
            assert_eq!(
                (output.status.code(), text(&output.stdout), journals(&host)),
                (Some(1), String::new(), 1),
                "{told}"
            );
            let begin = format!("error: nobody can be asked whether to undo these:\n{}", remove.trim_end_matches(": "));
            assert!(told.starts_with(&begin), "{told}");
            assert!(told.ends_with("  = hint: `--yes` undoes them without a question\n"), "{told}");
        }
        assert_eq!(recover(&["recover", "--yes"]), done);
        assert_eq!(journals(&host), 0);
    }
}

#[test]
fn what_another_machine_has_by_now_is_left_alone() {
    let host = Host::new();
    killed_making_db(&host);
    // Somebody else made a machine of that name with a volume of that name.
    let file = host.folder().join("host.xml");
    let disk = "<disk type='volume' device='disk'><source pool='default' volume='db.raw'/><target dev='vda'/></disk>";
    let domain = format!(
        "<domain type='test'><name>db</name><memory>1048576</memory><os><type>hvm</type></os><devices>{disk}</devices></domain>"
    );
    let there = std::fs::read_to_string(&file)
        .expect("read")
        .replace("<volume>", "<volume><name>db.raw</name><capacity>1048576</capacity></volume><volume>")
        .replace("</node>", &format!("{domain}</node>"));
    std::fs::write(&file, there).expect("written");
    let output = host.command(["recover"]).output().expect("started");
    let uri = host.uri();
    let told = format!(
        "{uri}: remove domain `db`: nothing is there\n\
         {uri}: delete volume `db.raw` of pool `default`: left alone: domain `db` has it\n"
    );
    assert_eq!((text(&output.stdout), output.status.code(), journals(&host)), (told, Some(0), 0));
}

#[test]
fn that_a_killed_run_left_something_is_told_without_a_question_to_the_host() {
    let host = Host::new();
    let script = "transaction(|| { connect().define_domain(#{ type: \"test\", name: \"other\", memory: \"1 GiB\", os: #{ type: \"hvm\" } }); });";
    let calls = || {
        let output = host.command(["--log-level", "debug", "-e", script]).output().expect("started");
        assert!(output.status.success(), "{output:?}");
        let told = text(&output.stderr);
        let told: Vec<_> = told.lines().map(str::to_string).collect();
        assert!(told.iter().any(|line| line.contains("object=")), "{told:?}");
        told.into_iter().partition::<Vec<_>, _>(|line| line.contains("a killed run left 2 things on this host"))
    };
    let (none, before) = calls();
    killed_making_db(&host);
    let (one, after) = calls();
    assert_eq!((none.len(), one.len(), after), (0, 1, before));
}

#[test]
fn a_machine_that_a_killed_run_left_is_told_and_not_taken_as_good_until_it_is_forgotten() {
    let host = Host::new();
    let uuid = "6695eb01-f6a4-8304-79aa-97f2502e1930";
    let script = format!(
        "transaction(|| {{
             connect().define_domain(#{{ type: \"test\", name: \"db\", uuid: \"{uuid}\", memory: \"1 GiB\", os: #{{ type: \"hvm\" }} }});
             print(\"made\");
             sleep(600);
         }})"
    );
    killed(&host, &script);
    // On a real host the domain is still there.
    let file = host.folder().join("host.xml");
    let domain = format!(
        "<domain type='test'><name>db</name><uuid>{uuid}</uuid><memory>1048576</memory><os><type>hvm</type></os></domain>"
    );
    let there = std::fs::read_to_string(&file).expect("read").replace("</node>", &format!("{domain}</node>"));
    std::fs::write(&file, there).expect("written");
    let spec = "name: db\nvcpus: 1\nmemory: 1 GiB\nboot_disk: { size: 1 GiB, empty: true }\nseed: none\n";
    std::fs::write(host.folder().join("db.yaml"), spec).expect("written");
    std::fs::write(host.folder().join("other.yaml"), spec.replace("db", "other")).expect("written");
    let run = |args: &[&str]| {
        let output = host.command(args).output().expect("started");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, told) = run(&["vm", "create", "db.yaml"]);
    assert_eq!((code, told.contains("half made by a killed run")), (Some(4), true), "{told}");
    let (code, _, told) = run(&["vm", "create", "other.yaml"]);
    assert_eq!((code, told.contains("left 1 thing on this host: `vmscript recover`")), (Some(0), true), "{told}");
    let (code, _, told) = run(&["recover", "--forget", &host.uri()]);
    assert_eq!((code, told.contains("--yes"), journals(&host)), (Some(1), true, 1), "{told}");
    let (code, told, _) = run(&["recover", "--forget", &host.uri(), "--yes"]);
    assert_eq!((code, journals(&host)), (Some(0), 0));
    assert_eq!(told, format!("{}: remove domain `db`: left alone\n", host.uri()));
    let (code, told, _) = run(&["vm", "create", "db.yaml"]);
    assert_eq!((code, told.contains("differs")), (Some(0), true), "{told}");
}

#[test]
fn a_host_that_is_gone_for_good_is_forgotten() {
    let host = Host::new();
    killed_making_db(&host);
    std::fs::remove_file(host.folder().join("host.xml")).expect("removed");
    let output = host.command(["recover"]).output().expect("started");
    let hint = format!("hint: `vmscript recover --forget {}`", host.uri());
    assert_eq!(
        (output.status.code(), text(&output.stderr).contains(&hint)),
        (Some(3), true),
        "{}",
        text(&output.stderr)
    );
    let output = host.command(["recover", "--forget", &host.uri(), "--yes"]).output().expect("started");
    assert_eq!((output.status.code(), journals(&host)), (Some(0), 0), "{}", text(&output.stderr));
    let output = host.command(["recover"]).output().expect("started");
    assert_eq!(text(&output.stdout), "no killed run left anything to undo\n");
}

/// What a run tells that is interrupted.
fn interrupted(child: std::process::Child) -> String {
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    let output = child.wait_with_output().expect("ended");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{told}");
    told
}

#[test]
fn who_stops_many_items_is_told_how_far_each_came() {
    let host = Host::new();
    let script = "parallel([1, 2, 3], |n| { if n == 2 { write_file(\"begun\", \"\"); sleep(600); } }, #{ limit: 1 });";
    let child = host.command(["-e", script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    while !host.folder().join("begun").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = interrupted(child);
    assert!(told.contains("done: `1`") && told.contains("not begun: `3`"), "{told}");
}

/// libxml2's types of schemas are loaded at the first use, and by several at once they were not there for all.
#[test]
fn the_first_definitions_of_a_run_can_be_checked_at_once() {
    let host = Host::new();
    for _ in 0..20 {
        let shown = host.run(
            r#"
let host = connect("test:///default");
parallel(["a", "b", "c", "d", "e", "f", "g", "h"], |name| {
    host.define_network(`<network><name>${name}</name></network>`)
}, #{ limit: 8 });
"#,
        );
        assert!(shown.status.success(), "{}", text(&shown.stderr));
    }
}

#[test]
fn items_in_parallel_keep_order_output_and_names_and_one_transaction() {
    let host = Host::new();
    let shown = host.run(
        r#"
let host = connect();
let make = |n| {
    print(`begin ${n}`);
    sleep(0.01 * (8 - n));
    host.define_domain(#{ type: "test", name: `p${n}`, memory: "1 GiB", os: #{ type: "hvm" } }).start();
    print(`end ${n}`);
    n * 10
};
assert_eq(parallel([1, 2, 3, 4], make, #{ limit: 4 }), [10, 20, 30, 40]);
try {
    transaction(|| parallel([5, 6, 3, 7], make, #{ limit: 1, on_error: "continue" }));
} catch (err) {
    assert_eq(err.failures.len(), 1);
    assert_eq(err.failures[0].facts.item, "`3`");
    assert_eq(err.failures[0].code, "already-exists");
}
assert_eq(host.domains().map(|vm| vm.name).filter(|name| name in ["p5", "p6", "p7"]), []);
let start = timestamp();
try {
    parallel(["a", "b"], |name| { if name == "a" { throw "stop"; } sleep(60); });
} catch (err) {
    assert_eq(err, "stop");
}
assert(start.elapsed < 10.0);
"#,
    );
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let lines: Vec<String> = text(&shown.stdout).lines().map(str::to_string).collect();
    for begin in lines.iter().enumerate().filter(|(_, line)| line.starts_with("begin")) {
        let number = begin.1.trim_start_matches("begin ");
        let next = lines.get(begin.0 + 1).map(String::as_str);
        assert!(next == Some(&format!("end {number}")) || number == "3", "{lines:?}");
    }
}

#[test]
fn timings_are_shown_as_text_or_json_with_the_slowest_marked() {
    let host = Host::new();
    let script = r#"connect().define_domain(#{ type: "test", name: "db", memory: "1 GiB", os: #{ type: "hvm" } });
        connect().domain("web").wait_for_ip();"#;
    let shown = text(&host.command(["--timings", "-e", script]).output().expect("started").stderr);
    assert!(shown.contains("domain db: define") && shown.contains("domain web: wait for ip"), "{shown}");
    assert_eq!(shown.matches("<- slowest").count(), 1, "{shown}");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("disk.img"), [7; 4096]).expect("written");
    let sum = "sha256:c9ac7b0624824f844f6c7f3d50fab9741a8914e878467e8daaedca143a34d90b";
    let image = format!(
        "connect().pool(\"default\").ensure_image(\"disk\", #{{ path: \"{}\", checksum: \"{sum}\" }});",
        folder.path().join("disk.img").display()
    );
    let shown = text(&host.command(["--timings", "-e", &image]).output().expect("started").stderr);
    assert!(shown.contains("image disk.img: verify"), "{shown}");
    let script = script.replace("db", "other");
    let shown = text(&host.command(["--timings=json", "-e", &script]).output().expect("started").stderr);
    let steps: serde_json::Value = serde_json::from_str(shown.trim()).expect("JSON");
    assert_eq!(steps[0]["step"], "define");
}

#[test]
fn a_removal_that_was_broken_off_is_told_and_ended() {
    let host = Host::new();
    let script = "let host = connect();
        let storage = [\"db.raw\", \"log.raw\"].map(|name| #{ volume: #{ name: name, capacity: \"1 MiB\", target: #{ format: \"raw\" } } });
        let vm = host.provision(#{ type: \"test\", name: \"db\", memory: \"1 GiB\", os: #{ type: \"hvm\" } }, #{ storage: storage });
        slow(\"delete\", \"10min\", #{ after: 1 });
        print(vm.uuid);
        vm.remove();";
    let uuid = killed(&host, script);
    // Each process has a test host of its own; on a real one this is what is left.
    let file = host.folder().join("host.xml");
    let record = "<m:machine xmlns:m='urn:vmscript:machine:1'><m:volume pool='default' name='db.raw'/><m:volume pool='default' name='log.raw'/></m:machine>";
    let domain = format!(
        "<domain type='test'><name>db</name><uuid>{}</uuid><metadata>{record}</metadata><memory>1048576</memory><os><type>hvm</type></os></domain>",
        uuid.trim()
    );
    let bare = std::fs::read_to_string(&file).expect("read");
    let volume = |name: &str| format!("<volume><name>{name}</name><capacity>1048576</capacity></volume><volume>");
    let half = bare.replace("<volume>", &volume("log.raw")).replace("</node>", &format!("{domain}</node>"));
    std::fs::write(&file, &half).expect("written");
    let run = |args: &[&str]| {
        let output = host.command(args).output().expect("started");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(
        run(&["vm", "list", "--wide", "--columns", "name,missing", "-o", "csv"]),
        "name,missing\r\ndb,default/db.raw\r\nidle,\r\nweb,\r\n"
    );
    assert_eq!(
        run(&["vm", "get", "db", "--columns", "missing", "-o", "json"]),
        "{\n  \"missing\": [\n    \"default/db.raw\"\n  ]\n}\n"
    );
    let entry = format!("{}: finish removing domain `db`:", host.uri());
    assert_eq!(run(&["recover", "--list"]), format!("{entry} to do\n"));
    // Who mends the machine meanwhile keeps it.
    let both = format!("{}{}", volume("log.raw").trim_end_matches("<volume>"), volume("db.raw"));
    std::fs::write(&file, bare.replace("<volume>", &both).replace("</node>", &format!("{domain}</node>")))
        .expect("written");
    assert_eq!(run(&["recover", "--list"]), format!("{entry} nothing is there\n"));
    // Somebody protects it.
    std::fs::write(&file, half.replace("machine:1'>", "machine:1' protected='yes'>")).expect("written");
    assert_eq!(run(&["recover", "--list"]), format!("{entry} left alone: it is protected\n"));
    std::fs::write(&file, &half).expect("written");
    assert_eq!(run(&["recover", "--yes"]), format!("{entry} done\n"));
    assert_eq!(journals(&host), 0);
}

#[test]
fn an_image_that_a_killed_run_left_half_made_is_told() {
    let host = Host::new();
    let script = "transaction(|| {
        connect().pool(\"default\").create_volume(#{ name: \"half.raw\", capacity: \"1 MiB\", target: #{ format: \"raw\" } });
        print(\"made\"); sleep(600); });";
    killed(&host, script);
    let file = host.folder().join("host.xml");
    let bare = std::fs::read_to_string(&file).expect("read");
    let volume = "<volume><name>half.raw</name><capacity>1048576</capacity></volume><volume>";
    std::fs::write(&file, bare.replacen("<volume>", volume, 1)).expect("written");
    let mut image = vec![0; 4096];
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(host.folder().join("half.raw"), image).expect("written");
    let output = host.command(["image", "import", "default", "half.raw"]).output().expect("started");
    let told = text(&output.stderr);
    assert!(
        told.contains("volume `half.raw` was left half made by a killed run\n = hint: `vmscript recover` removes it"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(5), "{told}");
}

#[test]
fn addresses_of_a_machine_whose_removal_was_broken_off_are_given_back() {
    let host = Host::new();
    let script = "let host = connect();
        let card = #{ type: \"network\", source: #{ network: \"default\" }, static_ip: #{ address: \"192.168.122.60/24\", via: \"dhcp\" } };
        let storage = [#{ volume: #{ name: \"db.raw\", capacity: \"1 MiB\", target: #{ format: \"raw\" } } }];
        let vm = host.provision(#{ type: \"test\", name: \"db\", memory: \"1 GiB\", os: #{ type: \"hvm\" }, devices: #{ interfaces: [card] } },
            #{ storage: storage, start: false });
        slow(\"delete\", \"10min\");
        print(`${vm.uuid} ${vm.definition.devices.interfaces[0].mac.address}`);
        vm.remove();";
    let line = killed(&host, script);
    let [uuid, mac] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
    // What a real host has then: the reservation, and the machine whole or not at all.
    let file = host.folder().join("host.xml");
    let bare = std::fs::read_to_string(&file).expect("read");
    let reserved = bare.replace("</dhcp>", &format!("<host mac='{mac}' name='db' ip='192.168.122.60'/></dhcp>"));
    let record = format!(
        "<m:machine xmlns:m='urn:vmscript:machine:1'><m:volume pool='default' name='db.raw'/></m:machine>\
        <v:network xmlns:v='urn:vmscript:network:1'><v:address ip='192.168.122.60/24' mac='{mac}' via='dhcp' reserved='default'/></v:network>"
    );
    let domain = format!(
        "<domain type='test'><name>db</name><uuid>{uuid}</uuid><metadata>{record}</metadata><memory>1048576</memory><os><type>hvm</type></os></domain>"
    );
    let volume = "<volume><name>db.raw</name><capacity>1048576</capacity></volume><volume>";
    let whole = reserved.replace("<volume>", volume).replace("</node>", &format!("{domain}</node>"));
    let told = |xml: &str, args: &[&str]| {
        std::fs::write(&file, xml).expect("written");
        let output = host.command(args).output().expect("started");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let release = format!("{}: release 192.168.122.60 on network `default`:", host.uri());
    let shown = told(&whole, &["recover", "--list"]);
    assert!(shown.contains(&format!("{release} left alone: domain `db` has it")), "{shown}");
    let shown = told(&reserved, &["recover", "--list"]);
    assert!(shown.contains(&format!("{release} to do")), "{shown}");
    let shown = told(&reserved, &["recover", "--yes"]);
    assert!(shown.contains(&format!("{release} done")), "{shown}");
    assert_eq!(journals(&host), 0);
}

#[test]
fn a_removal_that_fails_half_way_is_known_until_it_is_ended() {
    let host = Host::new();
    let make = "let host = connect();
        let storage = [\"db.raw\", \"log.raw\"].map(|name| #{ volume: #{ name: name, capacity: \"1 MiB\", target: #{ format: \"raw\" } } });
        let vm = host.provision(#{ type: \"test\", name: \"db\", memory: \"1 GiB\", os: #{ type: \"hvm\" } }, #{ storage: storage });
        fail(\"delete\", #{ after: AFTER, times: 1, message: \"the disk is broken\" });
        try { vm.remove(); } catch (err) { assert(err.message.contains(\"the disk is broken\")); }
        print(vm.missing_volumes.len());
        AGAIN";
    let run = |after: &str, again: &str| {
        let output = host.run(&make.replace("AFTER", after).replace("AGAIN", again));
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), journals(&host))
    };
    assert_eq!(run("1", ""), ("1\n".to_string(), 1));
    assert_eq!(run("1", "vm.remove();"), ("1\n".to_string(), 1));
    let forget = host.command(["recover", "--yes"]).output().expect("started");
    assert_eq!((forget.status.code(), journals(&host)), (Some(0), 0), "{}", text(&forget.stderr));
    // Nothing is gone: nobody has to end it.
    assert_eq!(run("0", ""), ("0\n".to_string(), 0));
}

#[test]
fn who_stops_a_lab_that_goes_down_is_told_what_is_gone_and_what_stands() {
    let host = Host::new();
    let lab = "networks: [ { name: blue } ]\npools: [ { type: dir, name: labp, target: { path: /srv/lab } } ]\nmachines:\n\
        - { name: a, vcpus: 1, memory: 1 GiB, seed: none, boot_disk: { empty: true, size: 1 GiB } }\n\
        - { name: b, vcpus: 1, memory: 1 GiB, seed: none, boot_disk: { empty: true, size: 1 GiB } }\n";
    std::fs::write(host.folder().join("lab.yaml"), lab).expect("written");
    let script = "import \"std/lab\" as lab;
        lab::up(\"lab.yaml\");
        slow(\"delete\", \"1s\", #{ object: \"a_boot\" });
        slow(\"shutdown\", \"10min\", #{ object: \"b\" });
        print(\"up\");
        lab::down(\"lab.yaml\", #{ yes: true, parallel: 1, timeout: \"10min\" });";
    std::fs::write(host.folder().join("down.rhai"), script).expect("written");
    let mut child = host.command(["down.rhai"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it prints");
    // The removal of the first one is written down as long as it lasts.
    for wanted in [1, 0] {
        let end = Instant::now() + Duration::from_secs(30);
        while journals(&host) != wanted && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let told = interrupted(child);
    let gone = told.contains("done: `a`") || told.contains("domain `a` is removed");
    let stands = told.contains("domain `b` is there with all its volumes") || told.contains("not begun: `b`");
    assert!(gone && stands && told.contains("not begun: `network blue`, `pool labp`"), "{told}");
}

#[test]
fn a_journal_that_cannot_be_written_is_recovered_all_the_same() {
    let host = Host::new();
    killed_making_db(&host);
    let file = host.folder().join("host.xml");
    let there = std::fs::read_to_string(&file).expect("read");
    let there = there.replace("<volume>", "<volume><name>db.raw</name><capacity>1048576</capacity></volume><volume>");
    std::fs::write(&file, there).expect("written");
    let program = host.command(["recover", "--yes"]);
    // No file can grow, as on a full disk.
    let mut full = Command::new("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args());
    for (key, value) in program.get_envs() {
        match value {
            Some(value) => full.env(key, value),
            None => full.env_remove(key),
        };
    }
    let output = full.current_dir(host.folder()).output().expect("started");
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(shown.contains("remove domain `db`: nothing is there") && shown.contains("`db.raw`"), "{shown}");
    assert!(told.contains("the journal cannot be written"), "{told}");
    assert_eq!(journals(&host), 0);
}
