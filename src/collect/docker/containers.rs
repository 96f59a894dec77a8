//! Turns the engine's list and its details into what viewers see. Pure.

use std::time::UNIX_EPOCH;

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, HealthStatusEnum, PortSummary, PortSummaryTypeEnum,
};

use super::report::Container;

/// What only `inspect` knows of a container. It changes only when something happens to the
/// container, so it is kept until an event says so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The listed state when it was read: another state makes it stale.
    pub state: String,
    /// When it was last started, in Unix seconds.
    pub started_at: Option<f64>,
    memory_limited: bool,
    restart_count: Option<u64>,
    exit_code: Option<i64>,
    oom_killed: bool,
    health: Option<String>,
}

impl Details {
    /// Reads what the engine said; `state` is the listed state.
    pub fn of(state: String, inspected: &ContainerInspectResponse) -> Details {
        let at_work = inspected.state.as_ref();
        let limit = inspected.host_config.as_ref().and_then(|host| host.memory);
        Details {
            state,
            started_at: at_work
                .and_then(|state| state.started_at.as_deref())
                .and_then(unix_seconds),
            memory_limited: limit.is_some_and(|bytes| bytes > 0),
            restart_count: inspected.restart_count.and_then(|count| u64::try_from(count).ok()),
            exit_code: at_work.and_then(|state| state.exit_code),
            oom_killed: at_work.and_then(|state| state.oom_killed) == Some(true),
            health: at_work
                .and_then(|state| state.health.as_ref()?.status)
                .filter(|health| {
                    !matches!(health, HealthStatusEnum::NONE | HealthStatusEnum::EMPTY)
                })
                .map(|health| health.to_string()),
        }
    }
}

impl Details {
    /// Whether it has a memory limit of its own (the engine reports the host's memory otherwise).
    pub fn is_memory_limited(&self) -> bool {
        self.memory_limited
    }
}

/// The state as the list tells it, such as `running`; empty when it doesn't.
pub fn listed_state(listed: &ContainerSummary) -> String {
    listed.state.map(|state| state.to_string()).unwrap_or_default()
}

/// One container, without figures.
pub fn container(listed: &ContainerSummary, details: Option<&Details>) -> Container {
    let state = listed_state(listed);
    let status = listed.status.clone().unwrap_or_default();
    let label = |name: &str| listed.labels.as_ref()?.get(name).cloned();
    Container {
        id: short_id(listed.id.as_deref().unwrap_or_default()).to_owned(),
        name: name(listed),
        image: short_image(listed.image.as_deref().unwrap_or_default()),
        running: state == "running",
        health: health(&state, &status, details),
        restart_count: details.and_then(|details| details.restart_count),
        started_at: details.and_then(|details| details.started_at),
        exit_code: exit_code(&state, &status, details),
        oom_killed: details.is_some_and(|details| details.oom_killed).then_some(true),
        project: label("com.docker.compose.project"),
        service: label("com.docker.compose.service"),
        ports: ports(listed.ports.as_deref().unwrap_or_default()),
        figures: Default::default(),
        state,
        status,
    }
}

/// By project and then by name; those without a project last.
pub fn sort(containers: &mut [Container]) {
    containers.sort_by(|a, b| {
        let key = |c: &Container| (c.project.is_none(), c.project.clone(), c.name.clone());
        key(a).cmp(&key(b))
    });
}

/// The first 12 characters, as Docker's CLI prints it.
fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// The name without its slash; old links add names with two slashes, which belong to others.
fn name(listed: &ContainerSummary) -> String {
    let names = listed.names.as_deref().unwrap_or_default();
    let own = names.iter().find(|name| name.matches('/').count() <= 1);
    match own.or(names.first()) {
        Some(name) => name.trim_start_matches('/').to_owned(),
        None => short_id(listed.id.as_deref().unwrap_or_default()).to_owned(),
    }
}

/// An image whose tag went to a newer one is listed by its whole digest: shortened.
fn short_image(image: &str) -> String {
    match image.strip_prefix("sha256:") {
        Some(digest) => format!("sha256:{}", short_id(digest)),
        None => image.to_owned(),
    }
}

