//! Promise: the API is what `/api/openapi.json` says it is. schemathesis makes requests from the
//! description, right ones and wrong ones, and holds every answer to it.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use takpulse::http::Route;

use crate::app::App;
use crate::credentials::AUTHORIZATION;

/// Something on the stream at once, and no limit on what is published.
const CONFIG: &str = "[publish]\nrate_per_s = 100000\n[stream]\nheartbeat = \"1s\"\n\
    [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n";

/// Requests made up for each route, beside those for each value's limits.
const EXAMPLES: &str = "60";

/// Another one each time; a failure can be had again with the one that was printed.
fn seed() -> String {
    std::env::var("TEST_TAKPULSE_SEED").unwrap_or_else(|_| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        now.as_secs().to_string()
    })
}

#[test]
#[ignore = "needs schemathesis, run tests/run"]
fn no_made_up_request_finds_the_api_other_than_it_is_described() {
    let bin = std::env::var_os("TEST_TAKPULSE_SCHEMATHESIS").expect(
        "TEST_TAKPULSE_SCHEMATHESIS is the bin directory of a venv with schemathesis (tests/run sets it)",
    );
    let mut app = App::start(CONFIG);
    // From a file: what it is loaded from is not asked for again.
    let description = app.dir().join("openapi.json");
    std::fs::write(&description, app.get("/api/openapi.json").body).expect("written");
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis.toml");
    let output = Command::new(Path::new(&bin).join("schemathesis"))
        .arg("--config-file")
        .arg(settings)
        .arg("run")
        .arg(&description)
        .args(["--url", &format!("http://{}/", app.address())])
        .args(["--header", AUTHORIZATION.trim()])
        .args(["--seed", &seed(), "--max-examples", EXAMPLES])
        .args(["--continue-on-failure", "--no-color"])
        // What it keeps for its next run is not wanted.
        .current_dir(app.dir())
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "see above; TEST_TAKPULSE_SEED=<its seed> does it again");
    // All but the page.
    let tested = format!("Tested: {}", Route::ALL.len() - 1);
    assert!(said.lines().any(|line| line.trim() == tested), "every route was asked");
    assert!(app.is_running() && !app.log().contains("panicked"), "{}", app.log());
    assert_eq!(app.get("/healthz").status, 200);
}
