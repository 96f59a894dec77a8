//! TAK Server's `CoreConfig.xml`, by its schema `CoreConfig.xsd` (TAK-Product-Center/Server).
//! Elements are known by their local names: files of older servers have no namespace.
//!
//! Architecture invariant: pure.

use roxmltree::{Document, Error, Node, ParsingOptions};

use super::fault::Syntax;
use super::owner::Owner;
use super::{SetPort, Settings};
use crate::collect::tak::report::CertificateRole;
use crate::collect::tak::targets::Role;
use crate::config::Secret;

/// A large one has a few hundred elements.
const MAX_NODES: u32 = 100_000;

/// One declares its own namespace, and perhaps that of its schema. Each of them is handed down to every
/// element below, so that thousands, nested, would take all memory there is.
const MAX_NAMESPACES: usize = 100;

/// PostgreSQL's own port.
const DATABASE_PORT: u16 = 5432;

/// The log of each part; `takserver.log` is that of older servers.
const LOGS: [&str; 5] = [
    "takserver-messaging.log",
    "takserver-api.log",
    "takserver-config.log",
    "takserver-retention.log",
    "takserver.log",
];

/// Reads it.
///
/// # Errors
/// It is no XML, or no configuration of TAK Server.
pub(super) fn parse(text: &str, owner: &Owner) -> Result<Settings, Syntax> {
    if text.matches("xmlns").nth(MAX_NAMESPACES).is_some() {
        return Err(Syntax {
            at: None,
            problem: "declares more namespaces than a configuration does",
            fix: "look whether it is the server's",
        });
    }
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|why| syntax(&why))?;
    let root = document.root_element();
    if root.tag_name().name() != "Configuration" {
        return Err(Syntax {
            at: None,
            problem: "is no configuration of TAK Server (its outermost element is not Configuration)",
            fix: "put the server's CoreConfig.xml back from its copy",
        });
    }
    let mut settings = Settings {
        database: child(root, "repository").and_then(database),
        logs: LOGS.iter().map(|name| owner.path("logs").join(name)).collect(),
        ..Settings::default()
    };
    if let Some(network) = child(root, "network") {
        children(network, "input").filter_map(input).for_each(|port| settings.add_port(port));
        // What comes in there belongs to a data feed: it is not asked.
        let feeds = children(network, "datafeed").filter_map(input);
        feeds.for_each(|port| settings.add_port(SetPort { role: None, ..port }));
        children(network, "connector")
            .filter_map(connector)
            .for_each(|port| settings.add_port(port));
    }
    let federation = child(root, "federation").filter(|node| is(*node, "enableFederation", true));
    let federation = federation.and_then(|node| child(node, "federation-server"));
    federation.into_iter().flat_map(federation_ports).for_each(|port| settings.add_port(port));
    let stores = stores(root, federation);
    add_places(&mut settings, &stores, owner);
    Ok(settings)
}

fn child<'a>(node: Node<'a, 'a>, name: &'static str) -> Option<Node<'a, 'a>> {
    children(node, name).next()
}

fn children<'a>(node: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn attribute<'a>(node: Node<'a, 'a>, name: &str) -> Option<&'a str> {
    node.attributes().find(|attribute| attribute.name() == name).map(|found| found.value().trim())
}

/// An `xs:boolean`.
fn is(node: Node<'_, '_>, name: &str, default: bool) -> bool {
    attribute(node, name).map_or(default, |value| matches!(value, "true" | "1"))
}

fn port(node: Node<'_, '_>, name: &str) -> Option<u16> {
    attribute(node, name)?.parse().ok().filter(|port| *port > 0)
}

fn set_port(port: u16, role: Option<Role>, name: &str) -> SetPort {
    SetPort {
        port,
        address: None,
        role,
        expected: true,
        connectionless: false,
        name: name.to_owned(),
    }
}

fn input(node: Node<'_, '_>) -> Option<SetPort> {
    let role = match attribute(node, "protocol")? {
        "tls" | "ssl" | "cottls" | "prototls" => Some(Role::CotTls),
        // Plain `tcp` only listens, `stcp` answers: silence is judged with that in mind.
        "tcp" | "stcp" => Some(Role::CotTcp),
        // udp, mcast, cotmcast, quic, grpc.
        _ => None,
    };
    let name = attribute(node, "_name").unwrap_or("input");
    // Whatever it is called: an administrator names inputs as he likes.
    let connectionless = role.is_none();
    Some(SetPort { connectionless, ..set_port(port(node, "port")?, role, name) })
}

