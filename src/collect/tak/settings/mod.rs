//! What a TAK server's own configuration says: its ports, its database, its broker, its files.
//!
//! Read where it can be read; nothing in it is believed against what the machine shows, and no
//! password in it is ever shown. The parsers beside this file are pure and speak of paths as the
//! server knows them; [`reading`] finds the file, and makes the paths those that takpulse reaches.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::collect::tak::report::CertificateRole;
use crate::collect::tak::targets::Role;
use crate::config::Secret;
use crate::keystore::CUSTOMARY_PASSWORD;

mod core_config;
mod fault;
mod find;
mod free_tak;
#[cfg(test)]
mod fuzz;
mod ini;
mod open_tak;
mod owner;
mod reach;
mod reading;
mod taky;
mod yaml;

pub use reading::Reading;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The file that it is from, for people.
    pub source: String,
    /// The ports that the server should listen on.
    pub ports: Vec<SetPort>,
    /// `host` and port of its database (PostgreSQL).
    pub database: Option<(String, u16)>,
    /// `host` and port of its message broker (AMQP).
    pub broker: Option<(String, u16)>,
    /// The server is in a network of its own (a container): names and loopback addresses of its
    /// database and its broker mean something there only.
    pub own_network: bool,
    /// Files and folders with certificates.
    pub places: Vec<Place>,
    /// taky's management socket, as takpulse reaches it.
    pub management_socket: Option<PathBuf>,
    /// Log files that tell of readiness and trouble, as takpulse reaches them.
    pub logs: Vec<PathBuf>,
}

/// A port that the server's configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPort {
    /// The TCP port; where there are no connections, the UDP port.
    pub port: u16,
    /// The one address that it is bound to; absent: every address.
    pub address: Option<IpAddr>,
    /// What is spoken there; absent: takpulse does not ask it (federation, enrolment, QUIC).
    pub role: Option<Role>,
    /// Whether a part of the server that runs opens it. False: another program in front of it
    /// (nginx) does, or a part that does not run; it may be absent.
    pub expected: bool,
    /// Clients come to it in a way that shows no connection to a CoT port: by UDP, multicast, QUIC
    /// or gRPC.
    pub connectionless: bool,
    /// What it is called there: `stdssl`, `https`.
    pub name: String,
}

/// A file or a folder with certificates.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// As takpulse reaches it (below `host.root`, or through `/proc/<pid>/root`).
    pub path: PathBuf,
    /// As its owner knows it.
    pub shown: String,
    /// Whose certificates are in it.
    pub role: CertificateRole,
    /// What may open it, the most likely first.
    pub passwords: Vec<Secret>,
}

/// More ports than this are not looked at: each costs a connection a round.
const MAX_PORTS: usize = 64;

/// More certificate files and folders than this are not looked at.
const MAX_PLACES: usize = 64;

/// The longest name of a port that is passed on, in characters.
const MAX_NAME_CHARS: usize = 60;

impl Settings {
    /// Adds a port, up to [`MAX_PORTS`].
    fn add_port(&mut self, port: SetPort) {
        if self.ports.len() < MAX_PORTS {
            let name = crate::collect::tak::certificate::printable(&port.name, MAX_NAME_CHARS);
            self.ports.push(SetPort { name, ..port });
        }
    }

    /// Adds a place, each path once and up to [`MAX_PLACES`]; further passwords are kept.
    fn add_place(&mut self, path: PathBuf, role: CertificateRole, passwords: &[Secret]) {
        let customary = Secret::new(CUSTOMARY_PASSWORD.to_owned());
        let at = match self.places.iter().position(|place| place.path == path) {
            Some(at) => at,
            None if self.places.len() >= MAX_PLACES => return,
            None => {
                let shown = path.display().to_string();
                self.places.push(Place { path, shown, role, passwords: Vec::new() });
                self.places.len() - 1
            }
        };
        let known = &mut self.places[at].passwords;
        known.retain(|password| *password != customary);
        for password in passwords.iter().chain([&customary]) {
            if !known.contains(password) {
                known.push(password.clone());
            }
        }
    }
}
