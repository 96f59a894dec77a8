//! How often the server's processes were started anew: one that dies every few minutes and is
//! started again each time looks well at every single look.
//!
//! Architecture invariant: pure.

use std::collections::{BTreeMap, VecDeque};

use super::clock::clock;
use super::judge::{Finding, Subject, Weight, Word, fine};
use super::report::CheckName;

/// What is recent, in seconds.
const RECENT_SECONDS: f64 = 3600.0;

/// So many within [`RECENT_SECONDS`] are trouble: nobody restarts a server by hand that often.
const MANY: usize = 3;

/// Restarts of a component that are remembered; more within an hour are "at least" as many.
const MAX_RECENT: usize = 64;

/// Processes of a component that are remembered.
const MAX_PROCESSES: usize = 32;

/// Components that are remembered; a TAK server has five.
const MAX_COMPONENTS: usize = 32;

/// Ages are read in ticks and on a clock that is corrected: a process may seem this much younger
/// than it is, in seconds.
const AGE_SLACK: f64 = 2.0;

/// A process as a round shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Running<'a> {
    /// Which part of the server it is: `messaging`.
    pub component: &'a str,
    /// Its number.
    pub pid: u32,
    /// When it was started, in Unix seconds.
    pub started: f64,
}

/// What is remembered between rounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Restarts {
    components: BTreeMap<String, Component>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Component {
    /// Processes that run, or that ended and were not followed by another yet.
    known: Vec<Known>,
    /// Restarts since takpulse started.
    total: u64,
    /// When the last ones were, in Unix seconds.
    recent: VecDeque<f64>,
    /// When it was last looked at, in Unix seconds.
    seen: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    pid: u32,
    /// In seconds, at `seen`.
    age: f64,
}

impl Restarts {
    /// Takes a round's processes. `now` is in Unix seconds.
    pub fn take(&mut self, running: &[Running<'_>], now: f64) {
        let mut by_component: BTreeMap<&str, Vec<Known>> = BTreeMap::new();
        for process in running {
            let age = (now - process.started).max(0.0);
            let of_component = by_component.entry(process.component).or_default();
            if of_component.len() < MAX_PROCESSES {
                of_component.push(Known { pid: process.pid, age });
            }
        }
        for (name, processes) in by_component {
            if self.components.len() < MAX_COMPONENTS || self.components.contains_key(name) {
                self.components.entry(name.to_owned()).or_default().take(processes, now);
            }
        }
        for component in self.components.values_mut() {
            component.recent.retain(|at| now - at < RECENT_SECONDS);
        }
    }

    /// The check; `None` before a process was ever seen.
    pub fn finding(&self, subject: &Subject) -> Option<Finding> {
        let names: Vec<_> = self.components.keys().map(String::as_str).collect();
        if names.is_empty() {
            return None;
        }
        let word = self.word();
        Some(subject.finding(CheckName::Restarts, &names.join(", "), None, word))
    }

    fn word(&self) -> Word {
        let recent = |component: &Component| component.recent.len();
        let most = self.components.values().map(recent).max().unwrap_or(0);
        if most == 0 {
            return fine(&self.quiet());
        }
        let restarted: Vec<_> =
            self.components.iter().filter_map(|(name, component)| component.words(name)).collect();
        let told = restarted.join("; ");
        if most < MANY {
            return (Some(true), Weight::Note, format!("{told}."));
        }
        let message = format!(
            "{told}: look into the server's log for why it ends (out of memory, a full disk, a port that is taken)."
        );
        (Some(false), Weight::Trouble, message)
    }

    fn quiet(&self) -> String {
        match self.components.values().map(|component| component.total).sum::<u64>() {
            0 => "Nothing was restarted since takpulse started.".into(),
            total => format!("Nothing was restarted in the last hour ({total} before it)."),
        }
    }
}

impl Component {
    /// A new process follows one that has ended. A clock that is set moves `now` and the start
    /// alike, so ages tell whether a process is still the same one.
    fn take(&mut self, processes: Vec<Known>, now: f64) {
        let is =
            |one: &Known, other: &Known| one.pid == other.pid && one.age + AGE_SLACK >= other.age;
        let first = self.known.is_empty();
        let mut ended: Vec<Known> = self.known.clone();
        ended.retain(|known| !processes.iter().any(|process| is(process, known)));
        let mut fresh: Vec<f64> = processes
            .iter()
            .filter(|process| !self.known.iter().any(|known| is(process, known)))
            // A worker shows by itself when the process that it belonged to has ended.
            .filter(|process| process.age <= now - self.seen + AGE_SLACK)
            .map(|process| now - process.age)
            .collect();
        fresh.sort_by(f64::total_cmp);
        let restarts = if first { 0 } else { fresh.len().min(ended.len()) };
        self.total += restarts as u64;
        self.recent.extend(fresh.iter().rev().take(restarts).rev());
        while self.recent.len() > MAX_RECENT {
            self.recent.pop_front();
        }
        self.seen = now;
        self.known = processes;
        self.known.extend(ended.into_iter().skip(restarts));
        self.known.truncate(MAX_PROCESSES);
    }

