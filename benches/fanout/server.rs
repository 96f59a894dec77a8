//! A server under test as a process of its own, and the way to publish on it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::cores::Cores;
use super::poster::Poster;
use super::wire::Speech;
use super::{nchan, takpulse};

/// Until a server must have started.
const START: Duration = Duration::from_secs(10);
/// For a server to end when it is asked to.
const END: Duration = Duration::from_secs(3);

/// The servers that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The measure: [`super::raw`].
    Raw,
    /// [`super::takpulse`].
    Takpulse,
    /// The same, with its own certificate.
    Tls,
    /// The same, spoken to in HTTP/2: one stream on each connection, the worst case.
    Http2,
    /// [`super::nchan`], where it is installed.
    Nchan,
}

impl Kind {
    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Raw => "raw epoll",
            Kind::Takpulse => "takpulse",
            Kind::Tls => "TLS 1.3",
            Kind::Http2 => "TLS 1.3, HTTP/2",
            Kind::Nchan => "nchan",
        }
    }
}

/// Where a server has its streams, and how they are asked for.
#[derive(Clone)]
pub struct Streams {
    /// Where it listens.
    pub address: SocketAddr,
    /// The path.
    pub path: &'static str,
    /// What lets a viewer in, where somebody asks.
    pub token: Option<String>,
    /// The protocol.
    pub speech: Speech,
}

impl Streams {
    /// Those that anybody may see, unencrypted.
    fn open(address: SocketAddr, path: &'static str) -> Streams {
        Streams { address, path, token: None, speech: Speech::Plain }
    }
}

/// Publishes on a server.
pub trait Publisher {
    /// Has these events published, all at once; does not wait until they are.
    ///
    /// # Errors
    /// The server is gone.
    fn publish(&mut self, topic: &str, data: &[String]) -> io::Result<()>;

    /// Looks after what the server answers, without waiting.
    ///
    /// # Errors
    /// The server is gone, or refuses an event.
    fn attend(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// How many events the server has not answered for yet; some never do.
    fn unanswered(&self) -> usize {
        0
    }
}

/// A running server; it ends when this is dropped.
pub struct Server {
    child: Child,
    /// All its processes.
    pub processes: Vec<u32>,
    /// Where and how it serves streams.
    pub streams: Streams,
    /// The way to publish.
    pub publisher: Box<dyn Publisher>,
    /// What it reads and writes.
    _directory: TempDir,
}

impl Server {
    /// Starts one and waits until it listens. With `snapshot`, takpulse has something to tell those
    /// who come.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(kind: Kind, snapshot: bool, cores: Cores) -> io::Result<Server> {
        let directory = directory()?;
        match kind {
            Kind::Raw => Server::raw(directory, cores),
            Kind::Takpulse | Kind::Tls | Kind::Http2 => {
                let (child, streams, publisher) =
                    takpulse::start(directory.path(), kind, snapshot, cores)?;
                let (processes, publisher) = (vec![child.id()], Box::new(publisher));
                Ok(Server { child, processes, streams, publisher, _directory: directory })
            }
            Kind::Nchan => {
                let (child, processes, address) = nchan::start(directory.path(), cores)?;
                let publisher = Poster::connect(address, nchan::manner(), &Speech::Plain)?;
                let (streams, publisher) =
                    (Streams::open(address, nchan::STREAM), Box::new(publisher));
                Ok(Server { child, processes, streams, publisher, _directory: directory })
            }
        }
    }

    /// This executable again.
    fn raw(directory: TempDir, cores: Cores) -> io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--control").arg(listener.local_addr()?.to_string()).arg("serve-raw");
        let mut child = cores.on_servers_core(|| command.stdin(Stdio::null()).spawn())?;
        let called = meet(&listener, &mut child);
        let (address, control) = called.inspect_err(|_| end(&mut child, &[]))?;
        let (processes, streams) = (vec![child.id()], Streams::open(address, "/"));
        let publisher = Box::new(control);
        Ok(Server { child, processes, streams, publisher, _directory: directory })
    }
}

/// In memory, where there is a place: a log that waits for a busy disk would hold up the stream.
fn directory() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

/// Waits until the server has called and said its address.
fn meet(listener: &TcpListener, child: &mut Child) -> io::Result<(SocketAddr, TcpStream)> {
    listener.set_nonblocking(true)?;
    let control = wait_for(|| match listener.accept() {
        Ok((control, _)) => Ok(Some(control)),
        Err(why) if why.kind() == io::ErrorKind::WouldBlock => match child.try_wait()? {
            Some(status) => Err(io::Error::other(format!("the server has ended: {status}"))),
            None => Ok(None),
        },
        Err(why) => Err(why),
    })?;
    control.set_nonblocking(false)?;
    control.set_nodelay(true)?;
    let mut address = String::new();
    BufReader::new(&control).read_line(&mut address)?;
    let address = address.trim().parse().map_err(io::Error::other)?;
    Ok((address, control))
}

/// Tries until there is something.
///
/// # Errors
/// A try fails, or it takes longer than [`START`].
pub fn wait_for<T>(mut attempt: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    let started = Instant::now();
    while started.elapsed() < START {
        if let Some(found) = attempt()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(io::Error::other("the server did not start in time"))
}

impl Publisher for TcpStream {
    fn publish(&mut self, topic: &str, data: &[String]) -> io::Result<()> {
        let lines: String = data.iter().map(|data| format!("{topic} {data}\n")).collect();
        self.write_all(lines.as_bytes())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child, &self.processes);
    }
}

/// Asks it to end (nginx ends its worker then), and kills what is left after a while.
pub fn end(child: &mut Child, processes: &[u32]) {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = |process: u32, signal| {
        if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
            let _is_gone = kill_process(pid, signal);
        }
    };
    if let Ok(None) = child.try_wait() {
        signal(child.id(), Signal::TERM);
        let started = Instant::now();
        while started.elapsed() < END && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Ok(None) = child.try_wait() {
            processes.iter().for_each(|&process| signal(process, Signal::KILL));
            let _is_gone = child.kill();
        }
    }
    let _ended = child.wait();
}
