//! Which ports are looked at, and what is expected of them: from the configuration, or from what
//! the machine shows.
//!
//! Architecture invariant: pure; it neither reads files nor connects.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::collect::tak::presence::{Component, TakProcess};
use crate::config::TakServerConfig;

/// A port to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A name or an address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// What it should speak.
    pub role: Role,
    /// Whether it belongs to the TAK server for certain (configured, listened to by its process, or
    /// seen answering). Others are reported only if their answers identify a TAK server: 8080 and
    /// 8443 are popular.
    pub expected: bool,
    /// Whether it has answered a CoT ping since takpulse started: then its silence means something.
    pub answered: bool,
}

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// CoT, plain.
    CotTcp,
    /// CoT over TLS.
    CotTls,
    /// The Marti API over HTTP.
    Http,
    /// The Marti API over HTTPS.
    Https,
    /// CoT, with or without TLS: to be found out.
    UnclearCot,
    /// The Marti API, with or without TLS: to be found out.
    UnclearApi,
}

impl Role {
    /// Whether TAK clients connect to it.
    pub fn is_cot(self) -> bool {
        matches!(self, Role::CotTcp | Role::CotTls | Role::UnclearCot)
    }

    /// Whether TLS is spoken on it; false while unclear.
    pub fn is_tls(self) -> bool {
        matches!(self, Role::CotTls | Role::Https)
    }
}

/// The customary ports.
const CUSTOMARY: [(u16, Role); 5] = [
    (8087, Role::CotTcp),
    (8088, Role::CotTcp),
    (8089, Role::CotTls),
    (8080, Role::Http),
    (8443, Role::Https),
];

impl Target {
    fn new(host: impl ToString, port: u16, role: Role, expected: bool) -> Target {
        Target { host: host.to_string(), port, role, expected, answered: false }
    }

