//! Promise: who has not signed in sees nothing, who has stays in until the session ends, and who
//! guesses gets nowhere without keeping the owner out.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::thread;

use serde_json::json;

use crate::app::{App, command, wait_for};
use crate::asker::user;
use crate::credentials::PASSWORD;
use crate::visitor::Visitor;
use crate::wire::Answer;

/// Only the web server, with a heartbeat to see which streams are open.
const QUIET: &str = "[stream]\nheartbeat = \"1s\"\n[collect.system]\nenabled = false\n\
    [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n";

fn start(more: &str) -> App {
    App::start(&format!("{more}\n{QUIET}"))
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    let said = answer.json()["error"]["code"].clone();
    assert_eq!((answer.status, said.as_str()), (status, Some(code)), "{answer:?}");
}

/// Runs takpulse beside a running one.
fn run(app: &App, arguments: &[&str]) -> Output {
    let mut command = command();
    command.args(arguments).current_dir(app.dir()).env("TAKPULSE_STATE_DIR", "state");
    command.output().expect("it runs")
}

/// The word behind this.
fn word_after<'a>(text: &'a str, before: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{before:?} in {text}")).1;
    rest.split_whitespace().next().expect("a word")
}

#[test]
fn the_password_that_the_first_start_prints_lets_in_and_nothing_else_does() {
    let app = App::start_afresh(QUIET);
    let said = wait_for("the password", || {
        let said = app.said();
        said.contains("reset-password").then_some(said)
    });
    let password = word_after(&said, "shown only now: ").to_owned();
    let visitor = Visitor::of(&app);
    for path in ["/", "/stream", "/api/state", "/api/session", "/main.js"] {
        assert_refused(&visitor.get(path), 401, "unauthorized");
    }
    for (user, wrong) in [("admin", ""), ("admin", "admin"), ("root", &*password), ("", "")] {
        assert_refused(&visitor.sign_in(user, wrong), 401, "wrong_password");
        assert!(!visitor.is_in(), "{user} {wrong}");
    }
    let welcome = visitor.sign_in("admin", &password);
    assert_eq!((welcome.status, welcome.json()), (200, json!({"user": "admin", "role": "admin"})));
    for path in ["/", "/api/state", "/api/viewers", "/metrics", "/main.js"] {
        assert_eq!(visitor.get(path).status, 200, "{path}");
    }
    let session = visitor.get("/api/session").json();
    assert_eq!((&session["user"], &session["by"]), (&json!("admin"), &json!("password")));

    // Nothing that is kept is a password, and nobody else may read it.
    let state = app.dir().join("state");
    for file in std::fs::read_dir(&state).expect("a directory") {
        let file = file.expect("a file");
        let mode = file.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file:?}");
        let text = std::fs::read_to_string(file.path()).expect("text");
        assert!(!text.contains(&password), "{file:?}");
    }
    assert!(!app.log().contains(&password) && app.log().contains("a sign-in failed"));
    app.signal("TERM");
    let again = app.start_again();
    assert!(!again.said().contains("password"), "shown only once: {}", again.said());
    assert!(visitor.is_in());
}

#[test]
fn no_password_is_made_that_nobody_gets_to_see() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("state")).expect("made");
    std::fs::write(dir.path().join("state/key"), "broken").expect("written");
    let start = || {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0"]).env("TAKPULSE_STATE_DIR", "state");
        command.current_dir(dir.path()).output().expect("it ends")
    };
    let refused = start();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("state/key"), "{refused:?}");
    assert!(!dir.path().join("state/users.json").exists());
}

#[test]
fn a_disk_that_takes_nothing_keeps_nobody_out() {
    let app = start("");
    // Nothing can be put in the place of a directory with something in it.
    std::fs::create_dir_all(app.dir().join("state/sessions.json/x")).expect("made");
    let visitor = Visitor::admin(&app);
    assert!(visitor.is_in());
    wait_for("the log", || app.log().contains("will not outlive a restart").then_some(()));
    assert_eq!(visitor.sign_out().status, 200);
    assert!(!visitor.is_in());
}

