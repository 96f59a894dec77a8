//! The kernel's controllers that takpulse reads, and what they are called where.

use super::counters::{blkio, cpu_stat, io_stat, named, number};

/// Counts one thing for a group of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// Processor time.
    Cpu,
    /// Memory in use.
    Memory,
    /// Processes and threads.
    Pids,
    /// Bytes read from and written to block devices.
    Block,
}

/// Which of the kernel's two interfaces a group's files follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A hierarchy for each controller or a few of them.
    V1,
    /// One hierarchy for all.
    V2,
}

/// Reads one counter, or two, out of a file.
pub type Parser<T> = fn(&[u8]) -> Option<T>;

impl Controller {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Controller; 4] =
        [Controller::Cpu, Controller::Memory, Controller::Pids, Controller::Block];

    /// What this version calls it.
    pub fn name(self, version: Version) -> &'static str {
        match (self, version) {
            (Controller::Cpu, Version::V1) => "cpuacct",
            (Controller::Cpu, Version::V2) => "cpu",
            (Controller::Memory, _) => "memory",
            (Controller::Pids, _) => "pids",
            (Controller::Block, Version::V1) => "blkio",
            (Controller::Block, Version::V2) => "io",
        }
    }
}

/// Processor time in nanoseconds.
pub fn cpu(version: Version) -> (&'static [&'static str], Parser<u64>) {
    match version {
        Version::V1 => (&["cpuacct.usage"], number),
        Version::V2 => (&["cpu.stat"], cpu_stat),
    }
}

/// Memory in use, with all file cache, in bytes.
pub fn memory(version: Version) -> (&'static [&'static str], Parser<u64>) {
    match version {
        Version::V1 => (&["memory.usage_in_bytes"], number),
        Version::V2 => (&["memory.current"], number),
    }
}

/// The file cache that the kernel can drop, in bytes; v1's `inactive_file` would leave out what the
/// groups below use.
pub fn cache(version: Version) -> (&'static [&'static str], Parser<u64>) {
    match version {
        Version::V1 => (&["memory.stat"], |text| named(text, "total_inactive_file")),
        Version::V2 => (&["memory.stat"], |text| named(text, "inactive_file")),
    }
}

/// Processes and threads.
pub fn pids(_: Version) -> (&'static [&'static str], Parser<u64>) {
    (&["pids.current"], number)
}

/// Bytes read and written. Of v1's files the first that there is: which, depends on the kernel's
/// age and on the schedulers that it was built with.
pub fn block(version: Version) -> (&'static [&'static str], Parser<[u64; 2]>) {
    const V1: [&str; 3] = [
        "blkio.throttle.io_service_bytes_recursive",
        "blkio.io_service_bytes_recursive",
        "blkio.throttle.io_service_bytes",
    ];
    match version {
        Version::V1 => (&V1, blkio),
        Version::V2 => (&["io.stat"], io_stat),
    }
}
