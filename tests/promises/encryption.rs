//! Promise: with one line in the configuration everything is encrypted: every protocol that browsers
//! speak, with all that a stream promises, and who comes without is told where to go.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use takpulse::access::FIRST;

use crate::app::{App, wait_for};
use crate::connection::Connection;
use crate::credentials::{PASSWORD, authorized};
use crate::curl::{CurlStream, ask, token};
use crate::http2::{Http2, Reads};
use crate::openssl::{s_client, served_fingerprint};
use crate::secure;
use crate::wire::{self, Answer, Dispatched, Stream};

/// Encryption without any file, readings of the host, and nothing else.
pub const SELF_SIGNED: &str = "[tls]\nmode = \"self-signed\"\n[publish]\nrate_per_s = 1000\n\
    [collect.system]\ninterval = \"1s\"\ntimeout = \"1s\"\n[collect.docker]\nenabled = false\n\
    [collect.tak]\nenabled = false\n";

/// curl's words for what browsers speak, and the protocol that curl then names.
const PROTOCOLS: [(&[&str], &str); 4] = [
    (&["--http1.1", "--tls-max", "1.2"], "HTTP/1.1"),
    (&["--http1.1", "--tlsv1.3"], "HTTP/1.1"),
    (&["--http2", "--tls-max", "1.2"], "HTTP/2"),
    (&["--http2", "--tlsv1.3"], "HTTP/2"),
];

/// The fingerprint that is printed at the start.
fn printed_fingerprint(app: &App) -> String {
    wait_for("the fingerprint", || {
        let said = app.said();
        let line = said.lines().find_map(|line| line.split_once("SHA-256 fingerprint: "))?;
        Some(line.1.to_owned())
    })
}

/// Publishes an event with the tests' token.
fn publish(address: SocketAddr, id: &str) {
    let body = json!({"type": "note", "data": id, "id": id}).to_string();
    let answer = ask(address, "/publish", &[&token()[..], &["-d", &body]].concat());
    assert_eq!(answer.status, 202, "{answer:?}");
}

fn viewers(address: SocketAddr) -> Vec<Value> {
    let answer = ask(address, "/api/viewers", &token()).json();
    answer["viewers"].as_array().expect("a list").clone()
}

/// The next event of this topic.
fn next_of<S: Read>(stream: &mut Stream<S>, topic: &str) -> Dispatched {
    loop {
        let event = stream.next().expect("the stream goes on");
        if event.event == topic {
            return event;
        }
    }
}

#[test]
fn the_certificate_that_is_made_is_the_one_that_is_printed_and_it_is_kept() {
    let app = App::start(SELF_SIGNED);
    let printed = printed_fingerprint(&app);
    let url = format!("is running: https://{}/", app.address());
    assert!(app.said().contains(&url), "{}", app.said());
    assert_eq!(served_fingerprint(app.address()), printed);
    app.signal("TERM");
    let app = app.start_again();
    assert_eq!(printed_fingerprint(&app), printed, "after a restart");
    assert_eq!(served_fingerprint(app.address()), printed, "after a restart");
}

#[test]
fn both_versions_of_tls_and_of_http_are_spoken_and_nothing_older() {
    let app = App::start(SELF_SIGNED);
    for (options, says) in [
        (&["-tls1_2"][..], "Protocol  : TLSv1.2"),
        (&["-tls1_3"], "TLSv1.3, Cipher is"),
        (&["-alpn", "h2,http/1.1"], "ALPN protocol: h2"),
        (&["-alpn", "http/1.1"], "ALPN protocol: http/1.1"),
        (&[], "No ALPN negotiated"),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "Cipher is (NONE)"),
    ] {
        let said = s_client(app.address(), options);
        assert!(said.contains(says), "{options:?}: {said}");
    }
    for (arguments, protocol) in PROTOCOLS {
        let answer = ask(app.address(), "/healthz", arguments);
        assert_eq!(answer.status, 200, "{arguments:?}");
        assert!(answer.head.starts_with(protocol), "{arguments:?}: {}", answer.head);
    }
}

