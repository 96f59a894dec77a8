//! Puts into words what an API told, and what it kept to itself.

use super::{Finding, Subject, Weight, Word, fine};
use crate::collect::tak::checks::Trouble;
use crate::collect::tak::checks::told::figures::Database;
use crate::collect::tak::checks::told::{
    Access, COT_COUNT, END_POINTS, Heard, Miss, SUBSCRIPTIONS, Told,
};
use crate::collect::tak::report::{CheckName, Flavor, Queue};

/// Above it a queue or a disk is worth a look.
const QUEUE_NOTE_PERCENT: u64 = 80;
const DISK_NOTE_PERCENT: u64 = 90;

/// Above it something is about to be lost.
const FULL_PERCENT: u64 = 95;

/// Above it Java spends more and more time on tidying up.
const HEAP_NOTE_PERCENT: u64 = 90;

impl Subject {
    /// All that follows from it.
    pub(super) fn told(&self, told: &Told) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut say = |name, path: &str, word, soft| {
            let took = told.heard_of(path).map(|heard| heard.took);
            let finding = self.finding(name, &format!("{}{path}", told.base), took, word);
            findings.push(Finding { soft, ..finding });
        };
        let main = match told.flavor {
            Flavor::OpenTakServer if told.access == Access::SignedIn => "/api/status",
            Flavor::OpenTakServer => "/api/login",
            _ => SUBSCRIPTIONS,
        };
        if let Some((word, soft)) = self.access(told) {
            say(CheckName::AuthenticatedApi, main, word, soft);
        }
        if let (Flavor::OpenTakServer, None) = (told.flavor, &told.database)
            && let Some(heard) = told.heard_of(END_POINTS)
            && let Some(word) = read_by_open_tak(heard)
        {
            let soft = heard.miss.as_ref().is_some_and(is_silence);
            say(CheckName::Database, END_POINTS, word, soft);
        }
        let mut found = |name, path: &str, word| say(name, path, word, false);
        match (told.flavor, &told.database) {
            (_, Some(database)) => found(CheckName::Database, DATABASE, connected(database)),
            (Flavor::TakServer, None) => {
                if let Some(word) = told.heard_of(DATABASE).and_then(not_told) {
                    found(CheckName::Database, DATABASE, word);
                }
            }
            _ => {}
        }
        for queue in &told.inside.queues {
            if let Some(word) = self.queue(queue) {
                found(CheckName::AuthenticatedApi, "/actuator/custom-queue-metrics", word);
            }
        }
        if let Some(word) = heap(told) {
            found(CheckName::AuthenticatedApi, "/actuator/custom-memory-metrics", word);
        }
        if let Some(word) = disk(told) {
            let path = match told.flavor {
                Flavor::OpenTakServer => "/api/status",
                _ => "/actuator/custom-disk-metrics",
            };
            found(CheckName::AuthenticatedApi, path, word);
        }
        for link in told.inside.federations.iter().filter(|link| link.connected == Some(false)) {
            let why = link.message.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            let message = format!(
                "The federation link {} is down{why}: look whether the other server is reached, and whether both still trust each other's certificates.",
                link.name
            );
            let word = (Some(false), Weight::Note, message);
            found(CheckName::AuthenticatedApi, "/Marti/api/outgoingconnections", word);
        }
        findings
    }

    /// Whether the API answers to whom it should know; the other: nothing but silence speaks for it.
    fn access(&self, told: &Told) -> Option<(Word, bool)> {
        match told.access {
            Access::Unanswered => Some(self.unanswered(told)),
            Access::SomeCertificate | Access::Administrator | Access::User | Access::SignedIn => {
                Some(self.answers(told))
            }
            access => Some((login(access, &told.base)?, false)),
        }
    }

    fn unanswered(&self, told: &Told) -> (Word, bool) {
        let mut heard = told.heard.iter().filter(|heard| heard.path == "/api/login");
        let miss = heard.find_map(|heard| heard.miss.as_ref());
        let why = miss.map_or_else(String::new, |miss| format!(" ({miss})"));
        let message = format!(
            "OpenTAKServer signs nobody in{why}: look into its log, then {}.",
            self.restart
        );
        ((Some(false), Weight::Trouble, message), miss.is_some_and(is_silence))
    }

    /// It was asked as somebody: whether all of it was answered.
    fn answers(&self, told: &Told) -> (Word, bool) {
        let certain = |word| (word, false);
        let misses: Vec<(&Heard, &Miss)> =
            told.heard.iter().filter_map(|heard| Some((heard, heard.miss.as_ref()?))).collect();
        if told.heard.len() > 1
            && misses.len() == told.heard.len()
            && misses.iter().all(|(_, miss)| miss.is_error())
        {
            return certain(self.outage(told));
        }
        if let Some(miss) = told.heard_of(SUBSCRIPTIONS).and_then(|heard| heard.miss.as_ref())
            && miss.is_refusal()
        {
            let message = format!(
                "The API tells nothing to takpulse's client certificate ({miss}): give takpulse one of a user that the server knows."
            );
            return certain((Some(false), Weight::Trouble, message));
        }
        let fails = |heard: &Heard, miss: &Miss| {
            is_broken(miss) && !SECONDARY.contains(&heard.path.as_str())
        };
        let odd = |heard: &Heard, miss: &Miss| {
            !fails(heard, miss) && !miss.is_refusal() && *miss != Miss::Status(404)
        };
        if let Some(named) = self::named(&misses, fails) {
            let mut failed = misses.iter().filter(|(heard, miss)| fails(heard, miss));
            let soft = failed.all(|(_, miss)| is_silence(miss));
            let is_skipped = |miss: &Miss| matches!(miss, Miss::Trouble(Trouble::Skipped(_)));
            let skipped = match misses.iter().filter(|(_, miss)| is_skipped(miss)).count() {
                0 => String::new(),
                skipped => format!(" {skipped} more could not be asked in the time that was left."),
            };
            let message = format!(
                "The API does not answer everything: {named}.{skipped} Look into the server's log; if it stays so, {}.",
                self.restart
            );
            return ((Some(false), Weight::Trouble, message), soft);
        }
        if let Some(named) = self::named(&misses, odd) {
            let message = format!("Not all of the API's answers can be used: {named}.");
            return certain((None, Weight::Hint, message));
        }
        certain(fine(match told.access {
            Access::Administrator => "It answers, as to an administrator.",
            Access::SignedIn => "It answers to takpulse's login.",
            Access::User => {
                "It answers. takpulse's client certificate is no administrator's, so the server's inside and the users of other groups are not known."
            }
            _ => "It answers to takpulse's client certificate.",
        }))
    }

    /// An error to every question, while the port accepts. The official server does so when its
    /// parts have lost each other (Ignite's `IgniteClientDisconnected` in the API's log).
    fn outage(&self, told: &Told) -> Word {
        let status = told.heard.iter().find_map(|heard| match heard.miss {
            Some(Miss::Status(status)) => Some(format!(" ({status})")),
            _ => None,
        });
        let status = status.unwrap_or_default();
        let message = match told.flavor {
            Flavor::TakServer => format!(
                "The API answers every question with an error{status}: TAK Server does so when its parts have lost each other, and then clients may connect without being routed; {}.",
                self.restart
            ),
            _ => format!(
                "The API answers every question with an error{status}: look into the server's log, then {}.",
                self.restart
            ),
        };
        (Some(false), Weight::Outage, message)
    }

    fn queue(&self, queue: &Queue) -> Option<Word> {
        let (name, size, capacity) = (&queue.name, queue.size, queue.capacity?);
        let percent = percent(size, capacity)?;
        let message = |state: &str| {
            format!(
                "The {name} queue is {state} ({size} of {capacity}): more comes in than the server can handle; look at its load, its database and its disk."
            )
        };
        if percent > FULL_PERCENT {
            Some((Some(false), Weight::Trouble, message("as good as full, and messages get lost")))
        } else if percent > QUEUE_NOTE_PERCENT {
            Some((Some(true), Weight::Note, message("filling up")))
        } else {
            None
        }
    }
}

