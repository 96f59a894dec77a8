//! When a process was started, and for how long the machine has been up.
//!
//! Architecture invariant: pure.

use std::time::Duration;

/// `USER_HZ`: the kernel tells userspace of time in ticks of this many a second, on every machine that
/// Linux still runs on but alpha and ia64.
const TICKS_PER_SECOND: f64 = 100.0;

/// When the machine was started, in Unix seconds: `btime` of a `/proc/stat`.
pub fn boot(stat: &str) -> Option<f64> {
    let seconds: u32 =
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(f64::from(seconds))
}

/// When a process was started, in Unix seconds: `starttime` of its `/proc/<pid>/stat`, after `boot`.
pub fn started(stat: &str, boot: f64) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    // The 22nd field, the name being the second.
    let ticks: u64 = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(boot + ticks as f64 / TICKS_PER_SECOND)
}

/// The first of the two numbers of a `/proc/uptime`.
pub fn uptime(text: &str) -> Option<Duration> {
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(boot("cpu 1\nbtime 1700000000\nprocesses 1\n"), Some(1_700_000_000.0));
        assert_eq!(boot("cpu 1\nbtime x\n"), None);
        assert_eq!(uptime("3725.50 1\n"), Some(Duration::from_millis(3_725_500)));
        for text in ["", "x", "-1 1", "1e400 1", "NaN"] {
            assert_eq!(uptime(text), None, "{text}");
        }
        let stat = "7 (a) b) S 1 7 7 0 -1 4 9 0 0 0 5 1 0 0 20 0 1 0 12345 9 9";
        assert_eq!(started(stat, 1000.0), Some(1123.45));
        for text in ["", "7 (a) S 1", "7 (a) S 1 7 7 0 -1 4 9 0 0 0 5 1 0 0 20 0 1 0 x 9"] {
            assert_eq!(started(text, 1.0), None, "{text}");
        }
    }
}
