//! Starts takpulse as its users do: a process with a `config.toml` in its directory.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::credentials;
use crate::wire;
pub use crate::wire::{Answer, Stream, wait_for};

/// The binary under test: the static release binary under `tests/run`, else cargo's.
pub fn binary() -> PathBuf {
    std::env::var_os("TEST_TAKPULSE_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_takpulse").into(), PathBuf::from)
}

/// The binary, untouched by the settings of whoever runs the tests.
pub fn command() -> Command {
    untouched(Command::new(binary()))
}

fn untouched(mut command: Command) -> Command {
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
    said: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    dir: tempfile::TempDir,
}

impl App {
    /// Starts it on a free port with this `config.toml`, and returns when it says that it listens.
    pub fn start(config: &str) -> App {
        App::start_on(config, "127.0.0.1:0")
    }

    /// As [`App::start`], but nobody has decided on a password.
    pub fn start_afresh(config: &str) -> App {
        let mut command = command();
        command.env("TAKPULSE_ADMIN_PASSWORD", "");
        App::spawn(command, config, "127.0.0.1:0")
    }

    /// As [`App::start`], on a given address.
    pub fn start_on(config: &str, listen: &str) -> App {
        App::spawn(command(), config, listen)
    }

    /// As [`App::start`], through a program that takes the binary as its argument.
    pub fn start_through(program: &str, arguments: &[&str], config: &str) -> App {
        let mut command = untouched(Command::new(program));
        command.args(arguments).arg(binary());
        App::spawn(command, config, "127.0.0.1:0")
    }

    /// Starts it once more, when it has ended: in the same directory, at the same address.
    pub fn start_again(mut self) -> App {
        self.wait();
        // What is dropped here has ended, and only its directory is needed.
        let (nowhere, listen) =
            (tempfile::tempdir().expect("a directory"), self.address.to_string());
        App::spawn_in(std::mem::replace(&mut self.dir, nowhere), command(), &listen)
    }

    fn spawn(command: Command, config: &str, listen: &str) -> App {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("config.toml"), config).expect("config.toml is written");
        credentials::keep_token(&dir.path().join("state"));
        App::spawn_in(dir, command, listen)
    }

    fn spawn_in(dir: tempfile::TempDir, mut command: Command, listen: &str) -> App {
        if command.get_envs().all(|(name, _)| name != "TAKPULSE_ADMIN_PASSWORD") {
            command.env("TAKPULSE_ADMIN_PASSWORD", credentials::PASSWORD);
        }
        let mut child = command
            .args(["--listen", listen])
            .current_dir(dir.path())
            .env("TAKPULSE_STATE_DIR", "state")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("takpulse starts");
        let log = Arc::new(Mutex::new(String::new()));
        gather(child.stderr.take().expect("stderr is piped"), log.clone());
        let said = Arc::new(Mutex::new(String::new()));
        gather(child.stdout.take().expect("stdout is piped"), said.clone());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut app = App { child, address: nowhere, said: said.clone(), log, dir };
        app.address = wait_for("takpulse to print its URL", || {
            assert!(app.is_running(), "takpulse has ended: {}", app.log());
            let said = said.lock().expect("not poisoned");
            said.split("://").nth(1)?.split('/').next()?.parse().ok()
        });
        app
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for a browser, as it was printed, without the last slash.
    pub fn origin(&self) -> String {
        let said = self.said();
        let scheme = if said.contains("https://") { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The directory it runs in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What it has printed so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("not poisoned").clone()
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

    /// Sends a request with the tests' token and returns the whole answer.
    pub fn raw(&self, request: &[u8]) -> Answer {
        wire::raw(self.address, request)
    }

    /// Sends a request of these exact bytes and returns the whole answer.
    pub fn anonymous(&self, request: &[u8]) -> Answer {
        wire::anonymous(self.address, request)
    }

    /// `GET path`, with the tests' token.
    pub fn get(&self, path: &str) -> Answer {
        wire::get(self.address, path)
    }

    /// Opens `/stream` with this query (such as `?topics=alert`, or nothing).
    pub fn stream(&self, query: &str) -> Stream {
        self.stream_with(query, "")
    }

    /// As [`App::stream`], with more header lines, each ended by CRLF.
    pub fn stream_with(&self, query: &str, headers: &str) -> Stream {
        Stream::open(self.address, query, headers)
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

/// Sends a signal to a process that the test started.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "signal {name} to {pid}");
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
