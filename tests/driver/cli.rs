//! The command line itself.

use super::support::{Host, text};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

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
}

#[test]
fn ctrl_c_and_sigterm_end_a_run_inside_a_native_wait_too() {
    let host = Host::new();
    for (signal, script) in
        [("INT", "sleep(60)"), ("TERM", "loop { }"), ("INT", "try { sleep(60) } catch { sleep(60) }")]
    {
        let mut child = host.command(["-e", script]).stderr(Stdio::piped()).spawn().expect("started");
        // The program must have come to the script; there is no event to wait for.
        std::thread::sleep(Duration::from_millis(300));
        let sent = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        let start = Instant::now();
        let code = child.wait().expect("ended").code();
        assert_eq!(code, Some(130), "{script}");
        assert!(start.elapsed() < Duration::from_secs(5), "{script} took {:?}", start.elapsed());
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
