//! Keys that are pressed on a domain's keyboard, by the names of Linux's input codes.

use super::Domain;
use super::cause::Explain;
use crate::floor::{Error, Result, did_you_mean};
use std::time::Duration;
use virt::sys;

/// The most keys that libvirt presses at once.
const MOST: usize = 16;

/// Linux's names without their `KEY_`, as they follow each other from a number on.
const ROWS: &[(u32, &[&str])] = &[
    (1, &["ESC", "1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "MINUS", "EQUAL", "BACKSPACE", "TAB"]),
    (16, &["Q", "W", "E", "R", "T", "Y", "U", "I", "O", "P", "LEFTBRACE", "RIGHTBRACE", "ENTER", "LEFTCTRL"]),
    (30, &["A", "S", "D", "F", "G", "H", "J", "K", "L", "SEMICOLON", "APOSTROPHE", "GRAVE", "LEFTSHIFT", "BACKSLASH"]),
    (44, &["Z", "X", "C", "V", "B", "N", "M", "COMMA", "DOT", "SLASH", "RIGHTSHIFT", "KPASTERISK", "LEFTALT"]),
    (57, &["SPACE", "CAPSLOCK", "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "NUMLOCK", "SCROLLLOCK"]),
    (71, &["KP7", "KP8", "KP9", "KPMINUS", "KP4", "KP5", "KP6", "KPPLUS", "KP1", "KP2", "KP3", "KP0", "KPDOT"]),
    (86, &["102ND", "F11", "F12"]),
    (96, &["KPENTER", "RIGHTCTRL", "KPSLASH", "SYSRQ", "RIGHTALT"]),
    (102, &["HOME", "UP", "PAGEUP", "LEFT", "RIGHT", "END", "DOWN", "PAGEDOWN", "INSERT", "DELETE"]),
    (113, &["MUTE", "VOLUMEDOWN", "VOLUMEUP", "POWER", "KPEQUAL"]),
    (119, &["PAUSE"]),
    (125, &["LEFTMETA", "RIGHTMETA", "COMPOSE", "STOP"]),
    (142, &["SLEEP", "WAKEUP"]),
];

/// What people call some of them.
const NICKNAMES: &[(&str, &str)] = &[
    ("ALT", "LEFTALT"),
    ("CTRL", "LEFTCTRL"),
    ("DEL", "DELETE"),
    ("ESCAPE", "ESC"),
    ("META", "LEFTMETA"),
    ("RETURN", "ENTER"),
    ("SHIFT", "LEFTSHIFT"),
];

impl Domain {
    /// Presses keys together, holds them, and lets them go: names such as `KEY_LEFTCTRL`, `ctrl`, `f2` or `a`.
    pub fn send_key(&self, keys: &[String], hold: Duration) -> Result<()> {
        let mut codes = keys.iter().map(|key| code(key)).collect::<Result<Vec<_>>>()?;
        if codes.is_empty() || codes.len() > MOST {
            return Err(Error::argument(format!("{} keys cannot be pressed at once, but 1 to {MOST}", codes.len())));
        }
        let hold = u32::try_from(hold.as_millis()).unwrap_or(u32::MAX);
        let count = i32::try_from(codes.len()).unwrap_or_default();
        self.raw()?
            .send_key(sys::VIR_KEYCODE_SET_LINUX, hold, codes.as_mut_ptr(), count, 0)
            .explain("press keys of", self.object())
    }
}

/// Linux's number of a key.
fn code(given: &str) -> Result<u32> {
    let name = given.to_ascii_uppercase();
    let name = name.strip_prefix("KEY_").unwrap_or(&name);
    let name = NICKNAMES.iter().find(|(nickname, _)| *nickname == name).map_or(name, |(_, name)| name);
    let all = || ROWS.iter().flat_map(|(first, names)| (*first..).zip(*names));
    all().find(|(_, known)| **known == name).map(|(code, _)| code).ok_or_else(|| {
        let error = Error::argument(format!("there is no key `{given}`"));
        match did_you_mean(name, all().map(|(_, known)| *known)) {
            Some(hint) => error.hint(hint),
            None => error.hint("keys have the names of Linux's input codes, such as `KEY_LEFTCTRL` or `f2`"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_linux() {
        // From linux/input-event-codes.h.
        for (name, number) in [
            ("KEY_ESC", 1),
            ("tab", 15),
            ("KEY_ENTER", 28),
            ("ctrl", 29),
            ("key_backslash", 43),
            ("LEFTALT", 56),
            ("space", 57),
            ("f10", 68),
            ("scrolllock", 70),
            ("KPDOT", 83),
            ("f12", 88),
            ("rightalt", 100),
            ("del", 111),
            ("power", 116),
            ("pause", 119),
            ("compose", 127),
            ("wakeup", 143),
        ] {
            assert_eq!(code(name).expect("known"), number, "{name}");
        }
        assert_eq!(code("KEY_LEFTCTR").expect_err("no such key").hints, ["did you mean `LEFTCTRL`?"]);
    }
}
