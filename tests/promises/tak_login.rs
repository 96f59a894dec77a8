//! What OpenTAKServer, and servers that are known to lie, tell over their APIs: signed in, with a password
//! that nobody else gets.

use serde_json::Value;

use crate::app::Stream;
use crate::authority::Authority;
use crate::stand_in::{Reply, StandIn, authority, ok, report, watch_host, watch_port};
use crate::watching::{check, said_of, watch as watch_reports};

const END_POINTS: &[u8] =
    include_bytes!("../../src/collect/tak/checks/told/fixtures/client_end_points.json");

/// OpenTAKServer as its source has it, for one login.
fn open_tak(server: &StandIn) {
    let token =
        r#"{"meta":{"code":200},"response":{"csrf_token":"IjQ2.aSQ","identity_attributes":[]}}"#;
    server.judge(move |asked| {
        let signed_in = asked.head.contains("cookie: session=in");
        match asked.line.as_str() {
            "GET /api/login" => {
                let cookie = "Set-Cookie: session=form; HttpOnly; Path=/; SameSite=Strict\r\n";
                // As its development server does after each answer.
                let headers = format!("Connection: close\r\n{cookie}");
                Some(Reply::With(200, headers, token.into()))
            }
            "POST /api/login" => {
                let right = r#"{"password":"p\"1","username":"administrator"}"#;
                let form = asked.head.contains("cookie: session=form")
                    && asked.head.contains("x-csrftoken: ijq2.asq")
                    && asked.head.contains("content-type: application/json");
                assert!(form, "{asked:?}");
                Some(if asked.body == right {
                    let cookie = "Set-Cookie: session=in; HttpOnly; Path=/; SameSite=Strict\r\n";
                    let body =
                        r#"{"meta":{"code":200},"response":{"tf_required":false,"user":{}}}"#;
                    Reply::With(200, cookie.into(), body.into())
                } else {
                    Reply::Status(400, b"{\"meta\":{\"code\":400},\"response\":{}}".to_vec())
                })
            }
            "GET /api/status" | "GET /api/eud" if !signed_in => {
                Some(Reply::Status(401, Vec::new()))
            }
            _ => None,
        }
    });
    let config = r#"{"version":"3","type":"ServerConfig","data":{"version":"1.7.14","api":"3","hostname":"127.0.0.1"},"nodeId":"x"}"#;
    for (path, body) in [
        ("/Marti/api/version/config", config.as_bytes()),
        ("/api/health", b"{\"status\":\"healthy\"}"),
        (
            "/api/status",
            include_bytes!("../../src/collect/tak/checks/told/fixtures/ots_status.json"),
        ),
        ("/api/eud", include_bytes!("../../src/collect/tak/checks/told/fixtures/eud.json")),
        ("/Marti/api/clientEndPoints", END_POINTS),
    ] {
        server.reply(path, ok(body));
    }
}

const LOGIN: &str = "api_user = \"administrator\"\napi_password = 'p\"1'";

#[test]
fn opentakserver_is_asked_signed_in_and_the_session_is_kept() {
    let server = StandIn::plain();
    open_tak(&server);
    let app = watch_port(&format!("http_port = {}\n{LOGIN}", server.port()));
    let mut stream = watch_reports(&app);
    let report = stream.until("healthy", |json| json["status"] == "healthy");
    assert_eq!(
        (&report["flavor"], &report["version"]),
        (&"opentakserver".into(), &"OpenTAKServer-1.7.14".into())
    );
    assert_eq!(said_of(&report, "authenticated_api"), "It answers to takpulse's login.");
    assert_eq!(said_of(&report, "database"), "OpenTAKServer reads from its database.");
    assert!(report["server"]["uptime_seconds"].as_f64().is_some_and(|up| up > 3000.0), "{report}");
    after_version_config(&server, &mut stream, 3);
    assert_eq!(server.count("POST /api/login"), 1, "one login for all rounds");
    // The session ends: one more login, and no fault.
    let fresh = server.count("GET /api/status");
    server.reply("/api/status", Reply::Status(401, Vec::new()));
    stream.until("it was refused", |_| server.count("GET /api/status") > fresh);
    assert!(server.count("POST /api/login") <= 2, "a login that opens nothing is not repeated");
    assert!(!app.log().contains("p\"1"), "{}", app.log());
}

/// Another round of OpenTAKServer.
fn after_version_config(server: &StandIn, stream: &mut Stream, count: usize) -> Value {
    let config = "GET /Marti/api/version/config";
    let before = server.count(config);
    stream.until("more rounds", |_| server.count(config) >= before + count)
}

