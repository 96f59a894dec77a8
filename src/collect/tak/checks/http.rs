//! HTTP/1.1 requests on one connection, one after the other, each bounded.
//!
//! A connection is kept for all that is asked in a round: a TLS handshake with a client certificate
//! costs more than all the questions after it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HOST, HeaderMap, REFERER, SET_COOKIE,
    USER_AGENT,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Trouble;

/// Enough for everything but lists of users.
pub const SMALL_BODY_BYTES: usize = 64 * 1024;

/// No more cookies than this are taken from a response, none longer than [`MAX_COOKIE_BYTES`].
const MAX_COOKIES: usize = 8;

/// What browsers take (RFC 6265, section 6.1).
const MAX_COOKIE_BYTES: usize = 4096;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// From the first slash on, with the query.
    pub path: &'a str,
    /// Of a longer body only the beginning is taken, and the connection is closed.
    pub max_bytes: usize,
    /// The content types that are accepted; Spring answers 406 to the wrong ones.
    pub accept: &'static str,
    /// The `Cookie` header.
    pub cookie: Option<&'a str>,
    /// A body to send; absent: `GET`.
    pub post: Option<Post<'a>>,
}

/// A JSON body and what a form's protection wants to see with it.
#[derive(Clone, Copy)]
pub struct Post<'a> {
    /// JSON.
    pub body: &'a str,
    /// The token against forged requests.
    pub csrf_token: &'a str,
    /// `https://host:port/`.
    pub referer: &'a str,
}

/// A login is not shown.
impl std::fmt::Debug for Post<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Post(MASKED)")
    }
}

impl Request<'_> {
    /// `GET path`, a small body of any type.
    pub fn get(path: &str) -> Request<'_> {
        Request { path, max_bytes: SMALL_BODY_BYTES, accept: "*/*", cookie: None, post: None }
    }

    /// Whether it carries a password or a session.
    pub fn is_secret(&self) -> bool {
        self.cookie.is_some() || self.post.is_some()
    }
}

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether that is all of it.
    pub whole: bool,
    /// The body is packed (gzip), though nobody asked for that.
    pub packed: bool,
    /// `name=value` of each cookie that is set.
    pub cookies: Vec<(String, String)>,
}

type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

/// A connection on which one request is sent after the other.
pub struct Conversation {
    sender: SendRequest<Full<Bytes>>,
    /// Absent: it has ended.
    connection: Option<Connection>,
    used: bool,
}

impl Conversation {
    /// Over a connected socket, or a TLS session on one.
    ///
    /// # Errors
    /// hyper refuses it; it does not today.
    pub async fn open<S>(socket: S) -> Result<Conversation, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        Ok(Conversation { sender, connection: Some(Box::pin(connection)), used: false })
    }

    /// Whether something was asked on it before: then the server may be closing it, as servers do.
    pub fn was_used(&self) -> bool {
        self.used
    }

    /// Whether it can be asked once more; it cannot after an answer with `Connection: close`.
    pub async fn is_ready(&mut self) -> bool {
        if !self.used {
            return true;
        }
        let sender = &mut self.sender;
        let ready = async move { Ok(sender.ready().await?) };
        drive(ready, &mut self.connection).await.is_ok()
    }

    /// Asks once, when it is ready. After an error or half a body the conversation is over.
    ///
    /// # Errors
    /// The connection ends early, or what comes is not HTTP. The caller limits the time.
    pub async fn ask(&mut self, host: &str, request: &Request<'_>) -> Result<Response, Trouble> {
        let message = message(host, request)?;
        let sender = &mut self.sender;
        self.used = true;
        let exchange = async move {
            let response = sender.send_request(message).await?;
            let (head, body) = response.into_parts();
            let (body, whole) = beginning(body, request.max_bytes).await?;
            let packed = head.headers.get(CONTENT_ENCODING).is_some_and(|how| how != "identity");
            let cookies = cookies(&head.headers);
            Ok(Response { status: head.status.as_u16(), body, whole, packed, cookies })
        };
        drive(exchange, &mut self.connection).await
    }
}

/// Runs an exchange and the connection below it. The exchange comes first, so that a TLS alert finds
/// the request that it answers.
async fn drive<T>(
    exchange: impl Future<Output = Result<T, Trouble>>,
    connection: &mut Option<Connection>,
) -> Result<T, Trouble> {
    let mut exchange = std::pin::pin!(exchange);
    poll_fn(|context| {
        loop {
            if let Poll::Ready(result) = exchange.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            let Some(below) = connection else { return Poll::Pending };
            if below.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            // It has ended, and the exchange has been told how.
            *connection = None;
        }
    })
    .await
}

fn message(host: &str, request: &Request<'_>) -> Result<hyper::Request<Full<Bytes>>, Trouble> {
    let mut message = hyper::Request::builder()
        .uri(request.path)
        .header(HOST, host)
        .header(USER_AGENT, "takpulse")
        .header(ACCEPT, request.accept);
    if let Some(cookie) = request.cookie {
        message = message.header(COOKIE, cookie);
    }
    let body = match request.post {
        None => Bytes::new(),
        Some(post) => {
            message = message
                .method("POST")
                .header(CONTENT_TYPE, "application/json")
                .header(REFERER, post.referer)
                .header("X-CSRFToken", post.csrf_token);
            Bytes::copy_from_slice(post.body.as_bytes())
        }
    };
    message
        .body(Full::new(body))
        .map_err(|why| Trouble::Other(format!("{host} makes no HTTP request: {why}")))
}

