//! Reads what the running containers use, and remembers it for the next rates.
//!
//! The kernel's files tell it for nearly nothing; the engine is asked about those containers only
//! whose files cannot be read. Both may keep us waiting: a thread may hang in the kernel, and
//! older engines (20.10) answer a question for figures only at their own next tick, up to a second
//! later, and a stuck container may never answer. So both run on their own: a report waits for them a
//! moment only, then goes out with the figures of the time before, and those that come
//! later are a change like any other. That a container died is never late because of a figure.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::query_parameters::StatsOptionsBuilder;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_stream::StreamExt;

use super::ask::{self, Answer};
use super::at;
use super::cgroup::{Groups, Told};
use super::connect::Engine;
use super::report::{Figures, Missing};
use super::stats::Sample;
use crate::collect::blocking::Blocking;
use crate::config::HostConfig;

/// So many questions are with the engine at once.
const AT_ONCE: usize = 16;

/// A container that does not tell its figures within this has none.
const PATIENCE: Duration = Duration::from_secs(2);

/// A report waits this long for figures.
const MOMENT: Duration = Duration::from_millis(250);

/// Files that hang for longer than this make what was known too old to be told.
const STALE: Duration = Duration::from_secs(30);

/// A container that is seen for the first time gets its rates after this, not at the next tick.
const FIRST_RATES: Duration = Duration::from_secs(1);

/// What an engine that is like this tells of a container's use is the whole machine's.
pub const NO_GROUPS: &str = "this engine puts no container into a control group of its own, so that even it \
                             cannot tell them apart. A rootless one needs cgroup v2 and a session of \
                             systemd's for that \
                             (https://docs.docker.com/engine/security/rootless/tips/#limiting-resources)";

/// The figures of all running containers.
#[derive(Debug)]
pub struct Readings {
    /// By full id.
    known: HashMap<String, Reading>,
    /// Locked while they are read.
    groups: Arc<Mutex<Groups>>,
    reading: Blocking<Read>,
    /// Since when the files hang.
    late_since: Option<Instant>,
    missing: Vec<Missing>,
    /// Whether files of containers may be open.
    holds_files: bool,
    questions: JoinSet<(Question, Answer<Option<Sample>>)>,
    /// The full ids that the questions are about.
    asked: HashSet<String>,
    turns: Arc<Semaphore>,
}

/// What the kernel's files said.
#[derive(Debug)]
struct Read {
    /// About those that were due, in the order in which they were given.
    told: Vec<(Running, Told)>,
    missing: Vec<Missing>,
    holds_files: bool,
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

/// A container that runs, with what one needs to know of it to read its figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Its full id.
    pub id: String,
    /// Its first process, as the engine numbers it: on this machine, if the engine is on it.
    pub pid: Option<u32>,
    /// Which run of it this is: when it was last started, in Unix seconds.
    pub started_at: Option<f64>,
    /// Its own memory limit; `None`: only the machine's.
    pub memory_limit_bytes: Option<u64>,
    /// Whether its network interfaces are its own: neither the machine's nor another container's.
    pub has_own_network: bool,
}

/// What was known of a container when it was asked.
#[derive(Debug)]
struct Question {
    asked_at: Instant,
    about: Running,
}

