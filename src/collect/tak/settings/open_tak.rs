//! OpenTAKServer's `config.yml`: flat, above the defaults of its `defaultconfig.py`, which are taken
//! from the variables that it was started with (1.7).
//!
//! Architecture invariant: pure.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::core_config::host_and_port;
use super::fault::Syntax;
use super::owner::{Environment, Owner};
use super::yaml::Scalars;
use super::{SetPort, Settings};
use crate::collect::tak::presence::Component;
use crate::collect::tak::report::CertificateRole;
use crate::collect::tak::targets::Role;
use crate::config::Secret;

/// AMQP's own port; the servers' configuration names none.
const BROKER_PORT: u16 = 5672;

/// PostgreSQL's own port.
const DATABASE_PORT: u16 = 5432;

/// The log of each part.
const LOGS: [&str; 4] =
    ["opentakserver.log", "eud_handler_tcp.log", "eud_handler_ssl.log", "cot_parser.log"];

/// Where its files are, unless the variables say otherwise: `~/ots`.
pub(super) fn data_folder(environment: &Environment) -> PathBuf {
    let home = || Path::new(environment.get("HOME").unwrap_or("/root")).join("ots");
    environment.get("OTS_DATA_FOLDER").map_or_else(home, PathBuf::from)
}

/// Reads it.
///
/// # Errors
/// It is no YAML.
pub(super) fn parse(text: &str, owner: &Owner) -> Result<Settings, Syntax> {
    let file = Scalars::parse(text)?;
    let get = |key: &str| file.get(key).or(owner.environment.get(key));
    let port = |key: &str, default| {
        get(key).map_or(Some(default), |text| text.parse().ok()).filter(|port: &u16| *port > 0)
    };
    let address = |key: &str| get(key).and_then(bound);
    let tcp = get("OTS_ENABLE_TCP_STREAMING_PORT").is_none_or(is_true);
    let streaming = address("OTS_STREAMING_INTERFACE");
    let own = address("OTS_LISTENER_ADDRESS").or_else(|| match get("OTS_LISTENER_ADDRESS") {
        None => Some(IpAddr::from([127, 0, 0, 1])),
        Some(_) => None,
    });
    let runs = |component| owner.has(component);
    let ports = [
        (
            "OTS_TCP_STREAMING_PORT",
            8088,
            streaming,
            Role::CotTcp,
            tcp && runs(Component::OtsEudHandler),
        ),
        (
            "OTS_SSL_STREAMING_PORT",
            8089,
            streaming,
            Role::CotTls,
            runs(Component::OtsEudHandlerSsl),
        ),
        ("OTS_LISTENER_PORT", 8081, own, Role::Http, runs(Component::OtsServer)),
        // nginx serves these, in front of it.
        ("OTS_MARTI_HTTP_PORT", 8080, None, Role::Http, false),
        ("OTS_MARTI_HTTPS_PORT", 8443, None, Role::Https, false),
    ];
    let mut settings = Settings {
        database: get("SQLALCHEMY_DATABASE_URI").and_then(database),
        broker: host_and_port(
            get("OTS_RABBITMQ_SERVER_ADDRESS").unwrap_or("127.0.0.1"),
            BROKER_PORT,
        ),
        ..Settings::default()
    };
    for (key, default, address, role, expected) in ports {
        if let Some(port) = port(key, default) {
            let (role, name) = (Some(role), key.to_owned());
            let connectionless = false;
            settings.add_port(SetPort { port, address, role, expected, connectionless, name });
        }
    }
    let data = get("OTS_DATA_FOLDER").map_or_else(|| owner.folder.clone(), |name| owner.path(name));
    settings.logs = LOGS.iter().map(|name| data.join("logs").join(name)).collect();
    let ca = get("OTS_CA_FOLDER").map_or_else(|| data.join("ca"), |name| owner.path(name));
    let password = get("OTS_CA_PASSWORD").map(|text| Secret::new(text.to_owned()));
    for (name, role) in [
        ("certs/opentakserver/opentakserver.pem", CertificateRole::Server),
        ("ca.pem", CertificateRole::Truststore),
        ("", CertificateRole::File),
        ("certs", CertificateRole::File),
    ] {
        let path = if name.is_empty() { ca.clone() } else { ca.join(name) };
        settings.add_place(path, role, password.as_slice());
    }
    Ok(settings)
}

/// The one address that a server is bound to.
pub(super) fn bound(text: &str) -> Option<IpAddr> {
    text.trim().parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified())
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on")
}

/// `postgresql+psycopg://user:password@host:port/db`; others (SQLite) have no port to ask.
fn database(uri: &str) -> Option<(String, u16)> {
    let (scheme, rest) = uri.split_once("://")?;
    if !scheme.starts_with("postgresql") {
        return None;
    }
    let rest = rest.split('?').next()?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place).split('/').next()?;
    // Without a host its library takes the socket file on the same machine.
    let has_host = !place.is_empty() && !place.starts_with(':');
    has_host.then(|| host_and_port(place, DATABASE_PORT)).flatten()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As OpenTAKServer 1.7.14 writes it, shortened.
    pub const EXAMPLE: &str = "DEBUG: false
JOBS:
- func: opentakserver.blueprints.scheduled_jobs:get_adsb_data
  id: get_adsb_data
  next_run_time: null
