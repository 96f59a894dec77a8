//! Configuration (placeholder while the house goes up).
#![allow(missing_docs, reason = "replaced within this session")]
use std::path::PathBuf;
use std::time::Duration;

/// When a collector runs.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Between two readings while somebody watches.
    pub interval: Duration,
    /// Between two readings while nobody does.
    pub unwatched_interval: Duration,
    /// One reading is given up after this long.
    pub timeout: Duration,
}
/// Where the host's files are found; other than the defaults when takpulse runs in a container.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The proc file system: `/proc`.
    pub proc: PathBuf,
    /// The sys file system: `/sys`.
    pub sys: PathBuf,
    /// The root of the host's file systems: `/`.
    pub root: PathBuf,
}
/// The Docker collector.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    pub enabled: bool,
    pub schedule: Schedule,
    /// `unix:///run/docker.sock`, `/path/to.sock`, `tcp://host:2375`, `http://host:2375`;
    /// `None`: `DOCKER_HOST`, else the customary sockets.
    pub host: Option<String>,
}
/// The system collector.
#[derive(Clone, Debug)]
pub struct SystemConfig {
    pub enabled: bool,
    pub schedule: Schedule,
}
/// The TAK collector.
#[derive(Clone, Debug)]
pub struct TakConfig {
    pub enabled: bool,
    pub schedule: Schedule,
    /// Empty: look for one on this box.
    pub servers: Vec<TakServerConfig>,
}
/// One TAK server that must be there.
#[derive(Clone, Debug)]
pub struct TakServerConfig {
    /// What the checks call it.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Plain CoT (taky and FreeTAKServer: 8087, OpenTAKServer: 8088).
    pub cot_port: Option<u16>,
    /// CoT over TLS (customarily 8089).
    pub cot_tls_port: Option<u16>,
    /// Marti API over plain HTTP (8080).
    pub http_port: Option<u16>,
    /// Marti API over TLS (8443).
    pub https_port: Option<u16>,
    /// PEM file: presented as client certificate (leaf first, then its chain) on TLS ports.
    pub client_certificate: Option<PathBuf>,
    /// PEM file: the unencrypted key of that certificate.
    pub client_key: Option<PathBuf>,
}