fn connector(node: Node<'_, '_>) -> Option<SetPort> {
    let port = port(node, "port")?;
    let asks = !matches!(attribute(node, "clientAuth"), Some("false" | "none" | "NONE"));
    let role = if is(node, "useFederationTruststore", false) {
        None
    } else if !is(node, "tls", true) {
        Some(Role::Http)
    } else {
        // Without client certificates it is for enrolment, except where somebody opened 8443.
        (asks || port == 8443).then_some(Role::Https)
    };
    Some(set_port(port, role, attribute(node, "_name").unwrap_or("connector")))
}

fn federation_ports(node: Node<'_, '_>) -> Vec<SetPort> {
    let versions = [
        ("v1enabled", "port", 9000, "federation v1"),
        ("v2enabled", "v2port", 9001, "federation v2"),
    ];
    let enabled = versions.iter().filter(|(enabled, ..)| is(node, enabled, true));
    let port = |(_, at, default, name): &(_, &str, u16, &str)| {
        set_port(port(node, at).unwrap_or(*default), None, name)
    };
    enabled.map(port).collect()
}

/// `repository/connection@url`, unless the server works without a database.
fn database(repository: Node<'_, '_>) -> Option<(String, u16)> {
    let url = attribute(child(repository, "connection")?, "url")?;
    is(repository, "enable", true).then(|| jdbc(url)).flatten()
}

/// `jdbc:postgresql://host:port/db`; of several hosts the first.
fn jdbc(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("jdbc:postgresql:")?;
    let Some(rest) = rest.strip_prefix("//") else {
        return Some(("localhost".into(), DATABASE_PORT));
    };
    let hosts = rest.split(['/', '?']).next()?;
    host_and_port(hosts.split(',').next()?, DATABASE_PORT)
}

/// `host`, `host:port` or `[address]:port`.
pub(super) fn host_and_port(text: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port =
        port.filter(|port| !port.is_empty()).map_or(Some(default), |port| port.parse().ok())?;
    let host = if host.is_empty() { "localhost" } else { host };
    let is_name =
        |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':');
    (host.len() <= 253 && host.chars().all(is_name)).then(|| (host.to_owned(), port))
}

/// A keystore or truststore.
struct Store<'a> {
    file: &'a str,
    role: CertificateRole,
    password: Option<Secret>,
}

/// Every store that is named, those of the clients' ports first.
fn stores<'a>(root: Node<'a, 'a>, federation: Option<Node<'a, 'a>>) -> Vec<Store<'a>> {
    let tls = child(root, "security").and_then(|node| child(node, "tls"));
    let connectors =
        child(root, "network").into_iter().flat_map(|node| children(node, "connector"));
    let federation = federation.and_then(|node| child(node, "tls"));
    let kinds = [
        ("keystoreFile", "keystorePass", CertificateRole::Server),
        ("truststoreFile", "truststorePass", CertificateRole::Truststore),
    ];
    let of = |node: Node<'a, 'a>| {
        kinds.iter().filter_map(move |(file, password, role)| {
            let password = attribute(node, password).map(|text| Secret::new(text.to_owned()));
            let file = attribute(node, file).filter(|file| !file.is_empty())?;
            Some(Store { file, role: *role, password })
        })
    };
    tls.into_iter().chain(connectors).chain(federation).flat_map(of).collect()
}

