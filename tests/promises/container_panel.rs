//! Promise: the containers' panel stays readable and quick whatever runs, and one of them can be looked
//! into: its facts, its log as it is written, and what may be done to it.
//!
//! First with readings and answers that are made up in the page, for what no engine says on demand; then
//! with a real Docker Engine.

use serde_json::{Value, json};

use crate::app::{App, wait_for};
use crate::asker::user;
use crate::browser::{Browser, Key};
use crate::dashboard::{CONFIG, check_clean, wait_for_panels};
use crate::engine::Engine;

/// The time at which the readings were made.
const NOW: u32 = 1_800_000_000;

const DRAWER_OPEN: &str = "document.getElementById('drawer').open";
const LINES: &str = "document.querySelectorAll('.log > div > div').length";
const STATUS: &str = "#drawer [data-field=statusText]";
const NOTE: &str = "#drawer .head .note";

/// The page's own panel, and a server in the page: it answers with `answers`, by what is asked for, and
/// keeps what it was `asked`; `say(type, data, id)` writes to the last log that was opened.
const IN_THE_PAGE: &str = r"
    import(new URL('containers.js', document.baseURI)).then(({ ContainersPanel }) => {
        const of = (id) => document.getElementById(id);
        window.asked = [];
        window.answers = {};
        window.fetch = async (url, { method = 'GET', headers = {}, body, signal } = {}) => {
            const path = new URL(url).pathname.slice(1);
            asked.push([method, path, headers['X-CSRF-Token'], body, headers['Last-Event-ID']].filter(Boolean).join(' '));
            if (path.endsWith('/logs')) {
                const log = new ReadableStream({ start: (to) => { window.log = to; } });
                window.cut = false;
                signal.addEventListener('abort', () => { window.cut = true; try { window.log.error(signal.reason); } catch {} });
                return new Response(log, { headers: { 'Content-Type': 'text/event-stream' } });
            }
            const [status, answer] = answers[`${method} ${path}`] ?? [404, { error: { code: 'no_such_container', message: 'There is none.' } }];
            return new Response(JSON.stringify(answer), { status });
        };
        window.say = (...events) => {
            const frame = ([type, data, id]) => `event: ${type}\ndata: ${JSON.stringify(data)}\n${id ? `id: ${id}\n` : ''}\n`;
            window.log.enqueue(new TextEncoder().encode(events.map(frame).join('')));
        };
        window.lines = (from, to, more) => say(...Array.from({ length: to - from }, (_, at) =>
            ['log', { stream: 'stdout', timestamp: 1.8e9 + at, text: `line ${from + at}`, ...more }, `c${from + at}`]));
        window.panel = new ContainersPanel({ containers: of('containers'), drawer: of('drawer'), confirm: of('confirm') }, new AbortController().signal);
    })";

fn open(app: &App) -> Browser {
    let browser = Browser::open();
    browser.resize(1280, 800);
    browser.sign_in(&origin(app));
    wait_for_panels(&browser);
    // As when somebody leaves the page: nothing but what is handed to it changes it from now on.
    browser.ask("dispatchEvent(new Event('pagehide'))");
    browser.ask(IN_THE_PAGE);
    as_role(&browser, "admin");
    browser
}

fn origin(app: &App) -> String {
    format!("http://{}/", app.address())
}

fn as_role(browser: &Browser, role: &str) {
    let session = json!({"user": "anna", "role": role, "by": "password", "csrf": "c0ffee"});
    answer(browser, "GET api/session", 200, &session);
}

fn answer(browser: &Browser, asked: &str, status: u16, body: &Value) {
    browser.ask(&format!("answers[{}] = [{status}, {body}]", json!(asked)));
}

fn show(browser: &Browser, reading: &Value) {
    browser.ask(&format!(
        "((data) => {{
            panel.note(data);
            panel.show(data, data.timestamp);
            panel.showState({{ data, age: 1, stale: false }}, true, true);
        }})({reading})"
    ));
}

fn until(browser: &Browser, condition: &str) {
    wait_for(condition, || (browser.ask(condition) == true).then_some(()));
}

fn wait_for_lines(browser: &Browser, number: u32) {
    until(browser, &format!("{LINES} === {number}"));
}

