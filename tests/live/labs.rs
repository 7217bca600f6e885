//! Labs and machines from files on a real host: what comes and goes with them, what stays, and other addresses.

use super::lab::lab;
use super::own::inside;
use super::program::{left, prints, program, text};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn output(folder: &Path, args: &[&str]) -> Output {
    program(folder).args(args).output().expect("the program starts")
}

pub(crate) fn run(folder: &Path, args: &[&str]) -> String {
    let output = output(folder, args);
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A column of what a command gives.
pub(crate) fn column(folder: &Path, args: &[&str], name: &str) -> Vec<String> {
    let shown = run(folder, &[args, &["-o", "csv", "--columns", name]].concat());
    shown.lines().skip(1).map(str::to_string).collect()
}

/// The files of the host whose names begin so.
fn files(begin: &str) -> String {
    let pattern = format!("{begin}*");
    text(&inside(&["find", "/var/lib/libvirt", "/etc/libvirt/storage", "-name", &pattern]).stdout)
}

/// Runs the program several times at once; each must succeed.
fn at_once(folder: &Path, runs: &[&[&str]]) {
    std::thread::scope(|scope| {
        for args in runs {
            scope.spawn(|| run(folder, args));
        }
    });
}

/// A small machine that need not boot.
fn machine(name: &str, more: &str) -> String {
    format!(
        "- {{ name: {name}, vcpus: 1, memory: 64 MiB, firmware: bios, machine: pc, seed: none, boot_disk: {{ empty: true, size: 16 MiB }}, {more} }}\n"
    )
}

#[test]
fn a_pool_made_for_machines_goes_with_the_last_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let machines = machine("gone-a", "pool: gone-pool") + machine("gone-b", "pool: gone-pool").as_str();
    std::fs::write(folder.path().join("gone.yaml"), format!("machines:\n{machines}")).expect("written");
    let run = |args: &[&str]| run(folder.path(), args);
    assert_eq!(files("gone"), "");
    run(&["vm", "create", "gone.yaml"]);
    assert!(files("gone").contains("/var/lib/libvirt/gone-pool/gone-b_boot"), "{}", files("gone"));
    run(&["vm", "destroy", "gone-a", "--yes"]);
    assert!(files("gone").contains("/etc/libvirt/storage/gone-pool.xml"), "{}", files("gone"));
    run(&["vm", "destroy", "gone-b", "--yes"]);
    assert_eq!(files("gone"), "");
    // A folder that was there stays, and so does a pool in which somebody put something.
    inside(&["mkdir", "/var/lib/libvirt/gone-pool"]);
    run(&["vm", "create", "gone.yaml"]);
    run(&["vm", "destroy", "gone-a", "gone-b", "--yes"]);
    assert_eq!(files("gone"), "/var/lib/libvirt/gone-pool\n");
    run(&["vm", "create", "gone.yaml"]);
    prints(
        "connect().pool(\"gone-pool\").create_volume(#{ name: \"gone-not.raw\", capacity: 4096, target: #{ format: \"raw\" } });",
    );
    let told = run(&["vm", "destroy", "gone-a", "gone-b", "--yes", "-o", "json"]);
    assert!(told.contains("gone-pool with [\\\"gone-not.raw\\\"]"), "{told}");
    run(&["pool", "delete", "gone-pool", "--with-volumes", "--yes"]);
    inside(&["rmdir", "/var/lib/libvirt/gone-pool"]);
    assert_eq!(files("gone"), "");
    // A removal that was killed may have got as far as the folder.
    prints(
        "import \"std/made\" as made;
        let pool = made::pool(connect(), \"machines\", #{ type: \"dir\", name: \"gone-pool\", target: #{ path: \"/var/lib/libvirt/gone-pool\" } });
        pool.destroy(); pool.delete();",
    );
    assert!(files("gone").contains("/etc/libvirt/storage/gone-pool.xml"), "{}", files("gone"));
    run(&["vm", "destroy", "gone-a", "--yes", "--if-exists"]);
    assert_eq!(files("gone"), "");
}

/// The machines `many-a`, `many-b` and `many-c`, in a pool that is made for them.
fn many(folder: &Path) {
    for name in ["a", "b", "c"] {
        let one = machine(&format!("many-{name}"), "pool: many-pool");
        std::fs::write(folder.join(format!("{name}.yaml")), format!("machines:\n{one}")).expect("written");
    }
}

#[test]
fn a_pool_made_for_machines_goes_and_comes_back_while_others_come_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    many(folder.path());
    for round in 0..6_u64 {
        for file in ["a.yaml", "b.yaml", "c.yaml"] {
            run(folder.path(), &["vm", "create", file, "--start=false"]);
        }
        at_once(
            folder.path(),
            &[
                &["vm", "destroy", "many-a", "--yes"],
                &["vm", "destroy", "many-b", "--yes"],
                &["vm", "destroy", "many-c", "--yes"],
                &["vm", "destroy", "many-c", "--yes", "--if-exists"],
                &["pool", "list"],
                &["inventory", "list"],
            ],
        );
        assert_eq!((left("many"), files("many")), (String::new(), String::new()), "round {round}");
        // The last machine goes while others come.
        run(folder.path(), &["vm", "create", "a.yaml", "--start=false"]);
        std::thread::scope(|scope| {
            let folder = folder.path();
            scope.spawn(move || run(folder, &["vm", "destroy", "many-a", "--yes"]));
            for (at, file) in [(1, "b.yaml"), (2, "c.yaml")] {
                std::thread::sleep(Duration::from_millis(20 * (round + at)));
                scope.spawn(move || run(folder, &["vm", "create", file, "--start=false"]));
            }
        });
        run(folder.path(), &["vm", "destroy", "many-b", "many-c", "--yes"]);
        assert_eq!((left("many"), files("many")), (String::new(), String::new()), "round {round}");
    }
}

