//! The kinds of documents that libvirt has a schema for.

use super::xml::Name;

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A domain's backup job.
    Backup,
    /// What a host can do.
    Capabilities,
    /// A domain checkpoint.
    Checkpoint,
    /// A CPU, for comparing and baselines.
    Cpu,
    /// A device of a domain by itself, to attach and detach: one of [`Kind::DEVICES`].
    Device(&'static str),
    /// A virtual machine or container.
    Domain,
    /// What domains on a host can have.
    DomainCapabilities,
    /// A network interface of the host.
    HostInterface,
    /// A virtual network.
    Network,
    /// A port of a virtual network.
    NetworkPort,
    /// A device of the host.
    NodeDevice,
    /// A network filter.
    NwFilter,
    /// A network filter bound to a port.
    NwFilterBinding,
    /// A storage pool.
    Pool,
    /// A secret.
    Secret,
    /// A domain snapshot.
    Snapshot,
    /// What storage pools on a host can have.
    StoragePoolCapabilities,
    /// A storage volume.
    Volume,
}

impl Kind {
    /// The devices of a domain that can stand alone, sorted.
    pub const DEVICES: &[&str] = &[
        "audio",
        "channel",
        "console",
        "controller",
        "crypto",
        "disk",
        "filesystem",
        "graphics",
        "hostdev",
        "hub",
        "input",
        "interface",
        "iommu",
        "lease",
        "memballoon",
        "memory",
        "nvram",
        "panic",
        "parallel",
        "pstore",
        "redirdev",
        "redirfilter",
        "rng",
        "serial",
        "shmem",
        "smartcard",
        "sound",
        "tpm",
        "video",
        "vsock",
        "watchdog",
    ];

    /// All kinds but devices, sorted by name.
    pub const ALL: &[Self] = &[
        Self::Backup,
        Self::Capabilities,
        Self::Checkpoint,
        Self::Cpu,
        Self::Domain,
        Self::DomainCapabilities,
        Self::HostInterface,
        Self::Network,
        Self::NetworkPort,
        Self::NodeDevice,
        Self::NwFilter,
        Self::NwFilterBinding,
        Self::Pool,
        Self::Secret,
        Self::Snapshot,
        Self::StoragePoolCapabilities,
        Self::Volume,
    ];

    /// Script name, root element, schema file.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Backup => ("backup", "domainbackup", "domainbackup"),
            Self::Capabilities => ("capabilities", "capabilities", "capability"),
            Self::Checkpoint => ("checkpoint", "domaincheckpoint", "domaincheckpoint"),
            Self::Cpu => ("cpu", "cpu", "cpu"),
            Self::Device(name) => (name, name, "domain"),
            Self::Domain => ("domain", "domain", "domain"),
            Self::DomainCapabilities => ("domain_capabilities", "domainCapabilities", "domaincaps"),
            Self::HostInterface => ("host_interface", "interface", "interface"),
            Self::Network => ("network", "network", "network"),
            Self::NetworkPort => ("network_port", "networkport", "networkport"),
            Self::NodeDevice => ("node_device", "device", "nodedev"),
            Self::NwFilter => ("nwfilter", "filter", "nwfilter"),
            Self::NwFilterBinding => ("nwfilter_binding", "filterbinding", "nwfilterbinding"),
            Self::Pool => ("pool", "pool", "storagepool"),
            Self::Secret => ("secret", "secret", "secret"),
            Self::Snapshot => ("snapshot", "domainsnapshot", "domainsnapshot"),
            Self::StoragePoolCapabilities => {
                ("storage_pool_capabilities", "storagepoolCapabilities", "storagepoolcaps")
            }
            Self::Volume => ("volume", "volume", "storagevol"),
        }
    }

    /// The kind of this name in scripts.
    pub fn named(name: &str) -> Option<Self> {
        let of_document = Self::ALL.iter().find(|kind| kind.name() == name).copied();
        of_document.or_else(|| Self::DEVICES.iter().find(|device| **device == name).copied().map(Self::Device))
    }

    /// Whether scripts make such documents; the others are only read.
    pub fn is_made(self) -> bool {
        !matches!(self, Self::Capabilities | Self::DomainCapabilities | Self::StoragePoolCapabilities)
    }

    /// The name in scripts, such as `domain`.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// The name of the document's root element.
    pub fn root(self) -> &'static str {
        self.names().1
    }

    /// The name of libvirt's schema file, without `.rng`.
    pub fn schema(self) -> &'static str {
        self.names().2
    }

    /// The kind of documents with this root element; an `interface` may be a device too, but counts as the host's.
    pub(crate) fn of_root(name: &Name) -> Option<Self> {
        let of_document = Self::ALL.iter().find(|kind| name.is_plain(kind.root())).copied();
        of_document.or_else(|| Self::DEVICES.iter().find(|device| name.is_plain(device)).copied().map(Self::Device))
    }

    /// The document in which this is a part, if it is no document of its own: the part belongs into its last element.
    pub(crate) fn skeleton(self) -> Option<&'static str> {
        let domain = "<domain type='qemu'><name>x</name><memory>1</memory><os><type>hvm</type></os><devices/></domain>";
        matches!(self, Self::Device(_)).then_some(domain)
    }
}
