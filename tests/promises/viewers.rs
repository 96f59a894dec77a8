//! Promise: it is seen who watches, and the log says of every viewer once that it came and once why
//! it went.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use takpulse::event::unix_now;

use crate::app::{App, wait_for};
use crate::connection::{Connection, connect_from};
use crate::credentials::authorized;
use crate::inside::{Inside, Log};
use crate::wire;
use crate::world::in_own_process;

/// A reading of the host every second, and nothing else.
const HOST_ONLY: &str = "[collect.system]\ninterval = \"1s\"\ntimeout = \"1s\"\n\
    [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n";

/// Only the web server, which gives up soon who takes no bytes.
const IMPATIENT: &str = "[http]\nwrite_timeout = \"1s\"\n[stream]\nheartbeat = \"1s\"\n\
    [collect.system]\nenabled = false\n[collect.docker]\nenabled = false\n\
    [collect.tak]\nenabled = false\n";

/// The rows of `/api/viewers`.
fn rows(answer: &Value) -> &[Value] {
    answer["viewers"].as_array().expect("a list of viewers")
}

/// The log has one line of this viewer's coming, and one of its going for this reason.
#[track_caller]
fn check_log(log: &str, viewer: u64, reason: &str) {
    let of = |what: &str| -> Vec<&str> {
        let named = |line: &&str| line.split(' ').any(|word| word == format!("viewer={viewer}"));
        log.lines().filter(|line| line.contains(what)).filter(named).collect()
    };
    let [came] = of("a viewer has connected")[..] else { panic!("viewer {viewer}: {log}") };
    assert!(came.contains("address=127.0.0.1"), "{came}");
    let [went] = of("a viewer has disconnected")[..] else { panic!("viewer {viewer}: {log}") };
    assert!(went.contains(&format!("reason=\"{reason}\"")), "{went}");
}

#[test]
fn every_viewer_is_seen_with_what_it_asked_for_and_what_it_got() {
    let mut app = App::start(HOST_ONLY);
    let before = unix_now();
    let host = app.stream_with("?topics=system_metrics", "User-Agent: host-reader/1\r\n");
    let agent = "x".repeat(300);
    let other =
        app.stream_with("?topics=alert,tak_status&node=edge", &format!("User-Agent: {agent}\r\n"));
    let viewers = || app.get("/api/viewers").json();
    let seen = wait_for("a first event", || {
        let seen = viewers();
        (rows(&seen)[0]["events_sent"].as_u64() > Some(0)).then_some(seen)
    });
    let now = seen["timestamp"].as_f64().expect("a time");
    for (row, id, topics, agent) in [
        (&rows(&seen)[0], 1, json!(["system_metrics"]), "host-reader/1"),
        (&rows(&seen)[1], 2, json!(["alert", "tak_status"]), &agent[..200]),
    ] {
        let since = row["since"].as_f64().expect("a time");
        assert!(before <= since && since <= now, "{before} {since} {now}");
        assert_eq!((&row["id"], &row["address"]), (&json!(id), &json!("127.0.0.1")), "{row}");
        assert_eq!((&row["topics"], &row["user_agent"]), (&topics, &json!(agent)), "{row}");
        assert_eq!((&row["channel"], &row["secure"]), (&json!("sse"), &json!(false)), "{row}");
        assert_eq!((&row["events_lost"], &row["events_behind"]), (&json!(0), &json!(0)), "{row}");
    }
    assert_eq!(rows(&seen).len(), 2);
    assert_eq!((rows(&seen)[0].get("node"), &rows(&seen)[1]["node"]), (None, &json!("edge")));

    let sent = |seen: &Value, row: usize| rows(seen)[row]["events_sent"].as_u64();
    let later = wait_for("more events", || {
        let later = viewers();
        (sent(&later, 0) > sent(&seen, 0)).then_some(later)
    });
    assert_eq!(sent(&later, 1), Some(0), "nothing that it asked for has come");

    drop(host);
    let left = wait_for("the first to be gone", || {
        let left = viewers();
        (rows(&left).len() == 1).then_some(left)
    });
    assert_eq!(rows(&left)[0]["id"], 2);
    app.signal("TERM");
    assert_eq!(app.wait(), Some(0));
    drop(other);
    // The last line may still be on its way through the pipe.
    let log = wait_for("the last line", || {
        let log = app.log();
        log.contains("takpulse has ended").then_some(log)
    });
    check_log(&log, 1, "closed");
    check_log(&log, 2, "shutdown");
}

#[test]
fn why_a_viewer_went_is_told_apart() {
    in_own_process("viewers::why_a_viewer_went_is_told_apart", tell_reasons_apart);
}

fn tell_reasons_apart() {
    let log = Log::keep();
    let mut app = Inside::listen(IMPATIENT);
    let seen = || wire::get(app.address, "/api/viewers").json();
    // As early as it can be: its socket must have the options of all others.
    let socket = connect_from(Ipv4Addr::LOCALHOST.into(), Some(4 << 10), app.address);
    app.run();
    let mut stalled = Connection::over(socket);
    stalled.send(&authorized(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    wait_for("the first viewer", || (rows(&seen()).len() == 1).then_some(()));
    // These two are not flooded, and have no need to read.
    let closed = wire::Stream::open(app.address, "?topics=alert", "");
    let mut kept = wire::Stream::open(app.address, "?topics=alert", "");
    let flood = |number: usize| app.publish("note", &number.to_string(), &"x".repeat(8 << 10));
    let mut numbers = 0..;
    let blocked = wait_for("a viewer that takes no bytes", || {
        numbers.next().into_iter().for_each(flood);
        let seen = seen();
        rows(&seen)[0]["blocked_seconds"].is_number().then_some(seen)
    });
    // The kernel's own default would take 4 MiB for it.
    assert!(rows(&blocked)[0]["events_sent"].as_u64() < Some(64), "{blocked}");
    assert_eq!((&rows(&blocked)[0]["id"], rows(&blocked).len()), (&json!(1), 3), "{blocked}");
    assert!(rows(&blocked)[1..].iter().all(|row| row.get("blocked_seconds").is_none()));
    wait_for("it to be given up", || {
        // Its kernel may take some bytes yet; it must stay full.
        numbers.next().into_iter().for_each(flood);
        (rows(&seen()).len() == 2).then_some(())
    });
    drop(closed);
    wait_for("the second to be gone", || (rows(&seen()).len() == 1).then_some(()));
    assert!(kept.frame().expect("the one that is left").contains("retry:"));
    app.end();
    for (viewer, reason) in [(1, "stalled"), (2, "closed"), (3, "shutdown")] {
        check_log(&log.text(), viewer, reason);
    }
}