#[test]
fn of_several_runs_that_make_one_machine_one_makes_it_and_the_others_compare() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = machine("once-a", "pool: once-pool");
    let two = machine("once-b", "pool: once-pool");
    std::fs::write(folder.path().join("one.yaml"), format!("machines:\n{one}")).expect("written");
    std::fs::write(folder.path().join("both.yaml"), format!("machines:\n{two}{one}")).expect("written");
    for _ in 0..4 {
        let create = |file: &str| column(folder.path(), &["vm", "create", file], "result");
        let results: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> =
                ["one.yaml", "both.yaml", "one.yaml", "both.yaml"].map(|file| scope.spawn(move || create(file))).into();
            runs.into_iter().flat_map(|run| run.join().expect("it succeeds")).collect()
        });
        let count = |result: &str| results.iter().filter(|one| *one == result).count();
        assert_eq!((count("created"), count("unchanged")), (2, 4), "{results:?}");
        run(folder.path(), &["vm", "destroy", "once-a", "once-b", "--yes"]);
        assert_eq!((left("once"), files("once")), (String::new(), String::new()));
    }
}

#[test]
fn a_pool_made_for_machines_goes_with_the_last_one_though_that_is_broken_off() {
    let folder = tempfile::tempdir().expect("a folder");
    many(folder.path());
    let destroy = ["vm", "destroy", "many-a", "--yes"];
    run(folder.path(), &["vm", "create", "a.yaml", "--start=false"]);
    let begin = Instant::now();
    run(folder.path(), &destroy);
    let whole = begin.elapsed();
    let mut gone = 0;
    // On a machine that others keep busy a run may take twice the time of the first.
    for part in 0..60_u32 {
        if part >= 18 && gone > 0 {
            break;
        }
        run(folder.path(), &["vm", "create", "a.yaml", "--start=false"]);
        let mut child = program(folder.path())
            .args(destroy)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(whole * (part / 3 + 4) / 9);
        // Who is asked to stop ends what is begun; who is killed leaves it to the next.
        let signal = if part % 3 == 0 {
            "-TERM"
        } else if part % 3 == 1 {
            "-INT"
        } else {
            "-KILL"
        };
        Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        child.wait().expect("ended");
        let is_gone = left("many-a").is_empty();
        gone += u32::from(is_gone);
        if is_gone && signal != "-KILL" {
            assert_eq!(files("many"), "", "{signal} {part}");
        }
        if part % 2 == 0 {
            run(folder.path(), &["recover", "--yes"]);
            assert!(!is_gone || files("many").is_empty(), "{signal} {part}: {}", files("many"));
        }
        run(folder.path(), &[&destroy[..], &["--if-exists"]].concat());
        assert_eq!((left("many"), files("many")), (String::new(), String::new()), "{signal} {part}");
    }
    assert!(gone > 0, "every run was broken off before it was done with the machine");
}

