//! What can be seen of the servers without asking them: processes, their configuration, certificate
//! files, logs and connections.
//!
//! Everything here blocks: it runs where that is allowed, on a copy of what was known, and its result
//! takes that one's place when the round goes on.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::certificate::Sighting;
use super::checks::tls::{IdentityCache, Outcome};
use super::files::Files;
use super::logs::Logs;
use super::presence::{self, Peer, Presence, TakProcess};
use super::report::{CertificateRole, Flavor};
use super::settings::{Place, Reading, Settings};
use super::targets::{self, Role, Target};
use crate::config::{HostConfig, Secret, TakServerConfig};
use crate::keystore::CUSTOMARY_PASSWORD;

/// Where the official server's package puts its certificates.
const CERTIFICATE_FOLDER: &str = "opt/tak/certs/files";

/// Where a container's services are is looked for this seldom while its processes stay the same: it
/// means listing all of its connections.
const RESOLVED_KEPT: Duration = Duration::from_secs(60);

/// The ports that make one think of the official server.
const OFFICIAL_PORTS: [u16; 2] = [8089, 8443];

/// What is seen of all of them.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The machine.
    pub presence: Arc<Presence>,
    /// Each server, in the order of the configuration.
    pub servers: Vec<Sight>,
}

/// What is seen of one server.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// The machine's processes that serve it.
    pub processes: Vec<TakProcess>,
    /// Its own configuration.
    pub reading: Reading,
    /// Its ports, as the machine and the two configurations tell.
    pub targets: Vec<Target>,
    /// takpulse's client certificate for it.
    pub identity: Option<Outcome>,
    /// Certificates in files.
    pub files: Arc<Files>,
    /// Its logs.
    pub logs: Arc<Logs>,
    /// Who is connected to its CoT ports; absent: not to be seen.
    pub peers: Option<Vec<Peer>>,
    /// The sockets of its processes when these were listed.
    sockets: Option<Vec<BTreeSet<u64>>>,
    /// Where its database is asked.
    pub database: Option<(String, u16)>,
    /// Where its message broker is asked.
    pub broker: Option<(String, u16)>,
    /// The containers (12 digits of each id) that these two are in.
    pub containers: Vec<String>,
    /// When the connections of containers were last looked through for them, and for whom.
    resolved: Option<(Instant, Vec<u32>)>,
    /// The certificates that vouch for the server, in DER.
    vouching: Arc<Vec<Vec<u8>>>,
    identities: IdentityCache,
}

impl Survey {
    /// Looks at the machine, and from there at each server. `now` is in Unix seconds. Blocks.
    pub fn make(
        host: &HostConfig,
        configs: &[Option<TakServerConfig>],
        last: &Survey,
        now: f64,
    ) -> Survey {
        let presence = Presence::read(host, &last.presence);
        let none = Sight::default();
        let servers = configs.iter().enumerate().map(|(at, config)| {
            let last = last.servers.get(at).unwrap_or(&none);
            Sight::of(host, config.as_ref(), &presence, last, now)
        });
        let servers = servers.collect();
        Survey { presence: Arc::new(presence), servers }
    }
}

impl Sight {
    fn of(
        host: &HostConfig,
        config: Option<&TakServerConfig>,
        presence: &Presence,
        last: &Sight,
        now: f64,
    ) -> Sight {
        let mut sight = Sight {
            identities: last.identities.clone(),
            processes: processes(config, presence),
            ..Sight::default()
        };
        let is_local = config.is_none_or(TakServerConfig::is_local);
        let opt_tak = is_local && presence.opt_tak && may_be_official(config, &sight.processes);
        if is_local {
            sight.reading = Reading::read(host, &sight.processes, opt_tak, &last.reading);
        }
        let settings = sight.settings();
        sight.targets = match config {
            Some(config) if !config.finds_ports() => targets::configured(config),
            _ => targets::discovered(&sight.processes, settings.as_deref()),
        };
        if let Some(settings) = &settings {
            sight.resolve(host, settings, last, Instant::now());
            sight.logs = Arc::new(Logs::read(&settings.logs, &last.logs, now));
        }
        let places = places(host, config, settings.as_deref(), opt_tak);
        sight.files = Arc::new(Files::read(&last.files, &places));
        sight.vouching = Arc::new(vouching(&sight.files, config));
        sight.sockets = sight.sockets(host);
        // The kernel walks its whole table of connections for the list.
        sight.peers = match &sight.sockets {
            Some(_) if sight.sockets == last.sockets && last.peers.is_some() => last.peers.clone(),
            _ => sight.peers(host),
        };
        sight.identity = config.and_then(|config| sight.identities.get(config));
        sight
    }

