//! The logs that are being watched: how many, with whose pass, and the one way to end them.
//!
//! They are no viewers of the hub: each has a source of its own. But whoever may not watch any more must not
//! go on reading a log either, and at the end of takpulse they all end at once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::hub::Pace;

/// Each holds half a megabyte at the most, and has the engine read a log.
pub(super) const MOST: usize = 20;

/// All of them.
pub struct Follows {
    pub(super) pace: Pace,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    open: Slab<Follow>,
    closed: bool,
}

struct Follow {
    pass: Arc<str>,
    end: CancellationToken,
}

/// The right to watch one, until it is dropped.
pub(super) struct Seat {
    follows: Arc<Follows>,
    place: usize,
    end: CancellationToken,
}

impl Follows {
    /// Nobody watches yet; they will be kept to this pace.
    pub fn new(pace: Pace) -> Arc<Follows> {
        Arc::new(Follows { pace, held: Mutex::default() })
    }

    /// Takes a seat for whoever was let in with this pass. `None`: there are [`MOST`] already.
    pub(super) fn enter(self: &Arc<Self>, pass: Arc<str>) -> Option<Seat> {
        let mut held = self.held();
        if held.open.len() >= MOST {
            return None;
        }
        let end = CancellationToken::new();
        if held.closed {
            end.cancel();
        }
        let place = held.open.insert(Follow { pass, end: end.clone() });
        Some(Seat { follows: self.clone(), place, end })
    }

    /// What let those in that watch.
    pub fn passes(&self) -> HashSet<Arc<str>> {
        self.held().open.iter().map(|(_, follow)| follow.pass.clone()).collect()
    }

    /// Ends what those watch whom one of these passes let in.
    pub fn expel(&self, passes: &[Arc<str>]) {
        for (_, follow) in self.held().open.iter().filter(|(_, one)| passes.contains(&one.pass)) {
            follow.end.cancel();
        }
    }

    /// Ends all, and whatever is opened from now on.
    pub fn close(&self) {
        let mut held = self.held();
        held.closed = true;
        held.open.iter().for_each(|(_, follow)| follow.end.cancel());
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Is ready when this is to end.
    pub(super) fn ended(&self) -> WaitForCancellationFutureOwned {
        self.end.clone().cancelled_owned()
    }

    /// Whether it is because takpulse ends: then it is worth coming back.
    pub(super) fn is_shutdown(&self) -> bool {
        self.follows.held().closed
    }

    pub(super) fn pace(&self) -> Pace {
        self.follows.pace
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.follows.held().open.remove(self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    fn follows() -> Arc<Follows> {
        let moment = Duration::from_secs(1);
        Follows::new(Pace { heartbeat: moment, write_timeout: moment })
    }

    #[test]
    fn there_is_an_end_to_their_number_and_who_goes_makes_room() {
        let follows = follows();
        let enter = || follows.enter("token a".into());
        let mut seats: Vec<Seat> = std::iter::from_fn(enter).collect();
        assert_eq!(seats.len(), MOST);
        seats.pop();
        let again = enter();
        assert!(again.is_some() && enter().is_none());
    }

    #[test]
    fn a_pass_that_falls_ends_its_own_and_no_others() {
        let follows = follows();
        let [a, b] =
            ["password a", "token b"].map(|pass| follows.enter(pass.into()).expect("room"));
        assert_eq!(follows.passes().len(), 2);
        follows.expel(&["password a".into(), "password c".into()]);
        assert_eq!((a.ended().now_or_never(), b.ended().now_or_never()), (Some(()), None));
        assert!(!a.is_shutdown());
        drop(a);
        assert_eq!(follows.passes(), HashSet::from(["token b".into()]));
    }

    #[test]
    fn after_the_end_whoever_comes_is_ended_at_once() {
        let follows = follows();
        let before = follows.enter("a".into()).expect("room");
        follows.close();
        let after = follows.enter("a".into()).expect("room");
        for seat in [before, after] {
            assert_eq!(seat.ended().now_or_never(), Some(()));
            assert!(seat.is_shutdown());
        }
    }
}