/// The list's sentence is fresh and tells the health, save while the container is paused.
fn health(state: &str, status: &str, details: Option<&Details>) -> Option<String> {
    const SENTENCES: [(&str, &str); 3] = [
        ("(healthy)", "healthy"),
        ("(unhealthy)", "unhealthy"),
        ("(health: starting)", "starting"),
    ];
    let told = SENTENCES.iter().find(|(ending, _)| status.ends_with(ending));
    match (told, state) {
        (Some((_, health)), _) => Some((*health).to_owned()),
        (None, "paused") => details.and_then(|details| details.health.clone()),
        (None, _) => None,
    }
}

/// `Exited (137) 3 minutes ago`: the sentence belongs to the listed state. In a restart loop, what
/// was inspected a moment later may already belong to the next run.
fn exit_code(state: &str, status: &str, details: Option<&Details>) -> Option<i64> {
    if !matches!(state, "exited" | "dead" | "restarting") {
        return None;
    }
    let told = status.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let told = told.and_then(|(code, _)| code.parse().ok());
    told.or_else(|| details.and_then(|details| details.exit_code))
}

/// Short and readable, by container port. A port published on every IPv4 and every IPv6 address is
/// one port to its user.
fn ports(listed: &[PortSummary]) -> Vec<String> {
    let mut ports: Vec<&PortSummary> = listed.iter().collect();
    let key = |port: &PortSummary| {
        let is_v6 = port.ip.as_deref().is_some_and(|ip| ip.contains(':'));
        (port.private_port, port.public_port, port.typ, is_v6, port.ip.clone())
    };
    ports.sort_by_key(|port| key(port));
    ports.dedup_by(|later, earlier| is_twin(earlier, later));
    ports.into_iter().map(port).collect()
}

/// Whether `v6` says again on `::` what `v4` says on `0.0.0.0` (or is the very same line).
fn is_twin(v4: &PortSummary, v6: &PortSummary) -> bool {
    let same =
        (v4.private_port, v4.public_port, v4.typ) == (v6.private_port, v6.public_port, v6.typ);
    let both_everywhere = v4.ip.as_deref() == Some("0.0.0.0") && v6.ip.as_deref() == Some("::");
    same && (both_everywhere || v4.ip == v6.ip)
}

fn port(port: &PortSummary) -> String {
    let protocol = port.typ.unwrap_or(PortSummaryTypeEnum::TCP);
    let inside = format!("{}/{protocol}", port.private_port);
    match (port.ip.as_deref(), port.public_port) {
        (_, None) => inside,
        (None | Some(""), Some(public)) => format!("{public}->{inside}"),
        (Some(ip), Some(public)) if ip.contains(':') => format!("[{ip}]:{public}->{inside}"),
        (Some(ip), Some(public)) => format!("{ip}:{public}->{inside}"),
    }
}