    /// Its own configuration, where it could be read.
    pub fn settings(&self) -> Option<Arc<Settings>> {
        self.reading.settings.as_ref()?.as_ref().ok().cloned()
    }

    /// When the processes that clients connect to were started, in Unix seconds.
    pub fn starts(&self) -> impl Iterator<Item = f64> {
        let serving = self.processes.iter().filter(|process| process.component.serves_cot());
        serving.filter_map(|process| process.started)
    }

    /// The certificates of authorities in its files, in DER: whose server may be told a password.
    pub fn vouching(&self) -> Arc<Vec<Vec<u8>>> {
        self.vouching.clone()
    }

    /// The sockets of the processes that serve CoT, where all of them are to be seen.
    fn sockets(&self, host: &HostConfig) -> Option<Vec<BTreeSet<u64>>> {
        let serving = self.processes.iter().filter(|one| one.component.serves_cot());
        serving.map(|process| presence::own_sockets(&host.proc, process)).collect()
    }

    /// Everybody who is connected to a CoT port, in each network that serves one. `None`: one of them
    /// is not to be seen.
    fn peers(&self, host: &HostConfig) -> Option<Vec<Peer>> {
        let settings = self.settings();
        let settings = settings.as_deref();
        // A worker may listen for the process that is seen.
        let named = settings.iter().flat_map(|settings| &settings.ports);
        let named = named.filter(|port| port.role.is_some_and(Role::is_cot)).map(|set| set.port);
        let named: Vec<u16> = named.collect();
        // The processes in one network share its sockets.
        let mut networks: BTreeMap<_, (u32, Vec<u16>)> = BTreeMap::new();
        for process in self.processes.iter().filter(|one| one.component.serves_cot()) {
            let network = presence::network(&host.proc, process.pid)?;
            let (_, ports) =
                networks.entry(network).or_insert_with(|| (process.pid, named.clone()));
            ports.extend(targets::cot_ports(process, settings));
        }
        let seen = |(pid, ports): &(u32, Vec<u16>)| match ports[..] {
            [] => None,
            _ => presence::connections(&host.proc, *pid, ports),
        };
        let all: Vec<_> = networks.values().map(seen).collect::<Option<_>>()?;
        (!all.is_empty()).then(|| all.concat())
    }

    /// Finds where the services of the server are reached from here.
    fn resolve(&mut self, host: &HostConfig, settings: &Settings, last: &Sight, now: Instant) {
        let pids: Vec<u32> = self.processes.iter().map(|process| process.pid).collect();
        let known = last
            .resolved
            .as_ref()
            .filter(|(at, of)| *of == pids && now.saturating_duration_since(*at) < RESOLVED_KEPT);
        let find = |named: &Option<(String, u16)>, last: &Option<(String, u16)>| {
            let (name, port) = named.as_ref()?;
            let is_everywhere_the_same = name.parse().is_ok_and(|ip: IpAddr| !ip.is_loopback());
            if !settings.own_network || is_everywhere_the_same {
                return named.clone();
            }
            let reached = if known.is_none() { self.reached(host, *port) } else { None };
            let reached = reached.map(|end| (end.ip().to_string(), end.port()));
            reached.or_else(|| last.clone().filter(|(_, known)| known == port))
        };
        let database = find(&settings.database, &last.database);
        let broker = find(&settings.broker, &last.broker);
        self.containers = match known {
            Some(_) => last.containers.clone(),
            None => {
                let places = [&database, &broker].into_iter().flatten();
                let places = places.filter_map(|(name, port)| presence::place(name, *port));
                presence::containers_at(&host.proc, &places.collect::<Vec<_>>())
            }
        };
        (self.database, self.broker) = (database, broker);
        self.resolved = known.cloned().or(Some((now, pids)));
    }

