//! How often somebody may try to sign in.
//!
//! Two limits at once: by address, so that one machine cannot guess, and by user, so that many
//! machines cannot either. A browser that has signed in as this user before has a limit of its own:
//! whoever guesses at the owner's name does not lock the owner out.
//!
//! Architecture invariant: pure; the clock is the caller's.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The time in which tries are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Tries from one address in that time.
const MOST_PER_ADDRESS: usize = 10;
/// Tries as one user in that time, from everywhere together.
const MOST_PER_USER: usize = 30;
/// Of what is counted, so many are remembered; then the one that is quiet longest is forgotten.
const MOST_REMEMBERED: usize = 10_000;

/// The tries of the last minute.
#[derive(Debug, Default)]
pub struct Throttle {
    addresses: Tries<IpAddr>,
    users: Tries<String>,
    devices: Tries<String>,
}

impl Throttle {
    /// Counts a try to sign in as `user`; `device` names a browser that has signed in as this user
    /// before.
    ///
    /// # Errors
    /// It is one too many; it may be tried again after this time.
    pub fn count(
        &mut self,
        now: Instant,
        address: IpAddr,
        user: &str,
        device: Option<&str>,
    ) -> Result<(), Duration> {
        if let Some(device) = device {
            return self.devices.count(now, device.to_owned(), MOST_PER_ADDRESS);
        }
        // Asked first and counted together: what one limit refuses must not use up the other.
        self.addresses.ask(now, &address, MOST_PER_ADDRESS)?;
        self.users.count(now, user.to_owned(), MOST_PER_USER)?;
        self.addresses.count(now, address, MOST_PER_ADDRESS)
    }
}

/// When each was last tried.
#[derive(Debug)]
struct Tries<K>(HashMap<K, VecDeque<Instant>>);

impl<K> Default for Tries<K> {
    fn default() -> Tries<K> {
        Tries(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Tries<K> {
    fn ask(&mut self, now: Instant, key: &K, most: usize) -> Result<(), Duration> {
        let Some(times) = self.0.get_mut(key) else { return Ok(()) };
        times.retain(|time| now.saturating_duration_since(*time) < WINDOW);
        match times.front() {
            Some(first) if times.len() >= most => {
                Err(WINDOW - now.saturating_duration_since(*first))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, now: Instant, key: K, most: usize) -> Result<(), Duration> {
        self.ask(now, &key, most)?;
        self.make_room(now);
        self.0.entry(key).or_default().push_back(now);
        Ok(())
    }

    fn make_room(&mut self, now: Instant) {
        if self.0.len() < MOST_REMEMBERED {
            return;
        }
        self.0.retain(|_, times| {
            times.back().is_some_and(|last| now.saturating_duration_since(*last) < WINDOW)
        });
        if self.0.len() < MOST_REMEMBERED {
            return;
        }
        let quietest = self.0.iter().min_by_key(|(_, times)| times.back().copied());
        if let Some(key) = quietest.map(|(key, _)| key.clone()) {
            self.0.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn an_address_gets_ten_tries_a_minute_and_is_told_when_to_come_back() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let second = Duration::from_secs(1);
        for number in 0..10 {
            let now = start + second * number;
            assert_eq!(throttle.count(now, address(1), &format!("user{number}"), None), Ok(()));
        }
        let soon = start + second * 20;
        assert_eq!(throttle.count(soon, address(1), "x", None), Err(second * 40));
        assert_eq!(throttle.count(soon, address(2), "x", None), Ok(()), "another address");
        assert_eq!(throttle.count(start + second * 60, address(1), "x", None), Ok(()));
        assert!(throttle.count(start + second * 60, address(1), "x", None).is_err());
    }

    #[test]
    fn a_user_gets_thirty_tries_a_minute_from_everywhere_and_the_owner_still_comes_in() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let tries = (0..100).filter(|n| throttle.count(now, address(*n), "admin", None).is_ok());
        assert_eq!(tries.count(), 30);
        assert_eq!(throttle.count(now, address(200), "other", None), Ok(()), "another user");
        assert_eq!(throttle.count(now, address(1), "admin", Some("known")), Ok(()));
        let known = (0..20).filter(|_| throttle.count(now, address(1), "admin", Some("known")).is_ok());
        assert_eq!(known.count(), 9, "a known browser has its own ten");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..=MOST_REMEMBERED {
            let later = now + Duration::from_micros(number as u64);
            let name = number.to_string();
            throttle.count(later, address((number % 200) as u8), &name, Some(&name)).ok();
        }
        assert_eq!(throttle.devices.0.len(), MOST_REMEMBERED);
    }
}
