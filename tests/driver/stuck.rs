//! What would never end by itself.

use super::support::{Host, text};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

#[test]
fn a_daemon_that_never_answers_can_be_left_alone() {
    let host = Host::new();
    let socket = host.folder().join("libvirt-sock");
    let daemon = UnixListener::bind(&socket).expect("a socket");
    let uri = format!("qemu+unix:///system?socket={}", socket.display());
    for (signal, arguments) in
        [("INT", vec!["vm", "list"]), ("TERM", vec!["-e", "connect()"]), ("INT", vec!["pool", "list"])]
    {
        let mut command = host.command([&["-c", &uri][..], &arguments].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        // It is connected, and waits for an answer.
        let _connection = daemon.accept().expect("connected");
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().expect("started").success());
        let output = child.wait_with_output().expect("ended");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{arguments:?}: {told}");
        assert!(told.starts_with("error: interrupted"), "{told}");
    }
}

#[test]
fn modules_that_import_each_other_are_told() {
    let host = Host::new();
    let write = |name: &str, text: &str| std::fs::write(host.folder().join(name), text).expect("written");
    write("one.rhai", "import \"two\" as two;\nfn a() { two::b() }\n");
    write("two.rhai", "import \"three\" as three;\nfn b() { three::c() }\n");
    write("three.rhai", "\nimport \"two\" as two;\nfn c() { 1 }\n");
    for arguments in [&["one.rhai"][..], &["check", "one.rhai"], &["-e", "import \"one\" as one; one::a()"]] {
        let output = host.command(arguments).output().expect("started");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.starts_with("error: modules import each other: `two.rhai` imports `three.rhai` imports `two.rhai`\n --> three.rhai:2:8"), "{told}");
    }
    // What is imported by a function, when that runs, goes round in no circle.
    write("three.rhai", "fn c() { import \"two\" as two; 1 }\n");
    for arguments in [&["-e", "import \"one\" as one; print(one::a())"][..], &["check", "one.rhai"]] {
        let output = host.command(arguments).output().expect("started");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_run_that_fails_while_it_is_being_connected_just_ends() {
    let host = Host::new();
    for _ in 0..30 {
        let output = host.command(["network", "create", "lab", "--mode", "bridge"]).output().expect("started");
        assert_eq!(output.status.code(), Some(1), "{:?} {}", output.status, text(&output.stderr));
    }
}
