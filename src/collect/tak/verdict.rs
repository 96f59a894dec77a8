//! From findings to one word, and how that word changes over time.
//!
//! Architecture invariant: pure.

use super::judge::{Cot, Finding, Weight};
use super::report::Status;

/// What is seen in one round.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    /// A TAK server is, was or must be here.
    pub installed: bool,
    /// A process of it is visible or one of its ports accepts.
    pub running: bool,
    /// Nothing but silence speaks against it: no port was reached, and none refused.
    pub silent: bool,
    /// It, or its machine, was started a moment ago and has not served yet.
    pub starting: bool,
    /// One for each CoT port; the other: nothing but silence speaks for it.
    pub cot: Vec<(Cot, bool)>,
    /// The worst finding; absent without findings.
    pub worst: Option<Weight>,
    /// The worst of those that are not [`soft`](Finding::soft).
    pub worst_certain: Option<Weight>,
}

/// So many rounds in succession must agree before silence counts, and before a server that was
/// unwell counts as healthy.
const ROUNDS: u8 = 2;

impl Situation {
    /// What this round alone looks like.
    pub fn seen(&self) -> Status {
        let cot = self.cot.iter().map(|(cot, _)| *cot).collect::<Vec<_>>();
        self.status(self.running, &cot, self.worst)
    }

    /// What it looks like without all that only silence speaks for.
    pub fn certain(&self) -> Status {
        let known = |(cot, soft): &(Cot, bool)| if *soft { Cot::Unknown } else { *cot };
        let cot = self.cot.iter().map(known).collect::<Vec<_>>();
        self.status(self.running || self.silent, &cot, self.worst_certain)
    }

    /// Whether it would be down, were it not starting.
    pub fn is_waiting(&self) -> bool {
        self.starting && Situation { starting: false, ..self.clone() }.seen() == Status::Down
    }

    /// Users cannot work with a server that hangs any more than with one that is stopped: both are
    /// `down`. A server that could not be asked (it demands a client certificate) is taken to be well
    /// while nothing speaks against it.
    fn status(&self, running: bool, cot: &[Cot], worst: Option<Weight>) -> Status {
        let dead = !cot.is_empty() && cot.iter().all(|cot| *cot == Cot::Fails);
        if !self.installed {
            Status::NotInstalled
        } else if !running || dead || worst == Some(Weight::Blackout) {
            if self.starting { Status::Degraded } else { Status::Down }
        } else if worst.is_some_and(|worst| worst >= Weight::Trouble) {
            Status::Degraded
        } else {
            Status::Healthy
        }
    }
}

/// A status that has settled, and what speaks for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// What is reported.
    pub status: Status,
    /// So many rounds in succession looked worse.
    worse: u8,
    /// So many looked better.
    better: u8,
    /// It was starting: whatever comes next counts at once.
    starting: bool,
}

/// What is reported after this round. What is certain and worse counts at once (nobody should wait to
/// learn that a server is stopped); silence counts when it lasts; and a server that was down is
/// degraded until it has been well for [`ROUNDS`] rounds, so that one that comes and goes is not
/// called healthy in between.
pub fn settle(before: Option<Settled>, now: &Situation) -> Settled {
    let seen = now.seen();
    let fresh = |status| Settled { status, worse: 0, better: 0, starting: now.starting };
    let Some(before) = before else { return fresh(seen) };
    if before.starting
        || before.status == Status::NotInstalled
        || seen == Status::NotInstalled
        || seen == before.status
    {
        return fresh(seen);
    }
    if seen > before.status {
        let worse = before.worse + 1;
        if worse >= ROUNDS || now.certain() >= seen {
            return fresh(seen);
        }
        let status = now.certain().max(before.status);
        return Settled { worse, ..fresh(status) };
    }
    if seen != Status::Healthy {
        return fresh(seen);
    }
    let better = before.better + 1;
    if better >= ROUNDS {
        return fresh(seen);
    }
    Settled { better, ..fresh(Status::Degraded) }
}

