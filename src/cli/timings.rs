//! `--timings`: what took how long.

use super::arguments::Format;
use crate::floor::{tell, timing};

/// Shows on standard error what was kept, the slowest step marked.
pub(super) fn show(format: Format) {
    let mut done = timing::take();
    // Object by object, in the order in which they came; the steps of each in theirs.
    let firsts: Vec<String> = done.iter().map(|one| one.object.clone()).collect();
    done.sort_by_key(|one| firsts.iter().position(|object| *object == one.object));
    let slowest = done.iter().map(|one| one.took).max();
    match format {
        Format::Text => {
            for one in &done {
                let mark = if Some(one.took) == slowest { "  <- slowest" } else { "" };
                tell(&format!("{:9.3} s  {}: {}{mark}", one.took.as_secs_f64(), one.object, one.step));
            }
        }
        Format::Json => {
            let record = |one: &timing::Timing| {
                serde_json::json!({
                    "object": one.object,
                    "step": one.step,
                    "seconds": one.took.as_secs_f64(),
                    "slowest": Some(one.took) == slowest,
                })
            };
            tell(&serde_json::Value::from(done.iter().map(record).collect::<Vec<_>>()).to_string());
        }
    }
}
