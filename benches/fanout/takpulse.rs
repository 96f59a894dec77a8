//! The server under test: the binary, with the collectors switched off, published to and watched with
//! a token.
//!
//! Each event is posted with an id (`bench-1`), so that its frame is, byte for byte, the raw
//! broadcaster's.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::cores::Cores;
use super::poster::{Manner, Poster};
use super::server::{self, Kind, Streams};
use super::wire::{self, Speech};

/// Cargo builds it for the benchmark, with the profile and the target of the benchmark.
const PROGRAM: &str = env!("CARGO_BIN_EXE_takpulse");

/// The path of the stream.
const STREAM: &str = "/stream";

/// The defaults but for what the benchmark's viewers and its publisher would run into; nothing outside
/// of the directory. With `snapshot`, the host is read once, for whoever comes.
fn configuration(directory: &Path, mode: &str, snapshot: bool) -> String {
    let state = directory.join("state");
    format!(
        "node = \"bench\"
state_dir = {state:?}
[http]
listen = \"127.0.0.1:0\"
max_connections = 100000
max_viewers = 100000
max_viewers_per_address = 100000
# The publisher's connection rests while viewers connect.
header_timeout = \"5m\"
[tls]
mode = \"{mode}\"
[publish]
rate_per_s = 100000
[log]
level = \"warn\"
[collect.system]
enabled = {snapshot}
interval = \"24h\"
unwatched_interval = \"24h\"
[collect.docker]
enabled = false
[collect.tak]
enabled = false
"
    )
}

/// Starts it and waits until it says where it listens.
///
/// # Errors
/// It does not start, or makes no token.
pub fn start(
    directory: &Path,
    kind: Kind,
    snapshot: bool,
    cores: Cores,
) -> io::Result<(Child, Streams, Poster)> {
    let file = directory.join("config.toml");
    let (speech, publishing) = speech(kind).map_err(io::Error::other)?;
    let mode = if let Speech::Plain = speech { "off" } else { "self-signed" };
    std::fs::write(&file, configuration(directory, mode, snapshot))?;
    let token = make_token(&file)?;
    let mut command = takpulse(&file);
    // Not to this shell: it says who guesses passwords, at length.
    let log = directory.join("log");
    command.stdout(Stdio::piped()).stderr(File::create(&log)?);
    let mut child = cores.on_servers_core(|| command.spawn())?;
    let ready = address(&mut child).and_then(|address| {
        let authorization = format!("Authorization: Bearer {token}\r\n");
        let head = Box::new(move |_: &str| authorization.clone());
        let manner = Manner { head, body, accepted: &[202] };
        Ok((address, Poster::connect(address, manner, &publishing)?))
    });
    let (address, publisher) = ready.map_err(|why| {
        server::end(&mut child, &[]);
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        io::Error::other(format!("{why}\n{log}"))
    })?;
    let streams = Streams { address, path: STREAM, token: Some(token), speech };
    Ok((child, streams, publisher))
}

/// How it is watched, and how it is published to: always in HTTP/1.1.
fn speech(kind: Kind) -> Result<(Speech, Speech), rustls::Error> {
    let tls = || wire::client(b"http/1.1", false).map(Speech::Tls);
    Ok(match kind {
        Kind::Tls => (tls()?, tls()?),
        Kind::Http2 => (Speech::Http2(wire::client(b"h2", false)?), tls()?),
        _ => (Speech::Plain, Speech::Plain),
    })
}

/// Without this shell's settings.
fn takpulse(config: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().stdin(Stdio::null()).arg("--config").arg(config);
    command
}

fn make_token(config: &Path) -> io::Result<String> {
    let made =
        takpulse(config).args(["token", "new", "bench", "--scope", "publish,stream"]).output()?;
    if !made.status.success() {
        let why = String::from_utf8_lossy(&made.stderr);
        return Err(io::Error::other(format!("takpulse makes no token: {why}")));
    }
    Ok(String::from_utf8_lossy(&made.stdout).trim().to_owned())
}

/// What it says when it listens: `takpulse 0.1.0 is running: https://127.0.0.1:33445/`.
fn address(child: &mut Child) -> io::Result<SocketAddr> {
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let address = line.trim().rsplit("://").next().unwrap_or_default();
    let address = address.trim_end_matches('/').parse();
    address.map_err(|_| io::Error::other(format!("takpulse does not say where it is: {line:?}")))
}

fn body(number: u64, topic: &str, data: &str) -> String {
    format!("{{\"type\":\"{topic}\",\"data\":{data},\"id\":\"bench-{number}\"}}")
}
