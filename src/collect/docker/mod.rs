//! The Docker collector: all containers of one engine, what they use, and whether the engine is
//! there at all.
//!
//! The list is kept by the engine's events: each changes what is known at once, and then only its
//! container is asked about. The whole list is asked for at the start, after a gap in the events, and
//! every few minutes. So a reading for which nothing happened asks the engine for no more than whether it
//! is still there, and figures are read by the clock and not for every event: a container in a restart
//! loop does not make the collector busy with all the others.
//!
//! Architecture invariant: only this folder knows bollard. The collector asks and never acts: every
//! request is a GET, save those that `desk/acting.rs` sends, when an admin asks for them and
//! `collect.docker.actions` allows it.

use std::collections::HashSet;
use std::future;
use std::mem;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::{CollectError, Collector};
use crate::config::{DockerConfig, HostConfig};
use crate::event::{Topic, unix_now};

mod ask;
mod cgroup;
mod connect;
mod desk;
mod facts;
mod fault;
mod happening;
mod images;
mod inquiry;
mod ports;
mod privileges;
mod readings;
mod report;
mod restarts;
mod roster;
mod said;
mod sentence;
mod stats;
mod timestamp;
mod watch;

use connect::{Address, Engine, PATIENCE, connect, ping};
pub use desk::serve;
use fault::Fault;
use images::Images;
use inquiry::Inquiry;
pub use privileges::privileges;
use readings::Readings;
pub use report::{Container, DockerStatus, EngineStatus, Figures, Flavor, Missing, Status, Totals};
use roster::Roster;
use watch::Watch;

/// The clock asks for new figures, save for those that are younger than this.
const FRESH: Duration = Duration::from_millis(900);

/// What to do when everything else can be read.
const EVENTS_REFUSED: &str = "GET /events is refused, so changes show at the next reading only; \
                              allow it in the socket proxy (EVENTS=1)";

/// The whole list is asked for this often even where the events are followed: should they have told too
/// little, it does not stay so.
const LIST_AGAIN: Duration = Duration::from_secs(300);

/// An engine that took a question and did not answer is asked again after this: its event stream stays
/// open meanwhile, so that nothing else tells that it is well again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Reads one Docker engine.
#[derive(Debug)]
pub struct DockerCollector {
    host: Option<String>,
    watch: Watch,
    /// The watch's session that `engine` belongs to: with another one, another engine may answer.
    session: u64,
    engine: Option<Engine>,
    /// The engine that the watch has just found.
    found: Option<Engine>,
    /// Whether the events are followed: without them nothing that is remembered can be trusted.
    followed: bool,
    events_refused: bool,
    roster: Roster,
    listed_at: Option<Instant>,
    images: Images,
    inquiry: Inquiry,
    readings: Readings,
    /// How old figures may become before an event's reading refreshes them too.
    interval: Duration,
    /// Whether this reading was asked for by a change, and not by the clock.
    woken: bool,
    /// A proxy does not let us ask whether the engine is there: the list tells it then.
    ping_refused: bool,
    /// When an engine that did not answer is to be asked again.
    ask_again_at: Option<Instant>,
}

impl DockerCollector {
    /// Never fails and asks nobody: the engine may come later. `host`: where the kernel's files are.
    pub fn new(config: &DockerConfig, host: &HostConfig) -> Self {
        DockerCollector {
            host: config.host.clone(),
            watch: Watch::new(config.host.clone()),
            session: 0,
            engine: None,
            found: None,
            followed: false,
            events_refused: false,
            roster: Roster::default(),
            listed_at: None,
            images: Images::default(),
            inquiry: Inquiry::default(),
            readings: Readings::new(host.clone()),
            interval: config.schedule.interval,
            woken: false,
            ping_refused: false,
            ask_again_at: None,
        }
    }

    /// What viewers are told of an engine that answers.
    fn status(&self, engine: &Engine) -> EngineStatus {
        EngineStatus {
            message: self.events_refused.then(|| EVENTS_REFUSED.into()),
            ..engine.status()
        }
    }

    /// Believes what the events say. At once and not when the reading succeeded: a reading that is given
    /// up half-way must not lose it.
    fn take_notes(&mut self) {
        let changes = self.watch.take();
        self.followed = changes.followed;
        self.events_refused = changes.refused;
        if changes.session != self.session {
            self.session = changes.session;
            self.engine = None;
            self.found = changes.engine;
        }
        for happening in &changes.happenings {
            self.roster.happened(happening);
        }
    }

    /// The engine, if it is still the one that all that is remembered is about; else the one that answers
    /// now, and nothing is remembered of what the one before it refused.
    async fn engine(&mut self, address: &Address) -> Result<(Engine, bool), Fault> {
        if let Some(engine) = self.engine.take() {
            return Ok((engine, self.followed));
        }
        self.images = Images::default();
        self.inquiry = Inquiry::default();
        self.ping_refused = false;
        let engine = match self.found.take() {
            Some(engine) => engine,
            None => connect(address).await?,
        };
        Ok((engine, false))
    }

