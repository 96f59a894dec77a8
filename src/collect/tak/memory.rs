//! What has been seen of a server since takpulse started, so that one that vanishes is missed
//! instead of forgotten.
//!
//! Architecture invariant: pure; nothing is written to disk.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::checks::Facts;
use super::checks::cot::Reply;
use super::presence::{Presence, TakProcess};
use super::report::Flavor;
use super::targets::{Role, Target, merge};
use super::verdict::Settled;

/// A customary port that another service owns is left alone for this long.
const FOREIGN_PAUSE: Duration = Duration::from_secs(120);

/// A port that is gone while others of its kind serve is missed for this long: somebody should come
/// to look, and then it was taken away on purpose.
const MISSED_FOR: Duration = Duration::from_secs(24 * 3600);

/// The memory of one server.
#[derive(Debug, Default)]
pub struct Memory {
    /// The ports that are expected to answer.
    known: Vec<Known>,
    /// Which server it is.
    pub flavor: Option<Flavor>,
    /// When it was last seen running, in Unix seconds.
    pub last_running: Option<f64>,
    /// When clients were last served, in Unix seconds.
    pub served: Option<f64>,
    /// When the first process was started that has not served since: one that ends and is started again
    /// and again is not waited for anew each time. In Unix seconds.
    pub waiting_since: Option<f64>,
    /// The status as it has settled.
    pub settled: Option<Settled>,
    /// A canary has arrived.
    pub canary_arrived: bool,
    /// The systemd unit or the container that it ran in: what to start again.
    starter: Option<Starter>,
    /// The processes of the last round in which any listened.
    pids: BTreeSet<u32>,
    /// Ports that did not answer as a TAK server, and until when they are left alone.
    foreign: Vec<(u16, Instant)>,
}

/// A port that is expected to answer.
#[derive(Debug)]
struct Known {
    target: Target,
    /// Since when it does not accept, while others of its kind serve.
    missed_since: Option<Instant>,
}

/// What starts a server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Starter {
    Unit(String),
    Container(String),
}

impl Memory {
    /// What to ask in this round: what was found now, what is expected from before, and without
    /// the ports of others.
    pub fn plan(
        &mut self,
        found: Vec<Target>,
        processes: &[TakProcess],
        now: Instant,
    ) -> Vec<Target> {
        self.reconsider(&found, processes);
        let mut targets = found;
        merge(&mut targets, self.known.iter().map(|known| known.target.clone()).collect());
        self.foreign.retain(|(_, until)| *until > now);
        let is_foreign = |port| self.foreign.iter().any(|(foreign, _)| *foreign == port);
        targets
            .retain(|target| target.expected || !processes.is_empty() || !is_foreign(target.port));
        // A fixed order, whether a port was found now or remembered: what clients need comes first.
        targets.sort_by(|a, b| {
            let key = |target: &Target| (!target.role.is_cot(), target.port);
            key(a).cmp(&key(b)).then_with(|| a.host.cmp(&b.host))
        });
        targets
    }

    /// A server that was started anew may speak otherwise on its ports. A process counts as soon as
    /// it listens.
    fn reconsider(&mut self, found: &[Target], processes: &[TakProcess]) {
        let listens =
            |process: &&TakProcess| process.listeners.as_ref().is_none_or(|l| !l.is_empty());
        let pids: BTreeSet<u32> =
            processes.iter().filter(listens).map(|process| process.pid).collect();
        let is_new = !pids.is_subset(&self.pids);
        if !pids.is_empty() {
            self.pids = pids;
        }
        if is_new {
            for known in &mut self.known {
                if let Some(now) = found.iter().find(|target| target.is_same(&known.target)) {
                    known.target.role = now.role;
                }
            }
        }
    }

