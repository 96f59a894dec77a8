//! Remembers the last figures of each running container, which the next rates are taken against.

use std::collections::HashMap;
use std::future;
use std::time::Duration;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::StatsOptionsBuilder;
use tokio::time::{Instant, sleep_until};
use tokio_stream::StreamExt;

use super::Listed;
use super::ask::{self, Answer};
use super::connect::Engine;
use super::details::KnownDetails;
use super::report::Figures;
use super::stats::Sample;

/// Figures are read again when they are older than this.
const FRESH: Duration = Duration::from_millis(900);

/// A container that is seen for the first time gets its rates after this, not at the next tick.
const FIRST_RATES: Duration = Duration::from_secs(1);

/// The last figures of all running containers, by full id.
#[derive(Debug, Default)]
pub struct Readings(HashMap<String, Reading>);

#[derive(Debug)]
struct Reading {
    sample: Sample,
    figures: Figures,
    /// Which run of the container it was.
    started_at: Option<f64>,
    /// Whether there was none before it, so that there are no rates yet.
    is_first: bool,
}

impl Readings {
    /// A container's figures; none of them known when it does not run or did not answer.
    pub fn figures(&self, id: &str) -> Figures {
        let reading = self.0.get(id);
        reading.map_or_else(Figures::default, |reading| reading.figures.clone())
    }

    /// Resolves when containers that were seen for the first time can be given rates. Cancel-safe.
    pub async fn rates_due(&self) {
        let first = self.0.values().filter(|reading| reading.is_first);
        match first.map(|reading| reading.sample.at).max() {
            Some(at) => sleep_until(at + FIRST_RATES).await,
            None => future::pending().await,
        }
    }

    /// Reads the figures of those that run. A container that is gone leaves the list.
    pub async fn refresh(&mut self, engine: &Engine, listed: &mut Listed, details: &KnownDetails) {
        self.forget_those_that_ended(listed, details);
        let due = self.due(listed);
        for id in &due {
            if let Some(reading) = self.0.get_mut(id) {
                reading.outdate();
            }
        }
        let questions = due.into_iter().map(|id| stats(engine.clone(), id));
        for (id, answer) in ask::all(questions.collect()).await {
            match answer {
                Answer::Said(Some(sample)) => self.take(id, sample, details),
                Answer::Gone => drop(listed.remove(&id)),
                Answer::Said(None) | Answer::Nothing => {}
            }
        }
    }

    /// A run that is over says nothing about the next.
    fn forget_those_that_ended(&mut self, listed: &Listed, details: &KnownDetails) {
        self.0.retain(|id, reading| {
            let started_at = details.get(id).and_then(|details| details.started_at);
            listed.get(id).is_some_and(runs) && started_at == reading.started_at
        });
    }

    /// Those that run and whose figures are not fresh.
    fn due(&self, listed: &Listed) -> Vec<String> {
        let running = listed.iter().filter(|(_, listed)| runs(listed));
        running
            .map(|(id, _)| id)
            .filter(|id| self.0.get(*id).is_none_or(Reading::is_stale))
            .cloned()
            .collect()
    }

    fn take(&mut self, id: String, sample: Sample, details: &KnownDetails) {
        let before = self.0.get(&id).map(|reading| &reading.sample);
        let details = details.get(&id);
        let limited = details.is_some_and(|details| details.memory_limited);
        let reading = Reading {
            figures: sample.figures(before, limited),
            is_first: before.is_none(),
            started_at: details.and_then(|details| details.started_at),
            sample,
        };
        self.0.insert(id, reading);
    }
}

impl Reading {
    fn is_stale(&self) -> bool {
        self.sample.at.elapsed() >= FRESH
    }

    /// From here on, nothing is known until the engine answers.
    fn outdate(&mut self) {
        self.figures = Figures::default();
        self.is_first = false;
    }
}

/// Paused containers don't run: reading them would only cost.
fn runs(listed: &ContainerSummary) -> bool {
    listed.state == Some(ContainerSummaryStateEnum::RUNNING)
}

async fn stats(engine: Engine, id: String) -> (String, Answer<Option<Sample>>) {
    // One-shot: the engine does not wait a second for a rate of its own.
    let options = StatsOptionsBuilder::default()
        .stream(false)
        .one_shot(true)
        .build();
    let question = async {
        let mut said = engine.docker.stats(&id, Some(options));
        let stats = said.next().await.transpose()?;
        Ok(stats.and_then(|stats| Sample::of(Instant::now(), &stats)))
    };
    let answer = ask::one(question).await;
    (id, answer)
}