impl Readings {
    /// Of containers on the machine whose files are where `host` says. Nothing is known yet.
    pub fn new(host: HostConfig) -> Readings {
        Readings {
            known: HashMap::new(),
            groups: Arc::new(Mutex::new(Groups::new(host))),
            reading: Blocking::default(),
            late_since: None,
            missing: Vec::new(),
            holds_files: false,
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

    /// Figures that this box, or this engine, cannot tell of any container, with what to do about it.
    pub fn missing(&self, engine: &Engine) -> Vec<Missing> {
        if engine.is_known_without_groups() {
            let missing = |figure| Missing { figure, message: NO_GROUPS.into() };
            return ["cpu", "memory", "block", "pids"].map(missing).into();
        }
        self.missing.clone()
    }

    /// Resolves when late figures are here, or when containers that were seen for the first time
    /// can be given rates. Cancel-safe.
    pub async fn changed(&mut self) {
        loop {
            let first_rates = self.first_rates();
            tokio::select! {
                late = self.reading.late() => {
                    // Whom the files say nothing about is asked about at the next refresh.
                    self.take_read(late);
                    return;
                }
                answer = self.questions.join_next(), if !self.questions.is_empty() => {
                    self.take(answer.and_then(Result::ok));
                    if self.questions.is_empty() {
                        self.asked.clear();
                        return;
                    }
                }
                () = at(first_rates) => return,
            }
        }
    }

    /// When those that were seen for the first time can be given rates.
    fn first_rates(&self) -> Option<Instant> {
        let first = self.known.values().filter(|reading| reading.is_first);
        let last = first.map(|reading| reading.asked_at).max()?;
        // While the files hang nobody would get any.
        let is_at_leisure = self.questions.is_empty() && self.late_since.is_none();
        is_at_leisure.then(|| last + FIRST_RATES)
    }

    /// Reads those whose figures are at least this old, and waits a moment for them. Returns the full
    /// ids of those that turned out to be gone.
    pub async fn refresh(
        &mut self,
        engine: &Engine,
        running: Vec<Running>,
        age: Duration,
    ) -> Vec<String> {
        let deadline = Instant::now() + MOMENT;
        while let Some(answer) = self.questions.try_join_next() {
            self.take(answer.ok());
        }
        if self.questions.is_empty() {
            self.asked.clear();
        }
        self.forget_those_that_ended(&running);
        for about in self.read_files(running, age, deadline).await {
            self.ask(engine, about);
        }
        let mut gone = Vec::new();
        while let Ok(Some(answer)) = timeout_at(deadline, self.questions.join_next()).await {
            gone.extend(self.take(answer.ok()));
        }
        gone
    }

    /// Reads the files of those that are due; returns those that only the engine can tell about.
    async fn read_files(
        &mut self,
        running: Vec<Running>,
        age: Duration,
        deadline: Instant,
    ) -> Vec<Running> {
        let is_due = |one: Running| {
            let due = self.is_due(&one.id, age);
            (one, due)
        };
        let running: Vec<(Running, bool)> = running.into_iter().map(is_due).collect();
        // Those of the last that ended have to be closed.
        let has_to_close = running.is_empty() && self.holds_files;
        if !has_to_close && running.iter().all(|(_, due)| !due) {
            return Vec::new();
        }
        let groups = self.groups.clone();
        let read = move || {
            let mut groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
            let (told, missing) = groups.read(&running);
            let holds_files = !running.is_empty();
            let due = running.into_iter().filter(|(_, due)| *due).map(|(one, _)| one);
            Read { told: due.zip(told).collect(), missing, holds_files }
        };
        match timeout_at(deadline, self.reading.read(read)).await {
            Ok(read) => self.take_read(read),
            Err(_late) => {
                self.wait_for_files();
                Vec::new()
            }
        }
    }

    /// Takes in what the files said; returns those that they say nothing about.
    fn take_read(&mut self, read: Result<Read, JoinError>) -> Vec<Running> {
        let Ok(Read { told, missing, holds_files }) = read else {
            // It panicked, and the panic hook has said so.
            self.wait_for_files();
            return Vec::new();
        };
        self.late_since = None;
        self.missing = missing;
        self.holds_files = holds_files;
        let mut unread = Vec::new();
        for (about, told) in told {
            match told {
                Told::Sample(sample) => self.keep(about, sample.at, Some(sample)),
                Told::Ended => self.keep(about, Instant::now(), None),
                Told::Nothing => unread.push(about),
            }
        }
        unread
    }

    /// The figures of before are told for a while.
    fn wait_for_files(&mut self) {
        let since = *self.late_since.get_or_insert_with(Instant::now);
        if since.elapsed() > STALE {
            self.known.clear();
        }
    }

    /// A run that is over says nothing about the next.
    fn forget_those_that_ended(&mut self, running: &[Running]) {
        let runs: HashMap<&str, Option<f64>> =
            running.iter().map(|one| (one.id.as_str(), one.started_at)).collect();
        self.known.retain(|id, reading| runs.get(id.as_str()) == Some(&reading.started_at));
    }

    /// Whether there are no figures of this age, and none are being asked for already.
    fn is_due(&self, id: &str, age: Duration) -> bool {
        let known = self.known.get(id);
        !self.asked.contains(id) && known.is_none_or(|reading| reading.is_due(age))
    }

    fn ask(&mut self, engine: &Engine, about: Running) {
        self.asked.insert(about.id.clone());
        let question = Question { asked_at: Instant::now(), about };
        let (engine, turns) = (engine.clone(), self.turns.clone());
        self.questions.spawn(async move {
            let _turn = turns.acquire().await;
            let stats = async {
                match engine.has_no_groups().await {
                    Some(false) => stats(&engine, &question.about.id).await,
                    // They may be the whole machine's.
                    Some(true) | None => Ok(None),
                }
            };
            let answer = ask::one(PATIENCE, stats).await;
            (question, answer)
        });
    }

    /// Takes an answer in; returns the container's id when there is no such container any more.
    fn take(&mut self, answer: Option<(Question, Answer<Option<Sample>>)>) -> Option<String> {
        let (question, answer) = answer?;
        let Question { asked_at, about } = question;
        self.asked.remove(&about.id);
        let sample = match answer {
            Answer::Said(sample) => sample,
            Answer::Nothing => None,
            Answer::Gone => {
                self.known.remove(&about.id);
                return Some(about.id);
            }
        };
        self.keep(about, asked_at, sample);
        None
    }

    /// Keeps what was said about a container, with the rates since the last that was said.
    fn keep(&mut self, about: Running, asked_at: Instant, sample: Option<Sample>) {
        let known = self.known.get(&about.id);
        let before = known
            .filter(|before| before.started_at == about.started_at)
            .and_then(|before| before.sample.as_ref());
        let limit = about.memory_limit_bytes;
        let figures = sample.as_ref().map(|sample| sample.figures(before, limit));
        let reading = Reading {
            asked_at,
            is_first: before.is_none() && sample.is_some(),
            figures: figures.unwrap_or_default(),
            sample,
            started_at: about.started_at,
        };
        self.known.insert(about.id, reading);
    }
}

impl Reading {
    fn is_due(&self, age: Duration) -> bool {
        let elapsed = self.asked_at.elapsed();
        elapsed >= age || (self.is_first && elapsed >= FIRST_RATES)
    }
}

async fn stats(engine: &Engine, id: &str) -> Result<Option<Sample>, bollard::errors::Error> {
    // One-shot: the engine does not wait for a second reading of its own.
    let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
    let mut said = engine.docker.stats(id, Some(options));
    let stats = said.next().await.transpose()?;
    Ok(stats.and_then(|stats| Sample::of(Instant::now(), &stats)))
}

#[cfg(test)]
mod tests;
