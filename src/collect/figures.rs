//! The arithmetic of figures that every source shares. Pure.

use std::time::Duration;

/// By how much a counter grew per second. Nothing when it went backwards (it was started over, and
/// what it had counted in between is lost), or when no time passed.
pub(super) fn per_second(before: u64, now: u64, elapsed: Duration) -> Option<f64> {
    let grown = now.checked_sub(before)?;
    (!elapsed.is_zero()).then(|| grown as f64 / elapsed.as_secs_f64())
}

/// Rounds to one decimal: more would be noise, and bytes on a bad link.
pub(super) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Rounds to two decimals, where a tenth is too much: a quiet container's share of a core.
pub(super) fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_growth_over_time_and_never_made_up() {
        for (before, now, millis, expected) in [
            (100, 600, 5000, Some(100.0)),
            (0, 1, 500, Some(2.0)),
            (5, 5, 1000, Some(0.0)),
            (6, 5, 1000, None),
            (5, 6, 0, None),
        ] {
            let rate = per_second(before, now, Duration::from_millis(millis));
            assert_eq!(rate, expected, "{before} -> {now} in {millis} ms");
        }
    }

    #[test]
    fn figures_are_rounded_and_not_cut() {
        assert_eq!(tenths(48.25), 48.3);
        assert_eq!(hundredths(0.1 + 0.2), 0.3);
    }
}
