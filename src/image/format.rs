//! What a disk image is, told by its content and never by its name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// How far into an image the formats are looked for: VHDX keeps its sizes behind the second MiB.
const MOST_HEAD: usize = 4 << 20;

const SECTOR: u64 = 512;

/// The formats of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An ISO 9660 file system: an installer or a live system.
    Iso,
    /// QEMU's own, version 2 or 3.
    Qcow2,
    /// The disk's bytes as they are.
    Raw,
    /// `VirtualBox`'s.
    Vdi,
    /// Hyper-V's older one, also called VPC.
    Vhd,
    /// Hyper-V's newer one.
    Vhdx,
    /// `VMware`'s.
    Vmdk,
}

impl Format {
    /// All formats, sorted by name.
    pub const ALL: &[Self] = &[Self::Iso, Self::Qcow2, Self::Raw, Self::Vdi, Self::Vhd, Self::Vhdx, Self::Vmdk];

    /// The name, such as `qcow2`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso => "iso",
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
            Self::Vdi => "vdi",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Vmdk => "vmdk",
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// What `qemu-img` and libvirt call it.
    pub fn driver(self) -> &'static str {
        match self {
            Self::Iso | Self::Raw => "raw",
            Self::Vhd => "vpc",
            other => other.name(),
        }
    }
}

/// What the content of an image says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its format.
    pub format: Format,
    /// The bytes that a guest sees, where the head of the image says it.
    pub virtual_size: Option<u64>,
    /// The file that it continues, as it names it.
    pub backing_file: Option<String>,
    /// Whether its data are in another file.
    pub external_data: bool,
    /// The size of its clusters in bytes.
    pub cluster_size: Option<u64>,
    /// The version of its format.
    pub version: Option<u32>,
    /// Whether its data are encrypted.
    pub encrypted: bool,
    /// Whether firmware could start from it; unknown where the guest's disk cannot be seen.
    pub bootable: Option<bool>,
    /// How its disk is partitioned: `mbr` or `gpt`.
    pub partitions: Option<&'static str>,
}

impl Description {
    /// Of one of which no more is known than its format.
    pub fn of(format: Format) -> Self {
        Self {
            format,
            virtual_size: None,
            backing_file: None,
            external_data: false,
            cluster_size: None,
            version: None,
            encrypted: false,
            bootable: None,
            partitions: None,
        }
    }
}

/// Describes the image that this gives. Reads no more than it needs.
pub fn describe(reader: impl Read) -> io::Result<Description> {
    let mut head = Head { reader, bytes: Vec::new() };
    if head.has(0, b"QFI\xfb")? && head.be32(4)? >= 2 {
        return qcow2(&mut head);
    }
    if head.has(0, b"KDMV")? || head.has(0, b"COWD")? || head.has(0, b"# Disk DescriptorFile")? {
        return vmdk(&mut head);
    }
    if head.has(0x40, &[0x7f, 0x10, 0xda, 0xbe])? {
        return Ok(Description { virtual_size: Some(head.le64(0x170)?), ..Description::of(Format::Vdi) });
    }
    if head.has(0, b"conectix")? {
        return Ok(Description { virtual_size: Some(head.be64(48)?), ..Description::of(Format::Vhd) });
    }
    if head.has(0, b"vhdxfile")? {
        return vhdx(&mut head);
    }
    if head.has(0x8001, b"CD001")? {
        let bootable = head.has(0x8801, b"CD001\x01EL TORITO SPECIFICATION")?;
        return Ok(Description { bootable: Some(bootable), ..Description::of(Format::Iso) });
    }
    let signature = head.has(510, &[0x55, 0xaa])?;
    let gpt = head.has(512, b"EFI PART")? || head.has(4096, b"EFI PART")?;
    let partitions = if gpt { Some("gpt") } else { signature.then_some("mbr") };
    Ok(Description { bootable: Some(signature || gpt), partitions, ..Description::of(Format::Raw) })
}

/// Describes a file. A fixed VHD is told by its end only, and what is raw is as large as its file.
pub fn describe_file(file: &mut File) -> io::Result<Description> {
    file.seek(SeekFrom::Start(0))?;
    let mut found = describe(&mut *file)?;
    let size = file.seek(SeekFrom::End(0))?;
    if found.format == Format::Raw && size > SECTOR && size.is_multiple_of(SECTOR) {
        file.seek(SeekFrom::Start(size - SECTOR))?;
        let footer = describe(&mut *file)?;
        if footer.format == Format::Vhd {
            found = footer;
        }
    }
    if matches!(found.format, Format::Raw | Format::Iso) {
        found.virtual_size = Some(size);
    }
    Ok(found)
}