/// The first bytes of a body, and whether they are all of it.
async fn beginning(
    mut body: hyper::body::Incoming,
    max_bytes: usize,
) -> Result<(Vec<u8>, bool), Trouble> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = max_bytes - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return Ok((bytes, false));
            }
        }
    }
    Ok((bytes, true))
}

fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|value| value.len() <= MAX_COOKIE_BYTES)
        .filter_map(|value| cookie::Cookie::parse(value.to_str().ok()?.to_owned()).ok())
        .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
        .take(MAX_COOKIES)
        .collect()
}

impl From<hyper::Error> for Trouble {
    fn from(error: hyper::Error) -> Trouble {
        if error.is_parse() {
            return Trouble::OtherProtocol;
        }
        let io = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<std::io::Error>());
        match io {
            Some(io) => match io.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(inner) => super::tls::trouble(inner),
                None => std::io::Error::from(io.kind()).into(),
            },
            None if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => {
                Trouble::Closed
            }
            None => Trouble::Other(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A conversation with a server that answers each request with the next of these raw bytes, and
    /// then closes. The requests come back.
    async fn with(answers: &[&[u8]]) -> (Conversation, tokio::task::JoinHandle<Vec<String>>) {
        let (near, mut far) = tokio::io::duplex(1024);
        let answers: Vec<Vec<u8>> = answers.iter().map(|bytes| bytes.to_vec()).collect();
        let asked = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let mut request = [0; 2048];
                let length = far.read(&mut request).await.unwrap_or_default();
                asked.push(String::from_utf8_lossy(&request[..length]).into_owned());
                let _reader_may_be_gone = far.write_all(&answer).await;
            }
            asked
        });
        (Conversation::open(near).await.expect("open"), asked)
    }

    async fn answer_to(bytes: &[u8]) -> Result<Response, Trouble> {
        let (mut talk, _asked) = with(&[bytes]).await;
        talk.ask("127.0.0.1:8080", &Request::get("/")).await
    }

    #[tokio::test]
    async fn an_answer_is_read_and_bounded() {
        let short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntaky-0.10";
        let answer = answer_to(short).await.expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"taky-0.10"[..]));
        assert!(answer.whole && !answer.packed);
        for (length, whole) in [(SMALL_BODY_BYTES, true), (SMALL_BODY_BYTES + 1, false)] {
            let mut long = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
            long.resize(long.len() + length, b'x');
            let answer = answer_to(&long).await.expect("an answer");
            assert_eq!((answer.body.len(), answer.whole), (SMALL_BODY_BYTES, whole));
        }
    }

    #[tokio::test]
    async fn a_body_in_chunks_is_put_together_and_a_packed_one_is_seen() {
        let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntaky\r\n5\r\n-0.10\r\n0\r\n\r\n";
        assert_eq!(answer_to(chunks).await.expect("an answer").body, b"taky-0.10");
        let packed =
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b";
        assert!(answer_to(packed).await.expect("an answer").packed);
    }

    #[tokio::test]
    async fn one_connection_carries_many_questions_and_no_more_than_is_asked_for() {
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: session=s1; Path=/; HttpOnly\r\n\r\nok";
        let last = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let (mut talk, asked) = with(&[ok, ok, last]).await;
        let first = talk.ask("tak:1", &Request::get("/a")).await.expect("an answer");
        assert_eq!(first.cookies, [("session".to_owned(), "s1".to_owned())]);
        let body = "{\"username\":\"u\"}";
        let post = Post { body, csrf_token: "t", referer: "https://tak:1/" };
        let login = Request { post: Some(post), cookie: Some("a=b"), ..Request::get("/b") };
        assert!(talk.is_ready().await);
        assert_eq!(talk.ask("tak:1", &login).await.expect("an answer").status, 200);
        assert!(talk.is_ready().await);
        assert_eq!(talk.ask("tak:1", &Request::get("/c")).await.expect("an answer").status, 500);
        assert!(!talk.is_ready().await, "the server said so");
        let asked = asked.await.expect("it ends");
        assert_eq!(
            asked[0],
            "GET /a HTTP/1.1\r\nhost: tak:1\r\nuser-agent: takpulse\r\naccept: */*\r\n\r\n"
        );
        assert!(asked[1].starts_with("POST /b HTTP/1.1\r\n"), "{}", asked[1]);
        assert!(asked[1].contains("cookie: a=b\r\n") && asked[1].ends_with(body), "{}", asked[1]);
        assert_eq!(format!("{login:?}").matches("username").count(), 0, "{login:?}");
    }

    #[tokio::test]
    async fn garbage_is_trouble() {
        let cases: [(&[u8], Trouble); 6] = [
            (b"", Trouble::Closed),
            (b"\x15\x03\x03\0\x02\x02\x46", Trouble::OtherProtocol),
            (b"<event/>", Trouble::OtherProtocol),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntak", Trouble::Closed),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntak", Trouble::Closed),
            (b"HTTP/1.1 200 OK\r\n", Trouble::Closed),
        ];
        for (bytes, want) in cases {
            let trouble = answer_to(bytes).await.expect_err("trouble");
            assert_eq!(trouble, want, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
