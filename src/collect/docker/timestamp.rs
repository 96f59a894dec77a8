//! Reads the moments that engines write, to the nanosecond.

use std::time::UNIX_EPOCH;

/// No moment takes more letters: `2026-11-23T17:39:24.123456789+02:00`.
pub const MOST_LETTERS: usize = 35;

const SECOND: u64 = 1_000_000_000;

/// Reads `2026-11-23T17:39:24.5Z`, and Podman's offsets such as `+02:00`, into nanoseconds of Unix time.
/// `None`: it is no moment, or one before 1970 (the year 1 stands for "never").
pub fn nanoseconds(text: &str) -> Option<u64> {
    if let Some(local) = text.strip_suffix('Z') {
        return utc(local);
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let offset_seconds = hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60;
    match offset.get(..1)? {
        "+" => utc(local)?.checked_sub(offset_seconds * SECOND),
        "-" => utc(local)?.checked_add(offset_seconds * SECOND),
        _ => None,
    }
}

/// Reads a moment without its offset.
fn utc(local: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// As Unix seconds, to the millisecond: viewers are told no more.
pub fn seconds(text: &str) -> Option<f64> {
    const MILLISECOND: u64 = SECOND / 1000;
    let milliseconds = nanoseconds(text)?.saturating_add(MILLISECOND / 2) / MILLISECOND;
    Some(milliseconds as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_to_the_nanosecond_with_and_without_an_offset() {
        for (text, read) in [
            ("2026-11-23T17:39:24.123456789Z", Some(1_795_455_564_123_456_789)),
            ("2026-11-23T19:39:24.123456789+02:00", Some(1_795_455_564_123_456_789)),
            ("2026-11-23T12:09:24.123456789-05:30", Some(1_795_455_564_123_456_789)),
            ("2026-11-23T17:39:24.5Z", Some(1_795_455_564_500_000_000)),
            ("2026-11-23T17:39:24Z", Some(1_795_455_564_000_000_000)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00+02:00", None),
            ("0001-01-01T00:00:00Z", None),
            ("2026-11-23T17:39:24", None),
            ("2026-11-23T17:39:24*02:00", None),
            ("\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}", None),
            ("Z", None),
            ("", None),
        ] {
            assert_eq!(nanoseconds(text), read, "{text}");
            assert!(read.is_none() || text.len() <= MOST_LETTERS, "{text}");
        }
        assert_eq!(seconds("2026-11-23T17:39:24.5Z"), Some(1_795_455_564.5));
    }

    #[test]
    fn seconds_are_told_to_the_millisecond() {
        for (text, read) in [
            ("1970-01-01T00:00:01.2345Z", Some(1.235)),
            ("1970-01-01T02:00:01+02:00", Some(1.0)),
            ("1970-01-01T00:00:00-01:30", Some(5400.0)),
            ("0001-01-01T00:00:00Z", None),
            ("", None),
            ("gestern", None),
            ("1970-01-01T00:00:00+inf:1", None),
            ("1970-01-01T00:00:00+1e9:0", None),
            ("1970-01-01T00:00:01+nan:1", None),
            ("1970-01-01T00:00:00 02:00", None),
        ] {
            assert_eq!(seconds(text), read, "{text}");
        }
    }
}