    /// Where the server's containers are connected to a port elsewhere. In a network of its own a name
    /// means something only there: the connections that the server has tell.
    fn reached(&self, host: &HostConfig, port: u16) -> Option<SocketAddr> {
        let mut seen = HashSet::new();
        let contained = self.processes.iter().filter(|process| process.network.is_own());
        contained
            .filter(|one| presence::network(&host.proc, one.pid).is_none_or(|at| seen.insert(at)))
            .flat_map(|one| presence::outgoing(&host.proc, one.pid, port).unwrap_or_default())
            .find(|end| !end.ip().is_loopback())
    }
}

/// The authorities that vouch for the server: those of its truststores, and those in files that
/// takpulse's configuration names.
fn vouching(files: &Files, config: Option<&TakServerConfig>) -> Vec<Vec<u8>> {
    let named = || config.iter().flat_map(|config| &config.certificates);
    let is_named = |one: &&Sighting| {
        let source = Path::new(&one.source);
        // In a folder the truststores are known, and that for other servers does not count.
        let is_other = one.role != CertificateRole::Truststore;
        named().any(|path| source == path || (is_other && source.starts_with(path)))
    };
    let found = files.truststores().chain(files.sightings().iter().filter(is_named));
    let mut known = HashSet::new();
    found
        .map(|one| &one.certificate)
        .filter(|certificate| certificate.is_authority && known.insert(&certificate.digest))
        .map(|certificate| certificate.der.clone())
        .collect()
}

/// Whether what is in `/opt/tak` may be this server's: the official server's.
fn may_be_official(config: Option<&TakServerConfig>, processes: &[TakProcess]) -> bool {
    if !processes.is_empty() {
        return processes.iter().any(|one| one.component.flavor() == Flavor::TakServer);
    }
    config.is_none_or(|config| {
        let ports = targets::configured(config);
        config.finds_ports() || ports.iter().any(|one| OFFICIAL_PORTS.contains(&one.port))
    })
}

/// The machine's processes that serve this server.
fn processes(config: Option<&TakServerConfig>, presence: &Presence) -> Vec<TakProcess> {
    match config {
        Some(config) if !config.is_local() => Vec::new(),
        Some(config) if !config.finds_ports() => {
            targets::serving(&targets::configured(config), &presence.processes)
        }
        _ => presence.processes.clone(),
    }
}

