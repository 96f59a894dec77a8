//! From start to end: the first event within a moment, one line when the port is taken, and an end
//! that does not wait for viewers.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use takpulse::hub::Limits;

use crate::app::{self, App};
use crate::credentials::keep_token;
use crate::site::LocalSite;
use crate::wire;

#[test]
fn a_fresh_start_without_any_file_shows_all_three_topics() {
    let app = App::start("");
    let mut stream = app.stream("");
    let mut topics = Vec::new();
    while topics.len() < 3 {
        let event = stream.next().expect("the stream goes on");
        if event.event != "ping" && !topics.contains(&event.event) {
            assert!(event.json()["timestamp"].is_number(), "{}", event.data);
            topics.push(event.event);
        }
    }
    topics.sort();
    assert_eq!(topics, ["docker_status", "system_metrics", "tak_status"]);
    let state = app.get("/api/state").json();
    let node = state["nodes"].as_object().and_then(|nodes| nodes.values().next()).expect("a node");
    assert_eq!(node.as_object().expect("topics").len(), 3, "{state}");
    let expected = serde_json::json!(["system_metrics", "docker_status", "tak_status"]);
    assert_eq!(state["topics"], expected, "what is switched on is told");
    assert_eq!(app.get("/readyz").status, 200);
    assert_eq!(app.get("/healthz").status, 200);
}

#[test]
fn a_topic_that_is_switched_off_is_not_promised() {
    let app = App::start("[collect.docker]\nenabled = false");
    let state = app.get("/api/state").json();
    assert_eq!(state["topics"], serde_json::json!(["system_metrics", "tak_status"]));
}

#[test]
fn readiness_waits_for_every_collector() {
    let site = LocalSite::start(Limits { events: 10, bytes: 1 << 20 });
    let answer = wire::get(site.address, "/readyz");
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (503, Some("not_ready")));
    assert!(answer.json()["error"]["message"].to_string().contains("system_metrics"));
    site.push("system_metrics", "1", "{}");
    assert_eq!(wire::get(site.address, "/readyz").status, 200);
}

#[test]
fn a_taken_port_is_one_line_and_exit_code_1() {
    let app = App::start("");
    let output = app::command()
        .args(["--listen", &app.address().to_string()])
        .current_dir(app.dir())
        .stdout(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(&app.address().to_string()) && text.contains("--listen"), "{text}");
}

#[test]
fn at_the_end_streams_end_with_a_retry_and_the_exit_code_is_0() {
    for signal in ["TERM", "INT"] {
        let mut app = App::start("");
        let mut streams = [app.stream(""), app.stream("?topics=alert")];
        for stream in &mut streams {
            stream.frame().expect("open");
        }
        app.signal(signal);
        for stream in &mut streams {
            let mut last = String::new();
            while let Some(frame) = stream.frame() {
                last = frame;
            }
            assert!(last.starts_with("retry:"), "the last frame is {last:?}");
        }
        assert_eq!(app.wait(), Some(0));
    }
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    keep_token(dir.path());
    let mut child = app::command()
        .args(["--listen", "127.0.0.1:0"])
        .env("TAKPULSE_LOG__LEVEL", "debug")
        .env("TAKPULSE_STATE_DIR", dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stderr.take());
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().expect("stdout is piped"));
    said.read_line(&mut line).expect("the URL");
    drop(said);
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.and_then(|address| address.parse().ok()).expect("an address");
    let mut stream = wire::Stream::open(address, "", "");
    assert!(stream.frame().expect("the stream is open").contains("retry:"));
    app::signal(child.id(), "TERM");
    let status = wire::wait_for("the end", || child.try_wait().expect("it can be asked"));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_viewer_of_a_killed_server_finds_the_next_one_and_gets_the_snapshot() {
    let mut app = App::start("");
    let mut stream = app.stream("?topics=system_metrics");
    let first = stream.next().expect("an event");
    let address = app.address().to_string();
    app.signal("KILL");
    app.wait();
    drop(app);
    let next = App::start_on("", &address);
    let header = format!("Last-Event-ID: {}\r\n", first.id.expect("an id"));
    let event = next.stream_with("?topics=system_metrics", &header).next().expect("the snapshot");
    assert_eq!(event.event, "system_metrics");
}