OTS_ADSB_API_KEY: null
OTS_CA_FOLDER: /home/ots/ots/ca
OTS_CA_PASSWORD: hush
OTS_DATA_FOLDER: /home/ots/ots
OTS_ENABLE_TCP_STREAMING_PORT: true
OTS_LANGUAGES:
  DE:
    language_code: de
    name: Deutsch
OTS_LISTENER_ADDRESS: 127.0.0.1
OTS_LISTENER_PORT: 8081
OTS_MARTI_HTTPS_PORT: 8443
OTS_MARTI_HTTP_PORT: 8080
OTS_RABBITMQ_PASSWORD: guest
OTS_RABBITMQ_SERVER_ADDRESS: 127.0.0.1
OTS_SSL_STREAMING_PORT: 18089
OTS_STREAMING_INTERFACE: 0.0.0.0
OTS_TCP_STREAMING_PORT: 18088
SQLALCHEMY_DATABASE_URI: postgresql+psycopg://ots:hush@127.0.0.1:15432/ots
SQLALCHEMY_ENGINE_OPTIONS:
  pool_pre_ping: true
";

    pub fn owner(environ: &str) -> Owner {
        Owner {
            folder: "/root/ots".into(),
            environment: Environment::parse(environ.replace(' ', "\0").as_bytes()),
            runs: vec![Component::OtsServer, Component::OtsEudHandler],
            ..Owner::default()
        }
    }

    fn ports(settings: &Settings) -> Vec<String> {
        let show = |port: &SetPort| {
            let at = port.address.map_or_else(|| "*".into(), |ip| ip.to_string());
            let sure = if port.expected { "" } else { "?" };
            format!("{at}:{} {:?}{sure}", port.port, port.role)
        };
        settings.ports.iter().map(show).collect()
    }

    #[test]
    fn the_file_is_read() {
        let settings = parse(EXAMPLE, &owner("OTS_LISTENER_PORT=1")).expect("it is YAML");
        assert_eq!(
            ports(&settings),
            [
                "*:18088 Some(CotTcp)",
                "*:18089 Some(CotTls)?",
                "127.0.0.1:8081 Some(Http)",
                "*:8080 Some(Http)?",
                "*:8443 Some(Https)?",
            ]
        );
        assert_eq!(settings.database, Some(("127.0.0.1".into(), 15432)));
        assert_eq!(settings.broker, Some(("127.0.0.1".into(), 5672)));
        assert_eq!(settings.logs[3], Path::new("/home/ots/ots/logs/cot_parser.log"));
        let places: Vec<_> = settings.places.iter().map(|place| place.shown.as_str()).collect();
        assert_eq!(
            places,
            [
                "/home/ots/ots/ca/certs/opentakserver/opentakserver.pem",
                "/home/ots/ots/ca/ca.pem",
                "/home/ots/ots/ca",
                "/home/ots/ots/ca/certs",
            ]
        );
        assert_eq!(settings.places[0].passwords[0].reveal(), "hush");
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn variables_are_below_the_file_and_above_the_defaults() {
        let environ = "OTS_LISTENER_ADDRESS=0.0.0.0 OTS_SSL_STREAMING_PORT=9089 OTS_RABBITMQ_SERVER_ADDRESS=mq \
                       SQLALCHEMY_DATABASE_URI=postgresql://ots:p@ss@db/ots";
        let text = "OTS_ENABLE_TCP_STREAMING_PORT: false\nOTS_MARTI_HTTP_PORT: 0\nOTS_SSL_STREAMING_PORT: 9090\n";
        let settings = parse(text, &owner(environ)).expect("it is YAML");
        assert_eq!(
            ports(&settings),
            [
                "*:8088 Some(CotTcp)?",
                "*:9090 Some(CotTls)?",
                "*:8081 Some(Http)",
                "*:8443 Some(Https)?"
            ]
        );
        assert_eq!(settings.database, Some(("db".into(), 5432)));
        assert_eq!(settings.broker, Some(("mq".into(), 5672)));
        assert_eq!(settings.places[1].shown, "/root/ots/ca/ca.pem");
        let sqlite = "SQLALCHEMY_DATABASE_URI: sqlite:////root/ots/ots.db\n";
        assert_eq!(parse(sqlite, &owner("")).expect("it is YAML").database, None);
    }

    #[test]
    fn the_database_is_told_by_its_uri() {
        for (uri, want) in [
            ("postgresql+psycopg://ots:hush@db:15432/ots", Some(("db", 15432))),
            ("postgresql://ots:hush@db/ots?application_name=a@b", Some(("db", 5432))),
            ("postgresql://db?user=a@b", Some(("db", 5432))),
            ("postgresql+psycopg://ots:hush@/ots", None),
            ("postgresql+psycopg:///ots?host=/run/postgresql", None),
            ("postgresql://:5433/ots", None),
            ("mysql://ots@db/ots", None),
        ] {
            assert_eq!(database(uri), want.map(|(host, port)| (host.to_owned(), port)), "{uri}");
        }
    }

    #[test]
    fn the_data_folder_is_told_by_the_variables() {
        for (environ, want) in [
            ("HOME=/home/ots", "/home/ots/ots"),
            ("HOME=/home/ots\0OTS_DATA_FOLDER=/srv/ots", "/srv/ots"),
            ("", "/root/ots"),
        ] {
            assert_eq!(data_folder(&Environment::parse(environ.as_bytes())), Path::new(want));
        }
    }
}
