//! Promise: a route that nobody thought of is closed. Whoever has not said who is asking gets the page
//! to sign in on and what it needs, and learns nothing else.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::path::Path;

use takpulse::http::Route;

use crate::app::{Answer, App};
use crate::asker::{Asker, assert_hardened, code, sign_in};
use crate::credentials::PASSWORD;
use crate::wire;

/// All that is there for everybody.
const OPEN: [&str; 10] = [
    "/login",
    "/login.js",
    "/style.css",
    "/theme.js",
    "/favicon.svg",
    "/favicon-warning.svg",
    "/favicon-bad.svg",
    "/api/login",
    "/healthz",
    "/readyz",
];

/// What is near to something that is there.
const NOWHERE: [&str; 20] = [
    "/nope",
    "/api",
    "/api/",
    "/api/state/",
    "/api/state?x=/login",
    "/STREAM",
    "/Login",
    "/login/",
    "/login/../api/state",
    "/login.js/",
    "/login.js%00",
    "/login;x",
    "/%6cogin",
    "//login",
    "/./login",
    "/healthz/",
    "/readyz/metrics",
    "/api/login/",
    "/assets/index.html",
    "/.env",
];

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];

/// In every event, and the name of nothing else.
const NODE: &str = "the-secret-node";

/// Only the host is read.
const HOST_ONLY: &str = "node = \"the-secret-node\"\n[collect.docker]\nenabled = false\n\
    [collect.tak]\nenabled = false\n";

/// Every path that is closed: routes, files, and what is neither.
fn closed() -> BTreeSet<String> {
    let routes = Route::ALL.iter().map(|route| route.path().to_owned());
    let mut paths: BTreeSet<String> = routes.chain(NOWHERE.map(str::to_owned)).collect();
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let mut folders = vec![assets.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&assets).expect("below it").display().to_string();
                paths.insert(format!("/{name}"));
            }
        }
    }
    paths.insert("/".into());
    for open in OPEN {
        paths.remove(open);
    }
    assert!(paths.len() > 50, "{paths:?}");
    paths
}

/// Header lines that let nobody in.
fn wrong_credentials(app: &App) -> Vec<String> {
    let session = sign_in(app, "admin", PASSWORD);
    let (name, value) = session.split_once('=').expect("a cookie");
    let last = if value.ends_with('0') { '1' } else { '0' };
    let forged = format!("{}{last}", &value[..value.len() - 1]);
    let cookie = |value: &str| format!("Cookie: {name}={value}\r\n");
    vec![
        String::new(),
        "Authorization: Bearer takpulse_of_nobody\r\n".into(),
        "Authorization: Basic YWRtaW46Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==\r\n".into(),
        cookie(&forged),
        cookie("admin"),
        format!("Cookie: takpulse_session={value}\r\n"),
        // Who shows a token is not let in by something else.
        format!("Authorization: Bearer takpulse_of_nobody\r\n{}", cookie(value)),
    ]
}

fn ask(app: &App, method: &str, target: &str, lines: &str) -> Answer {
    let request = format!("{method} {target} HTTP/1.0\r\nHost: x\r\n{lines}\r\n");
    let answer = app.anonymous(request.as_bytes());
    assert_hardened(&answer, &format!("{method} {target}"));
    answer
}

/// Told to sign in, in JSON, and told nothing else.
#[track_caller]
fn assert_closed(answer: &Answer, method: &str, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}: {answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}: {answer:?}");
    for name in ["location", "etag", "set-cookie", "allow", "last-modified"] {
        assert_eq!(answer.header(name), None, "{what}: {name}");
    }
    let text = String::from_utf8_lossy(&answer.body);
    if method == "HEAD" {
        assert_eq!(text, "", "{what}");
    } else {
        assert_eq!(code(answer), "unauthorized", "{what}");
    }
    assert!(!text.contains(NODE) && text.len() < 200, "{what}: {text}");
}

/// Every closed path below this prefix, with every method and every wrong credential.
fn walk(app: &App, prefix: &str) {
    let credentials = wrong_credentials(app);
    for path in closed() {
        for method in METHODS {
            for lines in &credentials {
                let target = format!("{prefix}{path}");
                let what = format!("{method} {target} with {lines:?}");
                assert_closed(&ask(app, method, &target, lines), method, &what);
            }
        }
    }
}

#[test]
fn whatever_is_not_on_the_list_is_closed_to_who_has_not_signed_in() {
    let app = App::start(HOST_ONLY);
    walk(&app, "");
    for target in ["*", "http://x/api/state", "http://x/", "/ops/takpulse/"] {
        assert_closed(&ask(&app, "OPTIONS", target, ""), "OPTIONS", target);
    }
    assert_eq!(app.get("/api/state").status, 200, "it is there for others");
}

#[test]
fn below_a_base_path_it_is_closed_both_ways() {
    let app = App::start(&format!("{HOST_ONLY}[http]\nbase_path = \"/ops/takpulse\"\n"));
    walk(&app, "/ops/takpulse");
    for path in ["/", "/stream", "/api/state", "/ops/takpulses/login", "/ops/login"] {
        assert_closed(&ask(&app, "GET", path, ""), "GET", path);
    }
}

