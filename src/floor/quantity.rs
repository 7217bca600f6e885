//! Durations and sizes as people write them.

use super::{Error, Result, Value};
use std::time::{Duration, UNIX_EPOCH};

/// Reads a duration: seconds as a number (`300`, `1.5`), or text such as `"300"`, `"500ms"`, `"5m"` or `"1m30s"`.
pub fn duration(value: &Value) -> Result<Duration> {
    let wrong = || {
        Error::argument(format!("{} is not a duration", value.show()))
            .hint("write seconds (`300`) or text such as `\"5m\"`, `\"1m30s\"` or `\"500ms\"`")
    };
    match value {
        Value::Int(seconds) => u64::try_from(*seconds).map(Duration::from_secs).map_err(|_| wrong()),
        Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).map_err(|_| wrong()),
        Value::String(text) => parse_duration(text.trim()).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// A time in seconds since 1970 as ISO 8601 writes it in UTC; nothing for what is not between 1970 and 9999.
pub fn time_text(seconds: i64) -> Option<String> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds < 253_402_300_800)?;
    Some(humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string())
}

fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 0.001,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
        rest = rest[letters..].trim_start();
    }
    (!text.is_empty()).then_some(total)
}

/// Reads a size in bytes: a number, or text such as `"20 GiB"` or `"512M"`.
///
/// Units are libvirt's ("Storage volume XML format", `capacity`): `K`, `KiB` are 1024 bytes, `KB` is 1000.
pub fn size(value: &Value) -> Result<u64> {
    let wrong = || {
        Error::argument(format!("{} is not a size", value.show()))
            .hint("write bytes (`1073741824`) or text such as `\"20 GiB\"`")
    };
    match value {
        Value::Int(bytes) => u64::try_from(*bytes).map_err(|_| wrong()),
        Value::String(text) => parse_size(text.trim()).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim();
    let lower = unit.to_ascii_lowercase();
    if matches!(lower.as_str(), "" | "b" | "byte" | "bytes") {
        return Some(number);
    }
    let power = u32::try_from("kmgtpe".find(lower.chars().next()?)?).ok()? + 1;
    let base: u64 = match &lower[1..] {
        "" | "ib" => 1024,
        "b" => 1000,
        _ => return None,
    };
    number.checked_mul(base.checked_pow(power)?)
}

/// A size for people: `1.5 GiB`.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn format_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 {
        value /= 1024.0;
        unit += 1;
    }
    if value.fract() < 0.005 {
        format!("{value:.0} {}", UNITS[unit - 1])
    } else {
        format!("{value:.1} {}", UNITS[unit - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let seconds = |value: Value| duration(&value).map(|found| found.as_secs_f64());
        assert_eq!(seconds(300.into()), Ok(300.0));
        assert_eq!(seconds(Value::Float(1.5)), Ok(1.5));
        assert_eq!(seconds("1m30s".into()), Ok(90.0));
        assert_eq!(seconds("500ms".into()), Ok(0.5));
        assert_eq!(seconds("2h 5m".into()), Ok(7500.0));
        for wrong in [Value::Int(-1), "".into(), "5 parsecs".into(), "m5".into(), Value::Bool(true), "1e400".into()] {
            assert!(duration(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sizes() {
        let bytes = |text: &str| size(&text.into()).ok();
        assert_eq!(bytes("20 GiB"), Some(20 << 30));
        assert_eq!(bytes("20G"), Some(20 << 30));
        assert_eq!(bytes("1KB"), Some(1000));
        assert_eq!(bytes("512"), Some(512));
        assert_eq!(bytes("18446744073709551615 EiB"), None);
        assert_eq!(bytes("2 gigs"), None);
        assert_eq!(bytes("GiB"), None);
        assert_eq!(format_size(1 << 30), "1 GiB");
        assert_eq!(format_size(1_610_612_736), "1.5 GiB");
        assert_eq!(format_size(17), "17 B");
    }
}
