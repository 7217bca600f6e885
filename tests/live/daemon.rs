//! The daemon dies or hangs in the middle of a run: the run goes on over a new connection, or undoes, and says which.

use super::program::{left, program, provision, text};
use super::{inside, journals, node};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that anything here may take on a slow machine.
const LONG: Duration = Duration::from_secs(180);

/// A running program whose lines are looked at as they come.
struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(folder: &Path, script: &str, options: &[&str]) -> Self {
        std::fs::write(folder.join("script.rhai"), script).expect("written");
        let mut command = program(folder);
        command.args(options).arg("script.rhai").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (sender, lines) = mpsc::channel();
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (first, second) = (sender.clone(), sender);
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| first.send(line)));
        thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).try_for_each(|line| second.send(line)));
        Self { child, lines, seen: Vec::new() }
    }

    /// Reads until a line has these words.
    fn until(&mut self, words: &str) {
        let end = Instant::now() + LONG;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no `{words}` in {:#?}", self.seen));
            self.seen.push(line);
            if self.seen.last().is_some_and(|line| line.contains(words)) {
                return;
            }
        }
    }

    /// The exit code, and everything that was printed.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().expect("ended").code();
        self.seen.extend(self.lines.iter());
        (code, self.seen.join("\n"))
    }
}

fn kill_and_restart() {
    node("kill-daemon", &[]);
    let started = node("start-daemon", &[]);
    assert!(started.status.success(), "{}", text(&started.stderr));
}