#[test]
fn a_browser_that_asks_for_the_dashboard_is_sent_to_the_page_to_sign_in_on() {
    const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let app = App::start(&format!("{HOST_ONLY}[http]\nbase_path = \"/ops/takpulse\"\n"));
    for prefix in ["", "/ops/takpulse"] {
        for credentials in wrong_credentials(&app) {
            let lines = format!("{credentials}{BROWSER}");
            for page in ["/", "/index.html", "/?node=a", "/index.html?x"] {
                for method in ["GET", "HEAD"] {
                    let answer = ask(&app, method, &format!("{prefix}{page}"), &lines);
                    assert_eq!(answer.status, 303, "{page}: {answer:?}");
                    // Relative, so that it is right whatever a proxy has done to the path.
                    assert_eq!(answer.header("location"), Some("login"));
                    assert_eq!(answer.header("cache-control"), Some("no-store"));
                    assert_eq!(answer.body, b"");
                }
                let answer = ask(&app, "POST", &format!("{prefix}{page}"), &lines);
                assert_closed(&answer, "POST", page);
            }
            // What a page asks for itself, and what a person types, is no page.
            for path in ["/stream", "/api/state", "/main.js", "/metrics", "/nope", "/login.html"] {
                let target = format!("{prefix}{path}");
                assert_closed(&ask(&app, "GET", &target, &lines), "GET", &target);
            }
        }
        let page = ask(&app, "GET", &format!("{prefix}/login"), BROWSER);
        assert_eq!((page.status, page.header("location")), (200, None));
    }
}

#[test]
fn what_is_open_says_nothing_secret() {
    let app = App::start(HOST_ONLY);
    for credentials in wrong_credentials(&app) {
        for (path, method) in OPEN.iter().flat_map(|path| METHODS.map(|method| (*path, method))) {
            let answer = ask(&app, method, path, &credentials);
            let what = format!("{method} {path} with {credentials:?}: {answer:?}");
            let right = match path {
                "/api/login" => method == "POST",
                _ => matches!(method, "GET" | "HEAD"),
            };
            match path {
                _ if !right => assert_eq!(answer.status, 405, "{what}"),
                // There is nothing in it; whoever signs in sends JSON.
                "/api/login" => assert_eq!(answer.status, 415, "{what}"),
                "/readyz" => assert!(matches!(answer.status, 200 | 503), "{what}"),
                _ => assert_eq!(answer.status, 200, "{what}"),
            }
            assert!(!String::from_utf8_lossy(&answer.body).contains(NODE), "{what}");
            assert_eq!(answer.header("set-cookie"), None, "{what}");
        }
    }
    let alive = ask(&app, "GET", "/healthz", "");
    assert_eq!(alive.body, b"{\"status\":\"alive\"}");
}

#[test]
fn which_collector_is_silent_is_told_to_those_only_who_may_see_it() {
    let dir = tempfile::tempdir().expect("a directory");
    // An engine that accepts, and says nothing.
    let _engine = UnixListener::bind(dir.path().join("engine.sock")).expect("a socket");
    let app = App::start(&format!(
        "[collect.docker]\nhost = \"unix://{}/engine.sock\"\ninterval = \"60s\"\ntimeout = \"59s\"\n\
         [collect.tak]\nenabled = false\n[collect.system]\nenabled = false\n",
        dir.path().display()
    ));
    let told = |asker: &Asker| {
        let answer = asker.ask("GET", "/readyz");
        assert_eq!((answer.status, code(&answer).as_str()), (503, "not_ready"));
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        String::from_utf8(answer.body).expect("text").contains("docker")
    };
    for lines in wrong_credentials(&app) {
        assert!(!told(&Asker::showing(&app, &lines)), "{lines}");
    }
    for (scope, may) in [("stream", true), ("admin", true), ("publish", false), ("metrics", false)]
    {
        assert_eq!(told(&Asker::with_token(&app, scope)), may, "{scope}");
    }
    assert!(told(&Asker::signed_in(&app, "admin", PASSWORD)));
}

#[test]
fn answers_that_no_route_gives_tell_browsers_the_same() {
    let app = App::start(&format!(
        "{HOST_ONLY}[http]\nmax_connections = 3\nheader_timeout = \"1s\"\nbase_path = \"/ops\"\n"
    ));
    let large = |bytes: usize| format!("GET / HTTP/1.0\r\nX-Large: {}\r\n\r\n", "x".repeat(bytes));
    for (request, status) in [
        (large(20 << 10), 431),
        (large(1 << 20), 431),
        (format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(100 << 10)), 431),
        (format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(2000)), 431),
        ("this is not HTTP\r\n\r\n".into(), 400),
        ("\u{16}\u{3}\u{1} hello\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n".into(), 400),
        ("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n".into(), 405),
        ("GET /ops HTTP/1.0\r\n\r\n".into(), 308),
        ("GET / HTTP/1.1\r\nX-Slow: ".into(), 408),
    ] {
        let what = request.chars().take(40).collect::<String>();
        let answer = app.anonymous(request.as_bytes());
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_hardened(&answer, &what);
    }
    let mut stream = wire::connect(app.address());
    let request = crate::credentials::authorized(b"GET /stream HTTP/1.0\r\n\r\n");
    stream.write_all(&request).expect("sent");
    let mut head = vec![0; 64 << 10];
    let read = stream.read(&mut head).expect("a head");
    head.truncate(read);
    let answer = Answer::read(&head[..]);
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_hardened(&answer, "the stream");

    let _two = [app.stream(""), app.stream("")];
    let refused = Answer::read(wire::connect(app.address()));
    assert_eq!(refused.status, 503);
    assert_hardened(&refused, "one connection too many");
    let _ended = stream.shutdown(Shutdown::Both);
}
