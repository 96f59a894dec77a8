//! What one round comes to: the status, and the one sentence a volunteer reads first.
//!
//! Architecture invariant: pure.

use std::time::{Duration, SystemTime};

use super::checks::Facts;
use super::judge::{Cot, Finding, Subject, Weight};
use super::machine::Machine;
use super::presence::{Presence, TakProcess};
use super::report::{Certificate, CheckName, Status, TakStatus};
use super::verdict::{self, Situation};

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
    /// When it was last seen running, in Unix seconds.
    pub last_running: Option<f64>,
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
        if self.configured || !serves || found {
            return None;
        }
        let message = "It runs, but offers no CoT port that could be found: it is still starting, or its ports have to be named under collect.tak.servers.";
        let word = (Some(false), Weight::Trouble, message.to_owned());
        Some(self.subject.finding(CheckName::Cot, self.subject.title(), None, word))
    }

    /// The report. `cot` has one entry for each CoT port.
    pub fn report(
        self,
        cot: Vec<Cot>,
        findings: Vec<Finding>,
        certificates: Vec<Certificate>,
    ) -> TakStatus {
        let does = match cot.as_slice() {
            cot if cot.contains(&Cot::Works) => "is up and answers its clients",
            [] => "is up",
            // It could not be asked as its clients do.
            _ => "accepts connections",
        };
        let worst = verdict::worst(&findings);
        let status = verdict::status(&Situation {
            installed: self.installed,
            running: self.running,
            cot,
            worst: worst.map(|finding| finding.weight),
        });
        let message = self.message(status, does, worst);
        // A configured server that never answered may be installed or not: who knows.
        let known = !self.configured || self.last_running.is_some();
        TakStatus {
            status: Some(status),
            installed: known.then_some(self.installed),
            running: Some(self.running),
            flavor: self.subject.flavor.filter(|_| self.installed),
            version: self.version,
            checks: findings.into_iter().map(|finding| finding.check).collect(),
            certificates,
            message,
        }
    }

    fn message(&self, status: Status, does: &str, worst: Option<&Finding>) -> String {
        match status {
            Status::NotInstalled => {
                "No TAK server is on this machine; if one should be watched elsewhere, name it under collect.tak.servers.".into()
            }
            Status::Healthy => {
                let name = self.version.as_deref().unwrap_or(self.subject.title());
                let note = worst.filter(|worst| worst.weight > Weight::Fine);
                let note = note.map_or_else(String::new, |note| format!(" {}", note.check.message));
                format!("{name} {does}.{note}")
            }
            Status::Down if !self.running && self.local => self.stopped(),
            _ => worst.map_or_else(String::new, |worst| worst.check.message.clone()),
        }
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

/// Unix seconds as `2026-11-23T17:39:05Z`.
fn clock(seconds: f64) -> String {
    let since_epoch = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since_epoch).to_string()
}
