//! What the APIs tell of the server's inside.
//!
//! The official server's shapes are those of its source (com.bbn.metrics.dto, com.bbn.marti.remote,
//! com.bbn.marti.network) and of Spring's actuator.
//!
//! Architecture invariant: pure.

use serde::Deserialize;

use super::json::{self, Loose};
use crate::collect::tak::report::Queue;

mod links;
mod open_tak;

pub use links::{active, outgoing};
pub use open_tak::{OpenTakStatus, open_tak_status};

/// No server has more inputs, and none more links; of longer lists the beginning is kept.
pub const MAX_LISTED: usize = 64;

/// Java heap, of `/actuator/custom-memory-metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heap {
    /// Of the API process.
    pub used_bytes: Option<u64>,
    /// What the API process has taken so far; it may take more.
    pub committed_bytes: Option<u64>,
    /// Of the messaging process.
    pub messaging_used_bytes: Option<u64>,
    /// What the messaging process has taken so far.
    pub messaging_committed_bytes: Option<u64>,
}

/// Reads `/actuator/custom-memory-metrics`: doubles, such as `1.04333312E9`.
///
/// # Errors
/// What is wrong with it.
pub fn heap(body: &[u8]) -> Result<Heap, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        heap_used: Loose,
        #[serde(default)]
        heap_committed: Loose,
        #[serde(default)]
        messaging_heap_used: Loose,
        #[serde(default)]
        messaging_heap_committed: Loose,
    }
    let answer: Answer = json::object(body)?;
    let heap = Heap {
        used_bytes: answer.heap_used.count(),
        committed_bytes: answer.heap_committed.count(),
        messaging_used_bytes: answer.messaging_heap_used.count(),
        messaging_committed_bytes: answer.messaging_heap_committed.count(),
    };
    something(heap, heap != Heap::default())
}

/// Counters of `/actuator/custom-network-metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Network {
    /// Read from clients since the start.
    pub read_bytes: Option<u64>,
    /// Written to clients since the start.
    pub written_bytes: Option<u64>,
    /// Connections, takpulse's own among them.
    pub clients: Option<u64>,
}

/// Reads `/actuator/custom-network-metrics`.
///
/// # Errors
/// What is wrong with it.
pub fn network(body: &[u8]) -> Result<Network, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        bytes_read: Loose,
        #[serde(default)]
        bytes_written: Loose,
        #[serde(default)]
        num_clients: Loose,
    }
    let answer: Answer = json::object(body)?;
    let network = Network {
        read_bytes: answer.bytes_read.count(),
        written_bytes: answer.bytes_written.count(),
        clients: answer.num_clients.count(),
    };
    something(network, network != Network::default())
}

/// Reads `/actuator/custom-queue-metrics`.
///
/// # Errors
/// What is wrong with it.
pub fn queues(body: &[u8]) -> Result<Vec<Queue>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        broker_size: Loose,
        #[serde(default)]
        broker_capacity: Loose,
        #[serde(default)]
        submission_size: Loose,
        #[serde(default)]
        submission_capacity: Loose,
        #[serde(default)]
        repository_size: Loose,
        #[serde(default)]
        repository_capacity: Loose,
    }
    let answer: Answer = json::object(body)?;
    let queues = [
        ("submission", answer.submission_size, answer.submission_capacity),
        ("broker", answer.broker_size, answer.broker_capacity),
        ("repository", answer.repository_size, answer.repository_capacity),
    ];
    let queue = |(name, size, capacity): (&str, Loose, Loose)| {
        let capacity = capacity.count().filter(|capacity| *capacity > 0);
        Some(Queue { name: name.to_owned(), size: size.count()?, capacity })
    };
    let queues: Vec<_> = queues.into_iter().filter_map(queue).collect();
    let any = !queues.is_empty();
    something(queues, any)
}

/// The database as the server sees it, of `/actuator/takserver-database`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// Whether the API process reaches it.
    pub api: Option<bool>,
    /// Whether the messaging process does.
    pub messaging: Option<bool>,
    /// Connections that the server may open.
    pub max_connections: Option<u64>,
    /// Its version: `15.4`.
    pub version: Option<String>,
}

/// Reads `/actuator/takserver-database`.
///
/// # Errors
/// What is wrong with it.
pub fn database(body: &[u8]) -> Result<Database, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        api_connected: Loose,
        #[serde(default)]
        messaging_connected: Loose,
        #[serde(default)]
        max_connections: Loose,
        #[serde(default)]
        server_version: Loose,
    }
    let answer: Answer = json::object(body)?;
    let database = Database {
        api: answer.api_connected.flag(),
        messaging: answer.messaging_connected.flag(),
        max_connections: answer.max_connections.count().filter(|connections| *connections > 0),
        version: answer.server_version.text(),
    };
    let any = database.api.is_some() || database.messaging.is_some();
    something(database, any)
}

