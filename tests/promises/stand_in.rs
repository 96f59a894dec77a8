//! A server that answers as a TAK server's API is documented to, over real mutual TLS or without:
//! the official one cannot be had, and no server fails when a test wants it to.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use serde_json::Value;

use crate::app::App;
use crate::authority::Authority;
use crate::watching::watch;

/// What is answered to a path.
#[derive(Clone)]
pub enum Reply {
    /// A status and a body.
    Status(u16, Vec<u8>),
    /// These headers, each with its CRLF, and this body.
    With(u16, String, Vec<u8>),
    /// Nothing, ever.
    Hang,
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// A body of 100 MB.
    Huge,
}

/// 200 with this body.
pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Status(200, body.into())
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which connection, counted from 1.
    pub connection: usize,
    /// `GET /path`, without the query.
    pub line: String,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Changes the answer to a request before it is sent.
type Judge = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

/// The running stand-in; it ends with the test's process.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<BTreeMap<String, Reply>>,
    /// Answers to whatever has no reply of its own.
    other: Mutex<Option<Reply>>,
    judge: Mutex<Option<Box<Judge>>>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    sent: AtomicU64,
}

impl StandIn {
    /// Over TLS, for clients with a certificate of this authority; with TLS 1.2, as TAK Server's own
    /// example has it.
    pub fn over_tls(authority: &Authority) -> StandIn {
        let chain = CertificateDer::pem_file_iter(authority.path("server.pem"))
            .expect("a file")
            .collect::<Result<Vec<_>, _>>()
            .expect("certificates");
        let key = PrivateKeyDer::from_pem_file(authority.path("server.key")).expect("a key");
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(authority.path("ca.pem")).expect("a file") {
            roots.add(root.expect("a certificate")).expect("a root");
        }
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .expect("a verifier");
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .expect("TLS 1.2")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .expect("a pair");
        StandIn::start(Some(Arc::new(config)))
    }

    /// Without TLS.
    pub fn plain() -> StandIn {
        StandIn::start(None)
    }

