//! Programs in guests, and programs of this machine: what they write, read and end with.

use super::support::{Host, text};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn what_a_program_in_a_guest_writes_is_printed_as_it_is() {
    let host = Host::new();
    let run = |options: &str| {
        host.run(&format!(
            "import \"std/vm\" as vm;
            program(\"web\", \"/bin/sh -c report\", #{{ stdout: \"no line\", stderr: \"odd\\n\", exit_code: 3 }});
            vm::exec(\"web\", [\"report\"], #{{ {options} }});
            print(\"not reached\");"
        ))
    };
    let output = run("");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("no line".to_string(), "odd\n".to_string()));
    assert_eq!(output.status.code(), Some(3));
    // Whoever wants the record gets no text beside it.
    let output = run("records: true");
    assert_eq!((output.stdout, output.status.code()), (Vec::new(), Some(3)), "{}", text(&output.stderr));
}

#[test]
fn bytes_stay_bytes() {
    let host = Host::new();
    let output = host.run(
        "program(\"web\", \"cat\", #{ stdout: \"a\\n\" });
        let vm = connect().domain(\"web\");
        let done = vm.exec(\"cat\", [], #{ binary: true, input: blob(3, 0xff) });
        assert_eq(type_of(done.stdout), \"blob\");
        let wrote = done.stdout;
        wrote += blob(2, 0x80);
        print_raw(wrote);
        print_raw(\"end\");",
    );
    assert_eq!(
        (&output.stdout[..], output.status.code()),
        (&b"a\n\x80\x80end"[..], Some(0)),
        "{}",
        text(&output.stderr)
    );
    let output = host.run("connect().domain(\"web\").exec(\"cat\", [], #{ input: 3 });");
    let told = text(&output.stderr);
    assert!(told.starts_with("error: the input of a program is a text, a blob or a secret"), "{told}");
}

#[test]
fn an_input_that_is_too_large_is_refused() {
    let host = Host::new();
    let output = host.run(
        "program(\"web\", \"cat\", #{}); connect().domain(\"web\").exec(\"cat\", [], #{ input: blob(200000, 0) });",
    );
    let told = text(&output.stderr);
    let expected = "error: the input of `cat` has 195.3 KiB, and the agent of domain `web` takes 96 KiB at most";
    assert!(told.starts_with(expected) && output.status.code() == Some(1), "{told}");
}

#[test]
fn an_input_that_never_ends_is_told() {
    let host = Host::new();
    let run = |arguments: &[&str]| {
        let mut command = host.command([&["vm", "exec", "web", "--timeout", "1s"], arguments].concat());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        // Its other end stays open.
        let _input = child.stdin.take();
        text(&child.wait_with_output().expect("ended").stderr)
    };
    let told = run(&["cat"]);
    assert!(
        told.starts_with("error: standard input has not come to its end within 1 s\n = hint: `</dev/null`"),
        "{told}"
    );
    let told = run(&["--stdin=false", "cat"]);
    assert!(told.starts_with("error: cannot use the agent of domain `web`"), "{told}");
}

#[test]
fn each_of_several_programs_gets_the_whole_input_as_it_comes() {
    let host = Host::new();
    let script = "let done = parallel([1, 2, 3], |n| run_program(\"sh\", [\"-c\", \"read first; echo $first; md5sum\"], #{ stdin: true }), #{ limit: 2 });
        print(run_program(\"true\", [], #{ stdin: true }).exit_code);
        for one in done { print_raw(one.stdout); }";
    std::fs::write(host.folder().join("script.rhai"), script).expect("written");
    let mut child =
        host.command(["script.rhai"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    let mut input = child.stdin.take().expect("piped");
    let writing = std::thread::spawn(move || {
        input.write_all(b"begun\n").expect("read");
        // More than any pipe holds.
        for _ in 0..300 {
            input.write_all(&[b'x'; 10_000]).expect("read");
        }
    });
    let output = child.wait_with_output().expect("ended");
    writing.join().expect("written");
    let sum = "8e32e22642bddc89698e25a4e9bf528b";
    assert_eq!(text(&output.stdout), format!("0\n{}", format!("begun\n{sum}  -\n").repeat(3)));
}

#[test]
fn a_program_ends_before_an_input_that_never_does() {
    let host = Host::new();
    let script = "print_raw(run_program(\"sh\", [\"-c\", \"read first; echo $first\"], #{ stdin: true }).stdout);";
    std::fs::write(host.folder().join("script.rhai"), script).expect("written");
    let mut child =
        host.command(["script.rhai"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"one\n").expect("written");
    assert_eq!(text(&child.wait_with_output().expect("ended").stdout), "one\n");
    drop(input);
}

#[test]
fn a_shell_has_no_record() {
    let output = Host::new().command(["vm", "ssh", "web", "-o", "json"]).output().expect("started");
    let told = text(&output.stderr);
    assert!(told.starts_with("error: a shell has no record: name a command") && output.stdout.is_empty(), "{told}");
}

#[test]
fn the_result_of_a_recipe_that_exits_is_printed() {
    let host = Host::new();
    let recipes = host.folder().join("recipes");
    std::fs::create_dir(&recipes).expect("made");
    std::fs::write(
        recipes.join("own.rhai"),
        "/// Ends.\nfn end() { print_raw(\"hi\\n\"); exit(7, [#{ name: \"a\", n: 1 }]) }\n",
    )
    .expect("written");
    let output = host.command(["own", "end", "-o", "csv"]).output().expect("started");
    assert_eq!((text(&output.stdout), output.status.code()), ("name,n\r\na,1\r\n".to_string(), Some(7)));
    // Nothing that is printed gets between.
    assert_eq!(text(&output.stderr), "hi\n");
}

#[test]
fn what_a_program_leaves_behind_is_not_waited_for() {
    let start = Instant::now();
    let output = Host::new().run(
        "let done = run_program(\"sh\", [\"-c\", \"sleep 300 & echo begun; exit 4\"]);
        print([done.exit_code, done.stdout]);
        print(run_program(\"sh\", [\"-c\", \"seq 100000 | tail -n 1\"]).stdout);",
    );
    assert_eq!(text(&output.stdout), "[4, \"begun\\n\"]\n100000\n\n", "{}", text(&output.stderr));
    assert!(start.elapsed() < Duration::from_secs(200), "{:?}", start.elapsed());
}