/// Where certificates are looked for.
fn places(
    host: &HostConfig,
    config: Option<&TakServerConfig>,
    settings: Option<&Settings>,
    opt_tak: bool,
) -> Vec<Place> {
    let mut places = settings.map_or_else(Vec::new, |settings| settings.places.clone());
    if settings.is_none() && opt_tak {
        places.push(Place {
            path: host.root.join(CERTIFICATE_FOLDER),
            shown: format!("/{CERTIFICATE_FOLDER}"),
            role: CertificateRole::File,
            passwords: Vec::new(),
        });
    }
    let named = |path: &PathBuf| Place {
        path: path.clone(),
        shown: path.display().to_string(),
        role: CertificateRole::File,
        passwords: config.and_then(|config| config.client_password.clone()).into_iter().collect(),
    };
    places.extend(config.iter().flat_map(|config| &config.certificates).map(named));
    for place in &mut places {
        let customary = Secret::new(CUSTOMARY_PASSWORD.to_owned());
        if !place.passwords.contains(&customary) {
            place.passwords.push(customary);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

    use super::*;
    use crate::collect::tak::presence::{Component, Network};
    use crate::collect::tak::settings::SetPort;

    /// A machine's files, made up.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Machine {
            Machine(tempfile::tempdir().expect("a directory"))
        }

        /// A process in a network of its own with such lines in its table of connections.
        fn process(&self, pid: u32, component: Component, lines: &[&str]) -> TakProcess {
            let net = self.0.path().join(format!("proc/{pid}/net"));
            fs::create_dir_all(&net).expect("directories");
            fs::write(net.join("tcp"), lines.concat()).expect("a table");
            TakProcess { network: Network::made_up(&[], &[]), ..TakProcess::new(pid, component) }
        }

        /// Another one in the same network.
        fn beside(&self, pid: u32, component: Component, other: u32) -> TakProcess {
            let process = self.process(pid, component, &[]);
            let table = |pid| self.0.path().join(format!("proc/{pid}/net/tcp"));
            fs::remove_file(table(pid)).expect("removed");
            fs::hard_link(table(other), table(pid)).expect("linked");
            process
        }

        fn host(&self) -> HostConfig {
            let root = self.0.path();
            HostConfig { proc: root.join("proc"), sys: root.join("sys"), root: root.into() }
        }
    }

    fn settings(text: &str) -> Sight {
        let port = |port: &str| SetPort {
            port: port.parse().expect("a port"),
            address: None,
            role: Some(Role::CotTls),
            expected: true,
            connectionless: false,
            name: String::new(),
        };
        let ports = text.split_terminator(' ').map(port).collect();
        let mut sight = Sight::default();
        sight.reading.settings = Some(Ok(Arc::new(Settings { ports, ..Settings::default() })));
        sight
    }

    fn authority(name: &str) -> rcgen::Certificate {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate")
    }

    fn configured(certificates: &[&Path]) -> TakServerConfig {
        TakServerConfig {
            name: "tak".into(),
            host: "localhost".into(),
            cot_port: None,
            cot_tls_port: None,
            http_port: None,
            https_port: None,
            client_certificate: None,
            client_key: None,
            client_password: None,
            certificates: certificates.iter().map(|path| path.to_path_buf()).collect(),
            api_login: None,
            canary: false,
        }
    }

    // 8088 is 1F98, 8089 is 1F99, 5432 is 1538, 5672 is 1628.
    const LISTENS_8088: &str = "0: 00000000:1F98 00000000:0000 0A 0 0 0 0 0 1\n";
    const LISTENS_8089: &str = "0: 00000000:1F99 00000000:0000 0A 0 0 0 0 0 2\n";
    const ON_8088: &str = "0: 0100000A:1F98 0200000A:C350 01 0 0 0 0 0 3\n";
    const ON_8089: &str = "0: 0100000A:1F99 0300000A:C351 01 0 0 0 0 0 4\n";
    const TO_DATABASE: &str = "0: 0100000A:C352 0900000A:1538 01 0 0 0 0 0 5\n";

    #[test]
    fn clients_of_all_networks_are_counted_once() {
        use Component::{OtsEudHandler, OtsEudHandlerSsl, OtsServer};
        let machine = Machine::new();
        let tcp = machine.process(7, OtsEudHandler, &[LISTENS_8088, ON_8088]);
        let tls = machine.process(8, OtsEudHandlerSsl, &[LISTENS_8089, ON_8089]);
        let beside = machine.beside(9, OtsEudHandlerSsl, 7);
        let hidden = TakProcess::new(10, OtsEudHandlerSsl);
        let api = TakProcess::new(11, OtsServer);
        for (what, processes, ports, want) in [
            ("two containers", vec![tcp.clone(), tls.clone()], "8088 8089", Some(2)),
            ("one network", vec![tcp.clone(), beside.clone()], "8088 8089", Some(1)),
            ("both", vec![tcp.clone(), beside, tls], "8088 8089", Some(2)),
            ("one is out of sight", vec![tcp.clone(), hidden], "8088 8089", None),
            ("others do not matter", vec![tcp.clone(), api.clone()], "8088", Some(1)),
            ("nobody serves CoT", vec![api], "8088", None),
            ("no ports are known", vec![tcp], "", None),
        ] {
            let sight = Sight { processes, ..settings(ports) };
            assert_eq!(sight.peers(&machine.host()).map(|peers| peers.len()), want, "{what}");
        }
    }

    #[test]
    fn a_database_is_found_by_any_process_and_not_in_each_round() {
        use Component::{OtsEudHandler, OtsServer};
        let machine = Machine::new();
        let set = Settings {
            own_network: true,
            database: Some(("db".into(), 5432)),
            broker: Some(("rabbitmq".into(), 5672)),
            ..Settings::default()
        };
        let api = machine.process(7, OtsServer, &[]);
        let handler = machine.process(8, OtsEudHandler, &[TO_DATABASE]);
        let start = Instant::now();
        let look = |processes: &[&TakProcess], last: &Sight, seconds| {
            let processes = processes.iter().map(|one| (*one).clone()).collect();
            let mut sight = Sight { processes, ..Sight::default() };
            let now = start + Duration::from_secs(seconds);
            sight.resolve(&machine.host(), &set, last, now);
            sight
        };
        let found = Some(("10.0.0.9".to_owned(), 5432));
        let first = look(&[&api, &handler], &Sight::default(), 0);
        assert_eq!((&first.database, &first.broker), (&found, &None), "the second is connected");
        // Its broker's connection is seen when it is looked for again, and no sooner.
        machine.process(8, OtsEudHandler, &[&TO_DATABASE.replace("1538", "1628")]);
        let soon = look(&[&api, &handler], &first, 59);
        assert_eq!((&soon.database, &soon.broker), (&found, &None));
        let late = look(&[&api, &handler], &soon, 60);
        let broker = Some(("10.0.0.9".to_owned(), 5672));
        assert_eq!((&late.database, &late.broker), (&found, &broker), "what was known is kept");
        let anew = look(&[&handler], &first, 1);
        assert_eq!(anew.broker, broker, "other processes, another look");
    }

    #[test]
    fn truststores_and_named_files_vouch_and_those_for_other_servers_do_not() {
        let machine = Machine::new();
        let folder = &machine.0;
        let write = |name: &str, certificate: &rcgen::Certificate| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(&path, certificate.pem()).expect("a file");
            path
        };
        let [own, federation, user, named] = ["own", "federation", "user", "named"].map(authority);
        write("files/truststore-root.pem", &own);
        write("files/ca.pem", &own);
        write("files/fed-truststore.pem", &federation);
        write("files/somebody.pem", &user);
        let path = write("named/site.pem", &named);
        let files = folder.path().join("files");
        let vouching = |named: &[&Path]| {
            let config = configured(named);
            let places = places(&machine.host(), Some(&config), None, false);
            let found = Place {
                path: files.clone(),
                shown: files.display().to_string(),
                role: CertificateRole::File,
                passwords: Vec::new(),
            };
            let places = [vec![found], places].concat();
            super::vouching(&Files::read(&Files::default(), &places), Some(&config))
        };
        let der = |of: &[&rcgen::Certificate]| -> Vec<Vec<u8>> {
            of.iter().map(|one| one.der().to_vec()).collect()
        };
        assert_eq!(vouching(&[]), der(&[&own]));
        assert_eq!(vouching(&[&path]), der(&[&own, &named]));
        assert_eq!(vouching(&[&files]), der(&[&own, &user]));
        let exactly = files.join("fed-truststore.pem");
        assert_eq!(vouching(&[&exactly]), der(&[&own, &federation]));
    }

    #[test]
    fn the_installed_server_is_not_taken_for_another() {
        let config =
            |cot_tls_port, cot_port| TakServerConfig { cot_tls_port, cot_port, ..configured(&[]) };
        let taky = [TakProcess::new(7, Component::TakyCot)];
        let official = [TakProcess::new(7, Component::TakApi)];
        for (what, config, processes, want) in [
            ("nothing is known", None, &[][..], true),
            ("no ports are named", Some(config(None, None)), &[], true),
            ("its ports", Some(config(Some(8089), None)), &[], true),
            ("others", Some(config(None, Some(18087))), &[], false),
            ("another server", Some(config(Some(8089), None)), &taky, false),
            ("itself", Some(config(None, Some(18087))), &official, true),
        ] {
            assert_eq!(may_be_official(config.as_ref(), processes), want, "{what}");
        }
    }
}
