//! Promise: the TAK panel stays readable and in place whatever a server tells: layers on many ports,
//! hundreds of users, names without an end.
//!
//! The readings are made up and handed to the page's own modules, in the page, once its stream has ended.

use serde_json::{Value, json};

use crate::app::App;
use crate::browser::Browser;
use crate::dashboard::{CONFIG, check_clean, wait_for_panels};

/// The time at which the readings were made.
const NOW: u32 = 1_800_000_000;

/// As many users as a report tells of.
const USERS: u32 = 500;

fn open(app: &App) -> Browser {
    let browser = Browser::open();
    browser.resize(1280, 800);
    browser.sign_in(&format!("http://{}/", app.address()));
    wait_for_panels(&browser);
    // As when somebody leaves the page: nothing but what is handed to it changes it from now on.
    browser.ask("dispatchEvent(new Event('pagehide'))");
    browser.ask(
        "import(new URL('tak.js', document.baseURI)).then(({ TakPanel }) => {
            const of = (id) => document.getElementById(id);
            const sections = { tak: of('tak'), users: of('users'), inside: of('inside') };
            window.panel = new TakPanel(sections, new AbortController().signal);
        })",
    );
    browser
}

fn show(browser: &Browser, reading: &Value, stale: bool) {
    browser.ask(&format!(
        "((data) => {{
            panel.show(data, {NOW});
            panel.showState({{ data, age: 600, stale: {stale} }}, true, true);
            panel.tick({NOW});
        }})({reading})"
    ));
}

/// Clicks, with what is clicked in the middle of the window.
fn press(browser: &Browser, selector: &str) {
    browser
        .ask(&format!("document.querySelector('{selector}').scrollIntoView({{block: 'center'}})"));
    browser.click(selector);
}

