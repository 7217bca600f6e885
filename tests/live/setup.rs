//! `hypervisor setup` on a machine that nobody else sees: its `/etc` and its network stack are copies.

use super::program::text;
use std::process::Command;

/// What each run says, and the settings after it.
const RUNS: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
cp -a /etc /mnt/etc
mount --bind /mnt/etc /etc
rm -rf /etc/modprobe.d
setup() { "$VMSCRIPT" hypervisor setup --packages=false --nested -o csv --columns name,result "$@"; }
settings() { { find /etc -type f -exec md5sum {} + | sort; cat /proc/sys/net/ipv4/ip_forward; } | md5sum; }
echo 0 > /proc/sys/net/ipv4/ip_forward
settings; setup --dry-run; settings
setup; cat /proc/sys/net/ipv4/ip_forward /etc/sysctl.d/60-vmscript.conf /etc/modprobe.d/vmscript-kvm.conf
settings; setup; settings
"#;

#[test]
fn the_second_setup_of_a_hypervisor_changes_nothing() {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-c", RUNS]).env("VMSCRIPT", env!("CARGO_BIN_EXE_vmscript"));
    let output = command.output().expect("unshare runs");
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{shown}{told}");
    let lines: Vec<&str> = shown.lines().filter(|line| !line.starts_with("socket,")).map(str::trim_end).collect();
    let (tried, done) = (&lines[..5], &lines[5..]);
    assert_eq!(tried[0], tried[4], "a dry run changes nothing: {shown}");
    assert_eq!(tried[1..4], ["name,result", "forwarding,would change", "nested virtualization,would change"]);
    assert_eq!(
        done[..7],
        [
            "name,result",
            "forwarding,changed",
            "nested virtualization,changed",
            "1",
            "net.ipv4.ip_forward=1",
            "options kvm_intel nested=1",
            "options kvm_amd nested=1"
        ]
    );
    assert_eq!(done[8..11], ["name,result", "forwarding,is so", "nested virtualization,is so"]);
    assert_eq!(done[7], done[11], "a second run changes nothing: {shown}");
    assert!(told.contains("✓ this host: forwarding\n"), "{told}");
}
