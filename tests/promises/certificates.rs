//! Promise: who has a certificate of an authority that is believed is signed in by it, under the name in
//! it; who has another hears why not; and who has none signs in as before.

use serde_json::json;
use takpulse::access::FIRST;

use crate::app::App;
use crate::authority::Authority;
use crate::credentials::{PASSWORD, TOKEN};
use crate::curl::{CurlStream, ask, token};
use crate::wire::Answer;

/// Looks for whom a certificate is.
pub fn config(authority: &Authority, viewers: &str) -> String {
    format!(
        "[tls]\nmode = \"self-signed\"\n[auth.client_certificates]\nca = [{:?}]\ncrl = [{:?}]\n\
         admins = [\"ada\"]\nviewers = [{viewers}]\n[publish]\nrate_per_s = 1000\n\
         [collect.system]\nenabled = false\n\
         [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n",
        authority.text("ca.pem"),
        authority.text("ca.crl")
    )
}

/// curl's arguments that present this certificate.
fn presenting(authority: &Authority, name: &str) -> [String; 4] {
    [
        "--cert".into(),
        authority.text(&format!("{name}.pem")),
        "--key".into(),
        authority.text(&format!("{name}.key")),
    ]
}

/// The answer to somebody with this certificate.
fn ask_as(app: &App, authority: &Authority, name: &str, path: &str, more: &[&str]) -> Answer {
    let certificate = presenting(authority, name);
    let arguments: Vec<&str> =
        certificate.iter().map(String::as_str).chain(more.iter().copied()).collect();
    ask(app.address(), path, &arguments)
}

#[track_caller]
fn check_refused(answer: &Answer, status: u16, code: &str, says: &str) {
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (status, &json!(code)),
        "{answer:?}"
    );
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains(says), "{message}");
}

#[test]
fn a_good_certificate_signs_in_under_its_name_with_the_role_that_it_was_given() {
    let authority = Authority::found("authority");
    ["vera", "ada", "nobody"].into_iter().for_each(|name| authority.sign(name));
    let app = App::start(&config(&authority, "\"vera\""));
    for version in ["--http1.1", "--http2"] {
        for (name, role) in [("vera", "viewer"), ("ada", "admin")] {
            for tls in ["1.2", "1.3"] {
                let answer =
                    ask_as(&app, &authority, name, "/api/session", &[version, "--tls-max", tls]);
                assert_eq!(answer.status, 200, "{answer:?}");
                let who = answer.json();
                assert_eq!((&who["user"], &who["role"]), (&json!(name), &json!(role)), "{who}");
                assert_eq!(who["by"], "certificate", "{who}");
            }
        }
        let without = ask_as(&app, &authority, "nobody", "/api/session", &[version]);
        check_refused(&without, 403, "no_role", "nobody");
    }
    // Who wants to be somebody else finds the way.
    assert_eq!(ask_as(&app, &authority, "vera", "/login", &[]).status, 200);
    let admin_only = ask_as(&app, &authority, "vera", "/api/viewers", &[]);
    check_refused(&admin_only, 403, "wrong_role", "");
    assert_eq!(ask_as(&app, &authority, "ada", "/api/viewers", &[]).status, 200);
}

#[test]
fn a_certificate_that_gives_no_right_is_refused_with_the_reason() {
    let authority = Authority::found("authority");
    authority.sign_expired("late");
    authority.sign("revoked");
    authority.revoke("revoked");
    authority.sign_server("server");
    // The same name does not make it the same authority.
    let foreign = Authority::found("authority");
    foreign.sign("vera");
    let app = App::start(&config(&authority, "\"*\""));
    for (signer, name, says) in [
        (&authority, "late", "expired on 2020-02-01"),
        (&authority, "revoked", "is revoked"),
        (&authority, "server", "not made for signing in as a client"),
        (&foreign, "vera", "not signed by an authority that is believed here"),
    ] {
        for version in ["--http1.1", "--http2"] {
            let answer = ask_as(&app, signer, name, "/api/session", &[version]);
            check_refused(&answer, 401, "certificate_refused", says);
        }
        // What needs nobody to be known is there for them, too, as is every other way to sign in.
        assert_eq!(ask_as(&app, signer, name, "/healthz", &[]).status, 200);
        assert_eq!(ask_as(&app, signer, name, "/login", &[]).status, 200);
        let as_token = ask_as(&app, signer, name, "/api/session", &token()).json();
        assert_eq!(as_token["by"], "token", "{as_token}");
        assert_eq!(sign_in(&app, &presenting(signer, name)).status, 200);
        let page = ask_as(&app, signer, name, "/", &["-H", "Accept: text/html"]);
        assert_eq!(page.header("location"), Some("login"), "{}", page.head);
    }
}

