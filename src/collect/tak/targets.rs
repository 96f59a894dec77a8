//! Which ports are looked at, and what is expected of them: from the configuration, or from what
//! the machine shows.
//!
//! Architecture invariant: pure; it neither reads files nor connects.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::collect::tak::presence::{Component, Listener, Network, TakProcess};
use crate::collect::tak::report::Flavor;
use crate::collect::tak::settings::{SetPort, Settings};
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

/// What the server's own configuration names, for a server in takpulse's network or on `host`. A port
/// that is bound to one address is asked there.
pub fn from_settings(host: &str, settings: &Settings) -> Vec<Target> {
    let target = |set: &SetPort| {
        let host = set.address.map_or_else(|| host.to_owned(), |ip| ip.to_string());
        Some(Target::new(host, set.port, set.role?, set.expected))
    };
    settings.ports.iter().filter_map(target).collect()
}

/// What the processes listen on, and what the server's `settings` name beside it. Where neither is to
/// be seen (a container, another user), the customary ports on loopback. No process at all: those too,
/// for a server out of sight.
pub fn discovered(processes: &[TakProcess], settings: Option<&Settings>) -> Vec<Target> {
    let mut targets: Vec<Target> =
        processes.iter().flat_map(|process| listened(process, settings)).collect();
    let hidden = processes.iter().all(|process| process.listeners.is_none());
    match settings {
        Some(settings) if !settings.ports.is_empty() => {
            merge(&mut targets, silent(processes, settings));
        }
        _ if hidden => targets.extend(customary("127.0.0.1")),
        _ => {}
    }
    targets
}

/// The ports that the settings name, but nothing that is seen listens on: they are missed.
fn silent(processes: &[TakProcess], settings: &Settings) -> Vec<Target> {
    let listened = |set: &SetPort| {
        let mut listeners = processes.iter().flat_map(|process| process.listeners.iter().flatten());
        listeners.any(|listener| listener.inside == set.port)
    };
    let silent = settings.ports.iter().filter(|set| !listened(set)).cloned().collect();
    let silent = Settings { ports: silent, ..Settings::default() };
    match processes.iter().map(|process| &process.network).find(|network| network.is_own()) {
        Some(network) if settings.own_network => within(network, &silent),
        _ => from_settings("127.0.0.1", &silent),
    }
}

/// Of the settings of a server in a network of its own: what a way leads to.
fn within(network: &Network, settings: &Settings) -> Vec<Target> {
    let is_loopback = |set: &SetPort| set.address.is_some_and(|ip| ip.is_loopback());
    let target = |set: &SetPort| {
        let at = network.outside(set.port)?;
        Some(Target::new(at.ip(), at.port(), set.role?, set.expected))
    };
    settings.ports.iter().filter(|set| !is_loopback(set)).filter_map(target).collect()
}

fn listened(process: &TakProcess, settings: Option<&Settings>) -> Vec<Target> {
    let target = |listener: &Listener| {
        let role = role_by(process, listener, settings)?;
        Some(Target::new(listener.at.ip(), listener.at.port(), role, true))
    };
    process.listeners.iter().flatten().filter_map(target).collect()
}

/// What a process speaks where it listens: its settings know, or else what it is.
fn role_by(process: &TakProcess, listener: &Listener, settings: Option<&Settings>) -> Option<Role> {
    let ports = settings.map_or(&[][..], |settings| &settings.ports);
    match ports.iter().find(|set| set.port == listener.inside) {
        // It may be named for another use than the customary one, or for none of ours.
        Some(set) => set.role,
        None => role_of(process.component, listener),
    }
}

/// On which ports clients connect to this process, as they are where it is.
pub fn cot_ports(process: &TakProcess, settings: Option<&Settings>) -> Vec<u16> {
    let role = |listener: &Listener| role_by(process, listener, settings);
    let listeners = process.listeners.iter().flatten();
    let ports = listeners.filter(|listener| role(listener).is_some_and(Role::is_cot));
    ports.map(|listener| listener.inside).collect()
}

