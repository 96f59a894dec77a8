//! chromedriver, which drives a Chromium.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::Value;
use url::Url;
use warp::http::Method;

/// Starts chromedriver on a port that it chooses.
pub fn start(home: &Path) -> (Child, u16) {
    let mut driver = Command::new("chromedriver")
        .env("HOME", home)
        .arg("--port=0")
        // A Ctrl-C in the terminal ends the test first, and the test ends this.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts (apt-get install chromium chromium-driver)");
    let said = driver.stdout.take().expect("stdout is piped");
    let mut lines = BufReader::new(said).lines().map_while(Result::ok);
    let port = lines
        .find_map(|line| {
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        })
        .expect("chromedriver says on which port it listens");
    // It must not be stopped by a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (driver, port)
}

/// A command of chromedriver beyond the WebDriver standard.
#[derive(Debug)]
pub struct DriverCommand {
    /// Below the session.
    pub path: &'static str,
    /// What is posted.
    pub body: Value,
}

impl WebDriverCompatibleCommand for DriverCommand {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
