//! What would never end by itself.

use super::support::{Host, text};
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

#[test]
fn a_pipe_that_nobody_writes_to_can_be_left_alone() {
    let host = Host::new();
    std::fs::create_dir(host.folder().join("seed")).expect("a folder");
    for pipe in ["pipe", "seed/pipe"] {
        assert!(Command::new("mkfifo").arg(host.folder().join(pipe)).status().expect("started").success());
    }
    let waiting: &[&[&str]] = &[
        &["-e", "read_file(\"pipe\")"],
        &["-e", "read_yaml(\"pipe\")"],
        &["-e", "cloud_init(#{ user_data: secret(\"file:pipe\") })"],
        &["vm", "create", "pipe"],
        &["pipe"],
    ];
    for (arguments, signal) in waiting.iter().zip(["INT", "TERM"].iter().cycle()) {
        let mut child =
            host.command(*arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        std::thread::sleep(Duration::from_millis(700));
        assert!(child.try_wait().expect("asked").is_none(), "{arguments:?} waits");
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().expect("started").success());
        let end = Instant::now() + Duration::from_secs(10);
        while child.try_wait().expect("asked").is_none() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().expect("killed");
        let output = child.wait_with_output().expect("ended");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{arguments:?}: {told}");
        assert!(told.starts_with("error: interrupted"), "{told}");
    }
    // What somebody writes is read, and what must be a file is none.
    let mut writer = Command::new("sh");
    writer.args(["-c", "echo 'print(1 + 1)' > pipe"]).current_dir(host.folder());
    let mut writer = writer.spawn().expect("started");
    let output = host.command(["pipe"]).output().expect("started");
    assert_eq!(text(&output.stdout), "2\n", "{}", text(&output.stderr));
    assert!(writer.wait().expect("ended").success());
    for script in ["seed_from(\"seed\")", "connect().pool(\"default\").upload_file(\"a\", \"pipe\")"] {
        let output = host.command(["-e", script]).output().expect("started");
        let told = text(&output.stderr);
        assert!(told.contains("pipe` is a pipe or a device, and no regular file"), "{told}");
    }
}

#[test]
fn who_is_stopped_half_way_tells_how_far_it_came() {
    let host = Host::new();
    let script = "let done = [];
        telling(|| done, || { done.push(\"one of two\"); print(\"begun\"); sleep(600); })";
    let mut child =
        host.command(["-e", script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let mut begun = [0; 6];
    child.stdout.as_mut().expect("piped").read_exact(&mut begun).expect("it says when it has begun");
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().expect("started").success());
    let output = child.wait_with_output().expect("ended");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("error: interrupted") && told.contains("note: one of two"), "{told}");
}
