//! FreeTAKServer tells of one client that was never there. Its real ones are counted.

use serde_json::Value;

use crate::app::App;
use crate::cot_client::{ALPHA, BRAVO, CotClient};
use crate::freetakserver::{COT_PORT, FreeTakServer};
use crate::watching::{TAK_ONLY, checks, until, users, watch};
use crate::world::in_own_world;

/// The client that its `clientEndPoints` always tells of.
const NEVER_THERE: &str = "ANDROID-199eeda473669973";

#[test]
#[ignore = "needs FreeTAKServer, run tests/run"]
fn it_is_found_its_clients_are_counted_and_the_one_that_it_invents_is_not_believed() {
    in_own_world(
        "tak_freetakserver::it_is_found_its_clients_are_counted_and_the_one_that_it_invents_is_not_believed",
        || {
            let mut server = FreeTakServer::start();
            let app = App::start(TAK_ONLY);
            let mut stream = watch(&app);
            let report = until(&mut stream, "healthy");
            assert_eq!(report["flavor"], "freetakserver", "{report}");
            assert_eq!(report["version"], "FreeTAKServer-2.2.1", "{report}");
            assert!(checks(&report).contains(&"api:ok".to_owned()), "{report}");
            assert_eq!(report["clients"]["connections"], 0, "{report}");
            let (mut alpha, mut bravo) = (CotClient::plain(COT_PORT), CotClient::plain(COT_PORT));
            alpha.appear(ALPHA);
            bravo.appear(BRAVO);
            let report = stream.until("two connections", |report| {
                not_believed(report);
                report["clients"]["connections"] == 2
            });
            assert_eq!(
                report["clients"].get("distinct"),
                None,
                "nobody tells who they are: {report}"
            );
            drop(alpha);
            stream.until("one connection", |report| {
                not_believed(report);
                report["clients"]["connections"] == 1
            });
            server.kill();
            stream.until("down, all of it", |report| {
                report["status"] == "down" && report["running"] == false
            });
        },
    );
}

fn not_believed(report: &Value) {
    assert!(!users(report).iter().any(|user| user["uid"] == NEVER_THERE), "{report}");
    for source in report["clients"]["sources"].as_array().into_iter().flatten() {
        if source["name"].as_str().is_some_and(|name| name.contains("clientEndPoints")) {
            assert_eq!(source["believed"], false, "{report}");
        }
    }
}
