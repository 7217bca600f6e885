//! Checksums of files: given as a value, or in a file as distributors publish them.

use crate::floor::{Area, Code, Error, Result};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use std::fmt;

/// The SHA-2 family with the number of hexadecimal digits. MD5 and SHA-1 prove nothing any more.
const ALGORITHMS: &[(&str, usize)] = &[("sha224", 56), ("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// What a file's content must hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    algorithm: &'static str,
    digits: String,
}

impl Checksum {
    /// The SHA-256 checksum of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Its hexadecimal digits.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Reads `sha256:...`, or the digits alone, whose number tells the algorithm.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (name, digits) = text.split_once([':', '=']).unwrap_or(("", text));
        let (name, digits) = (name.trim().to_lowercase().replace('-', ""), digits.trim().to_lowercase());
        let wrong = |message: String| {
            Error::argument(message).hint("write the algorithm and the digits: `\"sha256:9f86d0...\"`")
        };
        if matches!(name.as_str(), "md5" | "sha1") || (name.is_empty() && matches!(digits.len(), 32 | 40)) {
            return Err(Error::argument("MD5 and SHA-1 prove nothing: files with the same checksum can be made")
                .hint("take the SHA-256 or SHA-512 checksum that the image's publisher gives"));
        }
        if !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong(format!("`{text}` is no checksum: it is not hexadecimal")));
        }
        let known = ALGORITHMS.iter().find(
            |(known, length)| {
                if name.is_empty() { *length == digits.len() } else { *known == name }
            },
        );
        match known {
            Some((algorithm, length)) if *length == digits.len() => Ok(Self { algorithm, digits }),
            Some((algorithm, length)) => {
                Err(wrong(format!("a {algorithm} checksum has {length} digits, not {}", digits.len())))
            }
            None if name.is_empty() => Err(wrong(format!("no checksum has {} digits", digits.len()))),
            None => Err(wrong(format!("`{name}` is no known checksum algorithm"))),
        }
    }

    /// Finds the strongest checksum of a file in a checksum file of the BSD or the GNU style; signed text around the
    /// lines does no harm. A file with a single checksum and no name is about whatever it stands beside.
    pub fn find(list: &str, file: &str) -> Option<Self> {
        let mut best: Option<Self> = None;
        let mut lines = 0;
        for line in list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            lines += 1;
            let found = bsd(line).or_else(|| gnu(line));
            let Some((checksum, name)) = found else { continue };
            let same = name.rsplit('/').next() == Some(file);
            if same && best.as_ref().is_none_or(|best| best.digits.len() < checksum.digits.len()) {
                best = Some(checksum);
            }
        }
        best.or_else(|| (lines == 1).then(|| Self::parse(list).ok()).flatten())
    }

    /// The checksum of a list that has only one, whatever it calls its file.
    pub fn single(list: &str) -> Option<Self> {
        let mut found = list.lines().map(str::trim).filter_map(|line| bsd(line).or_else(|| gnu(line)));
        let (only, _) = found.next()?;
        found.next().is_none().then_some(only)
    }

    /// Compares with what was counted; `what` names the file.
    pub fn verify(&self, found: &Self, what: &str) -> Result<()> {
        if self == found {
            return Ok(());
        }
        Err(Error::new(Code::Failed, Area::Storage, format!("the checksum of `{what}` is wrong"))
            .note(format!("expected: {self}"))
            .note(format!("found:    {found}"))
            .hint("the file was changed or damaged, or the checksum belongs to another version of it"))
    }

    /// A hasher for this algorithm.
    pub fn hasher(&self) -> Hasher {
        Hasher::new(self.algorithm)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.digits)
    }
}

