//! The containers of a real Docker Engine: what happens to one is seen at once, and its figures are
//! those of `docker stats`.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::app::App;
use crate::docker_reports::{EVENTS_ONLY, config, container, see, see_field};
use crate::engine::Engine;

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn what_happens_to_a_container_is_seen_as_it_happens() {
    let engine = Engine::start();
    let app = App::start(&config(&engine.host(), EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    let first = stream.until("an empty engine", |report| report["engine"]["status"] == "ok");
    assert_eq!(first["containers"], json!([]));
    assert_eq!(first["totals"]["containers"], 0);
    assert!(first["engine"]["version"].is_string(), "{first}");
    assert!(first["engine"]["message"].is_null(), "{first}");
    assert_eq!(first["engine"]["flavor"], "docker");

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
    assert!(seen["created_at"].as_f64() <= seen["started_at"].as_f64(), "{seen}");
    let image = engine.docker(&["inspect", "-f", "{{.Image}}", "polite"]);
    assert_eq!(seen["image_id"], json!(image[..19]));
    assert!(seen["image_digest"].is_null(), "it comes from no registry: {seen}");
    assert!(seen["finished_at"].is_null(), "{seen}");
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

    // In a restart loop, until it is stopped.
    engine.container("loop", &["--restart", "always"], "exit 5");
    let seen = see(&mut stream, "loop", "restarted twice", |container| {
        container["restart_count"].as_u64() >= Some(2) && container["state"] == "restarting"
    });
    assert_eq!(seen["exit_code"], 5, "{seen}");
    let seen = see_field(&mut stream, "loop", "restart_loop", json!(true));
    assert!(seen["restarts_recent"].as_u64() >= Some(3), "{seen}");
    engine.docker(&["stop", "loop"]);
    let seen = see_field(&mut stream, "loop", "state", json!("exited"));
    assert!(seen["restart_loop"].is_null() && seen["restarts_recent"].is_null(), "{seen}");
    engine.docker(&["rm", "loop"]);

    // Restarted by hand: no loop.
    for _ in 0..4 {
        engine.docker(&["restart", "-t", "0", "sleeper"]);
    }
    let started = engine.docker(&["inspect", "-f", "{{.State.StartedAt}}", "sleeper"]);
    let seen = see(&mut stream, "sleeper", "running since then", |container| {
        let at = container["started_at"].as_f64().unwrap_or_default();
        container["state"] == "running" && started.ends_with('Z') && is_at(at, &started)
    });
    assert!(seen["restart_loop"].is_null() && seen["restarts_recent"].is_null(), "{seen}");

    // Sick, and well again.
    let check = [
        "--health-cmd",
        "echo feels sick; test -e /well",
        "--health-interval",
        "1s",
        "--health-retries",
        "1",
    ];
    engine.container("patient", &check, "touch /well; exec sleep 9999");
    see_field(&mut stream, "patient", "health", json!("healthy"));
    engine.docker(&["exec", "patient", "rm", "/well"]);
    let report = stream.until("an unhealthy container, and what its check says", |report| {
        container(report, "patient").is_some_and(|patient| {
            patient["health"] == "unhealthy" && patient["health_output"] == "feels sick"
        })
    });
    let seen = container(&report, "patient").expect("it is there");
    assert!(seen["status"].as_str().is_some_and(|text| text.ends_with("(unhealthy)")), "{seen}");
    assert_eq!(report["totals"]["unhealthy"], 1, "{report}");
    assert_eq!(report["totals"]["running"], 2, "{report}");
    engine.docker(&["exec", "patient", "touch", "/well"]);
    let seen = see_field(&mut stream, "patient", "health", json!("healthy"));
    assert!(seen["health_output"].is_null(), "{seen}");
}

/// Whether these are the Unix seconds of Docker's `2026-11-23T17:39:24.512345678Z`, within the minute.
fn is_at(seconds: f64, text: &str) -> bool {
    let within = text.get(17..23).and_then(|second| second.parse::<f64>().ok());
    within.is_some_and(|within| (seconds % 60.0 - within).abs() < 0.002)
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn memory_that_runs_out_is_told_of_the_whole_container_and_of_a_process_in_it() {
    let engine = Engine::start();
    let app = App::start(&config(&engine.host(), EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    let limit = ["--memory", "12m"];
    engine.container("glutton", &limit, "exec dd if=/dev/zero of=/dev/null bs=60M count=1");
    let seen = see(&mut stream, "glutton", "killed for its hunger", |one| {
        one["oom_killed"] == true && one["state"] == "exited"
    });
    assert!(seen["restart_loop"].is_null(), "{seen}");
    assert_eq!(seen["exit_code"], 137, "{seen}");
    assert!(seen["finished_at"].as_f64() >= seen["started_at"].as_f64(), "{seen}");

    // The shell goes on without its child, and the engine's own word for it stays false.
    let child = "dd if=/dev/zero of=/dev/null bs=60M count=1; exec sleep 9999";
    engine.container("parent", &limit, child);
    let seen = see_field(&mut stream, "parent", "oom_killed", json!(true));
    assert_eq!(seen["running"], true, "{seen}");
    engine.docker(&["update", "--cpus", "1", "parent"]);
    engine.docker(&["rename", "parent", "survivor"]);
    let seen = see_field(&mut stream, "survivor", "running", json!(true));
    assert_eq!(seen["oom_killed"], true, "what inspect says does not take it back: {seen}");
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
    let app = App::start(&config(&engine.host(), "1s"));
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
