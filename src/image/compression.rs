//! Compressed images: known by their first bytes, unpacked as a stream.

use std::io::{self, BufRead, Chain, Cursor, Read};

/// How many bytes are needed to tell.
const HEAD: u64 = 6;

/// A reader that gives again what was looked at.
pub(super) type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// bzip2.
    Bzip2,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// The compression of a file that begins like this.
    pub fn detect(head: &[u8]) -> Option<Self> {
        match head {
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Self::Bzip2),
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The compression of what comes from a reader, and a reader that gives all of it.
    pub(super) fn sniff<R: BufRead>(mut reader: R) -> io::Result<(Option<Self>, Whole<R>)> {
        let mut head = Vec::new();
        (&mut reader).take(HEAD).read_to_end(&mut head)?;
        Ok((Self::detect(&head), Cursor::new(head).chain(reader)))
    }

    /// The name, which is the usual extension too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bzip2 => "bz2",
            Self::Gzip => "gz",
            Self::Xz => "xz",
            Self::Zstd => "zst",
        }
    }

    /// Unpacks. Several streams one after another count as one, as with the tools of the same names.
    pub fn unpack<'r>(self, packed: impl BufRead + 'r) -> io::Result<Box<dyn Read + 'r>> {
        Ok(match self {
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(packed)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// Packs with the tool of that name, which is what made the images of this world.
    fn packed(tool: &str, data: &[u8]) -> Vec<u8> {
        let mut child = Command::new(tool)
            .arg("-c")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{tool}: {error}"));
        child.stdin.take().expect("piped").write_all(data).expect("written");
        child.wait_with_output().expect("it ends").stdout
    }

    #[test]
    fn what_the_tools_pack_is_unpacked() {
        let data: Vec<u8> = (0..40_000u32).flat_map(u32::to_le_bytes).collect();
        for (tool, kind) in [
            ("bzip2", Compression::Bzip2),
            ("gzip", Compression::Gzip),
            ("xz", Compression::Xz),
            ("zstd", Compression::Zstd),
        ] {
            let mut file = packed(tool, &data);
            file.extend(packed(tool, b"and more"));
            assert_eq!(Compression::detect(&file), Some(kind));
            let mut all = Vec::new();
            kind.unpack(file.as_slice()).expect("a decoder").read_to_end(&mut all).expect("unpacked");
            assert!(all.starts_with(&data) && all.ends_with(b"and more"), "{tool}");
            let cut = &file[..file.len() - 5];
            assert!(kind.unpack(cut).expect("a decoder").read_to_end(&mut all).is_err(), "{tool}: cut short");
        }
        assert_eq!(Compression::detect(b"QFI\xfb\0\0"), None);
    }
}
