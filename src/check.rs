//! `takpulse check`: the configuration in force, where each setting came from, and what is found on
//! this box.
//!
//! Each collector is asked once, as it would be when takpulse runs, so what is shown is what would be
//! collected. Nothing is changed and nothing is served.

use std::fmt::Write as _;

use serde_json::Value;

use crate::access::{self, Audit, FIRST, StateDir};
use crate::app;
use crate::collect::docker::{self, DockerCollector};
use crate::collect::system::SystemCollector;
use crate::collect::tak::TakCollector;
use crate::collect::{Collector, collect_within};
use crate::config::{Config, Loaded, Schedule};
use crate::tls;

/// The whole text for stdout.
pub async fn report(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let mut text = settings(loaded);
    let listen = match app::listen(&config.http) {
        Ok(_) => format!("{} is free", config.http.listen),
        Err(why) => why.to_string(),
    };
    text.push_str("\nWhat is found on this box:\n");
    push(&mut text, "http", &listen);
    push(&mut text, "sign-in", &describe_users(config));
    push(&mut text, "tls", &tls::describe(&config.tls, &StateDir::at(&config.state_dir)));
    let system = config.system.enabled.then(|| SystemCollector::new(&config.host));
    push(&mut text, "system", &ask(system, config.system.schedule, describe_system).await);
    let docker = config.docker.enabled.then(|| DockerCollector::new(&config.docker, &config.host));
    let mut found = ask(docker, config.docker.schedule, describe_docker).await;
    if config.docker.enabled {
        push_privileges(&mut found, config).await;
    }
    push(&mut text, "docker", &found);
    let tak = config.tak.enabled.then(|| TakCollector::new(&config.tak, &config.host));
    push(&mut text, "tak", &ask(tak, config.tak.schedule, describe_tak).await);
    text
}

fn describe_users(config: &Config) -> String {
    let dir = StateDir::at(&config.state_dir);
    let configured = config.auth.users.len();
    match access::has_users(&dir) {
        _ if configured > 0 => format!("{configured} users in the configuration"),
        Ok(true) => format!("{FIRST}, kept in {}", config.state_dir.display()),
        Ok(false) => format!("nobody yet: the first start makes {FIRST} and prints a password"),
        Err(why) => why.to_string(),
    }
}

fn settings(loaded: &Loaded) -> String {
    let mut lines: Vec<(String, &str)> = loaded
        .settings
        .iter()
        .map(|one| (format!("{} = {}", one.key, one.value), one.place.as_str()))
        .collect();
    if !loaded.settings.iter().any(|one| one.key == "node") {
        lines.push((format!("node = {:?}", loaded.config.node), "this machine's name"));
    }
    let width = lines.iter().map(|(setting, _)| setting.len()).max().unwrap_or_default();
    let file = loaded.file.as_ref().map(|path| path.display().to_string());
    let mut text = format!("The configuration in force ({}):\n", file.unwrap_or("no file".into()));
    for (setting, place) in lines {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  {setting:width$}  # {place}");
    }
    text
}

/// One finding; its further lines are indented.
fn push(text: &mut String, part: &str, finding: &str) {
    for (index, line) in finding.lines().enumerate() {
        let _ = writeln!(text, "  {:8}{line}", if index == 0 { part } else { "" });
    }
}

async fn ask<C: Collector>(
    collector: Option<C>,
    schedule: Schedule,
    describe: fn(&Value) -> String,
) -> String {
    let Some(mut collector) = collector else {
        return "switched off by its `enabled = false`".into();
    };
    let answer = collect_within(&mut collector, schedule.timeout).await;
    match answer.map(|report| serde_json::to_value(&report)) {
        Ok(Ok(report)) => describe(&report),
        Ok(Err(why)) => why.to_string(),
        Err(why) => why.to_string(),
    }
}

fn text_of<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The texts under this name in each item of a list.
fn names<'a>(value: &'a Value, list: &str, name: &str) -> Vec<&'a str> {
    let items = value.get(list).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.get(name)?.as_str()).collect()
}

fn describe_system(report: &Value) -> String {
    let Some(fields) = report.as_object() else { return "nothing can be read".into() };
    let os = text_of(report, "/host/os").unwrap_or("an unknown system");
    let parts: Vec<&str> = fields.keys().map(String::as_str).collect();
    format!(
        "{os}; disks: {}; network: {}\nwould be collected: {}",
        names(report, "disks", "mount").join(", "),
        names(report, "network", "interface").join(", "),
        parts.join(", ")
    )
}

fn describe_docker(report: &Value) -> String {
    let message = text_of(report, "/engine/message");
    if text_of(report, "/engine/status") != Some("ok") {
        return message.unwrap_or("nothing can be read").to_owned();
    }
    let version = text_of(report, "/engine/version").unwrap_or("of an unknown version");
    let containers = names(report, "containers", "name");
    let mut text = format!(
        "engine {version} answers; {} containers: {}",
        containers.len(),
        containers.join(", ")
    );
    let missing = names(report, "missing", "message");
    for message in message.into_iter().chain(missing) {
        let _ = write!(text, "\n{message}");
    }
    text
}

/// What takpulse may ask of the engine, and where it is kept what was asked for; nothing where there is
/// no engine to ask.
async fn push_privileges(found: &mut String, config: &Config) {
    let lines = docker::privileges(&config.docker, &config.host).await;
    if lines.is_empty() {
        return;
    }
    for line in lines {
        let _ = write!(found, "\n{line}");
    }
    let audit = Audit::at(StateDir::at(&config.state_dir)).path();
    let _ = write!(found, "\naudit log: {}", audit.display());
}

fn describe_tak(report: &Value) -> String {
    let status = text_of(report, "/status").unwrap_or("not known");
    let mut text =
        format!("{status}: {}", text_of(report, "/message").unwrap_or("all checks passed"));
    for check in report.get("checks").and_then(Value::as_array).into_iter().flatten() {
        let ok = match check.get("ok").and_then(Value::as_bool) {
            Some(true) => "ok",
            Some(false) => "FAILED",
            None => "not known",
        };
        let field = |name| check.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = write!(text, "\n{} {}: {ok} {}", field("name"), field("target"), field("message"));
    }
    if let Some(clients) = report.get("clients") {
        let count = |name| {
            let known = clients.get(name).and_then(Value::as_u64);
            known.map_or_else(|| "not known".to_owned(), |count| count.to_string())
        };
        let (connections, users) = (count("connections"), count("distinct"));
        let _ = write!(text, "\nusers: {users}, connections: {connections}");
    }
    if let Some(first) = report.pointer("/certificates/0") {
        let field = |name| text_of(first, name).unwrap_or_default();
        let days = first.get("days_left").and_then(Value::as_i64).unwrap_or_default();
        let _ = write!(
            text,
            "\nthe certificate that ends first: {} ({}), in {days} days",
            field("/subject"),
            field("/source")
        );
    }
    text
}
