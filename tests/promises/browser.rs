//! A real Chromium, driven through chromedriver, with everything it says on its console and every
//! request it makes kept for the test to look at.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use url::Url;
use warp::http::Method;

use crate::app::{signal, wait_for};

/// Chromium speaks to nobody but the page's server. The tests run as root in containers, where its
/// sandbox cannot work.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser window with a profile of its own; closed when dropped.
pub struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Child,
    /// Chromium itself, which is no child of ours.
    process: u32,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Opens an empty window.
    pub fn open() -> Browser {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let (driver, port) = start_driver();
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let mut wanted = Capabilities::new();
        wanted.insert("goog:chromeOptions".into(), json!({ "args": arguments }));
        wanted
            .insert("goog:loggingPrefs".into(), json!({ "browser": "ALL", "performance": "ALL" }));
        // fantoccini's session is a task of its own, and lives on a worker thread.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let client = runtime
            .block_on(
                ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                    .capabilities(wanted)
                    .connect(&format!("http://127.0.0.1:{port}")),
            )
            .expect("chromedriver opens a window");
        let process = client.capabilities().and_then(|said| said.get("goog:processID")?.as_u64());
        let process = process.and_then(|id| u32::try_from(id).ok()).expect("Chromium's process id");
        Browser { runtime, client, driver, process, profile }
    }

    /// Opens a page.
    pub fn goto(&self, url: &str) {
        self.runtime.block_on(self.client.goto(url)).expect("the page opens");
    }

    /// The window's title.
    pub fn title(&self) -> String {
        self.runtime.block_on(self.client.title()).expect("a title")
    }

    /// The value of a JavaScript expression in the page.
    pub fn ask(&self, expression: &str) -> Value {
        self.runtime
            .block_on(self.client.execute(&format!("return ({expression});"), Vec::new()))
            .unwrap_or_else(|why| panic!("{expression}: {why}"))
    }

    /// What a user reads in the first element that this selector finds; empty while it is hidden.
    /// Non-breaking spaces read as spaces.
    pub fn text(&self, selector: &str) -> String {
        let text = self.ask(&format!("document.querySelector({}).innerText", json!(selector)));
        text.as_str().expect("a text").replace('\u{a0}', " ")
    }

    /// Waits until an element's text satisfies `want`; returns the text.
    pub fn wait_for_text(&self, selector: &str, want: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let describe = format!("the right text in {selector}");
        wait_for(&describe, || {
            let text = self.text(selector);
            if text != last {
                // Shown only when the test fails: what was there instead.
                println!("{selector}: {text:?}");
                last.clone_from(&text);
            }
            want(&text).then_some(text)
        })
    }

    /// Clicks where a user would.
    pub fn click(&self, selector: &str) {
        self.runtime
            .block_on(async { self.client.find(Locator::Css(selector)).await?.click().await })
            .unwrap_or_else(|why| panic!("{selector} can be clicked: {why}"));
    }

    /// Gives the page this size in CSS pixels (windows can't be as small as a phone).
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": size});
        self.command("goog/cdp/execute", command);
    }

    /// Saves a picture of the whole page at this width, and leaves the page at this width.
    pub fn picture(&self, name: &str, width: u32) {
        self.resize(width, 800);
        let height = self.ask("document.documentElement.scrollHeight").as_u64().expect("a height");
        self.resize(width, u32::try_from(height).expect("a page of finite height"));
        let png = self.runtime.block_on(self.client.screenshot()).expect("a picture");
        let directory = output_directory();
        std::fs::create_dir_all(&directory).expect("the output directory is made");
        std::fs::write(directory.join(format!("{name}.png")), png).expect("the picture is saved");
        self.resize(width, 800);
    }

    /// What the console has said since it was last asked, at level warning or above: page errors,
    /// failed requests and violations of the content security policy.
    pub fn complaints(&self) -> Vec<String> {
        let lines = self.log("browser");
        let of_weight = |line: &&Value| {
            line["level"].as_str().is_some_and(|level| matches!(level, "SEVERE" | "WARNING"))
        };
        lines
            .iter()
            .filter(of_weight)
            .map(|line| format!("{}: {}", line["source"], line["message"]))
            .collect()
    }

    /// The addresses that were asked for since the last time, other than the browser's own pages.
    pub fn requests(&self) -> Vec<String> {
        let entries = self.log("performance");
        let addresses = entries.iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &message["message"];
            let url = match event["method"].as_str()? {
                "Network.requestWillBeSent" => event["params"]["request"]["url"].as_str()?,
                "Network.webSocketCreated" => event["params"]["url"].as_str()?,
                _ => return None,
            };
            let own = ["data:", "chrome:", "devtools:", "about:"];
            (!own.iter().any(|scheme| url.starts_with(scheme))).then(|| url.to_owned())
        });
        addresses.collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let answer = self.command("se/log", json!({ "type": kind }));
        answer.as_array().expect("a list of log entries").clone()
    }

    fn command(&self, path: &'static str, body: Value) -> Value {
        self.runtime
            .block_on(self.client.issue_cmd(DriverCommand { path, body }))
            .unwrap_or_else(|why| panic!("chromedriver's {path}: {why}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; chromedriver alone would leave it running.
        let close = self.client.clone().close();
        let closed = self
            .runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(10), close).await });
        if !matches!(closed, Ok(Ok(()))) {
            signal(self.process, "KILL");
        }
        let _already_gone = self.driver.kill();
        let _status = self.driver.wait();
        if std::thread::panicking() {
            eprintln!("the browser's profile was {}", self.profile.path().display());
        }
    }
}

/// Where tests leave what people may want to look at.
fn output_directory() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-output");
    std::env::var_os("TEST_TAKPULSE_OUTPUT").map_or_else(|| default.into(), PathBuf::from)
}

/// Starts chromedriver on a port that it chooses.
fn start_driver() -> (Child, u16) {
    let mut driver = Command::new("chromedriver")
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
struct DriverCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for DriverCommand {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
