//! What may be asked about one container: its details, its logs, and that it be started, stopped or
//! restarted.
//!
//! The web asks, the Docker collector's desk answers, and neither knows the other: both know these
//! words. A [`Client`] hands a [`Request`] over; whoever holds the [`Requests`] answers it.
//!
//! Architecture invariant: no I/O, neither HTTP nor Docker; what is said here is said in terms of the
//! user.

use tokio::sync::{mpsc, oneshot};

mod action;
mod cursor;
mod details;
mod id;
mod logs;
mod queue;

pub use action::{Action, Found};
pub use cursor::{Cursor, ID_DIGITS, Place, Places};
pub use details::{Details, Mount, Network, Probe};
pub use id::ContainerId;
pub use logs::{End, Line, Log, LogQuery, Lost, MOST_LINE_BYTES, MOST_TAIL, Piece, Reason};
pub use queue::{Batch, Reader, Taken, Writer, queue};

/// Questions that wait for the desk; whoever comes when so many wait already is told that it is busy.
const WAITING: usize = 32;

/// One question, with the way back for the answer.
#[derive(Debug)]
pub enum Request {
    /// What is known of it beyond what `docker_status` tells.
    Details(ContainerId, oneshot::Sender<Result<Details, Failure>>),
    /// What it writes.
    Logs(ContainerId, LogQuery, oneshot::Sender<Result<Log, Failure>>),
    /// Which one it is.
    Find(ContainerId, oneshot::Sender<Result<Found, Failure>>),
    /// That it be started, stopped or restarted; the answer comes when that is done.
    Act(ContainerId, Action, oneshot::Sender<Result<(), Failure>>),
}

/// Why there is no answer; the text says what happened, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no such container.
    #[error("there is no container {0}; it may have been removed")]
    Missing(ContainerId),
    /// The engine, or a proxy before it, does not let us.
    #[error("{0}")]
    Refused(String),
    /// The engine did it not, or cannot; its own words are in the text.
    #[error("{0}")]
    Failed(String),
    /// The engine is not there, or does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// Too much is being asked at once.
    #[error("too many questions about containers at once; ask again in a moment")]
    Busy,
}

/// Asks.
#[derive(Clone, Debug)]
pub struct Client(mpsc::Sender<Request>);

/// The questions, for the one who answers.
pub type Requests = mpsc::Receiver<Request>;

/// Both ends.
pub fn desk() -> (Client, Requests) {
    let (sender, requests) = mpsc::channel(WAITING);
    (Client(sender), requests)
}

impl Client {
    /// What is known of a container.
    ///
    /// # Errors
    /// It is not there, or the engine does not tell.
    pub async fn details(&self, id: ContainerId) -> Result<Details, Failure> {
        self.ask(|answer| Request::Details(id, answer)).await
    }

    /// What it writes: it is read until the answer is dropped or the log has ended.
    ///
    /// # Errors
    /// It is not there, or the engine does not tell.
    pub async fn logs(&self, id: ContainerId, query: LogQuery) -> Result<Log, Failure> {
        self.ask(|answer| Request::Logs(id, query, answer)).await
    }

    /// Which container this is.
    ///
    /// # Errors
    /// It is not there, or the engine does not tell.
    pub async fn find(&self, id: ContainerId) -> Result<Found, Failure> {
        self.ask(|answer| Request::Find(id, answer)).await
    }

    /// Has it started, stopped or restarted; returns when that is done.
    ///
    /// # Errors
    /// It is not there, or it could not be done.
    pub async fn act(&self, id: ContainerId, action: Action) -> Result<(), Failure> {
        self.ask(|answer| Request::Act(id, action, answer)).await
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Request,
    ) -> Result<T, Failure> {
        let (sender, answer) = oneshot::channel();
        self.0.try_send(question(sender)).map_err(|_| Failure::Busy)?;
        answer.await.unwrap_or(Err(Failure::Busy))
    }
}
