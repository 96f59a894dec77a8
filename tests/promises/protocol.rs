//! Promise: what is published comes out of every browser as it went in. One table, held to the byte
//! on the wire, to an independent parser, and to Chromium's own `EventSource`.

use std::convert::Infallible;
use std::io::{Read, Write};

use eventsource_stream::{Event, EventStream};
use serde_json::{Value, json};
use takpulse::event::encode_frame;
use takpulse::hub::Limits;
use tokio_stream::StreamExt;

use crate::browser::Browser;
use crate::credentials::AUTHORIZATION;
use crate::site::LocalSite;
use crate::wire::{self, find, wait_for};

/// What is published, its `data` lines on the wire, and what a browser gets: the same, with every
/// line end as `\n`.
const CASES: [(&str, &str, &str); 18] = [
    ("{\"a\":1}", "data:{\"a\":1}\n", "{\"a\":1}"),
    ("a\nb", "data:a\ndata:b\n", "a\nb"),
    ("a\rb", "data:a\ndata:b\n", "a\nb"),
    ("a\r\nb", "data:a\ndata:b\n", "a\nb"),
    (
        "a\r\nb\rc\n\rd\r\r\ne",
        "data:a\ndata:b\ndata:c\ndata:\ndata:d\ndata:\ndata:e\n",
        "a\nb\nc\n\nd\n\ne",
    ),
    ("a\n", "data:a\ndata:\n", "a\n"),
    ("a\r\n\r\n", "data:a\ndata:\ndata:\n", "a\n\n"),
    ("\n", "data:\ndata:\n", "\n"),
    ("", "data:\n", ""),
    // Line ends for Python, and therefore for Flask-SSE, but not for SSE.
    (
        "a\u{2028}b\u{2029}c\u{b}d\u{c}e\u{1c}f\u{1d}g\u{1e}h\u{85}i",
        "data:a\u{2028}b\u{2029}c\u{b}d\u{c}e\u{1c}f\u{1d}g\u{1e}h\u{85}i\n",
        "a\u{2028}b\u{2029}c\u{b}d\u{c}e\u{1c}f\u{1d}g\u{1e}h\u{85}i",
    ),
    ("\u{feff}a", "data:\u{feff}a\n", "\u{feff}a"),
    ("🚁é€\u{10ffff}", "data:🚁é€\u{10ffff}\n", "🚁é€\u{10ffff}"),
    ("a\0b", "data:a\0b\n", "a\0b"),
    // A reader takes one space after the colon away.
    (" a", "data:  a\n", " a"),
    ("{\n  \"a\": 1\n}", "data:{\ndata:   \"a\": 1\ndata:}\n", "{\n  \"a\": 1\n}"),
    ("  ", "data:   \n", "  "),
    // What looks like a part of the protocol is data all the same.
    (":a", "data::a\n", ":a"),
    (
        "a\rid:x\rdata:y\n\nretry:1",
        "data:a\ndata:id:x\ndata:data:y\ndata:\ndata:retry:1\n",
        "a\nid:x\ndata:y\n\nretry:1",
    ),
];

/// More characters of four bytes than one piece of the hub's or one read of a client's holds.
fn long() -> String {
    "🚁".repeat(20_000)
}

fn site() -> LocalSite {
    LocalSite::start(Limits { events: 1000, bytes: 8 << 20 })
}

/// Publishes the table, and the long one at its end.
fn publish(site: &LocalSite) {
    for (number, (data, _, _)) in CASES.iter().enumerate() {
        site.push("note", &format!("c-{number}"), data);
    }
    site.push("note", "long", &long());
}

/// The frames of [`publish`] as they must stand on the wire.
fn wire_text() -> String {
    let table: String = (CASES.iter().enumerate())
        .map(|(number, (_, lines, _))| format!("event:note\n{lines}id:c-{number}\n\n"))
        .collect();
    format!("{table}event:note\ndata:{}\nid:long\n\n", long())
}

/// What a browser must make of [`publish`]: id and data.
fn received() -> Vec<(String, String)> {
    let numbered = CASES.iter().enumerate();
    let table = numbered.map(|(number, (_, _, data))| (format!("c-{number}"), (*data).to_owned()));
    table.chain([("long".to_owned(), long())]).collect()
}

