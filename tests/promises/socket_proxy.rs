//! Promise: takpulse needs no more of Docker than a filtering socket proxy gives it, lives with less, and
//! says what is lost. The proxy is a real HAProxy, as in the customary images of that kind.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{App, Stream, wait_for};
use crate::asker::{self, Asker};
use crate::connection::Connection;
use crate::engine::Engine;
use crate::proxies;

/// Everything that takpulse reads, and nothing that changes anything.
const READING: [&str; 4] = ["version", "_ping", "containers", "events"];

/// A HAProxy before an engine; killed when dropped.
struct SocketProxy {
    child: Child,
    dir: TempDir,
    address: SocketAddr,
}

impl SocketProxy {
    /// Lets through what these rules allow, and denies the rest.
    fn start(engine: &Engine, rules: &[String]) -> SocketProxy {
        SocketProxy::with(|address| {
            config(address, &engine.host().replace("unix://", "unix@"), rules)
        })
    }

    /// As README.md shows it.
    fn of_the_readme(engine: &Engine) -> SocketProxy {
        let shown = proxies::readme("Containers", "haproxy").remove(0);
        SocketProxy::with(|address| {
            let shown = proxies::replace(&shown, "127.0.0.1:2375", &address.to_string());
            let socket = engine.host().replace("unix://", "unix@");
            proxies::replace(&shown, "unix@/var/run/docker.sock", &socket)
        })
    }

    fn with(config: impl Fn(SocketAddr) -> String) -> SocketProxy {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.9:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        fs::write(dir.path().join("haproxy.cfg"), config(address))
            .expect("the configuration is written");
        let log = File::create(dir.path().join("log")).expect("a log file");
        let child = Command::new("haproxy")
            .args(["-db", "-f", "haproxy.cfg"])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log file"))
            .stderr(log)
            .spawn()
            .expect("haproxy starts: apt-get install haproxy");
        let mut proxy = SocketProxy { child, dir, address };
        wait_for("haproxy to listen", || {
            let ended = proxy.child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "haproxy has ended: {}", proxy.log());
            TcpStream::connect(address).ok()
        });
        proxy
    }

    /// What it answers to a request of somebody who would do something else.
    fn status(&self, method: &str, path: &str) -> String {
        let mut socket = TcpStream::connect(self.address).expect("it listens");
        let request = format!("{method} {path} HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for SocketProxy {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            eprintln!("haproxy's log:\n{}", self.log());
        }
    }
}

fn config(address: SocketAddr, engine: &str, rules: &[String]) -> String {
    format!(
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         frontend docker\n  bind {address}\n  {}\n  http-request deny deny_status 403\n  \
         default_backend engine\nbackend engine\n  server engine {engine}\n",
        rules.join("\n  ")
    )
}

/// Lets GET through to what begins with one of these.
fn reading(paths: &[&str]) -> String {
    let paths = paths.join("|");
    format!("http-request allow if METH_GET {{ path,url_dec -m reg ^(/v[0-9.]+)?/({paths}) }}")
}

fn start(proxy: &SocketProxy, more: &str) -> App {
    App::start(&format!(
        "[collect.system]\nenabled = false\n[collect.tak]\nenabled = false\n[collect.docker]\n\
         host = \"tcp://{}\"\ninterval = \"1s\"\nunwatched_interval = \"1h\"\n{more}\n",
        proxy.address
    ))
}

/// What `takpulse check` says of Docker.
fn check(app: &App) -> String {
    let text = asker::run(app.dir(), &["check"], "");
    let docker = text.split("\n  docker  ").nth(1).and_then(|rest| rest.split("\n  tak ").next());
    docker.unwrap_or_else(|| panic!("it says something of Docker: {text}")).to_owned()
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text}\nshould say {part:?}");
    }
}

fn container<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    report["containers"].as_array()?.iter().find(|container| container["name"] == name)
}

/// Waits for the container's figures.
fn see_figures(stream: &mut Stream) -> Value {
    stream.until("figures", |report| {
        container(report, "web").is_some_and(|web| {
            web["memory_bytes"].is_u64() && web["cpu_percent"].is_f64() && web["pids"].is_u64()
        })
    })
}

/// Asks for an action; how it ends.
fn act(app: &App, action: &str) -> Value {
    let mut events = app.stream("?topics=container_action");
    let mut connection = Connection::open(app.address());
    let body = json!({ "action": action }).to_string();
    let request = format!(
        "POST /api/containers/web/actions HTTP/1.1\r\nHost: x\r\n{}Content-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        Asker::showing(app, crate::credentials::AUTHORIZATION).shown(),
        body.len()
    );
    connection.send(request.as_bytes());
    let answer = connection.answer();
    assert_eq!(answer.status, 202, "{answer:?}");
    let operation = answer.json()["id"].clone();
    events.until("its end", |event| {
        event["operation"] == operation && event["state"] != "in_progress"
    })
}

const SCRIPT: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

