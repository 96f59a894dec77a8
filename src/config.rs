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

mod fault;
mod layers;
mod proxy;
mod reader;
mod values;

pub use fault::{Fault, Faults};
pub use layers::{Overrides, Setting};

use layers::Layers;
use proxy::{base_path, networks};
use reader::{Faulted, Section};
use values::{
    bytes, count, docker_host, duration, flag, listen_address, log_format, log_level, memory_only,
    node_name, path, port, rate, server_name, topic_names,
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

/// The system collector.
#[derive(Clone, Debug)]
pub struct SystemConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// When it runs.
    pub schedule: Schedule,
}

/// The Docker collector.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// When it runs.
    pub schedule: Schedule,
    /// `unix:///run/docker.sock`, `/path/to.sock`, `tcp://host:2375` or `http://host:2375`;
    /// `None`: `DOCKER_HOST`, else the customary sockets.
    pub host: Option<String>,
}

/// The TAK collector.
#[derive(Clone, Debug)]
pub struct TakConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// When it runs.
    pub schedule: Schedule,
    /// Servers that must be there; empty: look for one on this box.
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
        let stream = StreamConfig::read(&mut root.section("stream"));
        let publish = PublishConfig::read(&mut root.section("publish"));
        let bus = BusConfig::read(&mut root.section("bus"));
        let log = LogConfig::read(&mut root.section("log"));
        let host = HostConfig::read(&mut root.section("host"));
        let mut collect = root.section("collect");
        let system = SystemConfig::read(&mut collect.section("system"));
        let docker = DockerConfig::read(&mut collect.section("docker"));
        let tak = TakConfig::read(&mut collect.section("tak"));
        Ok(Config {
            node: node?.unwrap_or_else(values::host_name),
            state_dir: state_dir?.unwrap_or_else(values::state_dir),
            http: http?,
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
        let trusted_proxies = section.required("trusted_proxies", networks);
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
        let topics = section.required("topics", topic_names);
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

impl Schedule {
    /// `least_timeout` (seconds) is what the collector's own limits add up to: with less, one thing
    /// that hangs would cost the whole reading.
    fn read(section: &mut Section<'_>, least_timeout: u64) -> Result<Schedule, Faulted> {
        let interval = section.required("interval", duration(1, 86_400));
        let unwatched_interval = section.required("unwatched_interval", duration(1, 86_400));
        let timeout = section.required("timeout", duration(least_timeout, 300));
        Ok(Schedule {
            interval: interval?,
            unwatched_interval: unwatched_interval?,
            timeout: timeout?,
        })
    }
}

impl SystemConfig {
    fn read(section: &mut Section<'_>) -> Result<SystemConfig, Faulted> {
        let enabled = section.required("enabled", flag);
        let schedule = Schedule::read(section, 1);
        Ok(SystemConfig { enabled: enabled?, schedule: schedule? })
    }
}

impl DockerConfig {
    fn read(section: &mut Section<'_>) -> Result<DockerConfig, Faulted> {
        let enabled = section.required("enabled", flag);
        let schedule = Schedule::read(section, 9);
        let host = section.optional("host", docker_host);
        Ok(DockerConfig { enabled: enabled?, schedule: schedule?, host: host? })
    }
}

impl TakConfig {
    fn read(section: &mut Section<'_>) -> Result<TakConfig, Faulted> {
        let enabled = section.required("enabled", flag);
        let schedule = Schedule::read(section, 10);
        let servers = section.tables("servers", TakServerConfig::read);
        Ok(TakConfig { enabled: enabled?, schedule: schedule?, servers: servers? })
    }
}

impl TakServerConfig {
    fn read(section: &mut Section<'_>) -> Result<TakServerConfig, Faulted> {
        let host = section.required("host", server_name);
        let name = section.optional("name", server_name);
        let cot_port = section.optional("cot_port", port);
        let cot_tls_port = section.optional("cot_tls_port", port);
        let http_port = section.optional("http_port", port);
        let https_port = section.optional("https_port", port);
        let client_certificate = section.optional("client_certificate", path);
        let client_key = section.optional("client_key", path);
        let host = host?;
        let server = TakServerConfig {
            name: name?.unwrap_or_else(|| host.clone()),
            host,
            cot_port: cot_port?,
            cot_tls_port: cot_tls_port?,
            http_port: http_port?,
            https_port: https_port?,
            client_certificate: client_certificate?,
            client_key: client_key?,
        };
        server.check(section)
    }

    /// What two keys must agree on.
    fn check(self, section: &mut Section<'_>) -> Result<TakServerConfig, Faulted> {
        let ports = [self.cot_port, self.cot_tls_port, self.http_port, self.https_port];
        let mut faults = Vec::new();
        if ports.iter().all(Option::is_none) {
            faults.push(section.fault(
                "host",
                "a server without a port cannot be checked",
                "add cot_port, cot_tls_port, http_port or https_port beside it",
            ));
        }
        match (&self.client_certificate, &self.client_key) {
            (Some(_), None) => faults.push(section.fault(
                "client_certificate",
                "a client certificate is of no use without its key",
                "add client_key beside it",
            )),
            (None, Some(_)) => faults.push(section.fault(
                "client_key",
                "a key is of no use without its certificate",
                "add client_certificate beside it",
            )),
            _ => {}
        }
        faults.pop().map_or(Ok(self), Err)
    }
}

#[cfg(test)]
mod tests;
