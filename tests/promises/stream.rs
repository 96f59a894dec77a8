//! The stream, byte for byte: snapshot first, live after, nothing twice, nothing missed, and one slow
//! viewer costs the others nothing.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use takpulse::hub::Limits;

use crate::app::App;
use crate::credentials::authorized;
use crate::site::LocalSite;
use crate::wire::{self, Stream, wait_for};
use crate::world::in_own_process;

const ROOMY: Limits = Limits { events: 100_000, bytes: 64 << 20 };

/// Everything up to the end of the stream, with what changes from run to run replaced.
fn steady(text: &str) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some(("retry", _)) => "retry:<1000 to 3000>\n".into(),
        Some(("date", _)) => "date: <now>\n".into(),
        _ => format!("{}\n", line.trim_end_matches('\r')),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_exact_text_of_a_stream_is_the_contract() {
    let site = LocalSite::start(ROOMY);
    site.push("tak_status", "edge-1-b-1", "{\"status\":\"healthy\"}");
    site.push("system_metrics", "edge-1-b-2", "{\"cpu\":{\"percent\":12.5}}");
    site.push("weather", "edge-1-b-3", "gone before the viewer came");
    site.push("tak_status", "edge-1-b-4", "{\"status\":\"down\"}");
    let mut socket = wire::connect(site.address);
    socket
        .write_all(&authorized(
            b"GET /stream HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\n\r\n",
        ))
        .expect("sent");
    site.wait_for_viewers(1);
    let mut text = String::new();
    let mut read_until = |end: &str| {
        let mut byte = [0];
        while !text.ends_with(end) {
            socket.read_exact(&mut byte).expect("the stream goes on");
            text.push(char::from(byte[0]));
        }
    };
    read_until("id:edge-1-b-4\n\n\r\n");
    site.push("weather", "7", "two\r\nlines and\rone more");
    read_until("id:7\n\n\r\n");
    site.hub.beat(1_700_000_000.5);
    read_until("}\n\n\r\n");
    insta::assert_snapshot!(steady(&text));
}

#[test]
fn topics_node_and_channel_choose_what_is_sent() {
    let site = LocalSite::start(ROOMY);
    let cases = [
        ("?topics=b", vec!["2", "4"]),
        ("?topics=a,c", vec!["1", "3"]),
        ("?node=edge-1", vec!["1", "2", "3", "4"]),
        ("?node=edge-2&topics=c", vec![]),
        ("?channel=other", vec![]),
    ];
    for (query, wanted) in cases {
        let mut stream = site.stream(query, None);
        site.wait_for_viewers(1);
        for (topic, id) in [("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")] {
            site.push(topic, id, "x");
        }
        site.hub.beat(0.0);
        let mut got = Vec::new();
        while let Some(event) = stream.next()
            && event.event != "ping"
        {
            got.extend(event.id);
        }
        assert_eq!(got, wanted, "{query}");
        drop(stream);
        wait_for("the viewer to be gone", || {
            site.hub.beat(0.0);
            (site.hub.viewers() == 0).then_some(())
        });
    }
}

#[test]
fn a_viewer_that_falls_behind_gets_the_newest_state_and_the_number_it_lost() {
    let site = LocalSite::start(Limits { events: 50, bytes: 64 << 20 });
    let mut behind = site.stream("", None);
    behind.frame().expect("open");
    let padding = "x".repeat(100 << 10);
    // More than all buffers between the hub and a viewer that does not read can hold.
    const PUSHED: u64 = 150;
    for number in 0..PUSHED {
        site.push("note", &format!("n{number}"), &padding);
        site.push("tak_status", &format!("s{number}"), &number.to_string());
    }
    let (mut notes, mut lost, mut states_after_the_gap) = (0, 0, 0);
    loop {
        let event = behind.next().expect("the stream goes on");
        match event.event.as_str() {
            "note" => notes += 1,
            "lagged" => {
                lost += event.json()["lost"].as_u64().expect("a number");
                states_after_the_gap = 0;
            }
            _ => states_after_the_gap += 1,
        }
        if event.data == (PUSHED - 1).to_string() {
            break;
        }
    }
    assert!(lost > 0, "the ring is smaller than what was pushed");
    assert_eq!(notes + lost, PUSHED, "every occurrence was given or counted");
    assert_eq!(states_after_the_gap, 1, "of the states in the backlog, only the newest was given");
}

