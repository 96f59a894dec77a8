//! Asks a port, layer by layer on one connection: does it accept, does it speak TLS, does it answer.
//!
//! Each layer has a time limit of its own and together they stay below the collector's; ports are
//! asked side by side, so that one that hangs delays nobody. An API port is asked more, over the same
//! connection, once it has said which server it is ([`told`]).
//!
//! Architecture invariant: facts only; what they mean is judged elsewhere.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::report::Flavor;
use super::targets::{Role, Target};
use crate::config::Secret;

pub mod api;
pub mod cot;
mod http;
mod identity;
mod line;
pub mod tls;
pub mod told;

use http::Conversation;
use line::Line;

/// A TCP connection on a sane link takes a fraction of it.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// All that is asked of a port in a round ends within this: with the second that taky's own socket may
/// take before, less than the collector's limit of at least 10 s.
pub const ROUND_LIMIT: Duration = Duration::from_secs(8);

/// A TLS handshake, and each answer after it.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// Asking once more in another form, within what is left of [`ROUND_LIMIT`]: a server that needs longer
/// has answered the first form slowly already.
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
    /// It was not asked: this question before it took all the time there was.
    #[error("not asked, because {0} got no answer in time")]
    Skipped(String),
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
    /// What the API told beyond that; absent: it was not asked.
    pub told: Option<Box<told::Told>>,
    /// The near ends of the connections that were made to find out: the server counts them among its
    /// clients.
    pub own: Vec<SocketAddr>,
}

/// Who asks, and what is remembered from the rounds before.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// The client certificate to present.
    pub identity: Option<Arc<tls::Identity>>,
    /// An administrator of OpenTAKServer.
    pub login: Option<(String, Secret)>,
    /// Whose certificates vouch for a server elsewhere, in DER.
    pub authorities: Arc<Vec<Vec<u8>>>,
    /// Which server it was, when it last told.
    pub flavor: Option<Flavor>,
    /// What was remembered of this port.
    pub memory: told::Memory,
}

impl Facts {
    fn of(target: Target, port: Timed<()>) -> Facts {
        Facts { target, port, tls: None, cot: None, api: None, told: None, own: Vec::new() }
    }

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
pub async fn examine(target: Target, asker: &Asker) -> Facts {
    let (mut facts, line) = find_out(target, asker).await;
    let Some(mut line) = line else { return facts };
    facts.told = told::ask(&mut line, &facts, asker).await.map(Box::new);
    facts.own = line.own;
    facts
}

async fn find_out(target: Target, asker: &Asker) -> (Facts, Option<Line>) {
    let started = tokio::time::Instant::now();
    let secure_first = matches!(target.port, 8089 | 8443);
    let roles = match target.role {
        Role::UnclearCot if secure_first => [Role::CotTls, Role::CotTcp],
        Role::UnclearApi if secure_first => [Role::Https, Role::Http],
        Role::UnclearCot => [Role::CotTcp, Role::CotTls],
        Role::UnclearApi => [Role::Http, Role::Https],
        role => return ask(target, role, asker, started).await,
    };
    let (first, line) = ask(target.clone(), roles[0], asker, started).await;
    if first.fits() || first.is_silent() {
        return (first, line);
    }
    let left = (started + ROUND_LIMIT).saturating_duration_since(tokio::time::Instant::now());
    let again = ask(target.clone(), roles[1], asker, started);
    match timeout(SECOND_LOOK_LIMIT.min(left), again).await {
        Ok((second, line)) if second.fits() => (second, line),
        _ => (Facts { target, ..first }, None),
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

/// Asks in one role a port that was first asked at `started`; with the line to an API that answered.
async fn ask(
    target: Target,
    role: Role,
    asker: &Asker,
    started: tokio::time::Instant,
) -> (Facts, Option<Line>) {
    let target = Target { role, ..target };
    let (port, socket) = connect(&target).await;
    let mut facts = Facts::of(target, port);
    let Some(socket) = socket else { return (facts, None) };
    facts.own.extend(socket.local_addr());
    let Asker { identity, authorities, .. } = asker;
    let line =
        |target: &Target| Line::new(target.clone(), identity.clone(), authorities.clone(), started);
    if !role.is_tls() {
        let line = line(&facts.target);
        let line = facts.ask_through(socket, line).await;
        return (facts, line);
    }
    let (handshake, session) = tls::shake_hands(&facts.target.host, socket, identity.clone()).await;
    facts.tls = Some(handshake);
    let Some(session) = session else { return (facts, None) };
    let line = line(&facts.target);
    let line = facts.ask_through(session, line).await;
    (facts, line)
}

impl Facts {
    /// The top layer, over whatever carries it.
    async fn ask_through<S>(&mut self, socket: S, mut line: Line) -> Option<Line>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if self.target.role.is_cot() {
            let started = Instant::now();
            let result = cot::ping(socket, ANSWER_LIMIT).await;
            self.cot = Some(Timed { result, took: started.elapsed() });
            return None;
        }
        match Conversation::open(socket).await {
            Ok(talk) => line.carry_on(talk, self.tls.as_ref(), &self.own),
            Err(why) => {
                self.api = Some(Timed { result: Err(why), took: Duration::ZERO });
                return None;
            }
        }
        self.api = Some(api::ask(&mut line).await);
        Some(line)
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

/// A byte stream, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An open connection to a port.
pub struct Opened {
    /// What is sent and received through.
    pub socket: Box<dyn Stream>,
    /// Its near end.
    pub near: SocketAddr,
}

/// Opens a connection to a port whose role is known, with TLS where it speaks that. Takes at most 5 s.
///
/// # Errors
/// It cannot be reached, or refuses the handshake.
pub async fn open(
    target: &Target,
    identity: Option<Arc<tls::Identity>>,
) -> Result<Opened, Trouble> {
    let (port, socket) = connect(target).await;
    port.result?;
    let socket = socket.ok_or(Trouble::Closed)?;
    let near = socket.local_addr()?;
    if !target.role.is_tls() {
        return Ok(Opened { socket: Box::new(socket), near });
    }
    let (handshake, session) = tls::shake_hands(&target.host, socket, identity).await;
    handshake.outcome.result?;
    let session = session.ok_or(Trouble::Closed)?;
    Ok(Opened { socket: Box::new(session), near })
}
