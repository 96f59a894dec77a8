//! Podman's containers are seen as Docker's are, through the API that it shares with it: its events have
//! words of their own.

use serde_json::json;

use crate::app::App;
use crate::docker_reports::{EVENTS_ONLY, config, see, see_engine, see_field};
use crate::podman::Podman;

#[test]
#[ignore = "needs Podman, run tests/run"]
fn what_happens_to_a_container_of_podman_is_seen_as_it_happens() {
    let podman = Podman::start();
    let app = App::start(&config(&podman.host(), EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    let first = stream.until("an empty engine", |report| report["engine"]["status"] == "ok");
    assert_eq!(first["containers"], json!([]));
    assert_eq!(first["engine"]["flavor"], "podman");
    assert!(first["engine"]["message"].is_null(), "{first}");

    // Started, stopped, started again, killed, renamed, removed.
    let project = ["--label", "com.docker.compose.project=tak"];
    let polite = "trap 'exit 7' TERM; while :; do sleep 0.05; done";
    let id = podman.container("polite", &project, polite);
    let seen = see_field(&mut stream, "polite", "running", json!(true));
    assert_eq!((&seen["id"], &seen["project"]), (&json!(id[..12]), &json!("tak")));
    assert_eq!(seen["image"], "localhost/probe:latest");
    see(&mut stream, "polite", "when it was started", |one| one["started_at"].is_f64());
    podman.podman(&["stop", "polite"]);
    let seen = see_field(&mut stream, "polite", "state", json!("exited"));
    assert_eq!(seen["exit_code"], 7, "{seen}");
    podman.podman(&["start", "polite"]);
    let seen = see_field(&mut stream, "polite", "state", json!("running"));
    assert!(seen["exit_code"].is_null() && seen["finished_at"].is_null(), "{seen}");
    podman.podman(&["kill", "polite"]);
    let seen = see_field(&mut stream, "polite", "state", json!("exited"));
    assert_eq!(seen["exit_code"], 137, "{seen}");
    podman.podman(&["rename", "polite", "renamed"]);
    see_field(&mut stream, "renamed", "state", json!("exited"));
    podman.podman(&["rm", "renamed"]);
    stream.until("it to be gone", |report| report["containers"] == json!([]));

    // Paused, and removed while it runs.
    podman.container("sleeper", &[], "exec sleep 9999");
    see_field(&mut stream, "sleeper", "running", json!(true));
    podman.podman(&["pause", "sleeper"]);
    see_field(&mut stream, "sleeper", "state", json!("paused"));
    podman.podman(&["unpause", "sleeper"]);
    see_field(&mut stream, "sleeper", "state", json!("running"));
    podman.podman(&["rm", "-f", "-t", "0", "sleeper"]);
    stream.until("it to be gone", |report| report["containers"] == json!([]));

    // Restarted by its policy, until that gives up.
    podman.container("loop", &["--restart", "on-failure:4"], "exit 5");
    let seen = see(&mut stream, "loop", "restarted four times", |container| {
        container["restart_count"] == 4 && container["state"] == "exited"
    });
    assert_eq!((&seen["exit_code"], &seen["restarts_recent"]), (&json!(5), &json!(4)), "{seen}");
}

#[test]
#[ignore = "needs Podman, run tests/run"]
fn the_health_of_a_container_of_podman_is_seen_with_what_its_check_says() {
    let podman = Podman::start();
    // Podman tells of a check before it has written down what came of it: a tick looks again.
    let app = App::start(&config(&podman.host(), "1s"));
    let mut stream = app.stream("?topics=docker_status");
    let check = ["--health-cmd", "echo feels sick; test -e /well", "--health-retries", "1"];
    let options = [&check[..], &["--health-interval", "disable"]].concat();
    podman.container("patient", &options, "exec sleep 9999");
    see_field(&mut stream, "patient", "running", json!(true));
    podman.check("patient");
    see(&mut stream, "patient", "unhealthy, and what its check says", |patient| {
        patient["health"] == "unhealthy" && patient["health_output"] == "feels sick"
    });
    podman.podman(&["exec", "patient", "touch", "/well"]);
    podman.check("patient");
    let seen = see_field(&mut stream, "patient", "health", json!("healthy"));
    assert!(seen["health_output"].is_null(), "{seen}");
}

#[test]
#[ignore = "needs Podman, run tests/run"]
fn a_podman_that_goes_away_is_told_and_comes_back_with_its_containers() {
    let mut podman = Podman::start();
    podman.container("worker", &[], "exec sleep 9999");
    let app = App::start(&config(&podman.host(), EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    see_field(&mut stream, "worker", "running", json!(true));
    podman.stop();
    see_engine(&mut stream, "unavailable", "is Docker installed and running?");
    // Its containers need no service.
    podman.podman(&["kill", "worker"]);
    podman.run();
    see_field(&mut stream, "worker", "state", json!("exited"));
}
