//! What libvirt's schemas do not say: data only, and the look-ups into it.

use super::table::Datatype;

/// Namespaces by their customary prefixes.
pub(crate) const NAMESPACES: &[(&str, &str)] = &[
    ("bhyve", "http://libvirt.org/schemas/domain/bhyve/1.0"),
    ("dnsmasq", "http://libvirt.org/schemas/network/dnsmasq/1.0"),
    ("fs", "http://libvirt.org/schemas/storagepool/fs/1.0"),
    ("lxc", "http://libvirt.org/schemas/domain/lxc/1.0"),
    ("qemu", "http://libvirt.org/schemas/domain/qemu/1.0"),
    ("rbd", "http://libvirt.org/schemas/storagepool/rbd/1.0"),
    ("vmware", "http://libvirt.org/schemas/domain/vmware/1.0"),
    ("xen", "http://libvirt.org/schemas/domain/xen/1.0"),
];

/// Words that are their own plural.
const PLURALS: &[&str] = &["blockers", "fields", "graphics", "pages", "vcpus"];

/// Names whose mechanical spelling is ugly.
const SPELLINGS: &[(&str, &str)] = &[("tryMMap", "try_mmap")];

/// Keys of children that have the name of an attribute of the same element: element, child, key.
const CLASHES: &[(&str, &str, &str)] = &[
    ("capability", "type", "mdev_type"),
    ("controller", "model", "device_model"),
    ("mirror", "format", "mirror_format"),
    ("os", "firmware", "firmware_features"),
    ("source", "address", "pci_address"),
];

/// The attribute that a bare scalar stands for: element (`*` for any), child, attribute. The first match counts.
const SHORTHANDS: &[(&str, &str, &str)] = &[
    ("os", "boot", "dev"),
    ("*", "boot", "order"),
    ("*", "mac", "address"),
    ("*", "mtu", "size"),
    ("backingStore", "format", "type"),
    ("devices", "console", "type"),
    ("devices", "input", "type"),
    ("devices", "iommu", "model"),
    ("devices", "memballoon", "model"),
    ("devices", "panic", "model"),
    ("devices", "serial", "type"),
    ("devices", "sound", "model"),
    ("devices", "watchdog", "model"),
    ("disk", "target", "dev"),
    ("disks", "disk", "name"),
    ("dns", "forwarder", "addr"),
    ("domain", "clock", "offset"),
    ("domain", "cpu", "mode"),
    ("filesystem", "target", "dir"),
    ("filterbinding", "filterref", "filter"),
    ("filterbinding", "portdev", "name"),
    ("forward", "interface", "dev"),
    ("interface", "filterref", "filter"),
    ("interface", "link", "state"),
    ("interface", "model", "type"),
    ("interface", "target", "dev"),
    ("iothreadids", "iothread", "id"),
    ("memoryBacking", "access", "mode"),
    ("memoryBacking", "source", "type"),
    ("network", "bridge", "name"),
    ("network", "domain", "name"),
    ("network", "forward", "mode"),
    ("source", "device", "path"),
    ("source", "dir", "path"),
    ("source", "format", "type"),
    ("source", "host", "name"),
    ("target", "format", "type"),
    ("video", "model", "type"),
    ("vlan", "tag", "id"),
];

/// Attributes that a bare `true` or `false` stands for, at any element that has no text: `vmport: false`.
pub(crate) const SWITCHES: &[&str] = &["enable", "enabled", "state"];

/// Elements whose repeated children form one ordered list, and its key.
const SEQUENCES: &[(&str, &str)] = &[("filter", "entries")];

/// Keys of this tool in libvirt's documents.
const EXTENSIONS: &[(&str, &str)] =
    &[("domain/devices/interface", "static_ip"), ("domain/devices/interface", "wait_for_ip")];

