//! The log on standard error.

use super::arguments::{Arguments, Format, Level};
use tracing_subscriber::filter::LevelFilter;

/// Sets up the log.
pub(super) fn init(arguments: &Arguments) {
    let level = match arguments.log_level {
        _ if arguments.quiet => LevelFilter::ERROR,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    match arguments.log_format {
        Format::Text => log.without_time().with_ansi(false).init(),
        Format::Json => log.json().init(),
    }
}