#[test]
fn a_restart_logs_nobody_out_and_brings_no_ended_session_back() {
    let mut app = start("");
    let [stays, leaves] = [Visitor::admin(&app), Visitor::admin(&app)];
    let stolen = leaves.cookies();
    assert_eq!(leaves.sign_out().status, 200);
    // First the one that leaves no time to write anything.
    for signal in ["KILL", "TERM"] {
        app.signal(signal);
        app = app.start_again();
        assert!(stays.is_in(), "after {signal}");
        leaves.hold(&stolen);
        assert!(!leaves.is_in(), "after {signal}");
    }
}

#[test]
fn a_session_ends_in_all_tabs_at_once_and_others_go_on() {
    let app = start("");
    let [one, other] = [Visitor::admin(&app), Visitor::admin(&app)];
    let [tab, another, elsewhere] = [one.watch(""), one.watch("?topics=alert"), other.watch("")];
    let cookies = one.cookies();
    let signed_out = one.sign_out();
    assert_eq!(signed_out.status, 200, "{signed_out:?}");
    let cleared = signed_out.header("set-cookie").expect("it takes the cookie away");
    assert!(cleared.contains("Max-Age=0"), "{cleared}");
    tab.end();
    another.end();
    assert!(!one.is_in());
    one.hold(&cookies);
    assert_refused(&one.get("/stream"), 401, "unauthorized");
    let mut elsewhere = elsewhere;
    elsewhere.until("event:ping");
    assert!(other.is_in());
    wait_for("the log", || app.log().contains("reason=\"signed out\"").then_some(()));
}

#[test]
fn a_stream_ends_when_the_time_of_its_session_is_over() {
    let app = start("[auth]\nsession_lifetime = \"3s\"");
    let visitor = Visitor::admin(&app);
    let stream = visitor.watch("");
    assert!(visitor.is_in());
    stream.end();
    assert_refused(&visitor.get("/stream"), 401, "unauthorized");
}

#[test]
fn an_open_stream_uses_its_session() {
    let app = start("[auth]\nsession_idle = \"2s\"");
    let visitor = Visitor::admin(&app);
    let mut stream = visitor.watch("");
    // Heartbeats come every second.
    for _ in 0..5 {
        stream.until("event:ping");
    }
    drop(stream);
    assert!(visitor.is_in(), "nobody has asked for anything but the stream for longer than that");
}

#[test]
fn a_new_password_ends_the_sessions_of_the_old_one_without_a_restart() {
    let app = start("");
    let visitor = Visitor::admin(&app);
    let stream = visitor.watch("");
    let reset = run(&app, &["reset-password"]);
    assert!(reset.status.success(), "{reset:?}");
    let said = String::from_utf8(reset.stdout).expect("text");
    stream.end();
    assert!(!visitor.is_in());
    assert_refused(&visitor.sign_in("admin", PASSWORD), 401, "wrong_password");
    let password = word_after(&said, "from now on: ");
    assert_eq!(visitor.sign_in("admin", password).status, 200);
}

#[test]
fn a_revoked_token_ends_its_streams() {
    let app = start("");
    let made = run(&app, &["token", "new", "screen", "--scope", "stream"]);
    let token = String::from_utf8(made.stdout).expect("text");
    let request = format!("GET /stream HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n", token.trim());
    let reading = thread::scope(|scope| {
        let reading = scope.spawn(|| app.anonymous(request.as_bytes()));
        wait_for("the viewer", || {
            let seen = app.get("/api/viewers").json()["viewers"].clone();
            (seen[0]["name"] == "screen" && seen[0]["by"] == "token").then_some(())
        });
        assert!(run(&app, &["token", "revoke", "screen"]).status.success());
        reading.join().expect("it ends")
    });
    assert_eq!(reading.status, 200);
    assert_refused(&app.anonymous(request.as_bytes()), 401, "unauthorized");
}

