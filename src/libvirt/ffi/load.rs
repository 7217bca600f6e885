//! libvirt is loaded when it is first called. It brings some sixty libraries, which take the loader longer than most commands
//! take for all the rest: so they come on another thread while a script is read, and not at all for `--help`.
//!
//! No linker for Linux can do that. Each function of libvirt has a stub of its name here (`build.rs` writes them), so that
//! the linker finds no use for libvirt itself. A stub jumps to where its slot points: at first to code that looks its
//! function up and puts it into the slot, as the loader does with functions that it binds late.

use std::ffi::CStr;
use std::ffi::{OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The file that libvirt was loaded from.
pub(in crate::libvirt) fn library() -> Option<PathBuf> {
    let mut found = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the loader only compares the address, and writes into `found`, which outlives the call.
    if unsafe { libc::dladdr(address(c"virGetVersion"), found.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: it was filled, and the loader keeps the names of what is loaded.
    let name = unsafe { CStr::from_ptr(found.assume_init().dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}

/// Where a function is in what is loaded.
fn address(name: &CStr) -> *const c_void {
    if load().is_err() {
        return std::ptr::null();
    }
    // SAFETY: the name is a C string.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// Loads libvirt, unless it is; the loader's words if it is not there.
#[cfg(late_libvirt)]
pub(in crate::libvirt) fn load() -> Result<(), String> {
    static LOADED: std::sync::OnceLock<Result<(), String>> = std::sync::OnceLock::new();
    let load = || {
        // It needs `libvirt.so.0`, and so brings it. For all, because libvirt's functions are then found by name alone.
        // SAFETY: the name is a C string; what runs when libvirt is loaded is what runs when it is linked.
        let library = unsafe { libc::dlopen(c"libvirt-qemu.so.0".as_ptr(), libc::RTLD_LAZY | libc::RTLD_GLOBAL) };
        if !library.is_null() {
            return Ok(());
        }
        // SAFETY: the loader's words stay until this thread asks it again.
        let words = unsafe { libc::dlerror().as_ref().map(|words| CStr::from_ptr(words)) };
        Err(words.map_or_else(|| "no reason given".to_string(), |words| words.to_string_lossy().into_owned()))
    };
    LOADED.get_or_init(load).clone()
}

/// It is loaded before the program begins.
#[cfg(not(late_libvirt))]
#[allow(clippy::unnecessary_wraps, reason = "the other one may fail")]
pub(in crate::libvirt) fn load() -> Result<(), String> {
    Ok(())
}

#[cfg(late_libvirt)]
mod stubs {
    use super::{CStr, address, c_void};
    use std::io::Write;
    use std::sync::atomic::{AtomicPtr, Ordering};

    const NAMES: &[&CStr] = &include!(concat!(env!("OUT_DIR"), "/names.rs"));

    unsafe extern "C" {
        /// Where each stub jumps to.
        #[link_name = "vmscript_libvirt_slots"]
        static SLOTS: [AtomicPtr<c_void>; NAMES.len()];
    }

    // The stubs, and what all of them share: it keeps what the call is made with while the function is looked up.
    //
    // Source: System V Application Binary Interface, AMD64 supplement, 3.2.3 (registers of arguments; `r11` is free).
    std::arch::global_asm!(
        include_str!(concat!(env!("OUT_DIR"), "/stubs.s")),
        ".type vmscript_libvirt_ask, @function",
        "vmscript_libvirt_ask:",
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "sub rsp, 192",
        "mov [rsp], rdi",
        "mov [rsp + 8], rsi",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], rcx",
        "mov [rsp + 32], r8",
        "mov [rsp + 40], r9",
        "mov [rsp + 48], rax",
        "movaps [rsp + 64], xmm0",
        "movaps [rsp + 80], xmm1",
        "movaps [rsp + 96], xmm2",
        "movaps [rsp + 112], xmm3",
        "movaps [rsp + 128], xmm4",
        "movaps [rsp + 144], xmm5",
        "movaps [rsp + 160], xmm6",
        "movaps [rsp + 176], xmm7",
        "mov edi, r11d",
        "call {find}",
        "mov r11, rax",
        "mov rdi, [rsp]",
        "mov rsi, [rsp + 8]",
        "mov rdx, [rsp + 16]",
        "mov rcx, [rsp + 24]",
        "mov r8, [rsp + 32]",
        "mov r9, [rsp + 40]",
        "mov rax, [rsp + 48]",
        "movaps xmm0, [rsp + 64]",
        "movaps xmm1, [rsp + 80]",
        "movaps xmm2, [rsp + 96]",
        "movaps xmm3, [rsp + 112]",
        "movaps xmm4, [rsp + 128]",
        "movaps xmm5, [rsp + 144]",
        "movaps xmm6, [rsp + 160]",
        "movaps xmm7, [rsp + 176]",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "jmp r11",
        ".cfi_endproc",
        find = sym find,
    );

    /// The function of a stub, for its caller to go on to; from now on the stub jumps there by itself.
    extern "C" fn find(number: u32) -> *const c_void {
        let number = number as usize;
        let found = address(NAMES[number]);
        if found.is_null() {
            // Nobody could be told but by the end: the caller waits for what only libvirt can give.
            let name = NAMES[number].to_string_lossy();
            let why = super::load().err().unwrap_or_else(|| format!("libvirt has no `{name}`: it is too old"));
            drop(writeln!(std::io::stderr(), "error: cannot call `{name}` of libvirt\n  cause: {why}"));
            crate::libvirt::leave(1);
        }
        // SAFETY: the stubs' slots, of which there are as many as names, are written by this line alone.
        unsafe { SLOTS[number].store(found.cast_mut(), Ordering::Relaxed) };
        found
    }
}
