//! Nothing of takpulse's is ever on anybody's map, on any server. (FreeTAKServer and OpenTAKServer tell
//! everybody that somebody has left, whoever it was: a `t-x-d-d`, which leaves no mark.)

use std::time::Duration;

use crate::app::App;
use crate::cot_client::{ALPHA, BRAVO, CotClient};
use crate::freetakserver::{self, FreeTakServer};
use crate::opentakserver::{self, ADMINISTRATOR, OpenTakServer};
use crate::taky::{self, Taky};
use crate::watching::{TAK_ONLY, configured, until, watch};
use crate::wire::wait_for;
use crate::world::in_own_world;

/// Somebody who hears of others. OpenTAKServer never tells anything to those who were quicker than its
/// broker, and FreeTAKServer tells nobody of somebody's first event.
fn observer(connect: &impl Fn() -> CotClient) -> CotClient {
    wait_for("an observer who hears of others", || {
        let mut observer = connect();
        observer.appear(ALPHA);
        let mut other = connect();
        (0..5).find_map(|_| {
            other.appear(BRAVO);
            std::thread::sleep(Duration::from_millis(200));
            let heard = observer.heard();
            marks(&heard).any(|event| event.contains(&format!("\"{}\"", BRAVO.uid))).then_some(())
        })?;
        Some(observer)
    })
}

/// Is on while takpulse watches for some rounds.
fn nothing_appears(app: impl FnOnce() -> App, connect: impl Fn() -> CotClient) {
    let observer = observer(&connect);
    let before = observer.heard().len();
    let app = app();
    let mut stream = watch(&app);
    for _ in 0..5 {
        until(&mut stream, "healthy");
    }
    let heard = observer.heard().split_off(before);
    assert_eq!(marks(&heard).next(), None, "{heard}");
}

/// The start tags of the events in this text that leave something on a map.
fn marks(heard: &str) -> impl Iterator<Item = &str> {
    let events = heard.split("<event ").skip(1).filter_map(|event| event.split('>').next());
    events
        .filter(|event| ["a-", "b-", "u-"].iter().any(|of| event.contains(&format!("type=\"{of}"))))
}

#[test]
#[ignore = "needs taky, run tests/run"]
fn nothing_appears_on_the_map_of_taky() {
    in_own_world("tak_map::nothing_appears_on_the_map_of_taky", || {
        let _taky = Taky::plain();
        nothing_appears(|| App::start(TAK_ONLY), || CotClient::plain(taky::COT_PORT));
    });
}

#[test]
#[ignore = "needs FreeTAKServer, run tests/run"]
fn nothing_appears_on_the_map_of_freetakserver() {
    in_own_world("tak_map::nothing_appears_on_the_map_of_freetakserver", || {
        let _server = FreeTakServer::start();
        let port = freetakserver::COT_PORT;
        let keys = format!("cot_port = {port}\nhttp_port = 8080");
        nothing_appears(|| configured(&keys), || CotClient::plain(port));
    });
}

#[test]
#[ignore = "needs OpenTAKServer (Python 3.12), run tests/run"]
fn nothing_appears_on_the_map_of_opentakserver() {
    in_own_world("tak_map::nothing_appears_on_the_map_of_opentakserver", || {
        let server = OpenTakServer::start();
        let (certificate, key) = server.client(ADMINISTRATOR.0);
        let (port, tls_port) = (opentakserver::COT_PORT, opentakserver::COT_TLS_PORT);
        let keys = format!(
            "cot_port = {port}\ncot_tls_port = {tls_port}\n\
             client_certificate = {certificate:?}\nclient_key = {key:?}"
        );
        let connect = || {
            let mut client = CotClient::plain(port);
            client.ping("greeting");
            client
        };
        nothing_appears(|| configured(&keys), connect);
    });
}
