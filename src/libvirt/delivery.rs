//! How a seed comes to a guest: as a disk on a bus that the guest can see, in its firmware's configuration, or as a URL.

use super::Host;
use crate::floor::Result;
use crate::schema::xml::{self, Elem, Node};

/// Where the disk of a seed is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// A CD-ROM on IDE.
    Ide,
    /// A CD-ROM on SATA.
    Sata,
    /// A CD-ROM on SCSI; its controller is added if there is none.
    Scsi,
    /// A CD-ROM on USB.
    Usb,
    /// A disk that cannot be written.
    Virtio,
}

impl Bus {
    /// The words of [`Bus::from_word`].
    pub const WORDS: &[&str] = &["ide", "sata", "scsi", "usb", "virtio"];

    /// The bus of this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "ide" => Self::Ide,
            "sata" => Self::Sata,
            "scsi" => Self::Scsi,
            "usb" => Self::Usb,
            "virtio" => Self::Virtio,
            _ => return None,
        })
    }

    /// The bus that the machine starts from: whatever starts there has a driver for it. Kernels for the cloud often know
    /// no other than virtio, which is the choice where nothing else is known.
    pub fn of(root: &Elem) -> Self {
        let disks = root.find_all("devices/disk");
        let disks = disks.into_iter().filter(|disk| matches!(disk.attr("device"), None | Some("disk")));
        let order =
            |disk: &&Elem| disk.child("boot").and_then(|boot| boot.attr("order")?.parse().ok()).unwrap_or(u32::MAX);
        let target = disks.min_by_key(order).and_then(|disk| disk.child("target"));
        let named = target.and_then(|target| Self::from_word(target.attr("bus")?));
        let by_device = || match target?.attr("dev")?.get(..2)? {
            "hd" => Some(Self::Ide),
            "sd" => Some(Self::Scsi),
            _ => None,
        };
        named.or_else(by_device).unwrap_or(Self::Virtio)
    }

    /// Whether a disk can come to a running machine on it.
    pub(super) fn is_hot(self) -> bool {
        matches!(self, Self::Scsi | Self::Usb | Self::Virtio)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ide => "ide",
            Self::Sata => "sata",
            Self::Scsi => "scsi",
            Self::Usb => "usb",
            Self::Virtio => "virtio",
        }
    }

    /// How disks on it are called.
    fn prefix(self) -> &'static str {
        match self {
            Self::Ide => "hd",
            Self::Sata | Self::Scsi | Self::Usb => "sd",
            Self::Virtio => "vd",
        }
    }
}

/// Adds the disk of a seed to a domain, on this bus or on one that its guest can see.
pub fn add_seed_disk(root: &mut Elem, bus: Option<Bus>, pool: &str, volume: &str) {
    let bus = bus.unwrap_or_else(|| Bus::of(root));
    let source = Elem::plain("source", &[("pool", pool), ("volume", volume)]);
    let disk = seed_disk(root, bus, "volume", source);
    let scsi = has_scsi(root);
    let devices = root.child_or_new("devices");
    if bus == Bus::Scsi && !scsi {
        devices.nodes.push(Node::Elem(Elem::plain("controller", &[("type", "scsi"), ("model", "virtio-scsi")])));
    }
    devices.nodes.push(Node::Elem(disk));
}

/// Whether a machine has a SCSI controller. libvirt would add one by itself, but of a kind that few guests know.
pub(super) fn has_scsi(root: &Elem) -> bool {
    root.find_all("devices/controller").iter().any(|one| one.attr("type") == Some("scsi"))
}

/// The disk of a seed. It is the last one of its bus: firmware that starts from the first disk or CD-ROM finds that one.
pub(super) fn seed_disk(root: &Elem, bus: Bus, kind: &str, source: Elem) -> Elem {
    let prefix = bus.prefix();
    let letter =
        |target: &Elem| target.attr("dev")?.strip_prefix(prefix)?.chars().next().filter(char::is_ascii_lowercase);
    let last = root.find_all("devices/disk/target").into_iter().filter_map(letter).max();
    // A machine whose first disk is on another bus gets `vda`; one with `vdz` has no letter left, which libvirt tells.
    let next = last.map_or('a', |letter| char::from(letter as u8 + 1));
    let device = if bus == Bus::Virtio { "disk" } else { "cdrom" };
    Elem::plain("disk", &[("type", kind), ("device", device)]).with([
        Elem::plain("driver", &[("name", "qemu"), ("type", "raw")]),
        source,
        Elem::plain("target", &[("dev", &format!("{prefix}{next}")), ("bus", bus.word())]),
        Elem::plain("readonly", &[]),
    ])
}

/// Has the firmware's configuration give the guest a file of the host under this name.
pub fn add_fw_cfg(root: &mut Elem, name: &str, file: &str) {
    let entry = Elem::plain("entry", &[("name", name), ("file", file)]);
    sysinfo(root, "fwcfg").nodes.push(Node::Elem(entry));
}

/// Tells a guest's cloud-init by the serial number of its machine where its seed is.
pub fn add_smbios_seed(root: &mut Elem, url: &str) {
    root.child_or_new("os").child_or_new("smbios").set("mode", "sysinfo");
    let system = sysinfo(root, "smbios").child_or_new("system");
    system.nodes.retain(|node| !matches!(node, Node::Elem(entry) if entry.attr("name") == Some("serial")));
    // Whatever cloud-init looks for is appended to this.
    let url = if url.ends_with('/') { url.to_string() } else { format!("{url}/") };
    let entry = Elem::plain("entry", &[("name", "serial")]).with_text(format!("ds=nocloud-net;s={url}"));
    system.nodes.push(Node::Elem(entry));
}

