//! The log: lines on stderr, for people or as JSON.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{LogConfig, LogFormat};

/// Libraries say no more than this: what they tell beyond it may be a header with a token in it.
const LIBRARIES: Level = Level::INFO;

/// Sends log lines to stderr from now on. The second call in one process changes nothing.
pub fn start(config: LogConfig) {
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // A terminal that is gone must not take the process with it: the default panics.
        .log_internal_errors(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let wanted = Targets::new()
        .with_target(env!("CARGO_PKG_NAME"), config.level)
        .with_default(config.level.min(LIBRARIES));
    let log = tracing_subscriber::registry().with(lines.with_filter(wanted));
    let _already_started = log.try_init();
}
