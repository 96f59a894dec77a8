//! The ways in which an engine's containers are watched, and what each costs.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::arguments::Arguments;
use super::engine::Engine;
use super::meter;
use super::poller;
use super::takpulse::Takpulse;

/// A way to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Docker's own command, which streams, each second.
    DockerStats,
    /// [`super::poller`].
    Polling,
    /// [`super::takpulse`].
    Takpulse,
}

/// What a way cost.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// How long that was.
    pub time: Duration,
    /// Processor time of the watcher.
    pub watcher: Duration,
    /// Processor time of dockerd, containerd and its shims.
    pub engine: Duration,
}

impl Watched {
    /// In CPU seconds a minute.
    pub fn per_minute(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() / self.time.as_secs_f64() * 60.0
    }
}

impl Way {
    /// All, in the order in which they are measured.
    pub const ALL: [Way; 3] = [Way::DockerStats, Way::Polling, Way::Takpulse];

    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Way::DockerStats => "docker stats",
            Way::Polling => "polling the API, one-shot",
            Way::Takpulse => "takpulse",
        }
    }

    /// Has the engine watched in this way, and measures.
    pub fn measure(self, engine: &Engine, arguments: &Arguments) -> Watched {
        let (time, interval) = (arguments.time(), arguments.interval());
        match self {
            Way::DockerStats => {
                let mut command = Command::new("docker");
                command.args(["-H", &engine.host(), "stats"]).stdout(Stdio::null());
                let mut child = command.spawn().expect("the docker CLI runs");
                thread::sleep(interval);
                let watched = stretch(engine, time, &[child.id()]);
                let _ended_already = child.kill();
                let _ended = child.wait();
                watched
            }
            Way::Polling => {
                let (stop, host) = (AtomicBool::new(false), engine.host());
                let socket = host.trim_start_matches("unix://");
                thread::scope(|scope| {
                    let poller = scope.spawn(|| poller::poll(socket, interval, &stop));
                    let watched = stretch(engine, time, &[]);
                    stop.store(true, Ordering::Relaxed);
                    let watcher = poller.join().expect("the poller polls");
                    Watched { watcher, ..watched }
                })
            }
            Way::Takpulse => {
                let takpulse = Takpulse::start(engine, interval);
                takpulse.wait_for_containers(arguments.containers());
                thread::sleep(interval);
                stretch(engine, time, &[takpulse.id()])
            }
        }
    }
}

/// What the engine uses when nobody watches it.
pub fn idle(engine: &Engine, time: Duration) -> Watched {
    stretch(engine, time, &[])
}

/// So many are enough to be seen above the engine's idle time.
const PINGS: u32 = 4000;

/// What it costs the engine to be asked whether it is there, above `idle`.
pub fn ping(engine: &Engine, idle: Watched) -> Duration {
    let host = engine.host();
    let engines = engine_processes(engine);
    let (started, before) = (Instant::now(), meter::cpu(&engines));
    poller::ping(host.trim_start_matches("unix://"), PINGS);
    let (time, used) = (started.elapsed(), meter::cpu(&engines) - before);
    let anyway = idle.engine.mul_f64(time.as_secs_f64() / idle.time.as_secs_f64());
    used.saturating_sub(anyway) / PINGS
}

fn engine_processes(engine: &Engine) -> Vec<u32> {
    let host = engine.host();
    meter::started_with(host.trim_start_matches("unix://").trim_end_matches("/s"))
}

/// What the engine and this watcher use meanwhile.
pub fn stretch(engine: &Engine, time: Duration, watcher: &[u32]) -> Watched {
    let mut engines = engine_processes(engine);
    engines.retain(|process| !watcher.contains(process));
    let cpu = || (meter::cpu(watcher), meter::cpu(&engines));
    let (started, before) = (Instant::now(), cpu());
    thread::sleep(time);
    let (time, after) = (started.elapsed(), cpu());
    Watched { time, watcher: after.0 - before.0, engine: after.1 - before.1 }
}