/// Counts a checksum over bytes that come piece by piece.
pub enum Hasher {
    /// SHA-224.
    Sha224(Sha224),
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    fn new(algorithm: &str) -> Self {
        match algorithm {
            "sha224" => Self::Sha224(Sha224::new()),
            "sha384" => Self::Sha384(Sha384::new()),
            "sha512" => Self::Sha512(Sha512::new()),
            _ => Self::Sha256(Sha256::new()),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha224(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The checksum of all bytes.
    pub fn finish(self) -> Checksum {
        let (algorithm, digits) = match self {
            Self::Sha224(hash) => ("sha224", hex(&hash.finalize())),
            Self::Sha256(hash) => ("sha256", hex(&hash.finalize())),
            Self::Sha384(hash) => ("sha384", hex(&hash.finalize())),
            Self::Sha512(hash) => ("sha512", hex(&hash.finalize())),
        };
        Checksum { algorithm, digits }
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::Sha256(Sha256::new())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        digits.push_str(&format!("{byte:02x}"));
        digits
    })
}

/// `SHA256 (name) = digits`.
fn bsd(line: &str) -> Option<(Checksum, &str)> {
    let (algorithm, rest) = line.split_once(" (")?;
    let (name, digits) = rest.rsplit_once(") = ")?;
    Some((Checksum::parse(&format!("{algorithm}:{digits}")).ok()?, name))
}

/// `digits  name`, or `digits *name` for a file read as binary.
fn gnu(line: &str) -> Option<(Checksum, &str)> {
    let (digits, name) = line.split_once(char::is_whitespace)?;
    let name = name.trim_start();
    Some((Checksum::parse(digits).ok()?, name.strip_prefix('*').unwrap_or(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn values_are_read_and_compared() {
        let expected = Checksum::parse(EMPTY).expect("digits alone");
        assert_eq!(Checksum::parse(&format!("SHA-256:{}", EMPTY.to_uppercase())), Ok(expected.clone()));
        let mut hasher = expected.hasher();
        hasher.update(b"");
        assert_eq!(expected.verify(&hasher.finish(), "a"), Ok(()));
        let mut other = expected.hasher();
        other.update(b"x");
        let error = expected.verify(&other.finish(), "disk.img").expect_err("another content");
        assert_eq!(error.message, "the checksum of `disk.img` is wrong");
        assert_eq!(error.notes[0], format!("expected: sha256:{EMPTY}"));
    }

    #[test]
    fn wrong_values_are_refused() {
        for (text, message) in [
            ("sha256:12", "a sha256 checksum has 64 digits, not 2"),
            ("crc32:12345678", "`crc32` is no known checksum algorithm"),
            ("sha256:xyz", "`sha256:xyz` is no checksum: it is not hexadecimal"),
            ("123", "no checksum has 3 digits"),
            (
                "md5:d41d8cd98f00b204e9800998ecf8427e",
                "MD5 and SHA-1 prove nothing: files with the same checksum can be made",
            ),
        ] {
            assert_eq!(Checksum::parse(text).expect_err(text).message, message);
        }
    }

    #[test]
    fn both_styles_of_checksum_files_are_read() {
        let other = EMPTY.replace('e', "0");
        let long = "0".repeat(128);
        let bsd = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# a.img: 12 bytes\nSHA256 (a.img) = {EMPTY}\nSHA256 (b.img) = {other}\n"
        );
        let gnu = format!("{other}  ./b.img\n{EMPTY} *a.img\n{long}  c.img\n");
        for list in [&bsd, &gnu] {
            assert_eq!(Checksum::find(list, "a.img"), Checksum::parse(EMPTY).ok());
            assert_eq!(Checksum::find(list, "b.img"), Checksum::parse(&other).ok());
            assert_eq!(Checksum::find(list, "img"), None);
        }
        assert_eq!(Checksum::find(&format!("{EMPTY}\n"), "any"), Checksum::parse(EMPTY).ok());
        assert_eq!(Checksum::single(&format!("# of\n{EMPTY}  older-name\n")), Checksum::parse(EMPTY).ok());
        assert_eq!(Checksum::single(&gnu), None);
        let both = format!("{EMPTY}  c.img\n{long}  c.img\n");
        assert_eq!(Checksum::find(&both, "c.img"), Checksum::parse(&long).ok(), "the stronger one counts");
    }
}
