//! Promise: what a container writes is told line by line, each once, to admins only; and however much it
//! writes, nobody else notices.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};

use serde_json::{Value, json};

use crate::app::{App, Stream, wait_for};
use crate::asker::{Asker, code, user};
use crate::connection::{Connection, connect_from};
use crate::credentials::{AUTHORIZATION, PASSWORD};
use crate::engine::Engine;
use crate::http2::{Http2, Reads};
use crate::secure;
use crate::wire::{Dispatched, connect};

/// As many logs as may be watched at a time.
const MOST: usize = 20;

fn config(engine: &Engine) -> String {
    format!(
        "[collect.system]\ninterval = \"1s\"\n[collect.tak]\nenabled = false\n[collect.docker]\nhost = \"{}\"\n",
        engine.host()
    )
}

/// Opens a container's log with this query; `last` is what was seen last.
fn open(app: &App, name: &str, query: &str, last: Option<&str>) -> Stream<TcpStream> {
    let header = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    let target = format!("/api/containers/{name}/logs{query}");
    Stream::open_at(connect(app.address()), &target, &header)
}

/// The next event that is not about the stream itself.
fn next(stream: &mut Stream<TcpStream>) -> Option<Dispatched> {
    std::iter::from_fn(|| stream.next()).find(|event| event.event != "ping")
}

/// All lines up to the end, as output and text, and the reason of the end.
fn read(stream: &mut Stream<TcpStream>) -> (Vec<(String, String)>, String) {
    let mut lines = Vec::new();
    loop {
        let event = next(stream).expect("an end is told");
        let json = event.json();
        match event.event.as_str() {
            "log" => lines.push((text(&json, "stream"), text(&json, "text"))),
            "end" => return (lines, text(&json, "reason")),
            other => panic!("{other}: {json}"),
        }
    }
}

fn text(json: &Value, field: &str) -> String {
    json[field].as_str().unwrap_or_else(|| panic!("{field}: {json}")).to_owned()
}

fn out(text: &str) -> (String, String) {
    ("stdout".into(), text.into())
}