/// What a number means without a unit, where it is not the rule: kibibytes in domains, bytes elsewhere.
const UNITS: &[(&str, &str)] = &[
    ("domain/devices/filesystem/space_hard_limit", "B"),
    ("domain/devices/filesystem/space_soft_limit", "B"),
    ("domain/devices/shmem/size", "B"),
    ("domain/features/smm/tseg", "MiB"),
];

/// What libvirt fills in where a definition says nothing: type (`*` for any), attribute or child.
const GENERATED: &[(&str, &str)] = &[
    ("*", "alias"),
    ("domain", "@id"),
    ("domain", "currentMemory"),
    ("domain", "on_crash"),
    ("domain", "on_poweroff"),
    ("domain", "on_reboot"),
    ("domain", "resource"),
    ("domain", "uuid"),
    ("domain", "vcpu"),
    ("domain/devices", "audio"),
    ("domain/devices", "controller"),
    ("domain/devices", "emulator"),
    ("domain/devices", "input"),
    ("domain/devices", "memballoon"),
    ("domain/devices/*", "address"),
    ("domain/devices/interface", "mac"),
    ("domain/os/type", "@arch"),
    ("domain/os/type", "@machine"),
    ("domain/vcpu", "@placement"),
    ("domainsnapshot", "creationTime"),
    ("domainsnapshot", "domain"),
    ("domainsnapshot", "parent"),
    ("domainsnapshot", "state"),
    ("network", "@connections"),
    ("network", "bridge"),
    ("network", "mac"),
    ("network", "uuid"),
    ("network/bridge", "@delay"),
    ("network/bridge", "@name"),
    ("network/bridge", "@stp"),
    ("pool", "allocation"),
    ("pool", "available"),
    ("pool", "capacity"),
    ("pool", "uuid"),
    ("secret", "uuid"),
    ("filter", "@chain"),
    ("filter", "@priority"),
    ("filter", "uuid"),
    ("volume", "@type"),
    ("volume", "allocation"),
    ("volume", "key"),
    ("volume", "physical"),
    ("volume/target", "path"),
    ("volume/target", "permissions"),
    ("volume/target", "timestamps"),
];

/// Values that libvirt expands: type and attribute.
const EXPANDED: &[(&str, &str)] = &[("domain/os/type", "machine")];

/// Named datatypes of text whose case has no meaning.
const CASELESS: &[&str] = &["UUID", "macAddr", "uniMacAddr", "addrMAC"];

