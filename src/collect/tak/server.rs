//! One server's round: what to ask, and what its answers make of it.
//!
//! Architecture invariant: between [`Server::plan`] and [`Server::conclude`] nothing is changed, so
//! a round that is dropped half-way does no harm.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::checks::Facts;
use super::checks::api::Answer;
use super::checks::tls::{Identity, IdentityError};
use super::judge::{Cot, Finding, Judgement, Subject, Weight, expiry};
use super::machine::Machine;
use super::memory::Memory;
use super::presence::{Presence, TakProcess};
use super::report::{Certificate, CertificateRole, CheckName, Flavor, Status, TakStatus};
use super::targets::{self, Target};
use super::verdict::{self, Situation};
use crate::config::TakServerConfig;

/// A server that is watched.
pub struct Server {
    /// Absent: whatever is found on this machine.
    config: Option<TakServerConfig>,
    memory: Memory,
}

/// What a round is to ask.
pub struct Plan {
    /// The ports.
    pub targets: Vec<Target>,
    /// The machine's processes that serve this server.
    processes: Vec<TakProcess>,
    /// What to present to its ports.
    pub identity: Option<Result<Arc<Identity>, IdentityError>>,
}

impl Server {
    /// The server of a configuration, or with none the one that is found on this machine.
    pub fn new(config: Option<TakServerConfig>) -> Server {
        Server { config, memory: Memory::default() }
    }

    /// Reads the configured client certificate; each round anew, because certificates are renewed.
    /// Blocks. A certificate without a key of its own has it in the same file.
    pub fn identity(config: &TakServerConfig) -> Option<Result<Arc<Identity>, IdentityError>> {
        let certificate = config.client_certificate.as_ref()?;
        let key = config.client_key.as_ref().unwrap_or(certificate);
        Some(Identity::load(certificate, key).map(Arc::new))
    }

    /// The configuration, if it has one.
    pub fn config(&self) -> Option<&TakServerConfig> {
        self.config.as_ref()
    }

    /// Whether its processes can be seen on this machine.
    fn is_local(&self) -> bool {
        self.config.as_ref().is_none_or(|config| targets::is_local(&config.host))
    }

    /// Says what to ask now.
    pub fn plan(
        &mut self,
        presence: &Presence,
        identity: Option<Result<Arc<Identity>, IdentityError>>,
    ) -> Plan {
        let (found, processes) = match &self.config {
            None => (targets::discovered(&presence.processes), presence.processes.clone()),
            Some(config) => {
                let found = targets::configured(config);
                let local = if self.is_local() { presence.processes.as_slice() } else { &[] };
                let processes = targets::serving(&found, local);
                (found, processes)
            }
        };
        let targets = self.memory.plan(found, &processes, Instant::now());
        Plan { targets, processes, identity }
    }

    /// Makes a report of the answers. `now` is in Unix seconds.
    pub fn conclude(
        &mut self,
        plan: Plan,
        answers: Vec<Facts>,
        presence: &Presence,
        now: f64,
    ) -> TakStatus {
        let answers = self.memory.learn(answers, Instant::now());
        let accepts = answers.iter().any(|facts| facts.port.result.is_ok());
        let running = !plan.processes.is_empty() || accepts;
        let version = answers.iter().find_map(version_of);
        let flavor = plan
            .processes
            .first()
            .map(|process| process.component.flavor())
            .or(version.as_deref().and_then(flavor_of))
            .or(self.memory.flavor)
            .or(presence.installed_flavor().filter(|_| self.config.is_none()));
        if running {
            self.memory.saw_running(flavor, &plan.processes, now);
        }
        let subject = Subject {
            server: self.config.as_ref().map(|config| config.name.clone()),
            flavor,
            restart: self.memory.remedy("restart", presence, self.is_local()),
            now: now as i64,
        };
        let judged: Vec<Judgement> = answers.iter().map(|facts| subject.judge(facts)).collect();
        let mut findings = self.machine_findings(&subject, &plan, presence, accepts);
        findings.extend(self.unfound(&subject, &plan, &answers));
        let (client, certificates) = client_findings(&subject, &plan, self.config.as_ref());
        let cot: Vec<Cot> = judged.iter().filter_map(|judgement| judgement.cot).collect();
        let mut all = certificates;
        for judgement in judged {
            findings.extend(judgement.findings);
            all.extend(judgement.certificates);
        }
        findings.extend(client);
        let situation = Situation {
            installed: self.is_installed(running, presence),
            running,
            cot,
            worst: verdict::worst(&findings).map(|finding| finding.weight),
        };
        self.report(subject, situation, version, findings, all, presence)
    }

    fn is_installed(&self, running: bool, presence: &Presence) -> bool {
        running
            || self.config.is_some()
            || self.memory.last_running.is_some()
            || presence.installed_flavor().is_some()
    }

