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
mod tests {
    use super::*;
    use crate::collect::tak::checks::{Timed, Trouble, api, cot};
    use crate::collect::tak::presence::{Component, Placement};

    fn process(pid: u32, placement: Placement) -> TakProcess {
        TakProcess {
            pid,
            component: Component::TakyCot,
            suspended: false,
            placement,
            listeners: None,
        }
    }

    fn cot(port: u16, expected: bool) -> Target {
        let host = "127.0.0.1".into();
        Target { host, port, role: Role::UnclearCot, expected, answered: false }
    }

    fn answer(target: Target, result: Result<cot::Reply, Trouble>) -> Facts {
        let took = Duration::ZERO;
        let target =
            Target { role: if result.is_ok() { Role::CotTcp } else { target.role }, ..target };
        Facts {
            target,
            port: Timed { result: Ok(()), took },
            tls: None,
            cot: Some(Timed { result, took }),
            api: None,
        }
    }

    fn ports(targets: &[Target]) -> Vec<u16> {
        targets.iter().map(|target| target.port).collect()
    }

    #[test]
    fn a_port_that_answered_once_stays_expected_with_its_role() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let taky = [process(7, Placement::default())];
        let plan = memory.plan(vec![cot(28087, true)], &taky, now);
        memory.learn(
            plan.into_iter().map(|target| answer(target, Ok(cot::Reply::Pong))).collect(),
            now,
        );
        let plan = memory.plan(vec![], &[], now);
        assert_eq!(
            (ports(&plan), plan[0].role, plan[0].expected),
            (vec![28087], Role::CotTcp, true)
        );
        // Hung: the role is still known.
        memory.learn(vec![answer(cot(28087, true), Err(Trouble::Silent(Duration::ZERO)))], now);
        assert_eq!(memory.plan(vec![], &[], now)[0].role, Role::CotTcp);
    }

    /// One round: these processes, and these ports, which listen and answer; the others refuse.
    /// Returns what is reported.
    fn round(
        memory: &mut Memory,
        pids: &[u32],
        found: &[(&str, u16)],
        now: Instant,
    ) -> Vec<String> {
        let processes: Vec<_> =
            pids.iter().map(|pid| process(*pid, Placement::default())).collect();
        let target = |(host, port): &(&str, u16)| {
            let role = if is_api(*port) { Role::UnclearApi } else { Role::UnclearCot };
            Target { host: (*host).into(), role, ..cot(*port, true) }
        };
        let found: Vec<_> = found.iter().map(target).collect();
        let plan = memory.plan(found.clone(), &processes, now);
        let ask = |target: Target| {
            let listens = found.iter().any(|found| found.is_same(&target));
            match (listens, is_api(target.port)) {
                (true, true) => served(target),
                (true, false) => answer(target, Ok(cot::Reply::Pong)),
                (false, _) => refused(target),
            }
        };
        let own = memory.learn(plan.into_iter().map(ask).collect(), now);
        own.iter().map(|facts| facts.target.address()).collect()
    }

    fn is_api(port: u16) -> bool {
        matches!(port, 8080 | 8091 | 8443)
    }

    fn served(target: Target) -> Facts {
        let api = Timed { result: Ok(api::Answer::WantsCertificate), took: Duration::ZERO };
        let target = Target { role: Role::Http, ..target };
        Facts { api: Some(api), cot: None, ..answer(target, Err(Trouble::Closed)) }
    }

    fn refused(target: Target) -> Facts {
        let port = Timed { result: Err(Trouble::Refused), took: Duration::ZERO };
        Facts { port, cot: None, ..answer(target, Err(Trouble::Refused)) }
    }

    #[test]
    fn a_part_that_moved_is_not_missed_where_it_was() {
        let (here, there) = ("127.0.0.1", "127.0.0.5");
        type Ports<'a> = &'a [(&'a str, u16)];
        let cases: [(Ports<'_>, Ports<'_>, &[&str]); 7] = [
            (&[(here, 28087)], &[(here, 28099)], &["127.0.0.1:28099"]),
            // The API alone; its CoT port stays.
            (
                &[(here, 8087), (here, 8080)],
                &[(here, 8087), (here, 8091)],
                &["127.0.0.1:8087", "127.0.0.1:8091"],
            ),
            (&[(here, 8087)], &[(there, 8087)], &["127.0.0.5:8087"]),
            // From plain to TLS.
            (
                &[(here, 8087), (here, 8080)],
                &[(here, 8089), (here, 8443)],
                &["127.0.0.1:8089", "127.0.0.1:8443"],
            ),
            // One more, and one that is gone without another.
            (&[(here, 8087)], &[(here, 8087), (here, 8089)], &["127.0.0.1:8087", "127.0.0.1:8089"]),
            (&[(here, 8087), (here, 8089)], &[(here, 8089)], &["127.0.0.1:8087", "127.0.0.1:8089"]),
            (&[(here, 8087), (here, 8080)], &[(here, 8091)], &["127.0.0.1:8087", "127.0.0.1:8091"]),
        ];
        for (before, after, want) in cases {
            let (mut memory, now) = (Memory::default(), Instant::now());
            round(&mut memory, &[7], before, now);
            assert_eq!(round(&mut memory, &[], &[], now).len(), before.len(), "stopped");
            assert_eq!(round(&mut memory, &[8], &[], now).len(), before.len(), "starting");
            assert_eq!(round(&mut memory, &[8], after, now), want, "{before:?} -> {after:?}");
            assert_eq!(
                round(&mut memory, &[8], after, now),
                want,
                "{before:?} -> {after:?}, later"
            );
        }
    }

    #[test]
    fn a_port_that_is_gone_while_another_serves_is_missed_for_a_day() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let (plain, tls) = (("127.0.0.1", 8087), ("127.0.0.1", 8089));
        let after = |hours: u64| start + Duration::from_secs(hours * 3600);
        round(&mut memory, &[7], &[plain, tls], start);
        assert_eq!(round(&mut memory, &[8], &[tls], after(1)).len(), 2);
        assert_eq!(round(&mut memory, &[8], &[plain, tls], after(20)).len(), 2, "it is back");
        assert_eq!(round(&mut memory, &[8], &[tls], after(21)).len(), 2);
        assert_eq!(round(&mut memory, &[], &[], after(30)).len(), 2, "all of it stopped");
        assert_eq!(round(&mut memory, &[], &[], after(90)).len(), 2, "still stopped");
        assert_eq!(round(&mut memory, &[9], &[tls], after(91)).len(), 2);
        assert_eq!(round(&mut memory, &[9], &[tls], after(114)).len(), 2);
        round(&mut memory, &[9], &[tls], after(115));
        assert_eq!(round(&mut memory, &[9], &[tls], after(116)), ["127.0.0.1:8089"]);
    }

    #[test]
    fn a_process_that_listens_late_is_asked_anew_what_it_speaks() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        round(&mut memory, &[7], &[("127.0.0.1", 8087)], now);
        let mut late = process(8, Placement::default());
        late.listeners = Some(vec![]);
        memory.plan(vec![], &[late.clone()], now);
        late.listeners = Some(vec!["127.0.0.1:8087".parse().expect("an address")]);
        let plan = memory.plan(vec![cot(8087, true)], &[late], now);
        assert_eq!(plan[0].role, Role::UnclearCot);
    }

    #[test]
    fn a_port_that_answered_a_ping_is_known_to() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let silent = || Err(Trouble::Silent(Duration::ZERO));
        let target = Target { role: Role::CotTcp, ..cot(8087, true) };
        for (result, answered) in [
            (silent(), false),
            // Events come from others, when there are any.
            (Ok(cot::Reply::Events), false),
            (silent(), false),
            (Ok(cot::Reply::Pong), true),
            (silent(), true),
        ] {
            let plan = memory.plan(vec![target.clone()], &[], now);
            memory.learn(vec![answer(plan[0].clone(), result)], now);
            assert_eq!(memory.plan(vec![target.clone()], &[], now)[0].answered, answered);
        }
    }

    #[test]
    fn a_port_of_another_service_is_dropped_and_left_alone() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let plan = memory.plan(vec![cot(8087, false)], &[], now);
        let own = memory.learn(vec![answer(plan[0].clone(), Err(Trouble::OtherProtocol))], now);
        assert!(own.is_empty());
        assert!(memory.plan(vec![cot(8087, false)], &[], now).is_empty());
        let taky = [process(7, Placement::default())];
        assert_eq!(
            ports(&memory.plan(vec![cot(8087, false)], &taky, now)),
            [8087],
            "it may be taky's now"
        );
        assert_eq!(ports(&memory.plan(vec![cot(8087, false)], &[], now + FOREIGN_PAUSE)), [8087]);
    }

    #[test]
    fn the_remedy_is_what_the_user_can_type() {
        let unit = |name: &str| Placement { unit: Some(name.into()), container: None };
        let container = Placement { unit: None, container: Some("3f2a9c1b7d5e".into()) };
        let cases = [
            (Placement::default(), vec![], true, "restart it"),
            (
                Placement::default(),
                vec!["takserver.service"],
                true,
                "restart it with `systemctl restart takserver`",
            ),
            (unit("my-tak.service"), vec![], true, "restart it with `systemctl restart my-tak`"),
            (
                unit("taky-cot.service"),
                vec!["taky.service"],
                true,
                "restart it with `systemctl restart taky`",
            ),
            (
                container,
                vec!["taky.service"],
                true,
                "restart it with `docker restart 3f2a9c1b7d5e`",
            ),
            (Placement::default(), vec!["taky.service"], false, "restart it there"),
        ];
        for (placement, units, local, want) in cases {
            let mut memory = Memory::default();
            memory.saw_running(None, &[process(7, placement)], 1.0);
            let units = units.into_iter().map(str::to_owned).collect();
            let presence = Presence { units, ..Presence::default() };
            assert_eq!(memory.remedy("restart", &presence, local), want);
        }
    }
}
