//! What is known of one container: first what the list says, then what `inspect` says, and in between
//! what an event says at once. Pure.

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, ContainerState, ContainerSummary, Health,
    HealthStatusEnum, HostConfig,
};

use super::ports;
use super::readings::Running;
use super::timestamp::seconds;

/// So much of a probe's output is told, in letters.
const OUTPUT_LETTERS: usize = 300;

/// What is known of one container, without figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Without a slash.
    pub name: String,
    /// As it was asked for.
    pub image: String,
    /// Whole, with `sha256:`.
    pub image_id: Option<String>,
    /// As the engine calls it, such as `running`; empty as long as nobody has told.
    pub state: String,
    /// `starting`, `healthy` or `unhealthy`; may be the one from when it last ran.
    pub health: Option<String>,
    /// What its last failed health check said; empty when it said nothing.
    pub health_output: Option<String>,
    /// How often its policy has restarted it.
    pub restart_count: Option<u64>,
    /// In Unix seconds by the engine's clock, as all times here.
    pub created_at: Option<f64>,
    /// When it was last started.
    pub started_at: Option<f64>,
    /// When it last ended.
    pub finished_at: Option<f64>,
    /// How its process ended; means nothing while it runs.
    pub exit_code: Option<i64>,
    /// Whether the engine says that memory ran out in this run.
    pub oom_killed: bool,
    /// The Compose project.
    pub project: Option<String>,
    /// The Compose service.
    pub service: Option<String>,
    /// Short and readable.
    pub ports: Vec<String>,
    /// Its first process, while it runs.
    pub pid: Option<u32>,
    /// Its own memory limit.
    pub memory_limit_bytes: Option<u64>,
    /// Neither the machine's network nor another container's.
    pub has_own_network: bool,
    /// The engine's sentence, as long as only the list is there to go by.
    pub sentence: Option<String>,
}

impl Facts {
    /// What the list says.
    pub fn of_listed(listed: &ContainerSummary) -> Facts {
        let state = listed.state.map(|state| state.to_string()).unwrap_or_default();
        let sentence = listed.status.clone().unwrap_or_default();
        let label = |name: &str| listed.labels.as_ref()?.get(name).cloned();
        Facts {
            name: listed_name(listed),
            image: short_image(listed.image.as_deref().unwrap_or_default()),
            image_id: listed.image_id.clone().filter(|id| !id.is_empty()),
            health: health_of(&sentence).map(str::to_owned),
            created_at: listed.created.filter(|at| *at > 0).map(|at| at as f64),
            exit_code: exit_code_of(&sentence),
            project: label(PROJECT),
            service: label(SERVICE),
            ports: ports::listed(listed.ports.as_deref().unwrap_or_default()),
            sentence: Some(sentence),
            state,
            ..Facts::default()
        }
    }

    /// Takes from a list that says the same of it what no event has told.
    pub fn complete(&mut self, listed: Facts) {
        if self.image.is_empty() {
            self.image = listed.image;
        }
        if self.ports.is_empty() {
            self.ports = listed.ports;
        }
        self.image_id = self.image_id.take().or(listed.image_id);
        self.created_at = self.created_at.or(listed.created_at);
        self.exit_code = self.exit_code.or(listed.exit_code);
        self.project = self.project.take().or(listed.project);
        self.service = self.service.take().or(listed.service);
    }

    /// Takes in what `inspect` says; what it leaves out stays.
    pub fn learn(&mut self, said: &ContainerInspectResponse) {
        if let Some(name) = said.name.as_deref().filter(|name| !name.is_empty()) {
            self.name = name.trim_start_matches('/').to_owned();
        }
        self.image_id = said.image.clone().filter(|id| !id.is_empty()).or(self.image_id.take());
        self.restart_count = said.restart_count.and_then(|count| u64::try_from(count).ok());
        self.created_at = said.created.as_deref().and_then(seconds).or(self.created_at);
        if let Some(ports) = said.network_settings.as_ref().and_then(|all| all.ports.as_ref()) {
            self.ports = ports::mapped(ports);
        }
        said.state.iter().for_each(|state| self.learn_state(state));
        said.config.iter().for_each(|config| self.learn_config(config));
        self.learn_limits(said.host_config.as_ref());
        self.sentence = None;
    }

    fn learn_state(&mut self, said: &ContainerState) {
        if let Some(state) = said.status.map(|state| state.to_string()).filter(|s| !s.is_empty()) {
            self.state = state;
        }
        self.started_at = said.started_at.as_deref().and_then(seconds);
        self.finished_at = said.finished_at.as_deref().and_then(seconds);
        self.exit_code = said.exit_code;
        self.oom_killed = said.oom_killed == Some(true);
        self.pid = said.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        let status = said.health.as_ref().and_then(|health| health.status);
        self.health = status
            .filter(|health| !matches!(health, HealthStatusEnum::NONE | HealthStatusEnum::EMPTY))
            .map(|health| health.to_string());
        self.health_output = said.health.as_ref().and_then(last_failure);
    }