#[test]
fn a_lab_takes_down_what_it_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = "networks: [ { name: mine-net, ips: [ { address: 10.77.3.1, prefix: 24 } ] } ]\n";
    let pool = "pools: [ { type: dir, name: mine-pool, target: { path: /var/lib/libvirt/mine-pool } } ]\n";
    let card = "pool: mine-pool, interfaces: [ { network: mine-net } ]";
    let machines = machine("mine-a", "pool: default") + machine("mine-b", card).as_str();
    std::fs::write(folder.path().join("mine.yaml"), format!("{network}{pool}machines:\n{machines}")).expect("written");
    let results = |args: &[&str]| column(folder.path(), args, "result");
    run(folder.path(), &["vm", "create", "mine.yaml", "--machine", "mine-a"]);
    // Two at the same time: one makes it, the other waits for that.
    at_once(folder.path(), &[&["lab", "up", "mine.yaml"], &["lab", "up", "mine.yaml"]]);
    assert_eq!(results(&["lab", "up", "mine.yaml"]), ["unchanged"; 4]);
    at_once(folder.path(), &[&["lab", "down", "mine.yaml", "--yes"][..]; 3]);
    assert_eq!(files("mine-b"), "");
    assert_eq!(files("mine-net"), "");
    assert_eq!(results(&["lab", "up", "mine.yaml"]), ["created", "created", "unchanged", "created"]);
    let stays = "left: not made by this lab";
    assert_eq!(results(&["lab", "down", "mine.yaml", "--yes"]), [stays, "removed", "removed", "removed"]);
    assert_eq!(results(&["lab", "down", "mine.yaml", "--yes"]), [stays, "not there", "not there", "not there"]);
    run(folder.path(), &["vm", "destroy", "mine-a", "--yes"]);
    assert_eq!((left("mine"), files("mine")), (String::new(), String::new()));
}

#[test]
fn a_new_address_comes_with_an_update() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "name: mover\nvcpus: 1\nmemory: 192 MiB\nfirmware: bios\nmachine: pc\nboot_disk: { size: 1 GiB, image: base.qcow2 }\n\
                interfaces: [ { network: lab, address: 192.168.150.171/24, gateway: 192.168.150.1 } ]\n\
                user_data: |\n  #cloud-config\n  hostname: mover\n  password: one\n";
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("before.yaml", spec);
    write("after.yaml", &spec.replace("150.171", "150.172"));
    write("secret.yaml", &spec.replace("password: one", "password: two"));
    let run = |args: &[&str]| run(folder.path(), args);
    let results = |args: &[&str]| column(folder.path(), args, "result");
    let reserved = || {
        let shown =
            prints("for one in connect().network(\"lab\").reservations() { print(`${one.addr} ${one.hwaddr}`); }");
        shown.lines().filter(|line| line.contains(".150.17")).collect::<String>()
    };
    run(&["vm", "create", "before.yaml"]);
    assert_eq!(reserved(), "192.168.150.171 be:ef:c0:a8:96:ab");
    assert_eq!(results(&["vm", "create", "before.yaml"]), ["unchanged"]);
    let told = run(&["vm", "create", "secret.yaml", "-o", "json"]);
    assert!(told.contains("a secret of the seed") && !told.contains("two"), "{told}");
    // Until it has booted, a guest gives no seed back.
    run(&["vm", "wait", "mover", "--goal", "agent", "--timeout", "5m"]);
    let told = run(&["vm", "create", "after.yaml", "--update", "-o", "json"]);
    assert!(told.contains("\"needs_restart\": true") && told.contains("192.168.150.172/24"), "{told}");
    assert_eq!(reserved(), "192.168.150.172 be:ef:c0:a8:96:ac");
    assert_eq!(results(&["vm", "create", "after.yaml"]), ["unchanged"]);
    // Once by its seed, and once more by that of its new boot disk.
    for deed in [["vm", "restart", "mover", "--timeout", "1s"], ["vm", "repave", "after.yaml", "--yes", "--quiet"]] {
        run(&deed);
        run(&["vm", "wait", "mover", "--goal", "agent", "--timeout", "5m"]);
        let seen = run(&["vm", "exec", "mover", "ip addr"]);
        assert!(seen.contains("192.168.150.172/24") && seen.contains("be:ef:c0:a8:96:ac"), "{seen}");
    }
    let tiny = lab().images.join("tiny.qcow2").display().to_string();
    run(&["image", "import", "default", &tiny, "--name", "mover-other.qcow2"]);
    write("image.yaml", &spec.replace("150.171", "150.172").replace("base.qcow2", "mover-other.qcow2"));
    let told = run(&["vm", "create", "image.yaml", "-o", "json"]);
    assert!(told.contains("boot_disk.image") && told.contains("mover-other.qcow2"), "{told}");
    let refused = output(folder.path(), &["vm", "create", "image.yaml", "--update"]);
    assert!(text(&refused.stderr).contains("`vm repave` gives it a new one"), "{}", text(&refused.stderr));
    run(&["vm", "repave", "image.yaml", "--yes"]);
    assert_eq!(results(&["vm", "create", "image.yaml"]), ["unchanged"]);
    run(&["vm", "destroy", "mover", "--yes"]);
    run(&["image", "delete", "default", "mover-other.qcow2", "--yes"]);
    assert_eq!((left("mover"), reserved()), (String::new(), String::new()));
}

