//! Promise: what an API tells is used, what it keeps to itself or cannot tell is said in words, and
//! nothing but the configured certificate or login is ever sent.

use serde_json::{Value, json};

use crate::app::{App, Stream};
use crate::authority::Authority;
use crate::stand_in::{Reply, StandIn, authority, ok, report, watch_port};
use crate::watching::{check, said_of, watch as watch_reports};

const FIXTURES: [(&str, &[u8]); 7] = [
    (
        "/Marti/api/subscriptions/all",
        include_bytes!("../../src/collect/tak/checks/told/fixtures/subscriptions.json"),
    ),
    (
        "/actuator/custom-memory-metrics",
        include_bytes!("../../src/collect/tak/checks/told/fixtures/memory.json"),
    ),
    (
        "/actuator/metrics/process.start.time",
        include_bytes!("../../src/collect/tak/checks/told/fixtures/start_time.json"),
    ),
    ("/Marti/api/inputs", include_bytes!("../../src/collect/tak/checks/told/fixtures/inputs.json")),
    (
        "/Marti/api/outgoingconnections",
        include_bytes!("../../src/collect/tak/checks/told/fixtures/outgoing.json"),
    ),
    (
        "/Marti/api/activeconnections",
        include_bytes!("../../src/collect/tak/checks/told/fixtures/active.json"),
    ),
    (
        "/Marti/api/clientEndPoints",
        include_bytes!("../../src/collect/tak/checks/told/fixtures/client_end_points.json"),
    ),
];

const SUBSCRIPTIONS: &str = "/Marti/api/subscriptions/all";

