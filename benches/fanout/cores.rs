//! Which core runs what: with two or more, the server under test has one to itself.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of this process.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// How many it may use.
    pub count: usize,
    /// The driver's and the server's, when there are two.
    pair: Option<(usize, usize)>,
}

impl Cores {
    /// Looks which there are.
    ///
    /// # Errors
    /// The system does not say.
    pub fn look() -> io::Result<Cores> {
        let allowed = sched_getaffinity(None)?;
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
        let pair = match cores[..] {
            [driver, .., server] => Some((driver, server)),
            _ => None,
        };
        Ok(Cores { count: cores.len(), pair })
    }

    /// Starts something on the server's core: children inherit it. The driver goes back to its own.
    ///
    /// # Errors
    /// The system refuses a core.
    pub fn on_servers_core<T>(self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let Some((driver, server)) = self.pair else { return start() };
        stay_on(server)?;
        let started = start();
        stay_on(driver)?;
        started
    }

    /// What is said about it.
    pub fn describe(self) -> String {
        match self.pair {
            Some((driver, server)) => {
                format!("the server on core {server}, the driver on core {driver}")
            }
            None => "one core for the server and the driver: latencies mean little".into(),
        }
    }
}

fn stay_on(core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}