    /// Whether it is the same port, whatever it speaks.
    pub fn is_same(&self, other: &Target) -> bool {
        self.port == other.port && self.host == other.host
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What the configuration names.
pub fn configured(server: &TakServerConfig) -> Vec<Target> {
    let ports = [
        (server.cot_port, Role::CotTcp),
        (server.cot_tls_port, Role::CotTls),
        (server.http_port, Role::Http),
        (server.https_port, Role::Https),
    ];
    ports
        .into_iter()
        .filter_map(|(port, role)| Some(Target::new(&server.host, port?, role, true)))
        .collect()
}

/// The customary ports, which somebody else may own.
pub fn customary(host: &str) -> Vec<Target> {
    CUSTOMARY.iter().map(|(port, role)| Target::new(host, *port, *role, false)).collect()
}

/// What the processes listen on; where that is not to be seen (a container, another user), the
/// customary ports on loopback. No process at all: those too, for a server out of sight.
pub fn discovered(processes: &[TakProcess]) -> Vec<Target> {
    let mut targets: Vec<Target> = processes.iter().flat_map(listened).collect();
    if processes.iter().all(|process| process.listeners.is_none()) {
        targets.extend(customary("127.0.0.1"));
    }
    targets
}

fn listened(process: &TakProcess) -> Vec<Target> {
    let role = |address: &SocketAddr| role_of(process.component, address.port());
    process
        .listeners
        .iter()
        .flatten()
        .filter_map(|at| Some(Target::new(at.ip(), at.port(), role(at)?, true)))
        .collect()
}

/// What a component speaks on a port. Only taky's ports are all probed: it has one or two and they
/// are freely chosen. The others listen on internal ports too (Ignite, federation, REST), which
/// must not be fed with CoT.
fn role_of(component: Component, port: u16) -> Option<Role> {
    match component {
        Component::TakyCot => Some(Role::UnclearCot),
        Component::TakyDps => Some(Role::UnclearApi),
        Component::OtsServer if port == 8081 => Some(Role::Http),
        _ => CUSTOMARY.iter().find_map(|(customary, role)| (*customary == port).then_some(*role)),
    }
}

/// Adds targets to a list. The same port is looked at once; an expectation outweighs a guess, and
/// a role that was found out outweighs an unclear one.
pub fn merge(into: &mut Vec<Target>, more: Vec<Target>) {
    for target in more {
        let same = into.iter_mut().find(|known| known.is_same(&target));
        match same {
            None => into.push(target),
            Some(known) => {
                known.expected |= target.expected;
                known.answered |= target.answered;
                if matches!(known.role, Role::UnclearCot | Role::UnclearApi) {
                    known.role = target.role;
                }
            }
        }
    }
}

/// Whether a host name means this machine, so that its processes can be seen here.
pub fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Which of the machine's processes serve these targets: those that listen on one of their ports,
/// else those whose ports are not to be seen.
pub fn serving(targets: &[Target], processes: &[TakProcess]) -> Vec<TakProcess> {
    let serves = |process: &&TakProcess| {
        process.listeners.iter().flatten().any(|listener| {
            targets
                .iter()
                .any(|target| target.port == listener.port() && same_host(target, listener))
        })
    };
    let owners: Vec<_> = processes.iter().filter(serves).cloned().collect();
    if !owners.is_empty() {
        return owners;
    }
    processes.iter().filter(|process| process.listeners.is_none()).cloned().collect()
}

/// `localhost` is any loopback address; a listener on every address reads as 127.0.0.1.
fn same_host(target: &Target, listener: &SocketAddr) -> bool {
    let everywhere = listener.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST);
    target.host == listener.ip().to_string() || (everywhere && is_local(&target.host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tak::presence::Placement;

    fn process(component: Component, listeners: Option<&[&str]>) -> TakProcess {
        TakProcess {
            pid: 7,
            component,
            suspended: false,
            placement: Placement::default(),
            listeners: listeners
                .map(|all| all.iter().map(|text| text.parse().expect("an address")).collect()),
        }
    }

    fn shown(targets: &[Target]) -> Vec<String> {
        let show = |t: &Target| {
            let sure = if t.expected { "" } else { "?" };
            format!("{} {:?}{sure}", t.address(), t.role)
        };
        targets.iter().map(show).collect()
    }

    #[test]
    fn processes_tell_which_ports_are_looked_at() {
        let guessed = [
            "127.0.0.1:8087 CotTcp?",
            "127.0.0.1:8088 CotTcp?",
            "127.0.0.1:8089 CotTls?",
            "127.0.0.1:8080 Http?",
            "127.0.0.1:8443 Https?",
        ];
        let cases: [(Vec<TakProcess>, Vec<&str>); 5] = [
            (vec![], guessed.into()),
            (vec![process(Component::TakMessaging, None)], guessed.into()),
            (
                vec![
                    process(Component::TakyCot, Some(&["127.0.0.1:28087"])),
                    process(Component::TakyDps, Some(&["[fd00::1]:8080"])),
                ],
                vec!["127.0.0.1:28087 UnclearCot", "[fd00::1]:8080 UnclearApi"],
            ),
            (
                vec![process(
                    Component::TakMessaging,
                    Some(&["127.0.0.1:8089", "127.0.0.1:47100", "127.0.0.1:9001"]),
                )],
                vec!["127.0.0.1:8089 CotTls"],
            ),
            (
                vec![process(Component::OtsServer, Some(&["127.0.0.1:8081"]))],
                vec!["127.0.0.1:8081 Http"],
            ),
        ];
        for (processes, want) in cases {
            assert_eq!(shown(&discovered(&processes)), want, "{processes:?}");
        }
    }

    #[test]
    fn a_port_is_looked_at_once_and_knowledge_is_kept() {
        let mut targets = vec![
            Target::new("127.0.0.1", 8087, Role::UnclearCot, true),
            Target::new("127.0.0.1", 8443, Role::Https, false),
        ];
        merge(
            &mut targets,
            vec![
                Target::new("127.0.0.1", 8087, Role::CotTcp, false),
                Target::new("127.0.0.1", 8443, Role::Https, true),
                Target::new("::1", 8087, Role::CotTcp, true),
            ],
        );
        assert_eq!(
            shown(&targets),
            ["127.0.0.1:8087 CotTcp", "127.0.0.1:8443 Https", "[::1]:8087 CotTcp"]
        );
    }

    #[test]
    fn a_configured_server_is_served_by_the_process_on_its_ports() {
        let targets = [Target::new("localhost", 18087, Role::CotTcp, true)];
        let other = process(Component::TakyCot, Some(&["127.0.0.1:28087"]));
        let own = process(Component::TakyCot, Some(&["127.0.0.1:18087"]));
        let hidden = process(Component::TakyCot, None);
        assert_eq!(serving(&targets, &[other.clone(), own.clone()]), [own]);
        assert_eq!(serving(&targets, &[other.clone(), hidden.clone()]), [hidden]);
        assert_eq!(serving(&targets, &[other]), []);
    }
}
