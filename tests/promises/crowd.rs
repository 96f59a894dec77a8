//! Promise: many viewers are no trouble: those that never read cost the others nothing and grow no
//! memory, and the end does not wait for a thousand of them.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use takpulse::hub::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::app::{App, wait_for};
use crate::connection::{Connection, connect_from};
use crate::credentials::authorized;
use crate::inside::Log;
use crate::site::LocalSite;
use crate::stream::resident_bytes;
use crate::world::in_own_process;

/// The test holds a socket for every viewer too.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).expect("the soft limit can be raised");
}

/// For how long others had the processor that a process was ready to run on: a busy machine's part.
fn kept_from_running(pid: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split(' ').nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[test]
fn the_end_does_not_wait_for_a_thousand_viewers() {
    const VIEWERS: usize = 1000;
    raise_file_limit();
    let mut app = App::start("[http]\nmax_viewers = 2000\nmax_viewers_per_address = 2000\n");
    let mut viewers: Vec<Connection> =
        (0..VIEWERS).map(|_| Connection::open(app.address())).collect();
    for viewer in &mut viewers {
        viewer.send(&authorized(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    for viewer in &mut viewers {
        assert_eq!(viewer.head().status, 200);
    }
    let (asked, kept_before) = (Instant::now(), kept_from_running(app.pid()).unwrap_or_default());
    let process = Pid::from_raw(app.pid().cast_signed()).expect("a process id");
    kill_process(process, Signal::TERM).expect("it can be asked");
    let mut kept = kept_before;
    let ended = wait_for("the end", || {
        kept = kept_from_running(app.pid()).unwrap_or(kept);
        (!app.is_running()).then(Instant::now)
    });
    assert_eq!(app.wait(), Some(0));
    let took = (ended - asked).saturating_sub(kept - kept_before);
    println!("ended after {took:?}, kept {:?}", kept - kept_before);
    // A thousand short writes take a fraction of that; waiting for one viewer would take 3 s.
    assert!(took < Duration::from_secs(1), "{took:?}, and {:?} without a processor", kept);
    let mut farewells = Vec::new();
    for viewer in &mut viewers {
        let chunks: Vec<String> = std::iter::from_fn(|| viewer.chunk()).collect();
        let last = chunks.concat();
        let (_, retry) = last.trim_end().rsplit_once("\nretry:").expect("a farewell");
        assert!(last.ends_with("\n\n"), "{last:?}");
        farewells.push(retry.parse::<u32>().expect("the last field is the time"));
    }
    assert_eq!(farewells.len(), VIEWERS);
    farewells.sort_unstable();
    let quarter = &farewells[VIEWERS / 4..VIEWERS * 3 / 4];
    assert!(quarter.last() > quarter.first().map(|first| first + 1000).as_ref(), "they are spread");
}

const STALLED: usize = 500;
const READING: usize = 500;

#[test]
fn viewers_that_never_read_cost_those_that_do_nothing() {
    in_own_process(
        "crowd::viewers_that_never_read_cost_those_that_do_nothing",
        compare_with_and_without_stalled,
    );
}

/// How long each reader waited for each event.
type Waits = Arc<Mutex<Vec<Duration>>>;

/// Reads events to the end of the stream; each is the time when it was published.
async fn read(site: std::net::SocketAddr, start: Instant, waits: Waits) {
    let mut socket = tokio::net::TcpStream::connect(site).await.expect("accepted");
    socket.write_all(&authorized(b"GET /stream?topics=note HTTP/1.0\r\n\r\n")).await.expect("sent");
    let mut buffer = [0; 4096];
    let mut text = String::new();
    loop {
        let read = socket.read(&mut buffer).await.expect("the stream goes on");
        if read == 0 {
            return;
        }
        text += std::str::from_utf8(&buffer[..read]).expect("ASCII");
        while let Some((frame, rest)) = text.split_once("\n\n") {
            let sent = frame.lines().find_map(|line| line.strip_prefix("data:")?.parse().ok());
            if let Some(sent) = sent {
                let wait = start.elapsed().saturating_sub(Duration::from_micros(sent));
                waits.lock().expect("not poisoned").push(wait);
            }
            text = rest.to_owned();
        }
    }
}

/// Publishes events one after the other, each when every reader has had the last, and returns the
/// time that 99 of 100 deliveries stayed below.
fn slowest_but_one_of_a_hundred(site: &LocalSite, start: Instant, waits: &Waits) -> Duration {
    const EVENTS: usize = 60;
    for number in 1..=EVENTS {
        let now = start.elapsed().as_micros().to_string();
        site.push("note", &now, &now);
        wait_for("every reader", || {
            (waits.lock().expect("not poisoned").len() == number * READING).then_some(())
        });
    }
    let mut waits = std::mem::take(&mut *waits.lock().expect("not poisoned"));
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

fn compare_with_and_without_stalled() {
    raise_file_limit();
    let log = Log::keep();
    let site = LocalSite::start(Limits { events: 1000, bytes: 1 << 20 });
    let (start, waits) = (Instant::now(), Waits::default());
    let (address, shared) = (site.address, waits.clone());
    let readers = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            (0..READING).for_each(|_| drop(tasks.spawn(read(address, start, shared.clone()))));
            tasks.join_all().await;
        });
    });
    site.wait_for_viewers(READING);
    let alone = slowest_but_one_of_a_hundred(&site, start, &waits);

    let before = resident_bytes();
    let stalled: Vec<Connection> = (0..STALLED)
        .map(|_| connect_from(Ipv4Addr::LOCALHOST.into(), Some(4 << 10), site.address))
        .map(Connection::over)
        .map(|mut viewer| {
            viewer.send(&authorized(b"GET /stream?topics=fill HTTP/1.1\r\nHost: x\r\n\r\n"));
            viewer
        })
        .collect();
    site.wait_for_viewers(READING + STALLED);
    let padding = "x".repeat(8 << 10);
    let blocked = || site.hub.seen().iter().filter(|seen| seen.blocked.is_some()).count();
    let mut filled = 0;
    wait_for("the others to be blocked", || {
        filled += 1;
        site.push("fill", &format!("fill-{filled}"), &padding);
        (blocked() == STALLED).then_some(())
    });
    // Four times what the whole ring holds.
    (0..500).for_each(|number| site.push("fill", &format!("more-{number}"), &padding));
    let beside = slowest_but_one_of_a_hundred(&site, start, &waits);
    let grown = resident_bytes().saturating_sub(before);
    println!("p99 alone {alone:?}, beside {beside:?}; {grown} bytes more, {filled} to fill");
    assert_eq!(blocked(), STALLED);
    // The ring, and for each the piece of 16 KiB that is half written and the connection itself.
    assert!(grown < (1 << 20) + STALLED as u64 * (32 << 10), "{grown} bytes more");

    site.hub.end_stalled(Instant::now(), Duration::from_millis(1));
    site.wait_for_viewers(READING);
    let reasons = |reason: &str| log.text().matches(&format!("reason=\"{reason}\"")).count();
    wait_for("their ends in the log", || (reasons("stalled") == STALLED).then_some(()));
    assert_eq!((reasons("closed"), reasons("shutdown")), (0, 0));
    assert!(site.hub.seen().iter().all(|seen| seen.lost == 0), "the readers have lost nothing");

    let after = slowest_but_one_of_a_hundred(&site, start, &waits);
    println!("p99 after {after:?}");
    // A server that waits for the slow is a hundred times slower; the noise of a busy machine is not
    // five times the worse of the two measurements around it.
    assert!(beside < alone.max(after) * 5, "{alone:?} alone, {beside:?} beside, {after:?} after");
    drop((stalled, site));
    readers.join().expect("every reader came to the end of its stream");
}