/// The finding to tell first: the heaviest, and of those the first.
pub fn worst(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().rev().max_by_key(|finding| finding.weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Degraded, Down, Healthy, NotInstalled};

    #[test]
    fn the_status_follows_from_the_situation() {
        use Cot::{Fails, Unknown, Works};
        use Weight::{Blackout, Fine, Hint, Note, Outage, Trouble};
        type Case<'a> = (bool, bool, &'a [Cot], Option<Weight>, Status, Status);
        // The last two: when it has been there for long, and when it is starting.
        let cases: [Case<'_>; 18] = [
            (false, false, &[], None, NotInstalled, NotInstalled),
            (true, false, &[], None, Down, Degraded),
            (true, false, &[Fails], Some(Outage), Down, Degraded),
            // The process is there and every CoT port is dead or hangs.
            (true, true, &[Fails], Some(Outage), Down, Degraded),
            (true, true, &[Fails, Fails], Some(Outage), Down, Degraded),
            (true, true, &[Works, Fails], Some(Outage), Degraded, Degraded),
            (true, true, &[Unknown, Fails], Some(Outage), Degraded, Degraded),
            (true, true, &[Works], Some(Trouble), Degraded, Degraded),
            (true, true, &[Unknown], Some(Trouble), Degraded, Degraded),
            (true, true, &[], Some(Trouble), Degraded, Degraded),
            // Its ports answer, and nothing gets from one client to another.
            (true, true, &[Works], Some(Blackout), Down, Degraded),
            (true, true, &[Works], Some(Fine), Healthy, Healthy),
            (true, true, &[Works], Some(Note), Healthy, Healthy),
            (true, true, &[Works, Unknown], Some(Hint), Healthy, Healthy),
            (true, true, &[Unknown], Some(Hint), Healthy, Healthy),
            // Configured with nothing but an API.
            (true, true, &[], Some(Fine), Healthy, Healthy),
            (true, true, &[Works], None, Healthy, Healthy),
            (false, true, &[Works], None, NotInstalled, NotInstalled),
        ];
        for (installed, running, cot, worst, want, want_starting) in cases {
            let cot: Vec<_> = cot.iter().map(|cot| (*cot, false)).collect();
            for (starting, want) in [(false, want), (true, want_starting)] {
                let situation = Situation {
                    installed,
                    running,
                    silent: false,
                    starting,
                    cot: cot.clone(),
                    worst,
                    worst_certain: worst,
                };
                assert_eq!(situation.seen(), want, "{situation:?}");
                assert_eq!(situation.certain(), want, "{situation:?}");
            }
        }
    }

    /// A round of a server that was seen like this.
    fn round(what: &str) -> Situation {
        let well = Situation {
            installed: true,
            running: true,
            cot: vec![(Cot::Works, false)],
            ..Situation::default()
        };
        let troubled = |weight, soft: bool| Situation {
            worst: Some(weight),
            worst_certain: Some(if soft { Weight::Fine } else { weight }),
            ..well.clone()
        };
        match what {
            "well" => well,
            "absent" => Situation::default(),
            "stopped" => Situation { running: false, cot: vec![], ..well },
            "starting" => Situation { running: false, starting: true, cot: vec![], ..well },
            // A server elsewhere, of which nothing else is to be seen.
            "out of reach" => Situation {
                running: false,
                silent: true,
                cot: vec![(Cot::Fails, true)],
                ..troubled(Weight::Outage, true)
            },
            "silent" => {
                Situation { cot: vec![(Cot::Fails, true)], ..troubled(Weight::Outage, true) }
            }
            "refused" => {
                Situation { cot: vec![(Cot::Fails, false)], ..troubled(Weight::Outage, false) }
            }
            "expired" => troubled(Weight::Trouble, false),
            "slow api" => troubled(Weight::Trouble, true),
            "silent and expired" => Situation {
                worst_certain: Some(Weight::Trouble),
                cot: vec![(Cot::Fails, true)],
                ..troubled(Weight::Outage, true)
            },
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_certain_counts_at_once_and_silence_when_it_lasts() {
        let cases: [(&[&str], &[Status]); 15] = [
            (&["well", "stopped"], &[Healthy, Down]),
            (&["well", "refused"], &[Healthy, Down]),
            (&["well", "expired"], &[Healthy, Degraded]),
            // One answer that is missing is not an outage; two are.
            (&["well", "silent", "well"], &[Healthy, Healthy, Healthy]),
            (&["well", "silent", "silent"], &[Healthy, Healthy, Down]),
            (&["well", "out of reach", "well"], &[Healthy, Healthy, Healthy]),
            (&["well", "out of reach", "out of reach"], &[Healthy, Healthy, Down]),
            (&["well", "slow api", "slow api"], &[Healthy, Healthy, Degraded]),
            (&["well", "silent and expired", "silent"], &[Healthy, Degraded, Down]),
            (&["silent"], &[Down]),
            // It is back: not healthy before it has shown that it stays.
            (&["stopped", "well", "well"], &[Down, Degraded, Healthy]),
            (
                &["stopped", "well", "stopped", "well", "well"],
                &[Down, Degraded, Down, Degraded, Healthy],
            ),
            (&["expired", "well", "well"], &[Degraded, Degraded, Healthy]),
            (&["stopped", "expired", "well", "well"], &[Down, Degraded, Degraded, Healthy]),
            // Nothing was wrong with these before.
            (&["absent", "well", "absent"], &[NotInstalled, Healthy, NotInstalled]),
        ];
        for (rounds, want) in cases {
            let mut settled = None;
            let mut statuses = Vec::new();
            for what in rounds {
                let now = settle(settled, &round(what));
                statuses.push(now.status);
                settled = Some(now);
            }
            assert_eq!(statuses, want, "{rounds:?}");
        }
    }

    #[test]
    fn a_server_that_starts_is_healthy_as_soon_as_it_serves() {
        let starting = settle(None, &round("starting"));
        assert_eq!(starting.status, Degraded);
        assert_eq!(settle(Some(starting), &round("well")).status, Healthy);
        // The time is up.
        assert_eq!(settle(Some(starting), &round("stopped")).status, Down);
    }
}
