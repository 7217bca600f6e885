//! What to do about an error, by libvirt's words alone.

/// Words that stand together in an error, and what to do about it.
const BY_WORDS: &[(&[&str], &str)] = &[
    (
        &["read only access prevents"],
        "this connection may only read: leave out `read_only`, or name the socket without `-ro`",
    ),
    (
        &["cannot open directory", "Not a directory"],
        "the pool's path is that of a file: a pool of this type is a folder of the host, which is made if it is not there",
    ),
    (&["mount point does not exist"], "`pool.build()` makes the folder on which it is mounted"),
    (
        &["unknown filesystem type"],
        "the host cannot mount such a file system: install its tools there, such as `nfs-common`, or its kernel module",
    ),
    (
        &["wrong fs type, bad option, bad superblock"],
        "`pool.build(#{ overwrite: true })` makes a file system, which deletes what is on the device",
    ),
    (
        &["iscsiadm", "127"],
        "install `open-iscsi` on the host, or use the pool type `iscsi-direct`, which needs no other program",
    ),
    (&["/sys/class/scsi_host/"], "`host.node_devices(\"scsi_host\")` lists the adapters that are there"),
    (&["/dev/mapper/control: open failed"], "the host's kernel has no device mapper: `modprobe dm-mod` loads it"),
    (
        &["unable to find any master var store for loader"],
        "install UEFI firmware on the host, such as Debian's `ovmf`, or name the file of its variables: `os: #{ nvram: #{ template: ... } }`",
    ),
    (
        &["Unable to find any firmware to satisfy"],
        "install UEFI firmware on the host, such as Debian's `ovmf`; `host.domain_capabilities().to_map().os` tells what there is",
    ),
    (
        &["address resolution failed for"],
        "the other host's name is not known here: name its address, such as `migrate(host, #{ uri: \"tcp://10.0.0.2\" })`, or have `/etc/hosts` of this one tell it",
    ),
    (
        &["pflash based firmware"],
        "`disk_only: true` keeps its disks alone, while it runs or not; with the memory its state fits into no file of UEFI variables",
    ),
    (&["swtpm", "Unable to find"], "install `swtpm` and `swtpm-tools` on the host"),
    (&["TPM version", "is not supported"], "install `swtpm` and `swtpm-tools` on the host"),
    (
        &["Cannot store dirty bitmaps in qcow2 v2"],
        "checkpoints need disks of qcow2's newer form: `target: #{ compat: \"1.1\" }` when a volume is made, `qemu-img amend -o compat=1.1 FILE` on the host for one that is there while its domain is off",
    ),
    (
        &["requires shared memory"],
        "share it with the program on the host: `memory_backing: #{ source: #{ type: \"memfd\" }, access: #{ mode: \"shared\" } }`",
    ),
    (&["Cannot get interface MTU on"], "make the bridge first; `host.node_devices(\"net\")` lists what there is"),
    (
        &["is already in use by interface"],
        "another network of the host has these addresses: choose others; `host.networks()` lists libvirt's own",
    ),
    (
        &["ore available PCI slots"],
        "a machine gets slots when it starts: change its definition alone (`apply: \"config\"`), or stop it first",
    ),
    (
        &["AppArmor"],
        "AppArmor is in the way: the host's `journalctl -k` tells what was `DENIED`; files in a pool's directory usually may be used",
    ),
    (
        &["security context"],
        "SELinux is in the way: `restorecon -v FILE` on the host gives the file its label, and `ausearch -m avc` tells what was denied",
    ),
    (
        &["Could not open", "Permission denied"],
        "QEMU's user, and AppArmor or SELinux, must allow it: the host's `journalctl -k` tells what was `DENIED`; files in a pool's directory usually may be used",
    ),
];

/// What to do about these words of libvirt's, if they tell.
pub(super) fn by_words(words: &str) -> Option<String> {
    if let Some((_, rest)) = words.split_once("missing backend for pool type ") {
        let kind = rest.split(['(', ')']).nth(1).unwrap_or("such");
        return Some(format!(
            "this libvirt has no driver for `{kind}` pools: it was built without, or a package is missing, such as Debian's `libvirt-daemon-driver-storage-{kind}`"
        ));
    }
    if let Some((_, rest)) = words.split_once("error creating bridge interface ")
        && let Some((bridge, _)) = rest.split_once(": File exists")
    {
        return Some(format!(
            "the host has a device `{bridge}`: name another bridge, or if no network has it, as a daemon that was killed left it, remove it there: `ip link delete {bridge}`"
        ));
    }
    let fits = |parts: &[&str]| parts.iter().all(|part| words.contains(part));
    BY_WORDS.iter().find(|(parts, _)| fits(parts)).map(|(_, hint)| (*hint).to_string())
}

#[cfg(test)]
mod tests {
    use super::by_words;

    #[test]
    fn what_libvirt_says_is_understood() {
        for (words, expected) in [
            (
                "error creating bridge interface virbr9: File exists",
                "the host has a device `virbr9`: name another bridge, or if no network has it, as a daemon that was killed left it, remove it there: `ip link delete virbr9`",
            ),
            (
                "internal error: missing backend for pool type 9 (rbd)",
                "this libvirt has no driver for `rbd` pools: it was built without, or a package is missing, such as Debian's `libvirt-daemon-driver-storage-rbd`",
            ),
            (
                "operation failed: Unable to find any firmware to satisfy 'efi'",
                "install UEFI firmware on the host, such as Debian's `ovmf`; `host.domain_capabilities().to_map().os` tells what there is",
            ),
            (
                "unable to execute QEMU command 'blockdev-add': address resolution failed for hv2:49153: Temporary failure in name resolution",
                "the other host's name is not known here: name its address, such as `migrate(host, #{ uri: \"tcp://10.0.0.2\" })`, or have `/etc/hosts` of this one tell it",
            ),
            (
                "unsupported configuration: 'virtiofs' requires shared memory",
                "share it with the program on the host: `memory_backing: #{ source: #{ type: \"memfd\" }, access: #{ mode: \"shared\" } }`",
            ),
            (
                "Cannot get interface MTU on 'br9': No such device",
                "make the bridge first; `host.node_devices(\"net\")` lists what there is",
            ),
        ] {
            assert_eq!(by_words(words).as_deref(), Some(expected));
        }
        assert_eq!(by_words("internal error: /usr/bin/iscsiadm failed new mode"), None);
    }
}
