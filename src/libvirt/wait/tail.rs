//! What a guest printed last on its serial console, and QEMU in its log, where this machine can read them.

use crate::schema::xml;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// The most that is read of a file's end.
const MOST: u64 = 4096;

/// The file to which a domain's serial console is logged.
pub(super) fn serial_log(xml: &str) -> Option<String> {
    let document = xml::parse(xml).ok()?;
    ["devices/serial/log", "devices/console/log"]
        .iter()
        .find_map(|path| document.find(path).and_then(|log| log.attr("file")).map(str::to_string))
}

/// The last lines of a file, if it can be read and has any.
pub(super) fn last_lines(path: &str, count: usize) -> Option<Vec<String>> {
    let mut file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(MOST))).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let printable = |line: &str| line.chars().filter(|letter| !letter.is_control()).collect::<String>();
    let lines: Vec<_> = text.lines().map(printable).filter(|line| !line.trim().is_empty()).collect();
    let lines = lines[lines.len().saturating_sub(count)..].to_vec();
    (!lines.is_empty()).then_some(lines)
}
