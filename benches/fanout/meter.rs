//! What a stretch of a run cost, and what else the machine did meanwhile.

use super::clock;
use super::procfs::{self, Machine};

/// A stretch that is being measured.
pub struct Meter {
    processes: Vec<u32>,
    since: u64,
    server: f64,
    driver: f64,
    machine: Machine,
}

/// What it cost.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// How long it took.
    pub seconds: f64,
    /// CPU seconds of the server, the kernel's work for it included.
    pub server: f64,
    /// Cores that the driver kept busy.
    pub driver_cores: f64,
    /// Cores that others kept busy: noise.
    pub others_cores: f64,
    /// Cores that the hypervisor gave to others: noise.
    pub stolen_cores: f64,
}

impl Meter {
    /// Begins.
    pub fn start(processes: &[u32]) -> Meter {
        Meter {
            processes: processes.to_vec(),
            since: clock::now(),
            server: cpu_seconds(processes),
            driver: procfs::cpu_seconds(std::process::id()),
            machine: procfs::machine(),
        }
    }

    /// Ends.
    pub fn stop(&self) -> Usage {
        let machine = procfs::machine();
        let seconds = (clock::now() - self.since) as f64 / clock::SECOND as f64;
        let server = cpu_seconds(&self.processes) - self.server;
        let driver = procfs::cpu_seconds(std::process::id()) - self.driver;
        let others = machine.busy - self.machine.busy - server - driver;
        Usage {
            seconds,
            server,
            driver_cores: driver / seconds,
            // The machine counts in ticks and the processes in nanoseconds: it may come out below 0.
            others_cores: others.max(0.0) / seconds,
            stolen_cores: (machine.stolen - self.machine.stolen) / seconds,
        }
    }
}

fn cpu_seconds(processes: &[u32]) -> f64 {
    processes.iter().map(|&process| procfs::cpu_seconds(process)).sum()
}
