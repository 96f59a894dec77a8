//! The one clock of the driver: monotonic, in nanoseconds.

use rustix::time::{ClockId, clock_gettime};

/// One second.
pub const SECOND: u64 = 1_000_000_000;
/// One millisecond.
pub const MILLISECOND: u64 = 1_000_000;

/// Now.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * SECOND + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// This many seconds.
pub fn seconds(seconds: f64) -> u64 {
    (seconds * SECOND as f64) as u64
}