/// The resident memory of this process in bytes.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim_end_matches("kB").trim().parse::<u64>().expect("a number") << 10
}

#[test]
fn viewers_that_never_read_grow_no_memory() {
    in_own_process("stream::viewers_that_never_read_grow_no_memory", measure_stalled_viewers);
}

fn measure_stalled_viewers() {
    const STALLED: usize = 50;
    let site = LocalSite::start(Limits { events: 1000, bytes: 1 << 20 });
    let stalled: Vec<Stream> = (0..STALLED).map(|_| site.stream("", None)).collect();
    let mut reader = site.stream("", None);
    site.wait_for_viewers(STALLED + 1);
    let padding = "x".repeat(8 << 10);
    let mut push = |count: u64, name: &str| {
        for number in 0..count {
            let id = format!("{name}-{number}");
            site.push("note", &id, &padding);
            while reader.next().expect("the one that reads is served").id.as_ref() != Some(&id) {}
        }
    };
    push(1000, "warm");
    let before = resident_bytes();
    push(4000, "more");
    let grown = resident_bytes().saturating_sub(before);
    // 4,000 events of 8 KiB for 50 viewers are 1.6 GB; the whole ring is 1 MiB.
    assert!(grown < 8 << 20, "{grown} bytes more");
    assert_eq!(site.hub.viewers(), STALLED + 1);
    drop(stalled);
}

#[test]
fn an_idle_stream_gets_a_comment_and_a_ping() {
    let app = App::start(
        "[stream]\nheartbeat = \"1s\"\n[collect.system]\nenabled = false\n\
         [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n",
    );
    let mut stream = app.stream("");
    assert!(stream.frame().expect("the greeting").starts_with(": takpulse\nretry:"));
    for _ in 0..2 {
        assert_eq!(stream.frame().as_deref(), Some(":heartbeat\n\n"));
        let ping = stream.next().expect("a ping");
        assert_eq!((ping.event.as_str(), ping.id.as_ref()), ("ping", None));
        assert!(ping.json()["timestamp"].as_f64().is_some_and(|now| now > 1_700_000_000.0));
    }
}

#[test]
fn the_first_retry_and_the_last_are_spread() {
    let site = LocalSite::start(ROOMY);
    let mut streams: Vec<Stream> = (0..20).map(|_| site.stream("", None)).collect();
    let retry = |frame: Option<String>| -> u32 {
        let frame = frame.expect("a frame");
        let line = frame.lines().find_map(|line| line.strip_prefix("retry:")).expect("a retry");
        line.parse().expect("milliseconds")
    };
    let first: BTreeSet<u32> = streams.iter_mut().map(|stream| retry(stream.frame())).collect();
    site.hub.close();
    let last: BTreeSet<u32> = streams.iter_mut().map(|stream| retry(stream.frame())).collect();
    for (retries, range) in [(first, 1000..3000), (last, 500..6000)] {
        assert!(retries.iter().all(|retry| range.contains(retry)), "{retries:?}");
        assert!(retries.len() > 10, "twenty viewers do not come back together: {retries:?}");
    }
}

#[test]
fn a_client_that_takes_no_bytes_is_dropped() {
    let site_config = "[http]\nwrite_timeout = \"1s\"\n[stream]\nheartbeat = \"1s\"\n\
        [collect.system]\nenabled = false\n[collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n";
    let app = App::start(site_config);
    // A request that asks for the same file again and again, and reads nothing of the answers.
    let mut greedy = wire::connect(app.address());
    greedy.set_write_timeout(Some(wire::PATIENCE)).expect("a timeout is set");
    let request = authorized(b"GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n").repeat(100);
    let dropped = wait_for("the connection to be cut", || greedy.write_all(&request).err());
    assert!(
        matches!(
            dropped.kind(),
            std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset
        ),
        "{dropped}"
    );
    assert_eq!(app.get("/healthz").status, 200);
}
