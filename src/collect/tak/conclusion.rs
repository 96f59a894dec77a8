//! What a round's sights and answers come to: the findings of all layers, the certificates, who is on,
//! and from these the report.
//!
//! Architecture invariant: pure.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::certificate::{self, Entry, Known, Sighting};
use super::checks::api::Answer;
use super::checks::told::Told;
use super::files;
use super::inquiry::Answers;
use super::judge::{Cot, Finding, Judgement, Subject, Weight};
use super::management;
use super::memory::Memory;
use super::presence::{Component, Presence, TakProcess};
use super::report::{CertificateRole, CheckName, Clients, Flavor, Inside, TakStatus};
use super::restarts::Restarts;
use super::round::{Round, Starting};
use super::survey::Sight;
use super::users::{self, Listing, Sockets};
use super::verdict::Settled;
use crate::config::TakServerConfig;

/// Everything that is known of a server at the end of a round.
pub struct Conclusion<'a> {
    /// Its part of takpulse's configuration.
    pub config: Option<&'a TakServerConfig>,
    /// What has been seen of it before.
    pub memory: &'a Memory,
    /// How often its processes were started anew.
    pub restarts: &'a Restarts,
    /// What its broker calls itself.
    pub broker: &'a str,
    /// What taky told of itself, in this round or lately.
    pub managed: Option<&'a management::Told>,
    /// It was started a moment ago.
    pub starting: Option<Starting>,
    /// What was seen of it.
    pub sight: &'a Sight,
    /// What was seen of the machine.
    pub presence: &'a Presence,
    /// What was answered.
    pub answers: &'a Answers,
    /// The near ends of takpulse's own connections.
    pub own: &'a [SocketAddr],
    /// Which server it is.
    pub flavor: Option<Flavor>,
    /// A process of it is visible, or a port accepts.
    pub running: bool,
    /// A port accepts.
    pub accepts: bool,
    /// Unix seconds.
    pub now: f64,
}