/// Reads `2026-11-23T17:39:24.5Z`, and Podman's offsets such as `+02:00`, into Unix seconds. A
/// container that never started has the year 1: `None`.
fn unix_seconds(text: &str) -> Option<f64> {
    if let Ok(time) = humantime::parse_rfc3339(text) {
        let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        return Some((seconds * 1000.0).round() / 1000.0);
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let offset_seconds = hours.parse::<f64>().ok()? * 3600.0 + minutes.parse::<f64>().ok()? * 60.0;
    let local_seconds = unix_seconds(&format!("{local}Z"))?;
    match offset.get(..1)? {
        "+" => Some(local_seconds - offset_seconds),
        "-" => Some(local_seconds + offset_seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What Docker 20.10 said about six containers, one in each state.
    fn listed() -> Vec<ContainerSummary> {
        serde_json::from_str(include_str!("fixtures/list.json")).expect("bollard reads it")
    }

    fn details(state: &str, inspected: &str) -> Details {
        let inspected = serde_json::from_str(inspected).expect("bollard reads it");
        Details::of(state.to_owned(), &inspected)
    }

    fn known(name: &str) -> Option<Details> {
        Some(match name {
            "loop" => details("restarting", include_str!("fixtures/inspect-loop.json")),
            "tak-db" => details("running", include_str!("fixtures/inspect-tak-db.json")),
            "done" => details("exited", include_str!("fixtures/inspect-done.json")),
            "fresh" => details("created", include_str!("fixtures/inspect-fresh.json")),
            _ => return None,
        })
    }

    #[test]
    fn every_state_is_told_in_full() {
        let mut containers: Vec<Container> = listed()
            .iter()
            .map(|listed| container(listed, known(&name(listed)).as_ref()))
            .collect();
        sort(&mut containers);
        let lines: Vec<String> = containers
            .iter()
            .map(|container| serde_json::to_string(container).expect("it serialises"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_memory_limit_is_only_the_containers_own() {
        assert!(known("tak-db").is_some_and(|details| details.is_memory_limited()));
        assert!(!known("loop").is_some_and(|details| details.is_memory_limited()));
    }

    fn summary(fields: Value) -> ContainerSummary {
        serde_json::from_value(fields).expect("bollard reads it")
    }

    #[test]
    fn health_is_read_from_the_fresh_sentence() {
        for (state, status, health) in [
            ("running", "Up 3 minutes (healthy)", Some("healthy")),
            ("running", "Up 3 minutes (unhealthy)", Some("unhealthy")),
            ("running", "Up 1 second (health: starting)", Some("starting")),
            ("running", "Up 3 minutes", None),
            ("paused", "Up 3 minutes (Paused)", Some("unhealthy")),
            ("exited", "Exited (0) 3 minutes ago", None),
        ] {
            let listed = summary(json!({"State": state, "Status": status}));
            let container = container(&listed, known("tak-db").as_ref());
            assert_eq!(container.health.as_deref(), health, "{status}");
        }
    }

    #[test]
    fn an_exit_code_is_told_only_where_it_means_something() {
        for (state, code) in [
            ("exited", Some(3)),
            ("dead", Some(3)),
            ("restarting", Some(3)),
            ("running", None),
            ("created", None),
        ] {
            let container = container(&summary(json!({"State": state})), known("done").as_ref());
            assert_eq!(container.exit_code, code, "{state}");
        }
    }

    #[test]
    fn the_exit_code_in_a_restart_loop_is_the_listed_one() {
        let loop_again = details("restarting", r#"{"State": {"ExitCode": 0, "Running": true}}"#);
        let listed =
            summary(json!({"State": "restarting", "Status": "Restarting (5) 1 second ago"}));
        assert_eq!(container(&listed, Some(&loop_again)).exit_code, Some(5));
    }

    #[test]
    fn that_memory_ran_out_is_told_only_when_it_did() {
        for (state, told) in [
            (json!({"OOMKilled": true}), Some(true)),
            (json!({"OOMKilled": false}), None),
            (json!({}), None),
        ] {
            let known = details("exited", &json!({"State": state}).to_string());
            let container = container(&summary(json!({"State": "exited"})), Some(&known));
            assert_eq!(container.oom_killed, told, "{state}");
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
            let listed = summary(json!({"Id": id, "Names": names, "Image": image}));
            let container = container(&listed, None);
            let got = (container.id.as_str(), container.name.as_str(), container.image.as_str());
            assert_eq!(got, ("0123456789ab", name, shown));
        }
    }

    #[test]
    fn a_port_on_both_address_families_is_one_port() {
        let port = |ip: &str, public: u16| json!({"IP": ip, "PrivatePort": 80, "PublicPort": public, "Type": "tcp"});
        for (listed, shown) in [
            (json!([port("::", 1), port("0.0.0.0", 1)]), vec!["0.0.0.0:1->80/tcp"]),
            (
                json!([port("::", 2), port("0.0.0.0", 1)]),
                vec!["0.0.0.0:1->80/tcp", "[::]:2->80/tcp"],
            ),
            (json!([port("::1", 1)]), vec!["[::1]:1->80/tcp"]),
            (json!([port("", 1)]), vec!["1->80/tcp"]),
            (
                json!([{"PrivatePort": 53, "Type": "udp"}, {"PrivatePort": 9, "Type": "tcp"}]),
                vec!["9/tcp", "53/udp"],
            ),
            (json!(null), vec![]),
        ] {
            let container = container(&summary(json!({"Ports": listed})), None);
            assert_eq!(container.ports, shown, "{listed}");
        }
    }

    #[test]
    fn a_time_is_read_with_and_without_an_offset() {
        for (text, seconds) in [
            ("1970-01-01T00:00:01.2345Z", Some(1.235)),
            ("1970-01-01T02:00:01+02:00", Some(1.0)),
            ("1970-01-01T00:00:00-01:30", Some(5400.0)),
            ("0001-01-01T00:00:00Z", None),
            ("", None),
            ("gestern", None),
            ("1970-01-01T00:00:00 02:00", None),
        ] {
            assert_eq!(unix_seconds(text), seconds, "{text}");
        }
    }
}