/// A reading of so many containers, `seconds` later: in projects, in trouble, and with long names.
fn reading(number: u32, seconds: u32) -> Value {
    let long = "a-name-without-any-space-that-somebody-really-gave-".repeat(3);
    let container = |at: u32| {
        let mut one = json!({"id": format!("{at:012x}"), "name": format!("web-{at}"), "image": format!("registry.example.org/group/{long}:{at}"),
            "state": "running", "running": true, "status": "Up", "restart_count": 0, "started_at": NOW - 3600 * at, "ports": ["0.0.0.0:80->80/tcp"],
            "cpu_percent": f64::from((at * 7 + seconds) % 200), "memory_bytes": 64_000_000 + at, "memory_limit_bytes": 8_000_000_000_u64,
            "network_rx_bytes_per_s": f64::from(at), "network_tx_bytes_per_s": 1.0, "pids": 3});
        if at % 5 != 4 {
            one["project"] = json!(["tak", "media", &long][(at % 3) as usize]);
        }
        let more = match at {
            0 => json!({"health": "unhealthy", "health_output": long, "name": "takserver"}),
            1 => json!({"restart_loop": true, "restarts_recent": 9, "restart_count": 12}),
            2 => {
                json!({"state": "exited", "running": false, "exit_code": 139, "finished_at": NOW - 400})
            }
            3 | 4 => json!({ "name": format!("{long}{at}") }),
            6 => {
                json!({"state": "exited", "running": false, "exit_code": 0, "cpu_percent": null, "memory_bytes": null})
            }
            _ => json!({}),
        };
        let (into, more) = (one.as_object_mut(), more.as_object().cloned());
        into.expect("an object").extend(more.expect("an object"));
        one
    };
    json!({"node": "edge-1", "timestamp": NOW + seconds, "engine": {"status": "ok", "version": "27.3.1", "flavor": "docker"},
        "missing": [{"figure": "block", "message": long}], "containers": (0..number).map(container).collect::<Vec<_>>()})
}

/// Opens the drawer of the container with this name by its row.
fn open_drawer(browser: &Browser, name: &str) {
    let row = format!(
        "[...document.querySelectorAll('#containers tbody .name button')].find((one) => one.textContent === {})",
        json!(name)
    );
    wait_for("its row", || (browser.ask(&format!("{row} !== undefined")) == true).then_some(()));
    browser.ask(&format!("{row}.closest('tr').querySelector('.pill').click()"));
    until(browser, DRAWER_OPEN);
}

