//! Several servers in one report.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Clients, Flavor, Inside, MAX_USERS, Status, TakStatus, User, UserSource};

/// One of several servers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerStatus {
    /// The configured name.
    pub name: String,
    /// As of the whole report, for this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Which server it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavor: Option<Flavor>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Connections of clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// Different users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<u64>,
    /// Its inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Inside>,
    /// The sentence about it.
    pub message: String,
}

impl TakStatus {
    /// One report of several servers: the worst one's status and message, everybody's checks, each by
    /// itself in `servers`. One server alone is reported as it is.
    pub(in crate::collect::tak) fn together(mut reports: Vec<(String, TakStatus)>) -> TakStatus {
        if reports.len() == 1 {
            return reports.remove(0).1;
        }
        let any =
            |of: fn(&TakStatus) -> Option<bool>| reports.iter().filter_map(|(_, r)| of(r)).max();
        let worst = reports.iter().rev().max_by_key(|(_, report)| report.status);
        let mut all = TakStatus {
            status: worst.and_then(|(_, report)| report.status),
            installed: any(|report| report.installed),
            running: any(|report| report.running),
            flavor: reports.iter().find_map(|(_, report)| report.flavor),
            version: reports.iter().find_map(|(_, report)| report.version.clone()),
            message: worst
                .map_or_else(String::new, |(name, report)| format!("{name}: {}", report.message)),
            clients: Clients::together(&reports),
            containers: containers(&reports),
            ..TakStatus::unknown("")
        };
        for (name, report) in reports {
            all.checks.extend(report.checks);
            all.certificates.extend(report.certificates);
            all.servers.push(ServerStatus {
                name,
                status: report.status,
                flavor: report.flavor,
                version: report.version,
                connections: report.clients.as_ref().and_then(|clients| clients.connections),
                distinct: report.clients.as_ref().and_then(|clients| clients.distinct),
                server: report.server,
                message: report.message,
            });
        }
        all
    }
}

/// Those of all servers; known when each server's are.
fn containers(reports: &[(String, TakStatus)]) -> Option<Vec<String>> {
    let each = reports.iter().map(|(_, report)| report.containers.as_ref());
    let all: Vec<&Vec<String>> = each.collect::<Option<_>>()?;
    let all: BTreeSet<&String> = all.into_iter().flatten().collect();
    Some(all.into_iter().cloned().collect())
}

impl Clients {
    /// Those of several servers. A sum is known when all of its parts are.
    fn together(reports: &[(String, TakStatus)]) -> Option<Clients> {
        let each = || reports.iter().map(|(_, report)| report.clients.as_ref());
        let sum = |of: fn(&Clients) -> Option<u64>| each().map(|clients| of(clients?)).sum();
        let mut all = Clients {
            connections: sum(|clients| clients.connections),
            distinct: sum(|clients| clients.distinct),
            ..Clients::default()
        };
        let mut messages = Vec::new();
        for (name, report) in reports {
            let Some(clients) = &report.clients else { continue };
            let server = || Some(name.clone());
            if let Some(list) = &clients.list {
                let known = all.list.get_or_insert_default();
                known.extend(list.iter().map(|user| User { server: server(), ..user.clone() }));
                known.truncate(MAX_USERS);
            }
            let sources = clients.sources.iter();
            all.sources.extend(sources.map(|one| UserSource { server: server(), ..one.clone() }));
            messages.extend(clients.message.iter().map(|message| format!("{name}: {message}")));
        }
        all.message = (!messages.is_empty()).then(|| messages.join(" "));
        each().any(|clients| clients.is_some()).then_some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tak::report::{Check, CheckName};

    fn report(status: Status, running: bool, connections: Option<u64>) -> TakStatus {
        let check = Check {
            server: None,
            name: CheckName::ClientCertificate,
            target: "t".into(),
            ok: None,
            latency_ms: None,
            message: "m".into(),
        };
        let user = User { callsign: Some("ALPHA".into()), ..User::default() };
        let list = connections.map(|_| vec![user]);
        TakStatus {
            status: Some(status),
            running: Some(running),
            checks: vec![check],
            clients: Some(Clients { connections, list, ..Clients::default() }),
            server: Some(Inside { uptime_seconds: Some(5.0), ..Inside::default() }),
            message: "So it is.".into(),
            ..TakStatus::unknown("")
        }
    }

    fn together(last: Option<u64>) -> TakStatus {
        TakStatus::together(vec![
            ("a".into(), report(Status::Healthy, true, Some(2))),
            ("b".into(), report(Status::Down, false, Some(0))),
            ("c".into(), report(Status::Down, true, last)),
        ])
    }

    #[test]
    fn of_several_servers_the_worst_is_told() {
        let together = together(Some(1));
        assert_eq!(together.status, Some(Status::Down));
        assert_eq!(together.message, "b: So it is.");
        assert_eq!(together.running, Some(true));
        assert_eq!(together.checks.len(), 3);
        assert_eq!(together.server, None, "it is told for each by itself");
        let each: Vec<_> = together
            .servers
            .iter()
            .map(|one| (one.name.as_str(), one.status, one.server.is_some()))
            .collect();
        let (healthy, down) = (Some(Status::Healthy), Some(Status::Down));
        assert_eq!(each, [("a", healthy, true), ("b", down, true), ("c", down, true)]);
    }

    #[test]
    fn the_containers_of_several_servers_are_known_when_each_ones_are() {
        let report = |ids: Option<&[&str]>| TakStatus {
            containers: ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()),
            ..TakStatus::unknown("")
        };
        let together = |all: &[Option<&[&str]>]| {
            let reports = all.iter().map(|ids| ("a".to_owned(), report(*ids)));
            TakStatus::together(reports.collect()).containers
        };
        let known = together(&[Some(&["b", "a"]), Some(&[]), Some(&["a"])]);
        assert_eq!(known, Some(vec!["a".to_owned(), "b".into()]));
        assert_eq!(together(&[Some(&["a"]), None]), None);
    }

    #[test]
    fn a_sum_of_clients_is_known_when_all_of_its_parts_are() {
        let clients = together(Some(1)).clients.expect("clients");
        assert_eq!(clients.connections, Some(3));
        let servers: Vec<_> = clients.list.iter().flatten().map(|user| &user.server).collect();
        assert_eq!(servers, [&Some("a".to_owned()), &Some("b".into()), &Some("c".into())]);
        let clients = together(None).clients.expect("clients");
        assert_eq!(clients.connections, None);
        assert_eq!(clients.list.map(|list| list.len()), Some(2));
        let unknown = || TakStatus::unknown("");
        let nobody = TakStatus::together(vec![("a".into(), unknown()), ("b".into(), unknown())]);
        assert_eq!(nobody.clients, None);
    }
}
