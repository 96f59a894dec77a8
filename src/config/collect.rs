//! The collectors' sections.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::{Faulted, Section};
use super::secret::Secret;
use super::values::{docker_host, duration, flag, list, path, port, secret, server_name};

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
    /// Whether admins may start, stop and restart containers.
    pub actions: bool,
}

/// The TAK collector.
#[derive(Clone, Debug)]
pub struct TakConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// When it runs.
    pub schedule: Schedule,
    /// A server that has just been started (or whose machine has) is not yet called down for this
    /// long, unless it has served already.
    pub startup_grace: Duration,
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
    /// PEM (leaf first, then its chain) or PKCS#12 file: presented as client certificate on TLS ports.
    pub client_certificate: Option<PathBuf>,
    /// PEM file: the unencrypted key of that certificate; `None`: it stands in the same file.
    pub client_key: Option<PathBuf>,
    /// Of the PKCS#12 file; `None`: the one that TAK's scripts use.
    pub client_password: Option<Secret>,
    /// Certificate files, and folders of them, that are watched beside those that are found.
    pub certificates: Vec<PathBuf>,
    /// An administrator of OpenTAKServer, and the password: its users and figures are only told to one.
    pub api_login: Option<(String, Secret)>,
    /// Whether two connections of takpulse's own send each other a message in each round.
    pub canary: bool,
}

impl Schedule {
    /// `least_timeout` (seconds) is what the collector's own limits add up to: with less, one thing
    /// that hangs would cost the whole reading.
    pub(super) fn read(section: &mut Section<'_>, least_timeout: u64) -> Result<Schedule, Faulted> {
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
    pub(super) fn read(section: &mut Section<'_>) -> Result<SystemConfig, Faulted> {
        let enabled = section.required("enabled", flag);
        let schedule = Schedule::read(section, 1);
        Ok(SystemConfig { enabled: enabled?, schedule: schedule? })
    }
}

impl DockerConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Result<DockerConfig, Faulted> {
        let enabled = section.required("enabled", flag);
        let schedule = Schedule::read(section, 9);
        let host = section.optional("host", docker_host);
        let actions = section.required("actions", flag);
        Ok(DockerConfig { enabled: enabled?, schedule: schedule?, host: host?, actions: actions? })
    }
}

impl TakConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Result<TakConfig, Faulted> {
        let enabled = section.required("enabled", flag);
        let schedule = Schedule::read(section, 10);
        let startup_grace = section.required("startup_grace", duration(0, 3600));
        let servers = section.tables("servers", TakServerConfig::read);
        Ok(TakConfig {
            enabled: enabled?,
            schedule: schedule?,
            startup_grace: startup_grace?,
            servers: servers?,
        })
    }
}

impl TakServerConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Result<TakServerConfig, Faulted> {
        let host = section.required("host", server_name);
        let name = section.optional("name", server_name);
        let cot_port = section.optional("cot_port", port);
        let cot_tls_port = section.optional("cot_tls_port", port);
        let http_port = section.optional("http_port", port);
        let https_port = section.optional("https_port", port);
        let client_certificate = section.optional("client_certificate", path);
        let client_key = section.optional("client_key", path);
        let client_password = section.optional("client_password", secret);
        let certificates = section.optional("certificates", list(path, FILES));
        let api_user = section.optional("api_user", server_name);
        let api_password = section.optional("api_password", secret);
        let canary = section.optional("canary", flag);
        let host = host?;
        let api_login = login(section, api_user?, api_password?);
        let server = TakServerConfig {
            name: name?.unwrap_or_else(|| host.clone()),
            host,
            cot_port: cot_port?,
            cot_tls_port: cot_tls_port?,
            http_port: http_port?,
            https_port: https_port?,
            client_certificate: client_certificate?,
            client_key: client_key?,
            client_password: client_password?,
            certificates: certificates?.unwrap_or_default(),
            api_login: api_login?,
            canary: canary?.unwrap_or(false),
        };
        server.check(section)
    }

    /// Whether takpulse has to find its ports by itself.
    pub fn finds_ports(&self) -> bool {
        [self.cot_port, self.cot_tls_port, self.http_port, self.https_port]
            .iter()
            .all(Option::is_none)
    }

    /// Whether its processes and files can be seen on this machine.
    pub fn is_local(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// What several keys must agree on.
    fn check(self, section: &mut Section<'_>) -> Result<TakServerConfig, Faulted> {
        let mut faults = Vec::new();
        if self.finds_ports() && !self.is_local() {
            faults.push(section.fault(
                "host",
                "a server elsewhere without a port cannot be checked",
                "add cot_port, cot_tls_port, http_port or https_port beside it",
            ));
        }
        if self.client_key.is_some() && self.client_certificate.is_none() {
            faults.push(section.fault(
                "client_key",
                "a key is of no use without its certificate",
                "add client_certificate beside it",
            ));
        }
        faults.pop().map_or(Ok(self), Err)
    }
}

/// A user and the password, both or none.
fn login(
    section: &mut Section<'_>,
    user: Option<String>,
    password: Option<Secret>,
) -> Result<Option<(String, Secret)>, Faulted> {
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some((user, password))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            let problem = "a user is of no use without a password";
            Err(section.fault("api_user", problem, "add api_password beside it"))
        }
        (None, Some(_)) => {
            let problem = "a password is of no use without its user";
            Err(section.fault("api_password", problem, "add api_user beside it"))
        }
    }
}

const FILES: &str = "a list of files and folders, such as [\"/opt/tak/certs/files\"]";
