//! The Docker collector: all containers of one engine, what they use, and whether the engine is
//! there at all.
//!
//! The list is read each time. What only `inspect` knows is kept until an event says that it
//! changed, and figures are read by the clock and not for every event, so that a container in a
//! restart loop does not make the collector busy with all the others.
//!
//! Architecture invariant: only this folder knows bollard. It asks and never acts: every request is
//! a GET.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use tokio::time::timeout;

use super::{CollectError, Collector};
use crate::config::DockerConfig;
use crate::event::Topic;

mod ask;
mod connect;
mod containers;
mod details;
mod fault;
mod readings;
mod report;
mod stats;
mod watch;

use connect::{Address, Engine, PATIENCE, connect};
use details::KnownDetails;
use fault::Fault;
use readings::Readings;
pub use report::{Container, DockerStatus, EngineStatus, Figures, Status, Totals};
use watch::Watch;

/// The clock asks for new figures, save for those that are younger than this.
const FRESH: Duration = Duration::from_millis(900);

/// What to do when everything else can be read.
const EVENTS_REFUSED: &str = "GET /events is refused, so changes show at the next reading only; \
                              allow it in the socket proxy (EVENTS=1)";

/// The engine's list, by full id.
type Listed = HashMap<String, ContainerSummary>;

/// Reads one Docker engine.
#[derive(Debug)]
pub struct DockerCollector {
    host: Option<String>,
    watch: Watch,
    /// The watch's session that `engine` belongs to: with another one, another engine may answer.
    session: u64,
    engine: Option<Engine>,
    events_refused: bool,
    details: KnownDetails,
    readings: Readings,
    /// How old figures may become before an event's reading refreshes them too.
    interval: Duration,
    /// Whether this reading was asked for by a change, and not by the clock.
    woken: bool,
}

impl DockerCollector {
    /// Never fails and asks nobody: the engine may come later.
    pub fn new(config: &DockerConfig) -> Self {
        DockerCollector {
            host: config.host.clone(),
            watch: Watch::new(config.host.clone()),
            session: 0,
            engine: None,
            events_refused: false,
            details: KnownDetails::default(),
            readings: Readings::new(),
            interval: config.schedule.interval,
            woken: false,
        }
    }

    /// What viewers are told of an engine that answers.
    fn status(&self, engine: &Engine) -> EngineStatus {
        EngineStatus {
            message: self.events_refused.then(|| EVENTS_REFUSED.into()),
            ..engine.status()
        }
    }

    /// Drops what the events say is no longer so. At once and not when the reading succeeded: a
    /// reading that is given up half-way must not lose it.
    fn forget_what_changed(&mut self) {
        let changes = self.watch.take();
        self.events_refused = changes.refused;
        if changes.session != self.session {
            self.session = changes.session;
            self.engine = None;
        }
        if !changes.followed || self.engine.is_none() {
            self.details.forget_all();
        }
        self.details.forget(&changes.containers);
    }

    /// Reads anew the figures that are older than `age`.
    async fn read(&mut self, address: &Address, age: Duration) -> Result<DockerStatus, Fault> {
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => connect(address).await?,
        };
        let mut listed = list(&engine).await?;
        self.details.refresh(&engine, &mut listed).await;
        self.readings.refresh(&engine, &mut listed, &self.details, age).await;
        let containers = self.containers(&listed);
        let status = DockerStatus {
            engine: self.status(&engine),
            totals: Some(Totals::of(&containers)),
            containers,
        };
        self.engine = Some(engine);
        Ok(status)
    }

    fn containers(&self, listed: &Listed) -> Vec<Container> {
        let mut containers: Vec<Container> = listed
            .iter()
            .map(|(id, listed)| Container {
                figures: self.readings.figures(id),
                ..containers::container(listed, self.details.get(id))
            })
            .collect();
        containers::sort(&mut containers);
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
        let age = if woken { self.interval } else { FRESH };
        self.watch.start();
        self.forget_what_changed();
        let address = Address::find(self.host.as_deref());
        match self.read(&address, age).await {
            Ok(status) => Ok(status),
            Err(fault) => {
                if !fault.is_refusal() {
                    self.watch.look_out();
                }
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
        }
        self.woken = true;
    }
}

async fn list(engine: &Engine) -> Result<Listed, Fault> {
    let all = ListContainersOptionsBuilder::default().all(true).build();
    let listed = timeout(PATIENCE, engine.docker.list_containers(Some(all)))
        .await
        .map_err(|_| Fault::Silent)?
        .map_err(|why| Fault::of(&why))?;
    Ok(listed.into_iter().filter_map(|summary| Some((summary.id.clone()?, summary))).collect())
}

#[cfg(test)]
mod tests;
