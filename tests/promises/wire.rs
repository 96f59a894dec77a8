//! Speaks to takpulse over a plain socket, so that nothing a client library does for us hides what is
//! on the wire.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::credentials::{AUTHORIZATION, authorized};

/// Long enough for the slowest machine; a promise kept takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("takpulse accepts");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    socket
}

/// Sends a request with the tests' token and returns the whole answer.
pub fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    anonymous(address, &authorized(request))
}

/// Sends a request of these exact bytes and returns the whole answer.
pub fn anonymous(address: SocketAddr, request: &[u8]) -> Answer {
    let mut socket = connect(address);
    // A server that refuses half-way may close before it has read everything.
    let _refused = socket.write_all(request);
    Answer::read(socket)
}

/// `GET path`, with the tests' token.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    raw(address, format!("GET {path} HTTP/1.0\r\nHost: takpulse\r\n\r\n").as_bytes())
}

/// An HTTP answer, whole.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The status line and header lines.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads to the end.
    pub fn read(mut socket: impl Read) -> Answer {
        let mut bytes = Vec::new();
        // A reset after the answer is the server's way to end a request that it refused half-way.
        if let Err(why) = socket.read_to_end(&mut bytes) {
            assert!(!bytes.is_empty(), "no answer: {why}");
        }
        let end = find(&bytes, b"\r\n\r\n").expect("the head ends") + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).expect("the head is text");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Answer { status, head, body: bytes[end..].to_vec() }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// One dispatched SSE event.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatched {
    /// The event's name.
    pub event: String,
    /// Its data; several lines are joined by `\n`.
    pub data: String,
    /// Its id, when the frame has one.
    pub id: Option<String>,
}

impl Dispatched {
    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|why| panic!("{why}: {}", self.data))
    }
}

/// An open `/stream`, over whatever carries it.
pub struct Stream<S = TcpStream> {
    reader: BufReader<S>,
}

impl Stream {
    /// Opens `/stream` with this query and these header lines, each ended by CRLF, with the tests' token.
    pub fn open(address: SocketAddr, query: &str, headers: &str) -> Stream {
        Stream::open_at(connect(address), &format!("/stream{query}"), headers)
    }
}

impl<S: Read + Write> Stream<S> {
    /// As [`Stream::open`], at this path with its query, on this connection.
    pub fn open_at(mut socket: S, target: &str, headers: &str) -> Stream<S> {
        // HTTP/1.0 gets the frames as they are, without chunks around them.
        let request =
            format!("GET {target} HTTP/1.0\r\nHost: takpulse\r\n{AUTHORIZATION}{headers}\r\n");
        socket.write_all(request.as_bytes()).expect("the request is sent");
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("a header line"), 0, "ended in {head:?}");
        }
        Stream { reader }
    }
}

impl<S: Read> Stream<S> {
    /// The frames that somebody else has asked for.
    pub fn of(frames: S) -> Stream<S> {
        Stream { reader: BufReader::new(frames) }
    }

    /// The next frame (comments and `retry:` too), up to and with its blank line; `None` at the end.
    pub fn frame(&mut self) -> Option<String> {
        let mut frame = String::new();
        while !frame.ends_with("\n\n") {
            match self.reader.read_line(&mut frame) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(why) => panic!("the stream is silent or broken: {why}, after {frame:?}"),
            }
        }
        Some(frame)
    }

    /// The next event that a browser would dispatch; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<Dispatched> {
        loop {
            let frame = self.frame()?;
            let field = |name: &str| {
                frame.lines().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>()
            };
            let data = field("data:");
            if !data.is_empty() {
                return Some(Dispatched {
                    event: field("event:").join(""),
                    data: data.join("\n"),
                    id: field("id:").first().map(|id| (*id).to_owned()),
                });
            }
        }
    }

    /// Reads to the end, which is a proper one; returns the last frame.
    pub fn last_frame(&mut self) -> String {
        std::iter::from_fn(|| self.frame()).last().unwrap_or_default()
    }

    /// Reads on until an event's JSON satisfies `want`; returns it.
    pub fn until(&mut self, what: &str, mut want: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < deadline {
            let Some(event) = self.next() else { panic!("the stream ended before {what}: {last}") };
            if event.event == "ping" {
                continue;
            }
            let json = event.json();
            if want(&json) {
                return json;
            }
            last = event.data;
        }
        panic!("waited in vain for {what}; the last event: {last}")
    }
}

/// Asks until there is an answer; panics when patience ends.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where a needle starts in a haystack.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