impl Conclusion<'_> {
    /// The report, the status as it has settled, and whether clients are served.
    pub fn report(&self) -> (TakStatus, Settled, bool) {
        let round = self.round();
        let subject = &round.subject;
        let judged: Vec<Judgement> =
            self.answers.ports.iter().map(|facts| subject.judge(facts)).collect();
        let cot: Vec<_> =
            judged.iter().filter_map(|judged| Some((judged.cot?, judged.soft))).collect();
        let entries = certificate::merge(self.sightings());
        let mut findings = round.machine(&self.sight.processes, self.presence);
        findings.extend(round.unfound(&self.sight.processes, &self.answers.ports));
        findings.extend(self.restarts.finding(subject));
        findings.extend(judged.into_iter().flat_map(|judged| judged.findings));
        let services = self.services(subject);
        excuse(&mut findings, &services);
        findings.extend(services);
        findings.extend(self.files(subject));
        let is_client = |entry: &&Entry| entry.role == CertificateRole::Client;
        findings.extend(entries.iter().filter(is_client).map(|one| subject.client_ends(one)));
        place(&mut findings, self.certificates(subject, &entries));
        let serves = self.accepts && cot.iter().any(|(cot, _)| *cot != Cot::Fails);
        let server = subject.server.clone();
        let now = subject.now;
        let (report, settled) = round.report(cot, findings, self.memory.settled);
        let report = TakStatus {
            certificates: entries.iter().map(|one| one.report(server.as_deref(), now)).collect(),
            clients: self.clients(server.as_deref()),
            server: self.inside(),
            containers: containers(self.config, self.sight, self.accepts),
            ..report
        };
        (report, settled, serves)
    }

    fn round(&self) -> Round {
        let local = self.config.is_none_or(TakServerConfig::is_local);
        let subject = Subject {
            server: self.config.map(|config| config.name.clone()),
            flavor: self.flavor,
            restart: self.memory.remedy("restart", self.presence, local),
            may_lack_ports: self.config.is_none() && self.accepts,
            now: self.now as i64,
        };
        Round {
            subject,
            configured: self.config.is_some(),
            local,
            installed: self.is_installed(),
            running: self.running,
            accepts: self.accepts,
            silent: !self.running && self.is_silent(),
            names_ports: self.config.is_some_and(|config| !config.finds_ports()),
            last_running: self.memory.last_running,
            starting: self.starting,
            start: self.memory.remedy("start", self.presence, local),
            version: self.answers.version(),
        }
    }

    fn is_silent(&self) -> bool {
        let ports = &self.answers.ports;
        !ports.is_empty() && ports.iter().all(super::judge::is_silent)
    }

    fn is_installed(&self) -> bool {
        self.running
            || self.config.is_some()
            || self.memory.last_running.is_some()
            || self.presence.installed_flavor().is_some()
    }

    /// What is behind the ports: database, broker, and whether a message gets through.
    fn services(&self, subject: &Subject) -> Vec<Finding> {
        let Sight { database, broker, .. } = self.sight;
        let at = |place: &Option<(String, u16)>| {
            place.as_ref().map(|(host, port)| format!("{host}:{port}"))
        };
        let database = self.answers.database.as_ref().zip(at(database));
        let database = database.map(|(answer, at)| subject.database(&at, answer));
        let broker = self.answers.broker.as_ref().zip(at(broker));
        let broker = broker.map(|(answer, at)| subject.broker(&at, self.broker, answer));
        let canary = self.answers.canary.as_ref();
        let canary = canary.map(|canary| {
            subject.canary(&canary.address, &canary.outcome, self.memory.canary_arrived)
        });
        let why = super::canary::pointless(self.flavor)
            .filter(|_| self.config.is_some_and(|config| config.canary));
        let no_canary = why.map(|why| subject.no_canary(subject.title(), why));
        database.into_iter().chain(broker).chain(canary).chain(no_canary).collect()
    }

    /// What the server's files say: its logs, its configuration, and takpulse's client certificate.
    fn files(&self, subject: &Subject) -> Vec<Finding> {
        let started = |path: &Path| {
            let writer = writer(path);
            let processes = self.sight.processes.iter();
            let writes = |component| writer.is_none_or(|writer| writer == component);
            processes
                .filter(|one| writes(one.component))
                .filter_map(|one| one.started)
                .reduce(f64::max)
        };
        let mut findings = self.sight.logs.findings(subject, started);
        if let Some(Err(fault)) = &self.sight.reading.settings {
            let message = format!("{}.", fault.to_string().trim_end_matches('.'));
            let word = (None, Weight::Hint, message);
            findings.push(subject.finding(CheckName::Configuration, &fault.file, None, word));
        }
        if let Some((path, Err(why))) = self.client_certificate() {
            let word = (None, Weight::Trouble, format!("{why}."));
            findings.push(subject.finding(CheckName::ClientCertificate, &path, None, word));
        }
        findings
    }

    fn client_certificate(&self) -> Option<(String, &super::checks::tls::Outcome)> {
        let path = self.config?.client_certificate.as_ref()?;
        Some((path.display().to_string(), self.sight.identity.as_ref()?))
    }

    fn sightings(&self) -> Vec<Sighting> {
        let served = self.answers.ports.iter().filter_map(|facts| {
            Some(Sighting::of_port(&facts.tls.as_ref()?.chain, &facts.target.address()))
        });
        let mut sightings: Vec<_> = served.flatten().collect();
        if let Some((source, Ok(identity))) = self.client_certificate()
            && let Some(certificate) = Known::read(identity.certificate())
        {
            let (certificate, role) = (Arc::new(certificate), CertificateRole::Client);
            sightings.push(Sighting { certificate, role, source, served: false });
        }
        sightings.extend(self.sight.files.sightings().iter().cloned());
        sightings
    }

    /// Whether certificates end, whether clients can believe them, and which could not be read.
    fn certificates(&self, subject: &Subject, entries: &[Entry]) -> Vec<Finding> {
        let authorities = self.sight.files.authorities();
        let mut findings = subject.expiries(entries);
        let mut told = BTreeSet::new();
        let host =
            self.config.filter(|config| !config.is_local()).map(|config| config.host.as_str());
        for facts in &self.answers.ports {
            let address = facts.target.address();
            if let Some(tls) = facts.tls.as_ref().filter(|tls| told.insert(tls.chain.first())) {
                findings.extend(subject.trust(host, &address, &tls.chain, &authorities));
            }
        }
        findings.extend(files::findings(subject, self.sight.files.faults()));
        findings
    }

    /// Of several API ports of one server the most telling one counts.
    fn told(&self) -> Option<&Told> {
        let told = self.answers.ports.iter().filter_map(|facts| facts.told.as_deref());
        told.max_by_key(|told| told.answers())
    }

    fn clients(&self, server: Option<&str>) -> Option<Clients> {
        let mut listings: Vec<Listing> =
            self.managed.iter().map(|told| told.listing.clone()).collect();
        listings.extend(self.told().iter().flat_map(|told| told.listings(self.own)));
        let peers = self.sight.peers.as_ref().filter(|_| are_all_on_tcp(self.sight, self.flavor));
        let peers: Option<Vec<_>> = peers.map(|peers| peers.iter().map(|peer| peer.peer).collect());
        if listings.is_empty() && peers.is_none() {
            return None;
        }
        // They were looked at before this round's own connections were opened.
        let sockets = peers.as_ref().map(|peers| Sockets { peers, own: &[] });
        Some(users::together(server, listings, sockets))
    }

    fn inside(&self) -> Option<Inside> {
        let mut inside = self.told().map(|told| told.inside.clone()).unwrap_or_default();
        let started = self.sight.starts().reduce(f64::min);
        inside.uptime_seconds = inside
            .uptime_seconds
            .or(self.managed.and_then(|told| told.uptime_seconds))
            .or(started.map(|started| (self.now - started).max(0.0)));
        (inside != Inside::default()).then_some(inside)
    }
}

