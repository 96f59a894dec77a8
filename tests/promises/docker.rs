//! The containers of a real Docker Engine: what happens to one is seen at once, its figures are
//! those of `docker stats`, and an engine that goes away comes back without anybody's help.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, Stream};
use crate::engine::Engine;

/// An interval of an hour proves that what is seen earlier was seen because it happened.
const EVENTS_ONLY: &str = "1h";

fn config(engine: &Engine, interval: &str) -> String {
    format!(
        "[collect.system]\nenabled = false\n[collect.tak]\nenabled = false\n\
         [collect.docker]\nhost = \"{}\"\ninterval = \"{interval}\"\nunwatched_interval = \"1h\"\n",
        engine.host()
    )
}

/// A container in a report.
fn container<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    report["containers"].as_array()?.iter().find(|container| container["name"] == name)
}

/// Waits for a container to be as wanted; returns it.
fn see(stream: &mut Stream, name: &str, what: &str, want: impl Fn(&Value) -> bool) -> Value {
    let report = stream
        .until(&format!("{name}: {what}"), |report| container(report, name).is_some_and(&want));
    container(&report, name).cloned().unwrap_or_default()
}

/// Waits for a container's field to have this value; returns the container.
fn see_field(stream: &mut Stream, name: &str, field: &str, value: Value) -> Value {
    see(stream, name, &format!("{field} is {value}"), |container| container[field] == value)
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn what_happens_to_a_container_is_seen_as_it_happens() {
    let engine = Engine::start();
    let app = App::start(&config(&engine, EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    let first = stream.until("an empty engine", |report| report["engine"]["status"] == "ok");
    assert_eq!(first["containers"], json!([]));
    assert_eq!(first["totals"]["containers"], 0);
    assert!(first["engine"]["version"].is_string(), "{first}");
    assert!(first["engine"]["message"].is_null(), "{first}");

    // Started, and stopped by its own decision.
    let project = ["--label", "com.docker.compose.project=tak"];
    let service = ["--label", "com.docker.compose.service=db"];
    let options = [&project[..], &service, &["--memory", "64m"]].concat();
    let polite = "trap 'exit 7' TERM; while :; do sleep 0.05; done";
    let id = engine.container("polite", &options, polite);
    let seen = see_field(&mut stream, "polite", "running", json!(true));
    assert_eq!(seen["state"], "running");
    assert_eq!(seen["image"], "probe");
    assert_eq!(seen["id"], json!(id[..12]));
    assert_eq!((&seen["project"], &seen["service"]), (&json!("tak"), &json!("db")));
    assert!(seen["started_at"].as_f64().is_some_and(|at| at > 1.7e9), "{seen}");
    assert!(seen["exit_code"].is_null() && seen["health"].is_null(), "{seen}");
    let seen = see(&mut stream, "polite", "its figures, without a tick", |container| {
        container["memory_bytes"].is_u64() && container["cpu_percent"].is_f64()
    });
    assert_eq!(seen["memory_limit_bytes"], 64 << 20);
    engine.docker(&["stop", "polite"]);
    let seen = see_field(&mut stream, "polite", "state", json!("exited"));
    assert_eq!(seen["exit_code"], 7, "{seen}");
    assert_eq!(seen["running"], false);
    assert!(seen["memory_bytes"].is_null() && seen["cpu_percent"].is_null(), "{seen}");

    // Started again, killed, renamed, removed.
    engine.docker(&["start", "polite"]);
    let seen = see_field(&mut stream, "polite", "state", json!("running"));
    assert!(seen["exit_code"].is_null(), "{seen}");
    engine.docker(&["kill", "polite"]);
    let seen = see_field(&mut stream, "polite", "state", json!("exited"));
    assert_eq!(seen["exit_code"], 137, "{seen}");
    engine.docker(&["rename", "polite", "renamed"]);
    see_field(&mut stream, "renamed", "state", json!("exited"));
    engine.docker(&["rm", "renamed"]);
    stream.until("it to be gone", |report| report["containers"] == json!([]));

    // Paused.
    engine.container("sleeper", &[], "exec sleep 9999");
    see_field(&mut stream, "sleeper", "running", json!(true));
    engine.docker(&["pause", "sleeper"]);
    let seen = see_field(&mut stream, "sleeper", "state", json!("paused"));
    assert_eq!(seen["running"], false);
    engine.docker(&["unpause", "sleeper"]);
    see_field(&mut stream, "sleeper", "state", json!("running"));

    // In a restart loop.
    engine.container("loop", &["--restart", "always"], "exit 5");
    let seen = see(&mut stream, "loop", "restarted twice", |container| {
        container["restart_count"].as_u64() >= Some(2) && container["state"] == "restarting"
    });
    assert_eq!(seen["exit_code"], 5, "{seen}");
    engine.docker(&["rm", "-f", "loop"]);

    // Sick, and well again.
    let check =
        ["--health-cmd", "test -e /well", "--health-interval", "1s", "--health-retries", "1"];
    engine.container("patient", &check, "touch /well; exec sleep 9999");
    see_field(&mut stream, "patient", "health", json!("healthy"));
    engine.docker(&["exec", "patient", "rm", "/well"]);
    let report = stream.until("an unhealthy container", |report| {
        container(report, "patient").is_some_and(|patient| patient["health"] == "unhealthy")
    });
    assert_eq!(report["totals"]["unhealthy"], 1, "{report}");
    assert_eq!(report["totals"]["running"], 2, "{report}");
    engine.docker(&["exec", "patient", "touch", "/well"]);
    see_field(&mut stream, "patient", "health", json!("healthy"));
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn figures_are_those_of_docker_stats() {
    const MIB: u64 = 1 << 20;
    let engine = Engine::start();
    let network = engine.network();
    engine.container("burner", &[], "while :; do :; done");
    let hold = "dd if=/dev/zero of=/dev/shm/held bs=1M count=40 && exec sleep 9999";
    engine.container("hog", &["--shm-size", "64m", "--memory", "256m"], hold);
    let cache = "dd if=/dev/zero of=/tmp/file bs=1M count=60 && exec sleep 9999";
    engine.container("cache", &[], cache);
    engine.container("netted", &["--network", network], "exec sleep 9999");
    let app = App::start(&config(&engine, "1s"));
    let mut stream = app.stream("?topics=docker_status");

    // A core is fully used, unless the machine has none left: what Docker says is the measure.
    see(&mut stream, "burner", "about what docker stats says", |container| {
        let said = engine.docker(&["stats", "--no-stream", "--format", "{{.CPUPerc}}", "burner"]);
        let said: f64 = said.trim_end_matches('%').parse().expect("a percentage");
        let ours = container["cpu_percent"].as_f64().unwrap_or_default();
        assert!(ours < 150.0, "one busy loop cannot use {ours} %");
        ours > 10.0 && ours > said / 2.0 && ours < said * 2.0
    });
    let idle = see(&mut stream, "hog", "its processor time", |c| c["cpu_percent"].is_f64());
    assert!(idle["cpu_percent"].as_f64() < Some(50.0), "{idle}");

    // Memory that is held counts, file cache does not; the host's memory is no limit.
    let hog = see(&mut stream, "hog", "40 MiB held", |container| {
        container["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 38 * MIB)
    });
    assert!(hog["memory_bytes"].as_u64() < Some(60 * MIB), "{hog}");
    assert_eq!(hog["memory_limit_bytes"], 256 * MIB);
    assert_eq!(hog["pids"], 1);
    let cached = see(&mut stream, "cache", "its memory", |c| c["memory_bytes"].is_u64());
    assert!(cached["memory_bytes"].as_u64() < Some(20 * MIB), "{cached}");
    assert!(cached["memory_limit_bytes"].is_null(), "{cached}");
    assert!(cached["network_rx_bytes_per_s"].is_null(), "no network, no rate: {cached}");

    // What the host sends is what the container receives.
    let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = engine.docker(&["inspect", "-f", address, "netted"]);
    while_sending(&address, || {
        see(&mut stream, "netted", "some 100 kB/s received", |container| {
            let rate = container["network_rx_bytes_per_s"].as_u64();
            assert!(rate < Some(1_000_000), "{container}");
            rate > Some(20_000)
        });
    });
    let report = stream.until("the totals", |report| {
        report["totals"]["cpu_percent"].is_f64() && report["totals"]["memory_bytes"].is_u64()
    });
    assert_eq!(report["totals"]["running"], 4);
}

/// Does this while about 100 kB/s are sent to the address.
fn while_sending(address: &str, work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            while !done.load(Ordering::Relaxed) {
                let _nobody_listens = socket.send_to(&[0; 1000], (address, 9));
                thread::sleep(Duration::from_millis(10));
            }
        });
        let _stops_at_the_end = Stop(&done);
        work();
    });
}

/// Says so when it is dropped, also by a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn an_engine_that_goes_away_is_told_and_comes_back() {
    let mut engine = Engine::prepare();
    let mut app = App::start(&config(&engine, EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    see_engine(&mut stream, "unavailable", "is Docker installed and running?");

    engine.run();
    stream.until("the engine", |report| report["engine"]["status"] == "ok");
    engine.container("worker", &[], "exec sleep 9999");
    see_field(&mut stream, "worker", "running", json!(true));

    engine.kill();
    let report = see_engine(&mut stream, "unavailable", "sudo systemctl start docker");
    assert_eq!(report["containers"], json!([]));
    assert!(report["totals"].is_null(), "nothing is made up: {report}");

    engine.run();
    let report = stream.until("the engine is back", |report| report["engine"]["status"] == "ok");
    assert!(report["engine"]["message"].is_null(), "{report}");
    assert!(report["engine"]["api_version"].is_string(), "{report}");
    engine.docker(&["restart", "worker"]);
    see_field(&mut stream, "worker", "running", json!(true));
    assert!(app.is_running());
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn a_socket_that_may_not_be_opened_is_told_with_the_way_out() {
    let engine = Engine::start();
    engine.forbid();
    // Root that may open only what it owns.
    let powers = "--bounding-set=-dac_override,-dac_read_search";
    let app = App::start_through("setpriv", &[powers], &config(&engine, EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    see_engine(&mut stream, "permission_denied", "sudo usermod -aG docker ");
    engine.permit();
    stream.until("the engine", |report| report["engine"]["status"] == "ok");
}

/// Waits for an engine of this status, whose message says this.
fn see_engine(stream: &mut Stream, status: &str, says: &str) -> Value {
    stream.until(&format!("{status}: {says}"), |report| {
        let engine = &report["engine"];
        let message = engine["message"].as_str().unwrap_or_default();
        engine["status"] == status && message.contains(says)
    })
}