/// The disk that a server is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Its size.
    pub total_bytes: u64,
    /// What the server may still fill.
    pub available_bytes: u64,
}

/// Reads `/actuator/custom-disk-metrics`.
///
/// # Errors
/// What is wrong with it.
pub fn disk(body: &[u8]) -> Result<Disk, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        total_space: Loose,
        #[serde(default)]
        usable_space: Loose,
    }
    let answer: Answer = json::object(body)?;
    sizes(&answer.total_space, &answer.usable_space)
}

fn sizes(total: &Loose, available: &Loose) -> Result<Disk, String> {
    let (Some(total_bytes), Some(available_bytes)) = (total.count(), available.count()) else {
        return Err(NOTHING.to_owned());
    };
    let disk = Disk { total_bytes, available_bytes };
    something(disk, total_bytes > 0 && available_bytes <= total_bytes)
}

/// Reads `cpuUsage` of `/actuator/custom-cpu-metrics`, in percent. It is the machine's and not the
/// server's: TAK Server takes it from `system.cpu.usage` (ActuatorMetricsService).
///
/// # Errors
/// What is wrong with it.
pub fn machine_cpu_percent(body: &[u8]) -> Result<f64, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        cpu_usage: Loose,
    }
    let answer: Answer = json::object(body)?;
    share(answer.cpu_usage.number())
}

/// A share of one as percent.
///
/// # Errors
/// It is none.
pub fn share(number: Option<f64>) -> Result<f64, String> {
    // Java tells -1 before its first measurement.
    let share = number.filter(|share| (0.0..=1.0).contains(share));
    share.map(|share| share * 100.0).ok_or_else(|| NOTHING.to_owned())
}

/// Reads the one value of `/actuator/metrics/NAME`.
///
/// # Errors
/// What is wrong with it.
pub fn meter(body: &[u8]) -> Result<f64, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        measurements: json::List<Measurement>,
    }
    #[derive(Deserialize)]
    struct Measurement {
        #[serde(default)]
        value: Loose,
    }
    let answer: Answer = json::object(body)?;
    let measurements = answer.measurements.items.unwrap_or_default();
    measurements.first().and_then(|first| first.value.number()).ok_or_else(|| NOTHING.to_owned())
}

/// What came in by one input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputReading {
    /// Its name.
    pub name: String,
    /// `tls`, `tcp`.
    pub protocol: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// Clients on it.
    pub clients: Option<u64>,
    /// Messages since the start.
    pub messages: Option<u64>,
    /// Bytes since the start.
    pub bytes: Option<u64>,
}

/// Reads `/Marti/api/inputs`.
///
/// # Errors
/// What is wrong with it.
pub fn inputs(body: &[u8]) -> Result<Vec<InputReading>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metric {
        #[serde(default)]
        input: json::Object<Input>,
        #[serde(default)]
        messages_received: Loose,
        // So the server spells it.
        #[serde(default)]
        bytes_recieved: Loose,
        #[serde(default)]
        bytes_received: Loose,
        #[serde(default)]
        num_clients: Loose,
    }
    #[derive(Deserialize)]
    struct Input {
        #[serde(default, alias = "_name")]
        name: Loose,
        #[serde(default)]
        protocol: Loose,
        #[serde(default)]
        port: Loose,
    }
    let (metrics, _) = json::data::<Metric>(body)?;
    let reading = |metric: Metric| {
        let input = metric.input.0?;
        Some(InputReading {
            name: input.name.text()?,
            protocol: input.protocol.text(),
            port: input.port.count().and_then(|port| u16::try_from(port).ok()),
            clients: metric.num_clients.count(),
            messages: metric.messages_received.count(),
            bytes: metric.bytes_recieved.count().or(metric.bytes_received.count()),
        })
    };
    Ok(metrics.into_iter().filter_map(reading).take(MAX_LISTED).collect())
}

/// Reads `cotEvents` of `/Marti/api/database/cotCount`.
///
/// # Errors
/// What is wrong with it.
pub fn events(body: &[u8]) -> Result<u64, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        data: json::Object<Counts>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Counts {
        #[serde(default)]
        cot_events: Loose,
    }
    let answer: Answer = json::object(body)?;
    answer.data.0.and_then(|counts| counts.cot_events.count()).ok_or_else(|| NOTHING.to_owned())
}

const NOTHING: &str = "what it should hold is not in it";

fn something<T>(value: T, any: bool) -> Result<T, String> {
    if any { Ok(value) } else { Err(NOTHING.to_owned()) }
}

#[cfg(test)]
mod tests;