impl Answers {
    /// What the API says of its version.
    pub fn version(&self) -> Option<String> {
        self.ports.iter().find_map(|facts| match &facts.api.as_ref()?.result {
            Ok(Answer::Version(version) | Answer::Text(version)) => Some(version.clone()),
            _ => None,
        })
    }
}

/// Whether every client has a connection to a CoT port, as far as is known: those who come by UDP or
/// QUIC have none.
fn are_all_on_tcp(sight: &Sight, flavor: Option<Flavor>) -> bool {
    let by_udp = |one: &TakProcess| one.component == Component::OtsEudHandlerUdp;
    match sight.settings() {
        _ if sight.processes.iter().any(by_udp) => false,
        Some(settings) => !settings.ports.iter().any(|port| port.connectionless),
        // Only its configuration tells which inputs it has.
        None => flavor != Some(Flavor::TakServer),
    }
}

/// The containers on this machine that serve a server.
fn containers(
    config: Option<&TakServerConfig>,
    sight: &Sight,
    accepts: bool,
) -> Option<Vec<String>> {
    if config.is_some_and(|config| !config.is_local()) {
        return Some(Vec::new());
    }
    if sight.processes.is_empty() && accepts {
        return None;
    }
    let own = sight.processes.iter().filter_map(|process| process.placement.container.as_ref());
    let all: BTreeSet<&String> = own.chain(&sight.containers).collect();
    Some(all.into_iter().cloned().collect())
}

/// Which part of TAK Server writes a log.
fn writer(path: &Path) -> Option<Component> {
    let name = path.file_name()?.to_str()?;
    let parts = [
        ("messaging", Component::TakMessaging),
        ("api", Component::TakApi),
        ("config", Component::TakConfig),
        ("retention", Component::TakRetention),
        ("plugins", Component::TakPlugins),
    ];
    parts.into_iter().find(|(part, _)| name.contains(part)).map(|(_, component)| component)
}