fn check_width(browser: &Browser, width: u32) {
    browser.resize(width, 800);
    let [whole, seen] = ["scrollWidth", "clientWidth"]
        .map(|what| browser.ask(&format!("document.documentElement.{what}")).as_u64());
    assert!(whole == seen && whole <= Some(width.into()), "no sideways scrolling at {width}");
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn forty_containers_and_one_of_them_fit_a_phone_and_a_desk_in_every_theme() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    for seconds in [0, 30, 60, 90] {
        show(&browser, &reading(40, seconds));
    }
    let details = json!({"id": "0".repeat(64), "name": "takserver", "image": "tak:5", "image_digest": format!("sha256:{}", "ab".repeat(32)),
        "mounts": [{"kind": "bind", "source": "/x".repeat(100), "destination": "/data", "read_only": true}], "mounts_total": 1000,
        "health_log": [{"at": NOW, "exit_code": 1, "output": "x".repeat(900)}], "actions": ["stop", "restart"], "confirm": true});
    answer(&browser, "GET api/containers/000000000000", 200, &details);
    for theme in ["light", "dark", "night"] {
        browser.ask(&format!("document.documentElement.dataset.theme = '{theme}'"));
        for width in [360, 768, 1280] {
            check_width(&browser, width);
            let heads = browser.text("#containers thead");
            assert!(heads.contains("Name") && heads.contains("Memory"), "{width}: {heads}");
            assert_eq!(heads.contains("CPU"), width > 480, "less important columns go: {heads}");
            assert_eq!(heads.contains("Image"), width > 820, "less important columns go: {heads}");
            browser.picture(&format!("containers-{theme}-{width}"), width);
            open_drawer(&browser, "takserver");
            until(&browser, "asked.at(-1) === 'GET api/containers/000000000000'");
            until(&browser, "document.querySelector('.facts-pane dd') !== null");
            browser.ask("lines(0, 50, { text: 'y'.repeat(400) })");
            wait_for_lines(&browser, 50);
            check_width(&browser, width);
            let sideways = browser.ask("[...document.querySelectorAll('#drawer, #drawer .pane, .log')].filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.className)");
            assert_eq!(sideways, json!([]), "{width}");
            browser.picture(&format!("container-{theme}-{width}"), width);
            let too_small = browser.ask(
                "[...document.querySelectorAll('#containers :is(button, select, input), #drawer :is(button, input)')]
                    .filter((part) => part.checkVisibility())
                    .filter((part) => Math.min(part.offsetHeight, part.offsetWidth) < 40)
                    .map((part) => part.outerHTML)",
            );
            assert!(width > 820 || too_small == json!([]), "a thumb needs 40 px: {too_small}");
            browser.press(Key::Escape);
            until(&browser, &format!("!{DRAWER_OPEN}"));
        }
    }
    check_clean(&browser, &origin(&app));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn two_hundred_containers_are_written_to_where_something_changed_and_nowhere_else() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    show(&browser, &reading(200, 0));
    assert_eq!(browser.ask("document.querySelectorAll('#containers .openable').length"), 200);
    browser.ask(
        "(() => {
            window.changes = [];
            new MutationObserver((all) => window.changes.push(...all.map(({ target }) => (target.closest ? target : target.parentElement).closest('tr')?.one?.name ?? 'a heading')))
                .observe(document.querySelector('#containers table'), { subtree: true, childList: true, attributes: true, characterData: true });
        })()",
    );
    let mut next = reading(200, 0);
    show(&browser, &next);
    assert_eq!(browser.ask("window.changes"), json!([]), "the same once more");
    next["containers"][7]["state"] = json!("paused");
    show(&browser, &next);
    let changed = browser.ask("[...new Set(window.changes)].sort()");
    assert_eq!(changed, json!(["a heading", "web-7"]));

    // Sorted by what changes, rows move; whoever is in one with the keyboard stays there.
    browser.click("#containers [data-sort=cpu]");
    browser.click("#containers [data-field=projects]");
    let middle = "document.querySelectorAll('#containers .openable button')[150]";
    browser.ask(&format!("{middle}.focus()"));
    let was = browser.ask("document.activeElement.textContent");
    show(&browser, &reading(200, 60));
    assert_ne!(browser.ask(&format!("{middle}.textContent")), was, "it has moved");
    assert_eq!(browser.ask("document.activeElement.textContent"), was);

    // What somebody likes outlives the page.
    browser.type_into("#containers-filter", "web-19");
    browser.wait_for_text("#containers [data-field=found]", |text| text == "11 of 200 containers");
    let kept = browser.ask("JSON.parse(localStorage['takpulse-containers'])");
    assert_eq!(
        (&kept["column"], &kept["text"], &kept["projects"]),
        (&json!("cpu"), &json!("web-19"), &json!(false))
    );
    check_clean(&browser, &origin(&app));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn the_drawer_opens_and_closes_as_one_is_used_to() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    show(&browser, &reading(40, 0));
    let closed = format!("!{DRAWER_OPEN}");
    browser.ask("[...document.querySelectorAll('#containers .name button')].find((one) => one.textContent === 'web-7').focus()");
    browser.press(Key::Enter);
    until(&browser, DRAWER_OPEN);
    let dialog = "[drawer.getAttribute('role'), document.getElementById(drawer.getAttribute('aria-labelledby')).textContent, document.activeElement.id, location.hash]";
    assert_eq!(
        browser.ask(dialog),
        json!(["dialog", "web-7", "drawer-title", "#container=000000000007"])
    );
    browser.press(Key::Escape);
    until(&browser, &closed);
    let back = "[document.activeElement.textContent, location.hash]";
    assert_eq!(browser.ask(back), json!(["web-7", ""]), "where he was");

    open_drawer(&browser, "web-8");
    browser.back();
    until(&browser, &closed);
    assert_eq!(browser.ask(back), json!(["web-8", ""]));
    // An address that was handed on; its container is not there any more.
    browser.ask("location.hash = '#container=gone'");
    until(&browser, DRAWER_OPEN);
    browser.wait_for_text("#drawer .notice", |text| text == "There is none.");
    assert_eq!(browser.text("#drawer [data-field=state]").trim(), "not there");
    browser.click("#drawer [data-field=close]");
    until(&browser, &closed);
    check_clean(&browser, &origin(&app));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn a_log_is_followed_searched_and_stopped_and_no_line_is_lost() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    show(&browser, &reading(40, 0));
    open_drawer(&browser, "web-7");
    until(&browser, "asked.some((one) => one.startsWith('GET api/containers/000000000007/logs'))");
    browser.ask("lines(0, 30)");
    browser.ask("say(['log', { stream: 'stderr', timestamp: 1, text: '<b>odd</b> Line' }, 'c30'], ['lagged', { lost: 12 }])");
    wait_for_lines(&browser, 32);
    assert_eq!(browser.ask("document.querySelector('.log b')"), Value::Null, "text stays text");
    let last = |back: u32| {
        browser.ask(&format!("[...document.querySelectorAll('.log > div > div')].at(-{back}).innerText.replaceAll('\\n', ' ')"))
    };
    assert!(
        last(2)
            .as_str()
            .is_some_and(|text| text.contains("err") && text.contains("<b>odd</b> Line")),
        "{}",
        last(2)
    );
    assert!(
        last(1).as_str().is_some_and(|text| text.starts_with("… 12 lines left out")),
        "{}",
        last(1)
    );

    // Looked for while it is typed.
    browser.type_into("#log-search", "LINE 2");
    browser.wait_for_text("#drawer [data-field=hits]", |text| text == "11 lines");
    browser.press(Key::Enter);
    browser.click("#drawer [data-field=next]");
    browser.wait_for_text("#drawer [data-field=hits]", |text| text == "2 of 11 lines");
    browser.click("#drawer [data-field=only]");
    let visible = "[...document.querySelectorAll('.log > div > div')].filter((row) => row.checkVisibility()).length";
    assert_eq!(browser.ask(visible), 11);
    browser.ask("lines(31, 33, { text: 'another line 2' })");
    browser.wait_for_text("#drawer [data-field=hits]", |text| text == "2 of 13 lines");
    browser.click("#drawer [data-field=only]");

    // Stopped: it waits, up to a bound; then no more is asked for, and it goes on where it was.
    browser.click("#drawer [data-field=pause]");
    browser.ask("lines(100, 5150)");
    browser.wait_for_text(STATUS, |text| text.starts_with("Paused: 5050 lines wait, the rest"));
    assert_eq!(browser.ask(LINES), 34);
    assert_eq!(browser.ask("window.cut"), true);
    browser.click("#drawer [data-field=pause]");
    until(&browser, "asked.at(-1).endsWith(' c5149')");
    browser.wait_for_text(STATUS, |text| text.starts_with("Live"));
    browser.ask("lines(5150, 5160), lines(5160, 5400)");
    until(
        &browser,
        "[...document.querySelectorAll('.log .text')].at(-1).textContent === 'line 5399'",
    );
    let whole = "[...document.querySelectorAll('.log .text')].map((row) => Number(row.textContent.slice(5))).filter((number) => number >= 100)
        .every((number, at, all) => at === 0 || number === all[at - 1] + 1)";
    assert_eq!(browser.ask(whole), true, "no line twice, none missed");
    assert!(browser.ask(LINES).as_u64() <= Some(5000), "{}", browser.ask(LINES));

    // Whoever looks further up is left there.
    browser.ask("document.querySelector('.log').scrollTop = 0");
    until(&browser, "!document.querySelector('#drawer [data-field=toEnd]').hidden");
    browser.ask("lines(5400, 5410)");
    let before = browser.ask("document.querySelector('.log').scrollTop");
    until(&browser, "document.querySelector('.log').scrollTop === 0");
    assert_eq!(before, 0);
    browser.click("#drawer [data-field=toEnd]");
    until(
        &browser,
        "[...document.querySelectorAll('.log .text')].at(-1).textContent === 'line 5409'",
    );

    // What passes goes on by itself.
    browser.ask("(say(['end', { reason: 'restarted' }]), window.log.close())");
    until(&browser, "asked.filter((one) => one.endsWith(' c5409')).length === 1");

    // Its end says why, and offers to go on.
    browser.ask("say(['end', { reason: 'not_running' }])");
    browser.wait_for_text(STATUS, |text| text.contains("does not run"));
    browser.click("#drawer [data-field=more]");
    until(&browser, "asked.filter((one) => one.endsWith(' c5409')).length === 2");
    check_clean(&browser, &origin(&app));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn what_may_be_done_is_confirmed_first_and_told_as_it_goes() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    show(&browser, &reading(40, 0));
    let details = json!({"name": "takserver", "actions": ["stop", "restart"], "confirm": true});
    answer(&browser, "GET api/containers/000000000000", 200, &details);
    let path = "POST api/containers/000000000000/actions";
    let refusal = json!({"error": {"code": "action_running", "message": "another one is under way: wait for it."}});
    answer(&browser, path, 409, &refusal);
    open_drawer(&browser, "takserver");
    until(&browser, "!document.querySelector('#drawer [data-action=restart]').hidden");
    assert_eq!(browser.ask("document.querySelector('#drawer [data-action=start]').hidden"), true);
    browser.click("#drawer [data-action=restart]");
    let words = browser.text("#confirm");
    assert!(
        words.contains("Restart takserver?") && words.contains("TAK server: everybody"),
        "{words}"
    );
    let disabled = "document.querySelector('#confirm [data-field=go]').disabled";
    assert_eq!(browser.ask(disabled), true, "its name first");
    browser.type_into("#confirm-name", "takserve");
    assert_eq!(browser.ask(disabled), true);
    browser.type_into("#confirm-name", "takserver");
    browser.click("#confirm [data-field=go]");
    browser
        .wait_for_text("#confirm .notice", |text| text == "Another one is under way: wait for it.");
    let sent = browser.ask("asked.at(-1)");
    assert_eq!(sent, format!("{path} c0ffee {}", r#"{"action":"restart","confirm":"takserver"}"#));

    answer(&browser, path, 202, &json!({}));
    browser.click("#confirm [data-field=go]");
    until(&browser, "!document.getElementById('confirm').open");
    // Whoever asked for it: it is seen on the row, and in the drawer.
    let step = |state: &str, more: Value| {
        let mut data = json!({"node": "edge-1", "timestamp": NOW, "container": "000000000000", "name": "takserver", "action": "restart", "by": "bob", "state": state});
        data.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        let event = json!({"type": "container_action", "data": data.to_string()});
        assert_eq!(browser.ask(&format!("panel.add({event})")), true);
        browser.ask(&format!("panel.tick({NOW})"));
    };
    step("in_progress", json!({}));
    assert!(browser.text("#containers table").contains("restarting…"));
    assert_eq!(browser.text(NOTE).trim(), "takserver restarting…, asked by bob");
    assert_eq!(
        browser.ask("document.querySelector('#drawer [data-action=restart]').disabled"),
        true
    );
    step("error", json!({"message": "the disk is full."}));
    assert_eq!(
        browser.text(NOTE).trim(),
        "Restart of takserver failed: The disk is full. (asked by bob)"
    );
    assert!(browser.text("#containers table").contains("The disk is full."));
    check_clean(&browser, &origin(&app));
}

#[test]
#[ignore = "needs Chromium and chromedriver, run tests/run"]
fn a_viewer_is_told_who_may_read_the_log_and_it_is_not_asked_for() {
    let app = App::start(CONFIG);
    let browser = open(&app);
    as_role(&browser, "viewer");
    answer(
        &browser,
        "GET api/containers/000000000007",
        200,
        &json!({"name": "web-7", "actions": [], "confirm": false}),
    );
    show(&browser, &reading(40, 0));
    open_drawer(&browser, "web-7");
    browser.wait_for_text("#drawer [data-field=forbidden]", |text| {
        text.contains("Only administrators")
    });
    until(&browser, "asked.at(-1) === 'GET api/containers/000000000007'");
    assert_eq!(browser.ask("asked.some((one) => one.includes('/logs'))"), false);
    let buttons =
        "[...document.querySelectorAll('#drawer [data-action]')].every((button) => button.hidden)";
    assert_eq!(browser.ask(buttons), true);
    check_clean(&browser, &origin(&app));
}

/// A chatty container in a project, one in a restart loop, and one beside them.
fn real() -> (Engine, String) {
    let engine = Engine::start();
    let project = ["--label", "com.docker.compose.project=tak"];
    engine.container(
        "chatty",
        &project,
        "i=0; while :; do i=$((i+1)); echo \"line $i\"; echo \"odd $i\" >&2; sleep 0.1; done",
    );
    engine.container("loop", &["--restart", "always"], "exit 5");
    engine.container("quiet", &[], "exec sleep 9999");
    let users = [user("vera", "viewer", "watches the map"), user("adam", "admin", "does the rest")];
    let config = format!(
        "{}[collect.system]\nenabled = false\n[collect.tak]\nenabled = false\n[collect.docker]\nhost = \"{}\"\ninterval = \"1s\"\nactions = true\n",
        users.concat(),
        engine.host()
    );
    (engine, config)
}

fn sign_in(app: &App, name: &str, password: &str) -> Browser {
    let browser = Browser::open();
    browser.resize(1280, 800);
    browser.goto(&origin(app));
    browser.fill_in(name, password);
    until(&browser, "document.querySelectorAll('#containers .openable').length === 3");
    browser
}

#[test]
#[ignore = "needs a Docker Engine, Chromium and chromedriver, run tests/run"]
fn a_real_container_is_looked_into_while_it_writes() {
    let (_engine, config) = real();
    let app = App::start(&config);
    let browser = sign_in(&app, "adam", "does the rest");
    // By project; what keeps restarting stands out, in words.
    browser.wait_for_text("#containers tbody:nth-of-type(1)", |text| {
        text.contains("tak") && text.contains("chatty")
    });
    browser.wait_for_text("#containers tbody:nth-of-type(2)", |text| {
        text.contains("without a project") && text.contains("restarting")
    });
    browser.wait_for_text("#glance", |text| text.contains("Container loop keeps restarting."));

    open_drawer(&browser, "chatty");
    browser.wait_for_text(".facts-pane", |text| text.contains("probe") && text.contains("tak"));
    until(&browser, &format!("{LINES} > 20"));
    let streams = "[...new Set([...document.querySelectorAll('.log [data-stream]')].map((row) => row.dataset.stream))].sort()";
    assert_eq!(browser.ask(streams), json!(["stderr", "stdout"]));
    let many = browser.ask(LINES).as_u64().expect("a number");
    until(&browser, &format!("{LINES} > {}", many + 5));
    browser.type_into("#log-search", "odd 3");
    browser.wait_for_text("#drawer [data-field=hits]", |text| text.contains("line"));
    until(&browser, "document.querySelectorAll('.log mark').length > 0");
    browser.click("#drawer [data-field=pause]");
    browser.wait_for_text(STATUS, |text| text.starts_with("Paused: 1") && text.contains("wait"));
    browser.click("#drawer [data-field=pause]");
    browser.wait_for_text(STATUS, |text| text.starts_with("Live"));
    let whole = "(() => { const all = [...document.querySelectorAll('.log [data-stream=stdout] .text')].map((row) => Number(row.textContent.slice(5)));
        return all.every((number, at) => at === 0 || number === all[at - 1] + 1); })()";
    assert_eq!(browser.ask(whole), true, "no line twice, none missed");
    browser.picture("container-real-1280", 1280);
    check_clean(&browser, &origin(&app));
}