/// Waits until a process inside the node has these words in its command line, and gives its number.
fn wait_for_process(words: &str) -> String {
    let end = Instant::now() + LONG;
    // The shell that looks has the words in its own command line, but not as this pattern reads them.
    let pattern = format!("[{}]{}", &words[..1], &words[1..]);
    loop {
        let found = inside(&format!("pgrep -f '{pattern}' || true"));
        if let Some(number) = found.lines().next() {
            return number.to_string();
        }
        assert!(Instant::now() < end, "no process `{words}`");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Removes what `provision` made, so that the run itself leaves nothing.
const REMOVE: &str = r#"
print(vm.wait_for_ip().addr);
vm.destroy();
vm.undefine();
for volume in host.pool("default").volumes().filter(|volume| volume.name.starts_with(vm.name)) { volume.delete(); }
"#;

#[test]
fn a_daemon_that_dies_in_a_start_comes_back_and_the_run_goes_on() {
    // After QEMU was started the guest runs on; before, there is none. The run looks which it is.
    for (fault, name, told) in [
        ("sleep-started", "orphan", "start of domain `orphan`: it was done although the connection was lost"),
        ("sleep-prepare", "unborn", "start of domain `unborn`: it was not done when the connection was lost"),
    ] {
        inside(&format!("echo 5 > /run/libvirt/fault/{fault}"));
        let folder = tempfile::tempdir().expect("a folder");
        let script = provision(name, "wait_for_ip: #{ timeout: \"3m\" }", REMOVE);
        let run = Running::start(folder.path(), &script, &["--log-level", "info"]);
        wait_for_process(&format!("hooks/qemu {name} {}", fault.trim_start_matches("sleep-")));
        thread::sleep(Duration::from_millis(300));
        inside(&format!("rm /run/libvirt/fault/{fault}"));
        kill_and_restart();
        let (code, shown) = run.end();
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains(told) && shown.contains("\n192.168.150."), "{shown}");
        assert_eq!((left(name), journals(folder.path())), (String::new(), 0));
    }
}

#[test]
fn a_wait_goes_on_when_the_daemon_is_back_and_sees_what_happened_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = provision(
        "patient",
        "wait_for_ip: false",
        r#"
transaction(|| {
    print("waiting");
    wait_all([ip(vm), agent(vm), event(vm, "lifecycle", #{ event: "suspended" })], #{ timeout: "3m" });
});
print("never");
"#,
    );
    let mut run = Running::start(folder.path(), &format!("transaction(|| {{ {script} }});"), &[]);
    run.until("waiting");
    kill_and_restart();
    run.until("the host is back");
    // Nobody tells that the guest dies while no daemon runs.
    node("kill-daemon", &[]);
    inside("kill -9 $(cat /run/libvirt/qemu/patient.pid)");
    let started = node("start-daemon", &[]);
    assert!(started.status.success(), "{}", text(&started.stderr));
    let (code, shown) = run.end();
    assert_eq!(code, Some(4), "{shown}");
    assert!(shown.contains("is shut off") && shown.contains("while its"), "{shown}");
    assert_eq!((left("patient"), journals(folder.path())), (String::new(), 0));
}

#[test]
fn a_guest_whose_memory_a_daemon_saved_when_it_died_runs_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = r#"
import "std/vm" as vm;
write_file("saved.yaml", "name: saved\nvcpus: 1\nmemory: 512 MiB\ntype: qemu\nfirmware: bios\nseed: none\nboot_disk: { size: 2 GiB, image: base }\ninterfaces: [ { network: lab } ]\n");
vm::create("saved.yaml");
let saved = connect().domain("saved");
wait(agent(saved), #{ timeout: "3m" });
// So much that it takes a while to save.
saved.exec("/bin/sh", ["-c", "mkdir /full; mount -t tmpfs full /full; dd if=/dev/urandom of=/full/x bs=1M count=200"], #{ timeout: "3m" });
print("saving");
try { saved.create_snapshot("never"); print("saved"); } catch (err) { print(`${err.code}: ${err.notes}`); }
print(`${saved.state}, ${saved.snapshots().len()} snapshots`);
vm::destroy(["saved"], #{ yes: true });
"#;
    let mut run = Running::start(folder.path(), script, &[]);
    run.until("saving");
    let end = Instant::now() + LONG;
    while !inside("virsh domstate saved").contains("paused") {
        assert!(Instant::now() < end, "it is never paused");
    }
    node("kill-daemon", &[]);
    // A daemon that finds QEMU at work gives the guest up.
    thread::sleep(Duration::from_secs(5));
    let started = node("start-daemon", &[]);
    assert!(started.status.success(), "{}", text(&started.stderr));
    let (code, shown) = run.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("no-connection: ") && shown.contains("was paused by it, and runs again"), "{shown}");
    assert!(shown.contains("running, 0 snapshots"), "{shown}");
    assert_eq!((left("saved"), journals(folder.path())), (String::new(), 0));
}

#[test]
fn a_daemon_that_hangs_is_noticed_by_keepalive_and_what_was_made_is_undone() {
    let folder = tempfile::tempdir().expect("a folder");
    // A reset that may have happened is not done again.
    let more = "print(\"ready\"); loop { vm.reset(); sleep(0.1); }";
    let script = format!("transaction(|| {{ {} }});", provision("hung", "wait_for_ip: false", more));
    let mut run = Running::start(folder.path(), &script, &["--log-level", "info"]);
    run.until("ready");
    inside("kill -STOP $(cat /run/libvirt/libvirtd.pid)");
    run.until("the connection was lost");
    inside("kill -CONT $(cat /run/libvirt/libvirtd.pid)");
    let (code, shown) = run.end();
    assert_eq!(code, Some(3), "{shown}");
    assert!(shown.contains("cannot reset domain `hung`") && shown.contains("keepalive timeout"), "{shown}");
    assert!(shown.contains("what is left to do is done over a new one"), "{shown}");
    assert_eq!((left("hung"), journals(folder.path())), (String::new(), 0));
}

#[test]
fn a_setter_waits_for_the_lock_that_a_managed_save_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = r#"
print("ready");
while vm.state != "paused" { sleep(0.05); }
vm.set_memory("96 MiB");
print(vm.state + " " + vm.definition.current_memory);
vm.undefine();
for volume in host.pool("default").volumes().filter(|volume| volume.name.starts_with("saved.")) { volume.delete(); }
"#;
    let script = provision("saved", "wait_for_ip: #{ timeout: \"3m\" }", more);
    let mut run = Running::start(folder.path(), &script, &["--log-level", "info"]);
    run.until("ready");
    // The save of a large guest takes minutes. Here its writer is stopped for longer than libvirt waits for a lock.
    let stopped = thread::spawn(|| {
        inside(
            "for _ in $(seq 6000); do writer=$(pgrep -x libvirt_iohelpe) && break; done; kill -STOP $writer; echo $writer",
        )
    });
    let uri = std::env::var("VMSCRIPT_LAB_URI").expect("VMSCRIPT_LAB_URI names the lab's libvirtd");
    thread::sleep(Duration::from_secs(1));
    let mut save = Command::new("virsh").args(["-c", &uri, "managedsave", "saved"]).spawn().expect("virsh runs");
    let writer = stopped.join().expect("the writer is stopped");
    run.until("transient failure, trying again");
    inside(&format!("kill -CONT {writer}"));
    assert!(save.wait().expect("ended").success());
    let (code, shown) = run.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("cannot acquire state change lock") && shown.contains("shut off"), "{shown}");
    assert_eq!((left("saved"), journals(folder.path())), (String::new(), 0));
}
