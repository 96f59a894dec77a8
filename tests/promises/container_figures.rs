//! What containers use is read from the kernel: it is what the engine itself would say, and the engine
//! is not asked.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::{Answer, App, Stream, wait_for};
use crate::engine::Engine;
use crate::wire::{PATIENCE, find};

/// By how much figures may differ that were read a moment apart.
const TOLERANCE: f64 = 0.02;

/// Rates are compared over so many seconds: what lies between our reading and the engine's is small
/// beside it.
const WINDOW: &str = "3s";

/// Docker's collector alone, with these lines before its own.
fn config(socket: &Path, interval: &str, before: &str) -> String {
    format!(
        "{before}\n[collect.system]\nenabled = false\n[collect.tak]\nenabled = false\n\
         [collect.docker]\nhost = \"unix://{}\"\ninterval = \"{interval}\"\n\
         unwatched_interval = \"1h\"\n",
        socket.display()
    )
}

fn socket(engine: &Engine) -> PathBuf {
    engine.host().trim_start_matches("unix://").into()
}

/// A container in a report.
fn container<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    report["containers"].as_array()?.iter().find(|container| container["name"] == name)
}

/// What the engine counts for a container, asked for it itself.
#[derive(Clone, Debug)]
struct Counted {
    at: Instant,
    stats: Value,
}

impl Counted {
    fn ask(engine: &Engine, name: &str) -> Counted {
        let mut socket = UnixStream::connect(socket(engine)).expect("the engine accepts");
        let path = format!("/v1.41/containers/{name}/stats?stream=false&one-shot=true");
        let request = format!("GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("asked");
        let stats = Answer::read(socket).json();
        Counted { at: Instant::now(), stats }
    }

    fn number(&self, pointer: &str) -> Option<f64> {
        self.stats.pointer(pointer)?.as_f64()
    }

    /// By how much this grew each second.
    fn rate(&self, before: &Counted, pointer: &str) -> Option<f64> {
        let grown = self.number(pointer)? - before.number(pointer)?;
        Some(grown / (self.at - before.at).as_secs_f64())
    }
}

fn is_close(ours: Option<f64>, theirs: Option<f64>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= TOLERANCE * theirs.abs(),
        (ours, theirs) => ours == theirs,
    }
}

/// A figure as the engine counts it between two answers.
type Between = fn(&Counted, &Counted) -> Option<f64>;

/// Follows the reports until a container's figures are those that the engine counts between two of
/// them. What else the machine does may come between, so it has more than one chance.
fn agree(stream: &mut Stream, engine: &Engine, name: &str, figures: &[(&str, Between)]) {
    let mut before: Option<Counted> = None;
    let mut last = String::new();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let report = stream.until(name, |report| container(report, name).is_some());
        let ours = container(&report, name).expect("just seen");
        let now = Counted::ask(engine, name);
        // Reports that nobody waited for say nothing about this stretch.
        let is_whole = |before: &&Counted| now.at - before.at > Duration::from_secs(2);
        if let Some(before) = before.as_ref().filter(is_whole) {
            let pairs = figures
                .iter()
                .map(|(figure, theirs)| (*figure, ours[*figure].as_f64(), theirs(before, &now)));
            let pairs: Vec<_> = pairs.collect();
            if pairs.iter().all(|(_, ours, theirs)| is_close(*ours, *theirs)) {
                return;
            }
            last = format!("{pairs:?}");
        }
        before = Some(now);
    }
    panic!("{name}: figure, ours, the engine's: {last}");
}

fn cpu(before: &Counted, now: &Counted) -> Option<f64> {
    Some(now.rate(before, "/cpu_stats/cpu_usage/total_usage")? / 1e7)
}

fn memory(_: &Counted, now: &Counted) -> Option<f64> {
    let cache = now.number("/memory_stats/stats/total_inactive_file");
    let cache = cache.or_else(|| now.number("/memory_stats/stats/inactive_file"))?;
    Some(now.number("/memory_stats/usage")? - cache)
}

fn received(before: &Counted, now: &Counted) -> Option<f64> {
    now.rate(before, "/networks/eth0/rx_bytes")
}