/// Waits until a container has ended.
fn wait_for_end(engine: &Engine, name: &str) {
    engine.docker(&["wait", name]);
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn what_a_container_writes_is_told_whatever_it_is() {
    let engine = Engine::start();
    let app = App::start(&config(&engine));
    let script = r"
        echo one; sleep 0.1; echo two >&2; sleep 0.1
        printf '\033[1;31mred\033[0m and \033]0;title\007plain\n'
        printf 'latin \344\n\000\001\002bin\n'
        dd if=/dev/zero bs=1000 count=100 2>/dev/null | busybox tr '\000' x; echo
        echo after; printf unended
    ";
    engine.container("box", &[], script);
    wait_for_end(&engine, "box");
    let (lines, reason) = read(&mut open(&app, "box", "?follow=false", None));
    let long = format!("{}\u{2026}", "x".repeat((16 << 10) - 3));
    let wanted = [
        out("one"),
        ("stderr".into(), "two".into()),
        out("red and plain"),
        out("latin \u{fffd}"),
        out("bin"),
        out(&long),
        out("after"),
        out("unended"),
    ];
    assert_eq!(lines, wanted);
    assert_eq!(reason, "end");

    // So many, and from when on.
    let (lines, _) = read(&mut open(&app, "box", "?follow=0&tail=2", None));
    assert_eq!(lines, [out("after"), out("unended")]);
    let mut stream = open(&app, "box", "?follow=false", None);
    let times: Vec<f64> =
        std::iter::from_fn(|| next(&mut stream).filter(|event| event.event == "log"))
            .map(|event| event.json()["timestamp"].as_f64().expect("a moment"))
            .collect();
    assert!(times.is_sorted() && times[0] > 1.7e9, "{times:?}");
    let since = format!("?follow=false&since={}", (times[1] + times[2]) / 2.0);
    let (lines, _) = read(&mut open(&app, "box", &since, None));
    assert_eq!(lines, wanted[2..]);
    let (lines, reason) = read(&mut open(&app, "box", "?tail=1", None));
    assert_eq!((lines.len(), reason.as_str()), (1, "not_running"), "there is nothing to follow");

    // A terminal: one output, and perhaps never the end of a line.
    let script = "echo a; echo b >&2; printf '10%%\\r20%%\\n'; until test -e /tmp/on; do sleep 0.05; done; \
                  dd if=/dev/zero bs=1000 count=2000 | busybox tr '\\000' x; touch /tmp/done; exec sleep 9999";
    engine.container("terminal", &["-t"], script);
    let mut stream = open(&app, "terminal", "", None);
    let mut line = || text(&next(&mut stream).expect("it goes on").json(), "text");
    assert_eq!([line(), line(), line()], ["a", "b", "10% 20%"]);
    engine.docker(&["exec", "terminal", "touch", "/tmp/on"]);
    wait_for("all of it", || {
        let looked = ["exec", "terminal", "sh", "-c", "test -e /tmp/done && echo yes || echo no"];
        (engine.docker(&looked) == "yes").then_some(())
    });
    engine.docker(&["rm", "-f", "terminal"]);
    let endless = std::iter::repeat_with(line).find(|line| line.starts_with("xxx"));
    assert_eq!(endless, Some(long));

    // What cannot be told.
    engine.container("unlogged", &["--log-driver", "none"], "exec sleep 9999");
    for (path, status, wanted) in [
        ("/api/containers/unlogged/logs", 502, "engine_failed"),
        ("/api/containers/nobody/logs", 404, "no_such_container"),
        ("/api/containers/nobody", 404, "no_such_container"),
        ("/api/containers/-x/logs", 400, "bad_container"),
        ("/api/containers/-x", 400, "bad_container"),
        ("/api/containers/box/logs?tail=10001", 400, "bad_query"),
        ("/api/containers/box/logs?last_event_id=7", 400, "bad_last_event_id"),
    ] {
        let answer = app.get(path);
        assert_eq!((answer.status, code(&answer).as_str()), (status, wanted), "{path}");
    }
    let why = text(&app.get("/api/containers/unlogged/logs").json()["error"], "message");
    assert!(why.contains("json-file, local, journald"), "{why}");
    for (path, status) in [("box/logs", 200), ("nobody/logs", 404), ("box", 200)] {
        let head = format!("HEAD /api/containers/{path} HTTP/1.0\r\nHost: x\r\n\r\n");
        let answer = app.raw(head.as_bytes());
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{path}");
    }
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn a_container_is_told_in_detail_when_it_is_asked_for() {
    let engine = Engine::start();
    let app = App::start(&config(&engine));
    let check = ["--health-cmd", "echo fine; test -e /tmp", "--health-interval", "1s"];
    let mounts =
        ["-v", "/usr/share:/data/host:ro", "-v", "kept:/data/kept", "--tmpfs", "/data/gone"];
    let options = ["--restart", "on-failure:3", "-e", "PASSWORD=hush"];
    let id = engine.container("box", &[&check[..], &mounts, &options].concat(), "exec sleep 9999");
    let details = wait_for("a health check", || {
        let details = app.get("/api/containers/box").json();
        (!details["health_log"].as_array().expect("a list").is_empty()).then_some(details)
    });
    assert_eq!(details["id"], json!(id));
    for name in [&id[..12], &id, "box"] {
        assert_eq!(app.get(&format!("/api/containers/{name}")).json()["id"], json!(id), "{name}");
    }
    assert_eq!((&details["name"], &details["state"]), (&json!("box"), &json!("running")));
    assert_eq!(
        (&details["image"], &details["restart_policy"]),
        (&json!("probe"), &json!("on-failure:3"))
    );
    assert!(
        text(&details, "image_id").len() == 19 && details["image_digest"].is_null(),
        "{details}"
    );
    assert_eq!(details["networks"], json!([{"name": "none"}]));
    assert_eq!(
        details["mounts"],
        json!([
            {"kind": "tmpfs", "destination": "/data/gone", "read_only": false},
            {"kind": "bind", "source": "/usr/share", "destination": "/data/host", "read_only": true},
            {"kind": "volume", "source": "kept", "destination": "/data/kept", "read_only": false},
        ])
    );
    assert_eq!(details["mounts_total"], 3);
    let probe = &details["health_log"][0];
    assert_eq!((&probe["exit_code"], &probe["output"]), (&json!(0), &json!("fine")));
    assert!(details["created_at"].as_f64() > Some(1.7e9) && probe["at"].as_f64() > Some(1.7e9));
    assert_eq!((&details["actions"], &details["confirm"]), (&json!([]), &json!(false)));
    assert!(!details.to_string().contains("hush"), "no secret is told");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn wherever_a_reader_is_cut_off_each_line_comes_once() {
    const LINES: usize = 1500;
    let engine = Engine::start();
    let app = App::start(&config(&engine));
    // Two writers at once, so that their lines stand out of order now and then.
    let write = |output: usize| {
        format!(
            "i=0; while test $i -lt {LINES}; do echo {output} $i >&{output}; i=$((i+1)); case $i in *00) sleep 0.05;; esac; done"
        )
    };
    engine.container("box", &[], &format!("({}) & ({}) & wait; sleep 0.2", write(1), write(2)));
    let mut seen: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut last: Option<String> = None;
    let mut random = fastrand::Rng::with_seed(5);
    let mut visits = 0;
    loop {
        visits += 1;
        // The query's id for every other connection, the header's for the rest.
        let mut stream = match &last {
            Some(id) if visits % 2 == 0 => open(&app, "box", &format!("?last_event_id={id}"), None),
            last => open(&app, "box", "?tail=10000", last.as_deref()),
        };
        let mut reason = None;
        for _ in 0..random.usize(1..200) {
            let event = next(&mut stream).expect("it goes on");
            if event.event == "end" {
                reason = Some(text(&event.json(), "reason"));
                break;
            }
            assert_eq!(event.event, "log", "{}", event.data);
            let said = text(&event.json(), "text");
            let (output, number) = said.split_once(' ').expect("two numbers");
            seen.entry(output.to_owned()).or_default().push(number.parse().expect("a number"));
            last = event.id;
        }
        if let Some(reason) = reason {
            assert_eq!(reason, "not_running");
            break;
        }
    }
    assert!(visits > 10, "{visits}");
    let wanted: Vec<usize> = (0..LINES).collect();
    assert!(
        seen == BTreeMap::from([("1".into(), wanted.clone()), ("2".into(), wanted)]),
        "after {visits} visits: {seen:?}"
    );

    // Started again, it goes on in the same log.
    engine.docker(&["start", "box"]);
    let mut stream = open(&app, "box", "", last.as_deref());
    let first = text(&next(&mut stream).expect("a line").json(), "text");
    assert!(first == "1 0" || first == "2 0", "nothing old comes: {first}");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn why_a_log_ends_is_told_and_nothing_is_lost_over_a_restart() {
    let mut engine = Engine::start();
    let app = App::start(&config(&engine));
    let polite = "n=$(cat /tmp/n 2>/dev/null || echo 0); echo $((n+1)) >/tmp/n; echo start $n; trap 'echo stop $n; exit' TERM; while :; do sleep 0.05; done";
    engine.container("box", &[], polite);
    let mut stream = open(&app, "box", "", None);
    let first = next(&mut stream).expect("a line");
    assert_eq!(text(&first.json(), "text"), "start 0");
    engine.docker(&["restart", "box"]);
    let (lines, reason) = read(&mut stream);
    assert_eq!(lines, [out("stop 0")]);
    assert!(reason == "restarted" || reason == "not_running", "{reason}");
    let mut stream = open(&app, "box", "", first.id.as_deref());
    let mut lines = (0..2).map(|_| text(&next(&mut stream).expect("a line").json(), "text"));
    assert_eq!([lines.next(), lines.next()], [Some("stop 0".into()), Some("start 1".into())]);
    engine.docker(&["stop", "box"]);
    assert_eq!(read(&mut stream), (vec![out("stop 1")], "not_running".into()));

    engine.container("two", &[], "echo here; exec sleep 9999");
    let mut stream = open(&app, "two", "", None);
    next(&mut stream).expect("a line");
    engine.docker(&["rm", "-f", "two"]);
    assert_eq!(read(&mut stream), (vec![], "removed".into()));

    engine.container("three", &[], "echo here; exec sleep 9999");
    let mut stream = open(&app, "three", "", None);
    next(&mut stream).expect("a line");
    engine.kill();
    let end = next(&mut stream).expect("an end is told");
    assert_eq!((end.event.as_str(), text(&end.json(), "reason").as_str()), ("end", "engine_gone"));
    let answer = app.get("/api/containers/three/logs");
    assert_eq!((answer.status, code(&answer).as_str()), (503, "engine_unavailable"));
    assert!(answer.header("retry-after").is_some());
}

/// The resident memory of this process, in bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim_end_matches("kB").trim().parse::<u64>().expect("a number") << 10
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn a_container_that_writes_as_fast_as_it_can_hurts_nobody() {
    let engine = Engine::start();
    let app = App::start(&config(&engine));
    let mut watching = app.stream("?topics=system_metrics");
    watching.next().expect("an event");
    let options = ["--log-opt", "max-size=20m", "--log-opt", "max-file=2"];
    engine.container(
        "chatty",
        &options,
        "exec busybox yes 'as fast as it can, line after line after line'",
    );
    let before = resident(app.pid());
    let mut streams: Vec<_> = (0..3).map(|_| open(&app, "chatty", "", None)).collect();
    // One of them takes nothing at all.
    let _takes_nothing = open(&app, "chatty", "", None);
    let (mut lines, mut lost) = (0, 0);
    // Much more is written than can be shown.
    while lines < 5000 || lost < 5000 {
        for stream in &mut streams {
            let event = next(stream).expect("it goes on");
            match event.event.as_str() {
                "log" => lines += 1,
                "lagged" => lost += event.json()["lost"].as_u64().expect("they are counted"),
                other => panic!("{other}: {}", event.data),
            }
        }
    }
    for _ in 0..5 {
        watching.next().expect("the stream goes on beside it");
    }
    // Each log may hold a megabyte or two, from the engine's socket to the viewer's.
    let grown = resident(app.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    println!("lost {lost}, {grown} bytes more");
    drop(streams);
}

/// Waits until takpulse says of so many logs that their readers are gone.
fn wait_for_gone(app: &App, count: usize) {
    wait_for("the reader to be given up", || {
        let log = app.log();
        let gone = log.lines().filter(|line| line.contains("has stopped") && line.contains("gone"));
        (gone.count() == count).then_some(())
    });
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn whoever_takes_nothing_of_a_log_is_given_up() {
    let engine = Engine::start();
    let line = "x".repeat(1000);
    let options = ["--log-opt", "max-size=20m"];
    engine.container("chatty", &options, &format!("exec busybox yes {line}"));
    let impatient = "[http]\nwrite_timeout = \"1s\"\n";
    let path = "/api/containers/chatty/logs";

    let app = App::start(&format!("{impatient}{}", config(&engine)));
    let mut silent = connect_from(Ipv4Addr::LOCALHOST.into(), Some(4 << 10), app.address());
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{AUTHORIZATION}\r\n");
    silent.write_all(request.as_bytes()).expect("sent");
    wait_for_gone(&app, 1);

    let encrypted = "[tls]\nmode = \"self-signed\"\n";
    let app = App::start(&format!("{impatient}{encrypted}{}", config(&engine)));
    // The socket is read, and pings are answered; only this answer has no room.
    let mut narrow = Http2::over(connect(app.address()), 4 << 10, Reads::Always);
    let answer = narrow.get(path);
    assert_eq!(answer.status(), 200);
    wait_for_gone(&app, 1);
    assert_eq!(
        code(&secure::get(app.address(), "/api/containers/nobody/logs")),
        "no_such_container"
    );
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn an_open_log_uses_its_session() {
    let engine = Engine::start();
    engine.container("box", &[], "exec sleep 9999");
    let hasty = "[auth]\nsession_idle = \"2s\"\n[stream]\nheartbeat = \"1s\"\n";
    let app = App::start(&format!("{hasty}{}", config(&engine)));
    let admin = Asker::signed_in(&app, "admin", PASSWORD);
    let mut log = Connection::open(app.address());
    let request =
        format!("GET /api/containers/box/logs HTTP/1.1\r\nHost: x\r\n{}\r\n", admin.shown());
    log.send(request.as_bytes());
    assert_eq!(log.head().status, 200);
    let mut pings = 0;
    while pings < 5 {
        pings += log.chunk().expect("it goes on").matches("event:ping").count();
    }
    drop(log);
    assert_eq!(admin.ask("GET", "/api/session").status, 200, "nothing else was asked for");
}

#[test]
#[ignore = "needs a Docker Engine, run tests/run"]
fn logs_are_for_admins_few_at_a_time_and_end_with_the_session() {
    let engine = Engine::start();
    let users = [user("vera", "viewer", "watches the map"), user("adam", "admin", "does the rest")];
    let mut app = App::start(&format!("{}{}", users.concat(), config(&engine)));
    engine.container("box", &[], "echo here; exec sleep 9999");
    let path = "/api/containers/box/logs";
    let viewer = Asker::signed_in(&app, "vera", "watches the map");
    assert_eq!(code(&viewer.ask("GET", path)), "wrong_role");
    assert_eq!(viewer.ask("GET", "/api/containers/box").status, 200);
    assert_eq!(code(&Asker::with_token(&app, "stream").ask("GET", path)), "wrong_scope");

    // A session that ends ends its logs, and nobody else's.
    let admin = Asker::signed_in(&app, "adam", "does the rest");
    let mut own = Connection::open(app.address());
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{}\r\n", admin.shown());
    own.send(request.as_bytes());
    let head = own.head();
    assert_eq!(head.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(head.header("cache-control"), Some("no-cache, no-transform"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    own.chunks_until("\n\n");
    let mut others = open(&app, "box", "", None);
    assert_eq!(admin.ask("POST", "/api/logout").status, 200);
    let mut rest = String::new();
    while let Some(chunk) = own.chunk() {
        rest += &chunk;
    }
    assert!(!rest.contains("event:end") && !rest.contains("retry:"), "{rest}");
    assert_eq!(text(&next(&mut others).expect("a line").json(), "text"), "here");

    // A token that is revoked ends them too.
    let token = Asker::with_token(&app, "admin");
    let mut revoked = Connection::open(app.address());
    revoked.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{}\r\n", token.shown()).as_bytes());
    revoked.head();
    crate::asker::run(app.dir(), &["token", "revoke", "admin"], "");
    while revoked.chunk().is_some() {}

    // So many and no more; who goes makes room.
    let mut open_ones = vec![others];
    while open_ones.len() < MOST {
        open_ones.push(open(&app, "box", "", None));
    }
    let refused = app.get(path);
    assert_eq!((refused.status, code(&refused).as_str()), (503, "too_many_logs"));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    open_ones.pop();
    let again = wait_for("room", || {
        (app.raw(format!("HEAD {path} HTTP/1.0\r\nHost: x\r\n\r\n").as_bytes()).status == 200)
            .then(|| open(&app, "box", "", None))
    });
    open_ones.push(again);

    app.signal("TERM");
    for mut stream in open_ones {
        let last = stream.last_frame();
        assert!(last.starts_with("retry:"), "the last frame is {last:?}");
    }
    assert_eq!(app.wait(), Some(0));
}
