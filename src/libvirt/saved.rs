//! A domain's memory in files: save, restore, managed save, core dump; and a picture of its screen.

use super::cause::Explain;
use super::ffi::{self, Received};
use super::{Domain, Host};
use crate::floor::{Area, Code, Error, Result};
use std::borrow::Cow;
use virt::stream::Stream;
use virt::sys;

/// How a domain is saved; the default runs again after a restore if it ran before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Save {
    /// Run after the restore.
    pub running: bool,
    /// Be paused after the restore.
    pub paused: bool,
    /// Keep the host's file cache out of it.
    pub bypass_cache: bool,
}

/// How the memory of a guest is dumped; the default stops the guest meanwhile and lets it run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "libvirt's flags are independent of each other")]
pub struct Dump {
    /// An ELF file of the memory alone, which `crash` and `gdb` read.
    pub memory_only: bool,
    /// Do not stop the guest meanwhile.
    pub live: bool,
    /// Leave the domain crashed afterwards.
    pub crash: bool,
    /// Reset the guest afterwards.
    pub reset: bool,
}

/// A picture of a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screenshot {
    /// The format, such as `image/png`.
    pub mime: String,
    /// The picture.
    pub data: Vec<u8>,
}

impl Save {
    fn flags(self) -> u32 {
        let flag = |on: bool, value| if on { value } else { 0 };
        flag(self.running, sys::VIR_DOMAIN_SAVE_RUNNING)
            | flag(self.paused, sys::VIR_DOMAIN_SAVE_PAUSED)
            | flag(self.bypass_cache, sys::VIR_DOMAIN_SAVE_BYPASS_CACHE)
    }
}

impl Host {
    /// Lets a domain run on from a file that [`Domain::save`] made.
    pub fn restore(&self, path: &str, save: Save) -> Result<()> {
        let done = match save.flags() {
            0 => self.raw()?.restore_domain(path),
            flags => self.raw()?.restore_domain_flags(path, None, flags),
        };
        done.explain(&format!("restore `{path}` on"), self.object())
    }
}

impl Domain {
    /// Writes its memory to a file of the host and stops it.
    pub fn save(&self, path: &str, save: Save) -> Result<()> {
        ffi::save(&self.raw()?, path, save.flags()).explain("save", self.object())
    }

    /// Writes its memory to where libvirt keeps it and stops it; its next start goes on from there.
    pub fn managed_save(&self, save: Save) -> Result<()> {
        self.host().attempt("managed_save", self.object())?;
        self.raw()?.managed_save(save.flags()).explain("save", self.object())
    }

    /// Whether its next start goes on from a managed save.
    pub fn has_managed_save(&self) -> Result<bool> {
        self.raw()?.has_managed_save(0).explain("ask for the managed save of", self.object())
    }

    /// The definition with which its managed save goes on, if it has one.
    pub(super) fn saved_xml(&self) -> Result<Option<String>> {
        if !self.has_managed_save()? {
            return Ok(None);
        }
        match ffi::saved_xml(&self.raw()?).explain("read the managed save of", self.object()) {
            Ok(text) => Ok(Some(text)),
            // The test driver keeps none.
            Err(error) if error.code == Code::Unsupported => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Throws its managed save away: its next start boots.
    pub fn remove_managed_save(&self) -> Result<()> {
        self.raw()?.managed_save_remove(0).map(drop).explain("remove the managed save of", self.object())
    }

    /// Writes the guest's memory to a file of the host, for a debugger.
    pub fn core_dump(&self, path: &str, dump: Dump) -> Result<()> {
        let flag = |on: bool, value| if on { value } else { 0 };
        let flags = flag(dump.memory_only, sys::VIR_DUMP_MEMORY_ONLY)
            | flag(dump.live, sys::VIR_DUMP_LIVE)
            | flag(dump.crash, sys::VIR_DUMP_CRASH)
            | flag(dump.reset, sys::VIR_DUMP_RESET);
        self.raw()?.core_dump(path, flags).map(drop).explain("dump the memory of", self.object())
    }

    /// A picture of its screen as PNG.
    pub fn screenshot(&self, screen: u32) -> Result<Vec<u8>> {
        let shot = self.raw_screenshot(screen)?;
        match shot.mime.as_str() {
            "image/png" => Ok(shot.data),
            "image/x-portable-pixmap" => {
                png_of(&shot.data).ok_or_else(|| self.no_picture("a pixmap that cannot be read"))
            }
            other => Err(self.no_picture(other)),
        }
    }

    /// A picture of its screen in the format that the hypervisor likes.
    pub fn raw_screenshot(&self, screen: u32) -> Result<Screenshot> {
        let doing = "ask for the screen of";
        let stream = Stream::new(&self.host().raw()?, 0).explain("open a stream for", self.object())?;
        let mime = self.raw()?.screenshot(&stream, screen, 0).explain(doing, self.object())?;
        let mut data = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match ffi::receive(&stream, &mut buffer).explain(doing, self.object())? {
                Received::Data(0) => break,
                Received::Data(got) => data.extend_from_slice(&buffer[..got]),
                // A picture has no holes.
                Received::Hole(_) => {}
            }
        }
        stream.finish().explain(doing, self.object())?;
        Ok(Screenshot { mime, data })
    }

    fn no_picture(&self, what: &str) -> Error {
        let message = format!("cannot make a PNG of the screen of {}: the host sent {what}", self.object());
        Error::new(Code::Unsupported, Area::Domain, message).about(self.object().plain())
    }
}

/// A binary pixmap (`P6 WIDTH HEIGHT 255`, then three bytes for each pixel) as PNG.
fn png_of(pixmap: &[u8]) -> Option<Vec<u8>> {
    let mut rest = pixmap;
    let mut word = || -> Option<Cow<'_, str>> {
        let begin = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let length = rest[begin..].iter().position(u8::is_ascii_whitespace)?;
        let found = &rest[begin..begin + length];
        // One white space ends a word; the picture may begin with bytes that look like white space.
        rest = &rest[begin + length + 1..];
        Some(String::from_utf8_lossy(found))
    };
    if word()? != "P6" {
        return None;
    }
    let (width, height, depth): (u32, u32, u32) = (word()?.parse().ok()?, word()?.parse().ok()?, word()?.parse().ok()?);
    let size = u64::from(width) * u64::from(height) * 3;
    let pixels = rest.get(..usize::try_from(size).ok()?)?;
    if depth != 255 {
        return None;
    }
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(png)
}

#[cfg(test)]
mod tests {
    use super::png_of;

    #[test]
    fn a_pixmap_becomes_a_png() {
        let mut pixmap = b"P6\n2 2\n255\n".to_vec();
        let pixels = [b'\n', 0, 0, 9, 9, 9, 1, 2, 3, 4, 5, 6];
        pixmap.extend_from_slice(&pixels);
        let png = png_of(&pixmap).expect("a pixmap");
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().expect("a PNG");
        let mut read = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut read).expect("a picture");
        assert_eq!(read, pixels);
        for broken in
            [&b""[..], b"P6", b"P6\n2 2\n255\nshort", b"P5\n1 1\n255\nabc", b"P6\n99999999 99999999\n255\nabc"]
        {
            assert!(png_of(broken).is_none(), "{broken:?}");
        }
    }
}
