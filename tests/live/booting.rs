//! Whether guests boot here is found out by booting one.

use super::lab::lab;
use vmscript::libvirt::Host;

#[test]
fn a_tiny_guest_boots_switches_itself_off_and_leaves_nothing() {
    let host = Host::connect(Some(&lab().uri)).expect("the node is up");
    let pool = host.pool("default").expect("the node has a pool");
    assert!(host.boots("qemu", &pool).expect("it is tried"), "the emulated guest did not switch itself off");
    // The node hides the hardware's virtualization: a guest that cannot be started does not boot.
    assert!(!host.boots("kvm", &pool).expect("it is tried"));
    let left = |name: &str| name.starts_with("vmscript-try-");
    assert!(!host.domains().expect("they are listed").iter().any(|one| left(one.name())));
    assert!(!pool.volumes().expect("they are listed").iter().any(|one| left(one.name())));
    let found = host.virt_type(Some(&pool)).expect("it is told");
    assert_eq!((found.name, found.why.as_str()), ("qemu", "the host has no KVM"));
}
