//! What a real server's users and troubles look like on the dashboard.

use crate::app::{App, signal};
use crate::browser::Browser;
use crate::cot_client::{ALPHA, BRAVO, CotClient};
use crate::dashboard::check_clean;
use crate::taky::{COT_PORT, Taky};
use crate::watching::TAK_ONLY;
use crate::world::in_own_world;

#[test]
#[ignore = "needs taky, Chromium and chromedriver, run tests/run"]
fn users_come_and_go_on_the_dashboard_and_the_failing_layer_is_told_in_words() {
    in_own_world(
        "tak_in_a_browser::users_come_and_go_on_the_dashboard_and_the_failing_layer_is_told_in_words",
        || {
            let taky = Taky::plain();
            let app = App::start(TAK_ONLY);
            let browser = Browser::open();
            browser.resize(1280, 900);
            browser.sign_in(&format!("http://{}/", app.address()));
            let on = |words: &'static str| {
                browser.wait_for_text("#users [data-field=on]", move |text| text.contains(words));
            };
            on("0 on");
            let (mut alpha, mut bravo) = (CotClient::plain(COT_PORT), CotClient::plain(COT_PORT));
            alpha.appear(ALPHA);
            bravo.appear(BRAVO);
            on("2 on");
            let names = [ALPHA.callsign, BRAVO.callsign];
            browser.wait_for_text("#users tbody", |text| names.iter().all(|n| text.contains(n)));
            let sources = browser.text("#users .reasons");
            assert!(sources.contains("taky-mgmt.sock"), "{sources}");
            browser.picture("tak-users", 1280);
            browser.picture("tak-users-360", 360);
            drop((alpha, bravo));
            on("0 on");
            check_clean(&browser, &format!("http://{}/", app.address()));
            signal(taky.pid(), "STOP");
            let bad = "#tak .layers [data-kind=bad]";
            browser.wait_for_text("#glance", |text| text.contains("is suspended"));
            let failing = browser.text(bad);
            assert!(failing.contains("Processes"), "{failing}");
            browser.picture("tak-suspended", 1280);
            signal(taky.pid(), "CONT");
        },
    );
}
