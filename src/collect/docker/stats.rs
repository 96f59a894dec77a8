//! Turns the engine's counters into figures. Pure: what goes in is what an engine said and when.
//!
//! Rates are over our own monotonic clock, because the engine's clock may jump. A counter that goes
//! backwards (the container was restarted) gives no rate rather than a wrong one.

use bollard::models::{
    ContainerBlkioStatEntry, ContainerBlkioStats, ContainerMemoryStats, ContainerNetworkStats,
    ContainerStatsResponse,
};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

use super::report::{Figures, hundredths};

/// One reading of a running container.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When the engine's answer was here.
    pub at: Instant,
    counters: Counters,
    memory_bytes: Option<u64>,
    memory_limit_bytes: Option<u64>,
    pids: Option<u64>,
}

/// What only ever grows while the container runs.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counters {
    cpu_nanoseconds: Option<u64>,
    rx_bytes: Option<u64>,
    tx_bytes: Option<u64>,
    read_bytes: Option<u64>,
    write_bytes: Option<u64>,
}

impl Sample {
    /// Reads the engine's answer; `None` when it has no figures because the container does not run.
    pub fn of(at: Instant, stats: &ContainerStatsResponse) -> Option<Sample> {
        // The engine answers with an empty body from the year 1 for a container that just ended.
        if stats.read.as_ref().is_none_or(|read| read.starts_with("0001-")) {
            return None;
        }
        let memory = stats.memory_stats.as_ref();
        Some(Sample {
            at,
            counters: Counters::of(stats),
            memory_bytes: memory.and_then(memory_in_use),
            memory_limit_bytes: memory.and_then(|memory| memory.limit).filter(|limit| *limit > 0),
            pids: stats.pids_stats.as_ref().and_then(|pids| pids.current).filter(|pids| *pids > 0),
        })
    }

    /// The figures, with rates since `before` when there is such a sample of the same run.
    /// `limited`: the container has a memory limit of its own (the engine also reports the host's).
    pub fn figures(&self, before: Option<&Sample>, limited: bool) -> Figures {
        let rate = |counter: fn(&Counters) -> Option<u64>| {
            let before = before?;
            let elapsed = self.at.checked_duration_since(before.at)?;
            per_second(counter(&before.counters)?, counter(&self.counters)?, elapsed)
        };
        let bytes = |counter| rate(counter).map(|rate| rate.round() as u64);
        Figures {
            cpu_percent: rate(|c| c.cpu_nanoseconds).map(|ns| hundredths(ns / 1e9 * 100.0)),
            memory_bytes: self.memory_bytes,
            memory_limit_bytes: self.memory_limit_bytes.filter(|_| limited),
            network_rx_bytes_per_s: bytes(|c| c.rx_bytes),
            network_tx_bytes_per_s: bytes(|c| c.tx_bytes),
            block_read_bytes_per_s: bytes(|c| c.read_bytes),
            block_write_bytes_per_s: bytes(|c| c.write_bytes),
            pids: self.pids,
        }
    }
}

impl Counters {
    fn of(stats: &ContainerStatsResponse) -> Counters {
        let cpu = stats.cpu_stats.as_ref();
        let networks = stats.networks.as_ref();
        let block = stats.blkio_stats.as_ref();
        Counters {
            cpu_nanoseconds: cpu
                .and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage)
                .filter(|nanoseconds| *nanoseconds > 0),
            rx_bytes: networks.and_then(|all| over_interfaces(all, |one| one.rx_bytes)),
            tx_bytes: networks.and_then(|all| over_interfaces(all, |one| one.tx_bytes)),
            read_bytes: block.and_then(|block| over_devices(block, "read")),
            write_bytes: block.and_then(|block| over_devices(block, "write")),
        }
    }
}

/// `None` when the counter went backwards or no time passed.
fn per_second(before: u64, now: u64, elapsed: Duration) -> Option<f64> {
    let grown = now.checked_sub(before)?;
    (!elapsed.is_zero()).then(|| grown as f64 / elapsed.as_secs_f64())
}

/// Usage minus the inactive file cache, as Docker's own CLI does: `total_inactive_file` is cgroup
/// v1's name for it, `inactive_file` v2's. A kernel without the memory controller says 0.
fn memory_in_use(memory: &ContainerMemoryStats) -> Option<u64> {
    let usage = memory.usage.filter(|usage| *usage > 0)?;
    let details = memory.stats.as_ref();
    let cache = details
        .and_then(|stats| stats.get("total_inactive_file").or_else(|| stats.get("inactive_file")));
    Some(cache.and_then(|cache| usage.checked_sub(*cache)).unwrap_or(usage))
}

fn over_interfaces(
    interfaces: &HashMap<String, ContainerNetworkStats>,
    bytes: fn(&ContainerNetworkStats) -> Option<u64>,
) -> Option<u64> {
    interfaces.values().filter_map(bytes).reduce(u64::saturating_add)
}

/// cgroup v1 says `Read`, v2 says `read`; a list that is missing or empty says nothing.
fn over_devices(block: &ContainerBlkioStats, operation: &str) -> Option<u64> {
    let is_it = |entry: &&ContainerBlkioStatEntry| {
        entry.op.as_deref().is_some_and(|op| op.eq_ignore_ascii_case(operation))
    };
    let entries = block.io_service_bytes_recursive.as_ref()?;
    entries.iter().filter(is_it).filter_map(|entry| entry.value).reduce(u64::saturating_add)
}
