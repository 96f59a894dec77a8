//! Much at once, and containers out of the ordinary, at a real Docker Engine.

use std::fs;
use std::thread;

use serde_json::{Value, json};

use crate::app::App;
use crate::docker_reports::{EVENTS_ONLY, config, see, see_field};
use crate::engine::Engine;

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn two_hundred_containers_that_start_at_once_are_all_right_in_the_end() {
    let engine = Engine::start();
    let app = App::start(&config(&engine.host(), EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");
    let names: Vec<String> = (0..200).map(|number| format!("c{number:03}")).collect();
    thread::scope(|scope| {
        scope.spawn(|| engine.start_all(&names, 8));
        // Each within the tests' patience.
        for running in [1, 50, 100, 150, 200] {
            let what = format!("{running} running containers");
            stream.until(&what, |report| report["totals"]["running"].as_u64() >= Some(running));
        }
    });
    let is_whole = |one: &Value| {
        let sentence = one["status"].as_str().unwrap_or_default();
        one["state"] == "running"
            && sentence.starts_with("Up ")
            && one["started_at"].is_f64()
            && one["restart_count"] == 0
    };
    let report = stream.until("each of them known in full", |report| {
        report["containers"].as_array().is_some_and(|all| all.iter().all(is_whole))
    });
    let told = report["containers"].as_array().expect("a list").iter().map(|one| &one["name"]);
    assert!(told.eq(names.iter()), "all of them, by name");
    assert_eq!(report["engine"]["status"], "ok");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn containers_out_of_the_ordinary_are_told_like_others() {
    let engine = Engine::start();
    let app = App::start(&config(&engine.host(), EVENTS_ONLY));
    let mut stream = app.stream("?topics=docker_status");

    engine.container("hosted", &["--network", "host"], "exec sleep 9999");
    engine.container("alone", &["--network", "none"], "exec sleep 9999");
    for name in ["hosted", "alone"] {
        let seen = see(&mut stream, name, "its figures", |one| one["memory_bytes"].is_u64());
        assert_eq!((&seen["running"], &seen["ports"]), (&json!(true), &json!([])), "{seen}");
    }
    let hosted = see(&mut stream, "hosted", "its rates", |one| one["cpu_percent"].is_f64());
    assert!(hosted["network_rx_bytes_per_s"].is_null(), "the traffic is the machine's: {hosted}");

    let shared = tempfile::tempdir().expect("a directory");
    fs::write(shared.path().join("file"), "x").expect("a file");
    let mounts = (0..1000).flat_map(|number| {
        let mount = format!("{}:/m/{number}:ro", shared.path().display());
        ["-v".to_owned(), mount]
    });
    let mounts: Vec<String> = mounts.collect();
    let options: Vec<&str> = mounts.iter().map(String::as_str).collect();
    engine.container("mounted", &options, "test -e /m/999/file && exec sleep 9999");
    let seen = see(&mut stream, "mounted", "known in full", |one| {
        one["running"] == true && one["started_at"].is_f64() && one["restart_count"] == 0
    });
    assert!(!seen.to_string().contains("/m/"), "not in every event: {seen}");
    engine.docker(&["kill", "mounted"]);
    let seen = see_field(&mut stream, "mounted", "state", json!("exited"));
    assert_eq!(seen["exit_code"], 137, "{seen}");
}
