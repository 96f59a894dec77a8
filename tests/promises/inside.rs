//! The whole application inside the test, where the test can publish on its bus and read its log.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};

use takpulse::app::{self, App};
use takpulse::bus::Bus;
use takpulse::config::{self, Overrides};
use takpulse::event::{Event, EventId, Topic};
use tokio_util::sync::CancellationToken;

use crate::credentials::{PASSWORD, keep_token};

/// takpulse on a thread of its own; ends when dropped.
pub struct Inside {
    /// Where it listens.
    pub address: SocketAddr,
    bus: Arc<dyn Bus>,
    go: mpsc::Sender<()>,
    ending: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Inside {
    /// Lets it listen on a free port with this `config.toml`, but not run yet.
    pub fn listen(config: &str) -> Inside {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("config.toml");
        std::fs::write(&path, config).expect("config.toml is written");
        let listen = Some("127.0.0.1:0".into());
        let state = dir.path().join("state");
        keep_token(&state);
        let environment = vec![("TAKPULSE_STATE_DIR".to_owned(), state.display().to_string())];
        let overrides = Overrides { config: Some(path), listen, environment };
        let config = config::load(overrides).expect("a good configuration").config;
        let ending = CancellationToken::new();
        let (tell, told) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        let ended = ending.clone();
        let thread = std::thread::spawn(move || {
            let work = async {
                let app = App::bind(config, Some(PASSWORD)).await.expect("it listens");
                tell.send((app.address(), app.bus())).expect("told");
                may_go.recv().expect("told to run");
                app.run(ended).await;
            };
            app::block_on(work).expect("a runtime");
        });
        let (address, bus) = told.recv().expect("it listens");
        Inside { address, bus, go, ending, thread: Some(thread), _dir: dir }
    }

    /// Lets it run.
    pub fn run(&self) {
        self.go.send(()).expect("it waits for this");
    }

    /// Publishes an event.
    pub fn publish(&self, topic: &str, id: &str, data: &str) {
        let topic = Topic::parse(topic).expect("a topic");
        let id = EventId::parse(id).expect("an id");
        self.bus.publish(Arc::new(Event::encode(id, topic, "edge-1".into(), 0.0, data)));
    }

    /// Ends it, and waits for the end.
    pub fn end(&mut self) {
        self.ending.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ends well");
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.ending.cancel();
        let _running = self.go.send(());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// What this process has logged; for a test in a process of its own.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Keeps every line from now on, as the binary writes them.
    pub fn keep() -> Log {
        let log = Log::default();
        let lines = log.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).init();
        log
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
