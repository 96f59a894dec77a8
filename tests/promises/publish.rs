//! Promise: whoever has a token for it can publish, as with Flask-SSE's `sse.publish`; what is wrong
//! is refused with its reason, and nobody is drowned.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::app::{Answer, App, command, wait_for};

/// takpulse without collectors, and a token that may publish.
fn start(more: &str) -> (App, String) {
    let app = App::start(&format!(
        "state_dir = \"state\"\n{more}\n[collect.system]\nenabled = false\n\
         [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n"
    ));
    let token = token(&app, "cam", "publish");
    (app, token)
}

/// Runs takpulse beside a running one.
fn run(app: &App, arguments: &[&str], token: &str, input: &str) -> Output {
    let mut child = command()
        .args(arguments)
        .current_dir(app.dir())
        .env("TAKPULSE_TOKEN", token)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("takpulse starts");
    let mut stdin = child.stdin.take().expect("piped");
    // Who does not read it has ended already.
    let _unread = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn token(app: &App, name: &str, scopes: &str) -> String {
    let made = run(app, &["token", "new", name, "--scope", scopes], "", "");
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).expect("text").trim().to_owned()
}

fn post(app: &App, token: &str, body: &str) -> Answer {
    let request = format!(
        "POST /publish HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    app.anonymous(request.as_bytes())
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], code, "{answer:?}");
}

/// How many refusals are in the log, when all of it has been read.
fn refusals_when_ended(app: &mut App) -> usize {
    app.signal("TERM");
    assert_eq!(app.wait(), Some(0));
    wait_for("the last line", || app.log().contains("takpulse has ended").then_some(()));
    app.log().matches("was refused").count()
}

#[test]
fn what_is_published_reaches_every_viewer_as_flask_sse_would_have_sent_it() {
    let (app, token) = start("[publish]\nrate_per_s = 1000");
    let cases = [
        (
            json!({"type": "weather", "data": {"wind": 3}, "id": "w-1", "retry": 500}),
            "event:weather\ndata:{\"wind\":3}\nid:w-1\nretry:500\n\n",
        ),
        (
            json!({"type": "note", "data": "two\nlines", "id": "w-2"}),
            "event:note\ndata:two\ndata:lines\nid:w-2\n\n",
        ),
        (json!({"data": null, "id": "w-3", "retry": 0}), "event:message\ndata:null\nid:w-3\n\n"),
        (
            json!({"type": "note", "data": "é", "id": "w-4", "channel": ""}),
            "event:note\ndata:é\nid:w-4\n\n",
        ),
    ];
    let mut stream = app.stream("");
    stream.frame().expect("the greeting");
    let mut other = app.stream("?channel=ops");
    other.frame().expect("the greeting");
    for (event, frame) in cases {
        let answer = post(&app, &token, &event.to_string());
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.json(), json!({"id": event["id"]}));
        assert_eq!(stream.frame().as_deref(), Some(frame));
    }
    // However the JSON is laid out.
    assert_eq!(post(&app, &token, "{\"data\":{\"a\":\r\n1},\n\"id\":\"w-6\"}").status, 202);
    assert_eq!(stream.frame().as_deref(), Some("event:message\ndata:{\"a\":1}\nid:w-6\n\n"));
    let elsewhere = json!({"type": "note", "data": 1, "channel": "ops"});
    let id = post(&app, &token, &elsewhere.to_string()).json()["id"].clone();
    assert_eq!(other.next().and_then(|event| event.id).as_deref(), id.as_str());
}

