//! What an API tells once it has said which server it is: who is on, how the server is inside, how its
//! database fares.
//!
//! Only those questions are asked that this server answers to whoever takpulse can be: with the
//! client certificate, signed in, or neither. Nothing but `GET` is sent, and the one login.
//!
//! Architecture invariant: facts only, and read-only; what is remembered between rounds is handed in
//! as a copy and handed back with the facts, so a round that is dropped does no harm.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::http::{Request, Response, SMALL_BODY_BYTES};
use super::line::Line;
use super::{Asker, Facts, Timed, Trouble, api};
use crate::collect::tak::report::{Flavor, Inside};
use crate::collect::tak::targets::Role;
use crate::collect::tak::users::Listing;

pub mod figures;
mod json;
mod login;
mod memory;
mod official;
mod open_tak;
pub mod users;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use memory::Constant;
pub use memory::Memory;
use users::{Entry, Roster};

/// A list of users may be this long; at about a kilobyte for each.
const LIST_BYTES: usize = 4 * 1024 * 1024;

/// What makes a server count rows, what cannot change without a restart, and what never changes is
/// asked this seldom.
const SELDOM: Duration = Duration::from_secs(600);

/// Who is on, the official server's live list.
pub const SUBSCRIPTIONS: &str = "/Marti/api/subscriptions/all";

/// How many events the official server's database holds.
pub const COT_COUNT: &str = "/Marti/api/database/cotCount";

/// Who is on, as of the database.
pub const END_POINTS: &str = "/Marti/api/clientEndPoints";

/// What was told.
#[derive(Debug, Clone)]
pub struct Told {
    /// Which server it says it is.
    pub flavor: Flavor,
    /// `https://host:port`.
    pub base: String,
    /// As whom it was asked.
    pub access: Access,
    /// Each question, and what came of it.
    pub heard: Vec<Heard>,
    /// Who is on, by each source that was asked.
    pub rosters: Vec<Roster>,
    /// The inside.
    pub inside: Inside,
    /// The disk that it is on.
    pub disk: Option<figures::Disk>,
    /// Whether the database is connected, by the parts of the server that told.
    pub database: Option<figures::Database>,
    /// Connections to all inputs, takpulse's own among them.
    pub connections: Option<u64>,
    /// To be handed in at the next round.
    pub memory: Memory,
}

/// As whom it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// As anybody: there is nothing more to be had here.
    Anybody,
    /// With a client certificate; what rights it has has not been found out.
    SomeCertificate,
    /// With an administrator's certificate.
    Administrator,
    /// With a certificate that is no administrator's.
    User,
    /// Signed in.
    SignedIn,
    /// It wants a login, and none is configured.
    NoLogin,
    /// The password would be readable on the way: it was not sent.
    Readable,
    /// Nothing proves that it is the server: the password was not sent.
    Unproven,
    /// It refused the login, now or lately.
    Refused,
    /// It wants a second factor after the password.
    SecondFactor,
    /// The login could not be tried: see what was heard.
    Unanswered,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What was asked, without its query.
    pub path: String,
    /// How long it took.
    pub took: Duration,
    /// What is wrong with the answer.
    pub miss: Option<Miss>,
}

/// Why a question has no answer of use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// No answer.
    #[error("{0}")]
    Trouble(#[from] Trouble),
    /// Another status than 200.
    #[error("it answers with the status {0}")]
    Status(u16),
    /// Cut off at so many bytes.
    #[error("its answer is longer than {} KiB, so it was cut off", .0 / 1024)]
    TooLong(usize),
    /// gzip or the like.
    #[error("its answer is compressed, which was not asked for")]
    Packed,
    /// Not what it should be.
    #[error("its answer is not understood: {0}")]
    Unfit(String),
}

impl Miss {
    /// Whether the server answers, and says that something in it is wrong.
    pub fn is_error(&self) -> bool {
        matches!(self, Miss::Status(500..))
    }

    /// Whether it answers, and says that this is not for us to know.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Miss::Status(401 | 403))
    }
}

impl Told {
    fn new(flavor: Flavor, line: &Line, memory: Memory) -> Told {
        let scheme = if line.target.role.is_tls() { "https" } else { "http" };
        Told {
            flavor,
            base: format!("{scheme}://{}", line.target.address()),
            access: Access::Anybody,
            heard: Vec::new(),
            rosters: Vec::new(),
            inside: Inside::default(),
            disk: None,
            database: None,
            connections: None,
            memory,
        }
    }

    /// Who is on, by each source, without takpulse's own connections; `own` are their near ends.
    pub fn listings(&self, own: &[SocketAddr]) -> Vec<Listing> {
        self.rosters.iter().map(|roster| roster.listing(own, self.access)).collect()
    }

    /// What was heard of a path.
    pub fn heard_of(&self, path: &str) -> Option<&Heard> {
        self.heard.iter().find(|heard| heard.path == path)
    }

    /// How many questions were answered: of several ports of one server the most telling one counts.
    pub fn answers(&self) -> usize {
        self.heard.iter().filter(|heard| heard.miss.is_none()).count()
    }
}

