//! The collectors' sections.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::{Faulted, Section};
use super::values::{docker_host, duration, flag, path, port, server_name};

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
        Ok(DockerConfig { enabled: enabled?, schedule: schedule?, host: host? })
    }
}

impl TakConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Result<TakConfig, Faulted> {
        let enabled = section.required("enabled", flag);
        let schedule = Schedule::read(section, 10);
        let servers = section.tables("servers", TakServerConfig::read);
        Ok(TakConfig { enabled: enabled?, schedule: schedule?, servers: servers? })
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
