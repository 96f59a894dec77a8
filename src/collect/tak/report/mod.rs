//! The payload of `tak_status`: what viewers get. A field that is absent is not known.

use serde::Serialize;

mod clients;
mod inside;
mod several;

pub use clients::{Clients, MAX_USERS, User, UserSource};
pub use inside::{Database, Federation, Input, Inside, Queue};
pub use several::ServerStatus;

/// The state of the TAK server (of the worst one, when several are watched).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TakStatus {
    /// Absent: this round could not be finished, so nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Whether a TAK server is, or in this run of takpulse was, on the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<bool>,
    /// Whether a process of it is visible or one of its ports accepts connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// Which server it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavor: Option<Flavor>,
    /// What `/Marti/api/version` says, at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What was looked at, in a fixed order.
    pub checks: Vec<Check>,
    /// Every certificate that matters, the one that ends first on top.
    pub certificates: Vec<Certificate>,
    /// Who is on; absent: nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Clients>,
    /// What the server tells of its inside; absent with several servers (see `servers`), and where
    /// nothing is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Inside>,
    /// Each by itself, when several are watched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerStatus>,
    /// The containers (12 digits of each id) on this machine that it runs in, and its database and its
    /// message broker where these are known. Absent: a server answers here, but its processes are not to
    /// be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containers: Option<Vec<String>>,
    /// One sentence for the volunteer: the worst finding, and what to do.
    pub message: String,
}

/// How users fare; ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No TAK server was ever seen here: nothing to worry about.
    NotInstalled,
    /// Users can work and nothing needs attention.
    Healthy,
    /// Users can work (or it cannot be told that they cannot), but something needs attention.
    Degraded,
    /// Users cannot work: stopped, or it accepts connections and answers none (hung).
    Down,
}

/// Which TAK server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    /// taky.
    Taky,
    /// The official TAK Server.
    TakServer,
    /// OpenTAKServer.
    OpenTakServer,
    /// FreeTAKServer.
    FreeTakServer,
}

impl Flavor {
    /// The name that its users know.
    pub fn title(self) -> &'static str {
        match self {
            Flavor::Taky => "taky",
            Flavor::TakServer => "TAK Server",
            Flavor::OpenTakServer => "OpenTAKServer",
            Flavor::FreeTakServer => "FreeTAKServer",
        }
    }
}

/// One layer of one port (or the processes), looked at by itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// The configured server's name; absent when takpulse found the server by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Which layer.
    pub name: CheckName,
    /// What was asked: `127.0.0.1:8089`, an URL, a unit's name.
    pub target: String,
    /// Absent: unknown, or does not apply; the message says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// Milliseconds until this layer's answer or failure, to a tenth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// What it means and, when it failed, what to do.
    pub message: String,
}

/// The layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// The server's processes on this machine.
    Process,
    /// Its systemd unit.
    Unit,
    /// A TCP port.
    Port,
    /// The TLS handshake on a port.
    Tls,
    /// The certificate that was served.
    Certificate,
    /// The answer to a CoT ping.
    Cot,
    /// The answer of the Marti API.
    Api,
    /// What the API says only to those whom it knows: with a client certificate, or signed in.
    AuthenticatedApi,
    /// The server's database.
    Database,
    /// The message broker between the server's parts.
    Broker,
    /// Lines in the server's logs that tell of trouble.
    Log,
    /// How often its processes were started anew.
    Restarts,
    /// A message from one of takpulse's own connections to another.
    Canary,
    /// The server's configuration, as far as takpulse reads it.
    Configuration,
    /// The client certificate that takpulse was given.
    ClientCertificate,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Certificate {
    /// The configured server's name; absent when takpulse found the server by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Whose it is.
    pub role: CertificateRole,
    /// Its common name, or the whole subject where it has none.
    pub subject: String,
    /// The same of who signed it.
    pub issuer: String,
    /// The end of its validity in Unix seconds.
    pub not_after: i64,
    /// Whole days until then, rounded down: -1 in the first day after the end.
    pub days_left: i64,
    /// Where it was first seen: the `host:port` that served it, or the file it is in.
    pub source: String,
    /// Where else it was seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

/// Whose certificate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateRole {
    /// The server's own.
    Server,
    /// One that the server sends along with its own.
    Issuer,
    /// One whose signatures the server believes: its clients cannot connect without it.
    Truststore,
    /// Another one in the server's certificate folder, such as a user's.
    File,
    /// The one that takpulse presents.
    Client,
    /// The one of takpulse's own dashboard.
    Takpulse,
}

impl TakStatus {
    /// The report of a round that could not be finished.
    pub(in crate::collect::tak) fn unknown(why: &str) -> TakStatus {
        TakStatus {
            status: None,
            installed: None,
            running: None,
            flavor: None,
            version: None,
            checks: Vec::new(),
            certificates: Vec::new(),
            clients: None,
            server: None,
            servers: Vec::new(),
            containers: None,
            message: format!("Nothing is known of the TAK server at the moment: {why}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_absent_on_the_wire() {
        let json =
            serde_json::to_string(&TakStatus::unknown("no answer within 10s")).expect("JSON");
        assert_eq!(
            json,
            "{\"checks\":[],\"certificates\":[],\"message\":\"Nothing is known of the TAK server at the moment: no answer within 10s.\"}"
        );
        let json = serde_json::to_value(TakStatus {
            status: Some(Status::NotInstalled),
            checks: vec![Check {
                server: None,
                name: CheckName::ClientCertificate,
                target: "t".into(),
                ok: None,
                latency_ms: None,
                message: "m".into(),
            }],
            ..TakStatus::unknown("")
        })
        .expect("JSON");
        assert_eq!(json["status"], "not_installed");
        assert_eq!(json["checks"][0]["name"], "client_certificate");
        assert_eq!(json["checks"][0].get("ok"), None);
    }
}
