//! What the tests of the TAK collector have in common: how they configure it, and what they read of its
//! reports.

use serde_json::Value;

use crate::app::{App, Stream};

/// Only the TAK collector, each second.
pub const TAK_ONLY: &str = "
[collect.system]
enabled = false
[collect.docker]
enabled = false
[collect.tak]
interval = \"1s\"
unwatched_interval = \"1s\"
";

/// Watches one configured server with these keys.
pub fn configured(keys: &str) -> App {
    App::start(&format!(
        "{TAK_ONLY}\n[[collect.tak.servers]]\nname = \"edge\"\nhost = \"127.0.0.1\"\n{keys}"
    ))
}

/// Its reports.
pub fn watch(app: &App) -> Stream {
    app.stream("?topics=tak_status")
}

/// The first report with this status.
pub fn until(stream: &mut Stream, status: &str) -> Value {
    stream.until(status, |json| json["status"] == status)
}

/// The checks as `name:ok`, in their order.
pub fn checks(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks");
    checks
        .iter()
        .map(|check| {
            let ok = match check.get("ok") {
                None => "unknown",
                Some(ok) if ok == true => "ok",
                Some(_) => "failed",
            };
            format!("{}:{ok}", check["name"].as_str().expect("a name"))
        })
        .collect()
}

/// The sentence about it.
pub fn message(report: &Value) -> &str {
    report["message"].as_str().expect("a message")
}

/// Who is on, by callsign.
pub fn users(report: &Value) -> Vec<&Value> {
    let list = report["clients"]["list"].as_array();
    let mut users: Vec<_> = list.into_iter().flatten().collect();
    users.sort_by_key(|user| user["callsign"].as_str());
    users
}

/// The first check of this name.
pub fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().expect("checks").iter();
    checks.find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {report}"))
}

/// What is said of it.
pub fn said_of<'a>(report: &'a Value, name: &str) -> &'a str {
    check(report, name)["message"].as_str().expect("a message")
}
