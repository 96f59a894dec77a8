//! Promise: signing in, staying in and signing out work in a real browser as people expect.

use serde_json::json;

use crate::app::{App, wait_for};
use crate::browser::Browser;
use crate::credentials::PASSWORD;
use crate::dashboard::{CONFIG, wait_for_panels};
use crate::visitor::Visitor;

/// The pill in the bar at the top.
const BADGE: &str = "#badge [data-field=word]";
/// What the login page says went wrong.
const FAULT: &str = "[data-field=message]";

fn origin(app: &App) -> String {
    format!("{}/", app.origin())
}

fn path(browser: &Browser) -> String {
    browser.ask("location.pathname").as_str().expect("a path").to_owned()
}

fn wait_for_path(browser: &Browser, wanted: &str) {
    wait_for(wanted, || (path(browser) == wanted).then_some(()));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn a_wrong_password_is_told_and_the_right_one_lets_in() {
    let app = App::start(CONFIG);
    let browser = Browser::open();
    browser.resize(1280, 800);
    browser.goto(&origin(&app));
    assert_eq!(path(&browser), "/login");
    browser.fill_in("admin", "not the password");
    browser.wait_for_text(FAULT, |text| text.contains("password is wrong"));
    for theme in ["light", "dark", "night"] {
        wait_for("the theme", || {
            if browser.ask("document.documentElement.dataset.theme") == theme {
                return Some(());
            }
            browser.click("#theme");
            None
        });
        for width in [360, 1280] {
            browser.picture(&format!("login-{theme}-{width}"), width);
        }
    }
    browser.fill_in("admin", PASSWORD);
    wait_for_path(&browser, "/");
    wait_for_panels(&browser);
    assert_eq!(browser.ask("document.cookie"), "", "no script sees the session");
    // Whoever is in has no business there.
    browser.goto(&format!("{}login", origin(&app)));
    assert_eq!(path(&browser), "/");
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn who_tries_too_often_is_told_how_long_to_wait() {
    let app = App::start(CONFIG);
    let stranger = Visitor::of(&app);
    for number in 0..10 {
        assert_eq!(stranger.sign_in("admin", &format!("guess {number}")).status, 401);
    }
    let browser = Browser::open();
    browser.goto(&origin(&app));
    browser.fill_in("admin", PASSWORD);
    browser.wait_for_text("form button[type=submit]", |text| text.starts_with("Try again in "));
    assert!(browser.text(FAULT).contains("too many attempts"), "{}", browser.text(FAULT));
    assert_eq!(browser.ask("document.querySelector('#password').value"), PASSWORD, "it is kept");
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn signing_out_in_one_tab_is_seen_in_the_other() {
    let app = App::start(CONFIG);
    let browser = Browser::open();
    browser.resize(1280, 800);
    browser.sign_in(&origin(&app));
    wait_for_panels(&browser);
    let first = browser.tab();
    browser.open_tab();
    browser.goto(&origin(&app));
    wait_for_panels(&browser);
    browser.click("#account summary");
    browser.wait_for_text("#account [data-field=who]", |text| text.contains("admin"));
    browser.picture("account-1280", 1280);
    browser.click("#account [data-field=out]");
    wait_for_path(&browser, "/login");
    browser.switch_to(first);
    browser.wait_for_text(BADGE, |text| text == "Signed out");
    browser.click("#badge [data-field=button]");
    wait_for_path(&browser, "/login");
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn a_session_that_ends_while_the_page_is_open_is_said_so() {
    // Long enough for the page to be there.
    let app = App::start(&format!("{CONFIG}\n[auth]\nsession_lifetime = \"10s\"\n"));
    let browser = Browser::open();
    browser.sign_in(&origin(&app));
    browser.wait_for_text(BADGE, |text| text.starts_with("Live"));
    browser.wait_for_text(BADGE, |text| text == "Signed out");
    browser.click("#badge [data-field=button]");
    wait_for_path(&browser, "/login");
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn what_scripts_publish_is_listed_and_is_still_there_after_a_reload() {
    let app = App::start(CONFIG);
    let script = Visitor::admin(&app);
    let csrf = script.csrf();
    let publish = |event| assert_eq!(script.post("/publish", &event, &[&csrf]).status, 202);
    publish(json!({"type": "weather", "data": {"wind_m_s": 7.5}}));
    let browser = Browser::open();
    browser.resize(1280, 800);
    browser.sign_in(&origin(&app));
    wait_for_panels(&browser);
    let list = "#events [data-field=list]";
    browser.wait_for_text(list, |text| text.contains("weather") && text.contains("7.5"));
    publish(json!({"type": "team.note", "data": "<b>water</b> at the bridge"}));
    browser.wait_for_text(list, |text| text.contains("<b>water</b> at the bridge"));
    for width in [360, 1280] {
        browser.picture(&format!("events-{width}"), width);
    }
    browser.goto(&origin(&app));
    browser.wait_for_text(list, |text| text.contains("weather") && text.contains("bridge"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
