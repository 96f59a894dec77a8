//! The TAK server: is it there, do its ports answer as clients need them to, and how long do its
//! certificates last.
//!
//! What a server says of its own health is not the truth (it says "healthy" while nothing is routed),
//! so each layer is asked as a client would ask it: processes, ports, TLS, a CoT ping, the Marti
//! API. Nothing that is sent leaves a trace on anyone's map.
//!
//! A round: [`presence`] looks at the machine, [`targets`] and [`memory`] say which ports to ask,
//! [`checks`] asks them side by side, [`judge`] puts the answers into words and [`verdict`] into a
//! status. Without configuration it finds a server on this machine by itself.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::blocking::Blocking;
use super::{CollectError, Collector};
use crate::config::{HostConfig, TakConfig};
use crate::event::{Topic, unix_now};

mod certificate;
mod checks;
mod judge;
mod machine;
mod memory;
mod presence;
mod report;
mod round;
mod server;
mod targets;
mod verdict;

pub use report::{Certificate, CertificateRole, Check, CheckName, Flavor, Status, TakStatus};

use checks::Facts;
use presence::Presence;
use server::{Plan, Server};

/// Tells takpulse's own certificate in force: in DER, and the file that it is from.
pub type OwnCertificate = Box<dyn Fn() -> (Vec<u8>, String) + Send + Sync>;

/// Watches the configured TAK servers, or the one on this machine.
pub struct TakCollector {
    host: HostConfig,
    servers: Vec<Server>,
    /// takpulse's own certificate, watched like any other.
    own: Option<OwnCertificate>,
    /// What the last look at the machine showed.
    seen: Arc<Presence>,
    looking: Blocking<(Presence, Vec<Identity>)>,
}

impl TakCollector {
    /// Watches `config.servers`; with none, looks for a server on this machine in each round.
    pub fn new(config: &TakConfig, host: &HostConfig) -> TakCollector {
        let mut servers: Vec<_> =
            config.servers.iter().cloned().map(Some).map(Server::new).collect();
        if servers.is_empty() {
            servers.push(Server::new(None));
        }
        TakCollector {
            host: host.clone(),
            servers,
            own: None,
            seen: Arc::default(),
            looking: Blocking::default(),
        }
    }

    /// Watches takpulse's own certificate, too.
    pub fn with_own_certificate(self, own: OwnCertificate) -> TakCollector {
        TakCollector { own: Some(own), ..self }
    }

    fn own_certificate(&self, now: f64) -> Option<Certificate> {
        let (der, source) = self.own.as_ref()?();
        let facts = certificate::read(&der)?;
        Some(Certificate {
            server: None,
            role: CertificateRole::Takpulse,
            days_left: certificate::days_left(facts.not_after, now as i64),
            subject: facts.subject,
            not_after: facts.not_after,
            source,
        })
    }

    /// Looks at the machine and reads the client certificates, where it may block.
    async fn look(&mut self) -> Result<(Presence, Vec<Identity>), CollectError> {
        let (host, last) = (self.host.clone(), self.seen.clone());
        let configs: Vec<_> = self.servers.iter().map(|server| server.config().cloned()).collect();
        let look = move || {
            let identities =
                configs.iter().map(|config| Server::identity(config.as_ref()?)).collect();
            (Presence::read(&host, &last), identities)
        };
        self.looking.read(look).await.map_err(|why| {
            CollectError(format!(
                "looking for TAK processes in {} failed: {why}",
                self.host.proc.display()
            ))
        })
    }
}

/// What a configured client certificate amounts to, if there is one.
type Identity = Option<Result<Arc<checks::tls::Identity>, checks::tls::IdentityError>>;

impl Collector for TakCollector {
    type Report = TakStatus;
    const TOPIC: Topic = Topic::TakStatus;
    const SOURCE: &'static str = "the TAK server";
    const ADVICE: &'static str =
        "look at `dmesg` for a disk or a network mount that hangs, and a process with it";

    async fn collect(&mut self) -> Result<TakStatus, CollectError> {
        let (presence, identities) = self.look().await?;
        let presence = Arc::new(presence);
        self.seen = presence.clone();
        let plans: Vec<Plan> = self
            .servers
            .iter_mut()
            .zip(identities)
            .map(|(server, identity)| server.plan(&presence, identity))
            .collect();
        let answers = ask_all(&plans).await;
        let now = unix_now();
        let reports = self
            .servers
            .iter_mut()
            .zip(plans)
            .zip(answers)
            .map(|((server, plan), answers)| server.conclude(plan, answers, &presence, now))
            .collect();
        let mut status = TakStatus::together(reports);
        status.certificates.extend(self.own_certificate(now));
        Ok(status)
    }

