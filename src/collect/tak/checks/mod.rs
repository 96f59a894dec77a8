//! Asks a port, layer by layer on one connection: does it accept, does it speak TLS, does it answer.
//!
//! Each layer has a time limit of its own and together they stay below the collector's; ports are
//! asked side by side, so that one that hangs delays nobody.
//!
//! Architecture invariant: facts only; what they mean is judged elsewhere.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::targets::{Role, Target};

pub mod api;
pub mod cot;
mod http;
pub mod tls;

/// A TCP connection on a sane link takes a fraction of it.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// A TLS handshake, and each answer after it.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// Asking once more in another form: what it takes on top must stay below the collector's limit of
/// at least 10 s too, and a server that needs longer has answered the first form slowly already.
const SECOND_LOOK_LIMIT: Duration = Duration::from_millis(1500);

/// Why a layer failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing listens.
    #[error("the connection was refused")]
    Refused,
    /// It did not answer within the limit.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// It closed or reset the connection.
    #[error("the connection was closed without an answer")]
    Closed,
    /// The host's name has no address.
    #[error("the name has no address ({0})")]
    Unresolved(String),
    /// It answered in another language: HTTP or CoT where TLS was due, or the other way round.
    #[error("the answer is in another protocol")]
    OtherProtocol,
    /// A TLS alert.
    #[error("the server ended the TLS session: {0}")]
    Alert(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return tls::trouble(error);
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Trouble::Refused,
            io::ErrorKind::TimedOut => Trouble::Silent(CONNECT_LIMIT),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::BrokenPipe => Trouble::Closed,
            _ => Trouble::Other(error.to_string()),
        }
    }
}

/// A layer's outcome and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed<T> {
    /// What came of it.
    pub result: Result<T, Trouble>,
    /// From asking to the answer or the failure.
    pub took: Duration,
}

/// Runs one layer within a limit.
async fn timed<T>(limit: Duration, layer: impl Future<Output = Result<T, Trouble>>) -> Timed<T> {
    let started = Instant::now();
    let result = timeout(limit, layer).await.unwrap_or(Err(Trouble::Silent(limit)));
    Timed { result, took: started.elapsed() }
}

/// What a port showed. A layer that was not reached, or that the port does not have, is absent.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The port; its role as it turned out.
    pub target: Target,
    /// Whether it accepts connections.
    pub port: Timed<()>,
    /// The TLS handshake.
    pub tls: Option<tls::Handshake>,
    /// The CoT ping.
    pub cot: Option<Timed<cot::Reply>>,
    /// The Marti API.
    pub api: Option<Timed<api::Answer>>,
}

impl Facts {
    /// Whether these answers can only come from a TAK server: a CoT answer, a Marti version (not just
    /// any text), or the demand for a client certificate on a CoT port.
    pub fn identify(&self) -> bool {
        let answered = |timed: &Timed<cot::Reply>| timed.result.is_ok();
        let is_marti =
            |timed: &Timed<api::Answer>| matches!(timed.result, Ok(api::Answer::Version(_)));
        let demands = |tls: &tls::Handshake| tls.asked_for_certificate;
        self.cot.as_ref().is_some_and(answered)
            || self.api.as_ref().is_some_and(is_marti)
            || (self.target.role.is_cot() && self.tls.as_ref().is_some_and(demands))
    }
}

/// Asks one port. An unclear role is tried in the more likely form first, then in the other.
pub async fn examine(target: Target, identity: Option<Arc<tls::Identity>>) -> Facts {
    let secure_first = matches!(target.port, 8089 | 8443);
    let roles = match target.role {
        Role::UnclearCot if secure_first => [Role::CotTls, Role::CotTcp],
        Role::UnclearApi if secure_first => [Role::Https, Role::Http],
        Role::UnclearCot => [Role::CotTcp, Role::CotTls],
        Role::UnclearApi => [Role::Http, Role::Https],
        role => return ask(target, role, identity).await,
    };
    let first = ask(target.clone(), roles[0], identity.clone()).await;
    if first.fits() || first.is_silent() {
        return first;
    }
    match timeout(SECOND_LOOK_LIMIT, ask(target.clone(), roles[1], identity)).await {
        Ok(second) if second.fits() => second,
        _ => Facts { target, ..first },
    }
}

impl Facts {
    /// Whether the port speaks what it was asked in.
    pub fn fits(&self) -> bool {
        let speaks_tls = |tls: &tls::Handshake| tls.spoken();
        let answers = |timed: &Timed<cot::Reply>| timed.result.is_ok();
        let serves = |timed: &Timed<api::Answer>| timed.result.is_ok();
        match self.target.role {
            Role::CotTls | Role::Https => self.tls.as_ref().is_some_and(speaks_tls),
            _ => self.cot.as_ref().is_some_and(answers) || self.api.as_ref().is_some_and(serves),
        }
    }

    /// Whether it does not accept or does not answer: then asking again in TLS tells no more.
    fn is_silent(&self) -> bool {
        let silent = |trouble: Option<&Trouble>| matches!(trouble, Some(Trouble::Silent(_)));
        self.port.result.is_err()
            || silent(self.tls.as_ref().and_then(|tls| tls.outcome.result.as_ref().err()))
            || silent(self.cot.as_ref().and_then(|cot| cot.result.as_ref().err()))
            || silent(self.api.as_ref().and_then(|api| api.result.as_ref().err()))
    }
}

/// Asks in one role; where the version's path is not found, asks for the configuration instead.
async fn ask(target: Target, role: Role, identity: Option<Arc<tls::Identity>>) -> Facts {
    let target = Target { role, ..target };
    let facts = ask_path(target.clone(), identity.clone(), api::VERSION_PATH).await;
    let not_found = |timed: &Timed<api::Answer>| timed.result == Ok(api::Answer::NoSuchPath);
    if facts.api.as_ref().is_some_and(not_found) {
        let second = ask_path(target, identity, api::CONFIG_PATH);
        return timeout(SECOND_LOOK_LIMIT, second).await.unwrap_or(facts);
    }
    facts
}

async fn ask_path(target: Target, identity: Option<Arc<tls::Identity>>, path: &str) -> Facts {
    let (port, socket) = connect(&target).await;
    let mut facts = Facts { target, port, tls: None, cot: None, api: None };
    let Some(socket) = socket else { return facts };
    if !facts.target.role.is_tls() {
        facts.ask_through(socket, path).await;
        return facts;
    }
    let (handshake, session) = tls::shake_hands(&facts.target.host, socket, identity).await;
    facts.tls = Some(handshake);
    if let Some(session) = session {
        facts.ask_through(session, path).await;
    }
    facts
}

impl Facts {
    /// The top layer, over whatever carries it.
    async fn ask_through(&mut self, socket: impl AsyncRead + AsyncWrite + Unpin, path: &str) {
        if self.target.role.is_cot() {
            let started = Instant::now();
            let result = cot::ping(socket, ANSWER_LIMIT).await;
            self.cot = Some(Timed { result, took: started.elapsed() });
        } else {
            self.api = Some(timed(ANSWER_LIMIT, api::ask(socket, &self.target, path)).await);
        }
    }
}

async fn connect(target: &Target) -> (Timed<()>, Option<TcpStream>) {
    let mut socket = None;
    let outcome = timed(CONNECT_LIMIT, async {
        let addresses: Vec<_> = tokio::net::lookup_host((target.host.as_str(), target.port))
            .await
            .map_err(|why| Trouble::Unresolved(why.to_string()))?
            .collect();
        socket = Some(TcpStream::connect(addresses.as_slice()).await?);
        Ok(())
    })
    .await;
    (outcome, socket)
}
