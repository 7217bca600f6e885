//! Completion in the shell: what the program answers, and what bash makes of it.

use super::support::{Host, root, text};
use std::process::Command;
use std::time::{Duration, Instant};

/// A host whose machine `web` has labels and a snapshot, and a second one that differs.
fn host() -> Host {
    let host = Host::new();
    let file = host.folder().join("host.xml");
    let record = "<metadata><m:machine xmlns:m='urn:vmscript:machine:1'><m:label name='role'>web</m:label></m:machine></metadata>";
    let xml = std::fs::read_to_string(&file).expect("it is there");
    std::fs::write(&file, xml.replacen("<memory unit='MiB'>", &format!("{record}<memory unit='MiB'>"), 1))
        .expect("written");
    std::fs::create_dir_all(host.folder().join("config/vmscript")).expect("made");
    let snapshot = "<test:domainsnapshot><name>before</name><creationTime>1700000000</creationTime><state>running</state>\
        <domain type='test'><name>web</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid><memory>1</memory><vcpu>1</vcpu>\
        <os><type>hvm</type></os></domain><active>1</active></test:domainsnapshot>";
    let with_snapshot = std::fs::read_to_string(&file).expect("it is there").replacen(
        "<name>web</name>",
        &format!("{snapshot}<name>web</name>"),
        1,
    );
    let range = "<range start='192.168.122.2' end='192.168.122.254'/>";
    let kept = format!("{range}<host mac='52:54:00:00:00:07' ip='192.168.122.7'/>");
    let disk =
        "<devices><disk type='file' device='disk'><source file='/web.qcow2'/><target dev='vda' bus='virtio'/></disk>";
    let with_more = with_snapshot.replacen(range, &kept, 1).replacen("<devices>", disk, 1);
    std::fs::write(&file, with_more).expect("written");
    let other = xml.replace("<name>idle</name>", "<name>sleeper</name>");
    std::fs::write(host.folder().join("other.xml"), other).expect("written");
    let config = format!("[hosts]\nlab = \"test://{}/other.xml\"\nhv1 = \"qemu:///system\"\n", host.folder().display());
    std::fs::write(host.folder().join("config/vmscript/config.toml"), config).expect("written");
    host
}

fn command(host: &Host, words: &[&str]) -> Command {
    let mut command = host.command(["--", "vmscript"].iter().chain(words));
    command.env("COMPLETE", "zsh").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("XDG_CONFIG_HOME", host.folder().join("config"));
    command
}

/// What the program answers for the last of the words, without the descriptions that zsh shows.
fn complete(host: &Host, words: &[&str]) -> Vec<String> {
    let output = command(host, words).output().expect("started");
    assert_eq!(text(&output.stderr), "", "{words:?}");
    let plain = |line: &str| {
        line.split_once(':').filter(|(_, help)| help.contains(' ')).map_or(line, |(word, _)| word).to_string()
    };
    text(&output.stdout).lines().map(plain).collect()
}

#[test]
fn commands_options_and_their_words_are_completed() {
    let host = host();
    let machine =
        |name: &str| format!("name: {name}\nvcpus: 1\nmemory: 1 GiB\nboot_disk: {{ empty: true, size: 1 GiB }}\n");
    let two = [machine("db"), machine("web-1")].join("---\n");
    std::fs::write(host.folder().join("two.yaml"), two).expect("written");
    // What only Ansible knows keeps no name back.
    std::fs::write(host.folder().join("open.yaml"), machine("open-1").replace("1 GiB", "'{{ size }}'"))
        .expect("written");
    for (words, expected) in [
        (&["vm", "cre"][..], &["create"][..]),
        (&["vm", "stop", "--time"], &["--timeout"]),
        (&["network", "create", "lab", "--mode", "i"], &["isolated"]),
        (&["inventory", "export", "--format", "ansible-"], &["ansible-yaml", "ansible-ini", "ansible-json"]),
        (&["vm", "wait", "--goal", "s"], &["ssh", "shut off"]),
        (&["vm", "list", "-o", "j"], &["json"]),
        (&["image", "pull", "default", "x", "--convert", ""], &["qcow2", "raw"]),
        (&["image", "pull", "default", "debian-1"], &["debian-12", "debian-13"]),
        (&["image", "info", "debian-1"], &["debian-12", "debian-13"]),
        (&["storage", "status", "--columns", "name,used"], &["name,used_percent"]),
        (&["vm", "list", "--sort", "-me"], &["-memory_mib"]),
        (&["vm", "list", "--filter", "st"], &["state="]),
        (&["vm", "list", "-c", ""], &["hv1", "lab"]),
        (&["-c", "l"], &["lab"]),
        (&["vm", "create", "two.yaml", "--machine", ""], &["db", "web-1"]),
        (&["vm", "create", "two.yaml", "--machine", "db,w"], &["db,web-1"]),
        (&["vm", "create", "nothing.yaml", "--machine", ""], &[]),
        (&["vm", "create", "open.yaml", "--machine", ""], &["open-1"]),
    ] {
        assert_eq!(complete(&host, words), expected, "{words:?}");
    }
}

