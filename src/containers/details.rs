//! What is told of one container when somebody looks at it.

use serde::Serialize;

/// What is too much for every `docker_status`, and is told when it is asked for. The environment, the
/// arguments and the labels are left out: passwords stand there.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Details {
    /// The whole id, of 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `running`, `exited`, `paused`, ... as the engine says.
    pub state: String,
    /// The image, as it was named when the container was made.
    pub image: String,
    /// `sha256:` and 12 digits.
    pub image_id: String,
    /// What a registry calls the image, `sha256:` and 64 digits; absent for an image that comes from none,
    /// and where the engine does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// When it was made, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<f64>,
    /// `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
    /// `bridge`, `host`, `none`, a network's name, or `container:` and an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// By name.
    pub networks: Vec<Network>,
    /// What it sees of other file systems, by destination; [`MOST_MOUNTS`](Details::MOST_MOUNTS) at most.
    pub mounts: Vec<Mount>,
    /// How many there are.
    pub mounts_total: usize,
    /// Its last health checks, the newest last; [`MOST_PROBES`](Details::MOST_PROBES) at most.
    pub health_log: Vec<Probe>,
}

impl Details {
    /// So many mounts are told.
    pub const MOST_MOUNTS: usize = 200;
    /// So many health checks are told: as many as Docker keeps.
    pub const MOST_PROBES: usize = 5;
    /// So many characters of what a health check printed are told.
    pub const MOST_OUTPUT_CHARS: usize = 1000;
}

/// A network that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The container's address there; absent while it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// What is mounted into a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, ...
    pub kind: String,
    /// The path on the host, or the volume's name; absent for what lives in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The path in the container.
    pub destination: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// A health check that was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Probe {
    /// When it began, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
    /// 0: healthy; absent where the engine does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What it printed, [`MOST_OUTPUT_CHARS`](Details::MOST_OUTPUT_CHARS) at most.
    pub output: String,
}
