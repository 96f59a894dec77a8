//! One server over time: what to ask in a round, and what the answers make of it.
//!
//! Architecture invariant: [`Server::plan`] changes only what is known of ports, and says the same when
//! it is asked again; everything else is learnt in [`Server::conclude`]. So a round that is dropped
//! half-way does no harm.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::checks::told;
use super::conclusion::Conclusion;
use super::inquiry::{Answers, Inquiry};
use super::management::{self, Pace};
use super::memory::Memory;
use super::presence::{Peer, Presence};
use super::report::{Flavor, TakStatus};
use super::restarts::{Restarts, Running};
use super::round::Starting;
use super::services::Broker;
use super::survey::Sight;
use super::targets::{Role, Target};
use crate::config::TakServerConfig;

/// A server that is watched.
pub struct Server {
    /// Absent: whatever is found on this machine.
    config: Option<TakServerConfig>,
    startup_grace: Duration,
    memory: Memory,
    /// What each API port told, by its address.
    apis: BTreeMap<String, told::Memory>,
    broker: Broker,
    restarts: Restarts,
    pace: Pace,
    /// What taky told of itself, and who was connected then.
    managed: Option<(management::Told, Option<Vec<Peer>>)>,
}

impl Server {
    /// The server of a configuration, or with none the one that is found on this machine.
    pub fn new(config: Option<TakServerConfig>, startup_grace: Duration) -> Server {
        Server {
            config,
            startup_grace,
            memory: Memory::default(),
            apis: BTreeMap::new(),
            broker: Broker::default(),
            restarts: Restarts::default(),
            pace: Pace::default(),
            managed: None,
        }
    }

    /// The configuration, if it has one.
    pub fn config(&self) -> Option<&TakServerConfig> {
        self.config.as_ref()
    }

    /// What it is called among several.
    pub fn name(&self) -> String {
        self.config.as_ref().map_or_else(|| "this machine".into(), |config| config.name.clone())
    }

    /// Says what to ask now.
    pub fn plan(&mut self, sight: &Sight) -> Inquiry {
        let now = Instant::now();
        let targets = self.memory.plan(sight.targets.clone(), &sight.processes, now);
        let flavor = sight.processes.first().map(|process| process.component.flavor());
        let flavor = flavor.or(self.memory.flavor);
        let identity = sight.identity.as_ref().and_then(|identity| identity.clone().ok());
        let canary = self.config.as_ref().is_some_and(|config| config.canary);
        let canary = canary && super::canary::pointless(flavor).is_none();
        Inquiry {
            canary: carrier(&targets, identity.is_some()).filter(|_| canary),
            targets,
            identity,
            login: self.config.as_ref().and_then(|config| config.api_login.clone()),
            authorities: sight.vouching(),
            flavor,
            apis: self.apis.clone(),
            database: sight.database.clone(),
            broker: sight
                .broker
                .clone()
                .map(|(host, port)| (host, port, self.broker.question(now))),
            management: self.is_managed(sight, now).then(|| management_socket(sight)).flatten(),
        }
    }

    /// Whether taky is to be asked in this round. One that is suspended answers nobody.
    fn is_managed(&self, sight: &Sight, now: Instant) -> bool {
        let suspended = sight.processes.iter().any(|process| process.suspended);
        let before = self.managed.as_ref().and_then(|(_, peers)| peers.as_ref());
        let changed = before.is_none() || before != sight.peers.as_ref();
        !suspended && self.pace.is_due(changed, now)
    }

