use serde_json::{Value, json};

use super::*;

fn inspected(fields: Value) -> ContainerInspectResponse {
    serde_json::from_value(fields).expect("bollard reads it")
}

fn listed(fields: Value) -> ContainerSummary {
    serde_json::from_value(fields).expect("bollard reads it")
}

/// What is known after this was listed and that was inspected.
fn facts(list: Value, inspect: Value) -> Facts {
    let mut facts = Facts::of_listed(&listed(list));
    facts.learn(&inspected(inspect));
    facts
}

#[test]
fn a_memory_limit_is_only_the_containers_own() {
    for (memory, limit) in [(json!(64), Some(64)), (json!(0), None), (json!(null), None)] {
        let facts = facts(json!({}), json!({"HostConfig": {"Memory": memory}}));
        assert_eq!(facts.memory_limit_bytes, limit, "{memory}");
    }
}

#[test]
fn a_network_is_its_own_unless_it_is_the_machines_or_anothers() {
    for (mode, own) in [("default", true), ("none", true), ("host", false), ("container:a", false)]
    {
        let facts = facts(json!({}), json!({"HostConfig": {"NetworkMode": mode}}));
        assert_eq!(facts.has_own_network, own, "{mode}");
    }
    assert!(!Facts::default().has_own_network, "nobody has told");
}

#[test]
fn health_is_read_from_the_listed_sentence_as_long_as_nothing_else_is_there() {
    for (status, health) in [
        ("Up 3 minutes (healthy)", Some("healthy")),
        ("Up 3 minutes (unhealthy)", Some("unhealthy")),
        ("Up 1 second (health: starting)", Some("starting")),
        ("Up 3 minutes", None),
        ("Up 3 minutes (Paused)", None),
        ("Exited (0) 3 minutes ago", None),
    ] {
        let facts = Facts::of_listed(&listed(json!({"State": "running", "Status": status})));
        assert_eq!(facts.health.as_deref(), health, "{status}");
        assert_eq!(facts.sentence.as_deref(), Some(status));
    }
}

#[test]
fn the_exit_code_is_read_from_the_listed_sentence() {
    for (status, code) in [
        ("Exited (137) 1 second ago", Some(137)),
        ("Up 2 hours (healthy)", None),
        ("Created", None),
    ] {
        let facts = Facts::of_listed(&listed(json!({"Status": status})));
        assert_eq!(facts.exit_code, code, "{status}");
    }
}

#[test]
fn what_inspect_leaves_out_stays_and_the_sentence_is_ours_from_then_on() {
    let list = json!({
        "Id": "abc", "Names": ["/db"], "Image": "postgres:15", "ImageID": "sha256:1", "Created": 5,
        "State": "running", "Status": "Up 1 second", "Labels": {"com.docker.compose.project": "tak"},
        "Ports": [{"PrivatePort": 80, "Type": "tcp"}],
    });
    let listed = Facts::of_listed(&listed(list.clone()));
    let learned = facts(list, json!({"RestartCount": 2}));
    assert_eq!(learned, Facts { restart_count: Some(2), sentence: None, ..listed });
}

#[test]
fn what_inspect_says_replaces_what_was_listed() {
    let list = json!({
        "Names": ["/db"], "Image": "sha256:0123456789abcdef", "ImageID": "sha256:1", "Created": 5,
        "State": "running", "Ports": [{"PrivatePort": 80, "Type": "tcp"}],
    });
    let inspect = json!({
        "Name": "/data", "Image": "sha256:2", "Created": "1970-01-01T00:00:07Z",
        "State": {"Status": "exited", "ExitCode": 3, "OOMKilled": true, "Pid": 0,
            "StartedAt": "1970-01-01T00:00:08Z", "FinishedAt": "1970-01-01T00:00:09.5Z"},
        "Config": {"Image": "postgres:15", "Labels": {"com.docker.compose.service": "db"}},
        "NetworkSettings": {"Ports": {}},
    });
    assert_eq!(
        facts(list, inspect),
        Facts {
            name: "data".into(),
            image: "postgres:15".into(),
            image_id: Some("sha256:2".into()),
            state: "exited".into(),
            created_at: Some(7.0),
            started_at: Some(8.0),
            finished_at: Some(9.5),
            exit_code: Some(3),
            oom_killed: true,
            service: Some("db".into()),
            ..Facts::default()
        }
    );
}

#[test]
fn the_last_check_that_failed_is_told_in_one_short_line() {
    let long = "x".repeat(400);
    let cut = format!("{}…", "x".repeat(299));
    let exact = "y".repeat(300);
    for (log, told) in [
        (
            json!([[1, "first"], [7, "curl: (7)\r\n\u{1b}[31m refused\0\n"], [0, "fine"]]),
            Some("curl: (7) [31m refused"),
        ),
        (json!([[1, &long]]), Some(cut.as_str())),
        (json!([[1, &exact]]), Some(exact.as_str())),
        (json!([[1, ""]]), Some("")),
        (json!([[0, "fine"]]), None),
        (json!([]), None),
    ] {
        let check = |one: &Value| json!({"ExitCode": one[0], "Output": one[1]});
        let log: Vec<Value> = log.as_array().expect("a log").iter().map(check).collect();
        let health = json!({"Status": "unhealthy", "Log": log});
        let facts = facts(json!({}), json!({"State": {"Health": health}}));
        assert_eq!(facts.health_output.as_deref(), told);
        assert_eq!(facts.health.as_deref(), Some("unhealthy"));
    }
}

#[test]
fn no_health_check_is_no_health() {
    for health in [json!({"Status": "none"}), json!({"Status": ""}), json!(null)] {
        let facts = facts(json!({}), json!({"State": {"Health": health}}));
        assert_eq!(facts.health, None, "{health}");
    }
}

#[test]
fn names_and_images_are_short() {
    let id = "0123456789abcdef0123456789abcdef";
    for (names, image, name, shown) in [
        (json!(["/a/alias", "/own"]), "postgres:15", "own", "postgres:15"),
        (json!(["/a/alias"]), "", "a/alias", ""),
        (json!(null), &format!("sha256:{id}"), "0123456789ab", "sha256:0123456789ab"),
    ] {
        let listed = listed(json!({"Id": id, "Names": names, "Image": image}));
        let facts = Facts::of_listed(&listed);
        assert_eq!((facts.name.as_str(), facts.image.as_str()), (name, shown));
    }
    assert_eq!(short_id(id), "0123456789ab");
}
