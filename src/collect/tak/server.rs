//! One server's round: what to ask, and what its answers make of it.
//!
//! Architecture invariant: between [`Server::plan`] and [`Server::conclude`] nothing is changed, so
//! a round that is dropped half-way does no harm.

use std::sync::Arc;
use std::time::Instant;

use super::checks::Facts;
use super::checks::api::{Answer, flavor_of};
use super::checks::tls::{Identity, IdentityError};
use super::judge::{Finding, Judgement, Subject, Weight, expiry};
use super::memory::Memory;
use super::presence::{Presence, TakProcess};
use super::report::{Certificate, CertificateRole, CheckName, Flavor, TakStatus};
use super::round::Round;
use super::targets::{self, Target};
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
        let running = accepts || !plan.processes.is_empty();
        let version = answers.iter().find_map(version_of);
        let flavor = self.flavor(&plan, version.as_deref(), presence);
        if running {
            self.memory.saw_running(flavor, &plan.processes, now);
        }
        let local = self.is_local();
        let subject = Subject {
            server: self.config.as_ref().map(|config| config.name.clone()),
            flavor,
            restart: self.memory.remedy("restart", presence, local),
            may_lack_ports: self.config.is_none() && accepts,
            now: now as i64,
        };
        let round = Round {
            subject,
            configured: self.config.is_some(),
            local,
            installed: self.is_installed(running, presence),
            running,
            accepts,
            last_running: self.memory.last_running,
            start: self.memory.remedy("start", presence, local),
            version,
        };
        let (client, mut certificates) = self.client(&round.subject, &plan);
        let mut findings = round.machine(&plan.processes, presence);
        findings.extend(round.unfound(&plan.processes, &answers));
        let judged: Vec<Judgement> =
            answers.iter().map(|facts| round.subject.judge(facts)).collect();
        let cot = judged.iter().filter_map(|judgement| judgement.cot).collect();
        for judgement in judged {
            findings.extend(judgement.findings);
            certificates.extend(judgement.certificates);
        }
        findings.extend(client);
        round.report(cot, findings, certificates)
    }

    fn flavor(&self, plan: &Plan, version: Option<&str>, presence: &Presence) -> Option<Flavor> {
        let running = plan.processes.first().map(|process| process.component.flavor());
        let installed = presence.installed_flavor().filter(|_| self.config.is_none());
        running.or(version.and_then(flavor_of)).or(self.memory.flavor).or(installed)
    }

    fn is_installed(&self, running: bool, presence: &Presence) -> bool {
        running
            || self.config.is_some()
            || self.memory.last_running.is_some()
            || presence.installed_flavor().is_some()
    }

    /// The client certificate: whether it can be used, and for how long.
    fn client(&self, subject: &Subject, plan: &Plan) -> (Option<Finding>, Vec<Certificate>) {
        let path = self.config.as_ref().and_then(|config| config.client_certificate.as_ref());
        let (Some(path), Some(identity)) = (path, &plan.identity) else {
            return (None, Vec::new());
        };
        let source = path.display().to_string();
        let found = |word| Some(subject.finding(CheckName::ClientCertificate, &source, None, word));
        match identity {
            Err(why) => (found((Some(false), Weight::Trouble, format!("{why}."))), Vec::new()),
            Ok(identity) => {
                let der = identity.certificate();
                let certificate = subject.certificate(CertificateRole::Client, der, &source);
                let certificates: Vec<_> = certificate.into_iter().collect();
                (expiry(&certificates).and_then(found), certificates)
            }
        }
    }
}

fn version_of(facts: &Facts) -> Option<String> {
    match &facts.api.as_ref()?.result {
        Ok(Answer::Version(version) | Answer::Text(version)) => Some(version.clone()),
        _ => None,
    }
}
