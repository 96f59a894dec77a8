//! Who is on is what the server's clients are, without takpulse: counts and names follow them as they
//! come and go.

use std::path::Path;

use serde_json::Value;

use crate::app::{App, Stream};
use crate::authority::Authority;
use crate::cot_client::{ALPHA, BRAVO, CotClient, SOFTWARE, Who};
use crate::pytak::PyTak;
use crate::taky::{COT_PORT, Taky};
use crate::watching::{TAK_ONLY, configured, message, until, users, watch};
use crate::world::in_own_world;

/// Connections and users; -1: not known.
fn counts(report: &Value) -> (i64, i64) {
    let count = |name: &str| report["clients"][name].as_i64().unwrap_or(-1);
    (count("connections"), count("distinct"))
}

/// The report in which they are so many, which they also are in the next ones.
fn until_they_are(stream: &mut Stream, connections: i64, distinct: i64) -> Value {
    let so_many = (connections, distinct);
    let what = format!("{connections} connections of {distinct} users");
    let report = stream.until(&what, |report| counts(report) == so_many);
    for _ in 0..3 {
        let next = stream.until("another report", |report| report.get("checks").is_some());
        assert_eq!(counts(&next), so_many, "and then not any more: {next}");
    }
    report
}

/// Two come, one says nothing, and they leave again.
fn they_come_and_go(app: &App, connect: impl Fn() -> CotClient) {
    let mut stream = watch(app);
    until(&mut stream, "healthy");
    until_they_are(&mut stream, 0, 0);
    let (mut alpha, mut bravo) = (connect(), connect());
    alpha.appear(ALPHA);
    bravo.appear(BRAVO);
    let report = until_they_are(&mut stream, 2, 2);
    for (user, who) in users(&report).into_iter().zip([ALPHA, BRAVO]) {
        assert_eq!((&user["callsign"], &user["uid"]), (&who.callsign.into(), &who.uid.into()));
        assert_eq!((&user["team"], &user["software"]), (&who.team.into(), &SOFTWARE.into()));
        assert_eq!(
            (&user["address"], &user["battery_percent"]),
            (&"127.0.0.1".into(), &73.0.into())
        );
    }
    drop(alpha);
    let report = until_they_are(&mut stream, 1, 1);
    assert_eq!(users(&report)[0]["callsign"], BRAVO.callsign, "{report}");
    drop(bravo);
    let _silent = connect();
    let report = until_they_are(&mut stream, 1, 0);
    assert_eq!(users(&report), Vec::<&Value>::new(), "{report}");
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn those_on_a_plain_server_come_and_go_and_takpulse_is_not_one() {
    in_own_world("tak_users::those_on_a_plain_server_come_and_go_and_takpulse_is_not_one", || {
        let _taky = Taky::plain();
        let app = App::start(TAK_ONLY);
        they_come_and_go(&app, || CotClient::plain(COT_PORT));
    });
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn those_on_a_tls_server_come_and_go_and_takpulse_is_not_one() {
    in_own_world("tak_users::those_on_a_tls_server_come_and_go_and_takpulse_is_not_one", || {
        let taky = Taky::tls();
        let (certificate, key) = taky.client();
        let app = configured(&with_certificate(&certificate, &key));
        they_come_and_go(&app, || CotClient::tls(COT_PORT, (&certificate, &key)));
    });
}

#[test]
#[ignore = "needs taky and PyTAK, run tests/run"]
fn a_client_that_somebody_else_has_written_is_seen() {
    in_own_world("tak_users::a_client_that_somebody_else_has_written_is_seen", || {
        let _taky = Taky::plain();
        let app = App::start(TAK_ONLY);
        let mut stream = watch(&app);
        until_they_are(&mut stream, 0, 0);
        let pytak = PyTak::plain(COT_PORT, GATEWAY);
        gateway_is_on(&until_they_are(&mut stream, 1, 1));
        drop(pytak);
        until_they_are(&mut stream, 0, 0);
    });
}

#[test]
#[ignore = "needs taky and PyTAK, run tests/run"]
fn a_client_that_somebody_else_has_written_is_seen_over_tls() {
    in_own_world("tak_users::a_client_that_somebody_else_has_written_is_seen_over_tls", || {
        let taky = Taky::tls();
        let (certificate, key) = taky.client();
        let app = configured(&with_certificate(&certificate, &key));
        let mut stream = watch(&app);
        until_they_are(&mut stream, 0, 0);
        let _pytak = PyTak::tls(COT_PORT, GATEWAY, (&certificate, &key));
        gateway_is_on(&until_they_are(&mut stream, 1, 1));
    });
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn a_certificate_of_another_authority_is_refused_and_the_message_says_so() {
    in_own_world(
        "tak_users::a_certificate_of_another_authority_is_refused_and_the_message_says_so",
        || {
            let _taky = Taky::tls();
            let other = Authority::found("another");
            other.sign("stranger");
            let app = configured(&with_certificate(
                &other.path("stranger.pem"),
                &other.path("stranger.key"),
            ));
            let report = until(&mut watch(&app), "degraded");
            let refusal = "The server refuses takpulse's client certificate";
            assert!(message(&report).starts_with(refusal), "{report}");
            assert!(message(&report).contains("give takpulse a valid one"), "{report}");
        },
    );
}

const GATEWAY: Who = Who { uid: "gateway-7", callsign: "ADSB-GW", team: "Yellow", role: "RTO" };

fn gateway_is_on(report: &Value) {
    let user = users(report)[0];
    assert_eq!(
        (&user["uid"], &user["callsign"]),
        (&"gateway-7".into(), &"ADSB-GW".into()),
        "{report}"
    );
    assert_eq!(user["team"], "Yellow", "{report}");
}

fn with_certificate(certificate: &Path, key: &Path) -> String {
    format!("cot_tls_port = {COT_PORT}\nclient_certificate = {certificate:?}\nclient_key = {key:?}")
}