/// The official server's documented answers, to an administrator.
fn official(authority: &Authority) -> StandIn {
    let server = StandIn::over_tls(authority);
    for (path, body) in FIXTURES {
        server.reply(path, ok(body));
    }
    for (path, body) in [
        ("/Marti/api/version", "5.2-RELEASE-30"),
        ("/Marti/api/home", "/Marti/metrics/index.html"),
        (
            "/actuator/takserver-database",
            r#"{"apiConnected":true,"messagingConnected":true,"maxConnections":1045,"serverVersion":"15.14"}"#,
        ),
        (
            "/actuator/custom-queue-metrics",
            r#"{"brokerSize":1,"brokerCapacity":1000,"submissionSize":2,"submissionCapacity":1000,"repositorySize":3,"repositoryCapacity":1000}"#,
        ),
        (
            "/actuator/custom-network-metrics",
            r#"{"bytesWritten":5000,"numWrites":9,"bytesRead":700,"numReads":3,"numClients":6}"#,
        ),
        (
            "/actuator/custom-disk-metrics",
            r#"{"totalSpace":1000,"freeSpace":600,"usableSpace":500,"usedSpace":400}"#,
        ),
        ("/actuator/custom-cpu-metrics", r#"{"cpuCount":8,"cpuUsage":0.125}"#),
        (
            "/actuator/metrics/process.cpu.usage",
            r#"{"measurements":[{"statistic":"VALUE","value":0.0312}]}"#,
        ),
        (
            "/actuator/metrics/jvm.memory.max",
            r#"{"measurements":[{"statistic":"VALUE","value":4294967294}]}"#,
        ),
        (
            "/Marti/api/database/cotCount",
            r#"{"version":"3","type":"java.util.Map","data":{"cotEvents":77,"cotImages":0}}"#,
        ),
    ] {
        server.reply(path, ok(body));
    }
    server
}

fn watch(server: &StandIn, authority: &Authority) -> App {
    watch_port(&format!(
        "https_port = {}\nclient_certificate = {:?}\nclient_key = {:?}",
        server.port(),
        authority.path("monitor.pem"),
        authority.path("monitor.key")
    ))
}

/// Another round, after `count` requests for the version.
fn after_rounds(server: &StandIn, stream: &mut Stream, count: usize) -> Value {
    let version = "GET /Marti/api/version";
    let before = server.count(version);
    stream.until("more rounds", |_| server.count(version) >= before + count)
}

#[test]
fn an_administrators_certificate_is_told_all_on_one_connection() {
    let authority = authority();
    let server = official(&authority);
    let app = watch(&server, &authority);
    let mut stream = watch_reports(&app);
    let report = stream.until("healthy", |json| json["status"] == "healthy");
    assert_eq!(
        (&report["flavor"], &report["version"]),
        (&"takserver".into(), &"5.2-RELEASE-30".into())
    );
    let api = check(&report, "authenticated_api");
    assert_eq!(api["ok"], true, "{api}");
    assert_eq!(api["target"], server.base("https") + SUBSCRIPTIONS);
    assert_eq!(
        said_of(&report, "database"),
        "The server is connected to its database (PostgreSQL 15.14)."
    );
    let first: Vec<_> = server.asked().into_iter().filter(|asked| asked.connection == 1).collect();
    assert!(first.len() > 15, "all of a round goes over one connection: {first:?}");
    for asked in server.asked() {
        assert!(asked.line.starts_with("GET "), "{asked:?}");
        assert!(!asked.head.contains("accept-encoding") && !asked.head.contains("authorization"));
    }
    // What is asked seldom is still told.
    let report = after_rounds(&server, &mut stream, 2);
    assert_eq!(server.count("GET /Marti/api/database/cotCount"), 1);
    assert_eq!(server.count("GET /Marti/api/home"), 1);
    assert_eq!(server.count("GET /Marti/api/clientEndPoints"), 0);
    let inside = &report["server"];
    for (key, want) in [
        ("api_heap_used_bytes", json!(543_270_664)),
        ("api_heap_committed_bytes", json!(1_043_333_120)),
        ("api_heap_max_bytes", json!(4_294_967_294_u64)),
        ("messaging_heap_used_bytes", json!(445_533_456)),
        ("cpu_percent", json!(3.1)),
        ("machine_cpu_percent", json!(12.5)),
        ("disk_available_bytes", json!(500)),
        ("rx_bytes_per_s", json!(0.0)),
        (
            "database",
            json!({"connected": true, "version": "15.14", "events": 77, "max_connections": 1045}),
        ),
    ] {
        assert_eq!(inside[key], want, "{key}: {inside}");
    }
    assert!(inside.get("messaging_heap_max_bytes").is_none(), "nobody told: {inside}");
    assert!(inside["uptime_seconds"].as_f64().is_some_and(|up| up > 1e6), "{inside}");
    assert_eq!(inside["queues"][1], json!({"name": "broker", "size": 1, "capacity": 1000}));
    assert_eq!(
        inside["inputs"][0],
        json!({"name": "stdssl", "protocol": "tls", "port": 8089, "clients": 3, "messages_per_s": 0.0, "rx_bytes_per_s": 0.0})
    );
    let links = inside["federations"].as_array().expect("links");
    let up: Vec<_> = links.iter().map(|link| (&link["name"], link.get("connected"))).collect();
    assert_eq!(
        up,
        [
            (&json!("north"), Some(&json!(true))),
            (&json!("south"), Some(&json!(false))),
            (&json!("west"), None),
            (&json!("10.9.0.7:40123"), Some(&json!(true)))
        ]
    );
    let checks = report["checks"].as_array().expect("checks").iter();
    let down = checks
        .filter(|check| check["target"] == server.base("https") + "/Marti/api/outgoingconnections");
    let down: Vec<_> = down.map(|check| check["message"].as_str().expect("a message")).collect();
    assert!(
        matches!(down[..], [link] if link.contains("link south is down (Connection refused)")),
        "{down:?}"
    );
}

#[test]
fn users_are_listed_without_takpulse_itself() {
    let authority = authority();
    let server = official(&authority);
    let report = report(&watch(&server, &authority));
    let clients = &report["clients"];
    // Two of ALPHA-1, BRAVO, and two that have not said who they are (one is takpulse's probe,
    // whose address the fixture does not know).
    assert_eq!(
        (&clients["connections"], &clients["distinct"]),
        (&5.into(), &2.into()),
        "{clients}"
    );
    let list = clients["list"].as_array().expect("a list");
    let names: Vec<_> =
        list.iter().map(|user| user["callsign"].as_str().expect("a name")).collect();
    assert!(!names.iter().any(|name| name.contains("takpulse")), "{names:?}");
    assert!(names.contains(&"ALPHA-1") && names.contains(&"BRAVO"), "{names:?}");
    assert_eq!(clients["sources"][0]["name"], SUBSCRIPTIONS);
    assert_eq!(clients["sources"][0]["believed"], true);
}

#[test]
fn a_certificate_that_is_no_administrators_is_told_what_it_may_know() {
    let authority = authority();
    let server = official(&authority);
    server.reply("/Marti/api/home", ok("/webtak/index.html"));
    let app = watch(&server, &authority);
    let mut stream = watch_reports(&app);
    let report = stream.until("healthy", |json| json["status"] == "healthy");
    assert_eq!(check(&report, "authenticated_api")["ok"], true);
    assert!(said_of(&report, "authenticated_api").contains("is no administrator's"), "{report}");
    after_rounds(&server, &mut stream, 2);
    assert!(!server.asked().iter().any(|asked| asked.line.contains("/actuator/")));
    assert_eq!(server.count("GET /Marti/api/home"), 1, "rights are looked at seldom");
}

#[test]
fn rights_that_were_taken_are_noticed_without_a_fault() {
    let authority = authority();
    let server = official(&authority);
    server.judge(|asked| {
        let admins = asked.line.contains("/actuator/") || asked.line.contains("/inputs");
        admins.then(|| Reply::Status(403, Vec::new()))
    });
    let app = watch(&server, &authority);
    let mut stream = watch_reports(&app);
    let report = stream.until("healthy", |json| json["status"] == "healthy");
    assert!(said_of(&report, "authenticated_api").contains("is no administrator's"), "{report}");
    after_rounds(&server, &mut stream, 2);
    assert_eq!(server.count("GET /actuator/takserver-database"), 1);
}

#[test]
fn an_error_to_everything_is_called_what_it_is() {
    let authority = authority();
    let server = StandIn::over_tls(&authority);
    server.reply_to_all(Reply::Status(500, b"{\"status\":\"INTERNAL_SERVER_ERROR\"}".to_vec()));
    let report = report(&watch(&server, &authority));
    assert_eq!(report["status"], "degraded", "{report}");
    assert_eq!(check(&report, "authenticated_api")["ok"], false);
    let said = report["message"].as_str().expect("a message");
    assert!(said.contains("its parts have lost each other"), "{said}");
    assert!(said.ends_with("restart it."), "{said}");
    // A server in such a state is not asked fifteen questions more.
    let last = server.asked().last().map_or(0, |asked| asked.connection);
    assert!(server.asked().len() < 5 * last.max(2), "{:?}", server.asked().len());
}

#[test]
fn a_certificate_that_the_api_does_not_know_is_told_so() {
    let authority = authority();
    let server = official(&authority);
    server.judge(|asked| {
        (asked.line != "GET /Marti/api/version").then(|| Reply::Status(401, Vec::new()))
    });
    let report = report(&watch(&server, &authority));
    assert_eq!(check(&report, "authenticated_api")["ok"], false, "{report}");
    assert!(
        said_of(&report, "authenticated_api").starts_with("The API tells nothing to takpulse's client certificate (it answers with the status 401)"),
        "{report}"
    );
}

#[test]
fn one_question_that_hangs_does_not_take_the_others_with_it() {
    let authority = authority();
    let server = official(&authority);
    server.reply("/actuator/custom-memory-metrics", Reply::Hang);
    let report = report(&watch(&server, &authority));
    let api = check(&report, "authenticated_api");
    assert_eq!(api["ok"], false, "{report}");
    assert!(
        said_of(&report, "authenticated_api")
            .contains("/actuator/custom-memory-metrics: no answer within 3 s."),
        "{api}"
    );
    assert_eq!(check(&report, "database")["ok"], true);
    assert!(report["server"].get("api_heap_used_bytes").is_none(), "{report}");
    assert_eq!(report["server"]["queues"][0]["name"], "submission", "asked after it: {report}");
}

#[test]
fn when_all_of_them_hang_the_round_ends_and_says_what_was_not_asked() {
    let authority = authority();
    let server = official(&authority);
    server.judge(|asked| {
        let hangs = asked.line.contains("/actuator/") || asked.line.ends_with("/subscriptions/all");
        hangs.then_some(Reply::Hang)
    });
    let report = report(&watch(&server, &authority));
    // The collector's own limit would have left nothing but "unknown".
    assert!(report.get("status").is_some(), "{report}");
    assert_eq!(check(&report, "api")["ok"], true);
    let api = check(&report, "authenticated_api");
    assert_eq!(api["ok"], false);
    let said = said_of(&report, "authenticated_api");
    assert!(said.contains("subscriptions/all: no answer within 3 s; and 1 more."), "{said}");
    assert!(said.contains(" could not be asked in the time that was left."), "{said}");
    assert!(report.get("server").is_none(), "nothing is made up: {report}");
}

#[test]
fn answers_of_another_kind_are_said_to_be_so_and_nothing_is_made_up() {
    let authority = authority();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let subscriptions = String::from_utf8(FIXTURES[0].1.to_vec()).expect("text");
    let in_chunks = format!(
        "{chunked}{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        100,
        &subscriptions[..100],
        subscriptions.len() - 100,
        &subscriptions[100..]
    );
    let half = format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{}", &subscriptions[..500]);
    let gzip = Reply::With(200, "Content-Encoding: gzip\r\n".into(), b"\x1f\x8b".to_vec());
    for (what, reply, ok, words) in [
        ("chunks", Reply::Raw(in_chunks.into_bytes()), json!(true), "It answers, as to"),
        (
            "half a body",
            Reply::Raw(half.into_bytes()),
            json!(false),
            "subscriptions/all: the connection was closed without an answer",
        ),
        ("wrong types", ok(r#"{"data":{"callsign":[1]}}"#), Value::Null, "holds no list `data`"),
        ("a page", ok("<html>sign in</html>"), Value::Null, "is not the JSON that was expected"),
        ("gzip", gzip, Value::Null, "compressed, which was not asked for"),
        ("no HTTP", Reply::Raw(b"<event/>".to_vec()), json!(false), "in another protocol"),
    ] {
        let server = official(&authority);
        server.reply(SUBSCRIPTIONS, reply);
        let report = report(&watch(&server, &authority));
        let api = check(&report, "authenticated_api");
        assert_eq!(api.get("ok").unwrap_or(&Value::Null), &ok, "{what}: {api}");
        assert!(said_of(&report, "authenticated_api").contains(words), "{what}: {api}");
        assert_eq!(check(&report, "database")["ok"], true, "{what}: the others are asked");
        // The second source is asked where the first one is missing.
        let asked = server.count("GET /Marti/api/clientEndPoints") > 0;
        assert_eq!(asked, what != "chunks", "{what}");
    }
}

#[test]
fn a_body_of_100_mb_is_cut_off() {
    let authority = authority();
    let server = official(&authority);
    server.reply(SUBSCRIPTIONS, Reply::Huge);
    let report = report(&watch(&server, &authority));
    assert!(
        said_of(&report, "authenticated_api").contains("longer than 4096 KiB, so it was cut off"),
        "{report}"
    );
    assert_eq!(check(&report, "database")["ok"], true);
    let rounds = server.count(&format!("GET {SUBSCRIPTIONS}")) as u64;
    // 4 MiB and what is on the way in the buffers of two sockets.
    assert!(server.sent() < rounds * 30_000_000, "{} in {rounds} rounds", server.sent());
}

#[test]
fn a_database_that_is_lost_is_named() {
    let authority = authority();
    let server = official(&authority);
    let lost = r#"{"apiConnected":true,"messagingConnected":false,"maxConnections":1}"#;
    server.reply("/actuator/takserver-database", ok(lost));
    let report = report(&watch(&server, &authority));
    assert_eq!(report["status"], "degraded");
    assert_eq!(
        report["message"],
        "The messaging process of TAK Server has lost its database: look whether PostgreSQL runs, is reached and has room on its disk."
    );
    assert_eq!(report["server"]["database"]["connected"], false, "{report}");
}

#[test]
fn counters_become_rates_and_start_over_with_the_server() {
    let authority = authority();
    let server = official(&authority);
    let count = std::sync::atomic::AtomicU64::new(0);
    server.judge(move |asked| {
        if !asked.line.ends_with("/custom-network-metrics") {
            return None;
        }
        // Started anew at the fourth round.
        let round = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 4;
        Some(ok(format!("{{\"bytesRead\":{},\"bytesWritten\":7}}", round * 1_000_000)))
    });
    let app = watch(&server, &authority);
    let mut stream = watch_reports(&app);
    let report = stream.until("a rate", |json| json["server"].get("rx_bytes_per_s").is_some());
    let rate = report["server"]["rx_bytes_per_s"].as_f64().expect("a number");
    assert!(rate > 1000.0 && rate < 1_100_000.0, "{rate}");
    assert_eq!(report["server"]["tx_bytes_per_s"], 0.0);
    let report = stream
        .until("none, after the restart", |json| json["server"].get("rx_bytes_per_s").is_none());
    assert_eq!(report["server"]["tx_bytes_per_s"], 0.0, "only what went backwards");
}
