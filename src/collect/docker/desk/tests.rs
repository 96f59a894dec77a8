//! The desk against an engine that says what a test wants: what a real one does rarely.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::containers::{
    Client, Cursor, End, Line, Log, LogQuery, Lost, Piece, Reason, Taken, desk as make_desk,
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the engine does when it is asked for a path, without version and query; it hangs without any.
#[derive(Clone)]
enum Does {
    Answer(u16, Value),
    /// Sends these bytes, and then does this.
    Log(Vec<u8>, Then),
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// Ends as it should.
    End,
    /// Hangs up.
    Break,
    /// Hangs up when it is told to.
    BreakWhenTold,
    /// Stays, and says nothing more.
    Stay,
}

#[derive(Clone, Default)]
struct Script {
    does: Arc<Mutex<HashMap<String, Does>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// The logs that somebody has hung up on.
    left: Arc<Mutex<usize>>,
    hang_up: Arc<Notify>,
}

impl Script {
    fn set(&self, path: &str, does: Does) {
        self.does.lock().expect("not poisoned").insert(path.to_owned(), does);
    }

    async fn answer(self, mut socket: UnixStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let Ok(byte) = socket.read_u8().await else { return };
            request.push(byte);
        }
        let request = String::from_utf8(request).expect("text");
        let target = request.split(' ').nth(1).expect("a target").to_owned();
        let path = target.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/v1.41").unwrap_or(path);
        let does = self.does.lock().expect("not poisoned").get(path).cloned();
        self.asked.lock().expect("not poisoned").push(target);
        match does {
            Some(Does::Answer(status, body)) => {
                let (body, head) =
                    (body.to_string(), format!("HTTP/1.1 {status} X\r\nConnection: close\r\n"));
                let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                let _gone = socket.write_all(text.as_bytes()).await;
            }
            Some(Does::Log(bytes, then)) => self.log(socket, &bytes, then).await,
            None => std::future::pending().await,
        }
    }

    async fn log(self, mut socket: UnixStream, bytes: &[u8], then: Then) {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        socket.write_all(head).await.expect("sent");
        for chunk in bytes.chunks(1000) {
            let chunk = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            if socket.write_all(&chunk).await.is_err() {
                return;
            }
        }
        match then {
            Then::End => drop(socket.write_all(b"0\r\n\r\n").await),
            Then::Break => {}
            Then::BreakWhenTold => self.hang_up.notified().await,
            Then::Stay => {
                let _hung_up = socket.read_u8().await;
                *self.left.lock().expect("not poisoned") += 1;
            }
        }
    }
}

/// An engine with a container `a` that runs, and a desk that asks it.
struct World {
    script: Script,
    client: Client,
    server: JoinHandle<()>,
    desk: JoinHandle<()>,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("s");
        let script = Script::default();
        let version = json!({"Version": "27.0", "ApiVersion": "1.41", "MinAPIVersion": "1.12"});
        script.set("/version", Does::Answer(200, version));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let answering = script.clone();
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answering.clone().answer(socket));
            }
        });
        let (client, requests) = make_desk();
        let desk =
            tokio::spawn(serve(Some(format!("unix://{}", socket.display())), false, requests));
        let world = World { script, client, server, desk, socket, _dir: dir };
        world.state("running");
        world
    }

    fn state(&self, status: &str) {
        let said =
            json!({"Id": ID, "Name": "/a", "Config": {"Tty": false}, "State": {"Status": status}});
        self.inspected(200, said);
    }

    fn inspected(&self, status: u16, said: Value) {
        for name in ["a", ID] {
            self.script
                .set(&format!("/containers/{name}/json"), Does::Answer(status, said.clone()));
        }
    }

    fn log(&self, bytes: Vec<u8>, then: Then) {
        self.script.set(LOGS, Does::Log(bytes, then));
    }

    async fn open(&self, query: LogQuery) -> Result<Log, Failure> {
        timeout(PATIENCE, self.client.logs(id(), query)).await.expect("an answer in time")
    }

    async fn refused(&self) -> Failure {
        self.open(follow()).await.expect_err("refused")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
        self.desk.abort();
    }
}

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const LOGS: &str =
    "/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/logs";

