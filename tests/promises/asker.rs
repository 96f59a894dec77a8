//! Somebody who asks with something to show: a token, the cookie of a session, or nothing. Whatever
//! the answer is, it must tell browsers what not to do.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::app::{Answer, App, command};
use crate::connection::Connection;

/// Who asks.
pub struct Asker {
    address: SocketAddr,
    /// The header lines that are shown, each ended by CRLF.
    shown: String,
}

impl Asker {
    /// Shows these header lines.
    pub fn showing(app: &App, lines: &str) -> Asker {
        Asker { address: app.address(), shown: lines.to_owned() }
    }

    /// With a new token for this.
    pub fn with_token(app: &App, scope: &str) -> Asker {
        let token = run(app.dir(), &["token", "new", scope, "--scope", scope], "");
        Asker::showing(app, &format!("Authorization: Bearer {token}\r\n"))
    }

    /// Signs in, and shows the session and what its pages prove themselves with.
    pub fn signed_in(app: &App, user: &str, password: &str) -> Asker {
        let mut asker =
            Asker::showing(app, &format!("Cookie: {}\r\n", sign_in(app, user, password)));
        let csrf = asker.ask("GET", "/api/session").json()["csrf"].clone();
        asker.shown += &format!("X-CSRF-Token: {}\r\n", csrf.as_str().expect("a token"));
        asker
    }

    /// What it shows.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Asks; the body is `{"data":1}` where there may be one. A stream is left after its head.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str) -> Answer {
        let body = if matches!(method, "POST" | "PUT") { "{\"data\":1}" } else { "" };
        let mut connection = Connection::open(self.address);
        let (shown, length) = (&self.shown, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\n{shown}Content-Length: {length}\r\n\r\n{body}"
        );
        connection.send(request.as_bytes());
        let head = connection.head();
        assert_hardened(&head, &format!("{method} {path}"));
        let ends = method != "HEAD" && head.header("content-length").is_some();
        if ends { connection.body_of(head) } else { head }
    }
}

/// Signs in with a password; the session's cookie, as a browser sends it.
pub fn sign_in(app: &App, user: &str, password: &str) -> String {
    let body = json!({ "user": user, "password": password }).to_string();
    let answer = app.anonymous(
        format!(
            "POST /api/login HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookies = answer.head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let session = cookies.filter_map(|cookie| cookie.split(';').next());
    let session = session.into_iter().find(|cookie| cookie.starts_with("takpulse_session"));
    session.expect("a session").to_owned()
}

/// Runs takpulse beside the running one, with this on its standard input; what it prints.
pub fn run(dir: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = command()
        .args(arguments)
        .current_dir(dir)
        .env("TAKPULSE_STATE_DIR", "state")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("takpulse starts");
    // Who does not read it has ended already.
    let _unread = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{arguments:?}: {done:?}");
    String::from_utf8(done.stdout).expect("text").trim().to_owned()
}

/// A user for the configuration.
pub fn user(name: &str, role: &str, password: &str) -> String {
    let anywhere = tempfile::tempdir().expect("a directory");
    let hash = run(anywhere.path(), &["hash-password"], password);
    format!("[[auth.users]]\nname = \"{name}\"\nrole = \"{role}\"\npassword_hash = \"{hash}\"\n")
}

/// Whatever is answered: no frame around it, no guessing of its type, and no address passed on.
#[track_caller]
pub fn assert_hardened(answer: &Answer, what: &str) {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.split(';').any(|one| one.trim() == part), "{what}: {part}: {answer:?}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{what}: {policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}: {answer:?}");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{what}: {answer:?}");
}

/// The code of a refusal, which is `{"error":{"code","message"}}` and nothing else.
#[track_caller]
pub fn code(answer: &Answer) -> String {
    let body = answer.json();
    let keys = |value: &Value| -> Vec<String> {
        value.as_object().into_iter().flat_map(|object| object.keys().cloned()).collect()
    };
    assert_eq!(keys(&body), ["error"], "{answer:?}");
    assert_eq!(keys(&body["error"]), ["code", "message"], "{answer:?}");
    assert!(body["error"]["message"].is_string(), "{answer:?}");
    body["error"]["code"].as_str().expect("a code").to_owned()
}