#[test]
fn an_id_that_was_accepted_is_not_delivered_twice() {
    let (app, token) = start("");
    let mut stream = app.stream("");
    stream.frame().expect("the greeting");
    let event = |id: &str| json!({"type": "note", "data": id, "id": id}).to_string();
    assert_eq!(post(&app, &token, &event("a")).status, 202);
    let again = post(&app, &token, &event("a"));
    assert_eq!((again.status, again.json()), (200, json!({"id": "a", "duplicate": true})));
    assert_eq!(post(&app, &token, &event("b")).status, 202);
    let own = post(&app, &token, &json!({"data": 1}).to_string()).json()["id"].clone();
    let ids: Vec<_> = (0..3).filter_map(|_| stream.next()?.id).collect();
    assert_eq!(ids[..2], ["a", "b"]);
    assert_eq!(own, json!(ids[2]), "without an id it gets one");
    let metrics = String::from_utf8(app.get("/metrics").body).expect("text");
    for (outcome, count) in [("accepted", 3), ("duplicate", 1), ("refused", 0)] {
        let line = format!("takpulse_published_events_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
    // What is not one's own is not taken for something that was said already.
    let other = self::token(&app, "other", "publish");
    assert_refused(&post(&app, &other, &event("a")), 409, "id_taken");
    let forged = ids[2].strip_suffix('3').map_or_else(|| ids[2].clone(), |own| format!("{own}9"));
    assert_refused(&post(&app, &token, &event(&forged)), 409, "id_taken");
}

#[test]
fn without_the_right_token_nothing_is_published() {
    let (mut app, token) = start("");
    let event = json!({"type": "note", "data": 1}).to_string();
    let anonymous = app.anonymous(
        format!("POST /publish HTTP/1.0\r\nContent-Length: {}\r\n\r\n{event}", event.len())
            .as_bytes(),
    );
    assert_refused(&anonymous, 401, "unauthorized");
    assert_eq!(anonymous.header("www-authenticate"), Some("Bearer"));
    for wrong in ["", "x", "takpulse_00", &token[..token.len() - 1]] {
        assert_refused(&post(&app, wrong, &event), 401, "unauthorized");
    }
    assert_eq!(post(&app, &token, &event).status, 202);
    let watching = self::token(&app, "screen", "stream,metrics");
    assert_refused(&post(&app, &watching, &event), 403, "wrong_scope");
    let revoked = run(&app, &["token", "revoke", "cam"], "", "");
    assert!(revoked.status.success(), "{revoked:?}");
    assert_refused(&post(&app, &token, &event), 401, "unauthorized");
    let kept = std::fs::read_to_string(app.dir().join("state/tokens.json")).expect("there");
    assert!(!kept.contains(&token) && kept.contains("screen"), "{kept}");
    // When a token was last used is written once a minute, and at the end.
    assert_eq!(refusals_when_ended(&mut app), 2, "{}", app.log());
    assert!(!app.log().contains(&token), "no secret in the log");
    let table = String::from_utf8(run(&app, &["token", "list"], "", "").stdout).expect("text");
    let line = table.lines().find(|line| line.starts_with("screen")).expect("it is listed");
    assert!(line.ends_with("just now") && !table.contains("cam"), "{table}");
}

#[test]
fn what_cannot_be_an_event_is_refused_with_its_reason() {
    let (app, token) = start("[publish]\nrate_per_s = 1000\ntopics = [\"note\", \"weather\"]");
    let long = "x".repeat(65 << 10);
    let cases = [
        ("", "bad_event"),
        ("[]", "bad_event"),
        ("{\"type\":\"note\"}", "bad_event"),
        ("{\"type\":\"note\",\"data\":1,\"color\":2}", "bad_event"),
        ("{\"type\":\"note\",\"data\":1,\"id\":7}", "bad_event"),
        ("{\"type\":\"note\",\"data\":1,\"retry\":-1}", "bad_event"),
        ("{\"type\":\"Note\",\"data\":1}", "bad_type"),
        ("{\"type\":\"alert\",\"data\":1}", "reserved_type"),
        ("{\"type\":\"ping\",\"data\":1}", "reserved_type"),
        ("{\"type\":\"tak_status\",\"data\":1}", "reserved_type"),
        ("{\"type\":\"container_action\",\"data\":1}", "reserved_type"),
        ("{\"type\":\"other\",\"data\":1}", "type_not_listed"),
        ("{\"type\":\"note\",\"data\":1,\"id\":\"a\\nb\"}", "bad_id"),
        ("{\"type\":\"note\",\"data\":1,\"retry\":60001}", "bad_retry"),
        ("{\"type\":\"note\",\"data\":1,\"retry\":99}", "bad_retry"),
        ("{\"type\":\"note\",\"data\":\"\\ud800\"}", "bad_event"),
        ("{\"type\":\"note\",\"data\":1,\"channel\":\"a\\u0000\"}", "bad_channel"),
    ];
    for (body, code) in cases {
        assert_refused(&post(&app, &token, body), 400, code);
    }
    let large = json!({"type": "note", "data": long}).to_string();
    assert_refused(&post(&app, &token, &large), 413, "body_too_large");
    let get = app.get("/publish");
    assert_refused(&get, 405, "method_not_allowed");
    assert_eq!(get.header("allow"), Some("POST"));
    assert_eq!(post(&app, &token, "{\"type\":\"note\",\"data\":1}").status, 202, "unharmed");
}

#[test]
fn a_token_that_publishes_too_often_is_told_when_to_go_on_and_another_is_not_held_up() {
    let (mut app, token) = start("[publish]\nrate_per_s = 0.5");
    let other = self::token(&app, "other", "publish");
    let event = json!({"type": "note", "data": 1}).to_string();
    assert_eq!(post(&app, &token, &event).status, 202);
    let refused = post(&app, &token, &event);
    assert_refused(&refused, 429, "too_often");
    let wait: u64 =
        refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=3).contains(&wait), "{wait}");
    assert_eq!(post(&app, &other, &event).status, 202);
    assert_eq!(refusals_when_ended(&mut app), 1, "once a minute: {}", app.log());
}

