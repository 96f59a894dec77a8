//! What is told of one container when somebody looks at it.

use std::collections::HashMap;

use bollard::models::{
    ContainerInspectResponse, EndpointSettings, Health, HealthcheckResult, MountPoint,
    RestartPolicy,
};
use tokio::time::timeout;

use super::super::connect::{Engine, PATIENCE};
use super::super::facts::short_digest;
use super::super::images::digest;
use super::super::timestamp::seconds;
use super::Known;
use crate::containers::{Details, Mount, Network, Probe};

/// Reads them.
pub async fn read(known: Known) -> Details {
    let Known { engine, said, .. } = known;
    let mut details = of(said);
    details.image_digest = image_digest(&engine, &details).await;
    details
}

/// What a registry calls its image. A proxy may hide images, and one that was removed is not there any more.
async fn image_digest(engine: &Engine, details: &Details) -> Option<String> {
    let image = timeout(PATIENCE, engine.docker.inspect_image(&details.image_id));
    digest(&image.await.ok()?.ok()?.repo_digests?, &details.image)
}

fn of(said: ContainerInspectResponse) -> Details {
    let state = said.state.unwrap_or_default();
    let config = said.config.unwrap_or_default();
    let host = said.host_config.unwrap_or_default();
    let mounts = mounts(said.mounts.unwrap_or_default(), host.tmpfs.unwrap_or_default());
    let networks = said.network_settings.and_then(|settings| settings.networks);
    Details {
        id: said.id.unwrap_or_default(),
        name: said.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        state: state.status.map(|status| status.to_string()).unwrap_or_default(),
        image: config.image.unwrap_or_default(),
        image_id: short_digest(&said.image.unwrap_or_default()),
        image_digest: None,
        created_at: said.created.as_deref().and_then(seconds),
        restart_policy: host.restart_policy.and_then(restart_policy),
        network_mode: host.network_mode.filter(|mode| !mode.is_empty()),
        networks: self::networks(networks.unwrap_or_default()),
        mounts_total: mounts.len(),
        mounts: mounts.into_iter().take(Details::MOST_MOUNTS).collect(),
        health_log: state.health.map(health_log).unwrap_or_default(),
    }
}

fn restart_policy(policy: RestartPolicy) -> Option<String> {
    let name = policy.name?.to_string();
    match (name.as_str(), policy.maximum_retry_count) {
        // What Docker has for none.
        ("", _) => Some("no".into()),
        ("on-failure", Some(most)) if most > 0 => Some(format!("on-failure:{most}")),
        _ => Some(name),
    }
}

fn networks(said: HashMap<String, EndpointSettings>) -> Vec<Network> {
    let mut networks: Vec<Network> = said
        .into_iter()
        .map(|(name, endpoint)| {
            let given = |address: Option<String>| address.filter(|address| !address.is_empty());
            let address = given(endpoint.ip_address).or(given(endpoint.global_ipv6_address));
            Network { name, address }
        })
        .collect();
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    networks
}

/// All mounts by their destination; what `--tmpfs` mounts stands in a list of its own.
fn mounts(said: Vec<MountPoint>, tmpfs: HashMap<String, String>) -> Vec<Mount> {
    let in_memory = tmpfs.into_iter().map(|(destination, options)| Mount {
        kind: "tmpfs".into(),
        source: None,
        destination,
        read_only: options.split(',').any(|option| option == "ro"),
    });
    let mut mounts: Vec<Mount> = said.into_iter().map(mount).chain(in_memory).collect();
    mounts.sort_by(|a, b| a.destination.cmp(&b.destination));
    mounts.dedup_by(|later, earlier| later.destination == earlier.destination);
    mounts
}

fn mount(said: MountPoint) -> Mount {
    let kind = said.typ.unwrap_or_default();
    // Where a volume's files are on the host is the engine's business.
    let source = if kind == "volume" { said.name } else { said.source };
    Mount {
        source: source.filter(|source| !source.is_empty()),
        destination: said.destination.unwrap_or_default(),
        read_only: said.rw == Some(false),
        kind,
    }
}

