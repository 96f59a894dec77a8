//! What is remembered of an API port between rounds: counters for rates, what is asked seldom, and the
//! session.
//!
//! Architecture invariant: pure.

use std::collections::BTreeMap;
use std::time::Instant;

use super::figures::Disk;
use super::login::{Refused, Session};
use super::users::Roster;
use super::{Heard, Miss, SELDOM, is_due};
use crate::collect::figures::{per_second, tenths};
use crate::collect::tak::report::Federation;

/// The memory of one port. It is copied into a round and comes back with the facts.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    counters: BTreeMap<String, (Instant, u64)>,
    /// Whether the certificate is an administrator's, and when that was found out.
    pub(super) administrator: Option<(bool, Instant)>,
    /// What is asked each minute.
    pub(super) minutely: Option<(Instant, Minutely)>,
    /// What is asked each ten minutes.
    pub(super) seldom: Option<(Instant, Seldom)>,
    /// A list that is always the same.
    pub(super) constant: Option<Constant>,
    /// When the counting of events last hung.
    pub(super) count_hung: Option<Instant>,
    /// Of OpenTAKServer.
    pub(super) session: Option<Session>,
    /// A login that was refused.
    pub(super) refused: Option<Refused>,
}

/// What changes slowly.
#[derive(Debug, Clone, Default)]
pub(super) struct Minutely {
    pub disk: Option<Disk>,
    pub machine_cpu_percent: Option<f64>,
    pub federations: Vec<Federation>,
}

/// What hardly changes, or costs the server something.
#[derive(Debug, Clone, Default)]
pub(super) struct Seldom {
    pub heap_max_bytes: Option<u64>,
    pub events: Option<u64>,
}

/// Who gave a list that is always the same: the version, and whether it was asked with a client
/// certificate.
pub(super) type By = (Option<String>, bool);

/// An answer that is the same whenever it is asked for.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    by: By,
    when: Instant,
    pub heard: Heard,
    pub roster: Roster,
}

impl Constant {
    /// Of the answer just heard: a list or a refusal. Anything else may pass, and is no constant.
    pub fn of(by: By, heard: Heard, roster: Roster, now: Instant) -> Option<Constant> {
        let is_constant = heard.miss.as_ref().is_none_or(Miss::is_refusal) && by.0.is_some();
        is_constant.then_some(Constant { by, when: now, heard, roster })
    }

    /// Whether it is what they would answer now, and not that old.
    pub fn holds(&self, by: &By, now: Instant) -> bool {
        self.by == *by && !is_due(Some(self.when), SELDOM, now)
    }
}

/// The counters of a round, and what they were before.
#[derive(Debug, Default)]
pub(super) struct Rates {
    before: BTreeMap<String, (Instant, u64)>,
    now: BTreeMap<String, (Instant, u64)>,
}

impl Memory {
    /// Takes the counters out.
    pub(super) fn rates(&mut self) -> Rates {
        Rates { before: std::mem::take(&mut self.counters), now: BTreeMap::new() }
    }

    /// Keeps this round's counters; what was not told of is forgotten.
    pub(super) fn keep(&mut self, rates: Rates) {
        self.counters = rates.now;
    }
}

impl Rates {
    /// How much a counter grows per second since the last round. Nothing at first, and nothing when
    /// it went backwards: the server was started anew.
    pub fn of(&mut self, name: &str, count: Option<u64>, now: Instant) -> Option<f64> {
        let count = count?;
        self.now.insert(name.to_owned(), (now, count));
        let (then, before) = *self.before.get(name)?;
        per_second(before, count, now.saturating_duration_since(then)).map(tenths)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_counter_becomes_a_rate_and_starts_over_with_the_server() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        for (seconds, count, want) in [
            (0, Some(1000), None),
            (10, Some(1500), Some(50.0)),
            (20, Some(1500), Some(0.0)),
            // Started anew.
            (30, Some(40), None),
            (40, Some(140), Some(10.0)),
            // Not told of in between: no guess over it.
            (50, None, None),
            (60, Some(340), None),
            (63, Some(341), Some(0.3)),
        ] {
            let now = start + Duration::from_secs(seconds);
            let mut rates = memory.rates();
            assert_eq!(rates.of("bytes", count, now), want, "after {seconds} s");
            memory.keep(rates);
        }
    }

    #[test]
    fn a_list_that_never_changes_is_believed_of_the_same_server_for_a_while() {
        use crate::collect::tak::checks::Trouble;
        let start = Instant::now();
        let by = |version: &str, certificate| (Some(version.to_owned()), certificate);
        let of = |by, miss: Option<Miss>| {
            let heard = Heard { path: "/a".into(), took: Duration::ZERO, miss };
            let entries = Ok(Vec::new());
            let note = "it is always so".into();
            let roster = Roster { source: "/a".into(), believed: false, entries, note };
            Constant::of(by, heard, roster, start)
        };
        let known = of(by("taky-1", true), None).expect("a constant");
        for (what, by, seconds, want) in [
            ("the same", by("taky-1", true), 599, true),
            ("it was long ago", by("taky-1", true), 600, false),
            ("another version", by("taky-2", true), 1, false),
            ("without the certificate", by("taky-1", false), 1, false),
        ] {
            assert_eq!(known.holds(&by, start + Duration::from_secs(seconds)), want, "{what}");
        }
        for (what, by, miss, want) in [
            ("a refusal", by("taky-1", true), Some(Miss::Status(401)), true),
            ("an error", by("taky-1", true), Some(Miss::Status(500)), false),
            ("silence", by("taky-1", true), Some(Miss::Trouble(Trouble::Closed)), false),
            ("something else", by("taky-1", true), Some(Miss::Unfit("a page".into())), false),
            ("nobody says who it is", (None, true), None, false),
        ] {
            assert_eq!(of(by, miss).is_some(), want, "{what}");
        }
    }

    #[test]
    fn a_dropped_round_changes_nothing() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let mut rates = memory.rates();
        rates.of("bytes", Some(100), now);
        memory.keep(rates);
        let mut dropped = memory.clone();
        dropped.rates().of("bytes", Some(150), now + Duration::from_secs(5));
        let rate = memory.rates().of("bytes", Some(200), now + Duration::from_secs(10));
        assert_eq!(rate, Some(10.0));
    }
}
