//! Progress as bars on the terminal, and as a line for each step that is done.

use crate::floor::progress::{Event, Sink};
use crate::floor::{hide, tell};
use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Whether a step that is done gets a line.
static STEPS: AtomicBool = AtomicBool::new(false);

/// How a bar looks whose end is known.
const SIZED: &str = "{prefix} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";

/// Runs this while no bar is drawn, so that lines do not mix.
pub(super) fn suspend<T>(write: impl FnOnce() -> T) -> T {
    BARS.suspend(write)
}

/// Has each step that is done get a line on standard error from now on.
pub(super) fn show_steps() {
    STEPS.store(true, Ordering::Relaxed);
}

/// Tells something beside the result, unless the steps are not told either.
pub(super) fn note(text: &str) {
    if STEPS.load(Ordering::Relaxed) {
        suspend(|| tell(text));
    }
}

/// Shows progress; bars only where they can be drawn.
pub(super) fn sink(draws: bool) -> Sink {
    let bars: Mutex<HashMap<u64, ProgressBar>> = Mutex::new(HashMap::new());
    Box::new(move |id, event| {
        if let Event::Done { step, took, moved } = event {
            if STEPS.load(Ordering::Relaxed) {
                let line = hide(&done(step, took, moved)).into_owned();
                suspend(|| tell(&line));
            }
            return;
        }
        if !draws {
            return;
        }
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
            Event::Done { .. } => {}
        }
    })
}

/// The line of a step that is done: what takes a while tells how long, and what moves data how fast.
fn done(step: &str, took: Duration, moved: u64) -> String {
    let seconds = took.as_secs_f64();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rate for the eye"
    )]
    let rate = || BinaryBytes((moved as f64 / seconds) as u64);
    match moved {
        _ if seconds < 0.1 => format!("✓ {step}"),
        0 => format!("✓ {step} ({seconds:.1} s)"),
        moved => format!("✓ {step} ({} in {seconds:.1} s, {}/s)", BinaryBytes(moved), rate()),
    }
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