/// What the schemas' named datatypes of text mean.
const MEANINGS: &[(&str, &str)] = &[
    ("DUID", "a DHCP unique identifier"),
    ("IscsiQualifiedName", "an iSCSI name such as \"iqn.2013-07.com.example:target\""),
    ("UUID", "a UUID such as \"c7a5fdbd-edaf-9455-926a-d65c16db1809\""),
    ("absDirPath", "an absolute path"),
    ("absFilePath", "an absolute path"),
    ("addrIP", "an IPv4 address"),
    ("addrIPorName", "an IP address or a host name"),
    ("addrIPv6", "an IPv6 address"),
    ("addrMAC", "a MAC address such as \"52:54:00:12:34:56\""),
    ("addrMask", "a netmask such as \"255.255.255.0\""),
    ("addrMaskv6", "a netmask such as \"ffff:ffff::\""),
    ("aliasName", "a name of letters, digits, `_`, `-` and `.`"),
    ("apDomainRange", "a hexadecimal number such as \"0x1f\""),
    ("arpOpcodeType", "an ARP operation such as \"Request\""),
    ("bridgeMode", "\"vepa\", \"bridge\", \"private\" or \"passthrough\""),
    ("ccidSlot", "a number of one or two digits"),
    ("ccwCssidRange", "a hexadecimal number such as \"0xfe\""),
    ("ccwDevnoRange", "a hexadecimal number such as \"0x0001\""),
    ("ccwSsidRange", "a number from 0 to 3"),
    ("checkpointName", "a name of letters, digits, `_`, `-` and `.`"),
    ("cpuset", "a CPU set such as \"0-3,^2\""),
    ("dbusAddr", "a D-Bus address"),
    ("deviceName", "a device name such as \"virbr0\""),
    ("dirPath", "a path"),
    ("diskSerial", "a serial number of letters, digits, `_`, `.`, `+`, `-` and blanks"),
    ("diskTargetDev", "a device name such as \"vda\" or \"sdb\""),
    ("dnsName", "a DNS name"),
    ("driveBus", "a number of one or two digits"),
    ("driveController", "a number of one or two digits"),
    ("driveSCSITarget", "a number"),
    ("driveSCSIUnit", "a number"),
    ("driveTarget", "a number of one or two digits"),
    ("driveUnit", "a number"),
    ("featureName", "a feature name of letters, digits, `-`, `_` and `.`"),
    ("filePath", "a path"),
    ("genericName", "a name of letters, digits, `_`, `+` and `-`"),
    ("hexuint", "a hexadecimal number such as \"0x1f\""),
    ("ipAddr", "an IP address"),
    ("ipProtocolType", "a protocol number such as \"0x06\""),
    ("ipset-name-type", "the name of an IP set"),
    ("ipv4Addr", "an IPv4 address"),
    ("ipv6Addr", "an IPv6 address"),
    ("mac", "a MAC address such as \"52:54:00:12:34:56\""),
    ("mac-protocolid", "a protocol number such as \"0x0800\""),
    ("macAddr", "a MAC address such as \"52:54:00:12:34:56\""),
    ("objectName", "a string without `/` or line break"),
    ("objectNameWithSlash", "a string without line break"),
    ("path", "an absolute path of letters, digits, `_`, `+`, `-` and `%`"),
    ("pciBus", "a hexadecimal number such as \"0x1f\""),
    ("pciDomain", "a hexadecimal number such as \"0x0000\""),
    ("pciFunc", "a hexadecimal number such as \"0x7\""),
    ("pciSlot", "a hexadecimal number such as \"0x1f\""),
    ("sixbitrange", "a hexadecimal number such as \"0x1f\""),
    ("spaprvioReg", "a hexadecimal number such as \"0x3000\""),
    ("tcpflags-type", "TCP flags such as \"SYN,ACK/SYN\""),
    ("timeDelta", "a number of seconds such as \"-3600\""),
    ("timeZone", "a time zone such as \"Europe/Paris\""),
    ("uint16", "a hexadecimal number such as \"0x1f\""),
    ("uint16range", "a hexadecimal number such as \"0x1f\""),
    ("uint24", "a hexadecimal number such as \"0x1f\""),
    ("uint32", "a hexadecimal number such as \"0x1f\""),
    ("uint32range", "a hexadecimal number such as \"0x1f\""),
    ("uint8", "a hexadecimal number such as \"0x1f\""),
    ("uniMacAddr", "a MAC address such as \"52:54:00:12:34:56\""),
    ("unit", "a size unit such as \"KiB\", \"MiB\" or \"GiB\""),
    ("usbAddr", "a USB address such as \"0x0a\""),
    ("usbClass", "a USB class such as \"0x08\""),
    ("usbId", "a USB identifier such as \"0x1234\""),
    ("usbPort", "a USB port such as \"1.2\""),
    ("usbVersion", "a USB version such as \"2.00\""),
    ("virtioserialPort", "a number of one or two digits"),
    ("vlan-vlanid", "a hexadecimal number such as \"0x1f\""),
    ("volName", "a name without `/`"),
    ("wwn", "a world wide name of 16 hexadecimal digits"),
    ("zoneName", "a zone name of letters, digits, `_` and `-`"),
];

