//! What has been seen of a server since takpulse started, so that one that vanishes is missed
//! instead of forgotten.
//!
//! Architecture invariant: pure; nothing is written to disk.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::checks::Facts;
use super::presence::{Presence, TakProcess};
use super::report::Flavor;
use super::targets::{Role, Target, merge};

/// A customary port that another service owns is left alone for this long.
const FOREIGN_PAUSE: Duration = Duration::from_secs(120);

/// The memory of one server.
#[derive(Debug, Default)]
pub struct Memory {
    /// The ports that are expected to answer.
    pub targets: Vec<Target>,
    /// Which server it is.
    pub flavor: Option<Flavor>,
    /// When it was last seen running, in Unix seconds.
    pub last_running: Option<f64>,
    /// The systemd unit or the container that it ran in: what to start again.
    starter: Option<Starter>,
    /// The processes of the last round in which there were any.
    pids: BTreeSet<u32>,
    /// Ports that did not answer as a TAK server, and until when they are left alone.
    foreign: Vec<(u16, Instant)>,
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
        merge(&mut targets, self.targets.clone());
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

    /// A server that was started anew may speak otherwise on its ports, and when it listens on a new
    /// one it has left the old one. One that only vanished, or no longer offers a customary port, is
    /// missed there.
    fn reconsider(&mut self, found: &[Target], processes: &[TakProcess]) {
        let pids: BTreeSet<u32> = processes.iter().map(|process| process.pid).collect();
        let is_new = !pids.is_subset(&self.pids);
        if !pids.is_empty() {
            self.pids = pids;
        }
        if !is_new {
            return;
        }
        let moved = found.iter().any(|target| {
            target.expected
                && target.role.is_cot()
                && !self.targets.iter().any(|t| t.is_same(target))
        });
        self.targets.retain_mut(|known| {
            let now = found.iter().find(|target| target.is_same(known));
            if let Some(now) = now {
                known.role = now.role;
            }
            now.is_some() || !moved || !known.role.is_cot() || is_customary(known.port)
        });
    }

    /// Learns from the answers; returns those that belong to a TAK server.
    pub fn learn(&mut self, answers: Vec<Facts>, now: Instant) -> Vec<Facts> {
        let (own, foreign): (Vec<Facts>, Vec<Facts>) =
            answers.into_iter().partition(|facts| facts.target.expected || facts.identify());
        let owned = foreign.iter().filter(|facts| facts.port.result.is_ok());
        self.foreign.extend(owned.map(|facts| (facts.target.port, now + FOREIGN_PAUSE)));
        for facts in &own {
            let target = Target { expected: true, ..facts.target.clone() };
            let known = self.targets.iter_mut().find(|known| known.is_same(&target));
            match known {
                // What a port speaks is not unlearned while it is silent.
                Some(known) if !is_unclear(target.role) => *known = target,
                Some(_) => {}
                None => self.targets.push(target),
            }
        }
        own
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

fn is_customary(port: u16) -> bool {
    super::targets::customary("").iter().any(|target| target.port == port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tak::checks::{Timed, Trouble, cot};
    use crate::collect::tak::presence::{Component, Placement};

    fn process(pid: u32, placement: Placement) -> TakProcess {
        TakProcess {
            pid,
            component: Component::TakyCot,
            suspended: false,
            placement,
            listeners: Some(vec![]),
        }
    }

    fn cot(port: u16, expected: bool) -> Target {
        Target { host: "127.0.0.1".into(), port, role: Role::UnclearCot, expected }
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

    #[test]
    fn a_server_that_was_started_on_another_port_is_not_missed_on_the_old_one() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let round = |memory: &mut Memory, pids: &[u32], found: &[u16]| {
            let processes: Vec<_> =
                pids.iter().map(|pid| process(*pid, Placement::default())).collect();
            let plan =
                memory.plan(found.iter().map(|port| cot(*port, true)).collect(), &processes, now);
            let ports = ports(&plan);
            memory.learn(
                plan.into_iter().map(|target| answer(target, Ok(cot::Reply::Pong))).collect(),
                now,
            );
            ports
        };
        assert_eq!(round(&mut memory, &[7], &[28087]), [28087]);
        assert_eq!(round(&mut memory, &[], &[]), [28087], "stopped");
        assert_eq!(round(&mut memory, &[8], &[]), [28087], "starting");
        assert_eq!(round(&mut memory, &[9], &[28099]), [28099], "moved");
        assert_eq!(round(&mut memory, &[9, 10], &[28099, 8087]), [8087, 28099], "another");
        assert_eq!(
            round(&mut memory, &[9, 11], &[28099]),
            [8087, 28099],
            "a customary port is missed"
        );
        assert_eq!(round(&mut memory, &[9], &[28099]), [8087, 28099]);
        assert_eq!(round(&mut memory, &[12], &[28100]), [8087, 28100], "moved again");
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