    /// `messaging has been restarted 4 times in the last hour, last at 2026-11-23T17:39:05Z`
    fn words(&self, name: &str) -> Option<String> {
        let last = clock(*self.recent.back()?);
        Some(match self.recent.len() {
            1 => format!("{name} has been restarted once in the last hour, at {last}"),
            MAX_RECENT.. => format!(
                "{name} has been restarted at least {MAX_RECENT} times in the last hour, last at {last}"
            ),
            times => {
                format!("{name} has been restarted {times} times in the last hour, last at {last}")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: f64 = 1_700_000_000.0;

    fn running(component: &'static str, pid: u32, started: f64) -> Running<'static> {
        Running { component, pid, started: NOON + started }
    }

    fn subject() -> Subject {
        Subject::of(None)
    }

    /// After a round every 15 s in which `at` says what runs: the weight and the message.
    fn after(seconds: u32, at: impl Fn(f64) -> Vec<Running<'static>>) -> (Weight, String) {
        let mut restarts = Restarts::default();
        for round in 0..=seconds / 15 {
            let now = f64::from(round * 15);
            restarts.take(&at(now), NOON + now);
        }
        let finding = restarts.finding(&subject()).expect("a finding");
        (finding.weight, finding.check.message)
    }

    /// `messaging` that is started anew every `period` seconds and is gone for the first `gap` of it.
    fn dying(period: f64, gap: f64) -> impl Fn(f64) -> Vec<Running<'static>> {
        move |now| {
            let life = (now / period).floor();
            let alive = life == 0.0 || now - life * period >= gap;
            let process = running("messaging", 100 + life as u32, life * period + gap);
            let mut all = vec![running("api", 7, -5000.0)];
            all.extend(alive.then_some(process));
            all
        }
    }

    #[test]
    fn restarts_are_counted_and_fade() {
        let cases: [(u32, f64, Weight, &str); 6] = [
            (60, 600.0, Weight::Fine, "Nothing was restarted since takpulse started."),
            (
                900,
                600.0,
                Weight::Note,
                "messaging has been restarted once in the last hour, at 2023-11-14T22:23:20Z.",
            ),
            (1500, 600.0, Weight::Note, "messaging has been restarted 2 times in the last hour"),
            (
                1800,
                600.0,
                Weight::Trouble,
                "messaging has been restarted 3 times in the last hour, last at 2023-11-14T22:43:20Z: look into",
            ),
            (7200, 600.0, Weight::Trouble, "restarted 6 times in the last hour"),
            (9000, 4500.0, Weight::Note, "restarted once in the last hour"),
        ];
        for (seconds, period, weight, says) in cases {
            for gap in [0.0, 45.0] {
                // What is late by the gap is seen later.
                let (found, message) = after(seconds + gap as u32, dying(period, gap));
                assert_eq!(found, weight, "{seconds} s, every {period} s, gap {gap}: {message}");
                if gap == 0.0 {
                    assert!(message.contains(says), "{message}");
                }
            }
        }
        let once = |now: f64| vec![running("api", if now < 100.0 { 1 } else { 2 }, now.min(100.0))];
        let (weight, message) = after(3600 + 200, once);
        assert_eq!(weight, Weight::Fine);
        assert_eq!(message, "Nothing was restarted in the last hour (1 before it).");
    }

    #[test]
    fn what_is_no_restart_is_not_counted() {
        type Round = Vec<Running<'static>>;
        let one = || running("api", 1, -50.0);
        let cases: [(&str, Vec<(f64, Round)>); 6] = [
            (
                "started while takpulse runs",
                vec![(0.0, vec![]), (15.0, vec![running("api", 1, 3.0)])],
            ),
            (
                "one more worker",
                vec![(0.0, vec![one()]), (15.0, vec![one(), running("api", 2, 3.0)])],
            ),
            (
                "out of sight for a while",
                vec![(0.0, vec![one()]), (15.0, vec![]), (30.0, vec![one()])],
            ),
            (
                "a start that is read a little later",
                vec![(0.0, vec![one()]), (15.0, vec![running("api", 1, -49.0)])],
            ),
            (
                "a clock that is set forward",
                vec![(0.0, vec![one()]), (90_015.0, vec![running("api", 1, 89_950.0)])],
            ),
            (
                "a clock that is set back",
                vec![(0.0, vec![one()]), (-90_015.0, vec![running("api", 1, -90_080.0)])],
            ),
        ];
        for (what, rounds) in cases {
            let mut restarts = Restarts::default();
            for (now, round) in &rounds {
                restarts.take(round, NOON + now);
            }
            let finding = restarts.finding(&subject()).expect("a finding");
            assert_eq!(finding.weight, Weight::Fine, "{what}: {}", finding.check.message);
        }
        assert!(Restarts::default().finding(&subject()).is_none());
    }

    #[test]
    fn the_same_number_with_a_later_start_is_a_restart() {
        let mut restarts = Restarts::default();
        restarts.take(&[running("taky", 7, -500.0)], NOON);
        restarts.take(&[running("taky", 7, 10.0)], NOON + 15.0);
        let finding = restarts.finding(&subject()).expect("a finding");
        assert_eq!((finding.weight, finding.check.ok), (Weight::Note, Some(true)));
    }

    #[test]
    fn one_of_several_that_comes_back_late_is_a_restart() {
        let mut restarts = Restarts::default();
        let one = || running("eud_handler", 1, -50.0);
        restarts.take(&[one(), running("eud_handler", 2, -50.0)], NOON);
        restarts.take(&[one()], NOON + 15.0);
        restarts.take(&[one(), running("eud_handler", 3, 20.0)], NOON + 30.0);
        let finding = restarts.finding(&subject()).expect("a finding");
        assert_eq!(finding.weight, Weight::Note, "{}", finding.check.message);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut restarts = Restarts::default();
        let names: Vec<String> = (0..100).map(|n| format!("part{n}")).collect();
        for round in 0..80_u32 {
            let now = NOON + f64::from(round);
            let each = |name| {
                (0..100).map(move |n| Running {
                    component: name,
                    pid: round * 100 + n,
                    started: now,
                })
            };
            let running: Vec<_> = names.iter().flat_map(|name| each(name.as_str())).collect();
            restarts.take(&running, now);
        }
        assert_eq!(restarts.components.len(), MAX_COMPONENTS);
        for component in restarts.components.values() {
            assert!(component.recent.len() <= MAX_RECENT && component.known.len() <= MAX_PROCESSES);
        }
        let message = restarts.finding(&subject()).expect("a finding").check.message;
        assert!(message.contains("at least 64 times"), "{message}");
    }
}
