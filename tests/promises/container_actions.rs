//! Promise: an admin starts, stops and restarts containers where the configuration allows it, sees how
//! it goes on, is asked twice before the TAK server's users are cut off, and leaves a trace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::app::{Answer, App, Stream, wait_for};
use crate::asker::{Asker, code, user};
use crate::connection::Connection;
use crate::engine::Engine;

/// Ends at once when it is asked to.
const POLITE: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

/// Notes that it was asked to end, and does not before it is killed.
const STUBBORN: &str = "trap 'touch /tmp/asked' TERM; while :; do sleep 0.05; done";

/// Looks like taky to whoever sees its command line, and serves nobody: busybox cannot, as it is what it
/// is called.
const TAKY: &str = "exec /usr/bin/bash -c 'exec -a taky /usr/bin/sleep 9999'";

/// Lends it the machine's own programs.
const PROGRAMS: [&str; 8] =
    ["-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro", "--stop-timeout", "1"];

const QUIET: &str = "[collect.system]\nenabled = false\n[collect.tak]\nenabled = false\n";

fn docker(engine: &Engine, more: &str) -> String {
    format!(
        "[collect.docker]\nhost = \"{}\"\ninterval = \"1h\"\nunwatched_interval = \"1h\"\n{more}\n",
        engine.host()
    )
}

/// takpulse for this engine, with actions allowed and two people.
fn start(engine: &Engine, more: &str) -> App {
    let people =
        [user("vera", "viewer", "watches the map"), user("adam", "admin", "does the rest")];
    App::start(&format!("{}{more}{}", docker(engine, "actions = true"), people.concat()))
}

/// The tests' own token: an admin's.
fn tests(app: &App) -> Asker {
    Asker::showing(app, crate::credentials::AUTHORIZATION)
}

fn ask(app: &App, asker: &Asker, container: &str, body: &Value) -> Answer {
    let mut connection = Connection::open(app.address());
    let (shown, body) = (asker.shown(), body.to_string());
    let request = format!(
        "POST /api/containers/{container}/actions HTTP/1.1\r\nHost: x\r\n{shown}Content-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.send(request.as_bytes());
    connection.answer()
}

/// Asks for it and is not refused; the operation's id.
#[track_caller]
fn begin(app: &App, asker: &Asker, container: &str, body: &Value) -> String {
    let answer = ask(app, asker, container, body);
    assert_eq!(answer.status, 202, "{answer:?}");
    let begun = answer.json();
    assert_eq!(begun["action"], body["action"], "{begun}");
    begun["id"].as_str().expect("an operation").to_owned()
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, why: &str, says: &str) {
    assert_eq!((answer.status, code(answer).as_str()), (status, why), "{answer:?}");
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains(says), "{message} should say {says:?}");
}

/// The next event of an operation: this state.
fn see(stream: &mut Stream, operation: &str, state: &str) -> Value {
    let event = stream.until(state, |event| event["operation"] == operation);
    assert_eq!(event["state"], state, "{event}");
    event
}

/// What Docker says of a container's state.
fn field(engine: &Engine, container: &str, field: &str) -> String {
    engine.docker(&["inspect", "-f", &format!("{{{{.State.{field}}}}}"), container])
}

/// Waits until the container `slow` has been asked to end.
fn wait_until_asked(engine: &Engine) {
    wait_for("the container to be asked to end", || {
        let look = "test -e /tmp/asked && echo yes || true";
        (engine.docker(&["exec", "slow", "sh", "-c", look]) == "yes").then_some(())
    });
}

/// The audit log, when it has so many lines.
fn audit(app: &App, lines: usize) -> Vec<Value> {
    let path = app.dir().join("state/audit.log");
    wait_for("the audit log", || {
        let text = fs::read_to_string(&path).ok()?;
        let read: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(read.len() <= lines, "{lines} lines at the most: {text}");
        (read.len() == lines).then_some(read)
    })
}