#[test]
fn a_stream_keeps_its_promises_over_every_protocol() {
    let mut app = App::start(SELF_SIGNED);
    let address = app.address();
    app_has_read(address);
    let mut streams = Vec::new();
    for (number, (arguments, protocol)) in PROTOCOLS.into_iter().enumerate() {
        let arguments = [arguments, &token()].concat();
        let [first, missed, live] = ["first", "missed", "live"].map(|id| format!("{id}-{number}"));
        let mut stream = CurlStream::open(address, "", &arguments);
        let greeting = stream.frames.frame().expect("a greeting");
        assert!(greeting.starts_with(": takpulse\nretry:"), "{greeting:?}");
        assert_eq!(stream.frames.next().expect("a snapshot").event, "system_metrics");
        publish(address, &first);
        assert_eq!(next_of(&mut stream.frames, "note").data, first);
        drop(stream);
        publish(address, &missed);
        let back = ["-H", &format!("Last-Event-ID: {first}")];
        let mut stream =
            CurlStream::open(address, "?topics=note", &[&arguments, &back[..]].concat());
        assert_eq!(next_of(&mut stream.frames, "note").data, missed, "{arguments:?}");
        publish(address, &live);
        assert_eq!(next_of(&mut stream.frames, "note").data, live, "{arguments:?}");
        streams.push((stream, protocol));
    }
    let rows = wait_for("only the streams that are open", || {
        let rows = viewers(address);
        (rows.len() == streams.len()).then_some(rows)
    });
    assert!(rows.iter().all(|row| row["secure"] == true), "{rows:?}");
    app.signal("TERM");
    for (mut stream, protocol) in streams {
        let farewell = stream.frames.last_frame();
        assert!(farewell.starts_with("retry:"), "{protocol}: {farewell:?}");
        assert_eq!(stream.end(), (Some(0), protocol.to_owned()));
    }
    assert_eq!(app.wait(), Some(0));
}

/// Waits for the first reading of the host.
fn app_has_read(address: SocketAddr) {
    wait_for("a reading", || (ask(address, "/readyz", &[]).status == 200).then_some(()));
}

#[test]
fn one_connection_carries_streams_and_requests_side_by_side() {
    let app = App::start(SELF_SIGNED);
    let mut connection = Http2::over(wire::connect(app.address()), 1 << 16, Reads::Always);
    let mut first = connection.get("/stream?topics=note");
    let mut second = connection.get("/stream?topics=note,alert");
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    for id in ["a", "b"] {
        publish(app.address(), id);
        for stream in [&mut second, &mut first] {
            connection.read_until(stream, &format!("id:{id}\n\n"));
        }
        let mut answer = connection.get("/api/viewers");
        let rows: Value = serde_json::from_str(&connection.read_to_end(&mut answer)).expect("JSON");
        assert_eq!(rows["viewers"].as_array().map(Vec::len), Some(2), "{rows}");
    }
    app.signal("TERM");
    for stream in [&mut first, &mut second] {
        let rest = connection.read_to_end(stream);
        assert!(rest.contains("retry:"), "{rest:?}");
    }
}

