//! A point in time in words.

use std::time::{Duration, SystemTime};

/// Unix seconds as `2026-11-23T17:39:05Z`; what is out of range becomes an end of the range.
pub fn clock(seconds: f64) -> String {
    // The last second that humantime writes: the year 9999.
    const LAST: f64 = 253_402_300_799.0;
    let seconds = if seconds.is_finite() { seconds.clamp(0.0, LAST) } else { 0.0 };
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
    humantime::format_rfc3339_seconds(moment).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_makes_a_time() {
        for (seconds, text) in [
            (0.0, "1970-01-01T00:00:00Z"),
            (1_700_000_000.9, "2023-11-14T22:13:20Z"),
            (-1.0, "1970-01-01T00:00:00Z"),
            (f64::NAN, "1970-01-01T00:00:00Z"),
            (f64::INFINITY, "1970-01-01T00:00:00Z"),
            (1e300, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(clock(seconds), text, "{seconds}");
        }
    }
}
