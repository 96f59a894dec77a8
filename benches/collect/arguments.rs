//! What the benchmark can be told: `cargo bench --bench collect -- --quick takpulse`.

use std::time::Duration;

use clap::Parser;

/// What this process is there for.
pub enum Task {
    /// Say how to run it: `cargo test --all-targets` runs it without `--bench`.
    Explain,
    /// Measure.
    Measure(Arguments),
}

/// What it costs to know what containers use: takpulse beside `docker stats` and polling the API.
#[derive(Parser, Debug)]
#[command(name = "collect")]
pub struct Arguments {
    /// Only ways whose name contains one of these.
    names: Vec<String>,
    /// How many containers run.
    #[arg(long, default_value_t = 50)]
    containers: usize,
    /// Between two readings of the poller and of takpulse, in seconds.
    #[arg(long, default_value_t = 5)]
    interval: u64,
    /// How long each way watches, and nobody does before it, in seconds (default: 30; with --quick: 15).
    #[arg(long)]
    seconds: Option<u64>,
    /// How often all ways take their turn (default: 4; with --quick: 1).
    #[arg(long)]
    rounds: Option<usize>,
    /// To see that everything works, not to compare.
    #[arg(long)]
    quick: bool,
    /// What cargo bench says.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    /// Reads the command line; a wrong one ends the process.
    pub fn read() -> Task {
        let arguments = Arguments::parse();
        if arguments.bench { Task::Measure(arguments) } else { Task::Explain }
    }

    /// Whether this way is asked for.
    pub fn wants(&self, way: &str) -> bool {
        let is_named = |name: &String| way.contains(name.as_str());
        self.names.is_empty() || self.names.iter().any(is_named)
    }

    /// How many containers run.
    pub fn containers(&self) -> usize {
        self.containers
    }

    /// Between two readings.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval.max(1))
    }

    /// How long each way watches in a round.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 15 } else { 30 }).max(1))
    }

    /// How often all ways take their turn.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 4 }).max(1)
    }
}