/// Signs in with the admin's password.
fn sign_in(app: &App, certificate: &[String]) -> Answer {
    let body = json!({"user": FIRST, "password": PASSWORD}).to_string();
    let arguments: Vec<&str> = certificate.iter().map(String::as_str).collect();
    let login = ["-H", "Content-Type: application/json", "-d", &body];
    ask(app.address(), "/api/login", &[&arguments[..], &login].concat())
}

#[test]
fn without_a_certificate_passwords_and_tokens_work_on_the_same_port() {
    let authority = Authority::found("authority");
    let app = App::start(&config(&authority, "\"*\""));
    check_refused(&ask(app.address(), "/api/session", &[]), 401, "unauthorized", "");
    assert_eq!(ask(app.address(), "/api/session", &token()).json()["by"], "token");
    let signed_in = sign_in(&app, &[]);
    let cookie = signed_in.header("set-cookie").and_then(|line| line.split(';').next());
    let cookie = format!("Cookie: {}", cookie.expect("a cookie"));
    let who = ask(app.address(), "/api/session", &["-H", &cookie]).json();
    assert_eq!((&who["by"], &who["user"]), (&json!("password"), &json!(FIRST)), "{who}");
}

#[test]
fn what_an_admins_certificate_changes_must_come_from_a_page_of_ours() {
    let authority = Authority::found("authority");
    ["vera", "ada"].into_iter().for_each(|name| authority.sign(name));
    let app = App::start(&config(&authority, "\"*\""));
    let csrf = |name: &str| -> String {
        let session = ask_as(&app, &authority, name, "/api/session", &[]).json();
        format!("X-CSRF-Token: {}", session["csrf"].as_str().expect("a token"))
    };
    let publish = |name: &str, more: &[&str]| {
        let body = "{\"type\":\"note\",\"data\":1}";
        ask_as(&app, &authority, name, "/publish", &[&["-d", body], more].concat())
    };
    check_refused(&publish("ada", &[]), 403, "csrf", "");
    check_refused(&publish("ada", &["-H", &csrf("vera")]), 403, "csrf", "");
    check_refused(&publish("vera", &["-H", &csrf("vera")]), 403, "wrong_role", "");
    let elsewhere = ["-H", &csrf("ada"), "-H", "Sec-Fetch-Site: cross-site"];
    check_refused(&publish("ada", &elsewhere), 403, "cross_site", "");
    assert_eq!(publish("ada", &["-H", &csrf("ada")]).status, 202);
}

/// Opens a stream that is let in by this certificate, or by the token.
fn watch(app: &App, certificate: &[String], version: &str) -> CurlStream {
    let mut arguments: Vec<&str> = certificate.iter().map(String::as_str).collect();
    arguments.push(version);
    let token = token();
    if certificate.is_empty() {
        arguments.extend(token);
    }
    let mut stream = CurlStream::open(app.address(), "?topics=note", &arguments);
    assert!(stream.frames.frame().expect("open").starts_with(": takpulse"));
    stream
}

#[test]
fn a_stream_ends_when_its_certificate_is_revoked_and_the_others_go_on() {
    let authority = Authority::found("authority");
    ["vera", "rob"].into_iter().for_each(|name| authority.sign(name));
    let app = App::start(&config(&authority, "\"*\""));
    for version in ["--http1.1", "--http2"] {
        authority.sign("mallory");
        let mut revoked = watch(&app, &presenting(&authority, "mallory"), version);
        let mut others = [
            watch(&app, &presenting(&authority, "vera"), version),
            watch(&app, &presenting(&authority, "rob"), version),
            watch(&app, &[], version),
        ];
        authority.revoke("mallory");
        // It ends as its protocol wants it.
        while revoked.frames.frame().is_some() {}
        assert_eq!(revoked.end().0, Some(0), "{version}");
        let answer = ask_as(&app, &authority, "mallory", "/stream", &[version]);
        check_refused(&answer, 401, "certificate_refused", "is revoked");
        let body = json!({"type": "note", "data": version, "id": version}).to_string();
        let published = ask(app.address(), "/publish", &[&token()[..], &["-d", &body]].concat());
        assert_eq!(published.status, 202, "{published:?}");
        for stream in &mut others {
            assert_eq!(stream.frames.next().expect("it goes on").id.as_deref(), Some(version));
        }
    }
    assert!(!app.log().contains(TOKEN), "no secret in the log");
}
