//! `cargo bench --bench collect --target x86_64-unknown-linux-musl`: what it costs to know what the
//! containers of a box use, with takpulse beside the customary ways.
//!
//! It starts a Docker Engine of its own with many containers, and then has them watched in one way
//! after the other, for the same time each: by `docker stats` as it streams, by a poller that asks the
//! API for each container's figures once per interval, and by takpulse with a viewer. What counts is
//! the processor time of the watcher and of all that it keeps busy (dockerd, containerd and its
//! shims), above what the engine used before and after, when nobody watched. What the containers themselves
//! do is not counted. Needs root and `dockerd` (apt-get install docker.io), and leaves nothing behind.
//!
//! It passes no judgement: it prints a table to read and to paste. The engine's own idle time wavers by
//! more than takpulse adds, so all take turns, for several rounds, and the medians are told; and beside them
//! what takpulse must cost the engine: in a tick in which nothing happened it asks whether it is there (a
//! unit test holds that), and what that costs is measured by thousands of it.
//!
//! The memory that takpulse grows by is that of one process that sees first no container and then all
//! of them: what it wrote itself (heap and stacks), not pages of files. It keeps no past events for
//! viewers that come back meanwhile: that memory has a bound of its own, `stream.history_bytes`.

mod app;
mod arguments;
#[path = "../../tests/promises/engine.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod engine;
mod meter;
#[path = "../../tests/promises/place.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod place;
mod poller;
mod table;
mod takpulse;
mod ways;

use std::process::ExitCode;
use std::thread;

use arguments::{Arguments, Task};
use engine::Engine;
use table::{Round, Table};
use takpulse::Takpulse;
use ways::{Watched, Way};

/// So many containers are started at once.
const AT_ONCE: usize = 4;
/// Every so many containers one has something to do.
const WORKS: usize = 5;
/// Until takpulse has told everything twice and its memory rests, in intervals.
const SETTLED: u32 = 3;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Task::Measure(arguments) => arguments,
        Task::Explain => {
            println!("a benchmark; run it as root with: cargo bench --bench collect");
            return ExitCode::SUCCESS;
        }
    };
    println!("{}", header(&arguments));
    let engine = Engine::start();
    let (empty, grown_kib) = grow(&engine, &arguments);
    let rounds = (1..=arguments.rounds()).map(|number| {
        eprintln!("collect: round {number}");
        round(&engine, &arguments)
    });
    let rounds: Vec<Round> = rounds.collect();
    let ping = ways::ping(&engine, ways::idle(&engine, arguments.time()));
    let table = Table { rounds, ping, empty, grown_kib, interval: arguments.interval() };
    println!("{}", table.render());
    ExitCode::SUCCESS
}

fn round(engine: &Engine, arguments: &Arguments) -> Round {
    let time = arguments.time();
    let mut round = Round { idle: vec![ways::idle(engine, time)], ways: Vec::new() };
    for way in Way::ALL.into_iter().filter(|way| arguments.wants(way.name())) {
        round.ways.push((way, way.measure(engine, arguments)));
        round.idle.push(ways::idle(engine, time));
    }
    round
}

/// Starts the containers before takpulse's eyes; returns what it cost before, and by how many KiB they
/// made it grow.
fn grow(engine: &Engine, arguments: &Arguments) -> (Watched, f64) {
    let takpulse = Takpulse::start(engine, arguments.interval());
    let rest = || thread::sleep(arguments.interval() * SETTLED);
    takpulse.wait_for_containers(0);
    rest();
    let empty = ways::stretch(engine, arguments.time(), &[takpulse.id()]);
    let before = meter::memory_kib(takpulse.id());
    let count = arguments.containers();
    eprintln!("collect: starting {count} containers");
    thread::scope(|scope| {
        for first in 0..AT_ONCE {
            let numbers = (first..count).step_by(AT_ONCE);
            scope.spawn(|| numbers.for_each(|number| start(engine, number)));
        }
    });
    takpulse.wait_for_containers(count);
    rest();
    (empty, meter::memory_kib(takpulse.id()) - before)
}

fn start(engine: &Engine, number: usize) {
    let work = "while :; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; sleep 1; done";
    let script = if number.is_multiple_of(WORKS) { work } else { "exec sleep 99999" };
    engine.container(&format!("bench-{number}"), &[], script);
}

fn header(arguments: &Arguments) -> String {
    let system = rustix::system::uname();
    format!(
        "collect: {} containers, one in {WORKS} with something to do; an interval of {:?}; {} \
         rounds of {:?} each; {} {}; {}\n",
        arguments.containers(),
        arguments.interval(),
        arguments.rounds(),
        arguments.time(),
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy(),
        takpulse::program().display(),
    )
}
