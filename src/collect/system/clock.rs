//! Whether the wall clock can be trusted.
//!
//! A Raspberry Pi has no battery-backed clock: without a network or GPS it wakes up in the past,
//! and every certificate on the TAK server is suddenly "not valid yet".

use rtime_clock::adjtime::{Timex, adjtimex};

use super::report::Clock;

/// The kernel lets the maximum error grow up to 16 s when nobody corrects the clock, and calls the
/// clock unsynchronized there. Asked instead of the kernel's flag, as systemd does, because chrony
/// leaves the flag alone unless it may also set the hardware clock.
const UNSYNCHRONIZED_MICROS: i64 = 16_000_000;

/// `STA_PLL`: the kernel itself corrects the offset.
const STA_PLL: i32 = 0x0001;

/// `STA_NANO`: the offset is in nanoseconds instead of microseconds.
const STA_NANO: i32 = 0x2000;

/// Asks the kernel; absent where that is forbidden (systemd's `ProtectClock=`, seccomp).
pub(super) fn read() -> Option<Clock> {
    let mut timex = Timex::new();
    adjtimex(&mut timex).ok()?;
    let timex = timex.0;
    Some(judge(timex.maxerror, timex.offset, timex.status))
}

/// Reads the kernel's figures: the maximum error is in microseconds, the offset in whatever
/// `status` says. Both are narrower on 32-bit machines.
fn judge(max_error_micros: impl Into<i64>, offset: impl Into<i64>, status: i32) -> Clock {
    let (max_error_micros, offset) = (max_error_micros.into(), offset.into());
    let synchronized = max_error_micros < UNSYNCHRONIZED_MICROS;
    let per_ms = if status & STA_NANO == 0 { 1e3 } else { 1e6 };
    Clock {
        synchronized,
        max_error_ms: synchronized.then(|| micro_precise(max_error_micros as f64 / 1e3)),
        offset_ms: (synchronized && status & STA_PLL != 0)
            .then(|| micro_precise(offset as f64 / per_ms)),
    }
}

/// To the microsecond.
fn micro_precise(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_nobody_corrects_is_not_synchronized() {
        let cases = [
            // Boot default: 16 s and STA_UNSYNC.
            (16_000_000, 0, 0x0040, (false, None, None)),
            // systemd-timesyncd: the kernel's loop, in nanoseconds.
            (250_500, -1_234_567, 0x2001, (true, Some(250.5), Some(-1.235))),
            // ntpd in microseconds.
            (1_000, 1_500, 0x0001, (true, Some(1.0), Some(1.5))),
            // chrony without rtcsync: STA_UNSYNC stays, it corrects on its own.
            (42_000, 0, 0x0040, (true, Some(42.0), None)),
            // Nobody came back for long: the error grew to its limit.
            (16_000_001, 5, 0x2001, (false, None, None)),
        ];
        for (max_error, offset, status, (synchronized, max_error_ms, offset_ms)) in cases {
            assert_eq!(
                judge(max_error, offset, status),
                Clock { synchronized, max_error_ms, offset_ms },
                "maximum error {max_error} us, status {status:#x}"
            );
        }
    }
}
