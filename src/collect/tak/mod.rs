//! The TAK server: is it there, does it really serve, who is on, and how long do its certificates last.
//!
//! What a server says of its own health is not the truth (it says "healthy" while nothing is routed),
//! so each layer is asked as a client would ask it: processes, ports, TLS, a CoT ping, the Marti
//! API, and what is behind it: database, broker, logs. Nothing that is sent leaves a trace on anyone's
//! map.
//!
//! A round: [`survey`] looks at the machine and at files ([`presence`], [`settings`], [`files`],
//! [`logs`]), where it may block; [`server`] says with [`targets`] and [`memory`] what to ask; an
//! [`inquiry`] asks it all side by side ([`checks`], [`services`], [`canary`], [`management`]); a
//! [`conclusion`] has [`judge`] put the answers into words and [`users`] put together who is on; and
//! [`verdict`] makes a status of it that settles over the rounds. Without configuration it finds a
//! server on this machine by itself.

use futures_util::future::join_all;

use super::blocking::Blocking;
use super::{CollectError, Collector};
use crate::config::{HostConfig, TakConfig};
use crate::event::{Topic, unix_now};

mod canary;
mod certificate;
mod checks;
mod clock;
mod conclusion;
mod files;
mod inquiry;
mod judge;
mod logs;
mod machine;
mod management;
mod memory;
mod presence;
mod report;
mod restarts;
mod round;
mod server;
mod services;
mod settings;
mod survey;
mod targets;
mod users;
mod verdict;

pub use report::{
    Certificate, CertificateRole, Check, CheckName, Clients, Database, Federation, Flavor, Input,
    Inside, MAX_USERS, Queue, ServerStatus, Status, TakStatus, User, UserSource,
};

use certificate::ends_first;
use inquiry::Inquiry;
use server::Server;
use survey::Survey;

/// Tells takpulse's own certificate in force: in DER, and the file that it is from.
pub type OwnCertificate = Box<dyn Fn() -> (Vec<u8>, String) + Send + Sync>;

/// Watches the configured TAK servers, or the one on this machine.
pub struct TakCollector {
    host: HostConfig,
    servers: Vec<Server>,
    /// takpulse's own certificate, watched like any other.
    own: Option<OwnCertificate>,
    /// What the last look showed.
    survey: Survey,
    looking: Blocking<Survey>,
}

impl TakCollector {
    /// Watches `config.servers`; with none, looks for a server on this machine in each round.
    pub fn new(config: &TakConfig, host: &HostConfig) -> TakCollector {
        let grace = config.startup_grace;
        let watch = |config| Server::new(config, grace);
        let mut servers: Vec<_> = config.servers.iter().cloned().map(Some).map(watch).collect();
        if servers.is_empty() {
            servers.push(watch(None));
        }
        TakCollector {
            host: host.clone(),
            servers,
            own: None,
            survey: Survey::default(),
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
            issuer: facts.issuer,
            not_after: facts.not_after,
            source,
            also: Vec::new(),
        })
    }

    /// Looks at the machine and at files, where it may block.
    async fn look(&mut self) -> Result<Survey, CollectError> {
        let (host, last) = (self.host.clone(), self.survey.clone());
        let configs: Vec<_> = self.servers.iter().map(|server| server.config().cloned()).collect();
        let look = move || Survey::make(&host, &configs, &last, unix_now());
        self.looking.read(look).await.map_err(|why| {
            CollectError(format!(
                "looking for TAK processes in {} failed: {why}",
                self.host.proc.display()
            ))
        })
    }
}

impl Collector for TakCollector {
    type Report = TakStatus;
    const TOPIC: Topic = Topic::TakStatus;
    const SOURCE: &'static str = "the TAK server";
    const ADVICE: &'static str =
        "look at `dmesg` for a disk or a network mount that hangs, and a process with it";

    async fn collect(&mut self) -> Result<TakStatus, CollectError> {
        self.survey = self.look().await?;
        let sights = &self.survey.servers;
        let inquiries: Vec<_> =
            self.servers.iter_mut().zip(sights).map(|(server, sight)| server.plan(sight)).collect();
        let answers = join_all(inquiries.iter().map(Inquiry::ask)).await;
        let now = unix_now();
        let reports =
            self.servers.iter_mut().zip(sights).zip(answers).map(|((server, sight), answers)| {
                let report = server.conclude(sight, &self.survey.presence, answers, now);
                (server.name(), report)
            });
        let mut status = TakStatus::together(reports.collect());
        status.certificates.extend(self.own_certificate(now));
        ends_first(&mut status.certificates);
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
            startup_grace: Duration::ZERO,
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