    /// Brings the list up to date. `trusted`: nothing can have been missed.
    async fn keep_list(
        &mut self,
        engine: &Engine,
        trusted: bool,
        woken: bool,
    ) -> Result<(), Fault> {
        if !woken {
            self.roster.retry();
        }
        let lists = !trusted || self.has_to_list(woken) || !(woken || self.answers(engine).await?);
        if lists {
            self.list(engine, trusted).await?;
        }
        let happened = woken && !lists;
        self.inquiry.ask(engine, &mut self.roster, &mut self.images, happened).await;
        Ok(())
    }

    /// Whether it is known that the engine is there, without its list.
    async fn answers(&mut self, engine: &Engine) -> Result<bool, Fault> {
        match ping(engine).await {
            Err(fault) if fault.is_refusal() => {
                self.ping_refused = true;
                Ok(false)
            }
            answer => answer.map(|()| true),
        }
    }

    fn has_to_list(&self, woken: bool) -> bool {
        let is_old = self.listed_at.is_none_or(|at| at.elapsed() >= LIST_AGAIN);
        let by_the_clock =
            !woken && (is_old || self.ping_refused || self.roster.lives_by_the_list());
        by_the_clock || (self.inquiry.refused && self.roster.is_due())
    }

    async fn list(&mut self, engine: &Engine, trusted: bool) -> Result<(), Fault> {
        let listed = timeout(PATIENCE, said::list(engine))
            .await
            .map_err(|_| Fault::Silent)?
            .map_err(|why| Fault::of(&why))?;
        let surprised = self.roster.list(listed, trusted);
        self.listed_at = Some(Instant::now());
        if self.inquiry.refused {
            self.roster.settle();
        } else if surprised && trusted {
            // What the events have not told yet they may never tell.
            self.watch.reopen();
        }
        self.roster.look_after_the_sick();
        let in_use: HashSet<&str> = self.roster.images().collect();
        self.images.tidy(|id| in_use.contains(id));
        Ok(())
    }

    async fn read(&mut self, address: &Address, woken: bool) -> Result<DockerStatus, Fault> {
        let (engine, trusted) = self.engine(address).await?;
        self.keep_list(&engine, trusted, woken).await?;
        let age = if woken { self.interval } else { FRESH };
        for gone in self.readings.refresh(&engine, self.roster.running(), age).await {
            self.roster.remove(&gone);
        }
        let containers = self.containers();
        let status = DockerStatus {
            engine: self.status(&engine),
            totals: Some(Totals::of(&containers)),
            containers,
            missing: self.readings.missing(&engine),
        };
        self.engine = Some(engine);
        Ok(status)
    }

    /// By project and then by name; those without a project last.
    fn containers(&self) -> Vec<Container> {
        let known = self.roster.containers(unix_now(), Instant::now(), |facts| {
            self.images.digest(facts.image_id.as_deref()?, &facts.image)
        });
        let whole = |(id, container)| Container { figures: self.readings.figures(id), ..container };
        let mut containers: Vec<Container> = known.into_iter().map(whole).collect();
        containers.sort_by_cached_key(|c| (c.project.is_none(), c.project.clone(), c.name.clone()));
        containers
    }
}

impl Collector for DockerCollector {
    type Report = DockerStatus;
    const TOPIC: Topic = Topic::DockerStatus;
    const SOURCE: &'static str = "Docker";
    const ADVICE: &'static str = "look at `journalctl -u docker`";

    async fn collect(&mut self) -> Result<DockerStatus, CollectError> {
        // At once: a reading that is given up half-way must not leave it to the next.
        let woken = mem::take(&mut self.woken);
        self.watch.start();
        self.take_notes();
        self.ask_again_at = None;
        let address = Address::find(self.host.as_deref());
        match self.read(&address, woken).await {
            Ok(status) => Ok(status),
            Err(fault) => {
                if !fault.is_refusal() {
                    self.watch.look_out();
                }
                self.ask_again_at = (fault == Fault::Silent).then(|| Instant::now() + ASK_AGAIN);
                fault.report(&address)
            }
        }
    }

    fn failed(&self, error: &CollectError) -> DockerStatus {
        DockerStatus::unreadable(Status::Unavailable, error.to_string())
    }

    fn complaint(&self, report: &DockerStatus) -> Option<String> {
        report.engine.message.clone()
    }

    async fn changed(&mut self) {
        tokio::select! {
            () = self.watch.changed() => {}
            () = self.readings.changed() => {}
            () = self.inquiry.changed(&mut self.roster, &mut self.images) => {}
            () = at(self.ask_again_at) => {}
        }
        self.woken = true;
    }
}

/// Resolves at this time, if there is one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => future::pending().await,
    }
}

#[cfg(test)]
mod tests;