/// The body of a stream over which the table was published, up to its end.
fn stream_body(version: &str) -> Vec<u8> {
    let site = site();
    let mut socket = wire::connect(site.address);
    let request = format!("GET /stream HTTP/{version}\r\nHost: x\r\n{AUTHORIZATION}\r\n");
    socket.write_all(request.as_bytes()).expect("sent");
    site.wait_for_viewers(1);
    publish(&site);
    // Everything that is there is sent before the end.
    site.hub.close();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("the whole stream");
    let head = find(&bytes, b"\r\n\r\n").expect("the head ends") + 4;
    let body = bytes.split_off(head);
    let chunked = String::from_utf8(bytes).expect("text").contains("transfer-encoding: chunked");
    assert_eq!(chunked, version == "1.1");
    if chunked { unchunked(&body) } else { body }
}

/// Takes the chunks' lengths away.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    loop {
        let line = find(body, b"\r\n").expect("a length");
        let length = std::str::from_utf8(&body[..line]).expect("text");
        let length = usize::from_str_radix(length, 16).expect("a length in hex");
        let (chunk, rest) = body[line + 2..].split_at(length);
        text.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n").expect("a chunk's end");
        if length == 0 {
            assert_eq!(body, b"", "after the last chunk");
            return text;
        }
    }
}

#[test]
fn every_kind_of_data_stands_on_the_wire_to_the_byte() {
    for version in ["1.0", "1.1"] {
        let body = String::from_utf8(stream_body(version)).expect("text");
        // The comment is the very first: no byte order mark stands before it.
        let rest = body.strip_prefix(": takpulse\nretry:").expect("the greeting");
        let (retry, rest) = rest.split_once("\n\n").expect("the greeting ends");
        assert!(retry.bytes().all(|byte| byte.is_ascii_digit()), "{retry:?}");
        let (frames, farewell) = rest.rsplit_once("retry:").expect("the farewell");
        assert!(farewell.ends_with("\n\n"), "{farewell:?}");
        assert_eq!(frames, wire_text(), "HTTP/{version}");
    }
}

/// What an independent reader makes of the bytes when they come in these pieces.
async fn parse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let pieces = tokio_stream::iter(pieces.map(Ok::<_, Infallible>));
    EventStream::new(pieces).map(|event| event.expect("an event")).collect().await
}

#[track_caller]
fn check(events: Vec<Event>, wanted: &[(String, String)], how: &str) {
    assert!(events.iter().all(|event| event.event == "note"), "{how}");
    let events: Vec<_> = events.into_iter().map(|event| (event.id, event.data)).collect();
    // One by one, because the long one makes a long message.
    for (got, wanted) in events.iter().zip(wanted) {
        assert_eq!(got, wanted, "{how}");
    }
    assert_eq!(events.len(), wanted.len(), "{how}");
}

#[tokio::test]
async fn an_independent_reader_gets_what_was_published_wherever_the_network_cuts() {
    let mut random = fastrand::Rng::with_seed(7);
    for version in ["1.0", "1.1"] {
        let body = stream_body(version);
        check(parse([&body[..]].into_iter()).await, &received(), "whole");
        for round in 0..20 {
            let mut rest = &body[..];
            let mut pieces = Vec::new();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(random.usize(1..=8192).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            check(parse(pieces.into_iter()).await, &received(), &format!("round {round}"));
        }
        // The long one would take this reader minutes.
        let short = find(&body, "🚁🚁".as_bytes()).expect("the long one");
        let wanted = &received()[..CASES.len()];
        check(parse(body[..short].chunks(1)).await, wanted, "byte by byte");
    }
}

#[tokio::test]
async fn a_frame_can_set_the_time_before_a_viewer_comes_back() {
    let frame = encode_frame("note", "a", Some("7"), Some(2500));
    assert_eq!(frame, "event:note\ndata:a\nid:7\nretry:2500\n\n");
    let events = parse(frame.as_bytes().chunks(1)).await;
    let [Event { retry, .. }] = &events[..] else { panic!("one event: {events:?}") };
    assert_eq!(retry.map(|retry| retry.as_millis()), Some(2500));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn a_real_browser_gets_what_was_published() {
    let site = site();
    let browser = Browser::open();
    browser.sign_in(&format!("http://{}/", site.address));
    // A page without a stream of its own.
    browser.goto(&format!("http://{}/healthz", site.address));
    browser.ask(
        "window.got = [], window.source = new EventSource('/stream?topics=note'),
         source.addEventListener('note', (e) => got.push([e.type, e.lastEventId, e.data])), 0",
    );
    wait_for("the stream to be open", || (browser.ask("source.readyState") == 1).then_some(()));
    publish(&site);
    wait_for("the last event", || {
        (browser.ask("got.some((event) => event[1] === 'long')") == true).then_some(())
    });
    let wanted: Vec<Value> =
        received().into_iter().map(|(id, data)| json!(["note", id, data])).collect();
    assert_eq!(browser.ask("got"), json!(wanted));
}
