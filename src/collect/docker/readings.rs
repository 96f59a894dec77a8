//! Reads what the running containers use, and remembers it for the next rates.
//!
//! Older engines (20.10) answer a question for figures only at their own next tick, up to a second
//! later, and a stuck container may never answer. So the questions run on their own: a report waits
//! for them a moment only, then goes out with the figures of the time before, and those that come
//! later are a change like any other. That a container died is never late because of a figure.

use std::collections::{HashMap, HashSet};
use std::future;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::StatsOptionsBuilder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_stream::StreamExt;

use super::Listed;
use super::ask::{self, Answer};
use super::connect::Engine;
use super::containers::Details;
use super::details::KnownDetails;
use super::report::Figures;
use super::stats::Sample;

/// So many questions are with the engine at once.
const AT_ONCE: usize = 16;

/// A container that does not tell its figures within this has none.
const PATIENCE: Duration = Duration::from_secs(2);

/// A report waits this long for figures.
const MOMENT: Duration = Duration::from_millis(250);

/// A container that is seen for the first time gets its rates after this, not at the next tick.
const FIRST_RATES: Duration = Duration::from_secs(1);

/// The figures of all running containers.
#[derive(Debug)]
pub struct Readings {
    /// By full id.
    known: HashMap<String, Reading>,
    questions: JoinSet<(Question, Answer<Option<Sample>>)>,
    /// The full ids that the questions are about.
    asked: HashSet<String>,
    turns: Arc<Semaphore>,
}

/// The last that is known of one container.
#[derive(Debug)]
struct Reading {
    asked_at: Instant,
    /// `None`: it did not answer.
    sample: Option<Sample>,
    figures: Figures,
    /// Which run of the container it was.
    started_at: Option<f64>,
    /// Whether there was none before it, so that there are no rates yet.
    is_first: bool,
}

/// What was known of a container when it was asked.
#[derive(Debug)]
struct Question {
    id: String,
    asked_at: Instant,
    started_at: Option<f64>,
    memory_limited: bool,
}

impl Readings {
    /// Nothing is known yet.
    pub fn new() -> Readings {
        Readings {
            known: HashMap::new(),
            questions: JoinSet::new(),
            asked: HashSet::new(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// A container's figures; none of them known when it does not run or did not answer.
    pub fn figures(&self, id: &str) -> Figures {
        let reading = self.known.get(id);
        reading.map_or_else(Figures::default, |reading| reading.figures.clone())
    }

    /// Resolves when late figures are here, or when containers that were seen for the first time
    /// can be given rates. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.asked.is_empty() {
            let first = self.known.values().filter(|reading| reading.is_first);
            match first.map(|reading| reading.asked_at).max() {
                Some(at) => sleep_until(at + FIRST_RATES).await,
                None => future::pending().await,
            }
        }
        while let Some(answer) = self.questions.join_next().await {
            self.take(answer.ok());
        }
        self.asked.clear();
    }

    /// Asks those that run and whose figures are at least this old, and waits a moment for the
    /// answers. A container that is gone leaves the list.
    pub async fn refresh(
        &mut self,
        engine: &Engine,
        listed: &mut Listed,
        details: &KnownDetails,
        age: Duration,
    ) {
        while let Some(answer) = self.questions.try_join_next() {
            self.take(answer.ok());
        }
        self.forget_those_that_ended(listed, details);
        for id in self.due(listed, age) {
            self.ask(engine, id, details);
        }
        let deadline = Instant::now() + MOMENT;
        while let Ok(Some(answer)) = timeout_at(deadline, self.questions.join_next()).await {
            if let Some(gone) = self.take(answer.ok()) {
                listed.remove(&gone);
            }
        }
    }

    /// A run that is over says nothing about the next.
    fn forget_those_that_ended(&mut self, listed: &Listed, details: &KnownDetails) {
        self.known.retain(|id, reading| {
            let started_at = details.get(id).and_then(|details| details.started_at);
            listed.get(id).is_some_and(runs) && started_at == reading.started_at
        });
    }

    /// Those that run, have no figures of this age, and are not being asked already.
    fn due(&self, listed: &Listed, age: Duration) -> Vec<String> {
        let running = listed.iter().filter(|(_, listed)| runs(listed));
        let unasked = running.map(|(id, _)| id).filter(|id| !self.asked.contains(*id));
        unasked
            .filter(|id| {
                let known = self.known.get(*id);
                known.is_none_or(|reading| reading.is_due(age))
            })
            .cloned()
            .collect()
    }

    fn ask(&mut self, engine: &Engine, id: String, details: &KnownDetails) {
        let details = details.get(&id);
        let question = Question {
            asked_at: Instant::now(),
            started_at: details.and_then(|details| details.started_at),
            memory_limited: details.is_some_and(Details::is_memory_limited),
            id: id.clone(),
        };
        let (engine, turns) = (engine.clone(), self.turns.clone());
        self.questions.spawn(async move {
            let _turn = turns.acquire().await;
            let answer = ask::one(PATIENCE, stats(&engine, &question.id)).await;
            (question, answer)
        });
        self.asked.insert(id);
    }

    /// Takes an answer in; returns the container's id when there is no such container any more.
    fn take(&mut self, answer: Option<(Question, Answer<Option<Sample>>)>) -> Option<String> {
        let (question, answer) = answer?;
        self.asked.remove(&question.id);
        let sample = match answer {
            Answer::Said(sample) => sample,
            Answer::Nothing => None,
            Answer::Gone => {
                self.known.remove(&question.id);
                return Some(question.id);
            }
        };
        let known = self.known.get(&question.id);
        let before = known
            .filter(|before| before.started_at == question.started_at)
            .and_then(|before| before.sample.as_ref());
        let figures = sample.as_ref().map(|sample| sample.figures(before, question.memory_limited));
        let reading = Reading {
            asked_at: question.asked_at,
            is_first: before.is_none() && sample.is_some(),
            figures: figures.unwrap_or_default(),
            sample,
            started_at: question.started_at,
        };
        self.known.insert(question.id, reading);
        None
    }
}

impl Reading {
    fn is_due(&self, age: Duration) -> bool {
        let elapsed = self.asked_at.elapsed();
        elapsed >= age || (self.is_first && elapsed >= FIRST_RATES)
    }
}

/// Paused containers don't run: reading them would only cost.
fn runs(listed: &ContainerSummary) -> bool {
    listed.state == Some(ContainerSummaryStateEnum::RUNNING)
}

async fn stats(engine: &Engine, id: &str) -> Result<Option<Sample>, bollard::errors::Error> {
    // One-shot: the engine does not wait for a second reading of its own.
    let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
    let mut said = engine.docker.stats(id, Some(options));
    let stats = said.next().await.transpose()?;
    Ok(stats.and_then(|stats| Sample::of(Instant::now(), &stats)))
}
