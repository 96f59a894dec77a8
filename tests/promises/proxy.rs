//! Promise: it works behind a proxy, at its root and below a path. Events come one by one and not in
//! heaps, heartbeats keep the stream open, a viewer that comes back misses nothing, and the viewer's
//! own address is known exactly when the proxy is trusted.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use takpulse::hub::Limits;

use crate::app::App;
use crate::browser::Browser;
use crate::dashboard;
use crate::proxies::{BASE_PATH, Kind, Proxy, readme};
use crate::site::LocalSite;
use crate::wire::{self, Answer, Stream};

const ROOMY: Limits = Limits { events: 1000, bytes: 1 << 20 };

/// Only the web server: no collector disturbs.
const QUIET: &str = "[collect.system]\nenabled = false\n[collect.docker]\nenabled = false\n\
    [collect.tak]\nenabled = false\n";

/// A site behind a proxy, at its root and below a path.
fn both_ways(kind: Kind) -> impl Iterator<Item = (LocalSite, Proxy)> {
    ["", BASE_PATH].into_iter().map(move |base_path| {
        let site = LocalSite::start_below(base_path, ROOMY);
        let proxy = kind.start(base_path, site.address);
        (site, proxy)
    })
}

fn head(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status, answer.header("location"))
}

#[test]
fn below_a_base_path_everything_is_served_with_it_and_without() {
    let app = App::start(&format!("[http]\nbase_path = \"{BASE_PATH}/\"\n{QUIET}"));
    for path in ["/", "/stream", "/api/state", "/healthz", "/readyz", "/style.css"] {
        for prefix in ["", BASE_PATH] {
            let request = format!("HEAD {prefix}{path} HTTP/1.0\r\n\r\n");
            assert_eq!(app.raw(request.as_bytes()).status, 200, "{prefix}{path}");
        }
    }
    for strange in ["/ops", "/ops/", "/ops/takpulsex", "/ops/takpulsex/stream", "/ops/takpulse//"] {
        assert_eq!(app.get(strange).json()["error"]["code"], "not_found", "{strange}");
    }
    for query in ["", "?", "?topics=a&x=//evil.example"] {
        let answer = app.get(&format!("{BASE_PATH}{query}"));
        assert_eq!(head(&answer), (308, Some(format!("{BASE_PATH}/{query}").as_str())));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").is_some(), "hardened as every answer");
    }
    let mut stream =
        Stream::open_at(wire::connect(app.address()), &format!("{BASE_PATH}/stream?topics=a"), "");
    assert!(stream.frame().expect("it is a stream").starts_with(": takpulse\nretry:"));
}

#[test]
fn the_address_that_is_printed_works() {
    let app = App::start(&format!("[http]\nbase_path = \"{BASE_PATH}\"\n{QUIET}"));
    let path = app.said().split_once(&app.address().to_string()).expect("the URL").1.to_owned();
    assert_eq!(path, format!("{BASE_PATH}/\n"));
    assert!(app.get(path.trim()).head.contains("text/html"));
}

fn pass_each_on_at_once((site, proxy): (LocalSite, Proxy)) {
    let mut stream = proxy.stream("");
    assert!(stream.frame().expect("the greeting").starts_with(": takpulse\nretry:"));
    for number in 0..20 {
        site.push("note", &number.to_string(), "x");
        let event = stream.next().expect("it comes before the next one is published");
        assert_eq!(event.id, Some(number.to_string()));
    }
}

#[test]
#[ignore = "needs nginx, run tests/run"]
fn nginx_passes_each_event_on_at_once() {
    both_ways(Kind::Nginx).for_each(pass_each_on_at_once);
}

#[test]
#[ignore = "needs Caddy, run tests/run"]
fn caddy_passes_each_event_on_at_once() {
    both_ways(Kind::Caddy).for_each(pass_each_on_at_once);
}

#[test]
#[ignore = "needs nginx, run tests/run"]
fn an_nginx_that_nobody_told_about_streams_passes_each_event_on_at_once() {
    // Over HTTP/1.0 it would gather whole buffers: only `X-Accel-Buffering: no` keeps it from that.
    let site = LocalSite::start(ROOMY);
    let proxy = Kind::start_bare_nginx(site.address);
    pass_each_on_at_once((site, proxy));
}

