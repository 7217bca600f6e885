//! Where the values come from that a file leaves open, and which of several counts.

use super::support::{Host, text};

const INVENTORY: &str = "cpus: 1
vm_images: {}
hypervisor_machines:
  one:
    name: \"{{ prefix | default('one') }}\"
    vcpus: \"{{ cpus }}\"
    memory_gib: \"{{ size | int }}\"
    use_empty_boot_disk: true
    boot_disk_size_gb: 3
    root_password_hash: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      6162
";

/// A hash that looks like one of crypt(5).
fn hash(letter: &str) -> String {
    format!("$6$saltsalt${}", letter.repeat(86))
}

/// The machine's number of processors and password hash, and standard error.
fn loaded(host: &Host, vars: bool, environment: &[(&str, &str)], set: &[&str]) -> (String, String) {
    let mut args = vec!["spec", "load", "inv.yml", "-o", "json"];
    if vars {
        args.extend(["--vars", "vars.yml"]);
    }
    for one in set {
        args.extend(["--set", one]);
    }
    let output = host.command(args).envs(environment.iter().copied()).output().expect("started");
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_line_wins_then_the_environment_then_files_of_variables() {
    let host = Host::new();
    let write = |name: &str, text: &str| std::fs::write(host.folder().join(name), text).expect("written");
    write("inv.yml", INVENTORY);
    write("vars.yml", &format!("cpus: 3\nroot_password_hash: {}\n", hash("v")));
    let named = ["one.name=one", "one.memory_gib=2"];
    let (of_environment, of_set) = (hash("e"), format!("one.root_password_hash={}", hash("s")));
    let environment = [("VMSCRIPT_VAR_cpus", "4"), ("VMSCRIPT_VAR_root_password_hash", of_environment.as_str())];
    let mut all = named.to_vec();
    all.extend(["cpus=7", &of_set]);
    for (vars, environment, set, cpus, letter) in [
        (true, &[][..], &named[..], 3, "v"),
        (false, &environment[..], &named[..], 4, "e"),
        (true, &environment[..], &named[..], 4, "e"),
        (true, &environment[..], &all[..], 7, "s"),
    ] {
        let (shown, told) = loaded(&host, vars, environment, set);
        for part in [format!("\"vcpus\": {cpus}"), hash(letter)] {
            assert!(shown.contains(&part), "{part} is not in\n{shown}{told}");
        }
    }
}

#[test]
fn what_is_left_open_is_told_with_words_that_can_be_followed() {
    let host = Host::new();
    std::fs::write(host.folder().join("inv.yml"), INVENTORY).expect("written");
    let (_, told) = loaded(&host, false, &[], &[]);
    for part in [
        "--set one.name=VALUE`",
        "--set one.memory_gib=VALUE`",
        "--set one.root_password_hash=VALUE`, in a file of variables (`--vars`) or as `VMSCRIPT_VAR_root_password_hash`",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}
