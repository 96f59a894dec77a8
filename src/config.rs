//! What takpulse can be told, and how it is read: defaults, file, environment, flags.
//!
//! The defaults are `config.toml` at the root of the repository, built into the binary, so the
//! reference that users read cannot differ from what runs. Every fault is found and reported in one
//! go, each with its key, where it came from, and what to write instead.
//!
//! Architecture invariant: a leaf. Each part of the house receives its own section.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tracing::Level;

mod auth;
mod collect;
mod fault;
mod layers;
mod proxy;
mod reader;
mod secret;
mod tls;
mod values;

pub use auth::{AuthConfig, ClientCertificatesConfig, RoleConfig, UserConfig};
pub use collect::{DockerConfig, Schedule, SystemConfig, TakConfig, TakServerConfig};
pub use fault::{Fault, Faults};
pub use layers::{Overrides, Setting};
pub use secret::Secret;
pub use tls::{TlsConfig, TlsMode};

use layers::Layers;
use proxy::{NETWORKS, base_path, network};
use reader::{Faulted, Section};
use values::{
    TOPICS, bytes, count, duration, list, listen_address, log_format, log_level, memory_only,
    node_name, path, rate, topic_name,
};

/// `config.toml`: the reference and the defaults.
pub const REFERENCE: &str = include_str!("../config.toml");

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of this machine in every event.
    pub node: String,
    /// Where takpulse keeps what must survive a restart.
    pub state_dir: PathBuf,
    /// The web server.
    pub http: HttpConfig,
    /// Encryption.
    pub tls: TlsConfig,
    /// Sign-in.
    pub auth: AuthConfig,
    /// The event stream.
    pub stream: StreamConfig,
    /// Publishing from outside.
    pub publish: PublishConfig,
    /// The bus.
    pub bus: BusConfig,
    /// The log.
    pub log: LogConfig,
    /// Where the host's files are.
    pub host: HostConfig,
    /// The system collector.
    pub system: SystemConfig,
    /// The Docker collector.
    pub docker: DockerConfig,
    /// The TAK collector.
    pub tak: TakConfig,
}

/// The web server.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where a proxy shows takpulse; begins and ends with `/`.
    pub base_path: String,
    /// The proxies whose word about their clients counts; empty: nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at a time.
    pub max_connections: usize,
    /// Open streams at a time.
    pub max_viewers: usize,
    /// Of these, from one address.
    pub max_viewers_per_address: usize,
    /// Until a request's header must be there.
    pub header_timeout: Duration,
    /// Until a client must take bytes.
    pub write_timeout: Duration,
}

/// The event stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Events kept for viewers that come back.
    pub history_events: usize,
    /// Bytes kept for them.
    pub history_bytes: usize,
}

/// Publishing from outside.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// The types that may be published; empty: every one that is not takpulse's own.
    pub topics: Vec<String>,
    /// Events a second for each token, in the long run.
    pub rate_per_s: f64,
}

/// The bus.
#[derive(Clone, Copy, Debug)]
pub struct BusConfig {
    /// Events that may wait in it.
    pub capacity: usize,
}

/// The log.
#[derive(Clone, Copy, Debug)]
pub struct LogConfig {
    /// The least important lines that are written.
    pub level: Level,
    /// How they are written.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
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

/// A configuration and where each of its settings came from.
#[derive(Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Every setting in force, in the order of its key.
    pub settings: Vec<Setting>,
}

/// Reads every layer and checks every value.
///
/// # Errors
/// All faults together: a file that cannot be read or parsed, unknown keys, values that cannot be.
pub fn load(overrides: Overrides) -> Result<Loaded, Faults> {
    let layers = Layers::gather(overrides)?;
    let mut root = Section::root(&layers);
    let config = Config::read(&mut root);
    root.refuse_unknown_keys();
    match (root.into_faults(), config) {
        (faults, Ok(config)) if faults.is_empty() => {
            Ok(Loaded { config, file: layers.file(), settings: layers.settings() })
        }
        (faults, _) => Err(Faults(faults)),
    }
}

