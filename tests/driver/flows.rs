//! The neighbouring flows of a home lab: image server, Redfish and nodes of Kubernetes, as short scripts.

use super::support::{Host, root, text};
use std::process::Command;

const NODES: &str = "machines:\n\
    - { name: n1, vcpus: 2, memory: 2 GiB, boot_disk: { size: 1 GiB, empty: true }, interfaces: [ { network: default, address: 192.168.122.61/24 } ] }\n\
    - { name: n2, vcpus: 2, memory: 2 GiB, boot_disk: { size: 1 GiB, empty: true }, interfaces: [ { network: default, address: 192.168.122.62/24 } ] }\n";
const TOKEN: &str = "abcdef.0123456789abcdef";

/// What a flow prints; it has to be short.
fn flow(host: &Host, name: &str, args: &[&str]) -> String {
    let file = root().join(format!("examples/flow_{name}.rhai"));
    let lines = std::fs::read_to_string(&file).expect("it is there").lines().count();
    assert!(lines <= 25, "{name} has {lines} lines");
    let output = host.command([&[file.to_str().expect("text")], args].concat()).output().expect("started");
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn what_serves_other_hosts_says_what_it_would_change() {
    let host = Host::new();
    std::fs::write(host.folder().join("nodes.yaml"), NODES.replace("boot_disk", "seed: none, boot_disk"))
        .expect("written");
    let shown = flow(&host, "image_server", &["--dry-run", "/srv/images of a lab"]);
    for step in ["folder: would change mkdir -p '/srv/images of a lab'", "configuration: would change", "service: "] {
        assert!(shown.contains(&format!("here: {step}")), "{shown}");
    }
    let shown = flow(&host, "redfish", &["--dry-run", "nodes.yaml", "127.0.0.1"]);
    assert!(shown.contains("# configuration: would change\n# unit: would change\n"), "{shown}");
    assert!(shown.ends_with("# n1: would be created\n# n2: would be created\n"), "{shown}");
    for wrong in [
        "hypervisor::serve_images(\"images\")",
        "hypervisor::serve_images(\"/srv/${HOME}\")",
        "hypervisor::serve_images(\"/srv\", #{ port: 70000 })",
        "hypervisor::redfish(#{ listen: \"everywhere\" })",
        "hypervisor::redfish(#{ cert: \"/etc/cert.pem\" })",
    ] {
        let output = host.run(&format!("import \"std/hypervisor\" as hypervisor; {wrong};"));
        assert!(!output.status.success(), "{wrong}: {}", text(&output.stdout));
    }
}

#[test]
fn a_node_of_kubernetes_is_what_cloud_init_takes() {
    let host = Host::new();
    std::fs::write(host.folder().join("nodes.yaml"), NODES).expect("written");
    assert_eq!(
        flow(&host, "kubernetes", &["--dry-run", "nodes.yaml", TOKEN]),
        "n1: would be created\nn2: would be created\n"
    );
    assert_eq!(flow(&host, "kubernetes", &["--dry-run", "nodes.yaml"]), "n1: would be created\nn2: would be created\n");
    for (role, does) in [("first", "kubeadm init --token"), ("worker", "kubeadm join 10.0.0.11:6443 --token")] {
        let script = format!(
            "import \"std/kubernetes\" as kubernetes;
             let asked = #{{ role: \"{role}\", api_server: \"10.0.0.11\", token: \"{TOKEN}\" }};
             let node = kubernetes::node(#{{ hostname: \"n1\", runcmd: [\"true\"], write_files: [#{{ path: \"/a\", content: \"b\" }}] }}, asked);
             guest(node);
             assert_eq(node.runcmd[0], \"true\");
             assert_eq(node.write_files[0].path, \"/a\");
             write_file(\"become-node\", node.write_files[-1].content);
             write_file(\"user-data\", \"#cloud-config\\n\" + to_yaml(node));"
        );
        let output = host.run(&script);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let node = host.folder().join("become-node");
        assert!(std::fs::read_to_string(&node).expect("written").contains(does));
        let user_data = host.folder().join("user-data");
        let mut judge = Command::new(root().join("scripts/cloud-init"));
        judge.args(["schema", "--config-file"]).arg(user_data);
        for command in [&mut judge, Command::new("sh").arg("-n").arg(&node), Command::new("shellcheck").arg(&node)] {
            let said = command.output().expect("`scripts/setup test` installs what this needs");
            assert!(said.status.success(), "{}{}", text(&said.stdout), text(&said.stderr));
        }
    }
    for wrong in [
        "#{ role: \"first\" }",
        "#{ role: \"third\", api_server: \"10.0.0.11\", token: \"abcdef.0123456789abcdef\" }",
        "#{ role: \"first\", api_server: \"10.0.0.11\", token: \"abc\" }",
        "#{ version: \"1.34; reboot\" }",
    ] {
        let output = host.run(&format!("import \"std/kubernetes\" as kubernetes; kubernetes::node(#{{}}, {wrong});"));
        assert!(!output.status.success(), "{wrong}: {}", text(&output.stdout));
    }
}
