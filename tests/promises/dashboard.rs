//! Promise: a browser is all it takes. The dashboard shows the machine, its containers and its TAK
//! server live, tells how old what it shows is, comes back by itself after an outage, and asks
//! nobody but its own server for anything.

use serde_json::Value;

use crate::app::{App, wait_for};
use crate::browser::Browser;

/// A TAK server that is not there, and an engine that is not there: states that don't depend on what
/// else runs on the machine.
pub const CONFIG: &str = r#"
    [collect.docker]
    host = "unix:///nonexistent/docker.sock"

    [[collect.tak.servers]]
    name = "edge"
    host = "127.0.0.1"
    cot_port = 9
"#;

/// The pill in the bar at the top.
const BADGE: &str = "#badge [data-field=word]";

fn open(app: &App) -> Browser {
    let browser = Browser::open();
    browser.resize(1280, 800);
    browser.sign_in(&origin(app));
    browser
}

fn origin(app: &App) -> String {
    format!("http://{}/", app.address())
}

/// Waits until all panels show a reading.
pub fn wait_for_panels(browser: &Browser) {
    for panel in ["tak", "host", "containers"] {
        wait_for(&format!("a reading in the panel {panel}"), || {
            let state = browser.ask(&format!("document.getElementById('{panel}').dataset.state"));
            (state == "live").then_some(())
        });
    }
}

