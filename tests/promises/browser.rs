//! A real Chromium, driven through chromedriver, with everything it says on its console and every
//! request it makes kept for the test to look at.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

pub use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use takpulse::access::FIRST;

use crate::app::{signal, wait_for};
use crate::chromedriver::{self, DriverCommand};
use crate::credentials::PASSWORD;
use crate::wire::PATIENCE;

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
    profile: Profile,
}

/// A home directory of the browser's own: its profile is there, and the certificates of its user.
pub struct Profile(tempfile::TempDir);

impl Profile {
    /// An empty one.
    pub fn new() -> Profile {
        Profile(tempfile::tempdir().expect("a temporary directory"))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Browser {
    /// Opens an empty window.
    pub fn open() -> Browser {
        Browser::open_with(Profile::new(), &[], json!({}))
    }

    /// As [`Browser::open`], with more arguments and preferences.
    pub fn open_with(profile: Profile, more: &[String], preferences: Value) -> Browser {
        let (driver, port) = chromedriver::start(profile.path());
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().join("profile").display()));
        arguments.extend_from_slice(more);
        let mut wanted = Capabilities::new();
        let options = json!({ "args": arguments, "prefs": preferences });
        wanted.insert("goog:chromeOptions".into(), options);
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
        // chromedriver would wait for minutes.
        let opened = async { timeout(PATIENCE, self.client.goto(url)).await };
        self.runtime.block_on(opened).expect("the page opens in time").expect("the page opens");
    }

    /// Opens a page as somebody who has signed in: through the login page, as people do.
    pub fn sign_in(&self, url: &str) {
        self.goto(url);
        self.fill_in(FIRST, PASSWORD);
        wait_for("the dashboard", || {
            let there =
                "document.getElementById('glance') !== null && document.readyState === 'complete'";
            (self.ask(there) == true).then_some(())
        });
    }

    /// Types a name and a password into the login page, and sends them.
    pub fn fill_in(&self, user: &str, password: &str) {
        wait_for("the login page", || {
            (self.ask("document.forms.length > 0 && document.readyState === 'complete'") == true)
                .then_some(())
        });
        self.type_into("input[autocomplete=username]", user);
        self.type_into("input[autocomplete=current-password]", password);
        self.click("form button[type=submit]");
    }

    /// Replaces what stands in a field.
    pub fn type_into(&self, selector: &str, text: &str) {
        let typed = async {
            let field = self.client.find(Locator::Css(selector)).await?;
            field.clear().await?;
            field.send_keys(text).await
        };
        self.runtime
            .block_on(typed)
            .unwrap_or_else(|why| panic!("{selector} can be written to: {why}"));
    }

    /// The tab that is spoken to.
    pub fn tab(&self) -> WindowHandle {
        self.runtime.block_on(self.client.window()).expect("there is one")
    }

    /// Opens another tab, which is the one that is spoken to from then on.
    pub fn open_tab(&self) -> WindowHandle {
        let open = async {
            let handle = self.client.new_window(true).await?.handle;
            self.client.switch_to_window(handle.clone()).await?;
            Ok::<_, fantoccini::error::CmdError>(handle)
        };
        self.runtime.block_on(open).expect("a tab opens")
    }

    /// Speaks to this tab from now on.
    pub fn switch_to(&self, tab: WindowHandle) {
        self.runtime.block_on(self.client.switch_to_window(tab)).expect("the tab is there");
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

    /// Presses this key, wherever the focus is.
    pub fn press(&self, key: Key) {
        let pressed = async { self.client.active_element().await?.send_keys(&key).await };
        self.runtime.block_on(pressed).unwrap_or_else(|why| panic!("a key can be pressed: {why}"));
    }

    /// Goes back, as the button beside the address does.
    pub fn back(&self) {
        self.runtime.block_on(self.client.back()).expect("there is a page before");
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
        // The login page asks whether there is a session, and this is how it hears that there is none.
        let expected = |line: &&Value| {
            let message = line["message"].as_str().unwrap_or_default();
            message.contains("/api/session ") && message.contains("401")
        };
        lines
            .iter()
            .filter(of_weight)
            .filter(|line| !expected(line))
            .map(|line| format!("{}: {}", line["source"], line["message"]))
            .collect()
    }

    /// What was asked for since the last time, other than the browser's own pages.
    pub fn requests(&self) -> Vec<Asked> {
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
            let last = &event["params"]["request"]["headers"]["Last-Event-ID"];
            let last_event_id = last.as_str().map(str::to_owned);
            let asked = Asked { url: url.to_owned(), last_event_id };
            (!own.iter().any(|scheme| url.starts_with(scheme))).then_some(asked)
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

/// A request of the page's.
#[derive(Debug)]
pub struct Asked {
    /// Where to.
    pub url: String,
    /// What it said it had seen.
    pub last_event_id: Option<String>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; chromedriver alone would leave it running.
        let close = self.client.clone().close();
        let closed = self.runtime.block_on(async { timeout(Duration::from_secs(10), close).await });
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