impl Config {
    fn read(root: &mut Section<'_>) -> Result<Config, Faulted> {
        let node = root.optional("node", node_name);
        let state_dir = root.optional("state_dir", path);
        let http = HttpConfig::read(&mut root.section("http"));
        let tls = TlsConfig::read(&mut root.section("tls"));
        let auth = AuthConfig::read(&mut root.section("auth"));
        let stream = StreamConfig::read(&mut root.section("stream"));
        let publish = PublishConfig::read(&mut root.section("publish"));
        let bus = BusConfig::read(&mut root.section("bus"));
        let log = LogConfig::read(&mut root.section("log"));
        let host = HostConfig::read(&mut root.section("host"));
        let mut collect = root.section("collect");
        let system = SystemConfig::read(&mut collect.section("system"));
        let docker = DockerConfig::read(&mut collect.section("docker"));
        let tak = TakConfig::read(&mut collect.section("tak"));
        if let (Ok(tls), Ok(auth)) = (&tls, &auth)
            && tls.mode == TlsMode::Off
            && !auth.certificates.ca.is_empty()
        {
            let problem = "certificates are presented in TLS, and tls.mode is \"off\"";
            let fix = "write tls.mode = \"self-signed\" or \"files\"";
            return Err(root.fault("auth.client_certificates.ca", problem, fix));
        }
        Ok(Config {
            node: node?.unwrap_or_else(values::host_name),
            state_dir: state_dir?.unwrap_or_else(values::state_dir),
            http: http?,
            tls: tls?,
            auth: auth?,
            stream: stream?,
            publish: publish?,
            bus: bus?,
            log: log?,
            host: host?,
            system: system?,
            docker: docker?,
            tak: tak?,
        })
    }
}

impl HttpConfig {
    fn read(section: &mut Section<'_>) -> Result<HttpConfig, Faulted> {
        let listen = section.required("listen", listen_address);
        let base_path = section.required("base_path", base_path);
        let trusted_proxies = section.required("trusted_proxies", list(network, NETWORKS));
        let max_connections = section.required("max_connections", count(1, 1_000_000));
        let max_viewers = section.required("max_viewers", count(1, 1_000_000));
        let per_address = section.required("max_viewers_per_address", count(1, 1_000_000));
        let header_timeout = section.required("header_timeout", duration(1, 300));
        let write_timeout = section.required("write_timeout", duration(1, 3600));
        Ok(HttpConfig {
            listen: listen?,
            base_path: base_path?,
            trusted_proxies: trusted_proxies?,
            max_connections: max_connections?,
            max_viewers: max_viewers?,
            max_viewers_per_address: per_address?,
            header_timeout: header_timeout?,
            write_timeout: write_timeout?,
        })
    }
}

impl StreamConfig {
    fn read(section: &mut Section<'_>) -> Result<StreamConfig, Faulted> {
        let heartbeat = section.required("heartbeat", duration(1, 300));
        let history_events = section.required("history_events", count(1, 1_000_000));
        let history_bytes = section.required("history_bytes", bytes(1 << 16, 1 << 30));
        Ok(StreamConfig {
            heartbeat: heartbeat?,
            history_events: history_events?,
            history_bytes: history_bytes?,
        })
    }
}

impl PublishConfig {
    fn read(section: &mut Section<'_>) -> Result<PublishConfig, Faulted> {
        let topics = section.required("topics", list(topic_name, TOPICS));
        let rate_per_s = section.required("rate_per_s", rate);
        Ok(PublishConfig { topics: topics?, rate_per_s: rate_per_s? })
    }
}

impl BusConfig {
    fn read(section: &mut Section<'_>) -> Result<BusConfig, Faulted> {
        let backend = section.required("backend", memory_only);
        let capacity = section.required("capacity", count(16, 1_000_000));
        backend?;
        Ok(BusConfig { capacity: capacity? })
    }
}

impl LogConfig {
    fn read(section: &mut Section<'_>) -> Result<LogConfig, Faulted> {
        let level = section.required("level", log_level);
        let format = section.required("format", log_format);
        Ok(LogConfig { level: level?, format: format? })
    }
}

impl HostConfig {
    fn read(section: &mut Section<'_>) -> Result<HostConfig, Faulted> {
        let proc = section.required("proc", path);
        let sys = section.required("sys", path);
        let root = section.required("root", path);
        Ok(HostConfig { proc: proc?, sys: sys?, root: root? })
    }
}

#[cfg(test)]
mod tests;