fn pids(_: &Counted, now: &Counted) -> Option<f64> {
    now.number("/pids_stats/current")
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn figures_are_within_two_percent_of_what_the_engine_counts() {
    let engine = Engine::start();
    let network = engine.network();
    engine.container("burner", &["--cpus", "0.5"], "while :; do :; done");
    let held = "dd if=/dev/zero of=/dev/shm/held bs=1M count=64 && exec sleep 9999";
    engine.container("hog", &["--shm-size", "80m"], held);
    let crowd = "for i in 1 2 3 4 5; do sleep 9999 & done; wait";
    engine.container("crowd", &[], crowd);
    engine.container("netted", &["--network", network], "exec sleep 9999");
    engine.container("hosts", &["--network", "host"], "exec sleep 9999");
    let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = engine.docker(&["inspect", "-f", address, "netted"]);
    let _sends = Sender::start(&address);
    let app = App::start(&config(&socket(&engine), WINDOW, ""));
    let mut stream = app.stream("?topics=docker_status");

    agree(&mut stream, &engine, "burner", &[("cpu_percent", cpu), ("pids", pids)]);
    agree(&mut stream, &engine, "hog", &[("memory_bytes", memory), ("pids", pids)]);
    agree(&mut stream, &engine, "crowd", &[("memory_bytes", memory), ("pids", pids)]);
    agree(&mut stream, &engine, "netted", &[("network_rx_bytes_per_s", received)]);
    let report = stream.until("all that is counted", |report| {
        container(report, "netted").is_some_and(|netted| netted["cpu_percent"].is_f64())
    });
    for name in ["burner", "hosts"] {
        let without = container(&report, name).expect("it runs");
        assert!(without["network_rx_bytes_per_s"].is_null(), "no network of its own: {without}");
        assert!(without["network_tx_bytes_per_s"].is_null(), "no network of its own: {without}");
        assert!(without["memory_bytes"].is_u64(), "{without}");
    }
    assert!(report["missing"].is_null(), "{report}");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn the_engine_is_asked_for_figures_only_where_the_kernels_files_cannot_be_read() {
    let engine = Engine::start();
    engine.container("worker", &[], "while :; do sleep 0.1; done");
    let know_it_all = |report: &Value| {
        container(report, "worker")
            .is_some_and(|worker| worker["cpu_percent"].is_f64() && worker["memory_bytes"].is_u64())
    };
    let witness = Witness::start(&socket(&engine));
    let app = App::start(&config(&witness.socket(), "1s", ""));
    let mut stream = app.stream("?topics=docker_status");
    for _ in 0..5 {
        stream.until("figures from the kernel", know_it_all);
    }
    assert!(witness.heard("/containers/"), "it listens");
    assert!(!witness.heard("/stats"), "{}", witness.text());
    drop((stream, app));

    // As it is for an engine on another machine.
    let nowhere = tempfile::tempdir().expect("a directory");
    let elsewhere = format!("[host]\nproc = {0:?}\nsys = {0:?}\n", nowhere.path());
    let app = App::start(&config(&witness.socket(), "1s", &elsewhere));
    app.stream("?topics=docker_status").until("figures from the engine", know_it_all);
    assert!(witness.heard("/stats"), "it listens");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn containers_that_are_removed_while_they_are_read_trouble_nobody() {
    let engine = Engine::start();
    engine.container("stays", &[], "exec sleep 9999");
    let app = App::start(&config(&socket(&engine), "1s", ""));
    let mut stream = app.stream("?topics=docker_status");
    for round in 0..3 {
        let names: Vec<String> = (0..8).map(|number| format!("goes-{round}-{number}")).collect();
        for name in &names {
            engine.container(name, &[], "exec sleep 9999");
        }
        stream.until("all of them", |report| {
            assert_eq!(report["engine"]["status"], "ok", "{report}");
            names
                .iter()
                .all(|name| container(report, name).is_some_and(|one| one["memory_bytes"].is_u64()))
        });
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        thread::scope(|scope| {
            scope.spawn(|| engine.docker(&[&["rm", "-f"][..], &names].concat()));
            stream.until("none of them", |report| {
                assert_eq!(report["engine"]["status"], "ok", "{report}");
                assert!(container(report, "stays").is_some_and(|one| one["running"] == true));
                names.iter().all(|name| container(report, name).is_none())
            });
        });
    }
    let report = stream.until("the one that stays", |report| {
        container(report, "stays").is_some_and(|one| one["cpu_percent"].is_f64())
    });
    assert_eq!(report["totals"]["running"], 1, "{report}");
    // What belonged to the others is closed, at the next reading.
    wait_for("the files of those that are gone to be closed", || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", app.pid())).expect("its files");
        let names = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        let of_groups = names.filter(|name| name.to_string_lossy().contains("/cgroup/"));
        // Those of the one that stays are in the same directories, or in one with v2.
        let ids: HashSet<PathBuf> =
            of_groups.filter_map(|name| Some(name.parent()?.file_name()?.into())).collect();
        (ids.len() == 1).then_some(())
    });
}

/// Sends about 100 kB/s to an address, until it is dropped.
struct Sender {
    stop: Arc<Mutex<bool>>,
}

impl Sender {
    fn start(address: &str) -> Sender {
        let (stop, target) = (Arc::new(Mutex::new(false)), (address.to_owned(), 9_u16));
        let stopped = stop.clone();
        thread::spawn(move || {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
            let started = Instant::now();
            let mut sent = 0_u32;
            while !*stopped.lock().expect("not poisoned") {
                // What a busy machine delays is made up for.
                while f64::from(sent) < started.elapsed().as_secs_f64() * 100.0 {
                    let _nobody_listens = socket.send_to(&[0; 1000], (target.0.as_str(), target.1));
                    sent += 1;
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        Sender { stop }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        *self.stop.lock().expect("not poisoned") = true;
    }
}

/// A socket before the engine's, which remembers what was asked through it.
struct Witness {
    dir: tempfile::TempDir,
    asked: Arc<Mutex<Vec<u8>>>,
}

impl Witness {
    fn start(engine: &Path) -> Witness {
        let dir = tempfile::Builder::new().prefix("tpw").tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
        let asked = Arc::<Mutex<Vec<u8>>>::default();
        let (engine, memory) = (engine.to_owned(), asked.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&engine) else { continue };
                let (from, to) = (client.try_clone(), server.try_clone());
                let (from, to) = (from.expect("a second handle"), to.expect("a second handle"));
                let memory = memory.clone();
                thread::spawn(move || pass(from, to, Some(&memory)));
                thread::spawn(move || pass(server, client, None));
            }
        });
        Witness { dir, asked }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    fn heard(&self, what: &str) -> bool {
        find(&self.asked.lock().expect("not poisoned"), what.as_bytes()).is_some()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.asked.lock().expect("not poisoned")).into_owned()
    }
}

/// Passes on what comes until one of them ends, and then ends the other.
fn pass(mut from: UnixStream, mut to: UnixStream, memory: Option<&Mutex<Vec<u8>>>) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if let Some(memory) = memory {
            memory.lock().expect("not poisoned").extend_from_slice(&buffer[..length]);
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ended_already = to.shutdown(std::net::Shutdown::Both);
}
