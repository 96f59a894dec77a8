//! What viewers are told about the engine and its containers: the payload of `docker_status`.
//!
//! A field that is absent is not known; nothing is ever made up as 0. Names carry their units, and
//! a rename here is a breaking change of the wire contract.

use serde::Serialize;

use crate::collect::figures::hundredths;

/// The Docker engine and its containers, complete: each report replaces the one before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DockerStatus {
    /// Whether the engine could be read, and what to do when it could not.
    pub engine: EngineStatus,
    /// All containers, running or not: by project and then by name, those without a project last.
    /// Empty while the engine cannot be read.
    pub containers: Vec<Container>,
    /// Sums over the containers; absent while the engine cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
    /// Figures that this machine cannot tell for any container; left out when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// A figure that this machine cannot tell for any container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// `memory`, `cpu`, `block`, `network` or `pids`.
    pub figure: &'static str,
    /// Why, and what to do.
    pub message: String,
}

impl DockerStatus {
    /// The report when the engine cannot be read; `message` says what to do about it.
    pub fn unreadable(status: Status, message: String) -> DockerStatus {
        DockerStatus {
            engine: EngineStatus {
                status,
                version: None,
                api_version: None,
                flavor: None,
                message: Some(message),
            },
            containers: Vec::new(),
            totals: None,
            missing: Vec::new(),
        }
    }
}

/// How the engine is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EngineStatus {
    /// Whether it could be read.
    pub status: Status,
    /// The engine's version, such as `27.5.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of the API that was agreed on with it, such as `1.47`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// What kind of engine it is, as its `/version` names its parts; absent when that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavor: Option<Flavor>,
    /// What is wrong and what to do; absent while nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What kind of engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavor {
    /// Docker Engine.
    Docker,
    /// Podman, which speaks Docker's API.
    Podman,
}

/// Whether the engine could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It answers.
    Ok,
    /// It is not there, or does not answer.
    Unavailable,
    /// It is there, but does not talk to us.
    PermissionDenied,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Container {
    /// The first 12 characters of its id, as `docker ps` prints it.
    pub id: String,
    /// Its name, without the slash that the API puts in front.
    pub name: String,
    /// The image as it was asked for, such as `postgres:15`.
    pub image: String,
    /// The image that it was made of: `sha256:` and the first 12 digits of the image's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The image's digest at its registry, `sha256:` and 64 digits, from `GET /images/{id}/json`; absent
    /// when the image never was at one, or when the engine does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`; Podman also has
    /// `stopping`.
    pub state: String,
    /// Docker's sentence, such as `Up 3 minutes (healthy)`: as it stood at this report's time.
    pub status: String,
    /// Whether its state is `running`.
    pub running: bool,
    /// `starting`, `healthy` or `unhealthy`; absent without a health check, or when it is not up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// What its last failed health check said, at most 300 characters in one line; only while it is
    /// `unhealthy`, and as of when it became so, or of the last full listing (every 5 minutes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_output: Option<String>,
    /// How often its restart policy has restarted it, since it was last started by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_count: Option<u64>,
    /// How often its restart policy was seen to restart it in the last 10 minutes; absent when 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts_recent: Option<u64>,
    /// It ends again and again: at least 3 restarts in the last 10 minutes, and it was not stopped since
    /// then; absent when not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_loop: Option<bool>,
    /// When it was created, in Unix seconds by the engine's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<f64>,
    /// When it was last started, in Unix seconds by the engine's clock; absent when it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<f64>,
    /// When it last ended, in Unix seconds by the engine's clock; only while it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<f64>,
    /// How its process ended; only while it is `exited`, `dead` or waiting in a restart loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// The kernel killed it, or a process in it, for want of memory in this run; absent when not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_killed: Option<bool>,
    /// The Compose project that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The Compose service that it is an instance of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its ports, such as `0.0.0.0:8089->8089/tcp` (published) or `5432/tcp` (only exposed).
    pub ports: Vec<String>,
    /// What it uses.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What a running container uses. Rates are per second, over the time between two readings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Processor time: 100 is one core fully used, as in `docker stats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Memory in use, without the file cache that the kernel can drop, as in `docker stats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The container's own memory limit; absent when the host's memory is its only limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// Received over its own network interfaces; absent when it shares the host's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_rx_bytes_per_s: Option<u64>,
    /// Sent over its own network interfaces; absent when it shares the host's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_tx_bytes_per_s: Option<u64>,
    /// Read from block devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_read_bytes_per_s: Option<u64>,
    /// Written to block devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_write_bytes_per_s: Option<u64>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
}

