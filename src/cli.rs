//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::access::Scope;
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Collect and serve until it is stopped (this is the default)
    #[default]
    Run,
    /// Show the configuration in force and what is found on this box, and exit
    Check,
    /// Make, list and revoke the tokens that scripts use
    #[command(subcommand)]
    Token(TokenCommand),
    /// Hash a password for `auth.users` in the configuration; it is asked for, or read from a pipe
    HashPassword,
    /// Give the admin that takpulse made at its first start a new password, and print it
    ResetPassword,
    /// Publish an event on a running takpulse; the token is taken from $TAKPULSE_TOKEN
    Publish(PublishCommand),
}

/// What can be done with tokens.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, for the only time
    New {
        /// What it is called
        name: String,
        /// What it is for: stream, publish, metrics or admin (several: with commas)
        #[arg(long, value_delimiter = ',', required = true)]
        scope: Vec<Scope>,
    },
    /// Show all tokens and when each was last used
    List,
    /// Take a token away; a running takpulse refuses it at once
    Revoke {
        /// What it is called
        name: String,
    },
}

/// An event to publish.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct PublishCommand {
    /// Its type, such as weather
    #[arg(value_name = "TYPE")]
    pub topic: String,
    /// Its data as JSON; `-` reads it from the standard input
    #[arg(value_name = "JSON", default_value = "-", allow_negative_numbers = true)]
    pub data: String,
    /// An id of your own; an event with an id that was accepted before is not delivered twice
    #[arg(long)]
    pub id: Option<String>,
    /// The Flask-SSE channel
    #[arg(long)]
    pub channel: Option<String>,
    /// What viewers wait before they connect again, in milliseconds
    #[arg(long, value_name = "MS")]
    pub retry: Option<u64>,
}

impl Cli {
    /// What the command line says about the configuration.
    pub fn overrides(&self) -> Overrides {
        Overrides::with_environment(self.config.clone(), self.listen.clone())
    }
}
