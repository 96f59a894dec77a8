//! The host: how busy, how full, how hot, how powered, and whether its clock is right.
//!
//! sysinfo reads the processor, memory, load and names; everything whose place can be configured
//! (for a takpulse in a container) is read here, thinly, with a pure parser beside it.
//!
//! Architecture invariant: only this folder knows sysinfo, and nothing in it knows Docker or TAK.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::{CollectError, Collector};
use crate::config::{HostConfig, SystemConfig};
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
    /// Readings that hang, each at its mount; that mount is left out until its reading ends.
    hanging: Vec<Waiting>,
}

/// The sampler in use.
struct Current {
    /// Locked while it reads.
    sampler: Arc<Mutex<Sampler>>,
    /// What it is waiting for.
    waiting: Waiting,
    /// The processor's load is known from then on.
    ready: Instant,
    /// When it was last asked.
    asked: Instant,
}

impl SystemCollector {
    /// A collector of the host whose files are where `host` says. Nothing is read yet.
    pub fn new(_config: &SystemConfig, host: &HostConfig) -> Self {
        SystemCollector { host: host.clone(), current: None, hanging: Vec::new() }
    }

    /// Gives up a sampler that still hangs at a mount; whoever hangs elsewhere is waited for.
    fn leave_what_hangs(&mut self) -> Result<(), CollectError> {
        self.hanging.retain(|reading| reading.mount().is_some());
        let Some(current) = &self.current else {
            return Ok(());
        };
        if !matches!(current.sampler.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(());
        }
        if current.waiting.mount().is_none() {
            return Err(still_running(current.asked.elapsed()));
        }
        self.hanging.push(current.waiting.clone());
        self.current = None;
        Ok(())
    }

    /// The sampler, made and primed if there is none.
    async fn sampler(&mut self) -> Result<&mut Current, CollectError> {
        let current = match self.current.take() {
            Some(current) => current,
            None => prime(self.host.clone()).await?,
        };
        Ok(self.current.insert(current))
    }
}

impl Collector for SystemCollector {
    type Report = SystemMetrics;

    const TOPIC: Topic = Topic::SystemMetrics;

    async fn collect(&mut self) -> Result<SystemMetrics, CollectError> {
        self.leave_what_hangs()?;
        let hanging: Vec<_> = self.hanging.iter().filter_map(Waiting::mount).collect();
        let avoid: Vec<_> = hanging.iter().map(|(mount, _)| mount.clone()).collect();
        let current = self.sampler().await?;
        sleep_until(current.ready).await;
        current.asked = Instant::now();
        let sampler = current.sampler.clone();
        let report = spawn_blocking(move || {
            let mut sampler = sampler.lock().unwrap_or_else(PoisonError::into_inner);
            sampler.sample(&avoid)
        });
        let report = report.await.map_err(|why| broken(&why.to_string()))?;
        Ok(SystemMetrics { message: waiting::explain(&hanging), ..report })
    }

    fn failed(&self, error: &CollectError) -> SystemMetrics {
        SystemMetrics { message: Some(error.to_string()), ..SystemMetrics::default() }
    }
}

async fn prime(host: HostConfig) -> Result<Current, CollectError> {
    let waiting = Waiting::default();
    let its_waiting = waiting.clone();
    let sampler = spawn_blocking(move || Sampler::prime(host, its_waiting))
        .await
        .map_err(|why| broken(&why.to_string()))?;
    let now = Instant::now();
    Ok(Current {
        sampler: Arc::new(Mutex::new(sampler)),
        waiting,
        ready: now + sysinfo::MINIMUM_CPU_UPDATE_INTERVAL,
        asked: now,
    })
}

fn still_running(so_far: Duration) -> CollectError {
    CollectError(format!(
        "the previous reading of /proc and /sys still runs after {} s: a driver does not answer; \
         see dmesg for the device, and restart the box if it does not come back",
        so_far.as_secs()
    ))
}

fn broken(why: &str) -> CollectError {
    CollectError(format!(
        "the reading of the host broke off ({why}): this is a fault in takpulse, please report it; \
         it is tried again at the next interval"
    ))
}

#[cfg(test)]
mod tests;