/// Why there is no login, or none that opens anything.
fn login(access: Access, base: &str) -> Option<Word> {
    let failed = |message: &str| Some((Some(false), Weight::Trouble, message.to_owned()));
    match access {
        Access::Anybody => None,
        Access::NoLogin => Some((
            None,
            Weight::Hint,
            "OpenTAKServer tells who is on only to somebody who has signed in: set api_user and api_password under collect.tak.servers.".to_owned(),
        )),
        Access::Readable => Some((
            None,
            Weight::Note,
            format!(
                "The login was not sent to {}, because without TLS the password could be read on the way: name https_port under collect.tak.servers instead of http_port.",
                base
            ),
        )),
        Access::Unproven => Some((
            None,
            Weight::Note,
            format!(
                "The login was not sent to {}, because nothing proves that this is your server: name the certificate of its authority (a copy of its ca.pem) in certificates under collect.tak.servers.",
                base
            ),
        )),
        Access::Refused => failed(
            "OpenTAKServer refuses the login: correct api_user and api_password under collect.tak.servers. takpulse tries this one again in ten minutes at the earliest.",
        ),
        Access::SecondFactor => failed(
            "OpenTAKServer asks for a second factor after the password: give takpulse an account without one.",
        ),
        _ => None,
    }
}

/// Whether there was no answer in time: a server that was busy for a moment looks alike.
fn is_silence(miss: &Miss) -> bool {
    matches!(miss, Miss::Trouble(Trouble::Silent(_)))
}