/// libvirt's own writing order where the schemas leave it open, derived from libvirt's test outputs.
const ORDERS: &[(&str, &str)] = &[
    (
        "device/capability",
        "number class domain subclass protocol description interface address link feature char host unique_id \
         block bus slot function device product hardware firmware target lun type drive_type model vendor serial \
         size logical_block_size num_blocks uuid parent_addr cssid ssid devno channel_dev_addr capability \
         iommuGroup attr numa pci-express chardev ap-adapter ap-domain",
    ),
    (
        "domain",
        "name uuid genid title description metadata maxMemory memory currentMemory blkiotune memtune \
         memoryBacking vcpu vcpus iothreads iothreadids defaultiothread cputune numatune resource sysinfo \
         bootloader bootloader_args os idmap features cpu clock on_poweroff on_reboot on_crash on_lockfailure pm \
         perf devices seclabel launchSecurity keywrap commandline namespace capabilities override deprecation \
         datacenterpath",
    ),
    (
        "domain/cputune",
        "shares period quota global_period global_quota emulator_period emulator_quota iothread_period \
         iothread_quota vcpupin emulatorpin iothreadpin emulatorsched vcpusched iothreadsched cachetune \
         memorytune",
    ),
    (
        "domain/devices",
        "emulator disk controller lease filesystem interface parallel smartcard serial console channel input \
         graphics sound tpm audio video hostdev hub redirdev redirfilter watchdog memballoon rng shmem nvram \
         panic memory iommu vsock",
    ),
    ("domain/devices/controller", "master model target pcihole64 driver alias acpi address"),
    (
        "domain/devices/disk",
        "driver auth source backenddomain geometry blockio backingStore mirror target readonly shareable \
         transient serial encryption iotune wwn vendor product boot alias acpi address",
    ),
    ("domain/devices/disk/backingStore", "format source backingStore"),
    ("domain/devices/disk/mirror", "format source backingStore"),
    (
        "domain/devices/filesystem",
        "driver readonly space_hard_limit space_soft_limit binary source target boot alias acpi address",
    ),
    (
        "domain/devices/graphics",
        "listen gl audio channel image jpeg zlib playback streaming clipboard mouse filetransfer",
    ),
    ("domain/devices/hostdev", "driver source teaming ip route readonly shareable boot alias rom acpi address"),
    ("domain/devices/hostdev/source", "vendor product adapter address host auth initiator block char interface"),
    (
        "domain/devices/interface",
        "guest mac source ip route portForward script target downscript backenddomain filterref tune bandwidth \
         port virtualport link mtu coalesce model driver backend vlan teaming boot alias rom acpi address",
    ),
    ("domain/devices/memballoon", "stats driver alias acpi address"),
    ("domain/devices/memory/source", "nodemask pagesize path alignsize pmem"),
    ("domain/devices/rng", "rate backend driver alias acpi address"),
    ("domain/devices/sound", "audio codec alias acpi address"),
    (
        "domain/features",
        "acpi apic pae hap hyperv viridian kvm xen privnet pvspinlock capabilities pmu vmport gic smm ioapic hpt \
         vmcoreinfo htm nested-hv msrs ccf-assist cfpc sbbc ibs tcg",
    ),
    (
        "domain/os",
        "type kernel initrd root cmdline dtb firmware loader nvram acpi boot bootmenu smbios bios init initarg \
         initenv initdir inituser initgroup",
    ),
    (
        "domain/os/nvram/source",
        "seclabel reservations host snapshot config initiator auth ssl cookies readahead timeout identity address \
         slices encryption reconnect",
    ),
    ("domainbackup", "incremental server disks"),
    ("domainbackup/disks/disk", "driver target scratch"),
    ("domaincheckpoint", "name description parent creationTime disks domain"),
    ("domainsnapshot", "name description state parent creationTime memory disks domain active inactiveDomain cookie"),
    ("interface", "start mtu protocol link mac vlan bridge bond"),
    ("interface/bridge/interface", "link mac vlan bond"),
    ("interface/protocol", "autoconf dhcp ip route"),
    (
        "network",
        "name uuid metadata forward bridge mtu mac domain dns bandwidth vlan virtualport portgroup port ip route \
         options",
    ),
    ("network/forward", "address driver pf nat interface"),
    ("network/portgroup", "bandwidth vlan virtualport"),
    ("networkport", "uuid owner group mac virtualport bandwidth vlan port rxfilters plug"),
    ("pool/source", "host device dir name format protocol initiator auth vendor product adapter"),
];