/// Sources: QEMU's docs/interop/qcow2.txt.
fn qcow2(head: &mut Head<impl Read>) -> io::Result<Description> {
    let version = head.be32(4)?;
    let bits = head.be32(20)?;
    if !(9..=21).contains(&bits) {
        return Err(broken("qcow2"));
    }
    let (at, length) = (head.be64(8)?, head.be32(16)?);
    let backing_file = if at == 0 || length == 0 {
        None
    } else {
        let at = usize::try_from(at).ok().filter(|at| *at < MOST_HEAD && length <= 1023);
        let name = head.bytes(at.ok_or_else(|| broken("qcow2"))?, length as usize)?;
        Some(String::from_utf8_lossy(name).into_owned())
    };
    // The third of the features that a reader must know: the data are in a raw file beside it.
    let external_data = version >= 3 && head.be64(72)? & 4 != 0;
    Ok(Description {
        virtual_size: Some(head.be64(24)?),
        backing_file,
        external_data,
        cluster_size: Some(1 << bits),
        version: Some(version),
        encrypted: head.be32(32)? != 0,
        ..Description::of(Format::Qcow2)
    })
}

fn vmdk(head: &mut Head<impl Read>) -> io::Result<Description> {
    if head.has(0, b"KDMV")? {
        let size = head.le64(12)?.checked_mul(SECTOR).ok_or_else(|| broken("vmdk"))?;
        return Ok(Description {
            virtual_size: Some(size),
            version: Some(head.le32(4)?),
            ..Description::of(Format::Vmdk)
        });
    }
    // A descriptor alone: its extents are other files.
    Ok(Description { external_data: true, ..Description::of(Format::Vmdk) })
}

/// The region table at 192 KiB names the place of the metadata, whose table names the place of the size.
fn vhdx(head: &mut Head<impl Read>) -> io::Result<Description> {
    const METADATA: [u8; 16] =
        [6, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 5, 0xf, 0x88, 0x6e];
    const DISK_SIZE: [u8; 16] =
        [0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8];
    let mut size = None;
    let regions = 192 << 10;
    let at = (0..8).map(|row| regions + 16 + row * 32).find(|at| head.has(*at, &METADATA).unwrap_or(false));
    if let Some(at) = at {
        let table = usize::try_from(head.le64(at + 16)?).ok().filter(|table| *table < MOST_HEAD);
        let table = table.ok_or_else(|| broken("vhdx"))?;
        let row = (0..16).map(|row| table + 32 + row * 32).find(|at| head.has(*at, &DISK_SIZE).unwrap_or(false));
        if let Some(row) = row {
            let at = table + head.le32(row + 16)? as usize;
            size = Some(head.le64(at)?);
        }
    }
    Ok(Description { virtual_size: size, ..Description::of(Format::Vhdx) })
}

fn broken(format: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its {format} header is broken"))
}

/// The beginning of an image, read as far as somebody asks.
struct Head<R> {
    reader: R,
    bytes: Vec<u8>,
}

impl<R: Read> Head<R> {
    /// Reads until there are so many bytes, or the image ends.
    fn reach(&mut self, end: usize) -> io::Result<()> {
        let end = end.min(MOST_HEAD);
        if let Some(more) = end.checked_sub(self.bytes.len()) {
            (&mut self.reader).take(more as u64).read_to_end(&mut self.bytes)?;
        }
        Ok(())
    }

    fn has(&mut self, at: usize, what: &[u8]) -> io::Result<bool> {
        self.reach(at + what.len())?;
        Ok(self.bytes.get(at..).is_some_and(|rest| rest.starts_with(what)))
    }

    fn bytes(&mut self, at: usize, length: usize) -> io::Result<&[u8]> {
        self.reach(at + length)?;
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within its header");
        self.bytes.get(at..at + length).ok_or_else(cut)
    }

    fn array<const N: usize>(&mut self, at: usize) -> io::Result<[u8; N]> {
        Ok(self.bytes(at, N)?.try_into().expect("as long as asked for"))
    }