impl Host {
    /// Lets the user that QEMU runs as, and nobody else, read a volume that is going to be made.
    pub fn let_qemu_read(&self, volume: &mut Elem) -> Result<()> {
        let host = xml::parse(&self.capabilities()?)?;
        let models = host.find_all("host/secmodel");
        let dac = models.into_iter().find(|model| model.find_text("model").as_deref() == Some("dac"));
        let labels = dac.map(|model| model.find_all("baselabel")).unwrap_or_default();
        // Such as `+64055:+64055`; a host without it runs QEMU as the user of its daemon.
        let Some(label) = labels.first().map(|label| label.text().into_owned()) else { return Ok(()) };
        let Some((user, group)) = label.split_once(':') else { return Ok(()) };
        let permissions = volume.child_or_new("target").child_or_new("permissions");
        for (name, text) in [("mode", "0400"), ("owner", user), ("group", group)] {
            permissions.child_or_new(name).nodes.push(Node::Text(text.trim_start_matches('+').to_string()));
        }
        Ok(())
    }
}

fn sysinfo<'a>(root: &'a mut Elem, kind: &str) -> &'a mut Elem {
    let of_kind =
        |node: &Node| matches!(node, Node::Elem(one) if one.name.is_plain("sysinfo") && one.attr("type") == Some(kind));
    if !root.nodes.iter().any(of_kind) {
        root.nodes.push(Node::Elem(Elem::plain("sysinfo", &[("type", kind)])));
    }
    let found = root.nodes.iter_mut().find_map(|node| match node {
        Node::Elem(one) if one.name.is_plain("sysinfo") && one.attr("type") == Some(kind) => Some(one),
        _ => None,
    });
    found.expect("it was added if it was missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(disks: &str) -> Elem {
        xml::parse(&format!("<domain><devices>{disks}</devices></domain>")).expect("well-formed")
    }

    fn delivered(disks: &str, bus: Option<Bus>) -> String {
        let mut root = domain(disks);
        add_seed_disk(&mut root, bus, "default", "web-seed.iso");
        let text = xml::to_string(&root);
        let added = text.strip_prefix(&format!("<domain><devices>{disks}")).expect("what was there stays");
        added.strip_suffix("</devices></domain>").expect("well-formed").to_string()
    }

    fn disk(device: &str, dev: &str, bus: &str) -> String {
        format!(
            "<disk type='volume' device='{device}'><driver name='qemu' type='raw'/>\
             <source pool='default' volume='web-seed.iso'/><target dev='{dev}' bus='{bus}'/><readonly/></disk>"
        )
    }

    #[test]
    fn a_seed_comes_by_the_bus_that_the_guest_starts_from() {
        assert_eq!(delivered("", None), disk("disk", "vda", "virtio"));
        let virtio = "<disk device='disk'><target dev='vda' bus='virtio'/></disk>";
        assert_eq!(delivered(virtio, None), disk("disk", "vdb", "virtio"));
        let sata =
            "<disk device='cdrom'><target dev='sda' bus='sata'/></disk><disk><target dev='sdb' bus='sata'/></disk>";
        assert_eq!(delivered(sata, None), disk("cdrom", "sdc", "sata"));
        let two = "<disk><target dev='vda' bus='virtio'/></disk><disk><target dev='hdb'/><boot order='1'/></disk>";
        assert_eq!(delivered(two, None), disk("cdrom", "hdc", "ide"));
    }

    #[test]
    fn an_installer_stays_the_first_cd_rom() {
        let installer =
            "<disk device='cdrom'><target dev='sdb' bus='sata'/></disk><disk><target dev='vda' bus='virtio'/></disk>";
        assert_eq!(delivered(installer, Some(Bus::Sata)), disk("cdrom", "sdc", "sata"));
        assert_eq!(delivered(installer, None), disk("disk", "vdb", "virtio"));
    }

    #[test]
    fn scsi_gets_its_controller_once() {
        let controller = "<controller type='scsi' model='virtio-scsi'/>";
        assert_eq!(delivered("", Some(Bus::Scsi)), format!("{controller}{}", disk("cdrom", "sda", "scsi")));
        assert_eq!(delivered(controller, Some(Bus::Scsi)), disk("cdrom", "sda", "scsi"));
    }

    #[test]
    fn firmware_and_machine_carry_what_they_are_given() {
        let mut root = xml::parse(
            "<domain><os><type>hvm</type></os><sysinfo type='smbios'><system><entry name='serial'>1</entry></system></sysinfo></domain>",
        )
        .expect("well-formed");
        add_fw_cfg(&mut root, "opt/com.coreos/config", "/srv/a&b");
        add_smbios_seed(&mut root, "http://10.0.0.1/web");
        assert_eq!(
            xml::to_string(&root),
            "<domain><os><type>hvm</type><smbios mode='sysinfo'/></os><sysinfo type='smbios'><system>\
             <entry name='serial'>ds=nocloud-net;s=http://10.0.0.1/web/</entry></system></sysinfo>\
             <sysinfo type='fwcfg'><entry name='opt/com.coreos/config' file='/srv/a&amp;b'/></sysinfo></domain>"
        );
    }
}
