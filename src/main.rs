//! Parses, loads, dispatches, and turns the outcome into an exit code: 0 clean, 1 could not run,
//! 2 usage (clap's), 78 configuration.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use takpulse::cli::{Cli, Command};
use takpulse::{app, check, config};

const CONFIGURATION_FAULT: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let loaded = match config::load(cli.overrides()) {
        Ok(loaded) => loaded,
        Err(faults) => return refuse(&faults, ExitCode::from(CONFIGURATION_FAULT)),
    };
    let outcome = match cli.command.unwrap_or_default() {
        Command::Run => app::run(loaded.config),
        Command::Check => app::block_on(check::report(&loaded)).map(|report| say(&report)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => refuse(&why, ExitCode::FAILURE),
    }
}

/// To stdout, where nobody may listen any more.
fn say(text: &str) {
    let _unheard = std::io::stdout().write_all(text.as_bytes());
}

fn refuse(why: &dyn Display, code: ExitCode) -> ExitCode {
    let _unheard = writeln!(std::io::stderr(), "takpulse: {why}");
    code
}