#[test]
fn a_shell_script_publishes_with_one_command() {
    let (app, token) = start("[publish]\nrate_per_s = 1000");
    let mut stream = app.stream("");
    stream.frame().expect("the greeting");
    let listen = app.address().to_string();
    let publish = |arguments: &[&str], token: &str, input: &str| {
        let all = [&["--listen", &listen, "publish"], arguments].concat();
        run(&app, &all, token, input)
    };
    let ids: BTreeSet<String> = [
        publish(&["note", "{\"a\": 1}"], &token, ""),
        publish(&["note", "-", "--id", "mine"], &token, "\"from a pipe\""),
        publish(&["note"], &token, "[1]"),
        publish(&["note", "-3.50"], &token, ""),
        publish(&["note", "[1e999,12345678901234567890123,\"\\ud83d\\ude00\"]"], &token, ""),
    ]
    .into_iter()
    .map(|done| {
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).expect("text").trim().to_owned()
    })
    .collect();
    assert!(ids.len() == 5 && ids.contains("mine"), "{ids:?}");
    let data: Vec<Value> = (0..5).filter_map(|_| Some(json!(stream.next()?.data))).collect();
    let exact = "[1e999,12345678901234567890123,\"\\ud83d\\ude00\"]";
    assert_eq!(data, ["{\"a\": 1}", "from a pipe", "[1]", "-3.50", exact]);
    for (arguments, token, says) in [
        (vec!["note", "no json"], token.as_str(), "the data is no JSON"),
        (vec!["note", "1"], "", "there is no token in $TAKPULSE_TOKEN"),
        (vec!["note", "1"], "wrong", "takpulse refused the event (401)"),
        (vec!["alert", "1"], token.as_str(), "choose another type"),
    ] {
        let failed = publish(&arguments, token, "");
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert_eq!(failed.status.code(), Some(1), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

/// The commands of README.md on scripts and tokens.
fn readme_commands() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("Scripts and tokens\n"));
    let block = section.expect("the section").split("```console\n").nth(1).expect("commands");
    let lines = block.split("```").next().unwrap_or_default().lines();
    lines.filter_map(|line| line.strip_prefix("$ ").map(str::to_owned)).collect()
}

#[test]
fn a_script_streams_and_publishes_by_the_readmes_words_alone() {
    let (app, _) = start("[stream]\nheartbeat = \"1s\"");
    let bin = app.dir().join("bin");
    std::fs::create_dir(&bin).expect("made");
    std::os::unix::fs::symlink(crate::app::binary(), bin.join("takpulse")).expect("linked");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let commands: Vec<String> = readme_commands()
        .into_iter()
        .map(|line| line.replace("127.0.0.1:8480", &app.address().to_string()))
        // A stream has no end: the first event is enough.
        .map(|line| if line.contains("/stream") { line + " -s | grep -m1 event:" } else { line })
        .collect();
    assert!(commands.len() >= 6, "{commands:?}");
    let script = format!("set -eu\n{}\n", commands.join("\n"));
    let done = command()
        .get_envs()
        .fold(&mut std::process::Command::new("bash"), |bash, (name, _)| bash.env_remove(name))
        .args(["-c", &script])
        .current_dir(app.dir())
        .env("PATH", path)
        .env("TAKPULSE_STATE_DIR", "state")
        .env("TAKPULSE_HTTP__LISTEN", app.address().to_string())
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("{\"id\":\"w-1\"}"), "{said}");
    assert!(said.contains("event:"), "{said}");
    assert!(said.contains("weather-station is revoked"), "{said}");
}
