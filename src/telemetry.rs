//! The log: lines on stderr, for people or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::fmt;

use crate::config::{LogConfig, LogFormat};

/// Sends log lines to stderr from now on. The second call in one process changes nothing.
pub fn start(config: LogConfig) {
    let lines = fmt()
        .with_max_level(config.level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // A terminal that is gone must not take the process with it: the default panics.
        .log_internal_errors(false);
    let _already_started = match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