#[test]
fn names_are_those_of_the_host_of_the_line() {
    let host = host();
    for (words, expected) in [
        (&["vm", "start", "i"][..], &["idle"][..]),
        (&["network", "info", "def"], &["default"]),
        (&["volume", "info", "default", "w"], &["web.qcow2"]),
        (&["vm", "start", "s"], &[]),
        (&["-c", "lab", "vm", "start", "s"], &["sleeper"]),
        (&["--connect=lab", "vm", "start", "s"], &["sleeper"]),
        (&["vm", "start", "-c", "lab", "s"], &["sleeper"]),
        (&["vm", "list", "-l", ""], &["role", "role=web"]),
        (&["vm", "revert", "web", "b"], &["before"]),
        (&["vm", "revert", "-l", "role=web", "b"], &["before"]),
        (&["vm", "revert", "b"], &[]),
        (&["vm", "delete-snapshot", "web", "b"], &["before"]),
        (&["network", "release", "default", "192"], &["192.168.122.7"]),
        (&["vm", "resize", "web", "--disk", "v"], &["vda="]),
        (&["vm", "list", "-l", "env,role="], &["env,role=web"]),
        (&["vm", "list", "-c", "lab", "-l", ""], &[]),
    ] {
        assert_eq!(complete(&host, words), expected, "{words:?}");
    }
}

#[test]
fn what_goes_wrong_is_nothing_to_complete() {
    let host = host();
    assert!(complete(&host, &["-c", "test:///no/such/host.xml", "vm", "start", "x"]).is_empty());
    assert!(complete(&host, &["no", "such", "words"]).is_empty());
    std::fs::create_dir_all(host.folder().join("recipes")).expect("made");
    std::fs::write(host.folder().join("recipes/broken.rhai"), "fn x( {").expect("written");
    std::fs::write(host.folder().join("vmscript.toml"), "no toml").expect("written");
    assert_eq!(complete(&host, &["vm", "start", "i"]), ["idle"]);
    // A host that does not answer is left alone after a while: this one takes a connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let uri = format!("qemu+tcp://127.0.0.1:{}/system", silent.local_addr().expect("it has one").port());
    let start = Instant::now();
    assert!(complete(&host, &["-c", &uri, "vm", "start", ""]).iter().all(|word| word.starts_with('-')));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn bash_completes_what_it_takes_apart() {
    let host = host();
    for shell in ["bash", "zsh", "fish"] {
        let line = host.command(["completions", shell]).output().expect("started");
        assert!(text(&line.stdout).contains(&format!("COMPLETE={shell} vmscript")));
    }
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_vmscript")).parent().expect("it is in a folder");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    // What bash does when Tab is pressed: the line taken apart, the function called, and its answers for the last part.
    let press = |words: &str, last: &str, before: &str| {
        let script = format!(
            "source <(COMPLETE=bash vmscript)\nCOMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\nCOMP_TYPE=9\n\
             _clap_complete_vmscript vmscript '{last}' '{before}' 2>&1\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(root()).env("PATH", &path).env("VMSCRIPT_CONNECT", host.uri());
        bash.env("XDG_CONFIG_HOME", host.folder().join("config"));
        text(&bash.output().expect("bash is there").stdout)
    };
    let file = host.folder().join("other.xml").display().to_string();
    let uri = format!("vmscript -c test : //{file} vm start s");
    assert_eq!(press(&uri, "s", "start"), "sleeper\n");
    assert_eq!(press("vmscript vm list -l role = w", "w", "="), "web\n");
    assert_eq!(press("vmscript vm list -l role =", "", "role"), "web\n");
    assert_eq!(press("vmscript vm list --output = j", "j", "="), "json\n");
    assert_eq!(press("vmscript vm wait --goal sh", "sh", "--goal"), "shut\\ off\n");
    // What others called their machines is no command.
    let other = std::fs::read_to_string(&file).expect("it is there");
    std::fs::write(&file, other.replace("<name>sleeper</name>", "<name>s l;$(e)`&amp;'*</name>")).expect("written");
    assert_eq!(press(&uri, "s", "start"), "s\\ l\\;\\$\\(e\\)\\`\\&\\'\\*\n");
    assert_eq!(press(&format!("{uri}\\\\\\ l"), "s\\ l", "start"), "s\\ l\\;\\$\\(e\\)\\`\\&\\'\\*\n");
}
