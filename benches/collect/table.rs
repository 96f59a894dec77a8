//! What was measured, side by side, as a Markdown table.

use std::fmt::Write;
use std::time::Duration;

use super::ways::{Watched, Way};

/// What was measured: the ways, and before, between and after them what the engine used when nobody
/// watched.
pub struct Table {
    /// One more than there are ways.
    pub idle: Vec<Watched>,
    /// In their order.
    pub ways: Vec<(Way, Watched)>,
    /// By how many KiB takpulse grew from no container to all.
    pub grown_kib: f64,
    /// Between two readings.
    pub interval: Duration,
}

impl Table {
    /// As Markdown.
    pub fn render(&self) -> String {
        let mut text = String::from(
            "| watched by | engine above idle, CPU s/min | watcher | together | of docker stats | of \
             polling |\n|---|---:|---:|---:|---:|---:|\n",
        );
        for (way, watched) in &self.ways {
            let total = self.total(*way).unwrap_or(f64::NAN);
            let ratio =
                |other| self.total(other).map_or("-".into(), |of| format!("{:.4}", total / of));
            let watcher = per_minute(watched.watcher, watched);
            let _infallible = writeln!(
                text,
                "| {} | {:.3} | {watcher:.3} | {total:.3} | {} | {} |",
                way.name(),
                total - watcher,
                ratio(Way::DockerStats),
                ratio(Way::Polling)
            );
        }
        text + &self.notes()
    }

    fn notes(&self) -> String {
        let idle = self.idle.iter().map(|one| per_minute(one.engine, one));
        let idle: Vec<String> = idle.map(|one| format!("{one:.3}")).collect();
        let mut text = format!(
            "\nThe engine when nobody watched, before, between and after: {} CPU s/min.\n",
            idle.join(", ")
        );
        for (_, watched) in &self.ways {
            if let Some(reports) = watched.reports {
                let ticks = watched.time.as_secs_f64() / self.interval.as_secs_f64();
                let tick = watched.watcher.as_secs_f64() * 1e3 / ticks;
                let _infallible = writeln!(
                    text,
                    "takpulse: {tick:.2} ms of CPU a tick ({reports} reports in {ticks:.0} ticks); {:.0} \
                     KiB grown from no container to all.",
                    self.grown_kib
                );
            }
        }
        text
    }

    /// What watching costs in this way, in CPU seconds a minute: the watcher, and what the engine uses
    /// more than before and after it.
    fn total(&self, way: Way) -> Option<f64> {
        let at = self.ways.iter().position(|(one, _)| *one == way)?;
        let watched = &self.ways[at].1;
        let idle = |at: usize| self.idle.get(at).map(|one| per_minute(one.engine, one));
        let idle = f64::midpoint(idle(at)?, idle(at + 1)?);
        Some(per_minute(watched.watcher + watched.engine, watched) - idle)
    }
}

fn per_minute(cpu: Duration, watched: &Watched) -> f64 {
    cpu.as_secs_f64() / watched.time.as_secs_f64() * 60.0
}
