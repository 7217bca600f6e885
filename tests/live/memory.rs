//! Memory in files, the screen, the console, and backups.

use super::lab::{Guest, lab, wait};
use super::objects::shell;
use std::time::{Duration, Instant};
use vmscript::floor::Code;
use vmscript::libvirt::{Dump, Keep, Provision, Save, Source};

#[test]
fn a_guest_is_saved_restored_seen_and_talked_to() {
    let guest = Guest { name: "saved", mac: "52:54:00:1a:00:20", network: "lab", uefi: false };
    let host = &lab().host;
    let xml = guest.xml().replace("</devices>", "<serial type='pty'/><video><model type='vga'/></video></devices>");
    let wishes =
        Provision { storage: guest.storage(), wait: vec![(0, wait(120, &[Source::Agent]))], ..Provision::default() };
    let vm = host.provision(&xml, &wishes).expect("provisioned").domain;
    shell(&vm, "echo kept > /tmp/note");
    vm.save("/var/lib/libvirt/live/saved.mem", Save::default()).expect("saved");
    assert_eq!(vm.state().expect("known").word(), "shut off");
    host.restore("/var/lib/libvirt/live/saved.mem", Save::default()).expect("restored");
    assert_eq!(shell(&vm, "cat /tmp/note"), "kept\n");
    vm.managed_save(Save::default()).expect("saved");
    assert!(vm.has_managed_save().expect("known"));
    vm.start().expect("goes on");
    assert_eq!(vm.state().expect("known").reason(), "restored");
    assert_eq!(shell(&vm, "cat /tmp/note"), "kept\n");

    let png = vm.screenshot(0).expect("a picture");
    let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut pixels).expect("a picture");
    println!("{:?}, {} bytes", reader.info().size(), png.len());
    assert!(pixels.iter().any(|byte| *byte > 100), "something is on the screen");
    vm.core_dump("/var/lib/libvirt/live/saved.core", Dump { memory_only: true, ..Dump::default() }).expect("dumped");

    let console = vm.open_console(None, false).expect("opened");
    shell(&vm, "echo greetings from inside > /dev/ttyS0");
    let seen = console.expect(&["nothing".into(), "from inside".into()], Duration::from_secs(60)).expect("printed");
    assert_eq!(seen.matched, "from inside");
    assert!(seen.before.ends_with("greetings "), "{seen:?}");
    let late = console.expect(&["never".into()], Duration::from_millis(300)).expect_err("never printed");
    assert_eq!(late.code, Code::Timeout, "{late}");
    // The guest's shell reads its console: what is typed there is done there, unless the guest's own printing met it.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !shell(&vm, "cat /tmp/typed 2>&1; true").contains("outside") {
        assert!(Instant::now() < deadline, "the guest did not read what was typed: {:?}", console.read());
        console.send("\necho outside > /tmp/typed\n").expect("typed");
        std::thread::sleep(Duration::from_millis(500));
    }
    vm.destroy(false).expect("destroyed");
    let over = console.expect(&["never".into()], Duration::from_secs(60)).expect_err("the guest is off");
    assert_eq!(over.code, Code::GuestStopped, "{over}");
    vm.start().expect("started");
    lab().pool.refresh().expect("refreshed");
    for file in ["saved.mem", "saved.core"] {
        lab().pool.volume(file).expect("there").delete().expect("deleted");
    }
    guest.remove(&vm);
}

#[test]
fn checkpoints_and_backups_of_what_changed() {
    let guest = Guest { name: "backed", mac: "52:54:00:1a:00:21", network: "lab", uefi: false };
    let vm = guest.provision(Some(wait(120, &[Source::Agent]))).expect("provisioned").domain;
    let backup = |file: &str, since: &str| {
        format!(
            "<domainbackup>{since}<disks><disk name='vda' type='file'><driver type='qcow2'/>
             <target file='/var/lib/libvirt/live/{file}'/></disk></disks></domainbackup>"
        )
    };
    let limit = Duration::from_secs(120);
    let monday = "<domaincheckpoint><name>monday</name></domaincheckpoint>";
    vm.backup(&backup("full.qcow2", ""), Some(monday), limit).expect("backed up");
    assert_eq!(vm.checkpoints().expect("listed").len(), 1);
    assert_eq!(vm.checkpoint("munday").expect_err("no such").hints, ["did you mean `monday`?"]);
    vm.backup(&backup("changed.qcow2", "<incremental>monday</incremental>"), None, limit).expect("backed up");
    lab().pool.refresh().expect("refreshed");
    let size = |name: &str| lab().pool.volume(name).expect("there").info().expect("known").allocation;
    println!("full {} changed {}", size("full.qcow2"), size("changed.qcow2"));
    assert!(size("changed.qcow2") < size("full.qcow2"));
    vm.checkpoint("monday").expect("there").delete(false).expect("deleted");
    for file in ["full.qcow2", "changed.qcow2"] {
        lab().pool.volume(file).expect("there").delete().expect("deleted");
    }
    guest.remove(&vm);
}

#[test]
fn uefi_and_a_tpm_come_and_go_with_the_domain() {
    let guest = Guest { name: "tpm", mac: "52:54:00:1a:00:22", network: "lab", uefi: true };
    let host = &lab().host;
    let tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>";
    let volume = guest.storage().pop().expect("its disk");
    lab().pool.create_filled_volume(&volume.xml, &volume.content).expect("its disk");
    let vm = host.define_domain(&guest.xml().replace("</devices>", tpm)).expect("defined");
    vm.start().expect("started with its TPM");
    vm.wait_for_ip(&wait(120, &[Source::Agent])).expect("booted");
    let states = host
        .create_pool("<pool type='dir'><name>swtpm</name><target><path>/var/lib/libvirt/swtpm</path></target></pool>")
        .expect("libvirt's folder of TPM states");
    let uuid = vm.uuid().expect("known");
    assert!(states.find_volume(&uuid).expect("asked").is_some(), "the TPM has a state");
    vm.destroy(false).expect("destroyed");
    vm.undefine_but(Keep::default()).expect("undefined");
    states.refresh().expect("refreshed");
    assert!(states.find_volume(&uuid).expect("asked").is_none(), "the state went with the domain");
    states.destroy().expect("the folder is left alone");
    lab().pool.volume(&guest.disk()).expect("there").delete().expect("deleted");
    guest.assert_gone();
}
