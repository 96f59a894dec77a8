//! How near a certificate is to its end, and when that is worth a line in the log: once at each of a
//! few thresholds, for whoever reads it weekly and for whoever reads it too late.

use std::time::{Duration, UNIX_EPOCH};

pub(super) const DAY_SECONDS: i64 = 86_400;

/// The last second of the year 9999: certificates and calendars end there.
pub(super) const LAST_DATE: i64 = 253_402_300_799;

/// How near.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nearness {
    /// More than 30 days are left.
    Far,
    /// 30 days or less.
    Month,
    /// 14 days or less.
    Fortnight,
    /// 7 days or less.
    Week,
    /// None.
    Over,
}

/// How near the end of the validity is at this time, both in Unix seconds.
pub(super) fn nearness(not_after: i64, now: i64) -> Nearness {
    let left = not_after.saturating_sub(now);
    match left {
        // The last second is still valid.
        ..0 => Nearness::Over,
        _ if left <= 7 * DAY_SECONDS => Nearness::Week,
        _ if left <= 14 * DAY_SECONDS => Nearness::Fortnight,
        _ if left <= 30 * DAY_SECONDS => Nearness::Month,
        _ => Nearness::Far,
    }
}

/// The date of a time in Unix seconds, in UTC: `2027-11-23`.
pub(super) fn date(unix_seconds: i64) -> String {
    let seconds = Duration::from_secs(unix_seconds.clamp(0, LAST_DATE) as u64);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds).to_string().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearness_has_its_thresholds() {
        for (left, expected) in [
            (i64::MAX, Nearness::Far),
            (30 * DAY_SECONDS + 1, Nearness::Far),
            (30 * DAY_SECONDS, Nearness::Month),
            (14 * DAY_SECONDS + 1, Nearness::Month),
            (14 * DAY_SECONDS, Nearness::Fortnight),
            (7 * DAY_SECONDS + 1, Nearness::Fortnight),
            (7 * DAY_SECONDS, Nearness::Week),
            (0, Nearness::Week),
            (-1, Nearness::Over),
            (i64::MIN, Nearness::Over),
        ] {
            assert_eq!(nearness(left, 0), expected, "{left} s left");
        }
        assert_eq!(nearness(i64::MIN, i64::MAX), Nearness::Over);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (i64::MIN, "1970-01-01"),
            (0, "1970-01-01"),
            (1_900_000_000, "2030-03-17"),
            (i64::MAX, "9999-12-31"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}
