//! Turns counters into figures. Pure: what goes in is what the kernel or an engine said and when.
//!
//! Rates are over our own monotonic clock, because the engine's clock may jump. A counter that goes
//! backwards (the container was restarted) gives no rate rather than a wrong one, and neither does
//! a counter from another source: an engine counts other interfaces and devices than we do.

use bollard::models::{
    ContainerBlkioStatEntry, ContainerBlkioStats, ContainerMemoryStats, ContainerNetworkStats,
    ContainerStatsResponse,
};
use std::collections::HashMap;
use tokio::time::Instant;

use super::report::Figures;
use crate::collect::figures::{hundredths, per_second};

/// One reading of a running container.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When it was read, or the engine's answer was here.
    pub at: Instant,
    /// Who said it.
    pub source: Source,
    /// What rates are made of.
    pub counters: Counters,
    /// Memory in use, without the file cache that the kernel can drop.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// Who says what a container uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The kernel's own files.
    Kernel,
    /// The engine, where those cannot be read.
    Engine,
}

/// What only ever grows while the container runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Processor time.
    pub cpu_nanoseconds: Option<u64>,
    /// Received over its own network interfaces.
    pub rx_bytes: Option<u64>,
    /// Sent over its own network interfaces.
    pub tx_bytes: Option<u64>,
    /// Read from block devices.
    pub read_bytes: Option<u64>,
    /// Written to block devices.
    pub write_bytes: Option<u64>,
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
            source: Source::Engine,
            counters: Counters::of(stats),
            memory_bytes: memory.and_then(memory_in_use),
            pids: stats.pids_stats.as_ref().and_then(|pids| pids.current).filter(|pids| *pids > 0),
        })
    }

    /// The figures, with rates since `before` when there is such a sample of the same run and from
    /// the same source. `memory_limit_bytes`: the container's own.
    pub fn figures(&self, before: Option<&Sample>, memory_limit_bytes: Option<u64>) -> Figures {
        let before = before.filter(|before| before.source == self.source);
        let rate = |counter: fn(&Counters) -> Option<u64>| {
            let before = before?;
            let elapsed = self.at.checked_duration_since(before.at)?;
            per_second(counter(&before.counters)?, counter(&self.counters)?, elapsed)
        };
        let bytes = |counter| rate(counter).map(|rate| rate.round() as u64);
        Figures {
            cpu_percent: rate(|c| c.cpu_nanoseconds).map(|ns| hundredths(ns / 1e9 * 100.0)),
            memory_bytes: self.memory_bytes,
            memory_limit_bytes,
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

/// `total_inactive_file` is cgroup v1's name for the cache, `inactive_file` v2's.
fn memory_in_use(memory: &ContainerMemoryStats) -> Option<u64> {
    let details = memory.stats.as_ref();
    let cache = details
        .and_then(|stats| stats.get("total_inactive_file").or_else(|| stats.get("inactive_file")));
    without_cache(memory.usage?, cache.copied().unwrap_or(0))
}

/// Usage minus the inactive file cache, as Docker's own CLI does: the two are not read at the same
/// moment, and more cache than usage means nothing. An engine on a kernel without the memory
/// controller says 0.
pub fn without_cache(usage: u64, cache: u64) -> Option<u64> {
    let usage = Some(usage).filter(|usage| *usage > 0)?;
    Some(usage.checked_sub(cache).unwrap_or(usage))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    const CGROUP1: &str = include_str!("fixtures/stats-cgroup1.json");
    const CGROUP2: &str = include_str!("fixtures/stats-cgroup2.json");
    const ENDED: &str = include_str!("fixtures/stats-ended.json");

    fn json(text: &str) -> Value {
        serde_json::from_str(text).expect("the fixture is JSON")
    }

    fn sample(at: Instant, stats: Value) -> Option<Sample> {
        Sample::of(at, &serde_json::from_value(stats).expect("bollard reads it"))
    }

    /// The fixture, after these pointers were set to these values.
    fn with(text: &str, changes: &[(&str, Value)]) -> Value {
        let mut stats = json(text);
        for (pointer, value) in changes {
            *stats.pointer_mut(pointer).expect("the fixture has it") = value.clone();
        }
        stats
    }

    /// The figures of `after`, two seconds after `before`.
    fn figures(before: Value, after: Value) -> Figures {
        let start = Instant::now();
        let before = sample(start, before);
        let after = sample(start + Duration::from_secs(2), after).expect("it runs");
        after.figures(before.as_ref(), None)
    }

    const CPU: &str = "/cpu_stats/cpu_usage/total_usage";

    #[test]
    fn a_first_reading_has_amounts_and_no_rates() {
        let first = sample(Instant::now(), json(CGROUP2)).expect("it runs");
        assert_eq!(
            first.figures(None, Some(2_000_000_000)),
            Figures {
                memory_bytes: Some(1_200_000_000),
                memory_limit_bytes: Some(2_000_000_000),
                pids: Some(87),
                ..Figures::default()
            }
        );
    }

    #[test]
    fn rates_are_per_second_over_all_interfaces_and_devices() {
        let later = with(
            CGROUP2,
            &[
                (CPU, json!(8_000_000_000_u64)),
                ("/networks/eth0/rx_bytes", json!(3000)),
                ("/networks/eth1/rx_bytes", json!(1011)),
                ("/networks/eth1/tx_bytes", json!(32)),
                ("/blkio_stats/io_service_bytes_recursive/0/value", json!(120_832_500)),
                ("/blkio_stats/io_service_bytes_recursive/2/value", json!(1500)),
                ("/blkio_stats/io_service_bytes_recursive/1/value", json!(8192)),
            ],
        );
        let figures = figures(json(CGROUP2), later);
        assert_eq!(figures.cpu_percent, Some(150.0));
        assert_eq!(figures.network_rx_bytes_per_s, Some(1500));
        assert_eq!(figures.network_tx_bytes_per_s, Some(5));
        assert_eq!(figures.block_read_bytes_per_s, Some(500));
        assert_eq!(figures.block_write_bytes_per_s, Some(2048));
    }

    #[test]
    fn memory_leaves_out_the_cache_that_the_kernel_can_drop() {
        type Change<'a> = &'a [(&'a str, Value)];
        let check = |fixture: &str, changes: Change, expected: Option<u64>| {
            let sample = sample(Instant::now(), with(fixture, changes)).expect("it runs");
            assert_eq!(sample.figures(None, None).memory_bytes, expected, "{changes:?}");
        };
        let usage = |bytes: u64| ("/memory_stats/usage", json!(bytes));
        let cache1 = |bytes: u64| ("/memory_stats/stats/total_inactive_file", json!(bytes));
        check(CGROUP1, &[], Some(311_296));
        check(CGROUP1, &[usage(900), cache1(300)], Some(600));
        // The v2 name is there too on v1, and means the container without its children.
        check(CGROUP1, &[usage(900), ("/memory_stats/stats/inactive_file", json!(7))], Some(900));
        check(CGROUP1, &[usage(900), cache1(901)], Some(900));
        check(CGROUP2, &[], Some(1_200_000_000));
        check(CGROUP2, &[("/memory_stats/stats", json!({}))], Some(1_500_000_000));
        // A Raspberry Pi without cgroup_enable=memory.
        check(CGROUP2, &[usage(0)], None);
        check(CGROUP2, &[("/memory_stats", json!({}))], None);
    }

    #[test]
    fn the_hosts_memory_is_no_limit_of_the_container() {
        let sample = sample(Instant::now(), json(CGROUP1)).expect("it runs");
        assert_eq!(sample.figures(None, None).memory_limit_bytes, None);
    }

    #[test]
    fn a_counter_that_goes_backwards_gives_no_rate() {
        let restarted = [
            (CPU, json!(1)),
            ("/networks/eth0/rx_bytes", json!(0)),
            ("/blkio_stats/io_service_bytes_recursive/1/value", json!(0)),
        ];
        let figures = figures(json(CGROUP2), with(CGROUP2, &restarted));
        assert_eq!(figures.cpu_percent, None);
        assert_eq!(figures.network_rx_bytes_per_s, None);
        assert_eq!(figures.block_write_bytes_per_s, None);
        assert_eq!(figures.network_tx_bytes_per_s, Some(0), "this one went on");
    }

    #[test]
    fn what_the_engine_does_not_say_is_not_known() {
        let silent = with(
            CGROUP2,
            &[
                ("/blkio_stats/io_service_bytes_recursive", json!(null)),
                ("/networks", json!(null)),
                ("/cpu_stats/cpu_usage/total_usage", json!(0)),
                ("/pids_stats", json!({})),
            ],
        );
        let figures = figures(silent.clone(), silent);
        let known = Figures { memory_bytes: Some(1_200_000_000), ..Figures::default() };
        assert_eq!(figures, known);
        assert_eq!(sample(Instant::now(), json!({})), None);
    }

    #[test]
    fn rates_are_not_made_of_counters_from_two_sources() {
        let start = Instant::now();
        let before = sample(start, json(CGROUP2)).expect("it runs");
        let later = Sample { at: start + Duration::from_secs(2), ..before.clone() };
        assert_eq!(later.figures(Some(&before), None).cpu_percent, Some(0.0));
        let later = Sample { source: Source::Kernel, ..later };
        let figures = later.figures(Some(&before), None);
        assert_eq!((figures.cpu_percent, figures.network_rx_bytes_per_s), (None, None));
        assert_eq!(figures.memory_bytes, Some(1_200_000_000));
    }

    #[test]
    fn a_container_that_just_ended_has_no_figures() {
        assert_eq!(sample(Instant::now(), json(ENDED)), None);
    }

    #[test]
    fn no_time_between_two_readings_gives_no_rate() {
        let now = Instant::now();
        let sample = sample(now, json(CGROUP2)).expect("it runs");
        assert_eq!(sample.figures(Some(&sample.clone()), None).cpu_percent, None);
    }
}
