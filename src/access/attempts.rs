//! How often passwords may be tried: so many in any minute from one address, for one user, from one
//! known browser.
//!
//! Architecture invariant: pure; the clock is the caller's.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The time that is looked back upon.
const WINDOW: Duration = Duration::from_secs(60);
/// Before a new key is added to so many, those that mean nothing any more are forgotten.
const MANY_KEYS: usize = 1000;

/// What is counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Where it comes from.
    Address(IpAddr),
    /// Whose password is tried, whether there is such a user or not.
    User(String),
    /// A browser in which this user has signed in before.
    Device(String),
}

impl Key {
    /// In any minute.
    fn limit(&self) -> usize {
        match self {
            Key::Address(_) | Key::Device(_) => 10,
            Key::User(_) => 30,
        }
    }
}

/// The attempts of the last minute.
#[derive(Default)]
pub struct Attempts(HashMap<Key, VecDeque<Instant>>);

impl Attempts {
    /// Counts an attempt for all of these keys, before it is made: so that many at once are not more.
    ///
    /// # Errors
    /// One of them has no more attempts; there is one again after this time. Nothing was counted.
    pub fn take(&mut self, keys: &[Key], now: Instant) -> Result<(), Duration> {
        if let Some(wait) = keys.iter().filter_map(|key| self.wait(key, now)).max() {
            return Err(wait);
        }
        if self.0.len() >= MANY_KEYS {
            self.0.retain(|_, times| times.back().is_some_and(|last| is_recent(*last, now)));
        }
        for key in keys {
            self.0.entry(key.clone()).or_default().push_back(now);
        }
        Ok(())
    }

    /// An attempt that was none: the password was right. Others stay counted.
    pub fn give_back(&mut self, keys: &[Key], taken: Instant) {
        for key in keys {
            let Some(times) = self.0.get_mut(key) else { continue };
            if let Some(place) = times.iter().position(|time| *time == taken) {
                times.remove(place);
            }
        }
    }

    /// How long until there is an attempt for this key; `None`: there is one.
    fn wait(&mut self, key: &Key, now: Instant) -> Option<Duration> {
        let times = self.0.get_mut(key)?;
        while times.front().is_some_and(|first| !is_recent(*first, now)) {
            times.pop_front();
        }
        let first = times.front().filter(|_| times.len() >= key.limit())?;
        Some((*first + WINDOW).saturating_duration_since(now))
    }
}

fn is_recent(time: Instant, now: Instant) -> bool {
    now.saturating_duration_since(time) < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Key {
        Key::Address([192, 0, 2, last].into())
    }

    fn user(name: &str) -> Key {
        Key::User(name.into())
    }

    /// How many of these attempts, a second apart, are allowed.
    fn allowed(
        attempts: &mut Attempts,
        start: Instant,
        keys: impl Iterator<Item = Vec<Key>>,
    ) -> usize {
        let times = (0_u64..).map(|second| start + Duration::from_secs(second));
        keys.zip(times).filter(|(keys, now)| attempts.take(keys, *now).is_ok()).count()
    }

    #[test]
    fn in_no_minute_are_there_more_than_ten_from_an_address_or_thirty_for_a_user() {
        let start = Instant::now();
        let one = || vec![address(1), user("a")];
        let mut attempts = Attempts::default();
        assert_eq!(allowed(&mut attempts, start, (0..60).map(|_| one())), 10);
        assert_eq!(
            attempts.take(&one(), start + Duration::from_millis(59_999)),
            Err(Duration::from_millis(1))
        );
        // Over ten minutes, in whichever minute one looks.
        let mut attempts = Attempts::default();
        let times: Vec<u64> = (0..600)
            .filter(|second| attempts.take(&one(), start + Duration::from_secs(*second)).is_ok())
            .collect();
        for from in 0..540 {
            let within = times.iter().filter(|time| (from..from + 60).contains(*time)).count();
            assert!(within <= 10, "{within} from second {from}");
        }
        assert_eq!(times.len(), 100);
        let many = (0..60).map(|number| vec![address(number), user("a")]);
        assert_eq!(allowed(&mut Attempts::default(), start, many), 30);
    }

    #[test]
    fn a_known_browser_has_attempts_of_its_own() {
        let start = Instant::now();
        let mut attempts = Attempts::default();
        allowed(&mut attempts, start, (0..60).map(|number| vec![address(number), user("a")]));
        let later = start + Duration::from_secs(59);
        assert!(attempts.take(&[address(99), user("a")], later).is_err(), "nobody else gets in");
        let known = (0..20).map(|_| vec![Key::Device("d".into())]);
        assert_eq!(allowed(&mut attempts, later, known), 10);
    }

    #[test]
    fn a_right_password_is_no_attempt_and_forgives_no_other() {
        let start = Instant::now();
        let mut attempts = Attempts::default();
        let keys = [address(1), user("a")];
        for number in 0..9 {
            attempts.take(&keys, start + Duration::from_millis(number)).expect("allowed");
        }
        for number in 9..100 {
            let now = start + Duration::from_millis(number);
            attempts.take(&keys, now).expect("allowed");
            attempts.give_back(&keys, now);
        }
        let now = start + Duration::from_secs(1);
        attempts.take(&keys, now).expect("the tenth");
        assert!(attempts.take(&keys, now).is_err());
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let start = Instant::now();
        let mut attempts = Attempts::default();
        for number in 0..MANY_KEYS {
            attempts.take(&[user(&number.to_string())], start).expect("allowed");
        }
        attempts.take(&[user("new")], start + WINDOW).expect("allowed");
        assert_eq!(attempts.0.len(), 1);
    }
}
