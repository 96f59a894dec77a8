//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Overrides;

/// Host, Docker and TAK server of this box, live in a browser.
#[derive(Debug, Parser)]
#[command(name = "takpulse", version, about)]
pub struct Cli {
    /// The configuration file [default: ./config.toml, else /etc/takpulse/config.toml]
    #[arg(long, global = true, value_name = "FILE", env = "TAKPULSE_CONFIG")]
    pub config: Option<PathBuf>,
    /// The address of the dashboard, over what the configuration says
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// What to do; `run` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What takpulse can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Collect and serve until it is stopped (this is the default)
    #[default]
    Run,
    /// Show the configuration in force and what is found on this box, and exit
    Check,
}

impl Cli {
    /// What the command line says about the configuration.
    pub fn overrides(&self) -> Overrides {
        Overrides::with_environment(self.config.clone(), self.listen.clone())
    }
}
