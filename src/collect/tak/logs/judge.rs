//! What the logs' lines mean.
//!
//! Architecture invariant: pure.

use std::path::Path;

use super::{History, Kind, Log, Logs, MAX_TIMES};
use crate::collect::tak::clock::clock;
use crate::collect::tak::judge::{Finding, Subject, Weight, Word, fine};
use crate::collect::tak::report::CheckName;

/// Trouble counts for so many seconds, whatever came after it.
const RECENT_SECONDS: f64 = 15.0 * 60.0;

impl Kind {
    /// Whether what it tells of lasts until the process is started anew.
    fn lasts(self) -> bool {
        matches!(self, Kind::OutOfMemory | Kind::Disconnected)
    }

    /// What happened, and what to do.
    fn words(self, restart: &str) -> (&'static str, String) {
        match self {
            Kind::Ready => ("a start", String::new()),
            Kind::OutOfMemory => (
                "that Java ran out of memory (OutOfMemoryError)",
                format!("give it more (-Xmx, for TAK Server in /opt/tak/setenv.sh), then {restart}"),
            ),
            Kind::Disconnected => (
                "that a part of the server lost the others (IgniteClientDisconnected)",
                format!(
                    "its API then answers every request with an error, although each process looks well; {restart}"
                ),
            ),
            Kind::DiskFull => (
                "that the disk is full (No space left on device)",
                format!("free some space (`df -h` shows where), then {restart}"),
            ),
            Kind::NoConnections => (
                "that PostgreSQL has no connection left for it",
                "look who holds them (`select * from pg_stat_activity`), or raise max_connections in postgresql.conf".into(),
            ),
        }
    }
}

impl Logs {
    /// The checks: one for each log that tells of trouble or cannot be read, and one for all the
    /// others. `started` tells when the process that writes a log was started, in Unix seconds:
    /// what it wrote before that is over.
    pub fn findings(
        &self,
        subject: &Subject,
        started: impl Fn(&Path) -> Option<f64>,
    ) -> Vec<Finding> {
        let now = subject.now as f64;
        let mut findings = Vec::new();
        let mut well = Vec::new();
        for (path, log) in self.files.iter().filter(|(_, log)| log.exists) {
            let found =
                |word| subject.finding(CheckName::Log, &path.display().to_string(), None, word);
            match log.word(path, subject, started(path), now) {
                Some(word) => findings.push(found(word)),
                None => well.push(name(path)),
            }
        }
        if !well.is_empty() {
            let word = fine("They tell of no trouble that lasts.");
            findings.push(subject.finding(CheckName::Log, &well.join(", "), None, word));
        }
        findings
    }
}

impl Log {
    /// What is to be said of it; `None`: nothing.
    fn word(&self, path: &Path, subject: &Subject, started: Option<f64>, now: f64) -> Option<Word> {
        if let Some(why) = &self.fault {
            let message = format!(
                "{} cannot be read ({why}): run takpulse as a user who may (root, or one of the group that owns it).",
                path.display()
            );
            return Some((None, Weight::Hint, message));
        }
        if self.tail.behind {
            let message = format!("{} is still being read.", name(path));
            return Some((None, Weight::Fine, message));
        }
        let (kind, count, last) = self.history.trouble(started, now)?;
        let (what, remedy) = kind.words(&subject.restart);
        let times = match count {
            1 => "once".to_owned(),
            MAX_TIMES.. => format!("at least {MAX_TIMES} times"),
            count => format!("{count} times"),
        };
        let message =
            format!("{} tells {times} {what}, last at {}: {remedy}.", name(path), clock(last));
        Some((Some(false), Weight::Trouble, message))
    }
}

impl History {
    /// The trouble that counts, of several the latest: its kind, how often, and when last.
    fn trouble(&self, started: Option<f64>, now: f64) -> Option<(Kind, usize, f64)> {
        let counts = |kind: Kind, at: f64| {
            let is_over = started.is_some_and(|started| at < started);
            let is_cured = self.ready.is_some_and(|ready| ready > at);
            let lasts = kind.lasts() && started.is_some() && !is_cured;
            !is_over && (now - at <= RECENT_SECONDS || lasts)
        };
        let counted = self.trouble.iter().filter_map(|(kind, times)| {
            let times: Vec<f64> = times.iter().copied().filter(|at| counts(*kind, *at)).collect();
            let last = times.iter().copied().reduce(f64::max)?;
            Some((*kind, times.len(), last))
        });
        counted.max_by(|one, other| one.2.total_cmp(&other.2))
    }
}

