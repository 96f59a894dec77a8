//! Starts takpulse and speaks to it over a plain socket, so that nothing a client library does for
//! us hides what is on the wire.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Long enough for the slowest machine; a promise kept takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test: the static release binary under `tests/run`, else cargo's.
pub fn binary() -> PathBuf {
    std::env::var_os("TAKPULSE_TEST_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_takpulse").into(), PathBuf::from)
}

/// The binary, untouched by the settings of whoever runs the tests.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TAKPULSE_") {
            command.env_remove(name);
        }
    }
    command
}

/// A running takpulse in a directory of its own; killed when dropped.
pub struct App {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    dir: tempfile::TempDir,
}

impl App {
    /// Starts it on a free port with this `config.toml`, and returns when it says that it listens.
    pub fn start(config: &str) -> App {
        App::start_on(config, "127.0.0.1:0")
    }

    /// As [`App::start`], on a given address.
    pub fn start_on(config: &str, listen: &str) -> App {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("config.toml"), config).expect("config.toml is written");
        let mut child = command()
            .args(["--listen", listen])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("takpulse starts");
        let log = Arc::new(Mutex::new(String::new()));
        gather(child.stderr.take().expect("stderr is piped"), log.clone());
        let said = Arc::new(Mutex::new(String::new()));
        gather(child.stdout.take().expect("stdout is piped"), said.clone());
        let address = wait_for("takpulse to print its URL", || {
            let said = said.lock().expect("not poisoned");
            let rest = said.split("http://").nth(1)?;
            if let Ok(Some(status)) = child.try_wait() {
                panic!("takpulse ended ({status}): {}", log.lock().expect("not poisoned"));
            }
            rest.split('/').next()?.parse().ok()
        });
        App { child, address, log, dir }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The directory it runs in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("not poisoned").clone()
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the process can be asked").is_none()
    }

    /// Sends a signal by its name without SIG, such as `TERM` or `KILL`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the end of the process and returns its exit code (`None`: ended by a signal).
    pub fn wait(&mut self) -> Option<i32> {
        wait_for("takpulse to end", || self.child.try_wait().expect("can be asked")).code()
    }

    /// Sends a request of these exact bytes and returns the whole answer.
    pub fn raw(&self, request: &[u8]) -> Answer {
        let mut socket = self.connect();
        socket.write_all(request).expect("the request is sent");
        Answer::read(socket)
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.0\r\nHost: takpulse\r\n\r\n").as_bytes())
    }

    /// Opens `/stream` with this query (such as `?topics=alert`, or nothing).
    pub fn stream(&self, query: &str) -> Stream {
        self.stream_with(query, "")
    }

    /// As [`App::stream`], with more header lines, each ended by CRLF.
    pub fn stream_with(&self, query: &str, headers: &str) -> Stream {
        let mut socket = self.connect();
        // HTTP/1.0 gets the frames as they are, without chunks around them.
        let request = format!("GET /stream{query} HTTP/1.0\r\nHost: takpulse\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).expect("the request is sent");
        Stream::open(socket)
    }

    /// A connection to it.
    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("takpulse accepts");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        socket
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            eprintln!("takpulse's log:\n{}", self.log());
        }
    }
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
    fn read(mut socket: impl Read) -> Answer {
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

/// An open `/stream`.
pub struct Stream {
    reader: BufReader<TcpStream>,
    /// The status line and header lines.
    pub head: String,
}

impl Stream {
    fn open(socket: TcpStream) -> Stream {
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("a header line"), 0, "ended in {head:?}");
        }
        Stream { reader, head }
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

    /// Reads on until an event's JSON satisfies `want`; returns it.
    pub fn until(&mut self, what: &str, want: impl Fn(&Value) -> bool) -> Value {
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

/// Sends a signal to a process that the test started.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "signal {name} to {pid}");
}

/// Where a needle starts in a haystack.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Copies what a child prints into a text, on a thread that ends with the child.
fn gather(source: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            let mut text = into.lock().expect("not poisoned");
            text.push_str(&line);
            text.push('\n');
        }
    });
}