/// Sums over all containers. A sum of figures is over those that are known, and absent when none is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// All containers, running or not.
    pub containers: usize,
    /// Those whose state is `running`.
    pub running: usize,
    /// Those whose state is `paused`.
    pub paused: usize,
    /// Those that wait to be started again by their restart policy.
    pub restarting: usize,
    /// Those that run but fail their health check.
    pub unhealthy: usize,
    /// Processor time: 100 is one core fully used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Memory in use, without droppable file cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Received over the containers' own network interfaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_rx_bytes_per_s: Option<u64>,
    /// Sent over the containers' own network interfaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_tx_bytes_per_s: Option<u64>,
    /// Read from block devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_read_bytes_per_s: Option<u64>,
    /// Written to block devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_write_bytes_per_s: Option<u64>,
}

impl Totals {
    /// Adds them up.
    pub fn of(containers: &[Container]) -> Totals {
        let count =
            |wanted: fn(&Container) -> bool| containers.iter().filter(|c| wanted(c)).count();
        let sum = |figure: fn(&Figures) -> Option<u64>| {
            let known = containers.iter().filter_map(|c| figure(&c.figures));
            known.reduce(u64::saturating_add)
        };
        let cpu = containers.iter().filter_map(|c| c.figures.cpu_percent);
        Totals {
            containers: containers.len(),
            running: count(|c| c.running),
            paused: count(|c| c.state == "paused"),
            restarting: count(|c| c.state == "restarting"),
            unhealthy: count(|c| c.running && c.health.as_deref() == Some("unhealthy")),
            cpu_percent: cpu.reduce(|a, b| a + b).map(hundredths),
            memory_bytes: sum(|f| f.memory_bytes),
            network_rx_bytes_per_s: sum(|f| f.network_rx_bytes_per_s),
            network_tx_bytes_per_s: sum(|f| f.network_tx_bytes_per_s),
            block_read_bytes_per_s: sum(|f| f.block_read_bytes_per_s),
            block_write_bytes_per_s: sum(|f| f.block_write_bytes_per_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_what_is_known_and_stay_silent_about_the_rest() {
        let container = |state: &str, cpu_percent, memory_bytes| Container {
            state: state.into(),
            running: state == "running",
            figures: Figures { cpu_percent, memory_bytes, ..Figures::default() },
            ..Container::default()
        };
        let sick = Container {
            health: Some("unhealthy".into()),
            ..container("running", Some(0.1), Some(5))
        };
        let totals = Totals::of(&[
            container("running", Some(0.2), Some(7)),
            container("running", None, None),
            container("paused", None, None),
            container("restarting", None, None),
            container("exited", None, None),
            Container { health: Some("unhealthy".into()), ..container("paused", None, None) },
            sick,
        ]);
        assert_eq!(
            totals,
            Totals {
                containers: 7,
                running: 3,
                paused: 2,
                restarting: 1,
                unhealthy: 1,
                cpu_percent: Some(0.3),
                memory_bytes: Some(12),
                ..Totals::default()
            }
        );
    }

    #[test]
    fn an_unreadable_engine_is_told_without_a_made_up_zero() {
        let report = DockerStatus::unreadable(Status::PermissionDenied, "do this".into());
        assert_eq!(
            serde_json::to_string(&report).expect("it serialises"),
            r#"{"engine":{"status":"permission_denied","message":"do this"},"containers":[]}"#
        );
    }
}
