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

/// Runs a script on a machine that nobody else sees: the rows of its setups without that of the socket, and what it told.
fn rows(script: &str) -> (Vec<String>, String) {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-c", script]).env("VMSCRIPT", env!("CARGO_BIN_EXE_vmscript"));
    let output = command.output().expect("unshare runs");
    let shown = text(&output.stdout);
    let rows = shown.lines().filter(|line| !line.starts_with("socket,") && *line != "name,result");
    (rows.map(|line| line.trim_end().to_string()).collect(), text(&output.stderr))
}

const TAKEN_BACK: &str = r#"
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
cp -a /etc /mnt/etc
mount --bind /mnt/etc /etc
rm -rf /etc/sysctl.d/* /etc/sysctl.conf
setup() { "$VMSCRIPT" hypervisor setup --packages=false -o csv --columns name,result "$@"; echo "rc $?"; }
setup
printf '# no\n net/ipv4/ip_forward = 0\n' > /etc/sysctl.d/99-zz.conf
setup
setup --dry-run
"$VMSCRIPT" hypervisor check -o csv --columns name,ok | grep forwarding
echo net.ipv4.ip_forward=1 >> /etc/sysctl.d/99-zz.conf
setup
echo net.ipv4.ip_forward=0 > /etc/sysctl.d/10-first.conf
setup
"$VMSCRIPT" hypervisor check -o csv --columns name,ok | grep forwarding
"#;

#[test]
fn a_setting_that_another_file_takes_back_is_not_so() {
    let (lines, told) = rows(TAKEN_BACK);
    let wanted = [
        "forwarding,changed",
        "rc 0",
        "rc 4",
        "forwarding,would change",
        "rc 0",
        "forwarding,no",
        "forwarding,is so",
        "rc 0",
        "forwarding,is so",
        "rc 0",
        "forwarding,yes",
    ];
    assert_eq!(lines, wanted, "{told}");
    let words = "/etc/sysctl.d/99-zz.conf: net/ipv4/ip_forward = 0: this takes it back whenever the host starts";
    assert!(told.contains(words), "{told}");
}

const QUICK: &str = r#"
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
cp -a /etc /mnt/etc
mount --bind /mnt/etc /etc
# A daemon of this machine would not read the copy.
test ! -d /run/systemd || mount -t tmpfs tmpfs /run/systemd
conf=/etc/libvirt/qemu.conf
setup() { "$VMSCRIPT" hypervisor setup --packages=false --forwarding=false -o csv --columns name,result "$@"; echo "rc $?"; }
md5sum < $conf
setup --quick-start --dry-run; md5sum < $conf
setup --quick-start; tail -n 1 $conf
setup --quick-start
setup --quick-start=false; md5sum < $conf
setup --quick-start=false
echo 'capability_filters = [ "vnc" ]' >> $conf
setup --quick-start
echo 'capability_filters = [ "vnc", "cpu-unavailable-features" ]' >> $conf
setup --quick-start
setup --quick-start=false --dry-run
setup --quick-start=false; tail -n 1 $conf
printf 'security_driver = "none"' > $conf
setup --quick-start; cat $conf
echo 'capability_filters=["cpu-unavailable-features"] # mine' > $conf
setup --quick-start=false; cat $conf
printf 'capability_filters = [\n "cpu-unavailable-features"\n]\n' > $conf
setup --quick-start
setup --quick-start=false
echo 'capability_filters = [ ] # no "cpu-unavailable-features"' > $conf
setup --quick-start --dry-run
"#;

#[test]
fn quick_starts_come_and_go_and_leave_other_settings_alone() {
    let (lines, told) = rows(QUICK);
    let before = lines[0].as_str();
    let wanted = [
        before,
        "quick start,would change",
        "rc 0",
        before,
        "quick start,changed",
        "rc 0",
        "capability_filters = [ \"cpu-unavailable-features\" ]",
        "quick start,is so",
        "rc 0",
        "quick start,changed",
        "rc 0",
        before,
        "quick start,is so",
        "rc 0",
        "rc 4",
        "quick start,is so",
        "rc 0",
        "rc 4",
        "rc 4",
        "capability_filters = [ \"vnc\", \"cpu-unavailable-features\" ]",
        "quick start,changed",
        "rc 0",
        "security_driver = \"none\"",
        "capability_filters = [ \"cpu-unavailable-features\" ]",
        "quick start,changed",
        "rc 0",
        "quick start,is so",
        "rc 0",
        "rc 4",
        "rc 4",
    ];
    assert_eq!(lines, wanted, "{told}");
    let count = |words: &str| told.matches(words).count();
    assert_eq!(count("/etc/libvirt/qemu.conf: it filters other capabilities: edit it yourself"), 2, "{told}");
    assert_eq!(count("name others, too, or go over several lines: edit it yourself"), 3, "{told}");
}

const SERVERS: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
cp -a /etc /mnt/etc
mount --bind /mnt/etc /etc
# Whether this machine runs systemd is nothing to the test: its services would not be those of the copies.
test ! -d /run/systemd || mount -t tmpfs tmpfs /run/systemd
serve() { "$VMSCRIPT" hypervisor serve-images /mnt/images --packages=false -o csv --columns name,result "$@"; }
redfish() { "$VMSCRIPT" hypervisor redfish --packages=false --listen 10.0.0.11 --auth-file "/etc/it's/auth" -o csv --columns name,result "$@"; }
settings() { find /etc /mnt/images -type f -exec md5sum {} + 2>/dev/null | sort | md5sum; }
settings; serve --dry-run; redfish --dry-run; settings
serve; redfish; settings; serve; redfish; settings
cat /etc/nginx/conf.d/vmscript-images.conf; python3 /etc/sushy-emulator.conf; grep Exec /etc/systemd/system/sushy-emulator.service
serve --port 8081; redfish --port 8001; grep -h 80.1 /etc/nginx/conf.d/vmscript-images.conf /etc/sushy-emulator.conf
"#;

#[test]
fn the_second_setup_of_what_serves_other_hosts_changes_nothing() {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-c", SERVERS]).env("VMSCRIPT", env!("CARGO_BIN_EXE_vmscript"));
    let output = command.output().expect("unshare runs");
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{shown}{told}");
    let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
    let rows = |images: &str, both: &str| {
        let unit = if both == "changed" || both == "would change" { both } else { "is so" };
        format!(
            "name,result folder,{images} configuration,{both} service,is so name,result configuration,{both} unit,{unit} service,is so"
        )
    };
    let at = |range: std::ops::Range<usize>| shown[range].join(" ");
    assert_eq!(at(1..9), rows("would change", "would change"));
    assert_eq!(shown[0], shown[9], "a dry run changes nothing");
    assert_eq!(at(10..18), rows("changed", "changed"));
    assert_eq!(at(19..27), rows("is so", "is so"));
    assert_eq!(shown[18], shown[27], "a second run changes nothing");
    let rest = at(28..shown.len());
    for part in ["listen 0.0.0.0:8080; root \"/mnt/images\";", "bin/sushy-emulator --config /etc/sushy-emulator.conf"] {
        assert!(rest.split_whitespace().collect::<Vec<_>>().join(" ").contains(part), "{part} is not in {rest}");
    }
    assert!(rest.ends_with("listen 0.0.0.0:8081; SUSHY_EMULATOR_LISTEN_PORT = 8001"), "{rest}");
    assert!(told.contains("✓ this host: configuration\n"), "{told}");
}