/// No usable answer, and not for want of rights.
fn is_broken(miss: &Miss) -> bool {
    match miss {
        Miss::Trouble(trouble) => !matches!(trouble, Trouble::Skipped(_)),
        miss => miss.is_error(),
    }
}

/// What users do not need, and what may take a healthy server long: counting the rows of a large
/// database, say.
const SECONDARY: [&str; 5] = [
    COT_COUNT,
    "/actuator/custom-disk-metrics",
    "/actuator/custom-cpu-metrics",
    "/Marti/api/outgoingconnections",
    "/Marti/api/activeconnections",
];

/// `/a: no answer within 3 s; and 2 more`.
fn named(misses: &[(&Heard, &Miss)], which: impl Fn(&Heard, &Miss) -> bool) -> Option<String> {
    let mut those = misses.iter().filter(|(heard, miss)| which(heard, miss));
    let (heard, miss) = those.next()?;
    let more = match those.count() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(format!("{}: {miss}{more}", heard.path))
}

const DATABASE: &str = "/actuator/takserver-database";

/// The official server should have told of its database and did not.
fn not_told(heard: &Heard) -> Option<Word> {
    let miss = heard.miss.as_ref().filter(|miss| !miss.is_refusal() && **miss != Miss::Status(404));
    miss.map(|miss| (None, Weight::Fine, format!("Nothing is known of the database: {miss}.")))
}

/// The database in the official server's words.
fn connected(database: &Database) -> Word {
    let lost = match (database.api, database.messaging) {
        (Some(false), Some(false)) => "TAK Server has",
        (Some(false), _) => "The API process of TAK Server has",
        (_, Some(false)) => "The messaging process of TAK Server has",
        _ => {
            let version = database.version.as_ref();
            let version = version.map_or_else(String::new, |v| format!(" (PostgreSQL {v})"));
            return fine(&format!("The server is connected to its database{version}."));
        }
    };
    let message = format!("{lost} lost its database: {LOOK_AT_POSTGRESQL}");
    (Some(false), Weight::Trouble, message)
}

const LOOK_AT_POSTGRESQL: &str =
    "look whether PostgreSQL runs, is reached and has room on its disk.";

/// The database behind what OpenTAKServer answers from it alone.
fn read_by_open_tak(heard: &Heard) -> Option<Word> {
    match &heard.miss {
        None => Some(fine("OpenTAKServer reads from its database.")),
        Some(
            miss @ (Miss::Status(500..) | Miss::Trouble(Trouble::Silent(_) | Trouble::Closed)),
        ) => {
            let message = format!(
                "OpenTAKServer cannot read its database ({}: {miss}): {LOOK_AT_POSTGRESQL}",
                heard.path
            );
            Some((Some(false), Weight::Trouble, message))
        }
        Some(_) => None,
    }
}

fn heap(told: &Told) -> Option<Word> {
    let inside = &told.inside;
    let heaps = [
        ("API", inside.api_heap_used_bytes, inside.api_heap_max_bytes),
        ("messaging", inside.messaging_heap_used_bytes, inside.messaging_heap_max_bytes),
    ];
    heaps.into_iter().find_map(|(part, used, max)| {
        let percent = percent(used?, max?)?;
        let message = format!(
            "The {part} process uses {percent} % of the Java heap that it may have: if it stays so, give it more (-Xmx) before it runs out of memory."
        );
        (percent > HEAP_NOTE_PERCENT).then_some((Some(true), Weight::Note, message))
    })
}

fn disk(told: &Told) -> Option<Word> {
    let disk = told.disk?;
    let used = percent(disk.total_bytes.saturating_sub(disk.available_bytes), disk.total_bytes)?;
    let message = format!(
        "The disk of the server is {used} % full: a server that cannot write any more stops; make room."
    );
    if used > FULL_PERCENT {
        Some((Some(false), Weight::Trouble, message))
    } else if used >= DISK_NOTE_PERCENT {
        Some((Some(true), Weight::Note, message))
    } else {
        None
    }
}

/// Rounded down; nothing of nothing.
fn percent(part: u64, of: u64) -> Option<u64> {
    u64::try_from(u128::from(part) * 100 / u128::from(of.max(1))).ok().filter(|_| of > 0)
}

#[cfg(test)]
mod tests;