fn id() -> ContainerId {
    ContainerId::parse("a").expect("a name")
}

fn follow() -> LogQuery {
    LogQuery { tail: 10, since_nanoseconds: None, follow: true, after: None }
}

/// Docker's frame of a line of this second.
fn line(kind: u8, second: u64, text: &str) -> Vec<u8> {
    let text = format!("1970-01-01T00:{:02}:{:02}.000000000Z {text}\n", second / 60, second % 60);
    let length = u32::try_from(text.len()).expect("short").to_be_bytes();
    [&[kind, 0, 0, 0], &length[..], text.as_bytes()].concat()
}

fn log_of(seconds: impl IntoIterator<Item = u64>) -> Vec<u8> {
    seconds.into_iter().flat_map(|second| line(1, second, &format!("line {second}"))).collect()
}

/// Everything up to the end, and why it ended.
async fn read(log: &Log) -> (Vec<Piece>, End) {
    let mut pieces = Vec::new();
    loop {
        match timeout(PATIENCE, log.pieces.take(100, 1 << 20)).await.expect("in time") {
            Taken::Batch(batch) => pieces.extend(batch.pieces),
            Taken::End(end) => return (pieces, end),
        }
    }
}

fn texts(pieces: &[Piece]) -> Vec<String> {
    let text = |piece: &Piece| match piece {
        Piece::Line(Line { text, .. }) => String::from_utf8(text.clone()).expect("text"),
        Piece::Lost(lost) => format!("{lost:?}"),
    };
    pieces.iter().map(text).collect()
}

#[tokio::test]
async fn an_engine_is_agreed_with_once_until_it_fails() {
    let world = World::new();
    let agreed = || {
        let asked = world.script.asked.lock().expect("not poisoned");
        asked.iter().filter(|target| target.ends_with("/version")).count()
    };
    for _ in 0..3 {
        world.client.details(id()).await.expect("details");
    }
    assert_eq!(agreed(), 1);
    world.inspected(500, json!({"message": "amid an upgrade"}));
    world.client.details(id()).await.expect_err("it fails");
    assert_eq!(agreed(), 2, "another one may answer there now");
}

#[tokio::test]
async fn whoever_comes_when_too_many_wait_is_told_so() {
    let world = World::new();
    world.script.does.lock().expect("not poisoned").remove("/containers/a/json");
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let client = world.client.clone();
        asking.spawn(async move { client.details(id()).await });
    }
    // Those that are asked, one that waits for its turn, and those in the queue.
    for _ in 0..100 - (AT_ONCE + 1 + 32) {
        let answer = timeout(PATIENCE, asking.join_next()).await.expect("at once");
        assert_eq!(answer.expect("one").expect("no panic"), Err(Failure::Busy));
    }
}

#[tokio::test]
async fn a_log_is_asked_for_in_the_agreed_version_and_in_whole_seconds() {
    let world = World::new();
    world.log(log_of(1..5), Then::End);
    let query = LogQuery { since_nanoseconds: Some(2_500_000_000), follow: false, ..follow() };
    let (pieces, end) = read(&world.open(query).await.expect("a log")).await;
    assert_eq!(texts(&pieces), ["line 3", "line 4"], "the fraction counts all the same");
    assert_eq!(end, Reason::End.into());
    let asked = world.script.asked.lock().expect("not poisoned").clone();
    let target = asked.last().expect("asked");
    let parts = "stdout=true&stderr=true&timestamps=true&follow=false&tail=10&since=2";
    assert_eq!(*target, format!("/v1.41{LOGS}?{parts}"), "{asked:?}");
}

