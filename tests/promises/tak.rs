//! The TAK server's state is what its clients meet, not what it says of itself.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use serde_json::Value;

use crate::app::{App, signal};
use crate::taky::{COT_PORT, Taky, run};
use crate::watching::{TAK_ONLY, checks, configured, message, until, watch};
use crate::world::in_own_world;

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_configured_plain_server_is_healthy_and_nothing_appears_on_the_map() {
    in_own_world(
        "tak::a_configured_plain_server_is_healthy_and_nothing_appears_on_the_map",
        || {
            let _taky = Taky::plain();
            let mut client =
                TcpStream::connect(("127.0.0.1", COT_PORT)).expect("taky accepts a client");
            let app = configured(&format!("cot_port = {COT_PORT}\nhttp_port = 8080"));
            let mut stream = watch(&app);
            let report = until(&mut stream, "healthy");
            assert_eq!(
                checks(&report),
                ["process:ok", "restarts:ok", "port:ok", "cot:ok", "port:ok", "api:ok"]
            );
            assert_eq!(report["flavor"], "taky");
            assert_eq!(report["version"], "taky-0.10");
            assert_eq!((&report["installed"], &report["running"]), (&true.into(), &true.into()));
            assert_eq!(report["checks"][3]["server"], "edge");
            assert!(report["checks"][3]["latency_ms"].as_f64().is_some_and(|ms| ms > 0.0));
            assert_eq!(message(&report), "taky-0.10 is up and answers its clients.");
            for _ in 0..3 {
                until(&mut stream, "healthy");
            }
            client.set_nonblocking(true).expect("a socket option");
            let silence = client.read(&mut [0; 1]).expect_err("other clients are told nothing");
            assert_eq!(silence.kind(), ErrorKind::WouldBlock);
        },
    );
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_tls_server_is_asked_with_the_client_certificate_and_its_expiry_is_reported() {
    in_own_world(
        "tak::a_tls_server_is_asked_with_the_client_certificate_and_its_expiry_is_reported",
        || {
            let taky = Taky::tls();
            let (certificate, key) = taky.client();
            let app = configured(&format!(
                "cot_tls_port = {COT_PORT}\nhttps_port = 8443\nclient_certificate = {certificate:?}\nclient_key = {key:?}"
            ));
            let report = until(&mut watch(&app), "healthy");
            assert_eq!(
                checks(&report),
                [
                    "process:ok",
                    "restarts:ok",
                    "port:ok",
                    "tls:ok",
                    "certificate:ok",
                    "cot:ok",
                    "port:ok",
                    "tls:ok",
                    "certificate:ok",
                    "api:ok",
                    "client_certificate:ok"
                ]
            );
            let certificates = report["certificates"].as_array().expect("certificates");
            let of = |role: &str| {
                let found: Vec<_> = certificates.iter().filter(|one| one["role"] == role).collect();
                assert_eq!(found.len(), 1, "each is told of once: {report}");
                found[0]
            };
            for (role, file) in [("client", &certificate), ("server", &taky.path("ssl/server.crt"))]
            {
                let mut openssl = Command::new("openssl");
                let end = run(openssl.args(["x509", "-noout", "-enddate", "-in"]).arg(file));
                let end = end.trim().strip_prefix("notAfter=").expect("an end");
                let seconds = run(Command::new("date").args(["+%s", "-d", end]));
                assert_eq!(of(role)["not_after"].to_string(), seconds.trim());
            }
            let served = of("server");
            assert_eq!(
                (&served["subject"], &served["issuer"]),
                (&"localhost".into(), &"CA".into())
            );
            assert_eq!(served["source"], format!("127.0.0.1:{COT_PORT}"));
            let also = served["also"].as_array().expect("places");
            assert_eq!(also[0], "127.0.0.1:8443", "on the other port, and then in files: {served}");
            let in_file = |one: &Value| one.as_str().is_some_and(|at| at.ends_with("server.crt"));
            assert!(also.iter().any(in_file), "{served}");
            let ends: Vec<_> = certificates.iter().map(|one| one["not_after"].as_i64()).collect();
            assert!(ends.is_sorted(), "the one that ends first is on top: {ends:?}");
        },
    );
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_server_that_demands_a_certificate_is_not_called_dead_without_one() {
    in_own_world("tak::a_server_that_demands_a_certificate_is_not_called_dead_without_one", || {
        let _taky = Taky::tls();
        let app = configured(&format!("cot_tls_port = {COT_PORT}"));
        let report = until(&mut watch(&app), "healthy");
        assert_eq!(
            checks(&report),
            ["process:ok", "restarts:ok", "port:ok", "tls:ok", "certificate:ok", "cot:unknown"]
        );
        assert!(message(&report).contains("set client_certificate"), "{}", message(&report));
    });
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_client_certificate_that_cannot_be_read_is_named() {
    in_own_world("tak::a_client_certificate_that_cannot_be_read_is_named", || {
        let _taky = Taky::tls();
        let keys = "client_certificate = \"/nowhere.crt\"\nclient_key = \"/nowhere.key\"";
        let app = configured(&format!("cot_tls_port = {COT_PORT}\n{keys}"));
        let report = until(&mut watch(&app), "degraded");
        assert!(
            message(&report).starts_with("/nowhere.crt cannot be read"),
            "{}",
            message(&report)
        );
    });
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_plain_server_is_found_without_configuration_on_any_port() {
    in_own_world("tak::a_plain_server_is_found_without_configuration_on_any_port", || {
        let _taky = Taky::plain();
        let app = App::start(TAK_ONLY);
        let report = until(&mut watch(&app), "healthy");
        assert_eq!(
            checks(&report),
            ["process:ok", "restarts:ok", "port:ok", "cot:ok", "port:ok", "api:ok"]
        );
        assert_eq!(report["checks"][0]["target"], "taky, taky_dps");
        assert_eq!(report["checks"][2]["target"], format!("127.0.0.1:{COT_PORT}"));
        assert_eq!((&report["flavor"], &report["version"]), (&"taky".into(), &"taky-0.10".into()));
    });
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_tls_server_is_found_without_configuration_on_any_port() {
    in_own_world("tak::a_tls_server_is_found_without_configuration_on_any_port", || {
        let _taky = Taky::tls();
        let app = App::start(TAK_ONLY);
        let report = until(&mut watch(&app), "healthy");
        assert_eq!(
            checks(&report),
            [
                "process:ok",
                "restarts:ok",
                "port:ok",
                "tls:ok",
                "certificate:ok",
                "cot:unknown",
                "port:ok",
                "tls:ok",
                "certificate:ok",
                "api:ok"
            ]
        );
        assert_eq!(report["version"], "taky-0.10");
    });
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_server_that_stops_is_missed_and_one_that_returns_is_healthy() {
    in_own_world("tak::a_server_that_stops_is_missed_and_one_that_returns_is_healthy", || {
        let mut taky = Taky::plain();
        let app = App::start(TAK_ONLY);
        let mut stream = watch(&app);
        until(&mut stream, "healthy");
        taky.stop();
        let report = stream
            .until("down, all of it", |json| json["status"] == "down" && json["running"] == false);
        assert!(
            message(&report).starts_with("taky has stopped (last seen running at 20"),
            "{report}"
        );
        assert!(message(&report).ends_with("so nobody can connect: start it."), "{report}");
        assert_eq!(
            checks(&report),
            [
                "process:failed",
                "restarts:ok",
                "port:failed",
                "cot:unknown",
                "port:failed",
                "api:unknown"
            ]
        );
        assert_eq!((&report["installed"], &report["flavor"]), (&true.into(), &"taky".into()));
        taky.start();
        until(&mut stream, "healthy");
    });
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_server_that_is_changed_to_tls_is_not_missed_on_its_plain_ports() {
    in_own_world("tak::a_server_that_is_changed_to_tls_is_not_missed_on_its_plain_ports", || {
        let plain = Taky::plain();
        let app = App::start(TAK_ONLY);
        let mut stream = watch(&app);
        until(&mut stream, "healthy");
        drop(plain);
        stream.until("down, all of it", |json| json["running"] == false);
        let _tls = Taky::tls();
        let report = stream.until("healthy on 8443", |json| {
            json["status"] == "healthy" && json["running"] == true
        });
        let targets: Vec<_> = report["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .filter(|check| check["name"] == "port")
            .map(|check| check["target"].as_str().expect("a target").to_owned())
            .collect();
        assert_eq!(targets, [format!("127.0.0.1:{COT_PORT}"), "127.0.0.1:8443".to_owned()]);
    });
}

#[test]
#[ignore = "needs namespaces, run tests/run"]
fn a_configured_port_that_never_answered_a_ping_is_not_called_hung() {
    in_own_world("tak::a_configured_port_that_never_answered_a_ping_is_not_called_hung", || {
        // As the plain input of a TAK Server is: it takes what comes and says nothing.
        let _input = TcpListener::bind("127.0.0.1:8087").expect("8087 is free in this world");
        let app = configured("cot_port = 8087");
        let report = until(&mut watch(&app), "healthy");
        assert_eq!(checks(&report)[1..], ["port:ok", "cot:unknown"]);
        assert!(
            message(&report).starts_with(
                "The TAK server accepts connections. Whether it serves its clients is not known"
            ),
            "{report}"
        );
    });
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_server_that_hangs_is_down_and_delays_nobody_else() {
    in_own_world("tak::a_server_that_hangs_is_down_and_delays_nobody_else", || {
        let taky = Taky::plain();
        let app = App::start(
            "[collect.docker]\nenabled = false\n[collect.system]\ninterval = \"1s\"\n[collect.tak]\ninterval = \"1s\"\n",
        );
        let mut stream = app.stream("?topics=tak_status,system_metrics");
        until(&mut stream, "healthy");
        signal(taky.pid(), "STOP");
        let (mut others, mut rounds) = (0, 0);
        // A round of a hung server lasts three seconds, and one of the system a part of one.
        let report = stream.until("the third report of the hung server", |json| {
            others += usize::from(json.get("cpu").is_some());
            rounds += usize::from(json["status"] == "down");
            rounds == 3 && json["status"] == "down"
        });
        assert!(others >= 5, "only {others} other events while taky hung");
        assert_eq!(report["running"], true);
        assert!(message(&report).contains("is suspended and answers nobody"), "{report}");
        let ping = &report["checks"][3];
        assert_eq!((&ping["name"], &ping["ok"]), (&"cot".into(), &false.into()));
        assert!(
            ping["message"]
                .as_str()
                .is_some_and(|text| text.contains("does not answer a ping: it hangs")),
            "{ping}"
        );
        signal(taky.pid(), "CONT");
        until(&mut stream, "healthy");
    });
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn an_expired_certificate_is_reported_in_words() {
    in_own_world("tak::an_expired_certificate_is_reported_in_words", || {
        let mut taky = Taky::set_up(true);
        taky.expire();
        taky.start();
        let (certificate, key) = taky.client();
        let app = configured(&format!(
            "cot_tls_port = {COT_PORT}\nclient_certificate = {certificate:?}\nclient_key = {key:?}"
        ));
        let report = until(&mut watch(&app), "degraded");
        assert!(
            message(&report).starts_with("The server's certificate (localhost) expired "),
            "{report}"
        );
        assert!(message(&report).ends_with("renew it and restart what uses it."), "{report}");
        let served = &report["certificates"][0];
        assert_eq!(served["not_after"], 1_577_923_200, "{served}");
        assert!(served["days_left"].as_i64().is_some_and(|days| days < -1000), "{served}");
    });
}

#[test]
#[ignore = "needs namespaces, run tests/run"]
fn where_nothing_is_installed_it_says_so_calmly_and_other_services_are_left_alone() {
    in_own_world(
        "tak::where_nothing_is_installed_it_says_so_calmly_and_other_services_are_left_alone",
        || {
            let root = tempfile::tempdir().expect("an empty root");
            let app = App::start(&format!("{TAK_ONLY}\n[host]\nroot = {:?}\n", root.path()));
            let mut stream = watch(&app);
            let report = until(&mut stream, "not_installed");
            assert_eq!(report["installed"], false);
            assert!(message(&report).starts_with("No TAK server is on this machine"), "{report}");
            // Somebody else's ports: one that answers a text to every request,
            // as many web applications do, and one that says nothing at all.
            let web = TcpListener::bind("127.0.0.1:8080").expect("8080 is free in this world");
            let silent = TcpListener::bind("127.0.0.1:8089").expect("8089 is free in this world");
            std::thread::spawn(move || {
                for mut socket in web.incoming().flatten() {
                    let _length = socket.read(&mut [0; 512]);
                    let page = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nHostname: web-1";
                    let _gone = std::io::Write::write_all(&mut socket, page.as_bytes());
                }
            });
            let _asked = silent.accept().expect("takpulse asks 8089");
            for _ in 0..3 {
                let report = stream.until("another report", |_| true);
                assert_eq!(report["status"], "not_installed", "{report}");
                assert_eq!(report["checks"], Value::Array(vec![]));
            }
        },
    );
}

#[test]
#[ignore = "needs namespaces, run tests/run"]
fn an_installed_server_that_does_not_run_is_down_and_the_message_says_what_to_type() {
    in_own_world(
        "tak::an_installed_server_that_does_not_run_is_down_and_the_message_says_what_to_type",
        || {
            let root = tempfile::tempdir().expect("a root");
            let units = root.path().join("etc/systemd/system");
            std::fs::create_dir_all(&units).expect("a directory");
            std::fs::write(units.join("takserver.service"), "").expect("a unit");
            let app = App::start(&format!("{TAK_ONLY}\n[host]\nroot = {:?}\n", root.path()));
            let report = until(&mut watch(&app), "down");
            assert_eq!(
                message(&report),
                "TAK Server is installed but not running, so nobody can connect: start it with `systemctl start takserver`."
            );
            assert_eq!((&report["installed"], &report["running"]), (&true.into(), &false.into()));
            assert_eq!(checks(&report), ["process:failed", "unit:failed"]);
        },
    );
}