#[test]
fn the_seed_of_an_adopted_machine_is_compared() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILwhYla07iDCDxNLiO+2CyT+Snap6S5jV7ghog9jfeM+";
    let folder = tempfile::tempdir().expect("a folder");
    let spec = |guest: &str| {
        format!(
            "name: fosterer\nvcpus: 1\nmemory: 64 MiB\nfirmware: bios\nmachine: pc\nseed_bus: sata\n\
             boot_disk: {{ size: 16 MiB, empty: true }}\nguest: {{ {guest} }}\n"
        )
    };
    let write = |name: &str, guest: &str| std::fs::write(folder.path().join(name), spec(guest)).expect("written");
    write("before.yaml", &format!("hostname: fosterer, timezone: UTC, ssh_authorized_keys: [ '{KEY} a' ]"));
    write("after.yaml", &format!("hostname: other, ssh_authorized_keys: [ '{KEY} a', '{KEY} b' ]"));
    let run = |args: &[&str]| run(folder.path(), args);
    let results = |args: &[&str]| column(folder.path(), args, "result");
    run(&["vm", "create", "before.yaml", "--start=false"]);
    // As another tool leaves it: nobody knows what its seed was made from.
    prints("connect().domain(\"fosterer\").set_metadata(\"urn:vmscript:spec:1\", \"spec\", ());");
    assert_eq!(results(&["vm", "create", "before.yaml", "--start=false"]), ["unchanged"]);
    let told = run(&["vm", "create", "after.yaml", "-o", "json", "--start=false"]);
    for part in ["guest.hostname", "\"before\": \"fosterer\"", "guest.ssh_authorized_keys"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert_eq!(results(&["vm", "create", "after.yaml", "--update", "--start=false"]), ["updated"]);
    assert_eq!(results(&["vm", "create", "after.yaml", "--start=false"]), ["unchanged"]);
    let seed = prints("print(connect().domain(\"fosterer\").seed_user_data);");
    assert!(seed.contains("hostname: other") && seed.contains("+ b"), "{seed}");
    run(&["vm", "destroy", "fosterer", "--yes"]);
    assert_eq!(left("fosterer"), "");
}

