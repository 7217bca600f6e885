//! Over ssh, as from a desk: what the connections have in common, and what they do not.

use super::own::{inside, node};
use super::program::text;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A desk: a folder with keys that the node's ssh server knows.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::Builder::new().prefix("desk").tempdir_in("/tmp").expect("a folder") };
        for name in ["hostkey", "id"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(desk.path(name)).status();
            assert!(made.expect("ssh-keygen runs").success());
        }
        std::fs::copy(desk.path("id.pub"), desk.path("authorized_keys")).expect("the key is known");
        std::fs::create_dir(desk.path("run")).expect("a folder of sockets");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab/node");
        // Each desk is its first.
        inside(&["sh", "-c", "rm -f ~root/.ssh/known_hosts"]);
        let served = Command::new(script).arg("sshd").arg(node()).arg(desk.folder.path()).output().expect("bash runs");
        assert!(served.status.success(), "{served:?}");
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn uri(&self) -> String {
        format!("qemu+ssh://root@127.0.0.1/system?keyfile={}&no_verify=1", self.path("id"))
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_at(&self.uri(), arguments)
    }

    fn run_at(&self, uri: &str, arguments: &[&str]) -> Output {
        let (home, sockets) = (format!("HOME={}", self.path("")), format!("XDG_RUNTIME_DIR={}", self.path("run")));
        let program = ["env", &home, &sockets, env!("CARGO_BIN_EXE_vmscript"), "--log-level", "debug", "-c", uri];
        inside(&[&program, arguments].concat())
    }

    /// What it prints, and how many logins it took.
    fn prints(&self, arguments: &[&str]) -> (String, usize) {
        let before = logins();
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        (text(&output.stdout), logins() - before)
    }

    /// The process that keeps the connection.
    fn keeper(&self) -> String {
        let socket = format!("ControlMaster=yes -o ControlPath={}", self.path("run"));
        text(&inside(&["pgrep", "-f", &socket]).stdout).trim().to_string()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let keeper = self.keeper();
        inside(&["sh", "-c", &format!("kill -9 {keeper}; kill $(cat /run/libvirt/sshd.pid)")]);
    }
}

/// How often somebody logged in at the node.
fn logins() -> usize {
    let log = std::fs::read_to_string(node().join("log/sshd.log")).unwrap_or_default();
    log.matches("Accepted publickey").count()
}

#[test]
fn commands_share_a_connection_over_ssh_and_do_without_one_that_hangs() {
    let desk = Desk::new();
    let spec = desk.path("far.yaml");
    let text = "name: far\nvcpus: 1\nmemory: 64 MiB\nboot_disk: { empty: true, size: 1 GiB }\n";
    std::fs::write(&spec, text).expect("written");

    // One login for all of it: the seed's upload, too.
    assert_eq!(desk.prints(&["vm", "create", &spec]).1, 1);
    let (list, more) = desk.prints(&["vm", "list", "-o", "name"]);
    assert!(list.lines().any(|line| line == "far") && more == 0, "{list}{more}");
    assert_eq!(desk.prints(&["vm", "destroy", "far", "--yes"]).1, 0);
    assert!(!desk.keeper().is_empty());
    // What the connection is called does not tell of it: the journal and other hosts could make nothing of that.
    assert_eq!(desk.prints(&["-e", "print(connect().uri)"]), (format!("{}\n", desk.uri()), 0));

    // Who does not want to share does not.
    assert_eq!(desk.prints(&["--ssh-persist", "0s", "pool", "list"]).1, 1);
    // One that hangs is left alone after a while.
    inside(&["kill", "-STOP", &desk.keeper()]);
    assert_eq!(desk.prints(&["pool", "list"]).1, 1);
    inside(&["kill", "-CONT", &desk.keeper()]);
    assert_eq!(desk.prints(&["pool", "list"]).1, 0);
}

