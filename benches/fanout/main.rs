//! `cargo bench --bench fanout --target x86_64-unknown-linux-musl`: takpulse's fan-out of events beside
//! the least that a broadcaster can do, and beside nchan where it is installed.
//!
//! It passes no judgement: it prints a table to read and to paste. Trust the ratios, not the figures,
//! and neither where the noise is not near 0. What is measured is told in [`scenario`]; how, in
//! [`session`] (publishing) and [`tally`] (what counts).
//!
//! What is measured is the `takpulse` binary, which cargo builds for the benchmark with the profile
//! that is shipped (`bench` is `release`) and, for the musl target, with the allocator that is shipped.
//! One thing differs from `cargo build --release`: beside a benchmark, cargo gives the dependencies the
//! features that the tests ask for as well (tokio's `test-util`, most of all).
//!
//! The collectors are off. Events are published as by anybody, each with a `POST /publish` and a token,
//! so that the server's CPU has the work for that in it: HTTP, the token, the JSON, the answer. It is
//! the same for nchan. The raw broadcaster takes lines from a connection, without an answer. Where that
//! matters, when saturated, the table says what an event costs before anybody gets it, and which share
//! of the server's CPU that is.
//!
//! The servers take turns, in each round in another order, each in a new process; the figure is the
//! median of the rounds, and the least and greatest stand behind it; below `x` it is told how many times
//! the raw broadcaster's figure that is. Losses of all rounds are added up.
//!
//! Two more tables are takpulse's alone. One has the same over TLS, and over HTTP/2, beside the plain
//! port: there the driver decrypts as well, and how busy that keeps it is told. The other has what
//! viewers notice of somebody who guesses passwords.

mod answers;
mod arguments;
mod callers;
mod clock;
mod control;
mod cores;
mod decode;
mod figures;
mod guesses;
mod http2;
mod meter;
mod nchan;
mod poster;
mod procfs;
mod raw;
mod readers;
mod scenario;
mod server;
mod session;
mod table;
mod takpulse;
mod tally;
mod visits;
mod wire;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use arguments::{Arguments, Task};
use cores::Cores;
use scenario::Scenario;
use server::Kind;
use table::Table;

/// Whatever went wrong: it is said and ends the run.
type Wrong = Box<dyn std::error::Error>;
/// How something ended that has nothing to hand over.
type Outcome = Result<(), Wrong>;

/// No run for a table is started after so long.
const LIMIT: Duration = Duration::from_secs(8 * 60);
/// From this share of the server's CPU on, in percent, publishing limits what is measured.
const MUCH_PUBLISHING: f64 = 25.0;
/// Files that a process has beside its connections, generously.
const OTHER_FILES: u64 = 100;

fn main() -> ExitCode {
    let outcome = match Arguments::read() {
        Task::ServeRaw { control } => raw::serve(control),
        Task::Explain => {
            println!("a benchmark; run it with: cargo bench --bench fanout");
            Ok(())
        }
        Task::Measure(arguments) => measure(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("fanout: {why}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Outcome {
    let cores = Cores::look()?;
    let files = raise_file_limit()?;
    // The driver goes to its own core.
    cores.on_servers_core(|| Ok(()))?;
    println!("{}", header(arguments, cores));
    for kinds in scenario::TABLES {
        let is_there = |kind: &Kind| *kind != Kind::Nchan || nchan::is_installed();
        let present: Vec<Kind> = kinds.iter().copied().filter(is_there).collect();
        let mut table = Table::new(&present);
        let scenarios = chosen(arguments, kinds, files, &mut table);
        if scenarios.is_empty() {
            continue;
        }
        if kinds.contains(&Kind::Raw) {
            say_what_differs(&mut table);
        }
        run(arguments, &scenarios, &present, cores, &mut table);
        println!("{}", table.render());
    }
    Ok(())
}

/// What a reader of the first table must know.
fn say_what_differs(table: &mut Table) {
    if !nchan::is_installed() {
        let how = "apt-get install --no-install-recommends nginx libnginx-mod-nchan";
        table.note(format!("nchan is not installed, and is left out ({how})"));
    }
    table.note(
        "takpulse (and nchan) takes each event as an HTTP request of its own, and answers it; its CPU has \
         that in it. The raw broadcaster takes lines"
            .into(),
    );
}

/// Every round of every scenario of a table with every server.
fn run(
    arguments: &Arguments,
    scenarios: &[Scenario],
    kinds: &[Kind],
    cores: Cores,
    table: &mut Table,
) {
    let started = Instant::now();
    for round in 0..arguments.rounds() {
        for scenario in scenarios {
            for turn in 0..kinds.len() {
                let kind = kinds[(turn + round) % kinds.len()];
                if !scenario.is_for(kind) {
                    continue;
                }
                if started.elapsed() > LIMIT {
                    table.note(format!("ended in round {} after {LIMIT:?}", round + 1));
                    return;
                }
                let name = scenario.name();
                eprintln!("fanout: round {}, {name}: {}", round + 1, kind.name());
                match scenario.run(kind, cores, arguments.scale()) {
                    Ok(figures) => {
                        let share = figures.iter().find_map(|f| f.named(scenario::PUBLISHING));
                        if share.is_some_and(|share| share > MUCH_PUBLISHING) {
                            let kind = kind.name();
                            table.note(format!(
                                "{name}, {kind}: limited by taking events in (more than \
                                 {MUCH_PUBLISHING} % of its CPU), not by the fan-out alone"
                            ));
                        }
                        table.add(&name, kind, figures);
                    }
                    Err(why) => {
                        let round = round + 1;
                        table
                            .note(format!("{name}, {}, round {round}: FAILED: {why}", kind.name()));
                    }
                }
            }
        }
    }
}

/// The scenarios of these servers' table that were asked for and that the limit of open files allows.
fn chosen(arguments: &Arguments, kinds: &[Kind], files: u64, table: &mut Table) -> Vec<Scenario> {
    let mut chosen = Vec::new();
    for scenario in scenario::ALL {
        if scenario.table() != kinds || !arguments.wants(&scenario.name()) {
            continue;
        }
        let needed = scenario.connections() as u64 + OTHER_FILES;
        if needed > files {
            table.note(format!(
                "SKIPPED {}: it needs {needed} open files, and {files} are allowed (ulimit -Hn)",
                scenario.name()
            ));
        } else {
            chosen.push(scenario);
        }
    }
    chosen
}

/// Raises the soft limit of open files, which servers inherit, to the hard one.
fn raise_file_limit() -> std::io::Result<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

fn header(arguments: &Arguments, cores: Cores) -> String {
    let system = rustix::system::uname();
    let profile = if cfg!(debug_assertions) { "DEBUG: means nothing" } else { "optimised" };
    let libc =
        if cfg!(target_env = "musl") { "musl, as shipped" } else { "not musl: not as shipped" };
    format!(
        "fanout: {} cores ({}); {} {} {}; {profile}; {libc}; frames of about {} bytes; rounds: {}\n",
        cores.count,
        cores.describe(),
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy(),
        system.machine().to_string_lossy(),
        scenario::frame_bytes(),
        arguments.rounds(),
    )
}