#[test]
fn what_a_killed_run_made_stays_where_others_live_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "transaction(|| {
        let host = connect();
        host.define_network(#{ name: \"lived-in\", ips: [ #{ address: \"10.77.4.1\", prefix: 24 } ] }).start();
        let pool = host.define_pool(#{ type: \"dir\", name: \"lived-pool\", target: #{ path: \"/var/lib/libvirt/lived-pool\" } });
        pool.build();
        pool.start();
        print(\"ready\");
        sleep(\"1h\");
    });";
    std::fs::write(folder.path().join("killed.rhai"), script).expect("written");
    let mut killed =
        program(folder.path()).arg("killed.rhai").stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut ready = [0; 5];
    killed.stdout.as_mut().expect("piped").read_exact(&mut ready).expect("it says when it is ready");
    killed.kill().expect("killed");
    killed.wait().expect("ended");
    let spec = machine("lived", "pool: lived-pool, interfaces: [ { network: lived-in } ]");
    std::fs::write(folder.path().join("lived.yaml"), format!("machines:\n{spec}")).expect("written");
    let run = |args: &[&str]| run(folder.path(), args);
    run(&["vm", "create", "lived.yaml"]);
    let told = output(folder.path(), &["recover", "--yes"]);
    assert!(text(&told.stdout).contains("domain `lived`"), "{}{}", text(&told.stdout), text(&told.stderr));
    assert_eq!(
        run(&["vm", "list", "-o", "csv", "--columns", "name,state", "--filter", "name=lived"]),
        "name,state\r\nlived,running\r\n"
    );
    prints("for one in [connect().network(\"lived-in\"), connect().pool(\"lived-pool\")] { assert(one.is_active); }");
    run(&["vm", "destroy", "lived", "--yes"]);
    run(&["network", "delete", "lived-in", "--yes"]);
    run(&["pool", "delete", "lived-pool", "--yes"]);
    inside(&["rmdir", "/var/lib/libvirt/lived-pool"]);
    assert_eq!((left("lived"), files("lived")), (String::new(), String::new()));
}

#[test]
fn a_network_of_a_lab_changes_under_its_guests_where_libvirt_can() {
    let out = prints(
        r#"
import "std/lab" as lab;
let host = connect();
let file = |domain, start, ip, more| write_file("moving.yaml", `networks:
- name: moving
  domain: { name: ${domain} }
  ips: [ { address: 10.78.0.1, prefix: 24, dhcp: { ranges: [ { start: ${start}, end: 10.78.0.140 } ], hosts: [ { mac: "52:54:00:00:00:01", ip: ${ip} } ] } } ]
  dns: { hosts: [ { ip: 10.78.0.5, hostnames: [files${more}] } ] }
`);
let up = |options| lab::up("moving.yaml", options)[0];
file.call("a.test", "10.78.0.100", "10.78.0.11", "");
up.call(#{});
let net = host.network("moving");
// What others had kept there is none of the file's.
net.reserve(#{ addr: "10.78.0.50", hwaddr: "52:54:00:00:00:50" });
let vm = host.define_domain(#{ type: "qemu", name: "moving-guest", memory: "32 MiB", os: #{ type: "hvm" }, devices: #{
    interfaces: [ #{ type: "network", source: #{ network: "moving" } } ] } });
vm.start();
let ports = || net.ports().map(|one| `${one}`);
let before = ports.call();
assert_eq([up.call(#{}).result, before.len()], ["unchanged", 1]);
file.call("a.test", "10.78.0.120", "10.78.0.12", ", media");
let xml = net.xml;
print(up.call(#{}).result);
print(up.call(#{ update: true, dry_run: true }).result);
assert_eq(net.xml, xml);
print(up.call(#{ update: true }).result);
print(up.call(#{}).result);
let has = net.definition.to_map();
assert_eq(has.ips[0].dhcp.ranges, [#{ start: "10.78.0.120", end: "10.78.0.140" }]);
assert_eq(has.ips[0].dhcp.hosts.map(|one| one.ip), ["10.78.0.12", "10.78.0.50"]);
assert_eq(has.dns.hosts[0].hostnames, ["files", "media"]);
file.call("b.test", "10.78.0.130", "10.78.0.12", ", media");
let part = up.call(#{ update: true });
print(`${part.result} ${part.differences.map(|one| one.path)}`);
print(up.call(#{ update: true }).result);
assert_eq([ports.call(), vm.state], [before, "running"]);
vm.destroy();
vm.undefine();
lab::down("moving.yaml", #{ yes: true });
assert_eq(host.find_network("moving"), ());
"#,
    );
    assert_eq!(out, "differs\nwould be updated\nupdated\nunchanged\nupdated in part [\"domain.name\"]\ndiffers\n");
}
