//! What processes used, from `/proc`.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// The processor time of an engine (dockerd, containerd and its shims) or of a watcher.
pub fn cpu(processes: &[u32]) -> Duration {
    processes.iter().map(|process| of_process(*process)).sum()
}

/// All threads together, by the scheduler's nanoseconds.
fn of_process(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        })
        .sum()
}

/// The processes that were started with this path in their arguments.
pub fn started_with(path: &str) -> Vec<u32> {
    let names_it = |process: &Path| {
        let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(path)
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter(|process| names_it(&process.path()))
        .filter_map(|process| process.file_name().to_string_lossy().parse().ok())
        .filter(|process| *process != std::process::id())
        .collect()
}

/// The memory that this process itself wrote, in KiB.
pub fn memory_kib(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Anonymous:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(f64::NAN)
}
