//! Promise: who has a certificate in the browser opens the page and is in; and a browser's tabs never
//! wait for each other, however many there are.

use std::process::Command;

use serde_json::{Value, json};

use crate::app::{App, wait_for};
use crate::authority::Authority;
use crate::browser::{Browser, Profile};
use crate::certificates;
use crate::curl::{ask, token};
use crate::encryption::SELF_SIGNED;
use crate::openssl::served_pin;

/// HTTP/1.1 has room for six.
const TABS: usize = 7;

/// A window of somebody who has once said that this server's certificate is the right one.
fn open(app: &App, profile: Profile, preferences: Value) -> Browser {
    let pin = served_pin(app.address());
    let trusted = format!("--ignore-certificate-errors-spki-list={pin}");
    let browser = Browser::open_with(profile, &[trusted], preferences);
    browser.resize(1280, 800);
    browser
}

fn origin(app: &App) -> String {
    format!("https://{}/", app.address())
}

/// Runs one of NSS's tools for this user's certificates. No argument holds a space.
fn nss(profile: &Profile, program: &str, arguments: &str) {
    let database = format!("sql:{}", profile.path().join(".pki/nssdb").display());
    let done = Command::new(program)
        .args(["-d", &database])
        .args(arguments.split_whitespace())
        .output()
        .unwrap_or_else(|why| panic!("{program} (apt-get install libnss3-tools): {why}"));
    assert!(done.status.success(), "{program} {arguments}: {done:?}");
}

/// A user with this certificate in the browser.
fn with_certificate(authority: &Authority, name: &str) -> Profile {
    let profile = Profile::new();
    std::fs::create_dir_all(profile.path().join(".pki/nssdb")).expect("a directory");
    authority.openssl(&format!(
        "pkcs12 -export -in {name}.pem -inkey {name}.key -out {name}.p12 -passout pass:atakatak -name {name}"
    ));
    nss(&profile, "certutil", "-N --empty-password");
    nss(
        &profile,
        "pk12util",
        &format!("-W atakatak -i {}", authority.text(&format!("{name}.p12"))),
    );
    profile
}

/// As if the user had chosen the certificate: for this place there is nothing to ask.
fn chosen(app: &App) -> Value {
    let choice = json!({ "pattern": origin(app), "filter": {} }).to_string();
    json!({ "profile.managed_auto_select_certificate_for_urls": [choice] })
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn who_has_a_certificate_in_the_browser_is_in_without_a_login_page() {
    let authority = Authority::found("authority");
    authority.sign("vera");
    let app = App::start(&certificates::config(&authority, "\"*\""));
    let browser = open(&app, with_certificate(&authority, "vera"), chosen(&app));
    browser.goto(&origin(&app));
    wait_for("the dashboard", || {
        (browser.ask("document.getElementById('glance') !== null") == true).then_some(())
    });
    assert_eq!(browser.ask("location.href"), origin(&app));
    browser.wait_for_text("#account [data-field=name]", |text| text.trim() == "vera");
    browser.click("#account summary");
    browser.wait_for_text("#account", |text| {
        text.contains("vera, viewer") && text.contains("By a certificate")
    });
    let viewers = ask(app.address(), "/api/viewers", &token()).json();
    let row = &viewers["viewers"][0];
    assert_eq!((&row["name"], &row["by"]), (&json!("vera"), &json!("certificate")), "{viewers}");
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "the console says: {complaints:#?}");
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn whose_certificate_is_revoked_reads_why_on_the_login_page() {
    let authority = Authority::found("authority");
    authority.sign("mallory");
    authority.revoke("mallory");
    let app = App::start(&certificates::config(&authority, "\"*\""));
    let browser = open(&app, with_certificate(&authority, "mallory"), chosen(&app));
    browser.goto(&origin(&app));
    browser.wait_for_text("body", |text| text.contains("your certificate is revoked"));
    browser.sign_in(&origin(&app));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn seven_tabs_are_all_live() {
    let app = App::start(SELF_SIGNED);
    let browser = open(&app, Profile::new(), json!({}));
    browser.sign_in(&origin(&app));
    let mut tabs = Vec::new();
    while tabs.len() < TABS - 1 {
        tabs.push(browser.open_tab());
        browser.goto(&origin(&app));
    }
    let live = "document.getElementById('host')?.dataset.state === 'live'";
    wait_for("the last tab to be live", || (browser.ask(live) == true).then_some(()));
    for tab in tabs {
        browser.switch_to(tab);
        wait_for("a tab to be live", || (browser.ask(live) == true).then_some(()));
    }
    let protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol";
    assert_eq!(browser.ask(protocol), "h2");
    let viewers = ask(app.address(), "/api/viewers", &token()).json();
    assert_eq!(viewers["viewers"].as_array().map(Vec::len), Some(TABS), "{viewers}");
}
