//! Promise: a stream may be asked for on a connection that was used before. What was asked for first
//! is answered first and whole, and a viewer is there exactly as long as its connection.

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::{Duration, Instant};

use takpulse::hub::Limits;

use crate::connection::{Connection, connect_from};
use crate::credentials::authorized;
use crate::site::LocalSite;
use crate::wire::{self, Answer};

/// A large file of the dashboard.
const FILE: &str = "/style.css";

fn site() -> LocalSite {
    LocalSite::start(Limits { events: 100, bytes: 1 << 20 })
}

fn request(method: &str, path: &str) -> Vec<u8> {
    authorized(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
}

/// What comes now must be a stream, from its greeting on; an event published now arrives, and the
/// end is a proper one.
#[track_caller]
fn check_stream(site: &LocalSite, connection: &mut Connection, how: &str) {
    let head = connection.head();
    let field = |name| head.header(name);
    assert_eq!((head.status, field("transfer-encoding")), (200, Some("chunked")), "{how}");
    assert_eq!(field("content-type"), Some("text/event-stream; charset=utf-8"), "{how}");
    let greeting = connection.chunk().expect("the greeting");
    assert!(greeting.starts_with(": takpulse\nretry:"), "{how}: {greeting:?}");
    site.push("note", "after", "x");
    let rest = connection.chunks_until("id:after\n\n");
    assert!(rest.ends_with("event:note\ndata:x\nid:after\n\n"), "{how}: {rest:?}");
}

#[test]
fn a_stream_follows_what_was_asked_for_before_it() {
    let site = site();
    let [file, index, stream] = [FILE, "/index.html", "/stream"].map(|path| request("GET", path));
    let alone = wire::get(site.address, "/index.html").body;

    let mut connection = Connection::open(site.address);
    connection.send(&index);
    assert_eq!(connection.answer().body, alone);
    connection.send(&file);
    assert_eq!(connection.answer().status, 200);
    connection.send(&stream);
    check_stream(&site, &mut connection, "one after the other");
    drop(connection);

    let mut connection = Connection::open(site.address);
    connection.send(&[index, file, stream].concat());
    assert_eq!(connection.answer().body, alone);
    assert_eq!(connection.answer().status, 200);
    check_stream(&site, &mut connection, "in one write");

    drop(connection);
    site.wait_for_viewers(0);
}

/// Whether the server opens the stream before anything is read. Not every number of answers leaves
/// room for that, so this ends when it is not to be expected any more.
fn opens_unread(site: &LocalSite) -> bool {
    let deadline = Instant::now() + Duration::from_millis(300);
    while site.hub.viewers() == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    site.hub.viewers() == 1
}

#[test]
fn answers_that_nobody_reads_yet_come_whole_before_the_stream() {
    const MOST: usize = 16;
    let site = site();
    let file = wire::get(site.address, FILE).body;
    let mut opened = Vec::new();
    // From what the buffers of both kernels hold to what also fills those of the server.
    for count in 1..=MOST {
        let socket = connect_from(Ipv4Addr::LOCALHOST.into(), Some(4 << 10), site.address);
        let mut connection = Connection::over(socket);
        let mut requests = request("GET", FILE).repeat(count);
        requests.extend(request("GET", "/stream"));
        connection.send(&requests);
        if opens_unread(&site) {
            opened.push(count);
            site.push("note", "before", "x");
        }
        for number in 0..count {
            let Answer { status, body, .. } = connection.answer();
            assert_eq!((status, body == file), (200, true), "answer {number} of {count}");
        }
        check_stream(&site, &mut connection, &format!("after {count} answers"));
        drop(connection);
        site.wait_for_viewers(0);
    }
    println!("opened before anything was read: after {opened:?} answers of {}", file.len());
    // Beyond these the server's own buffer was full, and it went on only when somebody read.
    assert!(opened.len() > 1 && opened.len() < MOST, "{opened:?}");
}

#[test]
fn asking_for_the_head_of_a_stream_takes_no_place_and_ends_nothing() {
    let site = site();
    let stream = wire::connect(site.address);
    let mut connection = Connection::over(stream);
    for _ in 0..2 {
        connection.send(&request("HEAD", "/stream"));
        let head = connection.head();
        let field = |name| head.header(name);
        assert_eq!((head.status, field("x-accel-buffering")), (200, Some("no")), "{}", head.head);
        assert_eq!(field("content-type"), Some("text/event-stream; charset=utf-8"));
        assert_eq!(site.hub.viewers(), 0);
        // What comes next is this answer, and no byte of another.
        connection.send(&request("GET", "/healthz"));
        assert_eq!(connection.answer().json()["status"], "alive");
    }
    connection.send(&request("GET", "/stream"));
    check_stream(&site, &mut connection, "after HEAD");
}

#[test]
fn what_a_viewer_sends_after_its_request_does_no_harm() {
    let site = site();
    let more = request("GET", "/index.html");
    for (how, first) in [("with the request", more.as_slice()), ("later", b"")] {
        let mut connection = Connection::open(site.address);
        connection.send(&[&request("GET", "/stream"), first].concat());
        site.wait_for_viewers(1);
        for _ in 0..100 {
            connection.send(&more);
            connection.send(b"\0\xff no HTTP at all\r\n\r\n");
        }
        check_stream(&site, &mut connection, how);
        drop(connection);
        site.wait_for_viewers(0);
    }
}

#[test]
fn a_viewer_that_closes_is_gone_without_an_event() {
    let site = site();
    type Ending = fn(&TcpStream);
    let endings: [(&str, Ending); 3] = [
        ("closed", |_| {}),
        ("closed one way", |socket| socket.shutdown(Shutdown::Write).expect("closed")),
        ("reset", |socket| {
            rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).expect("set");
        }),
    ];
    for (how, end) in endings {
        let mut socket = wire::connect(site.address);
        socket.write_all(&request("GET", "/stream")).expect("sent");
        site.wait_for_viewers(1);
        end(&socket);
        let kept = (how == "closed one way").then_some(socket);
        // Shown only when the test fails.
        println!("{how}");
        site.wait_for_viewers(0);
        drop(kept);
    }
}
