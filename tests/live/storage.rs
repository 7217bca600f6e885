//! Volumes that stand on each other, secrets, and networks in use.

use super::lab::{Guest, lab, wait};
use super::objects::shell;
use vmscript::floor::Code;
use vmscript::libvirt::{Apply, Content, Edit, Source};

#[test]
fn a_volume_that_is_needed_is_not_deleted() {
    let pool = &lab().pool;
    let base = pool
        .create_filled_volume(
            "<volume><name>below.raw</name><capacity>1048576</capacity></volume>",
            &Content::Bytes(vec![7; 1 << 20]),
        )
        .expect("created");
    let path = base.path().expect("known");
    let overlay = |name: &str, below: &str, format: &str| {
        let xml = format!(
            "<volume><name>{name}</name><capacity>1048576</capacity><target><format type='qcow2'/></target>
             <backingStore><path>{below}</path><format type='{format}'/></backingStore></volume>"
        );
        pool.create_volume(&xml).expect("created")
    };
    let middle = overlay("middle.qcow2", &path, "raw");
    let top = overlay("top.qcow2", &middle.path().expect("known"), "qcow2");
    let chain = top.chain().expect("known");
    assert_eq!(chain, [top.path().expect("known"), middle.path().expect("known"), path.clone()]);
    let user = lab()
        .host
        .define_domain(
            "<domain type='qemu'><name>user</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
             <disk type='volume' device='disk'><driver type='qcow2'/><source pool='live' volume='top.qcow2'/>
             <target dev='vda' bus='virtio'/></disk></devices></domain>",
        )
        .expect("defined");
    let error = base.delete_unused().expect_err("it is needed");
    assert_eq!((error.code, error.exit_code()), (Code::Busy, 5));
    assert_eq!(
        error.message,
        "cannot delete volume `below.raw`: it is needed by domain `user` and its overlay `middle.qcow2`"
    );
    user.undefine().expect("undefined");
    // A flat copy needs nobody.
    let copy = pool
        .copy_volume(
            "<volume><name>flat.qcow2</name><capacity>1048576</capacity><target><format type='qcow2'/></target></volume>",
            &top,
            None,
            false,
        )
        .expect("cloned");
    assert_eq!(copy.chain().expect("known").len(), 1);
    for volume in [&copy, &top, &middle, &base] {
        if volume.name() == "below.raw" {
            volume.wipe(None).expect("wiped");
        }
        volume.delete_unused().expect("deleted from the top");
    }
}

#[test]
fn a_secret_opens_an_encrypted_volume() {
    let host = &lab().host;
    let xml = "<secret ephemeral='no' private='yes'><usage type='volume'><volume>/luks</volume></usage></secret>";
    let error = host.define_secret(&xml.replace("<usage", "<bogus/><usage")).expect_err("libvirt validates it");
    assert_eq!(error.code, Code::InvalidDefinition, "{error}");
    let error = host.define_nwfilter("<filter name='bogus'><bogus/></filter>").expect_err("libvirt validates it");
    assert_eq!(error.code, Code::InvalidDefinition, "{error}");
    let secret = host.define_secret(xml).expect("defined");
    secret.set_value(b"open sesame").expect("set");
    assert_eq!((secret.usage().expect("known"), secret.name()), ("volume", "/luks"));
    assert!(!secret.xml().expect("read").contains("sesame"));
    let volume = lab()
        .pool
        .create_volume(&format!(
            "<volume><name>luks.qcow2</name><capacity unit='MiB'>16</capacity><target><format type='qcow2'/>
             <encryption format='luks'><secret type='passphrase' uuid='{}'/></encryption></target></volume>",
            secret.uuid()
        ))
        .expect("created with LUKS");
    assert!(volume.xml().expect("read").contains("luks"));
    volume.delete_unused().expect("deleted");
    secret.undefine().expect("undefined");
    assert_eq!(host.secret("/luks").expect_err("gone").code, Code::NotFound);
}

#[test]
fn a_network_changes_while_a_guest_keeps_its_lease() {
    let guest = Guest { name: "edits", mac: "52:54:00:1a:00:30", network: "lab", uefi: false };
    let made = guest.provision(Some(wait(120, &[Source::Agent]))).expect("provisioned");
    let network = lab().host.network("lab").expect("there");
    let before = shell(&made.domain, "cat /sys/class/net/eth0/address; ip -4 addr show eth0");
    let host = "<host mac='52:54:00:1a:00:31' name='later' ip='192.168.150.222'/>";
    network.edit(Edit::Add, "dhcp_host", host, None, Apply::Both).expect("added");
    let dns = "<host ip='192.168.150.222'><hostname>files.lab</hostname></host>";
    network.edit(Edit::Add, "dns_host", dns, None, Apply::Both).expect("added");
    assert!(network.xml().expect("read").contains("192.168.150.222"));
    let moved = host.replace(".222'", ".223'");
    network.edit(Edit::Modify, "dhcp_host", &moved, None, Apply::Both).expect("modified");
    assert!(network.xml().expect("read").contains("192.168.150.223"));
    assert_eq!(shell(&made.domain, "cat /sys/class/net/eth0/address; ip -4 addr show eth0"), before);
    assert!(network.dhcp_leases().expect("listed").iter().any(|lease| lease.mac == guest.mac), "the lease stays");
    network.edit(Edit::Delete, "dhcp_host", &moved, None, Apply::Both).expect("deleted");
    network.edit(Edit::Delete, "dns_host", dns, None, Apply::Both).expect("deleted");
    assert!(!network.xml().expect("read").contains("192.168.150.22"));
    let error = network.edit(Edit::Add, "dhcp_hots", host, None, Apply::Both).expect_err("no such part");
    assert_eq!(error.hints, ["did you mean `dhcp_host`?"]);
    guest.remove(&made.domain);
}