/// The same line without what differs from run to run.
fn undated(mut line: Value) -> Value {
    let line = line.as_object_mut().expect("an object");
    let timestamp = line.remove("timestamp").and_then(|at| at.as_f64());
    assert!(timestamp.is_some_and(|at| at > 1.7e9), "{timestamp:?}");
    let operation = line.remove("operation");
    assert_eq!(operation.is_some(), line["outcome"] != "refused", "{line:?}");
    json!(line)
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn nothing_is_done_unless_the_configuration_allows_it() {
    let engine = Engine::start();
    engine.container("web", &[], POLITE);
    let app = App::start(&format!("{}{QUIET}", docker(&engine, "")));
    let answer = ask(&app, &tests(&app), "web", &json!({"action": "stop"}));
    assert_refused(&answer, 403, "actions_off", "collect.docker.actions = true");
    assert_eq!(field(&engine, "web", "Running"), "true");
    let line = undated(audit(&app, 1).remove(0));
    let message = answer.json()["error"]["message"].clone();
    assert_eq!(
        line,
        json!({
            "who": "tests", "by": "token", "address": "127.0.0.1", "container": "web",
            "outcome": "refused", "message": message
        })
    );
    // Whoever goes on asking fills no disk.
    for _ in 0..20 {
        ask(&app, &tests(&app), "web", &json!({"action": "stop"}));
    }
    assert_eq!(audit(&app, 1).len(), 1);
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn an_admin_stops_starts_and_restarts_and_every_step_is_told_and_on_record() {
    let engine = Engine::start();
    let id = engine.container("web", &[], POLITE);
    let app = start(&engine, QUIET);
    let mut stream = app.stream("?topics=container_action");
    let admin = Asker::signed_in(&app, "adam", "does the rest");

    let operation = begin(&app, &admin, "web", &json!({"action": "stop"}));
    let first = see(&mut stream, &operation, "in_progress");
    assert_eq!((&first["container"], &first["name"]), (&json!(id[..12]), &json!("web")));
    assert_eq!((&first["action"], &first["by"]), (&json!("stop"), &json!("adam")));
    assert!(first["node"].is_string() && first["timestamp"].is_f64(), "{first}");
    assert!(first.get("duration_seconds").is_none() && first.get("message").is_none(), "{first}");
    let last = see(&mut stream, &operation, "completed");
    assert!(last["duration_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{last}");
    assert_eq!(field(&engine, "web", "Running"), "false");

    // By its id, and by a token.
    let operation = begin(&app, &tests(&app), &id[..12], &json!({"action": "start"}));
    see(&mut stream, &operation, "in_progress");
    let last = see(&mut stream, &operation, "completed");
    assert_eq!((&last["name"], &last["by"]), (&json!("web"), &json!("tests")));
    assert_eq!(field(&engine, "web", "Running"), "true");

    let before = field(&engine, "web", "Pid");
    let operation = begin(&app, &admin, "web", &json!({"action": "restart", "confirm": null}));
    see(&mut stream, &operation, "in_progress");
    see(&mut stream, &operation, "completed");
    assert_ne!(field(&engine, "web", "Pid"), before);

    // It is so already.
    let operation = begin(&app, &admin, "web", &json!({"action": "start"}));
    see(&mut stream, &operation, "in_progress");
    see(&mut stream, &operation, "completed");

    let line = |who: &str, by: &str, action: &str, outcome: &str| {
        json!({
            "who": who, "by": by, "address": "127.0.0.1", "action": action, "container": id[..12],
            "name": "web", "outcome": outcome
        })
    };
    let lines: Vec<Value> = audit(&app, 8).into_iter().map(undated).collect();
    let expected = [
        ("adam", "password", "stop"),
        ("tests", "token", "start"),
        ("adam", "password", "restart"),
        ("adam", "password", "start"),
    ]
    .map(|(who, by, action)| ["asked", "completed"].map(|outcome| line(who, by, action, outcome)));
    assert_eq!(lines, expected.concat());
    let path = app.dir().join("state/audit.log");
    assert_eq!(fs::metadata(path).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(app.log().contains("an action on a container is done"), "{}", app.log());
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn whoever_may_not_is_refused_and_that_is_on_record() {
    let engine = Engine::start();
    engine.container("web", &[], POLITE);
    let app = start(&engine, QUIET);
    let stop = json!({"action": "stop"});
    let viewer = Asker::signed_in(&app, "vera", "watches the map");
    assert_refused(&ask(&app, &viewer, "web", &stop), 403, "wrong_role", "admins");
    let token = Asker::with_token(&app, "stream");
    assert_refused(&ask(&app, &token, "web", &stop), 403, "wrong_scope", "--scope admin");
    let admin = Asker::signed_in(&app, "adam", "does the rest");
    let cookie = admin.shown().split_once("\r\n").expect("two lines").0;
    let without = Asker::showing(&app, &format!("{cookie}\r\n"));
    assert_refused(&ask(&app, &without, "web", &stop), 403, "csrf", "X-CSRF-Token");
    let nobody = Asker::showing(&app, "");
    assert_refused(&ask(&app, &nobody, "web", &stop), 401, "unauthorized", "sign in");
    assert_eq!(field(&engine, "web", "Running"), "true");
    let mut refused: Vec<(String, String)> = audit(&app, 3)
        .iter()
        .map(|line| {
            assert_eq!((&line["outcome"], &line["container"]), (&json!("refused"), &json!("web")));
            let text = |name: &str| line[name].as_str().expect("a text").to_owned();
            (text("who"), text("by"))
        })
        .collect();
    refused.sort();
    let expected = [("adam", "password"), ("stream", "token"), ("vera", "password")]
        .map(|(who, by)| (who.to_owned(), by.to_owned()));
    assert_eq!(refused, expected);
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn what_cannot_be_meant_is_refused_with_its_reason() {
    let engine = Engine::start();
    let app = start(&engine, QUIET);
    let admin = tests(&app);
    let stop = json!({"action": "stop"});
    for (container, body, status, why, says) in [
        ("nowhere", &stop, 404, "no_such_container", "no container nowhere"),
        ("a%2fb", &stop, 400, "bad_container", "letters, digits"),
        ("..", &stop, 400, "bad_container", "letters, digits"),
        ("web", &json!({"action": "kill"}), 400, "bad_action", "\\\"start\\\"|\\\"stop\\\""),
        ("web", &json!({"action": "stop", "t": 1}), 400, "bad_action", "unknown field"),
        ("web", &json!({"confirm": "x".repeat(5000)}), 413, "body_too_large", "4096"),
    ] {
        assert_refused(&ask(&app, &admin, container, body), status, why, says);
    }
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let plain = Asker::showing(&app, &format!("{}{form}", crate::credentials::AUTHORIZATION));
    let answer = plain.ask("POST", "/api/containers/web/actions");
    assert_refused(&answer, 415, "not_json", "application/json");
    drop(engine);
    assert_refused(&ask(&app, &admin, "web", &stop), 503, "engine_unavailable", "systemctl start");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn one_that_takes_its_time_is_waited_for_and_left_alone_meanwhile() {
    let engine = Engine::start();
    let id = engine.container("slow", &["--stop-timeout", "5"], STUBBORN);
    engine.container("quick", &[], POLITE);
    let app = start(&engine, QUIET);
    let admin = tests(&app);
    let mut stream = app.stream("?topics=container_action");
    // Longer than any other request to the engine is waited for.
    let operation = begin(&app, &admin, "slow", &json!({"action": "stop"}));
    see(&mut stream, &operation, "in_progress");
    assert_eq!(field(&engine, "slow", "Running"), "true", "the answer did not wait for it");
    for name in ["slow", &id, &id[..5]] {
        let answer = ask(&app, &admin, name, &json!({"action": "restart"}));
        assert_refused(&answer, 409, "action_running", "wait until its container_action event");
    }
    // Nobody else waits.
    let other = begin(&app, &admin, "quick", &json!({"action": "stop"}));
    see(&mut stream, &other, "in_progress");
    see(&mut stream, &other, "completed");
    let last = see(&mut stream, &operation, "completed");
    assert!(last["duration_seconds"].as_f64() >= Some(4.5), "{last}");
    assert_eq!(field(&engine, "slow", "ExitCode"), "137");
    // And then it may be asked for again.
    let operation = begin(&app, &admin, "slow", &json!({"action": "start"}));
    see(&mut stream, &operation, "in_progress");
    see(&mut stream, &operation, "completed");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn it_goes_on_when_whoever_asked_has_gone() {
    let engine = Engine::start();
    engine.container("slow", &["--stop-timeout", "2"], STUBBORN);
    let app = start(&engine, QUIET);
    let mut stream = app.stream("?topics=container_action");
    {
        let mut connection = Connection::open(app.address());
        let body = "{\"action\":\"stop\"}";
        let request = format!(
            "POST /api/containers/slow/actions HTTP/1.1\r\nHost: x\r\n{}Content-Type: \
             application/json\r\nContent-Length: {}\r\n\r\n{body}",
            crate::credentials::AUTHORIZATION,
            body.len()
        );
        connection.send(request.as_bytes());
        // And goes without having heard the answer, once it has begun.
        stream.until("it begins", |event| event["state"] == "in_progress");
    }
    stream.until("it is done", |event| event["state"] == "completed");
    assert_eq!(field(&engine, "slow", "Running"), "false");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn what_goes_wrong_is_told_in_the_engines_own_words() {
    let mut engine = Engine::start();
    engine.docker(&["create", "--name", "broken", "--network", "none", "probe", "/not/there"]);
    engine.container("slow", &["--stop-timeout", "8"], STUBBORN);
    let app = start(&engine, QUIET);
    let admin = tests(&app);
    let mut stream = app.stream("?topics=container_action");
    let operation = begin(&app, &admin, "broken", &json!({"action": "start"}));
    see(&mut stream, &operation, "in_progress");
    let last = see(&mut stream, &operation, "error");
    let message = last["message"].as_str().expect("a message");
    assert!(message.starts_with("Docker did not start broken: "), "{message}");
    assert!(message.contains("/not/there") && message.contains("journalctl"), "{message}");

    let operation = begin(&app, &admin, "slow", &json!({"action": "stop"}));
    see(&mut stream, &operation, "in_progress");
    wait_until_asked(&engine);
    engine.kill();
    let last = see(&mut stream, &operation, "error");
    let message = last["message"].as_str().expect("a message");
    assert!(message.contains("broke") && message.contains("see in the list"), "{message}");
    let outcomes: Vec<Value> =
        audit(&app, 4).iter().map(|line| json!([line["outcome"], line["message"]])).collect();
    assert_eq!(outcomes[3], json!(["error", message]), "{outcomes:?}");
    // So that the containers can be removed.
    engine.run();
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn the_tak_servers_own_container_is_not_stopped_by_a_slip() {
    let engine = Engine::start();
    let id = engine.container("tak", &PROGRAMS, TAKY);
    engine.container("web", &[], POLITE);
    let app = start(
        &engine,
        "[collect.system]\nenabled = false\n[collect.tak]\ninterval = \"1s\"\nunwatched_interval = \"1s\"\n",
    );
    let mut states = app.stream("?topics=tak_status");
    states.until("its container", |status| status["containers"] == json!([id[..12]]));
    let admin = tests(&app);
    let mut stream = app.stream("?topics=container_action");
    for body in [json!({"action": "stop"}), json!({"action": "restart", "confirm": "web"})] {
        for name in ["tak", &id[..12]] {
            let answer = ask(&app, &admin, name, &body);
            let says = "send \\\"confirm\\\": \\\"tak\\\"";
            assert_refused(&answer, 409, "confirmation_required", says);
            let message = answer.json()["error"]["message"].to_string();
            assert!(message.contains("belongs to the TAK server: this cuts off "), "{message}");
        }
    }
    assert_eq!(field(&engine, "tak", "Running"), "true");
    let line = audit(&app, 1).remove(0);
    assert_eq!(
        (&line["outcome"], &line["name"], &line["action"]),
        (&json!("refused"), &json!("tak"), &json!("stop"))
    );
    let operation = begin(&app, &admin, "web", &json!({"action": "stop"}));
    see(&mut stream, &operation, "in_progress");
    see(&mut stream, &operation, "completed");
    let operation = begin(&app, &admin, "tak", &json!({"action": "stop", "confirm": "tak"}));
    see(&mut stream, &operation, "in_progress");
    see(&mut stream, &operation, "completed");
    assert_eq!(field(&engine, "tak", "Running"), "false");
    // Nobody is cut off by its start.
    states.until("it is gone", |status| status["containers"] == json!([]));
    let operation = begin(&app, &admin, "tak", &json!({"action": "start"}));
    see(&mut stream, &operation, "in_progress");
    see(&mut stream, &operation, "completed");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn nothing_is_done_without_a_trace() {
    let engine = Engine::start();
    engine.container("web", &[], POLITE);
    let app = start(&engine, QUIET);
    let state = app.dir().join("state");
    // Root may write everywhere, but not where there is a directory.
    block(&state);
    let admin = tests(&app);
    let answer = ask(&app, &admin, "web", &json!({"action": "stop"}));
    assert_refused(&answer, 503, "audit_unwritable", "nothing is done without a trace");
    assert!(answer.json()["error"]["message"].to_string().contains("audit.log"), "{answer:?}");
    assert_eq!(field(&engine, "web", "Running"), "true");
    fs::remove_dir(state.join("audit.log")).expect("removed");
    let mut stream = app.stream("?topics=container_action");
    let operation = begin(&app, &admin, "web", &json!({"action": "stop"}));
    see(&mut stream, &operation, "in_progress");
    see(&mut stream, &operation, "completed");
    assert_eq!(audit(&app, 2).len(), 2);
}

fn block(state: &Path) {
    fs::create_dir(state.join("audit.log")).expect("a directory in its place");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn what_is_being_done_is_waited_for_when_takpulse_ends_but_not_for_ever() {
    let engine = Engine::start();
    engine.container("slow", &["--stop-timeout", "4"], STUBBORN);
    engine.container("slower", &["--stop-timeout", "60"], STUBBORN);
    let mut app = start(&engine, QUIET);
    for name in ["slower", "slow"] {
        begin(&app, &tests(&app), name, &json!({"action": "stop"}));
    }
    wait_until_asked(&engine);
    app.signal("TERM");
    assert_eq!(app.wait(), Some(0));
    let lines = audit(&app, 4);
    let outcomes: Vec<_> = lines.iter().map(|line| (&line["name"], &line["outcome"])).collect();
    let line = |name: &str, outcome: &str| (json!(name), json!(outcome));
    let wanted = [
        line("slower", "asked"),
        line("slow", "asked"),
        line("slow", "completed"),
        line("slower", "error"),
    ];
    assert!(
        outcomes.iter().copied().eq(wanted.iter().map(|(name, outcome)| (name, outcome))),
        "{lines:?}"
    );
    assert_eq!(lines[0]["operation"], lines[3]["operation"]);
    assert_ne!(lines[0]["operation"], lines[1]["operation"]);
    let message = lines[3]["message"].as_str().expect("a message");
    assert!(message.starts_with("takpulse ended before"), "{message}");
    assert_eq!(field(&engine, "slow", "Running"), "false");
}