    /// Makes a report of the answers. `now` is in Unix seconds.
    pub fn conclude(
        &mut self,
        sight: &Sight,
        presence: &Presence,
        mut answers: Answers,
        now: f64,
    ) -> TakStatus {
        let own = answers.own();
        let ports = std::mem::take(&mut answers.ports);
        answers.ports = self.memory.learn(ports, Instant::now());
        self.remember(sight, &answers, now);
        let accepts = answers.ports.iter().any(|facts| facts.port.result.is_ok());
        let running = accepts || !sight.processes.is_empty();
        let flavor = self.flavor(sight, presence, &answers);
        if running {
            self.memory.saw_running(flavor, &sight.processes, now);
        }
        let conclusion = Conclusion {
            config: self.config.as_ref(),
            memory: &self.memory,
            restarts: &self.restarts,
            broker: self.broker.name(),
            managed: self.managed.as_ref().map(|(told, _)| told),
            starting: self.starting(sight, presence, now),
            sight,
            presence,
            answers: &answers,
            own: &own,
            flavor,
            running,
            accepts,
            now,
        };
        let (report, settled, serves) = conclusion.report();
        self.memory.settled = Some(settled);
        if serves {
            (self.memory.served, self.memory.waiting_since) = (Some(now), None);
        } else if self.memory.waiting_since.is_none() {
            self.memory.waiting_since = sight.starts().reduce(f64::max);
        }
        report
    }

    /// Takes over what a finished round has brought.
    fn remember(&mut self, sight: &Sight, answers: &Answers, now: f64) {
        let instant = Instant::now();
        let told = answers.ports.iter().filter_map(|facts| {
            Some((facts.target.address(), facts.told.as_ref()?.memory.clone()))
        });
        self.apis.extend(told);
        if let Some(broker) = &answers.broker {
            self.broker.learn(broker, instant);
        }
        let canary = answers.canary.as_ref();
        self.memory.canary_arrived |= canary.is_some_and(|canary| canary.outcome.result.is_ok());
        if let Some(told) = &answers.management {
            self.pace.took(&told.listing, instant);
            self.managed = Some((told.clone(), sight.peers.clone()));
        }
        if sight.processes.is_empty() || management_socket(sight).is_none() {
            (self.managed, self.pace) = (None, Pace::default());
        }
        let running: Vec<_> = sight
            .processes
            .iter()
            .filter_map(|process| {
                let (name, pid) = (process.component.name(), process.pid);
                Some(Running { component: name, pid, started: process.started? })
            })
            .collect();
        self.restarts.take(&running, now);
    }

    fn flavor(&self, sight: &Sight, presence: &Presence, answers: &Answers) -> Option<Flavor> {
        let running = sight.processes.first().map(|process| process.component.flavor());
        let version = answers.version();
        let named = version.as_deref().and_then(super::checks::api::flavor_of);
        let installed = presence.installed_flavor().filter(|_| self.config.is_none());
        running.or(named).or(self.memory.flavor).or(installed)
    }

    /// Whether it, or its machine, was started a moment ago and has not served since.
    fn starting(&self, sight: &Sight, presence: &Presence, now: f64) -> Option<Starting> {
        if self.config.as_ref().is_some_and(|config| !config.is_local()) {
            return None;
        }
        let is_new = sight.processes.is_empty() && self.memory.last_running.is_none();
        let since = match sight.starts().reduce(f64::max) {
            Some(started) => self.memory.waiting_since.unwrap_or(started),
            None if is_new => now - presence.uptime?.as_secs_f64(),
            None => return None,
        };
        let served = self.memory.served.is_some_and(|served| served >= since);
        let young = now - since < self.startup_grace.as_secs_f64();
        (young && !served).then_some(Starting { since, grace: self.startup_grace })
    }
}

/// Through which port a message is to be sent: one whose protocol is known, and that takes takpulse in.
fn carrier(targets: &[Target], has_certificate: bool) -> Option<Target> {
    let fits = |target: &&Target| match target.role {
        Role::CotTls => target.expected && has_certificate,
        Role::CotTcp => target.expected && target.answered,
        _ => false,
    };
    targets.iter().find(fits).cloned()
}

fn management_socket(sight: &Sight) -> Option<std::path::PathBuf> {
    sight.settings()?.management_socket.clone()
}