#[tokio::test]
async fn wherever_a_reader_leaves_off_the_rest_comes_once() {
    let world = World::new();
    // Podman gives several lines one moment; two outputs may stand out of order.
    let log = [
        line(1, 10, "a"),
        line(2, 10, "b"),
        line(1, 10, "b"),
        line(1, 12, "c"),
        line(2, 11, "d"),
        line(1, 13, "e"),
    ];
    world.log(log.concat(), Then::End);
    let first = world.open(LogQuery { follow: false, ..follow() }).await.expect("a log");
    let all = read(&first).await.0;
    assert_eq!(texts(&all), ["a", "b", "b", "c", "d", "e"]);
    for (number, piece) in all.iter().enumerate() {
        let Piece::Line(Line { place: Some(place), .. }) = piece else { panic!("{piece:?}") };
        let cursor = Cursor { container: first.container.clone(), place: *place };
        let again = LogQuery { tail: 2, follow: false, after: Some(cursor), ..follow() };
        let rest = read(&world.open(again).await.expect("a log")).await.0;
        assert_eq!(texts(&rest), texts(&all[number + 1..]), "after {number}");
    }
}

#[tokio::test]
async fn a_place_that_is_gone_or_in_another_log_is_not_looked_for_in_vain() {
    let world = World::new();
    world.log(log_of([20, 30]), Then::End);
    let line = "0123456789ab-5000000000-00000001-1";
    let cursor = Cursor::parse(line).expect("a cursor");
    let query = LogQuery { follow: false, after: Some(cursor.clone()), ..follow() };
    let (pieces, _) = read(&world.open(query.clone()).await.expect("a log")).await;
    assert_eq!(texts(&pieces), [&format!("{:?}", Lost::Uncounted), "line 20", "line 30"]);
    let elsewhere = Cursor { container: "ba9876543210".into(), ..cursor };
    let query = LogQuery { after: Some(elsewhere), ..query };
    let (pieces, _) = read(&world.open(query).await.expect("a log")).await;
    assert_eq!(texts(&pieces), ["line 20", "line 30"], "a container made anew under the same name");
}

#[tokio::test]
async fn why_a_log_ends_is_told() {
    let exited = json!({"Id": ID, "Name": "/a", "State": {"Status": "exited"}});
    let removing = json!({"Id": ID, "Name": "/a", "State": {"Status": "removing"}});
    let running = json!({"Id": ID, "Name": "/a", "State": {"Status": "running"}});
    let gone = json!({"message": "No such container: a"});
    for (status, said, then, reason) in [
        (200, exited, Then::End, Reason::NotRunning),
        (200, running.clone(), Then::End, Reason::Restarted),
        (200, removing, Then::End, Reason::Removed),
        (404, gone, Then::End, Reason::Removed),
        (200, running, Then::Break, Reason::EngineGone),
    ] {
        let world = World::new();
        world.log(log_of(1..3), then);
        let log = world.open(follow()).await.expect("a log");
        world.inspected(status, said.clone());
        let (pieces, end) = read(&log).await;
        assert_eq!(texts(&pieces), ["line 1", "line 2"], "{said}");
        assert_eq!(end.reason, reason, "{said}");
    }
}

#[tokio::test]
async fn an_engine_that_goes_is_told_with_what_to_do() {
    let world = World::new();
    world.log(log_of(1..3), Then::BreakWhenTold);
    let log = world.open(follow()).await.expect("a log");
    world.server.abort();
    std::fs::remove_file(&world.socket).expect("removed");
    world.script.hang_up.notify_one();
    let end = read(&log).await.1;
    assert_eq!(end.reason, Reason::EngineGone);
    assert!(end.message.is_some_and(|text| text.contains("systemctl start docker")));
}