/// Everything at once, and all of it long.
fn reading(newest: u32) -> Value {
    let long = "a_name_without_any_space_that_somebody_really_gave_".repeat(2);
    let check = |name: &str, port: u16, ok: Option<bool>| {
        let message = ok.is_none_or(|ok| !ok).then(|| format!("{name} on {port}: restart {long}."));
        json!({"name": name, "target": format!("h:{port}"), "ok": ok, "latency_ms": 12.3, "message": message})
    };
    let user = |number: u32| {
        let callsign = if number == 0 { long.clone() } else { format!("R-{number}") };
        let last_report = NOW - 60 * ((number + USERS - newest) % USERS);
        json!({"uid": number.to_string(), "callsign": callsign, "team": "Dark Green", "role": long,
            "software": long, "address": "fe80:1234:5678:9abc:def0:1234:5678:9abc", "connections": 240,
            "since": NOW - 86_400, "last_report": last_report, "battery_percent": 62.0})
    };
    let certificate = |role: &str, days: i32| {
        json!({"role": role, "subject": format!("{long}{days}"), "issuer": long, "not_after": NOW,
            "days_left": days, "source": format!("{long}:8089"), "also": [format!("/{long}.p12"), "h:8443"]})
    };
    json!({
        "timestamp": NOW, "status": "degraded", "flavor": "takserver", "version": long, "message": long,
        "checks": [check("port", 8087, Some(true)), check("port", 8089, Some(true)),
            check("cot", 8087, Some(true)), check("cot", 8089, Some(false)), check("api", 8443, None)],
        "certificates": (0..40).map(|days| certificate(if days % 2 == 0 { "file" } else { "server" }, days))
            .collect::<Vec<_>>(),
        "clients": {"connections": 740, "distinct": 612, "list": (0..USERS).map(user).collect::<Vec<_>>(),
            "sources": [{"name": long, "believed": false, "count": 1, "message": long}]},
        "server": {"uptime_seconds": 60.0, "api_heap_used_bytes": 39, "api_heap_max_bytes": 40,
            "inputs": [{"name": long, "port": 8089, "protocol": long, "clients": 500, "messages_per_s": 12_345.6}],
            "federations": [{"name": long, "connected": false, "message": long}]},
    })
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn long_names_and_many_users_fit_a_phone_and_a_desk() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    show(&browser, &reading(0), false);
    press(&browser, "#users [data-field=more]");
    press(&browser, "#tak [data-field=allCertificates]");
    assert_eq!(browser.ask("document.querySelectorAll('#users tbody tr').length"), USERS);
    for width in [360, 768, 1280] {
        browser.resize(width, 800);
        let [whole, seen] = ["scrollWidth", "clientWidth"]
            .map(|what| browser.ask(&format!("document.documentElement.{what}")).as_u64());
        assert!(
            whole == seen && whole <= Some(width.into()),
            "no sideways scrolling at {width}: {whole:?}"
        );
        let heads = browser.text("#users thead");
        assert!(heads.contains("Callsign") && heads.contains("Last report"), "{width}: {heads}");
        assert_eq!(heads.contains("Software"), width > 360, "less important columns go: {heads}");
    }
    browser.resize(360, 800);
    let too_small = browser.ask(
        "[...document.querySelectorAll('button, select, a, summary, input')]
            .filter((part) => part.checkVisibility())
            .filter((part) => Math.min(part.offsetHeight, part.offsetWidth) < 40)
            .map((part) => part.outerHTML)",
    );
    assert_eq!(too_small, json!([]), "a thumb needs 40 px");
    // Whoever goes there by keyboard sees where: the bar at the top hides nothing.
    let hidden = browser.ask(
        "[...document.querySelectorAll('main button, main summary')]
            .filter((part) => part.checkVisibility())
            .filter((part) => {
                scrollBy(0, part.getBoundingClientRect().top);
                part.focus();
                const bar = document.querySelector('.top').getBoundingClientRect().bottom;
                return part.getBoundingClientRect().top < bar;
            })
            .map((part) => part.outerHTML)",
    );
    assert_eq!(hidden, json!([]), "focus is not hidden");
    // What fails is in view; what is only not known is a tap away.
    assert!(browser.text("#tak .server > .reasons").contains("CoT ping (8089): cot on 8089"));
    assert_eq!(browser.text("#tak .fold .reasons"), "");
    press(&browser, "#tak .fold summary");
    assert!(browser.text("#tak .fold .reasons").contains("API (8443)"));
    press(&browser, "#users [data-field=more]");
    for width in [360, 1280] {
        browser.picture(&format!("tak-panel-{width}"), width);
    }
    check_clean(&browser, &format!("http://{}/", app.address()));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn a_sorted_table_stays_sorted_and_its_rows_in_place() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    show(&browser, &reading(7), false);
    browser.click("#users [data-sort=last_report]");
    let first = "document.querySelector('#users tbody tr')";
    assert!(browser.text("#users tbody tr").contains("R-7"), "the newest report is on top");
    let sorted = browser.ask("document.querySelector('#users [aria-sort]').innerText");
    assert_eq!(sorted, "Last report");
    browser.ask(&format!("{first}.mark = 7"));
    show(&browser, &reading(7), false);
    assert_eq!(browser.ask(&format!("{first}.mark")), 7, "written to in place");
    show(&browser, &reading(8), false);
    assert!(browser.text("#users tbody tr").contains("R-8"), "still the newest");
    let focus = "document.activeElement.dataset.sort";
    assert_eq!(browser.ask(focus), "last_report", "whoever uses the keyboard stays where he was");
    check_clean(&browser, &format!("http://{}/", app.address()));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn an_old_reading_is_grey_in_every_part() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    let loud = "new Set([...document.querySelectorAll('#tak .body *, #users .body *, #inside .body *')]
        .filter((part) => part.checkVisibility() && part.textContent.trim() !== '' && part.children.length === 0)
        .map((part) => getComputedStyle(part).color)).size";
    show(&browser, &reading(0), false);
    assert!(browser.ask(loud).as_u64() > Some(2), "fresh, it has its colours");
    show(&browser, &reading(0), true);
    // Colours go over in 150 ms at most.
    crate::app::wait_for("one grey", || (browser.ask(loud) == 1).then_some(()));
    assert_eq!(browser.text("#users [data-field=age]"), "10 min old");
    check_clean(&browser, &format!("http://{}/", app.address()));
}
