//! Builds the house from its configuration, wires the parts, and drains them at shutdown.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::access::{Keyring, StateDir};
use crate::bus::{Bus, MemoryBus};
use crate::collect::docker::DockerCollector;
use crate::collect::system::SystemCollector;
use crate::collect::tak::TakCollector;
use crate::collect::{Collector, Runner};
use crate::config::{Config, HttpConfig, PublishConfig, Schedule};
use crate::event::{Origin, Topic};
use crate::http::{self, Publisher, Site};
use crate::hub::{self, Hub};
use crate::shutdown;
use crate::telemetry;

/// Why takpulse could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No runtime: the system is out of files or memory.
    #[error("the runtime cannot start: {0}; is the system out of files or memory?")]
    Runtime(io::Error),
    /// The address is taken, not of this machine, or not allowed.
    #[error("cannot listen on {listen}: {why}; {advice}")]
    Listen {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the system said.
        why: io::Error,
        /// What to do.
        advice: &'static str,
    },
}

/// Runs takpulse until it is asked to end. The dashboard's address goes to stdout.
///
/// # Errors
/// It could not start.
pub fn run(config: Config) -> Result<(), StartError> {
    telemetry::start(config.log);
    block_on(async {
        let app = App::bind(config).await?;
        let (version, url) = (env!("CARGO_PKG_VERSION"), app.url());
        // Whoever started it may not listen; the dashboard is served all the same.
        let _unheard = writeln!(io::stdout(), "takpulse {version} is running: {url}");
        let ending = CancellationToken::new();
        tokio::spawn(shutdown::cancel_when_requested(ending.clone()));
        app.run(ending).await;
        Ok(())
    })?
}

/// Runs this on a runtime of one thread: it measured best for streams, and is light on a small box.
///
/// # Errors
/// The system has no room for a runtime.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::Runtime)?;
    let outcome = runtime.block_on(work);
    // A reading that hangs in the kernel must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(outcome)
}

/// takpulse, listening but not yet running.
pub struct App {
    config: Config,
    listener: TcpListener,
    bus: Arc<dyn Bus>,
}

impl App {
    /// Takes the address, so that everything that can fail has failed before anything runs.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind(config: Config) -> Result<App, StartError> {
        raise_file_limit();
        let listen = config.http.listen;
        let listener = http::listen(listen, limits_of(&config.http))
            .map_err(|why| StartError::Listen { listen, advice: advice(why.kind()), why })?;
        let bus = Arc::new(MemoryBus::new(config.bus.capacity));
        Ok(App { config, listener, bus })
    }

    /// What it listens to: an event published here reaches every viewer.
    pub fn bus(&self) -> Arc<dyn Bus> {
        self.bus.clone()
    }

    /// Where it listens; with port 0 in the configuration, the port that was given.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.config.http.listen)
    }

    /// Where the dashboard is, for a browser on this machine.
    fn url(&self) -> String {
        format!("http://{}{}", self.address(), self.config.http.base_path)
    }

    /// Runs until shutdown, and then until viewers and collectors have ended.
    pub async fn run(self, shutdown: CancellationToken) {
        let App { config, listener, bus } = self;
        let stream = config.stream;
        let limits = hub::Limits { events: stream.history_events, bytes: stream.history_bytes };
        let hub = Hub::new(limits, admission(&config.http));
        let pace =
            hub::Pace { heartbeat: stream.heartbeat, write_timeout: config.http.write_timeout };
        tokio::spawn(hub.clone().run(bus.subscribe(), pace));

        let origin = Arc::new(Origin::starting_now(&config.node));
        let watched = hub.watched();
        let runner = || Runner {
            bus: bus.clone(),
            origin: origin.clone(),
            watched: watched.clone(),
            shutdown: shutdown.clone(),
        };
        let mut collectors = Collectors::default();
        if config.system.enabled {
            let collector = SystemCollector::new(&config.host);
            collectors.start(runner(), collector, config.system.schedule);
        }
        if config.docker.enabled {
            let collector = DockerCollector::new(&config.docker);
            collectors.start(runner(), collector, config.docker.schedule);
        }
        if config.tak.enabled {
            let collector = TakCollector::new(&config.tak, &config.host);
            collectors.start(runner(), collector, config.tak.schedule);
        }

        let keyring = Arc::new(Keyring::new(StateDir::at(&config.state_dir)));
        tokio::spawn(keep_uses(keyring.clone(), shutdown.clone()));
        let publisher =
            Publisher::new(keyring.clone(), bus.clone(), origin, rules_of(&config.publish));
        let site = Site { hub: hub.clone(), publisher, bus, collected: collectors.topics.clone() };
        let routes = http::routes(Arc::new(site));
        let served = CancellationToken::new();
        let closing = close_at(shutdown.clone(), hub, served.clone());
        let (entrance, limits) = (entrance_of(&config.http), limits_of(&config.http));
        let serving = async {
            http::serve(listener, routes, entrance, limits, shutdown).await;
            served.cancel();
        };
        tokio::join!(serving, closing, collectors.watch());
        keyring.keep_uses();
        info!("takpulse has ended");
    }
}

