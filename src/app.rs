//! Builds the house from its configuration, wires the parts, and drains them at shutdown.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::access::FIRST;
use crate::bus::{Bus, MemoryBus};
use crate::collect::docker::{self, DockerCollector};
use crate::collect::system::SystemCollector;
use crate::collect::tak::TakCollector;
use crate::collect::{Collector, Runner};
use crate::config::{Config, DockerConfig, HttpConfig, PublishConfig, Schedule, Secret};
use crate::containers;
use crate::event::{Origin, Topic};
use crate::http::{self, Actions, Encryption, Follows, Gate, Manner, Publisher, Site};
use crate::hub::{self, Hub};
use crate::shutdown;
use crate::telemetry;
use crate::tls::Tls;

mod address;
mod doors;

pub use address::local;

use address::seen_from_elsewhere;
use doors::{DoorError, Doors, FIRST_PASSWORD};

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
    /// Nobody could sign in.
    #[error(transparent)]
    Doors(#[from] DoorError),
}

/// Runs takpulse until it is asked to end. The dashboard's address goes to stdout.
///
/// # Errors
/// It could not start.
pub fn run(config: Config) -> Result<(), StartError> {
    telemetry::start(config.log);
    block_on(async {
        let given = std::env::var(FIRST_PASSWORD).ok().filter(|given| !given.is_empty());
        let app = App::bind(config, given.as_deref().map(str::trim)).await?;
        // Whoever started it may not listen; the dashboard is served all the same.
        let _unheard = io::stdout().write_all(app.greeting().as_bytes());
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
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
    made_password: Option<Secret>,
}

impl App {
    /// Takes the address, so that everything that can fail has failed before anything runs.
    /// `first_password` is for the first admin, where there is no user yet.
    ///
    /// # Errors
    /// The address cannot be had, or the state directory cannot be used.
    pub async fn bind(config: Config, first_password: Option<&str>) -> Result<App, StartError> {
        raise_file_limit();
        let listener = listen(&config.http)?;
        let Doors { gate, tls, made_password } = Doors::open(&config, first_password)?;
        let bus = Arc::new(MemoryBus::new(config.bus.capacity));
        Ok(App { config, listener, bus, gate, tls, made_password })
    }

    /// What it listens to: an event published here reaches every viewer.
    pub fn bus(&self) -> Arc<dyn Bus> {
        self.bus.clone()
    }

    /// Where it listens; with port 0 in the configuration, the port that was given.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.config.http.listen)
    }

    /// Where the dashboard is, and how to get in when that has just been decided.
    fn greeting(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let url = |address| format!("{scheme}://{address}{}", self.config.http.base_path);
        let mut text = format!("takpulse {version} is running: {}\n", url(local(self.address())));
        if let Some(address) = seen_from_elsewhere(self.address()) {
            text += &format!("  from other machines: {}\n", url(address));
            if self.tls.is_none() {
                text +=
                    "  (not encrypted: tls.mode = \"self-signed\" in config.toml changes that)\n";
            }
        }
        if let Some(own) = self.tls.as_ref().map(|tls| tls.own()) {
            text += &format!("  its certificate's SHA-256 fingerprint: {}\n", own.fingerprint);
        }
        if let Some(made) = &self.made_password {
            text += &format!(
                "  Sign in as {FIRST} with this password, which is shown only now: {}\n  \
                 (`takpulse reset-password` makes another)\n",
                made.reveal()
            );
        }
        text
    }

    /// Runs until shutdown, and then until viewers and collectors have ended.
    pub async fn run(self, shutdown: CancellationToken) {
        let App { config, listener, bus, gate, tls, .. } = self;
        let stream = config.stream;
        let limits = hub::Limits { events: stream.history_events, bytes: stream.history_bytes };
        let hub = Hub::new(limits, admission(&config.http));
        let pace =
            hub::Pace { heartbeat: stream.heartbeat, write_timeout: config.http.write_timeout };
        tokio::spawn(hub.clone().run(bus.subscribe(), pace));
        let follows = Follows::new(pace);

        let origin = Arc::new(Origin::starting_now(&config.node));
        let watched = hub.watched();
        let runner = || Runner {
            bus: bus.clone(),
            origin: origin.clone(),
            watched: watched.clone(),
            shutdown: shutdown.clone(),
        };
        let collectors = Collectors::of(&config, tls.clone(), runner);
        let keeping = tokio::spawn(doors::keep_uses(gate.clone(), shutdown.clone()));
        if let Some(tls) = tls.clone() {
            tokio::spawn(doors::look_after_certificates(tls, shutdown.clone()));
        }
        tokio::spawn(doors::end_streams_of_the_gone(
            gate.clone(),
            hub.clone(),
            follows.clone(),
            shutdown.clone(),
        ));
        let publisher = Publisher::new(bus.clone(), origin.clone(), rules_of(&config.publish));
        let (allowed, trail, ending) =
            (config.docker.actions, gate.trail.clone(), shutdown.clone());
        let actions = Arc::new(Actions::new(allowed, bus.clone(), origin, trail, ending));
        let site = Site {
            hub: hub.clone(),
            publisher,
            bus,
            collected: collectors.topics.clone(),
            gate: gate.clone(),
            containers: config.docker.enabled.then(|| desk_of(&config.docker)),
            actions: actions.clone(),
            follows: follows.clone(),
        };
        let routes = http::routes(Arc::new(site));
        let served = CancellationToken::new();
        let closing = close_at(shutdown.clone(), hub, follows, served.clone());
        let hsts = config.tls.hsts;
        let manner = Manner {
            entrance: entrance_of(&config.http, gate),
            encryption: tls.map(|tls| Encryption { tls, hsts }),
            limits: limits_of(&config.http),
        };
        let serving = async {
            http::serve(listener, routes, manner, shutdown).await;
            served.cancel();
        };
        tokio::join!(serving, closing, collectors.watch());
        actions.ended().await;
        // A panic in there is logged by its own.
        let _panicked = keeping.await;
        info!("takpulse has ended");
    }
}

/// Takes the address.
///
/// # Errors
/// It cannot be had.
pub fn listen(config: &HttpConfig) -> Result<TcpListener, StartError> {
    let listen = config.listen;
    http::listen(listen, limits_of(config)).map_err(|why| StartError::Listen {
        listen,
        advice: advice(why.kind()),
        why,
    })
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

/// Who answers for single containers.
fn desk_of(config: &DockerConfig) -> containers::Client {
    let (client, requests) = containers::desk();
    tokio::spawn(docker::serve(config.host.clone(), config.actions, requests));
    client
}

fn rules_of(config: &PublishConfig) -> http::Rules {
    // What the configuration has checked is a topic.
    let topics = config.topics.iter().filter_map(|name| Topic::parse(name).ok()).collect();
    http::Rules { topics, rate_per_s: config.rate_per_s }
}

fn entrance_of(config: &HttpConfig, gate: Arc<Gate>) -> http::Entrance {
    http::Entrance {
        base_path: http::BasePath::new(&config.base_path),
        trusted: http::Trusted::new(config.trusted_proxies.clone()),
        gate,
    }
}

/// For a viewer whose connection takes no bytes when takpulse ends.
const GRACE: Duration = Duration::from_millis(500);

/// Ends the streams at once, which lets their connections end.
async fn close_at(
    shutdown: CancellationToken,
    hub: Hub,
    follows: Arc<Follows>,
    served: CancellationToken,
) {
    shutdown.cancelled().await;
    hub.close();
    follows.close();
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
    /// Starts those that are switched on.
    fn of(config: &Config, tls: Option<Arc<Tls>>, runner: impl Fn() -> Runner) -> Collectors {
        let mut collectors = Collectors::default();
        if config.system.enabled {
            let collector = SystemCollector::new(&config.host);
            collectors.start(runner(), collector, config.system.schedule);
        }
        if config.docker.enabled {
            let collector = DockerCollector::new(&config.docker, &config.host);
            collectors.start(runner(), collector, config.docker.schedule);
        }
        if config.tak.enabled {
            let mut collector = TakCollector::new(&config.tak, &config.host);
            if let Some(tls) = tls {
                let own = move || (tls.own().der, tls.own().source);
                collector = collector.with_own_certificate(Box::new(own));
            }
            collectors.start(runner(), collector, config.tak.schedule);
        }
        collectors
    }

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
