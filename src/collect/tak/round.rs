//! What one round comes to: the status, and the one sentence a volunteer reads first.
//!
//! Architecture invariant: pure.

use std::time::Duration;

use super::checks::Facts;
use super::clock::clock;
use super::judge::{Cot, Finding, Subject, Weight};
use super::machine::Machine;
use super::presence::{Presence, TakProcess};
use super::report::{CheckName, Status, TakStatus};
use super::verdict::{self, Settled, Situation};

/// How long a server that starts is waited for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Starting {
    /// When it was started, or its machine, in Unix seconds.
    pub since: f64,
    /// So long.
    pub grace: Duration,
}

/// What is known of a server after its answers.
pub struct Round {
    /// Whose round it is.
    pub subject: Subject,
    /// The configuration says that it must be there.
    pub configured: bool,
    /// Its processes are to be seen on this machine.
    pub local: bool,
    /// It is, was or must be here.
    pub installed: bool,
    /// A process of it is visible, or a port accepts.
    pub running: bool,
    /// A port accepts.
    pub accepts: bool,
    /// Nothing but silence speaks against it.
    pub silent: bool,
    /// The configuration names its ports.
    pub names_ports: bool,
    /// When it was last seen running, in Unix seconds.
    pub last_running: Option<f64>,
    /// It was started a moment ago and has not served yet.
    pub starting: Option<Starting>,
    /// What to type to start it.
    pub start: String,
    /// What its API says.
    pub version: Option<String>,
}

impl Round {
    /// What is to be seen on the machine, if the server should be there.
    pub fn machine(&self, processes: &[TakProcess], presence: &Presence) -> Vec<Finding> {
        if !self.local || !self.installed {
            return Vec::new();
        }
        let start = self.start.clone();
        Machine { processes, presence, accepts: self.accepts, start }.findings(&self.subject)
    }

    /// A server whose process runs, but none of whose CoT ports was found: it starts up, or its
    /// ports are out of sight.
    pub fn unfound(&self, processes: &[TakProcess], answers: &[Facts]) -> Option<Finding> {
        let serves = processes.iter().any(|process| process.component.serves_cot());
        let found = answers.iter().any(|facts| facts.target.role.is_cot());
        if self.names_ports || !serves || found {
            return None;
        }
        let message = "It runs, but offers no CoT port that could be found: it is still starting, or its ports have to be named under collect.tak.servers.";
        let word = (Some(false), Weight::Trouble, message.to_owned());
        Some(self.subject.finding(CheckName::Cot, self.subject.title(), None, word))
    }

    /// The report, and the status as it has settled. `cot` has one entry for each CoT port; the other
    /// says whether it is [`soft`](Finding::soft).
    pub fn report(
        self,
        cot: Vec<(Cot, bool)>,
        findings: Vec<Finding>,
        before: Option<Settled>,
    ) -> (TakStatus, Settled) {
        let does = match cot.as_slice() {
            cot if cot.iter().any(|(cot, _)| *cot == Cot::Works) => "is up and answers its clients",
            [] => "is up",
            // It could not be asked as its clients do.
            _ => "accepts connections",
        };
        let worst = verdict::worst(&findings);
        let certain = findings.iter().filter(|finding| !finding.soft);
        let situation = Situation {
            installed: self.installed,
            running: self.running,
            silent: self.silent,
            starting: self.starting.is_some(),
            cot,
            worst: worst.map(|finding| finding.weight),
            worst_certain: certain.map(|finding| finding.weight).max(),
        };
        let settled = verdict::settle(before, &situation);
        let message = self.message(settled.status, &situation, does, worst);
        // A configured server that never answered may be installed or not: who knows.
        let known = !self.configured || self.last_running.is_some();
        let report = TakStatus {
            status: Some(settled.status),
            installed: known.then_some(self.installed),
            running: Some(self.running),
            flavor: self.subject.flavor.filter(|_| self.installed),
            version: self.version,
            checks: findings.into_iter().map(|finding| finding.check).collect(),
            message,
            ..TakStatus::unknown("")
        };
        (report, settled)
    }

    fn message(
        &self,
        status: Status,
        situation: &Situation,
        does: &str,
        worst: Option<&Finding>,
    ) -> String {
        let name = self.version.as_deref().unwrap_or(self.subject.title());
        let told = worst.map_or("", |worst| worst.check.message.as_str());
        let seen = situation.seen();
        match status {
            Status::NotInstalled => {
                "No TAK server is on this machine; if one should be watched elsewhere, name it under collect.tak.servers.".into()
            }
            _ if seen < status => {
                format!("{name} {does} again; it counts as healthy when it still does in the next round.")
            }
            _ if seen > status => {
                format!("{told} It counts when it is still so in the next round.")
            }
            Status::Healthy => {
                let note = worst.is_some_and(|worst| worst.weight > Weight::Fine);
                if note { format!("{name} {does}. {told}") } else { format!("{name} {does}.") }
            }
            Status::Down if !self.running && self.local => self.stopped(),
            _ => match self.starting {
                Some(starting) if situation.is_waiting() => self.starts(starting),
                _ => told.to_owned(),
            },
        }
    }

    fn starts(&self, starting: Starting) -> String {
        let title = self.subject.title();
        let until = clock(starting.since + starting.grace.as_secs_f64());
        let what = match self.running {
            true => format!("{title} was started at {}", clock(starting.since)),
            false => format!(
                "This machine was started at {}; {title} does not run",
                clock(starting.since)
            ),
        };
        format!(
            "{what} and does not serve its clients yet: it counts as down if that is still so at {until}."
        )
    }

    fn stopped(&self) -> String {
        let (title, start) = (self.subject.title(), &self.start);
        let how = match self.last_running {
            Some(last) => format!("has stopped (last seen running at {})", clock(last)),
            None if self.configured => {
                "is not running, or not on the ports under collect.tak.servers".into()
            }
            None => "is installed but not running".into(),
        };
        format!("{title} {how}, so nobody can connect: {start}.")
    }
}