fn health_log(health: Health) -> Vec<Probe> {
    let log = health.log.unwrap_or_default();
    let older = log.len().saturating_sub(Details::MOST_PROBES);
    log.into_iter().skip(older).map(probe).collect()
}

fn probe(said: HealthcheckResult) -> Probe {
    let output = said.output.unwrap_or_default();
    Probe {
        at: said.start.as_deref().and_then(seconds),
        exit_code: said.exit_code,
        output: output.trim_end().chars().take(Details::MOST_OUTPUT_CHARS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn details(said: Value) -> Details {
        of(serde_json::from_value(said).expect("what an engine says"))
    }

    #[test]
    fn what_is_asked_for_is_told_and_no_secret_with_it() {
        let probes: Vec<Value> = (0..7)
            .map(|n| json!({"Start": format!("2026-11-23T17:39:0{n}.5+02:00"), "ExitCode": n, "Output": "x".repeat(2000)}))
            .collect();
        let details = details(json!({
            "Id": "0123456789abcdef", "Name": "/tak-db", "Created": "2026-11-23T17:39:24.5Z",
            "Image": "sha256:abcdefabcdefabcdef",
            "State": {"Status": "running", "Health": {"Status": "healthy", "Log": probes}},
            "Config": {"Image": "postgres:16", "Env": ["PASSWORD=hush"], "Cmd": ["hush"], "Labels": {"a": "hush"}},
            "HostConfig": {"NetworkMode": "tak", "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
                "Tmpfs": {"/run": "rw,size=1m", "/secret": "ro"}},
            "Mounts": [
                {"Type": "volume", "Name": "data", "Source": "/var/lib/docker/volumes/data/_data", "Destination": "/var/lib/data", "RW": true},
                {"Type": "bind", "Source": "/etc/tak", "Destination": "/etc/tak", "RW": false},
                {"Type": "tmpfs", "Source": "", "Destination": "/run", "RW": true},
            ],
            "NetworkSettings": {"Networks": {
                "tak": {"IPAddress": "172.18.0.2"}, "a": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"}, "none": {},
            }},
        }));
        assert!(!serde_json::to_string(&details).expect("JSON").contains("hush"));
        assert_eq!((details.name.as_str(), details.state.as_str()), ("tak-db", "running"));
        assert_eq!(
            (details.image.as_str(), details.image_id.as_str()),
            ("postgres:16", "sha256:abcdefabcdef")
        );
        assert_eq!(details.created_at, Some(1_795_455_564.5));
        assert_eq!(details.restart_policy.as_deref(), Some("on-failure:3"));
        assert_eq!(details.network_mode.as_deref(), Some("tak"));
        let networks: Vec<_> = details
            .networks
            .iter()
            .map(|one| (one.name.as_str(), one.address.as_deref()))
            .collect();
        assert_eq!(networks, [("a", Some("fd00::2")), ("none", None), ("tak", Some("172.18.0.2"))]);
        let mounts: Vec<_> = details
            .mounts
            .iter()
            .map(|one| {
                (one.destination.as_str(), one.kind.as_str(), one.source.as_deref(), one.read_only)
            })
            .collect();
        assert_eq!(
            mounts,
            [
                ("/etc/tak", "bind", Some("/etc/tak"), true),
                ("/run", "tmpfs", None, false),
                ("/secret", "tmpfs", None, true),
                ("/var/lib/data", "volume", Some("data"), false),
            ]
        );
        assert_eq!(details.mounts_total, 4);
        let probes: Vec<_> =
            details.health_log.iter().map(|probe| (probe.exit_code, probe.output.len())).collect();
        assert_eq!(probes, (2..7).map(|n| (Some(n), 1000)).collect::<Vec<_>>());
        assert_eq!(details.health_log[0].at, Some(1_795_448_342.5));
    }

    #[test]
    fn of_many_mounts_the_first_are_told_and_all_are_counted() {
        let mounts: Vec<Value> = (0..1000)
            .map(|n| json!({"Type": "bind", "Destination": format!("/m{n:04}")}))
            .collect();
        let details = details(json!({"Mounts": mounts}));
        assert_eq!((details.mounts.len(), details.mounts_total), (200, 1000));
        assert_eq!(details.mounts[199].destination, "/m0199");
    }
}
