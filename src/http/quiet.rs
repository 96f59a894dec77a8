//! One line in the log a minute: whoever is refused once is refused again and again.
//!
//! Architecture invariant: pure; the clock is the caller's.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Between two lines about the same.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// When something was last said, by whom it is about. It grows with their number, which must have an end.
pub(super) struct Quiet<K>(HashMap<K, Instant>);

impl<K> Default for Quiet<K> {
    fn default() -> Quiet<K> {
        Quiet(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash> Quiet<K> {
    /// Whether this is the first in a minute, which it then was.
    pub(super) fn is_first(&mut self, about: &K, now: Instant) -> bool {
        let last = self.0.get(about);
        let first = last.is_none_or(|last| now.saturating_duration_since(*last) >= BETWEEN_LINES);
        if first {
            self.0.insert(about.clone(), now);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_for_each() {
        let (mut quiet, start) = (Quiet::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let cases =
            [("a", 0, true), ("a", 59, false), ("b", 59, true), ("a", 60, true), ("a", 119, false)];
        for (about, seconds, first) in cases {
            assert_eq!(quiet.is_first(&about, at(seconds)), first, "{about} {seconds}");
        }
    }
}
