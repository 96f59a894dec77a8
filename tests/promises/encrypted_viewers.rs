//! Promise: a viewer that takes no bytes is given up over TLS as it is without, in either version of
//! HTTP, and costs the others nothing.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::app::{App, wait_for};
use crate::connection::{Connection, connect_from};
use crate::credentials::authorized;
use crate::curl::{ask, token};
use crate::encryption::SELF_SIGNED;
use crate::http2::{Http2, Reads};
use crate::inside::{Inside, Log};
use crate::secure::{self, Session};
use crate::wire::{self, Stream};
use crate::world::in_own_process;

/// Only the web server, encrypted, which gives up soon who takes no bytes.
const IMPATIENT: &str = "[tls]\nmode = \"self-signed\"\n[http]\nwrite_timeout = \"1s\"\n\
    [stream]\nheartbeat = \"1s\"\n[collect.system]\nenabled = false\n\
    [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n";
/// Room that no single event fills.
const ROOMY: u32 = 1 << 30;
/// Room for less than one event of the flood.
const NARROW: u32 = 1 << 10;

fn viewers(app: &Inside) -> Vec<Value> {
    let answer = secure::get(app.address, "/api/viewers").json();
    answer["viewers"].as_array().expect("a list").clone()
}

/// A stream of the notes that is read, beside another that is not.
fn watch(app: &Inside) -> Stream<Session> {
    let mut kept = Stream::open_at(secure::open(app.address), "/stream?topics=kept", "");
    assert!(kept.frame().expect("the greeting").contains("retry:"));
    kept
}

/// Floods the viewers of `note` until the first of all viewers has been given up for that.
#[track_caller]
fn flood_until_given_up(app: &Inside, log: &Log, kept: &mut Stream<Session>) {
    let mut numbers = 0..;
    wait_for("the viewer that takes nothing to be given up", || {
        let number: usize = numbers.next()?;
        app.publish("note", &number.to_string(), &"x".repeat(8 << 10));
        // The other goes on meanwhile.
        let id = format!("kept-{number}");
        app.publish("kept", &id, "{}");
        while kept.next()?.id.as_deref() != Some(&*id) {}
        (viewers(app).len() == 1).then_some(())
    });
    let text = wait_for("the line in the log", || {
        let text = log.text();
        text.contains("a viewer has disconnected").then_some(text)
    });
    let went: Vec<_> =
        text.lines().filter(|line| line.contains("a viewer has disconnected")).collect();
    assert!(went.len() == 1 && went[0].contains("reason=\"stalled\""), "{went:?}");
}

/// A connection whose kernel takes few bytes when nobody reads them. It is made before the server
/// runs, so that its socket there has the options of all others.
fn narrow_socket(app: &Inside) -> std::net::TcpStream {
    connect_from(Ipv4Addr::LOCALHOST.into(), Some(4 << 10), app.address)
}

#[test]
fn a_viewer_that_reads_nothing_is_given_up_over_http_1() {
    in_own_process(
        "encrypted_viewers::a_viewer_that_reads_nothing_is_given_up_over_http_1",
        || {
            let log = Log::keep();
            let app = Inside::listen(IMPATIENT);
            let socket = narrow_socket(&app);
            app.run();
            let mut kept = watch(&app);
            let mut stalled = Connection::over(secure::over(socket, &secure::client(&[])));
            stalled.send(&authorized(b"GET /stream?topics=note HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert_eq!(stalled.head().status, 200);
            flood_until_given_up(&app, &log, &mut kept);
        },
    );
}

#[test]
fn a_viewer_that_reads_nothing_is_given_up_over_http_2() {
    in_own_process(
        "encrypted_viewers::a_viewer_that_reads_nothing_is_given_up_over_http_2",
        || {
            let log = Log::keep();
            let app = Inside::listen(IMPATIENT);
            let socket = narrow_socket(&app);
            app.run();
            let mut kept = watch(&app);
            // Nothing is read from the socket any more.
            let mut stalled = Http2::over(socket, ROOMY, Reads::WithinCalls);
            let answer = stalled.get("/stream?topics=note");
            flood_until_given_up(&app, &log, &mut kept);
            drop(answer);
        },
    );
}

#[test]
fn a_viewer_that_gives_no_room_is_given_up_over_http_2() {
    in_own_process(
        "encrypted_viewers::a_viewer_that_gives_no_room_is_given_up_over_http_2",
        || {
            let log = Log::keep();
            let app = Inside::listen(IMPATIENT);
            app.run();
            let mut kept = watch(&app);
            // The socket is read, and pings are answered; only the stream has no room.
            let mut stalled = Http2::over(wire::connect(app.address), NARROW, Reads::Always);
            let answer = stalled.get("/stream?topics=note");
            flood_until_given_up(&app, &log, &mut kept);
            drop(answer);
        },
    );
}

#[test]
fn at_the_end_nobody_waits_for_a_viewer_that_gives_no_room() {
    let mut app = App::start(&format!("{SELF_SIGNED}[log]\nlevel = \"debug\"\n"));
    let mut stalled = Http2::over(wire::connect(app.address()), NARROW, Reads::Always);
    let answer = stalled.get("/stream?topics=note");
    let event = format!("{{\"type\":\"note\",\"data\":\"{}\"}}", "x".repeat(8 << 10));
    wait_for("a viewer that falls behind", || {
        ask(app.address(), "/publish", &[&token()[..], &["-d", &event]].concat());
        let rows = secure::get(app.address(), "/api/viewers").json();
        (rows["viewers"][0]["events_behind"].as_u64() > Some(2)).then_some(())
    });
    app.signal("TERM");
    assert_eq!(app.wait(), Some(0));
    let log = wait_for("the last line", || {
        let log = app.log();
        log.contains("takpulse has ended").then_some(log)
    });
    assert!(log.contains("reason=\"shutdown\""), "{log}");
    assert!(!log.contains("connections that did not end in time"), "{log}");
    drop(answer);
}