#[test]
fn ctrl_c_does_not_reach_the_connection() {
    let desk = Desk::new();
    let script = desk.path("waits.rhai");
    let text = "transaction(|| { connect().pool(\"default\").create_volume(#{ name: \"waiting\", capacity: \"1 MiB\", target: #{ format: \"raw\" } }); \
        print(\"ready\"); sleep(\"10m\"); });";
    std::fs::write(&script, text).expect("written");
    for (persist, logins_of_it) in [("0s", 1), ("60s", 1), ("60s", 0)] {
        let before = logins();
        // A terminal sends it to the whole foreground group; with `set -m` bash gives each job a group of its own.
        let (program, uri, out) = (env!("CARGO_BIN_EXE_vmscript"), desk.uri(), desk.path("out"));
        let line = format!(
            "set -m; export HOME={home} XDG_RUNTIME_DIR={run}; {program} -c '{uri}' --ssh-persist {persist} {script} >{out} 2>&1 & \
            until grep -q ready {out}; do kill -0 $! || exit 99; sleep 0.05; done; kill -INT -- -$!; wait $!",
            home = desk.path(""),
            run = desk.path("run"),
        );
        let ended = inside(&["timeout", "60", "bash", "-c", &line]);
        let told = std::fs::read_to_string(&out).expect("it said something");
        assert_eq!(ended.status.code(), Some(130), "{persist}: {told}");
        assert!(!told.contains("lost") && told.contains("error: interrupted"), "{persist}: {told}");
        // On a busy machine the server's log comes late.
        let end = Instant::now() + Duration::from_secs(5);
        while logins() - before < logins_of_it && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(logins() - before, logins_of_it, "{persist}: {told}");
        let volumes = desk.prints(&["--ssh-persist", "0s", "volume", "list", "default", "-o", "name"]).0;
        assert!(!volumes.contains("waiting"), "{persist}: {volumes}");
    }
}

#[test]
fn where_no_connection_can_be_shared_each_command_has_its_own() {
    let desk = Desk::new();
    // Others could put a program there.
    let sockets = desk.path("run/vmscript/ssh");
    std::fs::create_dir_all(&sockets).expect("a folder");
    assert!(Command::new("chmod").args(["777", &sockets]).status().expect("chmod runs").success());
    let shared = desk.run(&["pool", "list"]);
    assert!(shared.status.success() && text(&shared.stderr).contains("is not for its owner alone"), "{shared:?}");
    assert_eq!(std::fs::read_dir(&sockets).expect("listed").count(), 0);

    // Nor does who names a program.
    std::fs::remove_dir_all(&sockets).expect("removed");
    let own = desk.run_at(&format!("{}&command=/usr/bin/ssh", desk.uri()), &["pool", "list"]);
    assert!(own.status.success() && desk.keeper().is_empty(), "{own:?}");
    // A key that nobody knows is told as always.
    let before = logins();
    let refused = desk.run_at(&desk.uri().replace("/id&", "/hostkey&"), &["pool", "list"]);
    let told = text(&refused.stderr);
    assert!(
        refused.status.code() == Some(3) && told.contains("Permission denied") && !told.contains("command="),
        "{told}"
    );
    assert_eq!(logins(), before);

    // A key that changed is refused; of one that was to be taken all the same ssh tells more than libvirt passes on.
    let changed = format!("echo \"127.0.0.1 $(cut -d' ' -f1-2 {})\" >~root/.ssh/known_hosts", desk.path("id.pub"));
    assert!(inside(&["sh", "-c", &changed]).status.success());
    let unknown = desk.uri().replace("/id&", "/hostkey&");
    for (uri, persist, hint) in [
        (desk.uri().replace("&no_verify=1", ""), "60s", "the host's key is another one than before"),
        (desk.uri().replace("&no_verify=1", ""), "0s", "`ssh-keygen -R HOST` forgets the old one"),
        (unknown, "0s", "`ssh USER@HOST true` shows it"),
    ] {
        let refused = desk.run_at(&uri, &["--ssh-persist", persist, "pool", "list"]);
        let told = text(&refused.stderr);
        assert!(refused.status.code() == Some(3) && told.contains(hint), "{told}");
    }
}
