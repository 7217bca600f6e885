//! The lab node, and guests for it.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use vmscript::floor::Result;
use vmscript::libvirt::{Content, Domain, Host, Pool, Provision, Provisioned, Source, Storage, WaitIp};

/// Without DHCP: no guest ever gets an address. (The lab's own network, `lab`, has DHCP.)
const SILENT: &str = "<network><name>silent</name><bridge name='virbr2' stp='off' delay='0'/>
  <ip address='192.168.151.1' netmask='255.255.255.0'/></network>";
const POOL: &str = "<pool type='dir'><name>live</name><target><path>/var/lib/libvirt/live</path></target></pool>";
/// libvirt's folder of UEFI variables, looked at as a pool.
const NVRAM: &str =
    "<pool type='dir'><name>nvram</name><target><path>/var/lib/libvirt/qemu/nvram</path></target></pool>";

pub(crate) struct Lab {
    pub(crate) host: Host,
    pub(crate) pool: Pool,
    pub(crate) nvram: Pool,
    pub(crate) images: PathBuf,
    pub(crate) uri: String,
}

pub(crate) fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| {
        let uri = std::env::var("VMSCRIPT_LAB_URI").expect("VMSCRIPT_LAB_URI names the lab's libvirtd");
        let images =
            std::env::var("VMSCRIPT_LAB_IMAGES").expect("VMSCRIPT_LAB_IMAGES names the folder of images").into();
        let host = Host::connect(Some(&uri)).expect("the lab's libvirtd answers");
        host.create_network(SILENT).expect("a network without DHCP starts");
        let pool = host.define_pool(POOL).expect("the tests' pool is defined");
        pool.build(None).expect("the tests' pool is built");
        pool.start().expect("the tests' pool starts");
        let nvram = host.create_pool(NVRAM).expect("the folder of UEFI variables can be looked at");
        Lab { host, pool, nvram, images, uri }
    })
}

pub(crate) struct Guest {
    pub(crate) name: &'static str,
    pub(crate) mac: &'static str,
    pub(crate) network: &'static str,
    pub(crate) uefi: bool,
}

impl Guest {
    pub(crate) fn disk(&self) -> String {
        format!("{}.qcow2", self.name)
    }

    pub(crate) fn xml(&self) -> String {
        let (os, memory) = if self.uefi {
            (
                "<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type><firmware>
              <feature enabled='no' name='secure-boot'/></firmware><boot dev='hd'/></os>",
                192,
            )
        } else {
            ("<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>", 128)
        };
        format!(
            "<domain type='qemu'><name>{}</name><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>{os}
             <features><acpi/><apic/><tcg><tb-cache unit='MiB'>32</tb-cache></tcg></features><devices>
             <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
               <source file='/var/lib/libvirt/live/{}'/><target dev='vda' bus='virtio'/></disk>
             <interface type='network'><mac address='{}'/><source network='{}'/><model type='virtio'/></interface>
             <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
             </devices></domain>",
            self.name,
            self.disk(),
            self.mac,
            self.network,
        )
    }

    pub(crate) fn storage(&self) -> Vec<Storage> {
        let file = lab().images.join("tiny.qcow2");
        let size = fs::metadata(&file).expect("the image is there").len();
        let xml = format!("<volume><name>{}</name><capacity>{size}</capacity></volume>", self.disk());
        vec![Storage { pool: "live".into(), xml, content: Content::File(file) }]
    }

    pub(crate) fn provision(&self, wait: Option<WaitIp>) -> Result<Provisioned> {
        let wait = wait.into_iter().map(|wait| (0, wait)).collect();
        lab().host.provision(&self.xml(), &Provision { storage: self.storage(), wait, ..Provision::default() })
    }

    pub(crate) fn remove(&self, domain: &Domain) {
        domain.destroy(false).expect("destroyed");
        domain.undefine().expect("undefined");
        lab().pool.volume(&self.disk()).expect("there").delete().expect("deleted");
        self.assert_gone();
    }

    pub(crate) fn assert_gone(&self) {
        assert!(lab().host.find_domain(self.name).expect("asked").is_none(), "the domain is gone");
        assert!(lab().pool.find_volume(&self.disk()).expect("asked").is_none(), "the disk is gone");
        lab().nvram.refresh().expect("refreshed");
        let left: Vec<_> = lab().nvram.volumes().expect("listed").iter().map(|one| one.name().to_string()).collect();
        assert!(!left.iter().any(|name| name.starts_with(self.name)), "UEFI variables are gone: {left:?}");
    }
}

pub(crate) fn wait(seconds: u64, sources: &[Source]) -> WaitIp {
    WaitIp { timeout: Duration::from_secs(seconds), sources: sources.to_vec(), ..WaitIp::default() }
}
