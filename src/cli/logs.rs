//! The log on standard error.

use super::arguments::{Arguments, Format, Level};
use crate::floor::{Error, did_you_mean, hide};
use crate::repl::SetLog;
use clap::ValueEnum;
use std::io::{self, Write};
use std::sync::Arc;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry, reload};

/// Sets up the log; what it gives changes how much is logged.
pub(super) fn init(arguments: &Arguments) -> SetLog {
    let level = if arguments.quiet { LevelFilter::ERROR } else { filter(arguments.log_level) };
    let (filter_layer, handle) = reload::Layer::new(level);
    let log = fmt::layer().with_writer(|| Hiding).with_target(false);
    match arguments.log_format {
        Format::Text => registry().with(filter_layer).with(log.without_time().with_ansi(false)).init(),
        Format::Json => registry().with(filter_layer).with(log.json()).init(),
    }
    Arc::new(move |name| {
        let level = Level::from_str(name, true).map_err(|_| unknown(name))?;
        handle
            .reload(filter(level))
            .map_err(|cause| Error::argument("cannot change the log").caused_by(cause.to_string()))
    })
}

/// Standard error, with secrets hidden: an event is written at once.
struct Hiding;

impl Write for Hiding {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(hide(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

fn unknown(name: &str) -> Error {
    let levels = ["error", "warn", "info", "debug", "trace"];
    let error = Error::argument(format!("no log level `{name}`"));
    error.hint(did_you_mean(name, levels).unwrap_or_else(|| format!("levels are {}", levels.join(", "))))
}
