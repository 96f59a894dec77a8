//! A Docker Engine in trouble: one that goes away comes back without anybody's help, one that hangs is
//! told, and nothing that is remembered of it is told as if it were so now.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::App;
use crate::docker_reports::{EVENTS_ONLY, config, see_engine, see_field};
use crate::engine::Engine;

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn an_engine_that_goes_away_is_told_and_comes_back() {
    let mut engine = Engine::prepare();
    let mut app = App::start(&config(&engine.host(), EVENTS_ONLY));
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
    let app = App::start_through("setpriv", &[powers], &config(&engine.host(), EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    see_engine(&mut stream, "permission_denied", "sudo usermod -aG docker ");
    engine.permit();
    stream.until("the engine", |report| report["engine"]["status"] == "ok");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn an_engine_that_hangs_is_told_as_long_as_it_does() {
    const STOPPED: Duration = Duration::from_secs(20);
    let engine = Engine::start();
    engine.container("worker", &[], "exec sleep 9999");
    let mut app = App::start(&config(&engine.host(), "1s"));
    let mut stream = app.stream("?topics=docker_status");
    see_field(&mut stream, "worker", "running", json!(true));

    engine.signal("STOP");
    let stopped = Instant::now();
    see_engine(&mut stream, "unavailable", "took the request but gave no answer");
    stream.until("the end of 20 s without an engine", |report| {
        assert_eq!(report["engine"]["status"], "unavailable", "{report}");
        assert_eq!(report["containers"], json!([]), "what is remembered is not so now");
        stopped.elapsed() >= STOPPED
    });
    assert_eq!(app.get("/healthz").status, 200);

    engine.signal("CONT");
    let seen = see_field(&mut stream, "worker", "running", json!(true));
    assert!(seen["started_at"].is_f64(), "{seen}");
    engine.docker(&["stop", "-t", "0", "worker"]);
    see_field(&mut stream, "worker", "state", json!("exited"));
    assert!(app.is_running());
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn what_happened_while_an_engine_was_dead_is_known_when_it_is_back() {
    let mut engine = Engine::start();
    engine.container("worker", &[], "exec sleep 9999");
    engine.container("victim", &[], "exec sleep 9999");
    let app = App::start(&config(&engine.host(), EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    see_field(&mut stream, "victim", "running", json!(true));

    engine.kill();
    see_engine(&mut stream, "unavailable", "sudo systemctl start docker");
    engine.run();
    stream.until("the engine is back", |report| report["engine"]["status"] == "ok");
    // Without live-restore its containers end with it.
    let seen = see_field(&mut stream, "victim", "state", json!("exited"));
    assert!(seen["finished_at"].is_f64() && seen["exit_code"].is_i64(), "{seen}");
    engine.docker(&["start", "worker"]);
    see_field(&mut stream, "worker", "running", json!(true));
}
