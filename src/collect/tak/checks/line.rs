//! The line to an API port for the length of a round: one connection, a new one after one that broke,
//! and an end to it all.
//!
//! A question that hangs costs its own limit and nothing else: what comes after it is asked on a new
//! connection, while the port's time lasts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::http::{Conversation, Request, Response};
use super::tls::{self, Handshake, Identity};
use super::{ANSWER_LIMIT, ROUND_LIMIT, Timed, Trouble, connect, timed};
use crate::collect::tak::certificate::is_vouched_for;
use crate::collect::tak::targets::{Target, is_local};
use crate::event::unix_now;

/// With less time than this left, nothing new is asked.
const LEAST_LEFT: Duration = Duration::from_millis(100);

/// How many connections are tried in vain before the rest is left out.
const MAX_FAILED: u32 = 2;

/// The line to one port.
pub struct Line {
    /// The port, with its role.
    pub target: Target,
    identity: Option<Arc<Identity>>,
    /// When the port's time is over.
    until: Instant,
    talk: Option<Conversation>,
    /// The near ends of its connections: takpulse must not be counted as a client.
    pub own: Vec<SocketAddr>,
    /// What cost so much time that the rest could not be asked.
    hung: Option<String>,
    failed: u32,
    /// Whose certificates vouch for the server, in DER.
    authorities: Arc<Vec<Vec<u8>>>,
    /// Nobody but the server hears what is sent: it is on this machine, or has proven who it is.
    trusted: bool,
}

impl Line {
    /// To a port that was first asked at `started` in this round.
    pub fn new(
        target: Target,
        identity: Option<Arc<Identity>>,
        authorities: Arc<Vec<Vec<u8>>>,
        started: Instant,
    ) -> Line {
        Line {
            target,
            identity,
            until: started + ROUND_LIMIT,
            talk: None,
            own: Vec::new(),
            hung: None,
            failed: 0,
            authorities,
            trusted: false,
        }
    }

    /// Uses a connection that is there already.
    pub fn carry_on(
        &mut self,
        talk: Conversation,
        handshake: Option<&Handshake>,
        own: &[SocketAddr],
    ) {
        self.trusted = self.is_trusted(handshake);
        self.talk = Some(talk);
        self.own.extend(own);
    }

    /// Whether a password may be sent.
    pub fn keeps_secrets(&self) -> bool {
        self.trusted
    }

    fn is_trusted(&self, handshake: Option<&Handshake>) -> bool {
        let authorities: Vec<&[u8]> = self.authorities.iter().map(Vec::as_slice).collect();
        let now = unix_now() as i64;
        let vouched = |tls: &Handshake| {
            let served = tls.chain.first();
            tls.proven && served.is_some_and(|served| is_vouched_for(served, &authorities, now))
        };
        is_local(&self.target.host) || handshake.is_some_and(vouched)
    }

