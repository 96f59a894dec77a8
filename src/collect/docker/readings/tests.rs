//! Figures from the kernel's files and from an engine that only has to answer.

use std::fs::OpenOptions;
use std::io::Write;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::cgroup::fixture::{ID, Machine, running};
use super::super::connect::{Address, connect};
use super::*;

/// Figures are always asked for anew.
const NOW: Duration = Duration::ZERO;

/// An engine that tells everybody's figures, and remembers whose it was asked for.
struct StandIn {
    dir: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl StandIn {
    fn start() -> StandIn {
        StandIn::telling(Some("{}"))
    }

    /// Says this of itself; `None`: it takes the question and never answers.
    fn telling(info: Option<&'static str>) -> StandIn {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
        let asked = Arc::default();
        let server = tokio::spawn(serve(listener, info, Arc::clone(&asked)));
        StandIn { dir, asked, server }
    }

    async fn engine(&self) -> Engine {
        connect(&Address::Socket(self.dir.path().join("s"))).await.expect("it answers")
    }

    /// The ids of those whose figures were asked for.
    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("not poisoned");
        let stats = asked.iter().filter(|target| target.contains("/stats"));
        stats.filter_map(|target| target.split('/').nth(3)).map(str::to_owned).collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: UnixListener, info: Option<&'static str>, asked: Arc<Mutex<Vec<String>>>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(answer(socket, info, asked.clone()));
    }
}

async fn answer(
    mut socket: UnixStream,
    info: Option<&'static str>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = socket.read_u8().await else { return };
        request.push(byte);
    }
    let request = String::from_utf8(request).expect("text");
    let target = request.split(' ').nth(1).expect("a target").to_owned();
    let body = if target.ends_with("/version") {
        r#"{"Version": "27.0", "ApiVersion": "1.47", "MinAPIVersion": "1.24"}"#
    } else if target.ends_with("/info") {
        let Some(info) = info else { return std::future::pending().await };
        info
    } else {
        include_str!("../fixtures/stats-cgroup2.json")
    };
    asked.lock().expect("not poisoned").push(target);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    socket.write_all(answer.as_bytes()).await.expect("sent");
}

/// A container elsewhere, whose files are not on this machine.
fn remote() -> Running {
    Running { id: ID.replace('3', "4"), ..running() }
}

fn group() -> String {
    format!("/docker/{ID}")
}

/// A machine with the container of [`ID`].
fn machine() -> Machine {
    let machine = Machine::v2();
    machine.group2(&group(), 5);
    machine.process(&group(), 70);
    machine
}

/// Makes a file one whose reading hangs until somebody writes into it.
fn hang(machine: &Machine, path: &str) {
    machine.remove(path);
    let mode = Mode::from_raw_mode(0o600);
    mknodat(CWD, machine.path(path), FileType::Fifo, mode, 0).expect("a fifo");
}

/// Waits for a change, but not for ever.
async fn change(readings: &mut Readings) {
    timeout(Duration::from_secs(20), readings.changed()).await.expect("a change was missed");
}

#[tokio::test]
async fn the_engine_is_asked_only_about_those_whose_files_cannot_be_read() {
    let (machine, stand_in) = (machine(), StandIn::start());
    let engine = stand_in.engine().await;
    let mut readings = Readings::new(machine.host());
    for _ in 0..3 {
        readings.refresh(&engine, vec![running()], NOW).await;
        while readings.figures(ID).memory_bytes.is_none() {
            change(&mut readings).await;
        }
    }
    assert_eq!(readings.figures(ID).memory_bytes, Some(5 << 10));
    assert_eq!(readings.figures(ID).pids, Some(5));
    assert_eq!(stand_in.asked(), [""; 0]);

    let elsewhere = remote().id;
    while readings.figures(&elsewhere).memory_bytes.is_none() {
        readings.refresh(&engine, vec![running(), remote()], NOW).await;
        if readings.figures(&elsewhere).memory_bytes.is_none() {
            change(&mut readings).await;
        }
    }
    assert_eq!(readings.figures(&elsewhere).memory_bytes, Some(1_200_000_000));
    assert!(stand_in.asked().iter().all(|id| *id == elsewhere), "{:?}", stand_in.asked());
}

#[tokio::test]
async fn rates_come_a_moment_after_the_first_reading_and_not_at_the_next_tick() {
    const AGE: Duration = Duration::from_secs(3600);
    let (machine, stand_in) = (machine(), StandIn::start());
    let engine = stand_in.engine().await;
    let mut readings = Readings::new(machine.host());
    let limited = Running { memory_limit_bytes: Some(64 << 20), ..running() };
    readings.refresh(&engine, vec![limited.clone()], AGE).await;
    while readings.figures(ID).memory_bytes.is_none() {
        change(&mut readings).await;
    }
    assert_eq!(readings.figures(ID).cpu_percent, None);
    machine.group2(&group(), 9000);
    machine.process(&group(), 1 << 30);
    while readings.figures(ID).cpu_percent.is_none() {
        change(&mut readings).await;
        readings.refresh(&engine, vec![limited.clone()], AGE).await;
    }
    let figures = readings.figures(ID);
    assert!(figures.cpu_percent > Some(1.0), "{figures:?}");
    assert!(figures.network_rx_bytes_per_s > Some(1 << 20), "{figures:?}");
    assert!(figures.network_tx_bytes_per_s > figures.network_rx_bytes_per_s, "{figures:?}");
    assert!(figures.block_write_bytes_per_s > Some(0), "{figures:?}");
    assert_eq!(figures.memory_limit_bytes, Some(64 << 20));

    // Nothing of it is left for the next run.
    let next = Running { started_at: Some(2.0), ..running() };
    readings.refresh(&engine, vec![next], AGE).await;
    while readings.figures(ID).memory_bytes.is_none() {
        change(&mut readings).await;
    }
    let figures = readings.figures(ID);
    assert_eq!((figures.cpu_percent, figures.network_rx_bytes_per_s), (None, None));
}

