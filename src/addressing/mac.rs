//! MAC addresses.

use std::fmt;
use std::str::FromStr;

/// A MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

/// The text is no MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAMac;

impl FromStr for Mac {
    type Err = NotAMac;

    /// Reads six pairs of hexadecimal digits with colons between them, in either case.
    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            let pair =
                pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
            *octet = u8::from_str_radix(pair.ok_or(NotAMac)?, 16).map_err(|_| NotAMac)?;
        }
        if pairs.next().is_none() { Ok(Self(octets)) } else { Err(NotAMac) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.map(|octet| format!("{octet:02x}"));
        f.write_str(&pairs.join(":"))
    }
}

impl Mac {
    /// Whether a card may have it: addresses of groups are for nobody.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }

    /// Whether it looks like that of a virtual machine: in QEMU's range, or made from an address.
    pub fn is_virtual(self) -> bool {
        matches!(self.0, [0x52, 0x54, 0x00, ..] | [0xbe, 0xef, ..])
    }

    /// An address in QEMU's range with these last three octets.
    pub fn qemu(last: [u8; 3]) -> Self {
        let [a, b, c] = last;
        Self([0x52, 0x54, 0x00, a, b, c])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_an_address_and_back() {
        assert_eq!("52:54:00:AB:cd:0f".parse::<Mac>().map(|mac| mac.to_string()), Ok("52:54:00:ab:cd:0f".into()));
        for wrong in
            ["", "52:54:00:ab:cd", "52:54:00:ab:cd:0f:11", "52-54-00-ab-cd-0f", "5:4:0:a:c:f", "+2:54:00:ab:cd:0f"]
        {
            assert_eq!(wrong.parse::<Mac>(), Err(NotAMac), "{wrong}");
        }
        assert!(!Mac([1, 0, 0x5e, 0, 0, 1]).is_unicast());
        assert!(Mac::qemu([1, 2, 3]).is_unicast());
        assert!(Mac::qemu([1, 2, 3]).is_virtual() && Mac([0xbe, 0xef, 10, 0, 0, 5]).is_virtual());
        assert!(!Mac([0xb6, 0x7d, 0x33, 0x9e, 0xcc, 0x1c]).is_virtual());
    }
}