#[tokio::test]
async fn a_no_is_told_with_what_to_do() {
    let world = World::new();
    let says = |text: &str| json!({ "message": text });
    let no_driver = "configured logging driver does not support reading";
    world.script.set(LOGS, Does::Answer(501, says(no_driver)));
    let Failure::Failed(why) = world.refused().await else { panic!("it cannot be read") };
    assert!(why.contains(no_driver) && why.contains("json-file, local, journald"), "{why}");
    world.script.set(LOGS, Does::Answer(403, says("Forbidden")));
    let Failure::Refused(why) = world.refused().await else { panic!("it is refused") };
    assert!(why.contains("CONTAINERS=1"), "{why}");
    world.inspected(403, says("Forbidden"));
    assert!(matches!(world.refused().await, Failure::Refused(_)));
    world.inspected(404, says("No such container: a"));
    assert_eq!(world.refused().await, Failure::Missing(id()));
    world.inspected(400, says("multiple IDs found with provided prefix: a"));
    let Failure::Failed(why) = world.refused().await else { panic!("it cannot be told apart") };
    assert!(why.ends_with("multiple IDs found with provided prefix: a"), "{why}");
    world.server.abort();
    std::fs::remove_file(&world.socket).expect("removed");
    let Failure::Unavailable(why) = world.refused().await else { panic!("it is not there") };
    assert!(why.contains("no Docker socket at"), "{why}");
}

#[tokio::test]
async fn an_engine_that_answers_nothing_before_the_first_line_makes_nobody_wait() {
    let world = World::new();
    world.script.does.lock().expect("not poisoned").remove(LOGS);
    let log = world.open(follow()).await.expect("a log");
    drop(log);
}

#[tokio::test]
async fn whoever_has_read_enough_lets_the_engine_go() {
    let world = World::new();
    world.log(log_of(1..3), Then::Stay);
    let log = world.open(follow()).await.expect("a log");
    let Taken::Batch(_) = log.pieces.take(9, 999).await else { panic!("there is something") };
    drop(log);
    let left = async {
        while *world.script.left.lock().expect("not poisoned") == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, left).await.expect("the connection ends");
}

#[tokio::test]
async fn nothing_of_what_was_asked_for_in_so_many_lines_is_lost() {
    let world = World::new();
    let lines: Vec<u8> = (0..30_000).flat_map(|n| line(1, 1, &n.to_string())).collect();
    world.log(lines, Then::End);
    let query = LogQuery { tail: 10_000, follow: false, ..follow() };
    let (pieces, _) = read(&world.open(query).await.expect("a log")).await;
    assert_eq!(texts(&pieces), (0..30_000).map(|n| n.to_string()).collect::<Vec<_>>());
    // Followed, ten were asked for; the others are written meanwhile, and nobody takes them.
    let log = world.open(follow()).await.expect("a log");
    world.state("exited");
    let asked = || world.script.asked.lock().expect("not poisoned").len();
    let before = asked();
    // The desk asks what has become of the container when it has read all.
    let done = async {
        while asked() < before + 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, done).await.expect("it reads on");
    let (pieces, end) = read(&log).await;
    let texts = texts(&pieces);
    assert_eq!(texts[..10], (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    let Piece::Lost(Lost::Lines(lost)) = pieces[10] else { panic!("{:?}", pieces[10]) };
    assert_eq!(lost as usize + pieces.len() - 1, 30_000);
    assert_eq!(texts.last().map(String::as_str), Some("29999"), "the newest are kept");
    assert_eq!(end.reason, Reason::NotRunning);
}

#[tokio::test]
async fn details_are_told_with_the_digest_where_the_images_may_be_seen() {
    let world = World::new();
    let said = json!({"Id": ID, "Name": "/a", "Image": "sha256:abcdefabcdefabcdef", "Config": {"Image": "b:1"}});
    world.inspected(200, said);
    let image = |status, names: &[&str]| {
        let said = json!({"RepoDigests": names, "message": "no"});
        world.script.set("/images/sha256:abcdefabcdef/json", Does::Answer(status, said));
    };
    let digest = async || {
        let details = timeout(PATIENCE, world.client.details(id())).await.expect("in time");
        details.expect("details").image_digest
    };
    image(200, &["a/b@sha256:1", "b@sha256:2"]);
    assert_eq!(digest().await.as_deref(), Some("sha256:2"));
    image(200, &[]);
    assert_eq!(digest().await, None);
    image(403, &[]);
    assert_eq!(digest().await, None);
}
