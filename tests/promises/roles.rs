//! Promise: everybody may do what the token or the role is for, and nothing else.

use std::collections::BTreeSet;

use takpulse::http::Route;

use crate::app::App;
use crate::asker::{Asker, code, user};

/// What each is answered: tokens for stream, publish, metrics and admin, a viewer, an admin.
const TABLE: [(&str, &str, [u16; 6]); 20] = [
    ("GET", "/", [200, 403, 403, 200, 200, 200]),
    ("GET", "/main.js", [200, 403, 403, 200, 200, 200]),
    ("GET", "/nope", [404, 403, 403, 404, 404, 404]),
    ("GET", "/stream", [200, 403, 403, 200, 200, 200]),
    ("HEAD", "/stream", [200, 403, 403, 200, 200, 200]),
    ("POST", "/publish", [403, 202, 403, 202, 403, 202]),
    ("GET", "/api/state", [200, 403, 403, 200, 200, 200]),
    ("GET", "/api/events", [200, 403, 403, 200, 200, 200]),
    ("GET", "/api/viewers", [403, 403, 403, 200, 403, 200]),
    // What stands in the braces is no container's name as it is.
    ("GET", "/api/containers/{id}", [400, 403, 403, 400, 400, 400]),
    ("GET", "/api/containers/{id}/logs", [403, 403, 403, 400, 403, 400]),
    // It is not said to be JSON.
    ("POST", "/api/containers/{id}/actions", [403, 403, 403, 415, 403, 415]),
    ("GET", "/api/session", [200; 6]),
    ("GET", "/api/openapi.json", [200; 6]),
    ("GET", "/metrics", [403, 403, 200, 200, 200, 200]),
    ("GET", "/healthz", [200; 6]),
    ("GET", "/readyz", [200; 6]),
    // Who has signed in is sent on to the dashboard; who is known otherwise may want to be somebody else.
    ("GET", "/login", [200, 200, 200, 200, 303, 303]),
    // This body is no name and password.
    ("POST", "/api/login", [415; 6]),
    // Only a session can end, and that it does: this is the last.
    ("POST", "/api/logout", [409, 409, 409, 409, 200, 200]),
];

fn start() -> App {
    let users = [user("vera", "viewer", "watches the map"), user("adam", "admin", "does the rest")];
    App::start(&format!(
        "{}[collect.system]\nenabled = false\n[collect.docker]\nenabled = false\n\
         [collect.tak]\nenabled = false\n",
        users.concat()
    ))
}

#[test]
fn the_table_says_who_may_what() {
    let app = start();
    let tokens =
        ["stream", "publish", "metrics", "admin"].map(|scope| Asker::with_token(&app, scope));
    let sessions = [("vera", "watches the map"), ("adam", "does the rest")]
        .map(|(user, password)| Asker::signed_in(&app, user, password));
    let askers: Vec<Asker> = tokens.into_iter().chain(sessions).collect();
    for (method, path, wanted) in TABLE {
        for (column, (asker, wanted)) in askers.iter().zip(wanted).enumerate() {
            let answer = asker.ask(method, path);
            assert_eq!(answer.status, wanted, "{method} {path}, column {column}: {answer:?}");
            if wanted == 403 && method != "HEAD" {
                let why = if column < 4 { "wrong_scope" } else { "wrong_role" };
                assert_eq!(code(&answer), why, "{method} {path}, column {column}");
            }
        }
    }
    for asker in &askers[4..] {
        assert_eq!(asker.ask("GET", "/api/state").status, 401, "signed out");
    }
    let routes: BTreeSet<&str> = Route::ALL.iter().map(|route| route.path()).collect();
    let asked: BTreeSet<&str> = TABLE.iter().map(|(_, path, _)| *path).collect();
    assert_eq!(routes.difference(&asked).count(), 0, "{routes:?} are all in the table");
}

#[test]
fn an_admin_changes_nothing_from_a_page_that_is_not_ours() {
    let app = start();
    let admin = Asker::signed_in(&app, "adam", "does the rest");
    let (cookie, csrf) = admin.shown().split_once("\r\n").expect("two lines");
    let other = Asker::signed_in(&app, "adam", "does the rest");
    let others = other.shown().split_once("\r\n").expect("two lines").1;
    for (lines, why) in [
        (format!("{cookie}\r\n"), "csrf"),
        (format!("{cookie}\r\nX-CSRF-Token: {}\r\n", "0".repeat(64)), "csrf"),
        (format!("{cookie}\r\n{others}"), "csrf"),
        (format!("{cookie}\r\n{csrf}Sec-Fetch-Site: cross-site\r\n"), "cross_site"),
        (format!("{cookie}\r\n{csrf}Sec-Fetch-Site: same-site\r\n"), "cross_site"),
    ] {
        for path in ["/publish", "/api/logout", "/api/containers/web/actions"] {
            let answer = Asker::showing(&app, &lines).ask("POST", path);
            assert_eq!((answer.status, code(&answer).as_str()), (403, why), "{path}: {lines}");
        }
    }
    assert_eq!(admin.ask("POST", "/publish").status, 202, "from its own");
}
