//! Turns counters that only grow into rates.
//!
//! A rate needs two readings and the monotonic time between them. A counter that went backwards
//! was started over (an interface made anew, a counter that wrapped), and what it had counted in
//! between is lost: that tick has no rate.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::collect::figures::per_second;

/// The previous reading of `N` counters for each of several devices.
#[derive(Debug)]
pub(super) struct Rates<K, const N: usize> {
    before: Option<(Instant, HashMap<K, [u64; N]>)>,
}

impl<K: Hash + Eq, const N: usize> Rates<K, N> {
    /// Without anything to compare with.
    pub(super) fn new() -> Self {
        Rates { before: None }
    }

    /// Takes the counters read `at` this moment and says by how much each grew per second since
    /// the reading before; devices that were not there then are left out.
    pub(super) fn advance(
        &mut self,
        at: Instant,
        counters: HashMap<K, [u64; N]>,
    ) -> HashMap<K, [u64; N]>
    where
        K: Clone,
    {
        let rates = match &self.before {
            Some((then, before)) => {
                let elapsed = at.saturating_duration_since(*then);
                counters
                    .iter()
                    .filter_map(|(key, now)| {
                        Some((key.clone(), each_per_second(before.get(key)?, now, elapsed)?))
                    })
                    .collect()
            }
            None => HashMap::new(),
        };
        self.before = Some((at, counters));
        rates
    }
}

/// One device's rates; nothing when any of its counters started over.
fn each_per_second<const N: usize>(
    before: &[u64; N],
    now: &[u64; N],
    elapsed: Duration,
) -> Option<[u64; N]> {
    let mut rates = [0; N];
    for (rate, (before, now)) in rates.iter_mut().zip(before.iter().zip(now)) {
        *rate = per_second(*before, *now, elapsed)?.round() as u64;
    }
    Some(rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second reading's rates, `seconds` after the first.
    fn second(before: [u64; 2], now: [u64; 2], seconds: f64) -> Option<[u64; 2]> {
        let start = Instant::now();
        let mut rates = Rates::new();
        assert!(
            rates.advance(start, HashMap::from([("eth0", before)])).is_empty(),
            "one reading is no rate"
        );
        let later = start + Duration::from_secs_f64(seconds);
        rates.advance(later, HashMap::from([("eth0", now)])).remove("eth0")
    }

    #[test]
    fn a_rate_is_growth_over_time_and_absent_when_a_counter_started_over() {
        let cases = [
            ([100, 0], [600, 0], 5.0, Some([100, 0])),
            ([0, 0], [1, 10], 4.0, Some([0, 3])),
            ([100, 50], [0, 60], 5.0, None),
            ([100, 50], [200, 49], 5.0, None),
            ([100, 50], [200, 60], 0.0, None),
            ([0, 0], [u64::MAX, 0], 1.0, Some([u64::MAX, 0])),
        ];
        for (before, now, seconds, expected) in cases {
            assert_eq!(
                second(before, now, seconds),
                expected,
                "{before:?} -> {now:?} in {seconds} s"
            );
        }
    }

    #[test]
    fn a_rate_comes_back_in_the_reading_after_a_reset() {
        let start = Instant::now();
        let mut rates = Rates::new();
        let mut rate_at = |second, count| {
            rates
                .advance(start + Duration::from_secs(second), HashMap::from([("eth0", [count])]))
                .remove("eth0")
        };
        assert_eq!(rate_at(0, 1_000_000), None);
        assert_eq!(rate_at(5, 10), None);
        assert_eq!(rate_at(10, 510), Some([100]));
    }

    #[test]
    fn a_device_that_just_came_has_no_rate_yet() {
        let start = Instant::now();
        let mut rates = Rates::new();
        rates.advance(start, HashMap::from([("eth0", [1])]));
        let now = rates.advance(
            start + Duration::from_secs(1),
            HashMap::from([("eth0", [2]), ("usb0", [9_999])]),
        );
        assert_eq!(now, HashMap::from([("eth0", [1])]));
    }
}