    fn report(
        &self,
        subject: Subject,
        situation: Situation,
        version: Option<String>,
        findings: Vec<Finding>,
        certificates: Vec<Certificate>,
        presence: &Presence,
    ) -> TakStatus {
        let status = verdict::status(&situation);
        let message =
            self.message(&subject, status, &situation, version.as_deref(), &findings, presence);
        // A configured server that never answered may be installed or not: who knows.
        let known = self.config.is_none() || self.memory.last_running.is_some();
        TakStatus {
            status: Some(status),
            installed: known.then_some(situation.installed),
            running: Some(situation.running),
            flavor: subject.flavor.filter(|_| situation.installed),
            version,
            checks: findings.into_iter().map(|finding| finding.check).collect(),
            certificates,
            message,
        }
    }

    fn message(
        &self,
        subject: &Subject,
        status: Status,
        situation: &Situation,
        version: Option<&str>,
        findings: &[Finding],
        presence: &Presence,
    ) -> String {
        let worst = verdict::worst(findings);
        match status {
            Status::NotInstalled => {
                "No TAK server is on this machine; if one should be watched elsewhere, name it under collect.tak.servers.".into()
            }
            Status::Healthy => {
                let name = version.unwrap_or(subject.title());
                let works = situation.cot.contains(&Cot::Works);
                let how = if works { "is up and answers its clients" } else { "is up" };
                let calm = format!("{name} {how}.");
                let note = worst.filter(|worst| worst.weight > Weight::Fine);
                note.map_or(calm.clone(), |note| format!("{calm} {}", note.check.message))
            }
            Status::Down if !situation.running && self.is_local() => self.stopped(subject, presence),
            _ => worst.map_or_else(String::new, |worst| worst.check.message.clone()),
        }
    }

    fn stopped(&self, subject: &Subject, presence: &Presence) -> String {
        let title = subject.title();
        let start = self.memory.remedy("start", presence, self.is_local());
        match self.memory.last_running {
            Some(last) => format!(
                "{title} has stopped (last seen running at {}), so nobody can connect: {start}.",
                clock(last)
            ),
            None if self.config.is_some() => format!(
                "{title} is not running, so nobody can connect: {start}, or correct its ports under collect.tak.servers."
            ),
            None => {
                format!("{title} is installed but not running, so nobody can connect: {start}.")
            }
        }
    }

    /// What is to be seen on the machine, if the server should be there.
    fn machine_findings(
        &self,
        subject: &Subject,
        plan: &Plan,
        presence: &Presence,
        accepts: bool,
    ) -> Vec<Finding> {
        let running = accepts || !plan.processes.is_empty();
        if !self.is_local() || !self.is_installed(running, presence) {
            return Vec::new();
        }
        let start = self.memory.remedy("start", presence, true);
        Machine { processes: &plan.processes, presence, accepts, start }.findings(subject)
    }

    /// A server whose process runs, but none of whose CoT ports was found: it starts up, or its
    /// ports are out of sight.
    fn unfound(&self, subject: &Subject, plan: &Plan, answers: &[Facts]) -> Option<Finding> {
        let serves = plan.processes.iter().any(|process| process.component.serves_cot());
        if self.config.is_some()
            || !serves
            || answers.iter().any(|facts| facts.target.role.is_cot())
        {
            return None;
        }
        let message = "It runs, but offers no CoT port that could be found: it is still starting, or its ports have to be named under collect.tak.servers.";
        let word = (Some(false), Weight::Trouble, message.to_owned());
        Some(subject.finding(CheckName::Cot, subject.title(), None, word))
    }
}

/// The client certificate: whether it can be used, and for how long.
fn client_findings(
    subject: &Subject,
    plan: &Plan,
    config: Option<&TakServerConfig>,
) -> (Option<Finding>, Vec<Certificate>) {
    let path = config.and_then(|config| config.client_certificate.as_ref());
    let (Some(path), Some(identity)) = (path, &plan.identity) else {
        return (None, Vec::new());
    };
    let source = path.display().to_string();
    let identity = match identity {
        Ok(identity) => identity,
        Err(why) => {
            let word = (Some(false), Weight::Trouble, format!("{why}."));
            let finding = subject.finding(CheckName::ClientCertificate, &source, None, word);
            return (Some(finding), Vec::new());
        }
    };
    let der = identity.certificate();
    let certificate = subject.certificate(CertificateRole::Client, der, &source);
    let certificates: Vec<_> = certificate.into_iter().collect();
    let finding = expiry(&certificates)
        .map(|word| subject.finding(CheckName::ClientCertificate, &source, None, word));
    (finding, certificates)
}

fn version_of(facts: &Facts) -> Option<String> {
    match &facts.api.as_ref()?.result {
        Ok(Answer::Version(version)) => Some(version.clone()),
        _ => None,
    }
}

/// taky and FreeTAKServer name themselves in their version.
fn flavor_of(version: &str) -> Option<Flavor> {
    match version {
        _ if version.starts_with("taky") => Some(Flavor::Taky),
        _ if version.starts_with("FreeTAKServer") => Some(Flavor::FreeTakServer),
        _ => None,
    }
}

/// Unix seconds as `2026-11-23T17:39:05Z`.
fn clock(seconds: f64) -> String {
    let since_epoch = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since_epoch).to_string()
}
