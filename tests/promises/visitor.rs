//! Somebody with curl and a cookie jar: what a browser holds, without a browser.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::App;
use crate::credentials::PASSWORD;
use crate::wire::Answer;

/// A visitor of one takpulse.
pub struct Visitor {
    origin: String,
    home: TempDir,
}

impl Visitor {
    /// Nobody yet.
    pub fn of(app: &App) -> Visitor {
        Visitor { origin: app.origin(), home: tempfile::tempdir().expect("a directory") }
    }

    /// The first admin, signed in.
    pub fn admin(app: &App) -> Visitor {
        let visitor = Visitor::of(app);
        let answer = visitor.sign_in("admin", PASSWORD);
        assert_eq!(answer.status, 200, "{answer:?}");
        visitor
    }

    fn jar(&self) -> PathBuf {
        self.home.path().join("jar")
    }

    fn curl(&self, path: &str, arguments: &[&str]) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--noproxy", "*", "--max-time", "60"])
            .args(
                [["--cookie"], ["--cookie-jar"]]
                    .concat()
                    .iter()
                    .flat_map(|flag| [(*flag).to_owned(), self.jar().display().to_string()]),
            )
            .args(arguments)
            .arg(format!("{}{path}", self.origin));
        curl
    }

    /// Asks for this path with these arguments of curl's.
    pub fn ask(&self, path: &str, arguments: &[&str]) -> Answer {
        let output =
            self.curl(path, &[&["--include"], arguments].concat()).output().expect("curl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Answer::read(&output.stdout[..])
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Answer {
        self.ask(path, &[])
    }

    /// `POST path` with this JSON and these header lines.
    pub fn post(&self, path: &str, body: &Value, headers: &[&str]) -> Answer {
        let mut arguments = vec!["--header", "Content-Type: application/json"];
        arguments.extend(headers.iter().flat_map(|line| ["--header", line]));
        let body = body.to_string();
        arguments.extend(["--data", &body]);
        self.ask(path, &arguments)
    }

    /// Tries to sign in.
    pub fn sign_in(&self, user: &str, password: &str) -> Answer {
        self.post("/api/login", &json!({ "user": user, "password": password }), &[])
    }

    /// The header line with which this visitor's pages change something.
    pub fn csrf(&self) -> String {
        let session = self.get("/api/session").json();
        format!("X-CSRF-Token: {}", session["csrf"].as_str().expect("a session has one"))
    }

    /// Signs out.
    pub fn sign_out(&self) -> Answer {
        let csrf = self.csrf();
        self.post("/api/logout", &json!({}), &[&csrf])
    }

    /// Whether somebody is signed in.
    pub fn is_in(&self) -> bool {
        self.get("/api/session").status == 200
    }

    /// What is in the jar.
    pub fn cookies(&self) -> String {
        std::fs::read_to_string(self.jar()).unwrap_or_default()
    }

    /// Holds what another holds: a thief, or the same browser later.
    pub fn hold(&self, cookies: &str) {
        std::fs::write(self.jar(), cookies).expect("written");
    }

    /// Opens the stream with this query.
    pub fn watch(&self, query: &str) -> Watching {
        let mut curl = self
            .curl(&format!("/stream{query}"), &["--no-buffer"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("curl runs");
        let lines = BufReader::new(curl.stdout.take().expect("piped"));
        let mut watching = Watching { curl, lines };
        assert_eq!(watching.line().as_deref(), Some(": takpulse"), "it is a stream");
        watching
    }
}

/// An open stream.
pub struct Watching {
    curl: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Watching {
    /// The next line; `None` at the end of the stream.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("text");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// Reads on until this line.
    pub fn until(&mut self, wanted: &str) {
        while let Some(line) = self.line() {
            if line == wanted {
                return;
            }
        }
        panic!("the stream ended before {wanted}");
    }

    /// Reads to the end, which must be a clean one.
    pub fn end(mut self) {
        while self.line().is_some() {}
        let status = self.curl.wait().expect("curl ends");
        assert!(status.success(), "a clean end: {status}");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _already_gone = self.curl.kill();
        let _status = self.curl.wait();
    }
}