#[test]
fn what_changes_something_must_come_from_a_page_of_ours() {
    let app = start("");
    let [visitor, other] = [Visitor::admin(&app), Visitor::admin(&app)];
    let event = json!({"type": "note", "data": 1});
    let csrf = visitor.csrf();
    for wrong in [&[][..], &["X-CSRF-Token: "], &["X-CSRF-Token: 00"], &[&*other.csrf()]] {
        assert_refused(&visitor.post("/publish", &event, wrong), 403, "csrf");
        assert_refused(&visitor.post("/api/logout", &json!({}), wrong), 403, "csrf");
    }
    for site in ["cross-site", "same-site"] {
        let lines = [csrf.as_str(), &format!("Sec-Fetch-Site: {site}")];
        assert_refused(&visitor.post("/publish", &event, &lines), 403, "cross_site");
        let credentials = json!({"user": "admin", "password": PASSWORD});
        assert_refused(&visitor.post("/api/login", &credentials, &lines), 403, "cross_site");
    }
    // What a form of another site can send.
    for kind in
        ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"]
    {
        let kind = format!("Content-Type: {kind}");
        let body = json!({"user": "admin", "password": PASSWORD}).to_string();
        let answer = visitor.ask("/api/login", &["--header", &kind, "--data", &body]);
        assert_refused(&answer, 415, "not_json");
    }
    assert!(visitor.is_in());
    let lines = [csrf.as_str(), "Sec-Fetch-Site: same-origin"];
    assert_eq!(visitor.post("/publish", &event, &lines).status, 202);
    // A token is not sent by a browser of its own accord.
    let body = event.to_string();
    let request = format!("POST /publish HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(app.raw(request.as_bytes()).status, 202);
}

#[test]
fn fifty_guesses_at_once_are_ten_and_the_owner_gets_in() {
    let app = start("");
    let owner = Visitor::admin(&app);
    let device = owner.cookies();
    let answers: Vec<Answer> = thread::scope(|scope| {
        let guess = |number: usize| {
            let guesser = Visitor::of(&app);
            guesser.sign_in("admin", &format!("guess {number}"))
        };
        let guesses: Vec<_> = (0..50).map(|number| scope.spawn(move || guess(number))).collect();
        guesses.into_iter().map(|guess| guess.join().expect("an answer")).collect()
    });
    let of = |status| answers.iter().filter(move |answer| answer.status == status);
    assert_eq!(of(401).count(), 10);
    // As many again may have found the queue full.
    assert!(of(429).count() >= 20 && of(429).count() + of(503).count() == 40);
    for answer in of(429) {
        assert_refused(answer, 429, "too_many_attempts");
        let wait: u64 =
            answer.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
    }
    let stranger = Visitor::of(&app);
    assert_refused(&stranger.sign_in("admin", PASSWORD), 429, "too_many_attempts");
    // In the browser that has been in before: the session is gone, the mark of the device is not.
    let returning = Visitor::of(&app);
    let kept: String = device
        .lines()
        .filter(|line| line.contains("_device_"))
        .map(|line| format!("{line}\n"))
        .collect();
    returning.hold(&kept);
    assert!(!returning.is_in());
    assert_eq!(returning.sign_in("admin", PASSWORD).status, 200);
    assert!(owner.is_in());
}

#[test]
fn each_client_of_a_trusted_proxy_has_attempts_of_its_own() {
    let app = start("[http]\ntrusted_proxies = [\"127.0.0.1\"]");
    let visitor = Visitor::of(&app);
    let guess = |from: &str| {
        let credentials = json!({"user": "admin", "password": "guess"});
        visitor.post("/api/login", &credentials, &[&format!("X-Forwarded-For: {from}")])
    };
    for _ in 0..10 {
        assert_eq!(guess("192.0.2.1").status, 401);
    }
    assert_eq!((guess("192.0.2.1").status, guess("192.0.2.2").status), (429, 401));
    // A user of the internet has a whole IPv6 network.
    for number in 0..10 {
        assert_eq!(guess(&format!("2001:db8::{number}")).status, 401);
    }
    assert_eq!(guess("2001:db8::ffff").status, 429);
}

#[test]
fn users_of_the_configuration_sign_in_with_their_role_and_the_made_one_does_not() {
    let users = user("eve", "viewer", "looks at things") + &user("bob", "admin", "does all things");
    let app = start(&users);
    let [eve, bob] = [Visitor::of(&app), Visitor::of(&app)];
    assert_eq!(eve.sign_in("eve", "looks at things").json()["role"], "viewer");
    assert_eq!(bob.sign_in("bob", "does all things").json()["role"], "admin");
    assert_refused(&Visitor::of(&app).sign_in("admin", PASSWORD), 401, "wrong_password");
    assert!(!app.said().contains("Sign in as"), "{}", app.said());
    let event = json!({"type": "note", "data": 1});
    let mut watching = eve.watch("");
    assert_refused(&eve.post("/publish", &event, &[&eve.csrf()]), 403, "wrong_role");
    assert_eq!(bob.post("/publish", &event, &[&bob.csrf()]).status, 202);
    watching.until("event:note");
    let seen = bob.get("/api/viewers").json();
    assert_eq!(seen["viewers"][0]["name"], "eve");
    assert_refused(&eve.get("/api/viewers"), 403, "wrong_role");
    let reset = run(&app, &["reset-password"]);
    assert!(
        !reset.status.success() && String::from_utf8_lossy(&reset.stderr).contains("auth.users")
    );
    // What is in force is shown without the secrets in it.
    let shown = run(&app, &["check"]);
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert!(
        shown.contains("auth.users[0].password_hash = MASKED") && !shown.contains("$argon2"),
        "{shown}"
    );
}

#[test]
fn a_password_in_the_place_of_its_hash_is_not_repeated() {
    let dir = tempfile::tempdir().expect("a directory");
    let user =
        "[[auth.users]]\nname = \"a\"\nrole = \"boss\"\npassword_hash = \"my dear secret\"\n";
    std::fs::write(dir.path().join("config.toml"), user).expect("written");
    let output = command().current_dir(dir.path()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains("takpulse hash-password") && said.contains("\"viewer\" or \"admin\""),
        "{said}"
    );
    assert!(!said.contains("dear"), "{said}");
}

#[test]
fn cookies_are_held_tight() {
    let app = start("[http]\nbase_path = \"/ops/takpulse\"\ntrusted_proxies = [\"127.0.0.1\"]");
    let visitor = Visitor::of(&app);
    let credentials = json!({"user": "admin", "password": PASSWORD});
    for (path, proto, mount, secure) in [
        ("/api/login", "http", "Path=/;", false),
        ("/ops/takpulse/api/login", "http", "Path=/ops/takpulse/;", false),
        ("/ops/takpulse/api/login", "https", "Path=/ops/takpulse/;", true),
    ] {
        let answer = visitor.post(path, &credentials, &[&format!("X-Forwarded-Proto: {proto}")]);
        let lines: Vec<&str> =
            answer.head.lines().filter(|line| line.starts_with("set-cookie: ")).collect();
        assert_eq!(lines.len(), 2, "{answer:?}");
        for line in lines {
            let has = |what: &str| line.contains(what);
            assert!(has("; HttpOnly") && has("; SameSite=Strict") && has(mount), "{line}");
            assert_eq!(has("; Secure"), secure, "{line}");
            assert_eq!(has("__Secure-takpulse_"), secure, "{line}");
            assert!(!has("Domain"), "{line}");
        }
    }
}

#[test]
fn a_proxys_own_password_is_none_of_ours() {
    let app = start("");
    let visitor = Visitor::admin(&app);
    let answer = visitor.ask("/api/session", &["--user", "proxy:password"]);
    assert_eq!((answer.status, &answer.json()["by"]), (200, &json!("password")));
    let token = visitor.ask("/api/session", &["--oauth2-bearer", "wrong"]);
    assert_refused(&token, 401, "unauthorized");
}

#[test]
fn a_state_directory_that_cannot_be_used_is_said_before_anything_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("file"), "").expect("written");
    std::fs::create_dir(dir.path().join("open")).expect("made");
    let everybodys = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.path().join("open"), everybodys).expect("changed");
    for (state, says) in [("file/state", "file/state"), ("open", "chmod 700")] {
        let output = command()
            .args(["--listen", "127.0.0.1:0"])
            .env("TAKPULSE_STATE_DIR", state)
            .current_dir(dir.path())
            .output()
            .expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(says) && output.stdout.is_empty(), "{said}");
    }
}