    /// Asks, within the limit of an answer and of the round.
    pub async fn ask(&mut self, request: &Request<'_>) -> Timed<Response> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left < LEAST_LEFT || self.failed >= MAX_FAILED {
            let skipped = Trouble::Skipped(self.hung.clone().unwrap_or_default());
            return Timed { result: Err(skipped), took: Duration::ZERO };
        }
        let mut asked = timed(ANSWER_LIMIT.min(left), self.exchange(request)).await;
        // It was not given the time that it is due.
        if matches!(asked.result, Err(Trouble::Silent(_)))
            && left < ANSWER_LIMIT
            && let Some(hung) = &self.hung
        {
            asked.result = Err(Trouble::Skipped(hung.clone()));
        }
        if asked.result.is_err() {
            let path = request.path.split('?').next().unwrap_or_default();
            self.hung.get_or_insert_with(|| path.to_owned());
        }
        asked
    }

    async fn exchange(&mut self, request: &Request<'_>) -> Result<Response, Trouble> {
        // Taken out: a conversation that is given up half-way must not be used again.
        let mut talk = self.talk.take();
        if let Some(known) = &mut talk
            && !known.is_ready().await
        {
            talk = None;
        }
        let mut talk = match talk {
            Some(talk) => talk,
            None => self.open().await?,
        };
        let used = talk.was_used();
        let mut answer = self.say(&mut talk, request).await;
        // The server has closed it just now, as is its right.
        if used && request.post.is_none() && answer == Err(Trouble::Closed) {
            talk = self.open().await?;
            answer = self.say(&mut talk, request).await;
        }
        if answer.as_ref().is_ok_and(|answer| answer.whole) {
            self.talk = Some(talk);
        }
        answer
    }

    /// Asks on this connection, which may be a new one to somebody else: a secret is kept from those.
    async fn say(
        &mut self,
        talk: &mut Conversation,
        request: &Request<'_>,
    ) -> Result<Response, Trouble> {
        if request.is_secret() && !self.trusted {
            return Err(Trouble::Other("the server does not prove any more who it is".into()));
        }
        talk.ask(&self.target.address(), request).await
    }

    async fn open(&mut self) -> Result<Conversation, Trouble> {
        // Counted first: a time-out drops what comes after.
        self.failed += 1;
        let (port, socket) = connect(&self.target).await;
        port.result?;
        let Some(socket) = socket else { return Err(Trouble::Closed) };
        self.own.extend(socket.local_addr());
        let talk = if self.target.role.is_tls() {
            let identity = self.identity.clone();
            let (handshake, session) = tls::shake_hands(&self.target.host, socket, identity).await;
            self.trusted = self.is_trusted(Some(&handshake));
            handshake.outcome.result?;
            let Some(session) = session else { return Err(Trouble::Closed) };
            Conversation::open(session).await?
        } else {
            self.trusted = self.is_trusted(None);
            Conversation::open(socket).await?
        };
        self.failed = 0;
        Ok(talk)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use rcgen::CertifiedKey;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::collect::tak::targets::Role;

    /// One that is its own authority.
    fn server() -> (Arc<ServerConfig>, Vec<u8>) {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["tak".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .expect("a pair");
        (Arc::new(config), cert.der().to_vec())
    }

    /// The next connection, and its first request; nothing: it ends before.
    fn welcome(
        listener: &TcpListener,
        config: Arc<ServerConfig>,
    ) -> (StreamOwned<ServerConnection, std::net::TcpStream>, String) {
        let (socket, _) = listener.accept().expect("a client");
        let session = ServerConnection::new(config).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        let request = request(&mut stream);
        (stream, request)
    }

    fn request(stream: &mut impl Read) -> String {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).unwrap_or_default();
        String::from_utf8_lossy(&chunk[..length]).into_owned()
    }

    #[tokio::test]
    async fn a_secret_is_not_told_to_who_takes_a_connection_over() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ((ours, certificate), (other, _)) = (server(), server());
        let serving = std::thread::spawn(move || {
            let (mut stream, first) = welcome(&listener, ours);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).and_then(|()| stream.flush()).expect("sent");
            // It is closed instead of an answer, and somebody else has the port.
            let second = request(&mut stream);
            drop(stream);
            let (_, third) = welcome(&listener, other);
            [first, second, third]
        });
        let role = Role::Https;
        // It leads here, but is no address of this machine's own.
        let target = Target { host: "0.0.0.0".into(), port, role, expected: true, answered: false };
        let mut line = Line::new(target, None, Arc::new(vec![certificate]), Instant::now());
        let secret = Request { cookie: Some("session=in"), ..Request::get("/") };
        assert_eq!(line.ask(&secret).await.result.map(|answer| answer.status), Ok(200));
        let refused = line.ask(&secret).await.result;
        drop(line);
        let asked = serving.join().expect("no panic");
        assert!(asked[0].contains("session=in") && asked[1].contains("session=in"), "{asked:?}");
        assert_eq!(asked[2], "", "nothing is said to the other");
        assert!(matches!(refused, Err(Trouble::Other(why)) if why.contains("not prove")));
    }
}