/// So long a proxy waits here for the next byte.
const PATIENCE_SECONDS: u64 = 3;

fn idle(heartbeat: &str) -> App {
    App::start(&format!("[stream]\nheartbeat = \"{heartbeat}\"\n{QUIET}"))
}

fn outlive_the_patience_of(kind: Kind) {
    let app = idle("1s");
    let proxy = kind.start_impatient(app.address(), PATIENCE_SECONDS);
    let started = Instant::now();
    let mut stream = proxy.stream("");
    while started.elapsed() < Duration::from_secs(3 * PATIENCE_SECONDS) {
        assert_eq!(stream.next().expect("the stream lives on").event, "ping");
    }
    // The same proxy, and a takpulse whose heart beats too slowly for it.
    let app = idle("5m");
    let proxy = kind.start_impatient(app.address(), PATIENCE_SECONDS);
    let mut stream = proxy.stream("");
    stream.frame().expect("the greeting");
    assert_eq!(stream.frame(), None, "cut");
}

#[test]
#[ignore = "needs nginx, run tests/run"]
fn heartbeats_keep_an_idle_stream_open_through_nginx() {
    outlive_the_patience_of(Kind::Nginx);
}

#[test]
#[ignore = "needs Caddy, run tests/run"]
fn heartbeats_keep_an_idle_stream_open_through_caddy() {
    outlive_the_patience_of(Kind::Caddy);
}

fn resume(kind: Kind) {
    for (site, proxy) in both_ways(kind) {
        for id in ["1", "2", "3"] {
            site.push("note", id, "x");
        }
        let mut stream = proxy.stream("Last-Event-ID: 1\r\n");
        assert_eq!(stream.next().expect("an event").id.as_deref(), Some("2"));
        drop(stream);
        for id in ["4", "5"] {
            site.push("note", id, "x");
        }
        let mut stream = proxy.stream("Last-Event-ID: 2\r\n");
        let mut seen = Vec::new();
        for published in ["6", "7", "8", "9"] {
            seen.extend(stream.next().expect("an event").id);
            site.push("note", published, "x");
        }
        while seen.last().is_none_or(|id| id != "9") {
            seen.extend(stream.next().expect("an event").id);
        }
        assert_eq!(seen, ["3", "4", "5", "6", "7", "8", "9"], "nothing lost, nothing twice");
    }
}

#[test]
#[ignore = "needs nginx, run tests/run"]
fn a_viewer_that_comes_back_through_nginx_misses_nothing() {
    resume(Kind::Nginx);
}

#[test]
#[ignore = "needs Caddy, run tests/run"]
fn a_viewer_that_comes_back_through_caddy_misses_nothing() {
    resume(Kind::Caddy);
}

/// A connection from an address that no proxy here has.
fn connect_from(own: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let socket = runtime.expect("a runtime").block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((own, 0).into()).expect("an address of the loopback network");
        socket.connect(to).await.expect("it accepts").into_std().expect("a socket")
    });
    socket.set_nonblocking(false).expect("it blocks");
    socket.set_read_timeout(Some(wire::PATIENCE)).expect("a timeout is set");
    socket
}

const VIEWER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// What a viewer writes who wants to be taken for another.
const LIE: &str = "X-Forwarded-For: 203.0.113.7, 127.0.0.1\r\nX-Forwarded-Proto: https\r\n";

/// A takpulse that trusts these.
fn trusting(proxies: &str) -> App {
    App::start(&format!("[http]\ntrusted_proxies = {proxies}\n{QUIET}"))
}

/// Whom takpulse takes the viewer for who opens a stream and says so.
fn taken_for(app: &App, at: SocketAddr) -> Value {
    let mut stream = Stream::open_at(connect_from(VIEWER, at), "/stream", LIE);
    stream.frame().expect("it is a stream");
    let seen = app.get("/api/viewers").json()["viewers"][0].clone();
    json!([seen["address"], seen["via"], seen["secure"]])
}

#[test]
fn what_a_stranger_says_about_its_address_is_not_believed() {
    for (proxies, wanted) in [
        ("[]", json!(["127.0.0.2", null, false])),
        ("[\"127.0.0.1\", \"10.0.0.0/8\"]", json!(["127.0.0.2", null, false])),
        // Who asks is trusted, and whom it names first too: the one before that is not.
        ("[\"127.0.0.0/8\"]", json!(["203.0.113.7", "127.0.0.2", true])),
    ] {
        let app = trusting(proxies);
        assert_eq!(taken_for(&app, app.address()), wanted, "trusting {proxies}");
    }
}

