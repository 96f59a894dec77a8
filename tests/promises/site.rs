//! The stream without collectors: hub and web server inside the test, fed by the test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use takpulse::access::{
    Audit, Keyring, Lifetimes, Seal, Sessions, SignIn, StateDir, Users, make_first,
};
use takpulse::bus::{Bus, MemoryBus};
use takpulse::event::{Event, EventId, Origin, Topic};
use takpulse::http::{
    self, Actions, BasePath, Certificates, Entrance, Gate, Manner, Publisher, Refusals, Rules,
    Site, Trail, Trusted,
};
use takpulse::hub::{Admission, Hub, Limits, Pace};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::credentials::{PASSWORD, keep_token};
use crate::wire::{Stream, wait_for};

/// A web server on a thread of its own, as the binary runs it; ends when dropped.
pub struct LocalSite {
    /// The hub, to be asked.
    pub hub: Hub,
    /// Where it listens.
    pub address: SocketAddr,
    shutdown: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    _state: TempDir,
}

/// A gate that knows the tests' token and password.
fn gate(state: &Path) -> Arc<Gate> {
    keep_token(state);
    let dir = StateDir::at(state);
    make_first(&dir, Some(PASSWORD)).expect("an admin");
    let day = Duration::from_secs(86_400);
    let sessions = Sessions::open(dir.clone(), Lifetimes { idle: day, absolute: day });
    let seal = Arc::new(Seal::open(&dir).expect("a key"));
    let users = Arc::new(Users::new(Vec::new(), dir.clone()));
    let sessions = Arc::new(sessions.expect("no sessions yet"));
    Arc::new(Gate {
        door: SignIn::new(seal.clone(), users.clone(), sessions.clone()),
        seal,
        users,
        sessions,
        keyring: Arc::new(Keyring::new(dir.clone())),
        certificates: Certificates::default(),
        refusals: Refusals::default(),
        trail: Arc::new(Trail::new(Audit::at(dir))),
    })
}

impl LocalSite {
    /// Starts it with a ring of this size. It waits for `system_metrics` to be ready.
    pub fn start(limits: Limits) -> LocalSite {
        LocalSite::start_below("/", limits)
    }

    /// As [`LocalSite::start`], below a base path.
    pub fn start_below(base_path: &str, limits: Limits) -> LocalSite {
        let state = tempfile::tempdir().expect("a directory");
        let gate = gate(state.path());
        let entrance = Entrance {
            base_path: BasePath::new(base_path),
            trusted: Trusted::default(),
            gate: gate.clone(),
        };
        let hub =
            Hub::new(limits, Admission { max_viewers: 10_000, max_viewers_per_address: 10_000 });
        let shutdown = CancellationToken::new();
        let (tell, told) = mpsc::channel();
        let (serving, stop) = (hub.clone(), shutdown.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let limits = http::Limits {
                    connections: 10_000,
                    header_timeout: Duration::from_secs(10),
                    write_timeout: Duration::from_secs(3600),
                };
                let anywhere = "127.0.0.1:0".parse().expect("an address");
                let listener = http::listen(anywhere, limits).expect("a port");
                tell.send(listener.local_addr().expect("an address")).expect("told");
                let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new(16));
                let pace = Pace {
                    heartbeat: Duration::from_secs(3600),
                    write_timeout: limits.write_timeout,
                };
                let origin = Arc::new(Origin::starting_now("edge-1"));
                let rules = Rules { topics: Vec::new(), rate_per_s: 1.0 };
                let (trail, ending) = (gate.trail.clone(), stop.clone());
                let actions = Actions::new(false, bus.clone(), origin.clone(), trail, ending);
                let routes = http::routes(Arc::new(Site {
                    hub: serving,
                    publisher: Publisher::new(bus.clone(), origin, rules),
                    bus,
                    collected: vec![Topic::SystemMetrics],
                    gate,
                    containers: None,
                    actions: Arc::new(actions),
                    follows: http::Follows::new(pace),
                }));
                let manner = Manner { entrance, encryption: None, limits };
                http::serve(listener, routes, manner, stop).await;
            });
        });
        let address = told.recv().expect("it listens");
        LocalSite { hub, address, shutdown, thread: Some(thread), _state: state }
    }

    /// Adds an event.
    pub fn push(&self, topic: &str, id: &str, data: &str) {
        let topic = Topic::parse(topic).expect("a topic");
        let id = EventId::parse(id).expect("an id");
        self.hub.push(Arc::new(Event::encode(id, topic, "edge-1".into(), 0.0, data)));
    }

    /// Opens `/stream`, and returns when the hub counts the viewer.
    pub fn stream(&self, query: &str, last_event_id: Option<&str>) -> Stream {
        let header = last_event_id.map(|id| format!("Last-Event-ID: {id}\r\n"));
        Stream::open(self.address, query, &header.unwrap_or_default())
    }

    /// Waits until this many viewers are connected.
    pub fn wait_for_viewers(&self, count: usize) {
        wait_for("the viewers", || (self.hub.viewers() == count).then_some(()));
    }
}

impl Drop for LocalSite {
    fn drop(&mut self) {
        self.hub.close();
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
