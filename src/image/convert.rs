//! Images in another format, by `qemu-img`. The result lies beside the image in the cache.

use super::cache::Slot;
use super::{Fetched, Format, describe_file};
use crate::floor::progress::Progress;
use crate::floor::{Area, Code, Error, Result, interrupt};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The image in this format: as it is, from the cache, or made now. It must have passed [`super::check`], since the program
/// follows whatever an image refers to.
pub fn convert(image: Fetched, to: Format, cache: &Path) -> Result<Fetched> {
    if image.description.format == to {
        return Ok(image);
    }
    let unreadable = |error: std::io::Error| Error::io(&image.path, "read", &error);
    let whole = fs::canonicalize(&image.path).map_err(unreadable)?;
    let slot = slot(&whole, to, cache)?;
    let made = slot.image();
    let age = |path: &Path| fs::metadata(path).and_then(|facts| facts.modified());
    let since = age(&whole).map_err(unreadable)?;
    let current = age(&made).is_ok_and(|made| made >= since);
    if !current {
        run(&image, to, &slot.unpacked())?;
        let file = File::open(slot.unpacked()).map_err(unreadable)?;
        file.sync_all()
            .and_then(|()| fs::rename(slot.unpacked(), &made))
            .map_err(|error| Error::io(&made, "write", &error))?;
    }
    let unreadable = |error: std::io::Error| Error::io(&made, "read", &error);
    let description = describe_file(&mut File::open(&made).map_err(unreadable)?).map_err(unreadable)?;
    Ok(Fetched { path: made, description, cached: image.cached && current, ..image })
}

/// Where the image in this format lies that was made of this file last.
pub(super) fn made_of(image: &Path, to: Format, cache: &Path) -> Result<Option<PathBuf>> {
    let whole = fs::canonicalize(image).map_err(|error| Error::io(image, "read", &error))?;
    Ok(Some(slot(&whole, to, cache)?.image()).filter(|made| made.exists()))
}

fn slot(image: &Path, to: Format, cache: &Path) -> Result<Slot> {
    Slot::open(cache, &format!("{} as {}", image.display(), to.name()))
}

fn run(image: &Fetched, to: Format, made: &Path) -> Result<()> {
    let what = image.path.display();
    let failed = |cause: String| {
        Error::new(Code::Failed, Area::Storage, format!("cannot make {} of the image `{what}`", to.name()))
            .caused_by(cause)
    };
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-f", image.description.format.driver(), "-O", to.driver()]).arg(&image.path).arg(made);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|error| {
            failed(format!("cannot run `qemu-img`: {error}"))
                .hint("install it (package qemu-utils), or leave `convert` out")
        })?;
    let _progress = Progress::begin(&format!("convert to {}", to.name()), None);
    let status = loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break status,
            None => {
                if let Err(stop) = interrupt::sleep(Duration::from_millis(20)) {
                    // It is gone already if this fails.
                    drop(child.kill());
                    drop(child.wait());
                    return Err(stop);
                }
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    let said = child.wait_with_output().map(|output| output.stderr).unwrap_or_default();
    Err(failed(String::from_utf8_lossy(&said).trim().to_string()))
}