    /// Learns from the answers; returns those that belong to a TAK server.
    pub fn learn(&mut self, answers: Vec<Facts>, now: Instant) -> Vec<Facts> {
        let (own, foreign): (Vec<Facts>, Vec<Facts>) =
            answers.into_iter().partition(|facts| facts.target.expected || facts.identify());
        let owned = foreign.iter().filter(|facts| facts.port.result.is_ok());
        self.foreign.extend(owned.map(|facts| (facts.target.port, now + FOREIGN_PAUSE)));
        let own = self.without_moved(own);
        for facts in &own {
            self.remember(facts, is_replaced(facts, &own), now);
        }
        self.known.retain(|known| {
            known.missed_since.is_none_or(|since| now.saturating_duration_since(since) < MISSED_FOR)
        });
        own
    }

    /// Forgets what has moved: ports that do not accept any more while one of the same kind that
    /// was not there before does. A server that vanishes without another is missed.
    fn without_moved(&mut self, mut own: Vec<Facts>) -> Vec<Facts> {
        let is_known = |facts: &Facts| self.known.iter().any(|k| k.target.is_same(&facts.target));
        let new: Vec<_> = own
            .iter()
            .filter(|facts| facts.port.result.is_ok() && !is_known(facts))
            .map(|facts| facts.target.role.is_cot())
            .collect();
        let has_moved = |facts: &Facts| {
            facts.port.result.is_err()
                && new.contains(&facts.target.role.is_cot())
                && is_known(facts)
        };
        let (moved, stayed) = own.drain(..).partition::<Vec<_>, _>(has_moved);
        self.known.retain(|known| !moved.iter().any(|facts| facts.target.is_same(&known.target)));
        stayed
    }

    fn remember(&mut self, facts: &Facts, replaced: bool, now: Instant) {
        let pong = facts.cot.as_ref().is_some_and(|cot| cot.result == Ok(Reply::Pong));
        let answered = facts.target.answered || pong;
        let target = Target { expected: true, answered, ..facts.target.clone() };
        let at = self.known.iter().position(|known| known.target.is_same(&target));
        // One that has never accepted is named again by whoever names it; it is not known to be there.
        if at.is_none() && facts.port.result.is_err() {
            return;
        }
        let at = at.unwrap_or_else(|| {
            self.known.push(Known { target: target.clone(), missed_since: None });
            self.known.len() - 1
        });
        let known = &mut self.known[at];
        // What a port speaks is not unlearned while it is silent.
        if !is_unclear(target.role) {
            known.target = target;
        }
        known.missed_since = replaced.then(|| known.missed_since.unwrap_or(now));
    }

    /// Remembers how the running server was started.
    pub fn saw_running(&mut self, flavor: Option<Flavor>, processes: &[TakProcess], now: f64) {
        self.flavor = flavor.or(self.flavor);
        self.last_running = Some(now);
        let serving = processes.iter().find(|process| process.component.serves_cot());
        let Some(placement) = serving.or(processes.first()).map(|process| &process.placement)
        else {
            return;
        };
        self.starter = match (&placement.container, &placement.unit) {
            (Some(container), _) => Some(Starter::Container(container.clone())),
            (None, Some(unit)) => Some(Starter::Unit(unit.clone())),
            (None, None) => None,
        };
    }

    /// What to type: `start it: ...` or `restart it: ...`.
    pub fn remedy(&self, verb: &str, presence: &Presence, local: bool) -> String {
        let unit = match &self.starter {
            Some(Starter::Container(id)) => return format!("{verb} it with `docker {verb} {id}`"),
            _ if !local => return format!("{verb} it there"),
            // The installer's unit starts all parts; the process' own only that part.
            Some(Starter::Unit(unit)) => presence.units.first().or(Some(unit)),
            None => presence.units.first(),
        };
        match unit {
            Some(unit) => {
                let name = unit.strip_suffix(".service").unwrap_or(unit);
                format!("{verb} it with `systemctl {verb} {name}`")
            }
            None => format!("{verb} it"),
        }
    }
}

fn is_unclear(role: Role) -> bool {
    matches!(role, Role::UnclearCot | Role::UnclearApi)
}

/// Whether a port does not accept while another of the same kind serves.
fn is_replaced(facts: &Facts, all: &[Facts]) -> bool {
    let is_cot = facts.target.role.is_cot();
    facts.port.result.is_err()
        && all.iter().any(|other| other.target.role.is_cot() == is_cot && other.fits())
}

#[cfg(test)]
mod tests;
