//! A token bucket: so many at once, and so many a second in the long run.
//!
//! Architecture invariant: pure; the clock is the caller's.

use std::time::{Duration, Instant};

/// A bucket that fills by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    per_second: f64,
    most: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full one: `per_second` in the long run, twice that (and at least one) at once.
    pub(super) fn full(per_second: f64, now: Instant) -> Bucket {
        let most = (per_second * 2.0).max(1.0);
        Bucket { per_second, most, left: most, at: now }
    }

    /// Takes one.
    ///
    /// # Errors
    /// It is empty; there is one again after this time.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.most);
        self.at = now;
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / self.per_second));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_a_seconds_worth_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::full(5.0, start);
        let at_once = (0..100).filter(|_| bucket.take(start).is_ok()).count();
        assert_eq!(at_once, 10);
        assert_eq!(bucket.take(start), Err(Duration::from_millis(200)));
        let later = (0..500_u32)
            .filter(|tick| bucket.take(start + Duration::from_millis(20) * *tick).is_ok())
            .count();
        assert!((48..=50).contains(&later), "{later} in ten seconds");
        let rested = start + Duration::from_secs(100);
        assert_eq!(
            (0..100).filter(|_| bucket.take(rested).is_ok()).count(),
            10,
            "it does not overflow"
        );
    }

    #[test]
    fn less_than_one_a_second_still_lets_one_through() {
        let start = Instant::now();
        let mut bucket = Bucket::full(0.1, start);
        assert_eq!(bucket.take(start), Ok(()));
        assert_eq!(bucket.take(start), Err(Duration::from_secs(10)));
    }
}
