//! Promise: what is too much is refused with words and spread in time, and those who are there stay.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpStream};

use crate::app::{Answer, App, wait_for};
use crate::connection::{Connection, connect_from};
use crate::credentials::authorized;
use crate::wire;

/// Only the web server, with a heartbeat to see who is still there.
const QUIET: &str = "[stream]\nheartbeat = \"1s\"\n[collect.system]\nenabled = false\n\
    [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n";

/// A viewer from this address, and what it is answered.
fn view_from(app: &App, source: IpAddr) -> (Connection, Answer) {
    let mut connection = Connection::over(connect_from(source, None, app.address()));
    connection.send(&authorized(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    let head = connection.head();
    (connection, head)
}

#[test]
fn one_viewer_too_many_from_one_address_costs_no_other_anything() {
    let app = App::start(&format!("[http]\nmax_viewers_per_address = 2\n{QUIET}"));
    let [here, elsewhere] = [1, 2].map(|last| IpAddr::from([127, 0, 0, last]));
    let mut stay = vec![view_from(&app, here), view_from(&app, here)];
    let mut delays = BTreeSet::new();
    for _ in 0..40 {
        let mut socket = connect_from(here, None, app.address());
        socket.write_all(&authorized(b"GET /stream HTTP/1.0\r\n\r\n")).expect("sent");
        let refused = Answer::read(socket);
        assert_eq!(refused.status, 503, "{}", refused.head);
        assert_eq!(refused.header("content-type"), Some("application/json"));
        let error = &refused.json()["error"];
        assert_eq!(error["code"], "too_many_viewers");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains("127.0.0.1") && message.contains("later"), "{message}");
        let delay = refused.header("retry-after").and_then(|text| text.parse::<u32>().ok());
        delays.insert(delay.expect("whole seconds"));
    }
    assert!(delays.iter().all(|delay| (1..=60).contains(delay)), "{delays:?}");
    assert!(delays.len() > 3, "forty refused do not come back together: {delays:?}");
    stay.push(view_from(&app, elsewhere));
    for (connection, head) in &mut stay {
        assert_eq!(head.status, 200);
        connection.chunks_until("}\n\n");
    }
    stay.remove(0);
    wait_for("a free place", || (view_from(&app, here).1.status == 200).then_some(()));
}

#[test]
fn without_a_file_for_one_more_connection_those_that_are_open_go_on() {
    // With no file left the machine refuses, and not a limit of ours.
    let patient = format!("[http]\nheader_timeout = \"120s\"\n{QUIET}");
    let app = App::start_through("prlimit", &["--nofile=64:64"], &patient);
    let (mut viewer, _) = view_from(&app, Ipv4Addr::LOCALHOST.into());
    let crowd: Vec<TcpStream> = (0..100).map(|_| wire::connect(app.address())).collect();
    const SAID: &str = "no connection can be accepted at the moment";
    wait_for("the log to say it", || app.log().contains(SAID).then_some(()));
    for _ in 0..3 {
        viewer.chunks_until("}\n\n");
    }
    // Three heartbeats are many tries.
    assert_eq!(app.log().matches(SAID).count(), 1, "said once");
    drop(crowd);
    assert_eq!(app.get("/healthz").status, 200);
    viewer.chunks_until("}\n\n");
}
