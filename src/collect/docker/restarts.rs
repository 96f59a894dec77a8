//! Remembers how often a container was restarted by its policy of late.
//!
//! The engine counts since somebody last started the container by hand, and forgets when. That it was
//! restarted forty times says nothing: that it was three times in ten minutes says that it is in a loop.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What is longer ago than this is forgotten, and a container that has run for so long is well again.
const LATELY: Duration = Duration::from_secs(600);

/// So many restarts lately are a loop. Docker doubles its wait from 0.1 s on, up to a minute, so that a
/// container that ends at once is there within a second.
pub const LOOP: u64 = 3;

/// Docker never restarts a container more often in this time: where it ran for 10 s, the wait begins
/// anew at 0.1 s; where it did not, it doubles.
const MOST: usize = 128;

/// The restarts of one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restarts {
    /// What the engine counted when it was last asked.
    counted: Option<u64>,
    /// When each of those that are remembered was noticed.
    noticed: VecDeque<Instant>,
}

impl Restarts {
    /// The engine counts so many now. What it counted before anybody looked may be long ago.
    pub fn count(&mut self, count: u64, now: Instant) {
        let more = match self.counted.replace(count) {
            None => 0,
            // Somebody started it by hand, and the engine began at 0: whatever loop it was in has ended.
            Some(before) if count < before => {
                self.noticed.clear();
                count
            }
            Some(before) => count - before,
        };
        let more = usize::try_from(more).unwrap_or(MOST).min(MOST);
        self.noticed.extend(std::iter::repeat_n(now, more));
        let too_many = self.noticed.len().saturating_sub(MOST);
        self.noticed.drain(..too_many);
    }

    /// It is new: what will be counted from now on is new, too.
    pub fn begin(&mut self) {
        *self = Restarts { counted: Some(0), noticed: VecDeque::new() };
    }

    /// Somebody stopped it, or started it anew: whatever loop it was in has ended.
    pub fn end(&mut self) {
        self.noticed.clear();
    }

    /// Those of the last ten minutes.
    pub fn lately(&self, now: Instant) -> u64 {
        let lately = |at: &&Instant| now.saturating_duration_since(**at) < LATELY;
        self.noticed.iter().filter(lately).count() as u64
    }
}

/// Whether a container in this state, with so many restarts lately, is in a loop. One that waits for its
/// next start right now is in it, also where nobody has seen its restarts.
pub fn is_loop(state: &str, lately: u64, counted: Option<u64>) -> bool {
    match state {
        "running" => lately >= LOOP,
        "restarting" => lately >= LOOP || counted >= Some(LOOP),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_count_for_ten_minutes_from_when_they_were_seen() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut restarts = Restarts::default();
        restarts.count(40, start);
        assert_eq!(restarts.lately(start), 0, "they may be long ago");
        restarts.count(41, after(10));
        restarts.count(43, after(20));
        assert_eq!(restarts.lately(after(20)), 3);
        assert_eq!(restarts.lately(after(609)), 3);
        assert_eq!(restarts.lately(after(610)), 2);
        assert_eq!(restarts.lately(after(620)), 0);
    }

    #[test]
    fn a_new_container_begins_at_nothing_and_a_hand_ends_a_loop() {
        let now = Instant::now();
        let mut restarts = Restarts::default();
        restarts.begin();
        restarts.count(4, now);
        assert_eq!(restarts.lately(now), 4);
        restarts.end();
        restarts.count(4, now);
        assert_eq!(restarts.lately(now), 0, "the engine goes on showing its count");
        restarts.count(1, now);
        assert_eq!(restarts.lately(now), 1, "it began anew");
    }

    #[test]
    fn no_number_makes_it_remember_without_end() {
        let now = Instant::now();
        let mut restarts = Restarts::default();
        restarts.begin();
        for count in [u64::MAX / 2, u64::MAX] {
            restarts.count(count, now);
            assert_eq!(restarts.lately(now), MOST as u64);
        }
    }

    #[test]
    fn a_loop_is_many_restarts_of_a_container_that_goes_on() {
        for (state, lately, counted, expected) in [
            ("running", 3, Some(3), true),
            ("running", 2, Some(40), false),
            ("restarting", 3, Some(3), true),
            ("restarting", 0, Some(40), true),
            ("restarting", 1, Some(1), false),
            ("restarting", 0, None, false),
            ("exited", 9, Some(9), false),
            ("paused", 9, Some(9), false),
        ] {
            assert_eq!(is_loop(state, lately, counted), expected, "{state} {lately} {counted:?}");
        }
    }
}
