//! One reading of the whole host, on a thread where it may block.

use super::disks::Disks;
use super::machine::Machine;
use super::network::Network;
use super::report::SystemMetrics;
use super::waiting::Waiting;
use super::{clock, power, pressure, temperatures};
use crate::config::HostConfig;

/// Reads the host, and remembers what rates are measured from.
pub(super) struct Sampler {
    host: HostConfig,
    machine: Machine,
    disks: Disks,
    network: Network,
    waiting: Waiting,
}

impl Sampler {
    /// Takes a first look at the counters, so that the first sample has something to compare with.
    pub(super) fn prime(host: HostConfig, waiting: Waiting) -> Sampler {
        let mut sampler = Sampler {
            machine: Machine::new(&host.root),
            disks: Disks::new(),
            network: Network::new(),
            host,
            waiting,
        };
        sampler.disks.prime(&sampler.host.proc);
        sampler.network.read(&sampler.host.proc, &sampler.host.sys);
        sampler
    }

    /// Reads everything but the mounts to `avoid`. Whatever cannot be read is absent.
    pub(super) fn sample(&mut self, avoid: &[String]) -> SystemMetrics {
        let HostConfig { proc, sys, .. } = &self.host;
        SystemMetrics {
            host: self.machine.host(),
            cpu: self.machine.cpu(),
            memory: self.machine.memory(),
            network: self.network.read(proc, sys),
            temperatures: temperatures::read(sys),
            pressure: pressure::read(proc),
            power: power::read(sys),
            clock: clock::read(),
            // Last: the only part that may hang.
            disks: self.disks.read(&self.host, &self.waiting, avoid),
            message: None,
        }
    }
}