#[test]
#[ignore = "needs a Docker Engine, Chromium and chromedriver, run tests/run"]
fn a_real_container_is_stopped_and_started_from_the_drawer() {
    let (engine, config) = real();
    let app = App::start(&config);
    let browser = sign_in(&app, "adam", "does the rest");
    open_drawer(&browser, "chatty");
    for (action, state) in [("stop", "exited"), ("start", "running")] {
        until(
            &browser,
            &format!("!document.querySelector('#drawer [data-action={action}]').hidden"),
        );
        browser.click(&format!("#drawer [data-action={action}]"));
        browser.click("#confirm [data-field=go]");
        browser.wait_for_text(NOTE, |text| text.contains("asked by adam"));
        wait_for(state, || {
            let seen = engine.docker(&["inspect", "--format", "{{.State.Status}}", "chatty"]);
            (seen == state).then_some(())
        });
    }
    // The log goes on by itself.
    browser.wait_for_text(STATUS, |text| text.starts_with("Live"));
    check_clean(&browser, &origin(&app));
}

#[test]
#[ignore = "needs a Docker Engine, Chromium and chromedriver, run tests/run"]
fn a_real_viewer_sees_the_facts_and_neither_log_nor_buttons() {
    let (_engine, config) = real();
    let app = App::start(&config);
    let browser = sign_in(&app, "vera", "watches the map");
    open_drawer(&browser, "quiet");
    browser.wait_for_text(".facts-pane", |text| text.contains("probe"));
    browser.wait_for_text("#drawer [data-field=forbidden]", |text| {
        text.contains("Only administrators")
    });
    let buttons =
        "[...document.querySelectorAll('#drawer [data-action]')].every((button) => button.hidden)";
    assert_eq!(browser.ask(buttons), true);
    check_clean(&browser, &origin(&app));
}
