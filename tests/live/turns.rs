//! What several runs do to one thing at the same time: one after the other, and nothing is lost.

use super::labs::{column, run};
use super::program::{left, prints, program, text};
use std::path::Path;

const SPEC: &str = "name: turns\nvcpus: 1\nmemory: 64 MiB\nfirmware: bios\nmachine: pc\nguest: { hostname: turns }\n\
                    boot_disk: { size: 16 MiB, empty: true }\n";

/// Runs the program with each of these words at once, and gives what each printed; all must succeed.
fn at_once(folder: &Path, runs: &[Vec<String>]) -> Vec<String> {
    std::thread::scope(|scope| {
        let runs: Vec<_> = runs
            .iter()
            .map(|words| scope.spawn(move || run(folder, &words.iter().map(String::as_str).collect::<Vec<_>>())))
            .collect();
        runs.into_iter().map(|run| run.join().expect("it succeeds")).collect()
    })
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_string).collect()
}

#[test]
fn changes_of_one_machine_at_once_are_all_there() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("turns.yaml"), SPEC).expect("written");
    run(folder.path(), &["vm", "create", "turns.yaml", "--start=false"]);
    for round in 1..4 {
        let update = "vm create turns.yaml --start=false --update --set";
        let runs = [
            format!("{update} description=d{round}"),
            format!("{update} guest.hostname=h{round}"),
            format!("vm resize turns --memory {}MiB", 64 + 16 * round),
        ];
        at_once(folder.path(), &runs.map(|line| words(&line)));
        let now =
            prints("let vm = connect().domain(\"turns\"); print(`${vm.seed_user_data} ${vm.owned_volumes.len}`);");
        // Each run brings the machine to its own file, so that the last one counts for what both speak of.
        assert!(now.contains("hostname: turns") || now.contains(&format!("hostname: h{round}")), "{now}");
        assert!(now.ends_with(" 3\n"), "boot disk, seed and log: {now}");
        run(folder.path(), &["vm", "create", "turns.yaml", "--start=false", "--update"]);
        assert_eq!(column(folder.path(), &["vm", "create", "turns.yaml", "--start=false"], "result"), ["unchanged"]);
    }
    // Of several that give it a new boot disk, each does: one after the other.
    let repaved = at_once(folder.path(), &[words("vm repave turns.yaml --yes"), words("vm repave turns.yaml --yes")]);
    assert!(repaved.iter().all(|told| told.contains("repaved")), "{repaved:?}");
    run(folder.path(), &["vm", "destroy", "turns", "--yes"]);
    assert_eq!(left("turns"), "");
}

#[test]
fn what_users_with_states_of_their_own_note_of_a_machine_is_all_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("turns.yaml"), SPEC).expect("written");
    run(folder.path(), &["vm", "create", "turns.yaml", "--start=false"]);
    for round in 0..4 {
        std::thread::scope(|scope| {
            for user in 0..4 {
                let folder = folder.path();
                scope.spawn(move || {
                    let label = format!("u{user}r{round}=v");
                    let told = program(folder)
                        .env("XDG_STATE_HOME", folder.join(format!("state-{user}")))
                        .args(["vm", "label", "turns", "--set", &label])
                        .output()
                        .expect("the program starts");
                    assert!(told.status.success(), "{}", text(&told.stderr));
                });
            }
        });
    }
    assert_eq!(prints("print(connect().domain(\"turns\").labels.len());"), "16\n");
    run(folder.path(), &["vm", "destroy", "turns", "--yes"]);
    assert_eq!(left("turns"), "");
}

#[test]
fn of_several_runs_that_make_one_network_or_pool_one_makes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..3 {
        let create =
            "network create turns --address 10.77.9.1/24 --dhcp 10.77.9.100-10.77.9.200 -o csv --columns result";
        let told = at_once(folder.path(), &[create; 4].map(words));
        let count = |result: &str| told.iter().filter(|told| told.contains(result)).count();
        assert_eq!((count("created"), count("unchanged")), (1, 3), "{told:?}");
        let reserve = "network reserve turns 10.77.9.20 52:54:00:00:00:20 -o csv --columns result";
        let told = at_once(folder.path(), &[reserve; 4].map(words));
        assert_eq!(told.iter().filter(|told| told.contains("unchanged")).count(), 3, "{told:?}");
        let release = "network release turns 10.77.9.20 -o csv --columns result";
        let told = at_once(folder.path(), &[release; 4].map(words));
        assert_eq!(told.iter().filter(|told| told.contains("not reserved")).count(), 3, "{told:?}");
        run(folder.path(), &["network", "delete", "turns", "--yes"]);
        let add = "pool add turns /var/lib/libvirt/turns-pool -o csv --columns result";
        let told = at_once(folder.path(), &[add; 4].map(words));
        let count = |result: &str| told.iter().filter(|told| told.contains(result)).count();
        assert_eq!((count("created"), count("unchanged")), (1, 3), "{told:?}");
        run(folder.path(), &["pool", "delete", "turns", "--yes"]);
    }
}

#[test]
fn machines_that_are_made_together_run_when_all_of_them_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let named = |name: &str| format!("  - {}", SPEC.replace("turns", name).trim_end().replace('\n', "\n    "));
    let two = format!("machines:\n{}\n{}\n", named("turns-a"), named("turns-b"));
    std::fs::write(folder.path().join("two.yaml"), &two).expect("written");
    std::fs::write(folder.path().join("one.yaml"), SPEC).expect("written");
    assert_eq!(column(folder.path(), &["vm", "create", "two.yaml"], "result"), ["created", "created"]);
    run(folder.path(), &["vm", "create", "one.yaml"]);
    let how = prints(
        "for name in [\"turns-a\", \"turns-b\", \"turns\"] { let vm = connect().domain(name); print(`${vm.state} ${vm.reason}`); }",
    );
    assert_eq!(how, "running unpaused\nrunning unpaused\nrunning booted\n");
    // Who is there already is no part of it, and one that cannot start takes the other one along.
    assert_eq!(column(folder.path(), &["vm", "create", "two.yaml"], "result"), ["unchanged", "unchanged"]);
    run(folder.path(), &["vm", "destroy", "turns-a", "turns-b", "turns", "--yes"]);
    let broken = format!("{two}    domain: {{ os: {{ kernel: /nonexistent }} }}\n");
    std::fs::write(folder.path().join("two.yaml"), broken).expect("written");
    let failed = program(folder.path()).args(["vm", "create", "two.yaml"]).output().expect("the program starts");
    assert!(!failed.status.success() && text(&failed.stderr).contains("cannot start domain `turns-b`"), "{failed:?}");
    assert_eq!(left("turns"), "");
}
