//! The customary way to watch containers: ask the API for the list, and for each one's figures once
//! (`one-shot`: the engine does not wait for a second reading of its own).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bollard::query_parameters::{ListContainersOptions, StatsOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt;
use rustix::time::{ClockId, clock_gettime};

/// The engine's answers are waited for so many seconds.
const PATIENCE: u64 = 60;

/// Polls an engine at an interval until it is told to stop; returns the processor time of this thread.
///
/// # Panics
/// The engine does not answer.
pub fn poll(socket: &str, interval: Duration, stop: &AtomicBool) -> Duration {
    let mut due = Instant::now();
    with_engine(socket, async |docker| {
        let started = own_time();
        while !stop.load(Ordering::Relaxed) {
            round(&docker).await.expect("the engine answers");
            due += interval;
            while Instant::now() < due && !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(100));
            }
        }
        own_time() - started
    })
}

/// Asks an engine so many times whether it is there, as takpulse does: each time on a new connection.
///
/// # Panics
/// The engine does not answer.
pub fn ping(socket: &str, times: u32) {
    with_engine(socket, async |docker| {
        for _ in 0..times {
            docker.ping().await.expect("the engine answers");
        }
    });
}

fn with_engine<T>(socket: &str, work: impl AsyncFnOnce(Docker) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let docker = Docker::connect_with_unix(socket, PATIENCE, API_DEFAULT_VERSION);
        let docker = docker.expect("a socket").negotiate_version().await.expect("an engine");
        work(docker).await
    })
}

async fn round(docker: &Docker) -> Result<(), bollard::errors::Error> {
    for container in docker.list_containers(None::<ListContainersOptions>).await? {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let mut said = docker.stats(&container.id.unwrap_or_default(), Some(options));
        said.next().await.transpose()?;
    }
    Ok(())
}

fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
