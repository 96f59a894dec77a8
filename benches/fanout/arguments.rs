//! What the benchmark can be told: `cargo bench --bench fanout -- --quick steady`.

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

/// What this process is there for.
pub enum Task {
    /// Say how to run it: `cargo test --all-targets` runs it without `--bench`.
    Explain,
    /// Be the raw broadcaster.
    ServeRaw {
        /// Where the driver is.
        control: SocketAddr,
    },
    /// Drive.
    Measure(Arguments),
}

/// takpulse's fan-out of events beside a raw epoll broadcaster, and nchan where it is installed.
#[derive(Parser, Debug)]
#[command(name = "fanout")]
pub struct Arguments {
    /// Only scenarios whose name contains one of these.
    names: Vec<String>,
    /// How often each is measured (default: 3; with --quick: 1).
    #[arg(long)]
    rounds: Option<usize>,
    /// One short round: to see that everything works, not to compare.
    #[arg(long)]
    quick: bool,
    /// What cargo bench says.
    #[arg(long, hide = true)]
    bench: bool,
    /// Where the driver is.
    #[arg(long, hide = true)]
    control: Option<SocketAddr>,
    #[command(subcommand)]
    serve: Option<Serve>,
}

#[derive(Subcommand, Debug)]
enum Serve {
    /// Be the raw broadcaster.
    #[command(hide = true)]
    ServeRaw,
}

impl Arguments {
    /// Reads the command line; a wrong one ends the process.
    pub fn read() -> Task {
        let mut arguments = Arguments::parse();
        match (arguments.serve.take(), arguments.control) {
            (Some(Serve::ServeRaw), Some(control)) => Task::ServeRaw { control },
            _ if arguments.bench => Task::Measure(arguments),
            _ => Task::Explain,
        }
    }

    /// Whether this scenario is asked for.
    pub fn wants(&self, scenario: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| scenario.contains(name))
    }

    /// How often each is measured.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// What measured times are multiplied with.
    pub fn scale(&self) -> f64 {
        if self.quick { 0.25 } else { 1.0 }
    }
}
