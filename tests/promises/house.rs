//! The house stands as `lib.rs` draws it: imports follow the arrows, and each library has one home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who may import whom (`use crate::...`), beside its own children.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("config", &[]),
    ("containers", &[]),
    ("shutdown", &[]),
    ("telemetry", &["config"]),
    ("cli", &["access", "config"]),
    ("bus", &["event"]),
    ("hub", &["bus", "event"]),
    ("http", &["access", "hub", "bus", "containers", "event", "tls"]),
    ("access", &["event"]),
    ("passwords", &["access", "config"]),
    ("tls", &["access", "config", "event", "keystore"]),
    ("post", &["access", "app", "cli", "config", "tls"]),
    ("keystore", &["config"]),
    ("collect", &["bus", "event", "config", "containers", "keystore"]),
    ("check", &["access", "app", "collect", "config", "tls"]),
    (
        "app",
        &[
            "access",
            "bus",
            "collect",
            "config",
            "containers",
            "event",
            "http",
            "hub",
            "shutdown",
            "telemetry",
            "tls",
        ],
    ),
];

/// The only places that may name each library.
const ONLY_HOME: &[(&str, &[&str])] = &[
    ("warp", &["http/"]),
    // A server on one side, clients on the other.
    ("hyper_util", &["http/", "collect/tak/checks/http.rs", "post.rs"]),
    ("bollard", &["collect/docker/"]),
    ("anstream", &["http/container_logs/"]),
    ("sysinfo", &["collect/system/"]),
    // The keystore takes its types and its PEM reader.
    ("rustls", &["collect/tak/", "keystore/", "tls/"]),
    ("rcgen", &["tls/"]),
    ("p12_keystore", &["keystore/"]),
    ("roxmltree", &["collect/tak/settings/"]),
    ("saphyr_parser", &["collect/tak/settings/"]),
    ("figment", &["config"]),
    // One reads the networks, the other looks addresses up in them.
    ("ipnet", &["config", "http/client.rs"]),
    ("rust_embed", &["http/assets.rs"]),
    ("thread_priority", &["access/aside.rs"]),
];

/// The files below `src`, by their path in it.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below src").display().to_string();
                // Unit tests may reach further (see below), also in a file of their own.
                if !path.ends_with("tests.rs") {
                    found.insert(name, std::fs::read_to_string(path).expect("text"));
                }
            }
        }
    }
    assert!(found.len() > 10, "the sources were found");
    found
}

/// The part of the house that a file belongs to: `hub` for `hub/ring.rs`.
fn part(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// The code before the unit tests, which may reach further (a fake bus, paused time).
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

#[test]
fn imports_follow_the_arrows() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let part = part(&file);
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == part) else {
            assert!(matches!(part, "main" | "lib"), "{file} has no place in the house");
            continue;
        };
        for line in code(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            for rest in line.split("crate::").skip(1) {
                let target = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
                let target = target.unwrap_or_default();
                if target != part && !allowed.contains(&target) {
                    wrong.push(format!("{file}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the arrows:\n{}", wrong.join("\n"));
}

#[test]
fn each_library_has_one_home() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        for line in code(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (library, homes) in ONLY_HOME {
                let named = line.split(|c: char| !c.is_alphanumeric() && c != '_');
                let uses = line.contains(&format!("{library}::"))
                    && named.into_iter().any(|word| word == *library);
                if uses && !homes.iter().any(|home| file.starts_with(home)) {
                    wrong.push(format!("{file}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "libraries away from home:\n{}", wrong.join("\n"));
}

#[test]
fn a_collector_knows_neither_http_nor_the_hub_and_only_the_runner_knows_the_bus() {
    for (file, text) in sources() {
        if file.starts_with("collect/") && file != "collect/runner.rs" {
            assert!(!code(&text).contains("crate::bus"), "{file} imports the bus");
        }
    }
}
