//! What processes and the machine used, from `/proc`.

use std::fs;

/// What is read of `/proc/stat`, which counts in these.
fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// CPU seconds that this process has used, all its threads together. The scheduler's nanoseconds where
/// the kernel keeps them, else ticks.
pub fn cpu_seconds(process: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let exact: Option<Vec<f64>> = threads
        .map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
        })
        .collect();
    match exact {
        Some(threads) if !threads.is_empty() => threads.iter().sum(),
        _ => {
            let ticks = |field| stat_field(process, field).unwrap_or(0.0);
            (ticks(11) + ticks(12)) / ticks_per_second()
        }
    }
}

/// A figure of `/proc/<process>/stat`, counted from 0 behind the name.
fn stat_field(process: u32, field: usize) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    text[text.rfind(')')? + 2..].split(' ').nth(field)?.parse().ok()
}

/// This process and its children, not theirs.
pub fn family(process: u32) -> Vec<u32> {
    let others = fs::read_dir("/proc").into_iter().flatten().flatten();
    let others = others.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |child: &u32| stat_field(*child, 1) == Some(f64::from(process));
    std::iter::once(process).chain(others.filter(is_child)).collect()
}

/// The memory that this process itself wrote (heap and stacks), in KiB; pages of files are left out,
/// because the raw broadcaster shares its own with the driver.
pub fn memory_kib(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    field("Pss_Anon:").or_else(|| field("Anonymous:")).unwrap_or(f64::NAN)
}

/// What the kernel holds in TCP buffers, on the whole machine, in KiB.
pub fn tcp_memory_kib() -> f64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages = line.rsplit(' ').next().and_then(|pages| pages.parse::<f64>().ok());
    let page_bytes = rustix::param::page_size() as f64;
    pages.unwrap_or(0.0) * page_bytes / 1024.0
}

/// What all cores did since the machine started, in CPU seconds.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Neither idle nor stolen.
    pub busy: f64,
    /// The hypervisor gave it to others.
    pub stolen: f64,
}

/// Reads it.
pub fn machine() -> Machine {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> =
        line.split_whitespace().skip(1).take(8).filter_map(|ticks| ticks.parse().ok()).collect();
    let seconds = |field: usize| ticks.get(field).copied().unwrap_or(0.0) / ticks_per_second();
    let (idle, stolen) = (seconds(3) + seconds(4), seconds(7));
    let all: f64 = (0..8).map(seconds).sum();
    Machine { busy: all - idle - stolen, stolen }
}
