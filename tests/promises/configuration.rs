//! A wrong configuration is refused as a whole, in words; a right one is shown with its sources.

use std::process::{Command, Output};

use crate::app;

/// Runs the binary in a directory with this `config.toml`.
fn run(config: Option<&str>, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    if let Some(text) = config {
        std::fs::write(dir.path().join("config.toml"), text).expect("written");
    }
    let mut command: Command = app::command();
    let command = command.args(arguments).envs(environment.iter().copied());
    command.current_dir(dir.path()).output().expect("it runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_fault_is_named_with_its_source_and_the_exit_code_is_78() {
    let output = run(
        Some("[http]\nlisten = \"here\"\n[colect.tak]\nenabled = true\n"),
        &[],
        &[("TAKPULSE_COLLECT__SYSTEM__INTERVAL", "soon"), ("TAKPULSE_NODE", "edge-1")],
    );
    assert_eq!(output.status.code(), Some(78));
    insta::assert_snapshot!(stderr(&output));
}

#[test]
fn a_file_that_was_named_must_exist() {
    let output = run(None, &["--config", "nowhere.toml"], &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("nowhere.toml"), "{}", stderr(&output));
}

#[test]
fn a_wrong_flag_is_a_usage_error() {
    let output = run(None, &["--colour"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--colour"), "{}", stderr(&output));
}

#[test]
fn check_shows_each_setting_with_its_source() {
    let output = run(
        Some(
            "[http]\nmax_viewers = 7\n[collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n",
        ),
        &["check", "--listen", "127.0.0.1:9999"],
        &[("TAKPULSE_NODE", "edge-7"), ("TAKPULSE_COLLECT__SYSTEM__INTERVAL", "7s")],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    for (key, value, place) in [
        ("node", "\"edge-7\"", "environment variable TAKPULSE_NODE"),
        ("http.listen", "\"127.0.0.1:9999\"", "--listen"),
        ("http.max_viewers", "7", "config.toml line 2"),
        (
            "collect.system.interval",
            "\"7s\"",
            "environment variable TAKPULSE_COLLECT__SYSTEM__INTERVAL",
        ),
        ("collect.tak.interval", "\"15s\"", "default"),
        ("tls.password", "MASKED", "default"),
    ] {
        let shown = text.lines().any(|line| {
            line.contains(&format!("{key} = {value} ")) && line.trim_end().ends_with(place)
        });
        assert!(shown, "{key} = {value} from {place} is missing in:\n{text}");
    }
}