#[test]
fn behind_a_trusted_proxy_each_viewer_has_a_limit_of_its_own() {
    let limit = "[http]\ntrusted_proxies = [\"127.0.0.1\"]\nmax_viewers_per_address = 1";
    let app = App::start(&format!("{limit}\n{QUIET}"));
    let ask = |viewer: &str| format!("GET /stream HTTP/1.0\r\nX-Forwarded-For: {viewer}\r\n\r\n");
    let open = |viewer| app.stream_with("", &format!("X-Forwarded-For: {viewer}\r\n"));
    let mut streams = [open("192.0.2.1"), open("192.0.2.2")];
    for stream in &mut streams {
        assert!(stream.frame().expect("it is a stream").starts_with(": takpulse"));
    }
    assert_eq!(app.raw(ask("192.0.2.1").as_bytes()).status, 503);
}

fn tell_whom_it_asks_for(kind: Kind) {
    for (proxies, wanted) in [
        ("[\"127.0.0.1\", \"::1\"]", json!(["127.0.0.2", "127.0.0.1", false])),
        ("[]", json!(["127.0.0.1", null, false])),
    ] {
        let app = trusting(proxies);
        let proxy = kind.start("", app.address());
        assert_eq!(taken_for(&app, proxy.address), wanted, "trusting {proxies}");
    }
}

#[test]
#[ignore = "needs nginx, run tests/run"]
fn nginx_tells_whom_it_asks_for_and_is_believed_when_it_is_trusted() {
    tell_whom_it_asks_for(Kind::Nginx);
}

#[test]
#[ignore = "needs Caddy, run tests/run"]
fn caddy_tells_whom_it_asks_for_and_is_believed_when_it_is_trusted() {
    tell_whom_it_asks_for(Kind::Caddy);
}

#[test]
#[ignore = "needs nginx and Caddy, run tests/run"]
fn without_its_last_slash_the_path_is_redirected_within_the_same_origin() {
    let site = LocalSite::start_below(BASE_PATH, ROOMY);
    for (kind, status) in [(Kind::Nginx, 301), (Kind::Caddy, 308)] {
        let proxy = kind.start(BASE_PATH, site.address);
        let target = format!("{BASE_PATH}/?topics=a");
        assert_eq!(head(&proxy.get("?topics=a")), (status, Some(target.as_str())));
        assert!(proxy.get("/").head.contains("text/html"));
    }
}

#[test]
#[ignore = "needs nginx, Chromium and chromedriver, run tests/run"]
fn the_dashboard_works_below_a_path_behind_nginx() {
    let [settings] = readme("Behind a proxy", "toml").try_into().expect("one block of settings");
    let app = App::start(&format!("{settings}\n{}", dashboard::CONFIG));
    let proxy = Kind::Nginx.start(BASE_PATH, app.address());
    let origin = format!("http://{}{BASE_PATH}/", proxy.address);
    let browser = Browser::open();
    browser.sign_in(origin.trim_end_matches('/'));
    dashboard::wait_for_panels(&browser);
    browser.wait_for_text("#badge [data-field=word]", |text| text.starts_with("Live, "));
    let address = browser.ask("location.href");
    assert_eq!(address, origin.as_str(), "the page's own address ends with a slash");
    let icon = browser.ask("document.getElementById('icon').href");
    assert!(icon.as_str().is_some_and(|icon| icon.starts_with(&origin)), "{icon}");
    assert_no_failure(&browser);
    dashboard::check_clean(&browser, origin.trim_end_matches('/'));
}

/// Every file that the page has loaded came whole.
fn assert_no_failure(browser: &Browser) {
    let loaded = browser.ask(
        "performance.getEntriesByType('resource').filter((one) => !one.name.endsWith('/stream'))
            .map((one) => `${one.responseStatus} ${one.name}`)",
    );
    let loaded = loaded.as_array().expect("a list");
    assert!(loaded.len() > 20, "{loaded:#?}");
    let failed: Vec<_> = loaded
        .iter()
        .filter(|one| !one.as_str().is_some_and(|one| one.starts_with("200 ")))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