/// Asks on, if the port has said which server it is; `None`: there is nothing to be asked.
pub async fn ask(line: &mut Line, facts: &Facts, asker: &Asker) -> Option<Told> {
    let flavor = flavor(facts, asker)?;
    let mut asking = Asking { told: Told::new(flavor, line, asker.memory.clone()), line };
    match flavor {
        Flavor::TakServer if asker.identity.is_some() && asking.line.target.role.is_tls() => {
            official::ask(&mut asking).await;
        }
        // Without a certificate it tells nothing.
        Flavor::TakServer => return None,
        Flavor::OpenTakServer => open_tak::ask(&mut asking, asker.login.as_ref()).await,
        Flavor::Taky => asking.constant_end_points(TAKY_END_POINTS, facts, asker).await,
        Flavor::FreeTakServer => asking.constant_end_points(FTS_END_POINTS, facts, asker).await,
    }
    Some(asking.told)
}

const TAKY_END_POINTS: &str = "taky always answers with an empty list.";
const FTS_END_POINTS: &str =
    "FreeTAKServer always answers with the same client, which is an example and not connected.";

/// Which server it is: by its version; or by what it was before, when it answers with nothing but
/// errors. With a client certificate configured, an unknown one is the official server: no other
/// answers a request for its version with an error while it accepts the certificate.
fn flavor(facts: &Facts, asker: &Asker) -> Option<Flavor> {
    match &facts.api.as_ref()?.result {
        Ok(api::Answer::Version(version)) => api::flavor_of(version),
        Ok(api::Answer::Unwell(_)) if facts.target.expected => match asker.flavor {
            None if facts.target.role == Role::Https => Some(Flavor::TakServer),
            flavor => flavor,
        },
        _ => None,
    }
}

impl Facts {
    fn version(&self) -> Option<String> {
        match &self.api.as_ref()?.result {
            Ok(api::Answer::Version(version)) => Some(version.clone()),
            _ => None,
        }
    }
}

/// A port while it is asked.
struct Asking<'a> {
    line: &'a mut Line,
    told: Told,
}

impl Asking<'_> {
    /// Asks and takes note of what came of it.
    async fn request(&mut self, request: &Request<'_>) -> Result<Response, Miss> {
        let asked = self.line.ask(request).await;
        let took = asked.took;
        let answer = usable(asked, request.max_bytes);
        self.note(request.path, took, answer.as_ref().err());
        answer
    }

    fn note(&mut self, path: &str, took: Duration, miss: Option<&Miss>) {
        let path = path.split('?').next().unwrap_or_default().to_owned();
        self.told.heard.push(Heard { path, took, miss: miss.cloned() });
    }

    /// Asks and reads the answer.
    async fn read<T>(
        &mut self,
        request: &Request<'_>,
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, Miss> {
        let response = self.request(request).await?;
        let answer = read(&response.body).map_err(Miss::Unfit);
        if let Some(heard) = self.told.heard.last_mut() {
            heard.miss = answer.as_ref().err().cloned();
        }
        answer
    }

    /// `GET` of a small answer; what is wrong has been noted.
    async fn get<T>(
        &mut self,
        path: &str,
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Option<T> {
        self.read(&Request::get(path), read).await.ok()
    }

    /// `GET` of a list of users.
    async fn roster(
        &mut self,
        path: &str,
        believed: bool,
        note: &str,
        read: impl FnOnce(&[u8]) -> Result<(Vec<Entry>, u64), String>,
    ) {
        let request = Request { max_bytes: LIST_BYTES, ..Request::get(path) };
        let list = self.read(&request, read).await;
        let left_out = list.as_ref().map_or(0, |(_, more)| *more);
        let note = match left_out {
            0 => note.to_owned(),
            more => format!("{note} {more} more entries were left out."),
        };
        let source = path.split('?').next().unwrap_or_default().to_owned();
        let entries = list.map(|(entries, _)| entries).map_err(|miss| miss.to_string());
        self.told.rosters.push(Roster { source, believed, entries, note });
    }

    /// A list that is shown as one that is not to be believed.
    async fn end_points(&mut self, note: &str) {
        self.roster(END_POINTS, false, note, users::end_points).await;
    }

    /// The same of a server that gives the same list whoever is on: asked seldom, because such a server
    /// closes the connection after each answer, and the next question costs another handshake.
    async fn constant_end_points(&mut self, note: &str, facts: &Facts, asker: &Asker) {
        let (by, now) = ((facts.version(), asker.identity.is_some()), Instant::now());
        let known = self.told.memory.constant.take().filter(|known| known.holds(&by, now));
        match known {
            Some(known) => {
                self.told.heard.push(known.heard.clone());
                self.told.rosters.push(known.roster.clone());
                self.told.memory.constant = Some(known);
            }
            None => {
                self.end_points(note).await;
                let heard = self.told.heard.last().cloned().zip(self.told.rosters.last().cloned());
                let of = |(heard, roster)| Constant::of(by, heard, roster, now);
                self.told.memory.constant = heard.and_then(of);
            }
        }
    }

    /// Whether it answers one question after the other with an error: then the rest is spared it.
    fn is_hopeless(&self) -> bool {
        let is_error = |heard: &Heard| heard.miss.as_ref().is_some_and(Miss::is_error);
        self.told.heard.len() > 1 && self.told.heard.iter().all(is_error)
    }
}

fn usable(asked: Timed<Response>, max_bytes: usize) -> Result<Response, Miss> {
    let response = asked.result?;
    match response {
        Response { status, .. } if status != 200 => Err(Miss::Status(status)),
        Response { whole: false, .. } => Err(Miss::TooLong(max_bytes.max(SMALL_BODY_BYTES))),
        Response { packed: true, .. } => Err(Miss::Packed),
        response => Ok(response),
    }
}

/// Whether it is time to ask again.
fn is_due(last: Option<Instant>, every: Duration, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= every)
}