#[test]
fn a_wrong_password_is_tried_once_and_shown_nowhere() {
    let server = StandIn::plain();
    open_tak(&server);
    let login = "api_user = \"administrator\"\napi_password = \"hunter2wrong\"";
    let app = watch_port(&format!("http_port = {}\n{login}", server.port()));
    let mut stream = watch_reports(&app);
    let report = stream.until("degraded", |json| json["status"] == "degraded");
    assert_eq!(check(&report, "authenticated_api")["ok"], false);
    assert!(
        said_of(&report, "authenticated_api")
            .starts_with("OpenTAKServer refuses the login: correct api_user and api_password"),
        "{report}"
    );
    assert_eq!(check(&report, "database")["ok"], true);
    let report = after_version_config(&server, &mut stream, 3);
    assert!(said_of(&report, "authenticated_api").contains("refuses the login"), "{report}");
    assert_eq!(server.count("POST /api/login"), 1, "nobody's account is locked");
    let state = app.get("/api/state");
    for said in [report.to_string(), app.log(), String::from_utf8_lossy(&state.body).into()] {
        assert!(!said.contains("hunter2wrong"), "{said}");
    }
}

#[test]
fn a_password_is_not_sent_where_it_can_be_read() {
    let server = StandIn::plain();
    open_tak(&server);
    // It leads here, but no more than any other address does it say that nobody is in between.
    let keys = format!("http_port = {}\n{LOGIN}", server.port());
    let report = report(&watch_host("0.0.0.0", &keys));
    assert!(check(&report, "authenticated_api").get("ok").is_none(), "{report}");
    let said = said_of(&report, "authenticated_api");
    assert!(said.contains("without TLS the password could be read on the way"), "{said}");
    assert!(server.count("GET /Marti/api/clientEndPoints") > 0);
    assert!(!server.asked().iter().any(|asked| asked.line.contains("/api/login")));
}

#[test]
fn a_password_is_sent_elsewhere_only_to_who_proves_to_be_the_server() {
    let (authority, other) = (authority(), Authority::found("another"));
    let server = StandIn::over_tls(&authority);
    open_tak(&server);
    let watch = |vouching: &str| {
        let certificates: Vec<_> = [vouching].into_iter().filter(|path| !path.is_empty()).collect();
        watch_host(
            "0.0.0.0",
            &format!(
                "https_port = {}\ncertificates = {certificates:?}\n{LOGIN}\n\
                 client_certificate = {:?}\nclient_key = {:?}",
                server.port(),
                authority.path("monitor.pem"),
                authority.path("monitor.key"),
            ),
        )
    };
    let logins = || server.asked().iter().filter(|asked| asked.line.contains("/api/login")).count();
    // Nothing to hold it against; and an authority that has not signed it.
    for vouching in ["", other.path("ca.pem").to_str().expect("a path")] {
        let report = report(&watch(vouching));
        let said = said_of(&report, "authenticated_api");
        assert!(said.contains("nothing proves that this is your server"), "{said}");
        assert_eq!(logins(), 0, "{report}");
    }
    let report = report(&watch(authority.path("ca.pem").to_str().expect("a path")));
    assert_eq!(
        said_of(&report, "authenticated_api"),
        "It answers to takpulse's login.",
        "{report}"
    );
    assert!(logins() > 0);
}

#[test]
fn a_database_that_opentakserver_cannot_read_is_named_although_it_says_healthy() {
    let server = StandIn::plain();
    open_tak(&server);
    server.reply("/Marti/api/clientEndPoints", Reply::Status(500, b"<h1>Internal".to_vec()));
    server.reply("/api/status", Reply::Status(500, b"<h1>Internal".to_vec()));
    server.reply("/api/eud", Reply::Status(500, b"<h1>Internal".to_vec()));
    let report = report(&watch_port(&format!("http_port = {}\n{LOGIN}", server.port())));
    assert_eq!(report["status"], "degraded");
    assert_eq!(check(&report, "database")["ok"], false);
    assert!(said_of(&report, "database").contains("look whether PostgreSQL runs"), "{report}");
}

#[test]
fn without_a_login_opentakserver_is_not_asked_for_more() {
    let server = StandIn::plain();
    open_tak(&server);
    let report = report(&watch_port(&format!("http_port = {}", server.port())));
    assert_eq!(report["status"], "healthy", "{report}");
    assert!(check(&report, "authenticated_api").get("ok").is_none());
    assert!(said_of(&report, "authenticated_api").contains("set api_user and api_password"));
    assert!(!server.asked().iter().any(|asked| asked.line.contains("/api/login")));
}

#[test]
fn sources_that_are_known_to_lie_are_shown_as_such() {
    let server = StandIn::plain();
    server.reply("/Marti/api/version", ok("FreeTAKServer-2.2.1"));
    server.reply("/Marti/api/clientEndPoints", ok(END_POINTS));
    let report = report(&watch_port(&format!("http_port = {}", server.port())));
    assert_eq!(report["flavor"], "freetakserver");
    let source = &report["clients"]["sources"][0];
    assert_eq!(
        (&source["name"], &source["believed"]),
        (&"/Marti/api/clientEndPoints".into(), &false.into())
    );
    assert!(
        source["message"].as_str().is_some_and(|text| text.contains("is an example")),
        "{source}"
    );
    assert!(report["clients"].get("list").is_none(), "{report}");
    assert!(report["clients"].get("connections").is_none(), "never a made-up number: {report}");
}