#[tokio::test]
async fn files_that_hang_cost_one_thread_and_no_figures_of_before() {
    let (machine, stand_in) = (machine(), StandIn::start());
    let engine = stand_in.engine().await;
    let mut readings = Readings::new(machine.host());
    readings.refresh(&engine, vec![running()], NOW).await;
    while readings.figures(ID).memory_bytes.is_none() {
        change(&mut readings).await;
    }
    // The files of the next run hang.
    let file = format!("sys/fs/cgroup/docker/{}/pids.current", remote().id);
    machine.group2(&format!("/docker/{}", remote().id), 6);
    hang(&machine, &file);
    for _ in 0..3 {
        let started = Instant::now();
        let refresh = readings.refresh(&engine, vec![running(), remote()], NOW);
        timeout(Duration::from_secs(20), refresh).await.expect("it waits a moment only");
        assert!(started.elapsed() >= MOMENT);
        assert!(readings.reading.runs());
        assert_eq!(readings.first_rates(), None, "nobody would get any");
        assert_eq!(readings.figures(ID).memory_bytes, Some(5 << 10));
    }
    // Not even the engine is asked: the thread may be there again in a moment.
    assert_eq!(stand_in.asked(), [""; 0]);
    // Too old is too old.
    readings.late_since = readings.late_since.and_then(|since| since.checked_sub(STALE));
    readings.refresh(&engine, vec![running(), remote()], NOW).await;
    assert_eq!(readings.figures(ID), Figures::default());

    // It goes on: its figures are a change.
    let path = machine.path(&file);
    let writes = tokio::task::spawn_blocking(move || {
        OpenOptions::new().write(true).open(path).expect("a reader").write_all(b"6\n")
    });
    change(&mut readings).await;
    writes.await.expect("no panic").expect("written");
    assert_eq!(readings.figures(&remote().id).memory_bytes, Some(6 << 10));
    assert_eq!(readings.late_since, None);
}

#[tokio::test]
async fn what_no_container_has_is_told_with_the_figures() {
    let (machine, stand_in) = (machine(), StandIn::start());
    machine.remove(&format!("sys/fs/cgroup{}/memory.current", group()));
    let engine = stand_in.engine().await;
    let mut readings = Readings::new(machine.host());
    assert_eq!(readings.missing(&engine), []);
    readings.refresh(&engine, vec![running()], NOW).await;
    while readings.figures(ID).pids.is_none() {
        change(&mut readings).await;
    }
    assert_eq!(readings.figures(ID).memory_bytes, None);
    let missing = readings.missing(&engine);
    assert!(matches!(&missing[..], [Missing { figure: "memory", .. }]), "{missing:?}");
}

/// Asks the engine about a container elsewhere, until it has answered or was given up.
async fn ask_about_one(readings: &mut Readings, engine: &Engine) {
    readings.refresh(engine, vec![remote()], NOW).await;
    while !readings.questions.is_empty() {
        change(readings).await;
    }
}

#[tokio::test]
async fn an_engine_that_cannot_tell_containers_apart_is_not_asked_to() {
    let (machine, stand_in) = (machine(), StandIn::telling(Some(r#"{"CgroupDriver": "none"}"#)));
    let engine = stand_in.engine().await;
    let mut readings = Readings::new(machine.host());
    ask_about_one(&mut readings, &engine).await;
    assert_eq!(readings.figures(&remote().id), Figures::default());
    assert_eq!(stand_in.asked(), [""; 0]);
    let missing = readings.missing(&engine);
    let figures: Vec<_> = missing.iter().map(|one| one.figure).collect();
    assert_eq!(figures, ["cpu", "memory", "block", "pids"]);
    assert!(missing.iter().all(|one| one.message == NO_GROUPS), "{missing:?}");
}

#[tokio::test]
async fn an_engine_that_does_not_say_in_time_what_it_is_like_is_not_believed() {
    let (machine, stand_in) = (machine(), StandIn::telling(None));
    let engine = stand_in.engine().await;
    let mut readings = Readings::new(machine.host());
    for _ in 0..2 {
        ask_about_one(&mut readings, &engine).await;
        assert_eq!(readings.figures(&remote().id), Figures::default());
        assert_eq!(stand_in.asked(), [""; 0]);
        assert_eq!(readings.missing(&engine), [], "it may say so next time");
    }
}

#[tokio::test]
async fn the_files_of_the_last_that_ended_are_closed() {
    let (machine, stand_in) = (machine(), StandIn::start());
    let engine = stand_in.engine().await;
    let mut readings = Readings::new(machine.host());
    readings.refresh(&engine, vec![running()], NOW).await;
    while readings.figures(ID).memory_bytes.is_none() {
        change(&mut readings).await;
    }
    let top = machine.path("");
    let is_open = || {
        let all = std::fs::read_dir("/proc/self/fd").expect("a directory").flatten();
        all.filter_map(|one| std::fs::read_link(one.path()).ok()).any(|file| file.starts_with(&top))
    };
    assert!(is_open());
    readings.refresh(&engine, Vec::new(), NOW).await;
    while readings.reading.runs() {
        change(&mut readings).await;
    }
    assert!(!is_open());
}