/// What serves the server's parts is told before the parts that end without it.
fn excuse(findings: &mut [Finding], services: &[Finding]) {
    if services.iter().any(|service| service.weight == Weight::Blackout) {
        for finding in findings.iter_mut().filter(|one| one.check.name == CheckName::Process) {
            finding.weight = finding.weight.min(Weight::Outage);
        }
    }
}

/// Puts what is said of a port's certificate after its handshake, and the rest at the end.
fn place(findings: &mut Vec<Finding>, certificates: Vec<Finding>) {
    for finding in certificates {
        let is_before = |one: &Finding| {
            matches!(one.check.name, CheckName::Tls | CheckName::Certificate)
                && one.check.target == finding.check.target
        };
        match findings.iter().rposition(is_before) {
            Some(at) => findings.insert(at + 1, finding),
            None => findings.push(finding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tak::settings::{SetPort, Settings};

    #[test]
    fn connections_are_everybody_only_where_nobody_comes_without_one() {
        let sight = |connectionless| {
            let (name, role) = ("x".to_owned(), None);
            let set =
                SetPort { port: 1, address: None, role, expected: true, connectionless, name };
            let mut sight = Sight::default();
            let settings = Settings { ports: vec![set], ..Settings::default() };
            sight.reading.settings = Some(Ok(Arc::new(settings)));
            sight
        };
        let mut by_udp = sight(false);
        by_udp.processes.push(TakProcess::new(7, Component::OtsEudHandlerUdp));
        let (official, ots) = (Some(Flavor::TakServer), Some(Flavor::OpenTakServer));
        for (what, sight, flavor, want) in [
            ("TCP inputs", sight(false), official, true),
            ("one of UDP", sight(true), official, false),
            ("unknown inputs", Sight::default(), official, false),
            ("no settings that would tell", Sight::default(), ots, true),
            ("a handler of UDP", by_udp, ots, false),
        ] {
            assert_eq!(are_all_on_tcp(&sight, flavor), want, "{what}");
        }
    }

    #[test]
    fn a_servers_containers_are_those_of_its_processes_and_services_as_far_as_they_are_seen() {
        let process = |container: Option<&str>| {
            let mut process = TakProcess::new(7, Component::TakyCot);
            process.placement.container = container.map(str::to_owned);
            process
        };
        let sight = |containers: &[Option<&str>], services: &[&str]| {
            let mut sight = Sight::default();
            sight.processes = containers.iter().map(|container| process(*container)).collect();
            sight.containers = services.iter().map(|id| (*id).to_owned()).collect();
            sight
        };
        let contained = || sight(&[Some("b"), None, Some("b")], &["a", "b"]);
        let config = |host: &str| TakServerConfig { host: host.into(), ..elsewhere() };
        for (what, config, sight, accepts, want) in [
            ("its own and its database's", None, contained(), true, Some(&["a", "b"][..])),
            (
                "named, on this machine",
                Some(config("127.0.0.1")),
                contained(),
                true,
                Some(&["a", "b"]),
            ),
            ("in no container", None, sight(&[None], &[]), true, Some(&[])),
            ("nothing there", None, sight(&[], &[]), false, Some(&[])),
            ("out of sight", None, sight(&[], &[]), true, None),
            ("elsewhere", Some(config("tak.example")), sight(&[], &[]), true, Some(&[])),
        ] {
            let found = containers(config.as_ref(), &sight, accepts);
            let want = want.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
            assert_eq!(found, want, "{what}");
        }
    }

    fn elsewhere() -> TakServerConfig {
        TakServerConfig {
            name: "edge".into(),
            host: String::new(),
            cot_port: Some(8087),
            cot_tls_port: None,
            http_port: None,
            https_port: None,
            client_certificate: None,
            client_key: None,
            client_password: None,
            certificates: Vec::new(),
            api_login: None,
            canary: false,
        }
    }
}
