//! The program under test with its Docker collector alone, and a viewer, so that it reads at the
//! interval for those who watch.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::app::wait_for;
use super::engine::Engine;

/// The binary: the one that is named, or else the one that cargo built for the benchmark.
pub fn program() -> PathBuf {
    let named = std::env::var_os("TEST_TAKPULSE_BIN");
    named.map_or_else(|| env!("CARGO_BIN_EXE_takpulse").into(), PathBuf::from)
}

/// A running takpulse with a viewer; it ends when this is dropped.
pub struct Takpulse {
    child: Child,
    seen: Arc<Seen>,
    _dir: tempfile::TempDir,
}

/// What the viewer was sent.
#[derive(Default)]
struct Seen {
    reports: AtomicUsize,
    /// Of the last report: containers with all that rates need.
    containers: AtomicUsize,
}

impl Takpulse {
    /// Starts it on this engine.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(engine: &Engine, interval: Duration) -> Takpulse {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config.toml");
        std::fs::write(&file, configuration(dir.path(), engine, interval)).expect("written");
        let token = command(&file).args(["token", "new", "bench", "--scope", "stream"]).output();
        let token = String::from_utf8(token.expect("takpulse runs").stdout).expect("a token");
        let log = File::create(dir.path().join("log")).expect("a log");
        let mut child =
            command(&file).stdout(Stdio::piped()).stderr(log).spawn().expect("takpulse starts");
        let mut said = String::new();
        let output = child.stdout.take().expect("stdout is piped");
        BufReader::new(output).read_line(&mut said).expect("it says where it is");
        let address = said.trim().rsplit("://").next().unwrap_or_default().trim_end_matches('/');
        let seen = Arc::<Seen>::default();
        let viewer = TcpStream::connect(address).unwrap_or_else(|why| {
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            panic!("takpulse says {said:?}: {why}\n{log}")
        });
        let its = seen.clone();
        thread::spawn(move || view(viewer, token.trim(), &its));
        Takpulse { child, seen, _dir: dir }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many reports the viewer has been sent.
    pub fn reports(&self) -> usize {
        self.seen.reports.load(Ordering::Relaxed)
    }

    /// Waits until it tells the figures of so many containers.
    pub fn wait_for_containers(&self, count: usize) {
        wait_for("takpulse to see the containers", || {
            let seen = self.seen.containers.load(Ordering::Relaxed);
            (self.reports() > 0 && seen == count).then_some(())
        });
    }
}

impl Drop for Takpulse {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn configuration(dir: &Path, engine: &Engine, interval: Duration) -> String {
    format!(
        "node = \"bench\"\nstate_dir = {:?}\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [log]\nlevel = \"warn\"\n[stream]\nhistory_events = 1\n[collect.system]\nenabled = false\n\
         [collect.tak]\nenabled = false\n[collect.docker]\nhost = {:?}\ninterval = \"{}s\"\n",
        dir.join("state"),
        engine.host(),
        interval.as_secs(),
    )
}

/// Without this shell's settings.
fn command(config: &Path) -> Command {
    let mut command = Command::new(program());
    command.env_clear().stdin(Stdio::null()).arg("--config").arg(config);
    command
}

/// Takes what comes, to the end.
fn view(mut connection: TcpStream, token: &str, seen: &Seen) {
    let request = format!(
        "GET /stream?topics=docker_status HTTP/1.0\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).expect("asked");
    for line in BufReader::new(connection).lines().map_while(Result::ok) {
        let Some(data) = line.strip_prefix("data:") else { continue };
        let Ok(report) = serde_json::from_str::<Value>(data) else { continue };
        let Some(containers) = report["containers"].as_array() else { continue };
        let is_known = |one: &&Value| one["cpu_percent"].is_f64() && one["memory_bytes"].is_u64();
        seen.containers.store(containers.iter().filter(is_known).count(), Ordering::Relaxed);
        seen.reports.fetch_add(1, Ordering::Relaxed);
    }
}