    fn be32(&mut self, at: usize) -> io::Result<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    fn le32(&mut self, at: usize) -> io::Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn be64(&mut self, at: usize) -> io::Result<u64> {
        self.array(at).map(u64::from_be_bytes)
    }

    fn le64(&mut self, at: usize) -> io::Result<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    fn made(folder: &Path, format: &str, options: &[&str]) -> Description {
        let path = folder.join(format!("disk.{format}"));
        let mut command = Command::new("qemu-img");
        command.args(["create", "-q", "-f", format]).args(options).arg(&path).arg("64M");
        let output = command.output().expect("qemu-img runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        describe_file(&mut File::open(path).expect("the image")).expect("a description")
    }

    #[test]
    fn what_qemu_makes_is_told_by_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        for (name, format) in [
            ("qcow2", Format::Qcow2),
            ("vmdk", Format::Vmdk),
            ("vdi", Format::Vdi),
            ("vpc", Format::Vhd),
            ("vhdx", Format::Vhdx),
            ("raw", Format::Raw),
        ] {
            let found = made(folder, name, &[]);
            assert_eq!((found.format, found.backing_file.as_deref()), (format, None), "{name}");
            let size = found.virtual_size.expect("a size");
            // VHD rounds up to whole cylinders.
            assert!((64 << 20..65 << 20).contains(&size), "{name}: {size}");
        }
        let fixed = made(folder, "vpc", &["-o", "subformat=fixed"]);
        assert_eq!(fixed.format, Format::Vhd);
        let flat = made(folder, "vmdk", &["-o", "subformat=monolithicFlat"]);
        assert!(flat.external_data, "its data are in another file");
    }

    #[test]
    fn qcow2_headers_tell_everything() {
        let folder = tempfile::tempdir().expect("a folder");
        let found = made(folder.path(), "qcow2", &["-o", "cluster_size=4096,compat=0.10"]);
        assert_eq!((found.cluster_size, found.version, found.encrypted), (Some(4096), Some(2), false));
        let data = format!("data_file={}", folder.path().join("data").display());
        assert!(made(folder.path(), "qcow2", &["-o", &data]).external_data);
        let overlay = made(folder.path(), "qcow2", &["-u", "-b", "/etc/shadow", "-F", "raw"]);
        assert_eq!(overlay.backing_file.as_deref(), Some("/etc/shadow"));
        // LUKS, as the header says it; making one needs a benchmark of the machine that fails under load.
        let mut head = std::fs::read(folder.path().join("disk.qcow2")).expect("the image");
        head[32..36].copy_from_slice(&2u32.to_be_bytes());
        assert!(describe(head.as_slice()).expect("a description").encrypted);
    }

    #[test]
    fn raw_disks_are_bootable_by_their_signature() {
        let mut disk = vec![0; 4096];
        assert_eq!(describe(disk.as_slice()).expect("raw").bootable, Some(false));
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        let found = describe(disk.as_slice()).expect("raw");
        assert_eq!((found.bootable, found.partitions), (Some(true), Some("mbr")));
        disk[512..520].copy_from_slice(b"EFI PART");
        assert_eq!(describe(disk.as_slice()).expect("raw").partitions, Some("gpt"));
    }

    #[test]
    fn an_iso_is_bootable_by_its_boot_record() {
        let mut disc = vec![0; 0x9000];
        disc[0x8001..0x8006].copy_from_slice(b"CD001");
        assert_eq!(describe(disc.as_slice()).expect("iso").bootable, Some(false));
        disc[0x8801..0x8801 + 29].copy_from_slice(b"CD001\x01EL TORITO SPECIFICATION");
        let found = describe(disc.as_slice()).expect("iso");
        assert_eq!((found.format, found.bootable), (Format::Iso, Some(true)));
    }

    #[test]
    fn broken_and_cut_headers_are_errors() {
        let mut head = b"QFI\xfb\0\0\0\x03".to_vec();
        assert!(describe(head.as_slice()).is_err(), "cut");
        head.resize(512, 0xff);
        assert_eq!(describe(head.as_slice()).expect_err("broken").to_string(), "its qcow2 header is broken");
        head[8..16].copy_from_slice(&u64::MAX.to_be_bytes());
        head[20..24].copy_from_slice(&16u32.to_be_bytes());
        assert!(describe(head.as_slice()).is_err(), "the name of its backing file lies nowhere");
    }
}
