//! Parses, loads, dispatches, and turns the outcome into an exit code: 0 clean, 1 could not run,
//! 2 usage (clap's), 78 configuration.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use takpulse::app::App;
use takpulse::cli::{Cli, Command};
use takpulse::config::{self, Loaded};
use takpulse::{check, shutdown, telemetry};
use tokio_util::sync::CancellationToken;

const CONFIGURATION_FAULT: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let loaded = match config::load(cli.overrides()) {
        Ok(loaded) => loaded,
        Err(faults) => return refuse(&faults, ExitCode::from(CONFIGURATION_FAULT)),
    };
    // One thread serves everything: it measured best for streams, and is light on a small box.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return refuse(&why, ExitCode::FAILURE),
    };
    let code = match cli.command.unwrap_or_default() {
        Command::Run => runtime.block_on(run(loaded)),
        Command::Check => runtime.block_on(async {
            print!("{}", check::report(&loaded).await);
            ExitCode::SUCCESS
        }),
    };
    // A reading that hangs in the kernel must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    code
}

async fn run(loaded: Loaded) -> ExitCode {
    telemetry::start(loaded.config.log);
    let app = match App::bind(loaded.config).await {
        Ok(app) => app,
        Err(why) => return refuse(&why, ExitCode::FAILURE),
    };
    println!("takpulse {} is running: http://{}/", env!("CARGO_PKG_VERSION"), app.address());
    let ending = CancellationToken::new();
    tokio::spawn(shutdown::cancel_when_requested(ending.clone()));
    app.run(ending).await;
    ExitCode::SUCCESS
}

fn refuse(why: &dyn std::fmt::Display, code: ExitCode) -> ExitCode {
    eprintln!("takpulse: {why}");
    code
}