/// A connection is a file, and the customary soft limit of 1,024 is for programs that use select().
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    if let Err(why) = setrlimit(Resource::Nofile, raised) {
        warn!(%why, "the limit of open files stays as it is; fewer connections may fit");
    }
}

fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "is takpulse running already? Choose another port with --listen or http.listen"
        }
        io::ErrorKind::PermissionDenied => "choose a port above 1023 with --listen or http.listen",
        _ => "choose an address of this machine with --listen or http.listen",
    }
}

fn admission(config: &HttpConfig) -> hub::Admission {
    hub::Admission {
        max_viewers: config.max_viewers,
        max_viewers_per_address: config.max_viewers_per_address,
    }
}

fn limits_of(config: &HttpConfig) -> http::Limits {
    http::Limits {
        connections: config.max_connections,
        header_timeout: config.header_timeout,
        write_timeout: config.write_timeout,
    }
}

fn rules_of(config: &PublishConfig) -> http::Rules {
    // What the configuration has checked is a topic.
    let topics = config.topics.iter().filter_map(|name| Topic::parse(name).ok()).collect();
    http::Rules { topics, rate_per_s: config.rate_per_s }
}

fn entrance_of(config: &HttpConfig) -> http::Entrance {
    http::Entrance {
        base_path: http::BasePath::new(&config.base_path),
        trusted: http::Trusted::new(config.trusted_proxies.clone()),
    }
}

/// When tokens were last used is written this often at most: SD cards die of small writes.
const BETWEEN_USES_KEPT: Duration = Duration::from_secs(60);

async fn keep_uses(keyring: Arc<Keyring>, shutdown: CancellationToken) {
    let mut ticks = interval(BETWEEN_USES_KEPT);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let keyring = keyring.clone();
        // A panic in there is logged by its own, and the next minute tries again.
        let _panicked = tokio::task::spawn_blocking(move || keyring.keep_uses()).await;
    }
}

/// For a viewer whose connection takes no bytes when takpulse ends.
const GRACE: Duration = Duration::from_millis(500);

/// Ends the streams at once, which lets their connections end.
async fn close_at(shutdown: CancellationToken, hub: Hub, served: CancellationToken) {
    shutdown.cancelled().await;
    hub.close();
    if timeout(GRACE, served.cancelled()).await.is_err() {
        hub.cut();
    }
}

/// The collectors that run, and the topics they publish.
#[derive(Default)]
struct Collectors {
    topics: Vec<Topic>,
    tasks: JoinSet<()>,
}

impl Collectors {
    fn start<C: Collector>(&mut self, runner: Runner, collector: C, schedule: Schedule) {
        self.topics.push(C::TOPIC);
        self.tasks.spawn(runner.run(collector, schedule));
    }

    /// A collector ends at shutdown; one that ends earlier has panicked, and the others go on.
    async fn watch(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(why) = ended {
                error!(%why, "a collector has crashed; its panel goes stale until takpulse is restarted");
            }
        }
    }
}
