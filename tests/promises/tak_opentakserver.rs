//! OpenTAKServer calls itself healthy whatever happens. Its database and its broker are looked at, and
//! its users are asked for.

use serde_json::Value;

use crate::app::App;
use crate::cot_client::{ALPHA, CotClient};
use crate::opentakserver::{ADMINISTRATOR, COT_PORT, OpenTakServer};
use crate::postgres::PASSWORD;
use crate::watching::{TAK_ONLY, checks, message, until, users, watch};
use crate::world::in_own_world;

/// Whether it is down, and the sentence says one of these words.
fn is_down(report: &Value, words: &[&str]) -> bool {
    report["status"] == "down" && words.iter().any(|word| message(report).contains(word))
}

fn has_check(report: &Value, wanted: &str) -> bool {
    checks(report).iter().any(|check| check == wanted)
}

/// No password of its configuration is in the report.
fn tells_no_password(report: &Value) {
    let text = report.to_string();
    for secret in [PASSWORD, "atakatak", ADMINISTRATOR.1] {
        assert!(
            !text.contains(&format!(":{secret}")) && !text.contains(&format!("{secret}@")),
            "{text}"
        );
    }
}

#[test]
#[ignore = "needs OpenTAKServer (Python 3.12), run tests/run"]
fn it_is_found_with_its_database_and_broker_and_tells_its_users_to_an_administrator() {
    in_own_world(
        "tak_opentakserver::it_is_found_with_its_database_and_broker_and_tells_its_users_to_an_administrator",
        || {
            let _server = OpenTakServer::start();
            let app = App::start(TAK_ONLY);
            let report = until(&mut watch(&app), "healthy");
            assert_eq!(report["flavor"], "opentakserver", "{report}");
            assert!(report["version"].as_str().is_some_and(|it| it.contains("1.7.14")), "{report}");
            for check in ["process:ok", "cot:ok", "api:ok", "database:ok", "broker:ok"] {
                assert!(has_check(&report, check), "{check}: {report}");
            }
            tells_no_password(&report);
            drop(app);
            let (user, password) = ADMINISTRATOR;
            let app = App::start(&format!(
                "{TAK_ONLY}\n[[collect.tak.servers]]\nname = \"edge\"\nhost = \"127.0.0.1\"\n\
             api_user = {user:?}\napi_password = {password:?}\n"
            ));
            let mut stream = watch(&app);
            until(&mut stream, "healthy");
            let mut alpha = CotClient::plain(COT_PORT);
            alpha.appear(ALPHA);
            let report = stream.until("its user", |report| !users(report).is_empty());
            let told = users(&report)[0];
            assert_eq!(
                (&told["callsign"], &told["uid"]),
                (&ALPHA.callsign.into(), &ALPHA.uid.into())
            );
            assert_eq!((&told["team"], &told["role"]), (&ALPHA.team.into(), &ALPHA.role.into()));
            assert_eq!(report["clients"]["connections"], 1, "{report}");
            assert!(has_check(&report, "authenticated_api:ok"), "{report}");
            tells_no_password(&report);
            // It goes on calling those connected who have left: that is not believed.
            drop(alpha);
            stream.until("that nobody is on", |report| {
                report["clients"]["connections"] == 0 && users(report).is_empty()
            });
        },
    );
}

#[test]
#[ignore = "needs OpenTAKServer (Python 3.12), run tests/run"]
fn without_its_broker_it_is_down_and_the_broker_is_named() {
    in_own_world(
        "tak_opentakserver::without_its_broker_it_is_down_and_the_broker_is_named",
        || {
            let mut server = OpenTakServer::start();
            let app = App::start(TAK_ONLY);
            let mut stream = watch(&app);
            until(&mut stream, "healthy");
            server.kill_broker();
            let report = stream.until("that the broker is gone", |report| {
                is_down(report, &["RabbitMQ", "broker"])
            });
            assert!(has_check(&report, "broker:failed"), "{report}");
            tells_no_password(&report);
        },
    );
}

#[test]
#[ignore = "needs OpenTAKServer (Python 3.12), run tests/run"]
fn without_its_database_it_is_down_and_the_database_is_named() {
    in_own_world(
        "tak_opentakserver::without_its_database_it_is_down_and_the_database_is_named",
        || {
            let mut server = OpenTakServer::start();
            let app = App::start(TAK_ONLY);
            let mut stream = watch(&app);
            until(&mut stream, "healthy");
            server.kill_database();
            let report = stream.until("that the database is gone", |report| {
                is_down(report, &["PostgreSQL", "database"])
            });
            assert!(has_check(&report, "database:failed"), "{report}");
            tells_no_password(&report);
        },
    );
}

#[test]
#[ignore = "needs OpenTAKServer (Python 3.12), run tests/run"]
fn without_the_process_that_routes_it_is_down_and_that_process_is_named() {
    in_own_world(
        "tak_opentakserver::without_the_process_that_routes_it_is_down_and_that_process_is_named",
        || {
            let mut server = OpenTakServer::start();
            let app = App::start(TAK_ONLY);
            let mut stream = watch(&app);
            until(&mut stream, "healthy");
            server.kill_cot_parser();
            let report =
                stream.until("that cot_parser is gone", |report| is_down(report, &["cot_parser"]));
            assert!(has_check(&report, "process:failed"), "{report}");
            tells_no_password(&report);
        },
    );
}
