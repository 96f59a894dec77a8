//! What a server tells of its inside.

use serde::Serialize;

/// What a server tells of its inside. Rates are over the time since the last round.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Inside {
    /// Since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<f64>,
    /// Java heap of the API process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_heap_used_bytes: Option<u64>,
    /// What the Java machine may take for it at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_heap_max_bytes: Option<u64>,
    /// What it has taken so far; it may take more, up to its maximum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_heap_committed_bytes: Option<u64>,
    /// Java heap of the messaging process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_heap_used_bytes: Option<u64>,
    /// What the Java machine may take for it at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_heap_max_bytes: Option<u64>,
    /// What it has taken so far; it may take more, up to its maximum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_heap_committed_bytes: Option<u64>,
    /// CPU of the API process or of all of the server, 100: all cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// CPU of the messaging process, 100: all cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_cpu_percent: Option<f64>,
    /// CPU of the machine that the server is on, whatever uses it, 100: all cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_cpu_percent: Option<f64>,
    /// The disk that the server is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_total_bytes: Option<u64>,
    /// What the server may still fill of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_available_bytes: Option<u64>,
    /// Messages that wait inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<Queue>,
    /// Where messages come in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Read from clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bytes_per_s: Option<f64>,
    /// Written to clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_bytes_per_s: Option<f64>,
    /// The database, as the server sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// Links to other servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub federations: Vec<Federation>,
}

/// A queue inside the server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Queue {
    /// `broker`, `submission`, `repository`.
    pub name: String,
    /// What waits in it.
    pub size: u64,
    /// What may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
}

/// An input of the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Input {
    /// Its name in the server's configuration.
    pub name: String,
    /// `tls`, `tcp`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Clients on it, takpulse's own connections among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<u64>,
    /// Messages that came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_s: Option<f64>,
    /// Bytes that came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bytes_per_s: Option<f64>,
}

/// The server's database.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Database {
    /// Whether all parts of the server are connected to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// Its own version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it takes on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Stored CoT events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Connections that the server may open to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u64>,
}

/// A link to another server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Federation {
    /// Its name in the server's configuration.
    pub name: String,
    /// Whether it is up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// Where it goes, or why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
