//! Parses, loads, dispatches, and turns the outcome into an exit code: 0 clean, 1 could not run,
//! 2 usage (clap's), 78 configuration.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use takpulse::access::{self, AccessError, StateDir};
use takpulse::cli::{Cli, Command, TokenCommand};
use takpulse::config::Config;
use takpulse::{app, check, config, passwords, post};

const CONFIGURATION_FAULT: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let loaded = match config::load(cli.overrides()) {
        Ok(loaded) => loaded,
        Err(faults) => return refuse(&faults, ExitCode::from(CONFIGURATION_FAULT)),
    };
    let outcome: Result<String, Box<dyn Error>> = match cli.command.unwrap_or_default() {
        Command::Run => app::run(loaded.config).map(|()| String::new()).map_err(Box::from),
        Command::Check => app::block_on(check::report(&loaded)).map_err(Box::from),
        Command::Token(command) => tokens(&loaded.config, command).map_err(Box::from),
        Command::HashPassword => passwords::hash().map_err(Box::from),
        Command::ResetPassword => passwords::reset(&loaded.config).map_err(Box::from),
        Command::Publish(command) => post::publish(&loaded.config, command).map_err(Box::from),
    };
    match outcome {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&why, ExitCode::FAILURE),
    }
}

fn tokens(config: &Config, command: TokenCommand) -> Result<String, AccessError> {
    let dir = StateDir::at(&config.state_dir);
    match command {
        TokenCommand::New { name, scope } => access::make(&dir, &name, &scope),
        TokenCommand::List => access::list(&dir),
        TokenCommand::Revoke { name } => access::revoke(&dir, &name),
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
