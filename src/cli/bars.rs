//! Progress events as bars on the terminal.

use crate::floor::progress::{Event, Sink};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How a bar looks whose end is known.
const SIZED: &str = "{prefix} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";

/// Runs this while no bar is drawn, so that lines do not mix.
pub(super) fn suspend<T>(write: impl FnOnce() -> T) -> T {
    BARS.suspend(write)
}

/// Draws progress events.
pub(super) fn sink() -> Sink {
    let bars: Mutex<HashMap<u64, ProgressBar>> = Mutex::new(HashMap::new());
    Box::new(move |id, event| {
        let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begin { label, total } => {
                let bar = BARS.add(new_bar(total));
                bar.set_prefix(label.to_string());
                bars.insert(id, bar);
            }
            Event::At(done) => bars.get(&id).into_iter().for_each(|bar| bar.set_position(done)),
            Event::Total(total) => bars.get(&id).into_iter().for_each(|bar| {
                if let Some(total) = total {
                    bar.set_length(total);
                    if let Ok(style) = ProgressStyle::with_template(SIZED) {
                        bar.set_style(style);
                    }
                }
            }),
            Event::Status(text) => bars.get(&id).into_iter().for_each(|bar| bar.set_message(text.to_string())),
            Event::End => bars.remove(&id).into_iter().for_each(|bar| bar.finish_and_clear()),
        }
    })
}

fn new_bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), SIZED),
        None => (ProgressBar::new_spinner(), "{spinner} {prefix} {elapsed} {wide_msg}"),
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