/// What a component speaks on a port. Only taky's ports are all probed: it has one or two and they
/// are freely chosen. The others listen on internal ports too (Ignite, federation, REST), which
/// must not be fed with CoT.
fn role_of(component: Component, listener: &Listener) -> Option<Role> {
    let port = listener.inside;
    match component {
        Component::TakyCot if listener.own => Some(Role::UnclearCot),
        Component::TakyDps if listener.own => Some(Role::UnclearApi),
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
/// else those whose ports are not to be seen, as long as they are of one kind of server. With the
/// owners of ports comes the rest of their server: what parses, stores and passes on behind them.
pub fn serving(targets: &[Target], processes: &[TakProcess]) -> Vec<TakProcess> {
    let serves = |process: &&TakProcess| {
        process.listeners.iter().flatten().any(|listener| {
            let at = listener.at;
            targets.iter().any(|target| target.port == at.port() && same_host(target, &at))
        })
    };
    let owners = processes.iter().filter(serves).map(|owner| owner.component.flavor());
    // taky's sites are several on a machine, each of one or two processes that listen.
    let whole: HashSet<_> = owners.filter(|flavor| *flavor != Flavor::Taky).collect();
    let belongs = |one: &&TakProcess| serves(one) || whole.contains(&one.component.flavor());
    let owners: Vec<_> = processes.iter().filter(belongs).cloned().collect();
    if !owners.is_empty() {
        return owners;
    }
    let unseen: Vec<_> = processes.iter().filter(|one| one.listeners.is_none()).cloned().collect();
    let flavors: HashSet<_> = unseen.iter().map(|one| one.component.flavor()).collect();
    // Of several servers out of sight nobody knows which one it is.
    if flavors.len() > 1 { Vec::new() } else { unseen }
}

/// `localhost` is any loopback address; a listener on every address reads as 127.0.0.1.
fn same_host(target: &Target, listener: &SocketAddr) -> bool {
    let everywhere = listener.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST);
    target.host == listener.ip().to_string() || (everywhere && is_local(&target.host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(text: &str) -> Listener {
        let at: SocketAddr = text.parse().expect("an address");
        Listener { at, inside: at.port(), own: true }
    }

    fn process(component: Component, listeners: Option<&[&str]>) -> TakProcess {
        let listeners = listeners.map(|all| all.iter().map(|text| listener(text)).collect());
        TakProcess { listeners, ..TakProcess::new(7, component) }
    }

    fn settings(ports: &[(u16, Option<Role>, &str, bool)]) -> Settings {
        let set = |(port, role, address, expected): &(u16, Option<Role>, &str, bool)| SetPort {
            port: *port,
            address: address.parse().ok(),
            role: *role,
            expected: *expected,
            connectionless: false,
            name: "x".into(),
        };
        Settings { ports: ports.iter().map(set).collect(), ..Settings::default() }
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
            assert_eq!(shown(&discovered(&processes, None)), want, "{processes:?}");
        }
    }

    #[test]
    fn the_servers_own_configuration_tells_what_its_ports_speak() {
        use Role::{CotTcp, CotTls, Https};
        let all = settings(&[
            (8089, None, "", true),
            (8999, Some(CotTls), "", true),
            (8087, Some(CotTcp), "10.0.0.1", true),
            (8443, Some(Https), "", false),
        ]);
        assert_eq!(
            shown(&from_settings("tak.local", &all)),
            ["tak.local:8999 CotTls", "10.0.0.1:8087 CotTcp", "tak.local:8443 Https?"]
        );
        // What listens is asked as it is named there, and what does not is missed.
        let seen = process(Component::TakMessaging, Some(&["127.0.0.1:8089", "127.0.0.1:8999"]));
        let hidden = process(Component::TakMessaging, None);
        let missed = ["10.0.0.1:8087 CotTcp", "127.0.0.1:8443 Https?"];
        let want = [&["127.0.0.1:8999 CotTls"][..], &missed].concat();
        assert_eq!(shown(&discovered(&[seen], Some(&all))), want);
        assert_eq!(shown(&discovered(&[hidden], Some(&all))), want);
        assert_eq!(shown(&discovered(&[], Some(&all))), want);
        assert_eq!(shown(&discovered(&[], Some(&Settings::default()))).len(), 5);
        // A port that was bound elsewhere than it is named is not missed there.
        let moved = process(Component::TakMessaging, Some(&["10.0.0.2:8087"]));
        let targets = discovered(&[moved], Some(&settings(&[(8087, Some(CotTcp), "", true)])));
        assert_eq!(shown(&targets), ["10.0.0.2:8087 CotTcp"]);
    }

    #[test]
    fn a_container_is_asked_where_its_ports_are_reached() {
        let proxy = "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 18089 \
            -container-ip 172.17.0.2 -container-port 8089"
            .replace(" ", "\0");
        let inside = Network::made_up(&[[172, 17, 0, 2]], &[proxy.as_bytes()]);
        let at = |text: &str, inside, own| Listener { inside, own, ..listener(text) };
        let contained = |component, listeners| TakProcess {
            network: inside.clone(),
            listeners: Some(listeners),
            ..TakProcess::new(7, component)
        };
        let tak = contained(Component::TakMessaging, vec![at("127.0.0.1:18089", 8089, true)]);
        assert_eq!(
            shown(&discovered(std::slice::from_ref(&tak), None)),
            ["127.0.0.1:18089 CotTls"]
        );
        let mut all = settings(&[
            (8089, Some(Role::CotTls), "", true),
            (8443, Some(Role::Https), "", true),
            (8081, Some(Role::Http), "127.0.0.1", true),
        ]);
        all.own_network = true;
        assert_eq!(
            shown(&discovered(&[tak], Some(&all))),
            ["127.0.0.1:18089 CotTls", "172.17.0.2:8443 Https"]
        );
        // Of a network's ports it is not known which are taky's.
        let taky = vec![at("172.17.0.2:5000", 5000, false), at("172.17.0.2:8087", 8087, false)];
        let taky = contained(Component::TakyCot, taky);
        assert_eq!(shown(&discovered(&[taky], None)), ["172.17.0.2:8087 CotTcp"]);
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
        let shy = [hidden.clone()];
        assert_eq!(serving(&targets, &[other.clone(), hidden.clone()]), shy);
        assert_eq!(serving(&targets, &[other]), []);
        let official = process(Component::TakMessaging, None);
        let dps = process(Component::TakyDps, None);
        assert_eq!(serving(&targets, &[hidden.clone(), dps.clone()]), [hidden.clone(), dps]);
        assert_eq!(serving(&targets, &[hidden, official]), [], "it may be either");
        let ots = process(Component::OtsEudHandler, Some(&["127.0.0.1:18087"]));
        let parser = process(Component::OtsCotParser, Some(&[]));
        let all = [ots, parser, process(Component::OtsEudHandlerUdp, Some(&[]))];
        assert_eq!(serving(&targets, &all), all);
    }
}
