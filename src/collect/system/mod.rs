//! The host: how busy, how full, how hot, how powered, and whether its clock is right.
//!
//! sysinfo reads the processor, memory, load and names; everything whose place can be configured
//! (for a takpulse in a container) is read here, thinly, with a pure parser beside it.
//!
//! Architecture invariant: only this folder knows sysinfo, and nothing in it knows Docker or TAK.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Instant, sleep_until};

use super::blocking::Blocking;
use super::{CollectError, Collector};
use crate::config::HostConfig;
use crate::event::Topic;

mod clock;
mod disks;
mod diskstats;
#[cfg(test)]
mod fixture;
mod machine;
mod mounts;
mod network;
mod power;
mod pressure;
mod rates;
pub mod report;
mod sampler;
mod sysfs;
mod temperatures;
mod waiting;

pub use report::SystemMetrics;
use sampler::Sampler;
use waiting::Waiting;

/// Reads the host's own figures.
pub struct SystemCollector {
    host: HostConfig,
    current: Option<Current>,
    priming: Blocking<Sampler>,
    /// Readings that hang, each at its mount; that mount is left out until its reading ends.
    hanging: Vec<Waiting>,
}

/// The sampler in use.
struct Current {
    /// Locked while it reads.
    sampler: Arc<Mutex<Sampler>>,
    reading: Blocking<SystemMetrics>,
    /// What it is waiting for.
    waiting: Waiting,
    /// The processor's load is known from then on.
    ready: Instant,
}

impl SystemCollector {
    /// A collector of the host whose files are where `host` says. Nothing is read yet.
    pub fn new(host: &HostConfig) -> Self {
        SystemCollector {
            host: host.clone(),
            current: None,
            priming: Blocking::default(),
            hanging: Vec::new(),
        }
    }

    /// Gives up a sampler that still hangs at a mount; whoever hangs elsewhere is waited for.
    fn leave_what_hangs(&mut self) -> Result<(), CollectError> {
        self.hanging.retain(|reading| reading.mount().is_some());
        let Some(current) = &self.current else {
            return Ok(());
        };
        if !current.reading.runs() {
            return Ok(());
        }
        if current.waiting.mount().is_none() {
            return Err(still_running());
        }
        self.hanging.push(current.waiting.clone());
        self.current = None;
        Ok(())
    }

    /// The sampler, made and primed if there is none.
    async fn sampler(&mut self) -> Result<&mut Current, CollectError> {
        let current = match self.current.take() {
            Some(current) => current,
            None => self.prime().await?,
        };
        Ok(self.current.insert(current))
    }

    async fn prime(&mut self) -> Result<Current, CollectError> {
        let (host, waiting) = (self.host.clone(), Waiting::default());
        let its_waiting = waiting.clone();
        let primed = self.priming.read(move || Sampler::prime(host, its_waiting)).await;
        Ok(Current {
            sampler: Arc::new(Mutex::new(primed.map_err(|why| broken(&why.to_string()))?)),
            reading: Blocking::default(),
            waiting,
            ready: Instant::now() + sysinfo::MINIMUM_CPU_UPDATE_INTERVAL,
        })
    }
}

impl Collector for SystemCollector {
    type Report = SystemMetrics;

    const TOPIC: Topic = Topic::SystemMetrics;
    const SOURCE: &'static str = "this host";
    const ADVICE: &'static str =
        "look at `dmesg` for a driver, a disk or a network mount that hangs";

    async fn collect(&mut self) -> Result<SystemMetrics, CollectError> {
        self.leave_what_hangs()?;
        let hanging: Vec<_> = self.hanging.iter().filter_map(Waiting::mount).collect();
        let avoid = hanging.clone();
        let current = self.sampler().await?;
        sleep_until(current.ready).await;
        let sampler = current.sampler.clone();
        let sample = move || {
            let mut sampler = sampler.lock().unwrap_or_else(PoisonError::into_inner);
            sampler.sample(&avoid)
        };
        let report = current.reading.read(sample).await.map_err(|why| broken(&why.to_string()))?;
        Ok(SystemMetrics { message: waiting::explain(&hanging), ..report })
    }

    fn failed(&self, error: &CollectError) -> SystemMetrics {
        SystemMetrics { message: Some(error.to_string()), ..SystemMetrics::default() }
    }

    fn complaint(&self, report: &SystemMetrics) -> Option<String> {
        report.message.clone()
    }
}

/// Without the seconds so far: a text that grows would be a new one, and in the log, each round.
fn still_running() -> CollectError {
    CollectError(
        "the previous reading of /proc and /sys still runs: a driver does not answer; see dmesg \
         for the device, and restart the box if it does not come back"
            .into(),
    )
}

fn broken(why: &str) -> CollectError {
    CollectError(format!(
        "the reading of the host broke off ({why}): this is a fault in takpulse, please report it; \
         it is tried again at the next interval"
    ))
}

#[cfg(test)]
mod tests;
