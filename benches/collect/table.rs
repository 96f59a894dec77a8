//! What was measured, side by side, as a Markdown table.

use std::fmt::Write;
use std::time::Duration;

use super::ways::{Watched, Way};

/// What was measured.
pub struct Table {
    /// One after the other.
    pub rounds: Vec<Round>,
    /// What a `/_ping` costs the engine.
    pub ping: Duration,
    /// takpulse with a viewer and no container.
    pub empty: Watched,
    /// By how many KiB takpulse grew from no container to all.
    pub grown_kib: f64,
    /// Between two readings.
    pub interval: Duration,
}

/// The ways in their order, each between two times in which nobody watched.
pub struct Round {
    /// One more than there are ways.
    pub idle: Vec<Watched>,
    /// What each cost.
    pub ways: Vec<(Way, Watched)>,
}

impl Table {
    /// As Markdown.
    pub fn render(&self) -> String {
        let mut text = String::from(
            "| watched by | engine above idle, CPU s/min | watcher | together | of docker stats | of \
             polling |\n|---|---:|---:|---:|---:|---:|\n",
        );
        for way in Way::ALL {
            let Some(total) = self.median(way, Round::total) else { continue };
            let ratio = |other| {
                let of = self.median(other, Round::total);
                of.map_or("-".into(), |of| format!("{:.4}", total / of))
            };
            let figure = |figure| self.median(way, figure).unwrap_or(f64::NAN);
            let _infallible = writeln!(
                text,
                "| {} | {:.3} | {:.3} | {total:.3} | {} | {} |",
                way.name(),
                figure(Round::engine),
                figure(Round::watcher),
                ratio(Way::DockerStats),
                ratio(Way::Polling)
            );
        }
        text + &self.notes()
    }

    fn notes(&self) -> String {
        let idle =
            self.rounds.iter().flat_map(|round| &round.idle).map(|one| one.per_minute(one.engine));
        let idle: Vec<String> = idle.map(|one| format!("{one:.2}")).collect();
        let mut text = format!(
            "\nMedians of {} rounds. The engine when nobody watched: {} CPU s/min.\n",
            self.rounds.len(),
            idle.join(", ")
        );
        if let Some(watcher) = self.median(Way::Takpulse, Round::watcher) {
            text += &self.about_takpulse(watcher);
        }
        text
    }

    /// `watcher`: what takpulse uses, in CPU seconds a minute.
    fn about_takpulse(&self, watcher: f64) -> String {
        let tick_s = self.interval.as_secs_f64();
        let ping = self.ping.as_secs_f64() * 60.0 / tick_s;
        let empty = self.empty.per_minute(self.empty.watcher);
        let times = |way, cost| {
            let of = self.median(way, Round::total);
            of.map_or("-".into(), |of| format!("1/{:.0}", of / cost))
        };
        let ratios = |cost| {
            let (stats, polling) = (times(Way::DockerStats, cost), times(Way::Polling, cost));
            format!("{cost:.4} CPU s/min, {stats} of docker stats and {polling} of polling")
        };
        let in_tick = |minute: f64| minute / 60.0 * tick_s * 1e3;
        format!(
            "takpulse: {:.2} ms of CPU a tick, {:.2} with no container; {:.0} KiB grown from no container \
             to all.\nA /_ping costs the engine {:.3} ms. With one a tick takpulse costs {}; above what it \
             uses with no container {}.\n",
            in_tick(watcher),
            in_tick(empty),
            self.grown_kib,
            self.ping.as_secs_f64() * 1e3,
            ratios(watcher + ping),
            ratios(watcher - empty + ping),
        )
    }

    /// Over the rounds; `None`: it was not measured.
    fn median(&self, way: Way, figure: fn(&Round, Way) -> Option<f64>) -> Option<f64> {
        let mut all: Vec<f64> = self.rounds.iter().filter_map(|round| figure(round, way)).collect();
        all.sort_by(f64::total_cmp);
        let middle = all.len() / 2;
        let upper = *all.get(middle)?;
        Some(if all.len().is_multiple_of(2) {
            f64::midpoint(all[middle - 1], upper)
        } else {
            upper
        })
    }
}

impl Round {
    /// What the engine uses more than before and after it, in CPU seconds a minute.
    fn engine(&self, way: Way) -> Option<f64> {
        let at = self.ways.iter().position(|(one, _)| *one == way)?;
        let idle = |at: usize| self.idle.get(at).map(|one| one.per_minute(one.engine));
        let watched = &self.ways[at].1;
        Some(watched.per_minute(watched.engine) - f64::midpoint(idle(at)?, idle(at + 1)?))
    }

    fn watcher(&self, way: Way) -> Option<f64> {
        let (_, watched) = self.ways.iter().find(|(one, _)| *one == way)?;
        Some(watched.per_minute(watched.watcher))
    }

    fn total(&self, way: Way) -> Option<f64> {
        Some(self.engine(way)? + self.watcher(way)?)
    }
}
