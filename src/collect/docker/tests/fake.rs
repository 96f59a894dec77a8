//! An engine that says what a test wants, on a socket of its own.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::collect::Collector;
use crate::collect::docker::DockerCollector;
use crate::config::{DockerConfig, HostConfig, Schedule};

/// What the engine does when it is asked for a path (without its query); it hangs without any.
#[derive(Clone)]
pub enum Does {
    Answer(u16, Value),
    /// Tells what happens, when it does.
    Events,
}

#[derive(Clone, Default)]
pub struct Script {
    pub answers: Arc<Mutex<HashMap<String, Does>>>,
    /// The request lines' targets, in the order in which they came.
    asked: Arc<Mutex<Vec<String>>>,
    /// Ends the connections of those that hang.
    pub hang_up: Arc<Notify>,
    /// What the event stream tells: an action and a container.
    happens: Arc<Mutex<Vec<(String, String)>>>,
    told: Arc<Notify>,
}

impl Script {
    pub fn set(&self, path: &str, does: Does) {
        self.answers.lock().expect("not poisoned").insert(path.to_owned(), does);
    }

    /// Is an engine without containers that speaks this version.
    pub fn speak(&self, api: &str) {
        let version = json!({"Version": "27.0", "ApiVersion": api, "MinAPIVersion": "1.12"});
        self.set(&format!("/v{api}/info"), Does::Answer(200, json!({"CgroupDriver": "systemd"})));
        self.set("/version", Does::Answer(200, version));
        self.set(&format!("/v{api}/containers/json"), Does::Answer(200, json!([])));
        self.set(&format!("/v{api}/events"), Does::Events);
        self.set(&format!("/v{api}/_ping"), Does::Answer(200, json!("OK")));
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }

    /// What was asked since this was last called, without the version and the query.
    pub fn asked_since(&self) -> Vec<String> {
        let all = std::mem::take(&mut *self.asked.lock().expect("not poisoned"));
        let bare = |target: String| {
            let path = target.split('?').next().unwrap_or_default();
            path.trim_start_matches("/v1.47").to_owned()
        };
        all.into_iter().map(bare).collect()
    }

    /// Something happens to a container.
    pub fn happen(&self, action: &str, container: &str) {
        let event = (action.to_owned(), container.to_owned());
        self.happens.lock().expect("not poisoned").push(event);
        self.told.notify_one();
    }

    pub async fn serve(self, listener: UnixListener) {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(self.clone().answer(socket));
        }
    }

    async fn answer(self, mut socket: UnixStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(socket.read_u8().await.expect("a request"));
        }
        let request = String::from_utf8(request).expect("text");
        let target = request.split(' ').nth(1).expect("a target").to_owned();
        let path = target.split('?').next().unwrap_or_default();
        let does = self.answers.lock().expect("not poisoned").get(path).cloned();
        self.asked.lock().expect("not poisoned").push(target);
        let (status, body) = match does {
            Some(Does::Answer(status, body)) => (status, body),
            Some(Does::Events) => return self.tell_events(socket).await,
            None => return self.hang_up.notified().await,
        };
        let body = body.to_string();
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        socket.write_all(answer.as_bytes()).await.expect("sent");
    }
}

impl Script {
    async fn tell_events(self, mut socket: UnixStream) {
        let mut text = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
        while socket.write_all(text.as_bytes()).await.is_ok() {
            tokio::select! {
                () = self.told.notified() => text = self.events(),
                () = self.hang_up.notified() => return,
            }
        }
    }

    /// What has happened and was not told yet, a line each.
    fn events(&self) -> String {
        let happened = std::mem::take(&mut *self.happens.lock().expect("not poisoned"));
        let line = |(action, id)| {
            let attributes = json!({"name": id, "exitCode": "137"});
            let actor = json!({"ID": id, "Attributes": attributes});
            format!("{}\n", json!({"Type": "container", "Action": action, "Actor": actor}))
        };
        happened.into_iter().map(line).collect()
    }
}

/// An engine of this version with these running containers, each of which hangs when asked for its
/// figures.
pub struct Fake {
    pub script: Script,
    pub server: JoinHandle<()>,
    pub dir: tempfile::TempDir,
}

impl Fake {
    pub fn start(api: &str, names: &[&str]) -> Fake {
        let dir = tempfile::tempdir().expect("a directory");
        let script = Script::default();
        script.speak(api);
        let running =
            |name: &&str| json!({"Id": name, "Names": [format!("/{name}")], "State": "running"});
        let list: Vec<Value> = names.iter().map(running).collect();
        script.set(&format!("/v{api}/containers/json"), Does::Answer(200, json!(list)));
        for name in names {
            let inspected = json!({"RestartCount": 2});
            script.set(&format!("/v{api}/containers/{name}/json"), Does::Answer(200, inspected));
        }
        let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
        let server = tokio::spawn(script.clone().serve(listener));
        Fake { script, server, dir }
    }

    pub fn collector(&self) -> DockerCollector {
        collector(&self.dir.path().join("s"))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub fn collector(socket: &Path) -> DockerCollector {
    let hour = Duration::from_secs(3600);
    let config = DockerConfig {
        enabled: true,
        schedule: Schedule { interval: hour, unwatched_interval: hour, timeout: hour },
        host: Some(format!("unix://{}", socket.display())),
        actions: false,
    };
    let host = HostConfig { proc: "/proc".into(), sys: "/sys".into(), root: "/".into() };
    DockerCollector::new(&config, &host)
}

pub fn stats() -> Does {
    let stats = include_str!("../fixtures/stats-cgroup2.json");
    Does::Answer(200, serde_json::from_str(stats).expect("JSON"))
}

/// Waits for a change, but not for ever.
pub async fn change(collector: &mut DockerCollector) {
    let patience = Duration::from_secs(20);
    timeout(patience, collector.changed()).await.expect("a change was missed");
}

/// Collects until the event stream is open.
pub async fn follow(collector: &mut DockerCollector) {
    while !collector.watch.take().followed {
        collector.collect().await.expect("a report");
        change(collector).await;
    }
}