#[test]
#[ignore = "needs a Docker Engine and haproxy, run tests/run"]
fn what_a_customary_proxy_allows_is_enough_and_a_refused_action_says_what_to_allow() {
    let engine = Engine::start();
    engine.container("web", &[], SCRIPT);
    let proxy = SocketProxy::start(&engine, &[reading(&READING)]);
    let app = start(&proxy, "actions = true");
    let mut stream = app.stream("?topics=docker_status");
    let report = see_figures(&mut stream);
    assert_eq!(report["engine"]["status"], "ok");
    assert!(report["engine"]["message"].is_null(), "{report}");
    let message = act(&app, "stop")["message"].to_string();
    assert_says(
        &message,
        &["refuses to stop containers", "403", "allow POST /containers/{id}/stop", "ALLOW_STOP=1"],
    );
    assert_eq!(engine.docker(&["inspect", "-f", "{{.State.Running}}", "web"]), "true");
    let said = check(&app);
    assert_says(
        &said,
        &[
            "1 containers: web",
            &format!("reached: tcp://{}, not encrypted", proxy.address),
            "figures: from the kernel's files",
            "events: followed",
            "images: GET /images is refused",
            "IMAGES=1",
            "logs: told",
            "actions: on; whether they are let through is not tried",
            "audit log: state/audit.log",
        ],
    );
    assert!(!Path::new(&app.dir().join("state/audit.log.1")).exists());
}

#[test]
#[ignore = "needs a Docker Engine and haproxy, run tests/run"]
fn without_events_changes_show_at_the_next_reading_and_that_is_said() {
    let engine = Engine::start();
    engine.container("web", &[], SCRIPT);
    let proxy = SocketProxy::start(&engine, &[reading(&["version", "_ping", "containers"])]);
    let app = start(&proxy, "");
    let mut stream = app.stream("?topics=docker_status");
    see_figures(&mut stream);
    let report = stream.until("what is lost", |report| report["engine"]["message"].is_string());
    assert_eq!(report["engine"]["status"], "ok");
    assert_says(&report["engine"]["message"].to_string(), &["GET /events is refused", "EVENTS=1"]);
    engine.docker(&["kill", "web"]);
    stream.until("its end", |report| {
        container(report, "web").is_some_and(|web| web["state"] == "exited")
    });
    assert_says(
        &check(&app),
        &[
            "events: GET /events is refused, so changes show at the next reading only",
            "figures: not tried: no container runs",
            "actions: off; collect.docker.actions = true",
        ],
    );
}

#[test]
#[ignore = "needs a Docker Engine and haproxy, run tests/run"]
fn with_the_list_alone_containers_are_still_shown_and_the_rest_is_said_to_be_lost() {
    let engine = Engine::start();
    engine.container("web", &[], SCRIPT);
    let proxy = SocketProxy::start(&engine, &[reading(&["version$", "containers/json$"])]);
    let app = start(&proxy, "");
    let mut stream = app.stream("?topics=docker_status");
    let report = stream.until("the list", |report| container(report, "web").is_some());
    let web = container(&report, "web").expect("it is there");
    assert_eq!((&web["state"], &report["engine"]["status"]), (&json!("running"), &json!("ok")));
    // Where the kernel's files are is found by the id alone.
    let report = stream.until("its memory", |report| {
        container(report, "web").is_some_and(|web| web["memory_bytes"].is_u64())
    });
    let web = container(&report, "web").expect("it is there");
    assert!(web["memory_bytes"].as_u64() < Some(64 << 20), "and not the machine's: {web}");
    assert_says(
        &check(&app),
        &[
            "figures: GET /containers/{id}/json is refused",
            "events: GET /events is refused",
            "images: GET /images is refused",
            "logs: GET /containers/{id}/logs is refused, so that no log can be read",
        ],
    );
}

#[test]
#[ignore = "needs a Docker Engine and haproxy, run tests/run"]
fn a_proxy_that_lets_nothing_through_is_told_with_what_to_allow() {
    let engine = Engine::start();
    let proxy = SocketProxy::start(&engine, &[]);
    let app = start(&proxy, "");
    let mut stream = app.stream("?topics=docker_status");
    let report =
        stream.until("the refusal", |report| report["engine"]["status"] == "permission_denied");
    let message = report["engine"]["message"].to_string();
    assert_says(&message, &["refuses takpulse", "allow GET of /version, /containers and /events"]);
    assert_says(&check(&app), &["allow GET of /version, /containers and /events"]);
}

#[test]
#[ignore = "needs a Docker Engine and haproxy, run tests/run"]
fn the_proxy_of_the_readme_allows_the_three_actions_and_nothing_else_that_changes_anything() {
    let engine = Engine::start();
    let id = engine.container("web", &[], SCRIPT);
    let proxy = SocketProxy::of_the_readme(&engine);
    let app = start(&proxy, "actions = true");
    for (action, running) in [("stop", "false"), ("start", "true"), ("restart", "true")] {
        let end = act(&app, action);
        assert_eq!(end["state"], "completed", "{action}: {end}");
        let seen = engine.docker(&["inspect", "-f", "{{.State.Running}}", "web"]);
        assert_eq!(seen, running, "{action}");
    }
    for (method, path) in [
        ("POST", "/containers/create".to_owned()),
        ("POST", format!("/containers/{id}/exec")),
        ("POST", format!("/containers/{id}/kill")),
        ("POST", format!("/v1.41/containers/{id}/restart/../update")),
        ("DELETE", format!("/containers/{id}")),
        ("POST", "/images/create?fromImage=x".to_owned()),
        ("GET", "/volumes".to_owned()),
    ] {
        assert_eq!(proxy.status(method, &path), "403", "{method} {path}");
    }
    assert_eq!(proxy.status("GET", "/v1.41/containers/json"), "200");
}