#[test]
fn who_comes_without_encryption_is_sent_to_the_same_place_with_it() {
    let app = App::start(SELF_SIGNED);
    let body = "{\"type\":\"note\",\"data\":1}";
    let post = format!("POST /publish HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
    for (request, body, to) in [
        ("GET / HTTP/1.1\r\n", "", "https://box:8480/"),
        ("GET /stream?topics=a HTTP/1.1\r\n", "", "https://box:8480/stream?topics=a"),
        ("HEAD /style.css HTTP/1.1\r\n", "", "https://box:8480/style.css"),
        (&post, body, "https://box:8480/publish"),
    ] {
        let whole = format!("{request}Host: box:8480\r\nConnection: close\r\n\r\n{body}");
        let answer = app.raw(whole.as_bytes());
        assert_eq!((answer.status, answer.header("location")), (308, Some(to)), "{request}");
        assert_eq!(answer.header("strict-transport-security"), None, "{request}");
        assert_eq!(answer.header("set-cookie"), None, "{request}");
    }
    let nowhere = app.raw(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(nowhere.status, 400);
    assert_eq!(nowhere.json()["error"]["code"], "only_encrypted");
    assert_eq!(viewers(app.address()).len(), 0);
}

#[test]
fn a_client_that_follows_the_redirect_gets_there() {
    let app = App::start(SELF_SIGNED);
    let plain = format!("http://{}/healthz", app.address());
    let done = Command::new("curl")
        .args(["-q", "-sSkL", "--noproxy", "*", "--max-time", "60", &plain])
        .output()
        .expect("curl is installed");
    let health: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(health["status"], "alive", "{done:?}");
}

#[test]
fn what_is_no_handshake_or_only_half_of_one_is_cut_and_harms_nobody() {
    let app = App::start(&format!("[http]\nheader_timeout = \"1s\"\n{SELF_SIGNED}"));
    let mut kept = Connection::over(secure::open(app.address()));
    kept.send(&authorized(b"GET /stream?topics=note HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(kept.head().status, 200);
    // A TLS record of 512 bytes, of which some come.
    let half = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[7; 40]].concat();
    let noise: Vec<u8> = (0..2000_u32).map(|number| (number * 37 % 251) as u8).collect();
    let after_handshake = [b"\x16".as_slice(), &noise].concat();
    let mut clients = Vec::new();
    for (what, bytes) in [
        ("silence", &b""[..]),
        ("one byte of a handshake", b"\x16"),
        ("half a handshake", &half),
        ("noise that begins as a handshake", &after_handshake),
        ("noise", &noise),
        ("half a request", b"GET / HTTP/1.1\r\nHos"),
    ] {
        clients.extend([0; 5].map(|_| {
            let mut socket = wire::connect(app.address());
            let _refused = socket.write_all(bytes);
            (what, socket)
        }));
    }
    for (what, mut socket) in clients {
        let mut answer = Vec::new();
        // A reset is an end as well; that none comes within the patience is not.
        if let Err(why) = socket.read_to_end(&mut answer) {
            assert_eq!(why.kind(), std::io::ErrorKind::ConnectionReset, "{what}");
        }
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{what}: {answer:?}");
    }
    publish(app.address(), "after");
    assert!(kept.chunks_until("id:after\n\n").contains("event:note"));
}

#[test]
fn who_agrees_on_http_2_and_then_says_nothing_takes_nobodys_place() {
    let limits = "[http]\nheader_timeout = \"1s\"\nmax_connections = 3";
    let app = App::start(&format!("{limits}\n{SELF_SIGNED}"));
    let mut silent = [(); 3].map(|()| {
        let mut session = secure::over(wire::connect(app.address()), &secure::client(&["h2"]));
        session.flush().expect("it shakes hands");
        while session.conn.is_handshaking() {
            session.conn.complete_io(&mut session.sock).expect("it shakes hands");
        }
        assert_eq!(session.conn.alpn_protocol(), Some(&b"h2"[..]));
        session
    });
    for session in &mut silent {
        let mut heard = Vec::new();
        // Its settings, and then the end.
        if let Err(why) = session.read_to_end(&mut heard) {
            let cut = [std::io::ErrorKind::UnexpectedEof, std::io::ErrorKind::ConnectionReset];
            assert!(cut.contains(&why.kind()), "it is still open: {why}");
        }
        assert!(heard.len() < 200, "{heard:?}");
    }
    wire::wait_for("a free place", || {
        let mut session = secure::open(app.address());
        session.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        session.read_to_end(&mut answer).ok()?;
        answer.starts_with(b"HTTP/1.0 200").then_some(())
    });
}

/// What an answer tells browsers to remember.
fn strict(answer: &Answer) -> Option<&str> {
    answer.header("strict-transport-security")
}

#[test]
fn browsers_are_told_to_come_back_encrypted_unless_that_is_switched_off() {
    let app = App::start(SELF_SIGNED);
    for path in ["/", "/healthz", "/style.css", "/nothing-here", "/api/state"] {
        for (arguments, _) in PROTOCOLS {
            let answer = ask(app.address(), path, arguments);
            assert_eq!(strict(&answer), Some("max-age=31536000"), "{path}: {}", answer.head);
        }
    }
    let mut stream = Connection::over(secure::open(app.address()));
    stream.send(&authorized(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(strict(&stream.head()).is_some());
    let without = App::start(&SELF_SIGNED.replace("[tls]\n", "[tls]\nhsts = false\n"));
    assert_eq!(strict(&ask(without.address(), "/healthz", &[])), None);
    let off = App::start("");
    assert_eq!(strict(&off.get("/healthz")), None);
}

#[test]
fn cookies_that_were_given_encrypted_come_back_only_encrypted() {
    let secured = App::start(SELF_SIGNED);
    let plain = App::start("");
    let body = json!({"user": FIRST, "password": PASSWORD}).to_string();
    let kind = "Content-Type: application/json";
    let signed_in = ask(secured.address(), "/api/login", &["-H", kind, "-d", &body]);
    check_cookies(&signed_in, true);
    let request = format!(
        "POST /api/login HTTP/1.0\r\n{kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    check_cookies(&plain.anonymous(request.as_bytes()), false);
    // What was given is enough to come in.
    let cookie = cookies(&signed_in)[0].split(';').next().expect("a cookie").to_owned();
    let who = ask(secured.address(), "/api/session", &["-H", &format!("Cookie: {cookie}")]).json();
    assert_eq!((&who["user"], &who["by"]), (&json!(FIRST), &json!("password")), "{who}");
}

fn cookies(answer: &Answer) -> Vec<&str> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, it)| it).collect()
}

#[track_caller]
fn check_cookies(answer: &Answer, secure: bool) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookies = cookies(answer);
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    for cookie in cookies {
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
        // Such a name can be given to a browser over HTTPS only, for all of the host.
        assert_eq!(cookie.starts_with("__Host-"), secure, "{cookie}");
    }
}