    fn learn_config(&mut self, said: &ContainerConfig) {
        if let Some(image) = said.image.as_deref().filter(|image| !image.is_empty()) {
            self.image = short_image(image);
        }
        if let Some(labels) = &said.labels {
            self.project = labels.get(PROJECT).cloned();
            self.service = labels.get(SERVICE).cloned();
        }
    }

    fn learn_limits(&mut self, said: Option<&HostConfig>) {
        let limit = said.and_then(|host| host.memory).and_then(|bytes| u64::try_from(bytes).ok());
        self.memory_limit_bytes = limit.filter(|bytes| *bytes > 0);
        self.has_own_network = said.is_some_and(|host| is_own(host.network_mode.as_deref()));
    }

    /// What its figures are read with, when it runs. Paused containers don't: reading them would only
    /// cost.
    pub fn running(&self, id: &str) -> Option<Running> {
        (self.state == "running").then(|| Running {
            id: id.to_owned(),
            pid: self.pid,
            started_at: self.started_at,
            memory_limit_bytes: self.memory_limit_bytes,
            has_own_network: self.has_own_network,
        })
    }

    /// Whether its processes are there, be they frozen.
    pub fn is_up(&self) -> bool {
        matches!(self.state.as_str(), "running" | "paused")
    }

    /// Whether it is on its way into another state.
    pub fn will_not_stay(&self) -> bool {
        matches!(self.state.as_str(), "restarting" | "removing" | "stopping")
    }

    /// Whether its last exit code means something: not while it runs, and not before it ever did.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "exited" | "dead" | "restarting")
    }
}

/// The label with the Compose project, also in events.
pub const PROJECT: &str = "com.docker.compose.project";

/// The label with the Compose service, also in events.
pub const SERVICE: &str = "com.docker.compose.service";

/// The first 12 characters, as Docker's CLI prints it.
pub fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// An image that is named by its whole digest (in the list: because its tag went to a newer one).
pub fn short_image(image: &str) -> String {
    match image.strip_prefix("sha256:") {
        Some(digest) => format!("sha256:{}", short_id(digest)),
        None => image.to_owned(),
    }
}

/// The beginning of an image's id; Podman leaves out what it is a digest of.
pub fn short_digest(id: &str) -> String {
    format!("sha256:{}", short_id(id.strip_prefix("sha256:").unwrap_or(id)))
}

/// The name without its slash; old links add names with two slashes, which belong to others.
fn listed_name(listed: &ContainerSummary) -> String {
    let names = listed.names.as_deref().unwrap_or_default();
    let own = names.iter().find(|name| name.matches('/').count() <= 1);
    match own.or(names.first()) {
        Some(name) => name.trim_start_matches('/').to_owned(),
        None => short_id(listed.id.as_deref().unwrap_or_default()).to_owned(),
    }
}

/// The health at the end of a listed sentence, which leaves it out while the container is paused.
fn health_of(sentence: &str) -> Option<&'static str> {
    const ENDINGS: [(&str, &str); 3] = [
        ("(healthy)", "healthy"),
        ("(unhealthy)", "unhealthy"),
        ("(health: starting)", "starting"),
    ];
    let told = ENDINGS.iter().find(|(ending, _)| sentence.ends_with(ending));
    told.map(|(_, health)| *health)
}

/// `Exited (137) 3 minutes ago`.
fn exit_code_of(sentence: &str) -> Option<i64> {
    let (_, rest) = sentence.split_once('(')?;
    rest.split_once(')')?.0.parse().ok()
}

/// Neither the machine's (`host`) nor another container's (`container:ID`).
fn is_own(mode: Option<&str>) -> bool {
    mode.is_none_or(|mode| mode != "host" && !mode.starts_with("container:"))
}

/// What the last health check that failed has said, of those that the engine remembers (five).
fn last_failure(health: &Health) -> Option<String> {
    let log = health.log.as_deref()?;
    let failed = log.iter().rev().find(|check| check.exit_code.is_some_and(|code| code != 0))?;
    Some(one_line(failed.output.as_deref().unwrap_or_default()))
}

/// Words with one space between them and nothing that moves a cursor; not too many of them.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(OUTPUT_LETTERS) {
        None => line,
        Some(_) => line.chars().take(OUTPUT_LETTERS - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests;