/// The stores, and the folders that they are in: the certificates of users are there, too.
fn add_places(settings: &mut Settings, stores: &[Store<'_>], owner: &Owner) {
    let all: Vec<Secret> = stores.iter().filter_map(|store| store.password.clone()).collect();
    for store in stores {
        settings.add_place(owner.path(store.file), store.role, store.password.as_slice());
    }
    for store in stores {
        if let Some(folder) = owner.path(store.file).parent() {
            settings.add_place(folder.to_owned(), CertificateRole::File, &all);
        }
    }
}

/// The library's own words show what stands there, which may be a part of a password.
fn syntax(why: &Error) -> Syntax {
    let pos = why.pos();
    let (problem, fix) = match why {
        Error::UnknownEntityReference(..) | Error::MalformedEntityReference(_) => {
            ("has an & that begins no entity", "write `&amp;` for an & within a value")
        }
        Error::UnexpectedCloseTag(..) | Error::UnclosedRootNode => (
            "is no XML: an element is not closed, or is closed under another name",
            "correct it there; `xmllint --noout` tells more",
        ),
        Error::DtdDetected => ("has a DTD, which takpulse does not read", "remove its DOCTYPE"),
        Error::NodesLimitReached => {
            ("has more elements than a configuration has", "look whether it is the server's")
        }
        _ => ("is no XML from here on", "correct it there; `xmllint --noout` tells more"),
    };
    Syntax::at(pos.row, pos.col, problem, fix)
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;

    pub const EXAMPLE: &str = include_str!("../fixtures/CoreConfig.xml");

    pub fn owner() -> Owner {
        Owner { folder: "/opt/tak".into(), ..Owner::default() }
    }

    fn ports(settings: &Settings) -> Vec<String> {
        let show = |port: &SetPort| format!("{} {} {:?}", port.port, port.name, port.role);
        settings.ports.iter().map(show).collect()
    }

    #[test]
    fn ports_database_files_and_logs_are_read() {
        let settings = parse(EXAMPLE, &owner()).expect("it is well-formed");
        assert_eq!(
            ports(&settings),
            [
                "8089 stdssl Some(CotTls)",
                "8999 field Some(CotTls)",
                "8088 stdtcp Some(CotTcp)",
                "6969 mesh None",
                "8090 quic None",
                "8095 feed None",
                "8443 https Some(Https)",
                "8444 fed_https None",
                "8446 cert_https None",
                "8080 http_plaintext Some(Http)",
                "9001 federation v2 None",
            ]
        );
        assert_eq!(settings.database, Some(("127.0.0.1".into(), 5432)));
        assert_eq!(settings.logs[0], Path::new("/opt/tak/logs/takserver-messaging.log"));
        let shown: Vec<_> = settings
            .places
            .iter()
            .map(|place| {
                let passwords: Vec<_> = place.passwords.iter().map(Secret::reveal).collect();
                format!("{} {:?} {}", place.shown, place.role, passwords.join(","))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "/opt/tak/certs/files/takserver.jks Server keyhush,atakatak",
                "/opt/tak/certs/files/truststore-root.jks Truststore trusthush,atakatak",
                "/etc/letsencrypt/takserver-le.jks Server lehush,atakatak",
                "/opt/tak/certs/files/fed-truststore.jks Truststore fedhush,atakatak",
                "/opt/tak/certs/files File keyhush,trusthush,lehush,fedhush,atakatak",
                "/etc/letsencrypt File keyhush,trusthush,lehush,fedhush,atakatak",
            ]
        );
        assert!(!format!("{settings:?}").contains("hush"), "no password is shown");
    }

    #[test]
    fn switched_off_parts_are_left_out_and_namespaces_do_not_matter() {
        let text = r#"<t:Configuration xmlns:t="urn:x"><t:network><t:input t:port="8089" protocol="tls"/>
            <t:input port="80890" protocol="tls"/><t:input port="x" protocol="tls"/><t:input port="1"/>
            <t:connector port="8443" clientAuth="false"/><t:connector port="8445" clientAuth="none"/></t:network>
            <t:repository enable="false"><t:connection url="jdbc:postgresql://db/cot"/></t:repository>
            <t:federation enableFederation="false"><t:federation-server port="9000" v1enabled="true">
            <t:tls truststoreFile="certs/fed.jks"/></t:federation-server></t:federation></t:Configuration>"#;
        let settings = parse(text, &owner()).expect("it is well-formed");
        assert_eq!(
            ports(&settings),
            ["8089 input Some(CotTls)", "8443 connector Some(Https)", "8445 connector None"]
        );
        assert_eq!((settings.database, settings.places), (None, vec![]));
    }

    #[test]
    fn inputs_without_connections_are_told_by_their_protocols() {
        let text = "<Configuration><network><input _name='udp' protocol='stcp' port='1'/>\
            <input _name='quic' protocol='tls' port='2'/><input _name='a' protocol='udp' port='3'/>\
            <input _name='b' protocol='mcast' port='4'/><input _name='c' protocol='quic' port='5'/>\
            <input _name='d' protocol='grpc' port='6'/><datafeed _name='e' protocol='tls' port='7'/>\
            <connector port='8443'/><connector port='8446' clientAuth='false'/></network></Configuration>";
        let settings = parse(text, &owner()).expect("it is well-formed");
        let without: Vec<_> =
            settings.ports.iter().filter(|set| set.connectionless).map(|set| set.port).collect();
        assert_eq!(without, [3, 4, 5, 6]);
    }

    #[test]
    fn a_store_that_is_named_twice_is_looked_at_once_with_each_password() {
        let text = "<Configuration><network><connector port='1' keystoreFile='a.jks' keystorePass='1'/>\
            <connector port='2' keystoreFile='a.jks' keystorePass='2'/></network></Configuration>";
        let settings = parse(text, &owner()).expect("it is well-formed");
        let [store, folder] = &settings.places[..] else { panic!("{:?}", settings.places) };
        let passwords: Vec<_> = store.passwords.iter().map(Secret::reveal).collect();
        assert_eq!((passwords, folder.shown.as_str()), (vec!["1", "2", "atakatak"], "/opt/tak"));
    }

    #[test]
    fn the_database_is_told_by_its_url() {
        let cases = [
            ("jdbc:postgresql://tak-database:5433/cot", Some(("tak-database", 5433))),
            ("jdbc:postgresql://tak-database/cot", Some(("tak-database", 5432))),
            ("jdbc:postgresql://a:1,b:2/cot?ssl=true", Some(("a", 1))),
            ("jdbc:postgresql://[fd00::1]:5432/cot", Some(("fd00::1", 5432))),
            ("jdbc:postgresql:cot", Some(("localhost", 5432))),
            ("jdbc:postgresql:///cot", Some(("localhost", 5432))),
            ("jdbc:postgresql://a:99999/cot", None),
            ("jdbc:postgresql://user:hush@a/cot", None),
            ("jdbc:oracle:thin", None),
            ("", None),
        ];
        for (url, want) in cases {
            assert_eq!(jdbc(url), want.map(|(host, port)| (host.to_owned(), port)), "{url}");
        }
    }

    #[test]
    fn a_syntax_error_is_told_with_its_place_and_without_the_content() {
        let cases = [
            (
                "<Configuration>\n  <tls keystorePass=\"a&hush;\"/></Configuration>",
                "CoreConfig.xml:2:23 has an & that begins no entity: write `&amp;` for an & within a value",
            ),
            (
                "<Configuration>\n<network></hush></Configuration>",
                "CoreConfig.xml:2:10 is no XML: an element is not closed, or is closed under another name: correct it there; `xmllint --noout` tells more",
            ),
            (
                "<Configuration><hush a='1' a='2'/></Configuration>",
                "CoreConfig.xml:1:28 is no XML from here on",
            ),
            ("<!DOCTYPE x [<!ENTITY a 'hush'>]><Configuration/>", "remove its DOCTYPE"),
            ("", "is no XML from here on"),
            ("<html/>", "CoreConfig.xml is no configuration of TAK Server"),
        ];
        for (text, want) in cases {
            let fault = parse(text, &owner()).expect_err("it is broken").of("CoreConfig.xml");
            let message = fault.to_string();
            assert!(message.contains(want), "{message}");
            assert!(!format!("{fault:?}{message}").contains("hush"), "{message}");
        }
        let many = format!("<Configuration>{}</Configuration>", "<a/>".repeat(100_001));
        assert!(parse(&many, &owner()).is_err());
        let deep = "<a>".repeat(90_000);
        assert!(parse(&deep, &owner()).is_err());
        let namespaces: String = (0..50_000).map(|n| format!("<a xmlns:n{n}='u{n}'>")).collect();
        assert!(parse(&namespaces, &owner()).is_err_and(|why| why.problem.contains("namespaces")));
    }
}