/// The customary prefix of a namespace.
pub(crate) fn prefix_of(space: &str) -> Option<&'static str> {
    NAMESPACES.iter().find(|(_, known)| *known == space).map(|(prefix, _)| *prefix)
}

/// Whether a word is its own plural.
pub(crate) fn is_plural(word: &str) -> bool {
    PLURALS.contains(&word)
}

/// The spelling of a libvirt name as a key, where the mechanical one is ugly.
pub(crate) fn spelling(name: &str) -> Option<&'static str> {
    find(SPELLINGS, name)
}

/// The key of a child that has the name of an attribute of its element.
pub(crate) fn clash(element: &str, child: &str) -> Option<&'static str> {
    CLASHES.iter().find(|(of, name, _)| *of == element && *name == child).map(|(_, _, key)| *key)
}

/// The attribute that a bare scalar stands for.
pub(crate) fn shorthand(element: &str, child: &str) -> Option<&'static str> {
    let found = SHORTHANDS.iter().find(|(of, name, _)| (*of == "*" || *of == element) && *name == child);
    found.map(|(_, _, attr)| *attr)
}

/// The key of the one list that holds all children of a type.
pub(crate) fn sequence(label: &str) -> Option<&'static str> {
    find(SEQUENCES, label)
}

/// The keys of this tool at a type.
pub(crate) fn extensions(label: &str) -> impl Iterator<Item = &'static str> {
    EXTENSIONS.iter().filter(move |(of, _)| *of == label).map(|(_, key)| *key)
}

/// Whether libvirt fills in an attribute or child where a definition does not mention it.
pub(crate) fn is_generated(label: &str, name: &str) -> bool {
    GENERATED.iter().any(|(of, generated)| {
        let parent = of.strip_suffix("/*");
        let fits = *of == "*"
            || *of == label
            || parent.is_some_and(|parent| label.rsplit_once('/').is_some_and(|(outer, _)| outer == parent));
        fits && *generated == name
    })
}

/// Whether one value is what libvirt makes of the other: `q35` becomes `pc-q35-7.2`, `pc` becomes `pc-i440fx-7.2`.
pub(crate) fn expands(label: &str, name: &str, a: &str, b: &str) -> bool {
    let family = |machine: &str| {
        let base = machine.rsplit_once('-').filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()));
        let base = base.map_or(machine, |(base, _)| base);
        match base.strip_prefix("pc-").unwrap_or(base) {
            "i440fx" => "pc".to_string(),
            other => other.to_string(),
        }
    };
    // Two versions of one family are two machines.
    EXPANDED.contains(&(label, name)) && family(a) == family(b) && (family(a) == a || family(b) == b)
}

/// Whether the case of a text has no meaning.
pub(crate) fn ignores_case(datatype: &Datatype) -> bool {
    datatype.forms.iter().any(|form| CASELESS.contains(&form.meaning.as_str()))
}

/// The unit of a number that has none.
pub(crate) fn unit(label: &str) -> &'static str {
    find(UNITS, label).unwrap_or(if label.starts_with("domain") { "KiB" } else { "B" })
}

/// What a named datatype of text means.
pub(crate) fn meaning(datatype: &str) -> Option<&'static str> {
    find(MEANINGS, datatype)
}

/// libvirt's writing order of the children of a type; a domain inside a snapshot is written like any other.
pub(crate) fn order(label: &str) -> Option<&'static str> {
    let inner = ["domainsnapshot/domain/", "domainsnapshot/inactiveDomain/", "domaincheckpoint/domain/"]
        .iter()
        .find_map(|outer| label.strip_prefix(outer));
    match inner {
        Some(inner) => find(ORDERS, &format!("domain/{inner}")),
        None => find(ORDERS, label),
    }
}

fn find(entries: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    entries.iter().find(|(known, _)| *known == name).map(|(_, found)| *found)
}
