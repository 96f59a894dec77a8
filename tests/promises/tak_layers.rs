//! The layers beyond the ports: a message that gets through, the client certificate in each form, a
//! server that starts up, and files that cannot be read.

use std::fs;

use crate::app::App;
use crate::cot_client::{ALPHA, CotClient};
use crate::taky::{COT_PORT, Taky};
use crate::watching::{TAK_ONLY, check, checks, configured, message, until, watch};
use crate::world::in_own_world;

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_message_gets_from_one_connection_to_another_and_nobody_sees_it() {
    in_own_world(
        "tak_layers::a_message_gets_from_one_connection_to_another_and_nobody_sees_it",
        || {
            let _taky = Taky::plain();
            let mut observer = CotClient::plain(COT_PORT);
            observer.appear(ALPHA);
            let app = configured(&format!("cot_port = {COT_PORT}\ncanary = true"));
            let mut stream = watch(&app);
            let report = stream.until("a canary that arrived", |report| {
                checks(report).contains(&"canary:ok".to_owned())
            });
            assert_eq!(report["status"], "healthy", "{report}");
            assert!(check(&report, "canary")["latency_ms"].as_f64().is_some_and(|ms| ms > 0.0));
            // Its own connections, four in a round, are nobody's.
            let report = stream.until("another report", |report| report.get("checks").is_some());
            assert_eq!(report["clients"]["connections"], 1, "{report}");
            let heard = observer.heard();
            let of_takpulse: Vec<_> =
                heard.split("<event ").filter(|event| event.contains("uid=\"takpulse-")).collect();
            assert!(!of_takpulse.is_empty(), "the message went by: {heard}");
            for event in of_takpulse {
                assert!(event.contains("type=\"t-x-d-d\""), "what clients do not show: {event}");
            }
        },
    );
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_client_certificate_may_be_the_p12_file_that_taks_scripts_make() {
    in_own_world(
        "tak_layers::a_client_certificate_may_be_the_p12_file_that_taks_scripts_make",
        || {
            let taky = Taky::tls();
            let (certificate, _) = taky.client();
            let archive = certificate.with_extension("p12");
            let keys = format!("cot_tls_port = {COT_PORT}\nclient_certificate = {archive:?}");
            let app = configured(&keys);
            let report = until(&mut watch(&app), "healthy");
            assert!(checks(&report).contains(&"cot:ok".to_owned()), "{report}");
            drop(app);
            // The same with another password: the rest goes on, and the fault is told with its cure.
            let app = configured(&format!("{keys}\nclient_password = \"my dear secret\""));
            let report = until(&mut watch(&app), "degraded");
            assert_eq!(check(&report, "client_certificate").get("ok"), None, "{report}");
            let said = check(&report, "client_certificate")["message"].as_str().expect("a message");
            assert!(said.contains("client_password"), "{said}");
            assert!(said.contains(archive.to_str().expect("text")), "{said}");
            assert!(checks(&report).contains(&"tls:ok".to_owned()), "{report}");
            assert!(!report.to_string().contains("my dear secret"));
            assert!(!app.log().contains("my dear secret"));
        },
    );
}

/// A machine with the official server's files, on which nothing runs.
fn installed(files: &[(&str, &str)]) -> (tempfile::TempDir, String) {
    let root = tempfile::tempdir().expect("a root");
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        fs::write(path, text).expect("written");
    }
    let host = format!("[host]\nroot = {:?}\nproc = {:?}\n", root.path(), root.path().join("proc"));
    (root, format!("{TAK_ONLY}\n{host}"))
}

const UNIT: (&str, &str) = ("etc/systemd/system/takserver.service", "");

#[test]
#[ignore = "needs namespaces, run tests/run"]
fn a_machine_that_has_just_been_started_is_waited_for() {
    in_own_world("tak_layers::a_machine_that_has_just_been_started_is_waited_for", || {
        let (root, config) = installed(&[UNIT, ("proc/uptime", "30.00 1.00")]);
        let app = App::start(&config);
        let mut stream = watch(&app);
        let report = until(&mut stream, "degraded");
        assert!(message(&report).starts_with("This machine was started at 20"), "{report}");
        assert!(message(&report).contains("TAK Server does not run"), "{report}");
        fs::write(root.path().join("proc/uptime"), "301.00 1.00").expect("written");
        until(&mut stream, "down");
    });
}

#[test]
#[ignore = "needs namespaces, run tests/run"]
fn a_configuration_with_a_fault_is_named_and_everything_else_goes_on() {
    in_own_world(
        "tak_layers::a_configuration_with_a_fault_is_named_and_everything_else_goes_on",
        || {
            let broken = "<Configuration>\n  <network>\n <input protocol=\"tls\" port=8089/>\n\
                          <tls keystorePass=\"my dear secret\"/></Configuration>";
            let (root, config) = installed(&[
                UNIT,
                ("proc/uptime", "9000.00 1.00"),
                ("opt/tak/CoreConfig.xml", broken),
            ]);
            let file = include_bytes!("../../src/keystore/fixtures/server.pem");
            let folder = root.path().join("opt/tak/certs/files");
            fs::create_dir_all(&folder).expect("created");
            fs::write(folder.join("takserver.pem"), file).expect("written");
            let app = App::start(&config);
            let report = until(&mut watch(&app), "down");
            let found = check(&report, "configuration");
            assert_eq!(found.get("ok"), None, "{found}");
            let said = found["message"].as_str().expect("a message");
            assert!(said.contains("CoreConfig.xml:3:"), "the line is told: {said}");
            assert_eq!(report["certificates"][0]["subject"], "takserver", "{report}");
            assert_eq!(report["certificates"][0]["source"], "/opt/tak/certs/files/takserver.pem");
            assert!(!report.to_string().contains("my dear secret"));
            assert!(!app.log().contains("my dear secret"));
        },
    );
}
