//! Objects and their verbs, seen from outside and from inside the guest.

use super::lab::lab;
use vmscript::libvirt::Filter;

#[test]
fn many_domains_are_asked_at_once() {
    let host = &lab().host;
    let names: Vec<String> = (0..5).map(|number| format!("bulk-{number}")).collect();
    let made: Vec<_> = names
        .iter()
        .map(|name| {
            let xml = format!(
                "<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>
                 <os><type>hvm</type></os></domain>"
            );
            host.define_domain(&xml).expect("defined")
        })
        .collect();
    let filter = Filter { name: Some("bulk-*".into()), active: Some(false), ..Filter::default() };
    let listed = host.domains_where(&filter).expect("listed");
    assert_eq!(listed.iter().map(|one| one.name().to_string()).collect::<Vec<_>>(), names);
    let stats = host.domain_stats(&["state", "balloon", "vcpu"], &filter).expect("asked");
    println!("{stats:?}");
    assert_eq!(stats.len(), 5);
    assert!(stats.iter().all(|one| one["state"].as_str() == Some("shut off")));
    assert!(stats.iter().all(|one| one["balloon"].as_map().is_some_and(|map| map["maximum"] == (64_i64 << 20).into())));
    for domain in made {
        domain.undefine().expect("undefined");
    }
}