/// A log's name, without its folder.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const NOW: f64 = 1_700_000_000.0;
    const MINUTE: f64 = 60.0;

    fn subject() -> Subject {
        Subject { now: NOW as i64, ..Subject::of(None) }
    }

    fn log(marks: &[(Kind, f64)]) -> Log {
        let mut log = Log { exists: true, ..Log::default() };
        for (kind, minutes) in marks {
            log.history.take(*kind, NOW - minutes * MINUTE);
        }
        log
    }

    fn logs(files: Vec<(&str, Log)>) -> Logs {
        let files = files.into_iter().map(|(path, log)| (PathBuf::from(path), log));
        Logs { files: files.collect() }
    }

    #[test]
    fn trouble_counts_while_it_lasts() {
        use Kind::{Disconnected, DiskFull, NoConnections, OutOfMemory, Ready};
        type Case<'a> = (&'a str, Vec<(Kind, f64)>, Option<f64>, Option<&'a str>);
        // Minutes ago; the process was started so many minutes ago.
        let cases: [Case<'_>; 12] = [
            ("nothing", vec![], Some(600.0), None),
            ("ready", vec![(Ready, 599.0)], Some(600.0), None),
            (
                "just now",
                vec![(OutOfMemory, 2.0)],
                Some(600.0),
                Some(
                    "takserver-api.log tells once that Java ran out of memory (OutOfMemoryError), last at 2023-11-14T22:11:20Z: give it more (-Xmx, for TAK Server in /opt/tak/setenv.sh), then restart it.",
                ),
            ),
            ("hours ago", vec![(OutOfMemory, 300.0)], Some(600.0), Some("tells once that Java")),
            ("cured by a restart", vec![(OutOfMemory, 5.0)], Some(3.0), None),
            ("cured, and ready", vec![(OutOfMemory, 300.0), (Ready, 200.0)], Some(600.0), None),
            (
                "ready, but just now",
                vec![(OutOfMemory, 5.0), (Ready, 3.0)],
                Some(600.0),
                Some("once"),
            ),
            (
                "after it was ready",
                vec![(Ready, 200.0), (Disconnected, 100.0)],
                Some(600.0),
                Some("lost the others"),
            ),
            ("a disk that was full", vec![(DiskFull, 16.0)], Some(600.0), None),
            (
                "a disk that is full",
                vec![(DiskFull, 14.0), (DiskFull, 3.0)],
                Some(600.0),
                Some("tells 2 times that the disk is full"),
            ),
            ("hours ago, who knows when it was started", vec![(OutOfMemory, 300.0)], None, None),
            (
                "the latest is told",
                vec![(OutOfMemory, 10.0), (NoConnections, 1.0)],
                None,
                Some("PostgreSQL has no connection left"),
            ),
        ];
        for (what, marks, started, says) in cases {
            let logs = logs(vec![("/opt/tak/logs/takserver-api.log", log(&marks))]);
            let started = started.map(|minutes| NOW - minutes * MINUTE);
            let findings = logs.findings(&subject(), |_| started);
            let [finding] = &findings[..] else { panic!("{what}: {findings:?}") };
            let message = &finding.check.message;
            match says {
                Some(says) => {
                    assert_eq!((finding.check.ok, finding.weight), (Some(false), Weight::Trouble));
                    assert_eq!(finding.check.target, "/opt/tak/logs/takserver-api.log", "{what}");
                    assert!(message.contains(says), "{what}: {message}");
                }
                None => assert_eq!(finding.check.ok, Some(true), "{what}: {message}"),
            }
        }
    }

    #[test]
    fn each_log_is_told_of_by_itself() {
        let unreadable = Log { fault: Some("Permission denied".into()), ..log(&[]) };
        let logs = logs(vec![
            ("/l/a.log", log(&[])),
            ("/l/b.log", unreadable),
            ("/l/c.log", log(&[(Kind::OutOfMemory, 1.0)])),
            ("/l/d.log", log(&[])),
            ("/l/missing.log", Log::default()),
        ]);
        let findings = logs.findings(&subject(), |_| None);
        let shown: Vec<_> =
            findings.iter().map(|f| (f.check.target.as_str(), f.check.ok, f.weight)).collect();
        assert_eq!(
            shown,
            [
                ("/l/b.log", None, Weight::Hint),
                ("/l/c.log", Some(false), Weight::Trouble),
                ("a.log, d.log", Some(true), Weight::Fine),
            ]
        );
        let message = &findings[0].check.message;
        assert!(
            message.starts_with("/l/b.log cannot be read (Permission denied): run"),
            "{message}"
        );
        assert_eq!(Logs::default().findings(&subject(), |_| None).len(), 0);
    }

    #[test]
    fn a_flood_is_bounded() {
        let flood: Vec<_> = (0..10_000).map(|_| (Kind::OutOfMemory, 1.0)).collect();
        let logs = logs(vec![("/l/a.log", log(&flood))]);
        let message = &logs.findings(&subject(), |_| None)[0].check.message;
        assert!(message.contains("at least 100 times"), "{message}");
    }

    #[test]
    fn what_stands_in_a_log_is_never_passed_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("takserver-api.log");
        std::fs::write(&path, "").expect("written");
        let paths = [path.clone(), dir.path().join("missing.log")];
        let first = Logs::read(&paths, &Logs::default(), NOW);
        std::fs::write(&path, "java.lang.OutOfMemoryError password=hunter2\n").expect("written");
        let second = Logs::read(&paths, &first, NOW);
        let findings = second.findings(&subject(), |_| None);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].check.ok, Some(false));
        assert!(!format!("{findings:?}{second:?}").contains("hunter2"));
        assert!(Logs::read(&[], &second, NOW).files.is_empty(), "what is gone is forgotten");
    }
}