/// No error on the console, no violation of the policy, and no request to any other place.
pub fn check_clean(browser: &Browser, origin: &str) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "the console says: {complaints:#?}");
    let requests = browser.requests();
    let streams = requests.iter().filter(|one| one.url.ends_with("/stream")).count();
    assert!(streams > 0, "the log is kept: {requests:?}");
    let strangers: Vec<_> = requests.iter().filter(|one| !one.url.starts_with(origin)).collect();
    assert!(strangers.is_empty(), "asked for elsewhere: {strangers:?}");
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn the_three_panels_fill_from_the_stream() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    wait_for_panels(&browser);
    let read = |topic: &str, want: fn(&Value) -> bool| {
        app.stream(&format!("?topics={topic}")).until(topic, want)
    };

    let host = read("system_metrics", |host| host["memory"]["total_bytes"].is_u64());
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a hostname");
    assert_eq!(browser.text("#host [data-field=name]"), hostname.trim());
    let gigabytes = host["memory"]["total_bytes"].as_f64().expect("bytes") / 1e9;
    assert_eq!(browser.text("#host [data-field=memorySide]"), format!("of {gigabytes:.1} GB"));
    let os = host["host"]["os"].as_str().expect("an operating system");
    assert!(browser.text("#host .about").contains(os), "{os}");
    let disks = host["disks"].as_array().expect("disks").len();
    assert_eq!(browser.ask("document.querySelectorAll('#host .disks li').length"), disks);
    // The use of the processor needs two readings.
    browser.wait_for_text("#host [data-field=cpu]", |text| text.parse::<f64>().is_ok());

    browser.wait_for_text("#tak [data-field=pill]", |text| text.trim() == "Down");
    let tak = read("tak_status", |tak| tak["status"] == "down");
    let message = tak["message"].as_str().expect("what to do");
    assert_eq!(browser.text("#tak .notice"), message);
    let layers = browser.text("#tak .layers");
    assert!(layers.contains("Port") && layers.contains("failed"), "{layers}");

    let docker = read("docker_status", |docker| docker["engine"]["status"] == "unavailable");
    let message = docker["engine"]["message"].as_str().expect("what to do");
    let notice = browser.text("#containers .notice");
    assert!(notice.starts_with("No Docker socket"), "a sentence starts with a capital: {notice}");
    assert_eq!(notice[1..], message[1..]);

    // The first card and the title say the same, worst first.
    let first = browser.text("#glance .problems li");
    assert!(first.contains("The TAK server is down:"), "{first}");
    let title = browser.title();
    assert!(title.contains("problem") && title.ends_with("takpulse"), "{title}");
    browser.wait_for_text(BADGE, |text| text.starts_with("Live, ") && text.ends_with(" ago"));
    check_clean(&browser, &origin(&app));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn a_panel_whose_topic_is_switched_off_does_not_wait() {
    let app = App::start("[collect.docker]\nenabled = false");
    let browser = open(&app);
    browser
        .wait_for_text("#containers .waiting", |text| text == "Switched off in the configuration.");
    browser.wait_for_text("#glance", |text| !text.contains("aiting"));
    assert!(!browser.title().starts_with("Waiting"), "{}", browser.title());
    check_clean(&browser, &origin(&app));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn a_server_that_comes_back_is_found_again_without_a_reload() {
    let mut app = App::start(CONFIG);
    let browser = open(&app);
    wait_for_panels(&browser);
    browser.wait_for_text(BADGE, |text| text.starts_with("Live"));
    browser.ask("window.loadedOnce = true");
    check_clean(&browser, &origin(&app));

    app.signal("KILL");
    app.wait();
    browser.wait_for_text(BADGE, |text| text.starts_with("Reconnecting in "));
    let card = browser.text("#glance .problems li");
    assert!(card.contains("No connection to takpulse"), "{card}");
    assert!(browser.title().starts_with("No connection"), "{}", browser.title());
    let before = browser.ask("document.querySelector('#badge .pill').title");
    browser.picture("dashboard-reconnecting-360", 360);
    browser.resize(1280, 800);

    let app = app.start_again();
    browser.wait_for_text(BADGE, |text| text.starts_with("Live"));
    wait_for("a reading of the new server", || {
        let now = browser.ask("document.querySelector('#badge .pill').title");
        (now != before).then_some(())
    });
    assert_eq!(browser.ask("window.loadedOnce"), true, "the page was not loaded again");
    assert!(!browser.text("#glance").contains("No connection"));

    // Nothing was complained about but the server's absence.
    let complaints = browser.complaints();
    let others: Vec<_> = complaints.iter().filter(|line| !line.contains("net::ERR_")).collect();
    assert!(others.is_empty(), "the console says: {others:#?}");
    let requests = browser.requests();
    assert!(requests.iter().any(|one| one.last_event_id.is_some()), "{requests:?}");
    assert!(requests.iter().all(|one| one.url.starts_with(&origin(&app))), "{requests:?}");
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn it_fits_a_phone_and_a_desk_in_every_theme() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    wait_for_panels(&browser);
    let mut seen = Vec::new();
    for _ in 0..4 {
        browser.click("#theme");
        let theme = browser.ask("document.querySelector('#theme [data-field=theme]').textContent");
        let theme = theme.as_str().expect("a theme").to_owned();
        for width in [360, 1280] {
            browser.picture(&format!("dashboard-{theme}-{width}"), width);
            // A scroll bar at the side takes some of the width.
            let [whole, seen] = ["scrollWidth", "clientWidth"]
                .map(|what| browser.ask(&format!("document.documentElement.{what}")).as_u64());
            assert_eq!(whole, seen, "no sideways scrolling at {width}");
        }
        seen.push(theme);
    }
    assert_eq!(seen, ["light", "dark", "night", "auto"]);

    // The choice outlives the page.
    browser.click("#theme");
    browser.goto(&origin(&app));
    assert_eq!(browser.ask("document.documentElement.dataset.theme"), "light");

    browser.resize(360, 800);
    let too_small = browser.ask(
        "[...document.querySelectorAll('button, select, a')]
            .filter((part) => part.checkVisibility())
            .filter((part) => Math.min(part.offsetHeight, part.offsetWidth) < 40)
            .map((part) => part.outerHTML)",
    );
    assert_eq!(too_small, serde_json::json!([]), "a thumb needs 40 px");
    check_clean(&browser, &origin(&app));
}
