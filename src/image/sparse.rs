//! Files with holes: what is zero is not written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A hole pays off from this size on.
const BLOCK: usize = 64 << 10;

static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Writes bytes at a place of a file that has nothing from there on, and leaves out whole blocks of zeros.
/// The length is right after [`File::set_len`] only: a hole at the end is not written by anything.
pub(super) fn write_at(file: &File, bytes: &[u8], mut at: u64) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let to_border = BLOCK - usize::try_from(at % BLOCK as u64).unwrap_or_default();
        let (block, more) = rest.split_at(rest.len().min(to_border));
        if *block != ZEROS[..block.len()] {
            file.write_all_at(block, at)?;
        }
        at += block.len() as u64;
        rest = more;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn zeros_become_holes_and_the_content_stays() {
        let file = tempfile::tempfile().expect("a file");
        let mut data = vec![0; 40 * BLOCK];
        data[20 * BLOCK + 7] = 1;
        let mut at = 0;
        for piece in data.chunks(100_001) {
            write_at(&file, piece, at).expect("written");
            at += piece.len() as u64;
        }
        file.set_len(at).expect("long enough");
        let mut found = vec![1; data.len()];
        file.read_exact_at(&mut found, 0).expect("all of it");
        assert!(found == data, "the same content");
        assert!(file.metadata().expect("metadata").blocks() * 512 <= 2 * BLOCK as u64);
    }
}