    fn start(tls: Option<Arc<ServerConfig>>) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (shared, tls) = (theirs.clone(), tls.clone());
                std::thread::spawn(move || shared.welcome(socket, tls));
            }
        });
        StandIn { address, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://` or `https://` and so on, without a path.
    pub fn base(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Sets the answer to a path (without its query).
    pub fn reply(&self, path: &str, reply: Reply) {
        self.shared.replies.lock().expect("not poisoned").insert(path.to_owned(), reply);
    }

    /// Sets the answer to every other path, which is 404 at first; the old ones are forgotten.
    pub fn reply_to_all(&self, reply: Reply) {
        self.shared.replies.lock().expect("not poisoned").clear();
        *self.shared.other.lock().expect("not poisoned") = Some(reply);
    }

    /// Lets this decide before all others.
    pub fn judge(&self, judge: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) {
        *self.shared.judge.lock().expect("not poisoned") = Some(Box::new(judge));
    }

    /// All that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("not poisoned").clone()
    }

    /// How often a line such as `GET /path` was asked.
    pub fn count(&self, line: &str) -> usize {
        self.asked().iter().filter(|asked| asked.line == line).count()
    }

    /// How many bytes of bodies have left.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn welcome(&self, socket: TcpStream, tls: Option<Arc<ServerConfig>>) {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        match tls {
            None => self.talk(socket, connection),
            Some(config) => {
                let session = ServerConnection::new(config).expect("a session");
                self.talk(StreamOwned::new(session, socket), connection);
            }
        }
    }

    /// Answers until either side has enough.
    fn talk(&self, mut socket: impl Read + Write, connection: usize) {
        while let Some(asked) = read_request(&mut socket, connection) {
            self.asked.lock().expect("not poisoned").push(asked.clone());
            if self.answer(&mut socket, self.choose(&asked)).is_none() {
                return;
            }
        }
    }

    fn choose(&self, asked: &Asked) -> Reply {
        if let Some(judge) = &*self.judge.lock().expect("not poisoned")
            && let Some(reply) = judge(asked)
        {
            return reply;
        }
        let path = asked.line.split(' ').nth(1).expect("a path");
        let known = self.replies.lock().expect("not poisoned").get(path).cloned();
        known
            .or_else(|| self.other.lock().expect("not poisoned").clone())
            .unwrap_or_else(|| Reply::Status(404, Vec::new()))
    }

    /// `None`: the connection is over.
    fn answer(&self, socket: &mut (impl Read + Write), reply: Reply) -> Option<()> {
        let (status, headers, body) = match reply {
            Reply::Status(status, body) => (status, String::new(), body),
            Reply::With(status, headers, body) => (status, headers, body),
            Reply::Hang => {
                let _until_it_gives_up = socket.read(&mut [0; 1]);
                return None;
            }
            Reply::Raw(bytes) => {
                socket.write_all(&bytes).and_then(|()| socket.flush()).ok()?;
                return None;
            }
            Reply::Huge => return self.pour(socket),
        };
        // Tomcat ends the connection with such a status.
        let drops = matches!(status, 400 | 500 | 501 | 503);
        let close = if drops { "Connection: close\r\n" } else { "" };
        let closes = drops || headers.contains("Connection: close");
        let head = format!(
            "HTTP/1.1 {status} So\r\nContent-Length: {}\r\n{close}{headers}\r\n",
            body.len()
        );
        socket.write_all(&[head.as_bytes(), &body].concat()).and_then(|()| socket.flush()).ok()?;
        (!closes).then_some(())
    }

    fn pour(&self, socket: &mut impl Write) -> Option<()> {
        let size = 100_000_000;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{{\"data\":[");
        socket.write_all(head.as_bytes()).ok()?;
        let block = [b' '; 10_000];
        for _ in 0..size / block.len() {
            socket.write_all(&block).and_then(|()| socket.flush()).ok()?;
            self.sent.fetch_add(block.len() as u64, Ordering::Relaxed);
        }
        None
    }
}

fn read_request(socket: &mut impl Read, connection: usize) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(read_byte(socket)?);
        assert!(head.len() < 16_384, "a request is small");
    }
    let head = String::from_utf8(head).expect("text");
    let line = head.lines().next().expect("a line").trim_end_matches(" HTTP/1.1");
    let line = line.split('?').next().expect("a path").to_owned();
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    socket.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).expect("text");
    Some(Asked { connection, line, head, body })
}

fn read_byte(socket: &mut impl Read) -> Option<u8> {
    let mut byte = [0; 1];
    loop {
        match socket.read(&mut byte) {
            Ok(1) => return Some(byte[0]),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}

/// Who has signed the stand-in's certificate (`server`) and takpulse's (`monitor`).
pub fn authority() -> Authority {
    let authority = Authority::found("TAK");
    authority.sign_server("server");
    authority.sign("monitor");
    authority
}

/// takpulse with one server on this machine, and nothing else of the machine's to be seen.
pub fn watch_port(keys: &str) -> App {
    watch_host("127.0.0.1", keys)
}

/// The same with a server at this host.
pub fn watch_host(host: &str, keys: &str) -> App {
    let nothing = tempfile::tempdir().expect("a directory").keep();
    App::start(&format!(
        "[collect.system]\nenabled = false\n[collect.docker]\nenabled = false\n\
         [host]\nproc = {nothing:?}\nroot = {nothing:?}\n\
         [collect.tak]\ninterval = \"1s\"\nunwatched_interval = \"1s\"\n\
         [[collect.tak.servers]]\nname = \"edge\"\nhost = \"{host}\"\n{keys}\n"
    ))
}

/// The first report.
pub fn report(app: &App) -> Value {
    watch(app).until("a report", |json| json.get("checks").is_some())
}