    fn failed(&self, error: &CollectError) -> TakStatus {
        TakStatus::unknown(&error.to_string())
    }

    fn complaint(&self, report: &TakStatus) -> Option<String> {
        let unwell = matches!(report.status, Some(Status::Degraded | Status::Down));
        unwell.then(|| report.message.clone())
    }
}

/// Asks every port of every plan side by side; the answers are in the plans' order.
async fn ask_all(plans: &[Plan]) -> Vec<Vec<Facts>> {
    let mut asking = JoinSet::new();
    for (server, plan) in plans.iter().enumerate() {
        for (port, target) in plan.targets.iter().cloned().enumerate() {
            let identity = plan.identity.as_ref().and_then(|identity| identity.clone().ok());
            asking.spawn(async move { (server, port, checks::examine(target, identity).await) });
        }
    }
    let mut answers: Vec<Vec<(usize, Facts)>> = plans.iter().map(|_| Vec::new()).collect();
    while let Some(done) = asking.join_next().await {
        // A check that panicked has been reported by the panic hook; the others still count.
        if let Ok((server, port, facts)) = done {
            answers[server].push((port, facts));
        }
    }
    answers
        .into_iter()
        .map(|mut answers| {
            answers.sort_by_key(|(port, _)| *port);
            answers.into_iter().map(|(_, facts)| facts).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use rustix::fs::{CWD, Mode, mkfifoat};
    use tokio::task::spawn_blocking;
    use tokio::time::timeout;

    use super::*;
    use crate::config::Schedule;

    fn config() -> TakConfig {
        let second = Duration::from_secs(1);
        TakConfig {
            enabled: true,
            schedule: Schedule { interval: second, unwatched_interval: second, timeout: second },
            servers: Vec::new(),
        }
    }

    fn host_at(root: &Path) -> HostConfig {
        HostConfig { proc: root.join("proc"), sys: root.join("sys"), root: root.to_owned() }
    }

    #[test]
    fn what_is_wrong_goes_to_the_log_and_what_is_well_does_not() {
        let collector = TakCollector::new(&config(), &host_at(Path::new("/")));
        for (status, complains) in [
            (Status::NotInstalled, false),
            (Status::Healthy, false),
            (Status::Degraded, true),
            (Status::Down, true),
        ] {
            let report = TakStatus { status: Some(status), ..TakStatus::unknown("so it is") };
            let expected = complains.then(|| report.message.clone());
            assert_eq!(collector.complaint(&report), expected, "{status:?}");
        }
    }

    #[tokio::test]
    async fn takpulses_own_certificate_is_watched_although_there_is_no_tak_server() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("proc")).expect("created");
        let der = include_bytes!("fixtures/server.der");
        let own: OwnCertificate = Box::new(|| (der.to_vec(), "/var/lib/takpulse/tls.pem".into()));
        let collector = TakCollector::new(&config(), &host_at(root.path()));
        let report = collector.with_own_certificate(own).collect().await.expect("a report");
        let [own] = &report.certificates[..] else { panic!("{report:?}") };
        assert_eq!((own.role, own.not_after), (CertificateRole::Takpulse, 1_900_000_000));
        assert_eq!(own.subject, "tak.example");
        let json = serde_json::to_value(own).expect("it serialises");
        assert_eq!(
            (&json["role"], &json["source"]),
            (&"takpulse".into(), &"/var/lib/takpulse/tls.pem".into())
        );
        assert_eq!(
            report.status,
            Some(Status::NotInstalled),
            "it is no matter of the TAK server's"
        );
    }

    #[test]
    fn a_look_that_hangs_takes_no_threads_from_the_others() {
        let root = tempfile::tempdir().expect("a directory");
        let process = root.path().join("proc/7");
        fs::create_dir_all(&process).expect("created");
        let cmdline = process.join("cmdline");
        mkfifoat(CWD, &cmdline, Mode::from_raw_mode(0o600)).expect("a file that hangs its reader");
        let few = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .build()
            .expect("a runtime");
        let answer = few.block_on(async {
            let mut collector = TakCollector::new(&config(), &host_at(root.path()));
            for _ in 0..3 {
                let round = timeout(Duration::from_millis(50), collector.collect());
                round.await.expect_err("it hangs");
            }
            let other = spawn_blocking(|| ());
            timeout(Duration::from_secs(5), other).await
        });
        // Before the assertion: a runtime that is dropped waits for its threads.
        few.shutdown_background();
        answer.expect("a thread is free").expect("no panic");
    }
}
