//! Bad input gets a clear JSON 4xx, and the process goes on unharmed.

use std::io::Write;

use crate::app::{Answer, App};
use crate::wire;

/// Only the web server: no collector disturbs.
const QUIET: &str = "[collect.system]\nenabled = false\n[collect.docker]\nenabled = false\n\
    [collect.tak]\nenabled = false\n";

fn start(more: &str) -> App {
    App::start(&format!("{more}\n{QUIET}"))
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (status, Some(code)));
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.len() > 20, "says what to do: {message}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn what_is_no_route_or_no_method_of_it_is_refused_in_json() {
    let app = start("");
    for path in
        ["/nope", "/stream/", "/api", "/api/", "/api/state/x", "/..%2f..%2fetc/passwd", "/%ff"]
    {
        assert_refused(&app.get(path), 404, "not_found");
    }
    for (method, path) in
        [("POST", "/stream"), ("DELETE", "/"), ("PUT", "/api/state"), ("BREW", "/healthz")]
    {
        let request = format!("{method} {path} HTTP/1.0\r\nHost: x\r\n\r\n");
        let answer = app.raw(request.as_bytes());
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    assert_refused(
        &app.raw(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
        405,
        "method_not_allowed",
    );
    assert_refused(&app.raw(b"OPTIONS * HTTP/1.0\r\nHost: x\r\n\r\n"), 404, "not_found");
    for path in ["/", "/stream", "/api/state", "/healthz", "/readyz"] {
        let answer = app.raw(format!("HEAD {path} HTTP/1.0\r\nHost: x\r\n\r\n").as_bytes());
        assert_eq!((answer.status, answer.body.len()), (200, 0), "HEAD {path}");
    }
    let odd = app.raw(b"GET / HTTP/1.0\r\nIf-None-Match: \xff\r\n\r\n");
    assert_eq!(odd.status, 200, "a header that is no text is no reason to find nothing");
    assert_eq!(app.get("/healthz").status, 200);
}

#[test]
fn garbage_in_query_and_last_event_id_is_refused_in_json() {
    let app = start("");
    for query in ["topics=UPPER", "topics=a,,b", "topics=%00", "topics=%ff%fe", "node=%0d%0a"] {
        let answer = app.get(&format!("/stream?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.json()["error"]["message"].is_string(), "{query}");
    }
    let long = "x".repeat(300);
    for id in ["\u{1}", long.as_str(), "\u{ff}\u{7f}"] {
        let request = format!("GET /stream HTTP/1.0\r\nLast-Event-ID: {id}\r\n\r\n");
        let answer = app.raw(request.as_bytes());
        assert_eq!(answer.status, 400, "{id:?}");
    }
    let invalid_utf8 = app.raw(b"GET /stream HTTP/1.0\r\nLast-Event-ID: \xff\xfe\r\n\r\n");
    assert_refused(&invalid_utf8, 400, "bad_last_event_id");
    let mut unknown = app.stream_with("", "Last-Event-ID: nobody-ever-gave-this\r\n");
    assert!(unknown.frame().expect("it is a stream").starts_with(": takpulse\nretry:"));
}

#[test]
fn an_oversized_header_is_refused_and_the_process_unharmed() {
    let app = start("");
    let large = "x".repeat(20 << 10);
    let answer = app.raw(format!("GET / HTTP/1.0\r\nX-Large: {large}\r\n\r\n").as_bytes());
    assert_refused(&answer, 431, "header_too_large");
    let many: String = (0..900).map(|number| format!("X-Field-{number}: some value\r\n")).collect();
    let answer = app.raw(format!("GET / HTTP/1.0\r\n{many}\r\n").as_bytes());
    assert_refused(&answer, 431, "header_too_large");
    let long_path = app.get(&format!("/{}", "x".repeat(20 << 10)));
    assert_refused(&long_path, 431, "header_too_large");
    let huge = "x".repeat(1 << 20);
    let answer = app.raw(format!("GET / HTTP/1.0\r\nX-Huge: {huge}\r\n\r\n").as_bytes());
    assert_refused(&answer, 431, "header_too_large");
    let answer = app.get(&format!("/{}", "x".repeat(100 << 10)));
    assert_refused(&answer, 431, "header_too_large");
    let fields = "A: b\r\n".repeat(2000);
    let answer = app.raw(format!("GET / HTTP/1.0\r\n{fields}\r\n").as_bytes());
    assert_refused(&answer, 431, "header_too_large");
    for odd in
        ["\u{16}\u{3}\u{1} not http at all", "GET / HTTP/1.1\r\nContent-Length: many", "GET /"]
    {
        assert_refused(&app.raw(format!("{odd}\r\n\r\n").as_bytes()), 400, "not_http");
    }
    assert_eq!(app.get("/healthz").status, 200);
}

#[test]
fn a_slow_header_writer_is_told_and_disconnected_while_others_are_served() {
    let app = start("[http]\nheader_timeout = \"1s\"");
    let mut slow = wire::connect(app.address());
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").expect("sent");
    let silent = wire::connect(app.address());
    assert_eq!(app.get("/healthz").status, 200, "served meanwhile");
    assert_refused(&Answer::read(slow), 408, "header_timeout");
    let mut nothing = Vec::new();
    std::io::Read::read_to_end(&mut { silent }, &mut nothing).expect("closed");
    assert!(nothing.is_empty(), "who has said nothing is told nothing");
}

#[test]
fn one_connection_too_many_is_told_to_come_back_and_the_others_stay() {
    let app = start("[http]\nmax_connections = 2");
    let mut streams = [app.stream(""), app.stream("")];
    for stream in &mut streams {
        stream.frame().expect("open");
    }
    let answer = Answer::read(wire::connect(app.address()));
    assert_refused(&answer, 503, "too_many_connections");
    assert!(answer.header("retry-after").and_then(|value| value.parse::<u32>().ok()).is_some());
    let [one, _other] = streams;
    drop(one);
    wire::wait_for("a free place", || {
        let answer = app.raw(b"GET /healthz HTTP/1.0\r\n\r\n");
        (answer.status == 200).then_some(())
    });
}

#[test]
fn one_viewer_too_many_is_told_to_come_back_and_the_others_stay() {
    let app = start("[http]\nmax_viewers = 1\n[stream]\nheartbeat = \"1s\"");
    let mut stream = app.stream("");
    stream.frame().expect("open");
    let answer = app.get("/stream");
    assert_refused(&answer, 503, "too_many_viewers");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(stream.next().expect("still open").event, "ping");
}
