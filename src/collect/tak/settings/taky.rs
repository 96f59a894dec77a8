//! taky's `taky.conf`, by its `config.py` (0.10).
//!
//! Architecture invariant: pure.

use std::path::{Path, PathBuf};

use super::fault::Syntax;
use super::ini::Options;
use super::open_tak::bound;
use super::owner::Owner;
use super::{SetPort, Settings};
use crate::collect::tak::presence::Component;
use crate::collect::tak::report::CertificateRole;
use crate::collect::tak::targets::Role;
use crate::config::Secret;
use crate::keystore::CUSTOMARY_PASSWORD;

/// What is read when nothing is named and the working directory has no `taky.conf`.
pub(super) const SYSTEM_FILE: &str = "/etc/taky/taky.conf";

/// What is read first when nothing is named.
pub(super) const LOCAL_FILE: &str = "taky.conf";

/// The socket below `root_dir`.
const SOCKET: &str = "taky-mgmt.sock";

/// The file that the command line names: `-c FILE` or `-cFILE`.
pub(super) fn named(arguments: &[String]) -> Option<&str> {
    let mut arguments = arguments.iter();
    let mut named = None;
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("-c") {
            Some("") => named = arguments.next().map(String::as_str),
            Some(file) => named = Some(file),
            None => {}
        }
    }
    named
}

/// Reads it; without a file (`None`) taky works in its working directory.
///
/// # Errors
/// taky cannot read it either.
pub(super) fn parse(text: Option<&str>, owner: &Owner) -> Result<Settings, Syntax> {
    let options = Options::parse(text.unwrap_or_default())?;
    let get = |key: &str| options.get(key);
    let tls = get("ssl.enabled").is_some_and(is_true);
    let address = get("taky.bind_ip").and_then(bound);
    let port = |key: &str, default| get(key).map_or(Some(default), |text| text.parse().ok());
    let (default, role) = if tls { (8089, Role::CotTls) } else { (8087, Role::CotTcp) };
    let (api, api_role) = if tls { (8443, Role::Https) } else { (8080, Role::Http) };
    let monitor = get("cot_server.mon_ip").filter(|_| tls);
    let ports = [
        (port("cot_server.port", default), address, role, Component::TakyCot, "cot_server"),
        (
            monitor.and_then(|_| port("cot_server.mon_port", 8087)),
            monitor.and_then(bound),
            Role::CotTcp,
            Component::TakyCot,
            "monitor",
        ),
        (Some(api), address, api_role, Component::TakyDps, "dp_server"),
    ];
    let mut settings = Settings::default();
    for (port, address, role, component, name) in ports {
        if let Some(port) = port.filter(|port| *port > 0) {
            // Many run it without its second part, so that is only expected while it runs. gunicorn
            // listens where it was told to, whatever the file says.
            let is_elsewhere = component == Component::TakyDps && owner.gunicorn;
            let expected = (owner.runs.contains(&component) && !is_elsewhere)
                || (owner.runs.is_empty() && component == Component::TakyCot);
            let (role, name) = (Some(role), name.to_owned());
            let connectionless = false;
            settings.add_port(SetPort { port, address, role, expected, connectionless, name });
        }
    }
    let root = match (text, get("taky.root_dir")) {
        (None, _) => owner.folder.clone(),
        (Some(_), root) => owner.path(root.unwrap_or("/var/taky")),
    };
    settings.management_socket = Some(root.join(SOCKET));
    if tls {
        add_places(&mut settings, owner, get);
    }
    Ok(settings)
}

fn add_places<'a>(settings: &mut Settings, owner: &Owner, get: impl Fn(&str) -> Option<&'a str>) {
    let password = Secret::new(get("ssl.server_p12_pw").unwrap_or(CUSTOMARY_PASSWORD).to_owned());
    let path = |key: &str, default: &str| -> PathBuf { owner.path(get(key).unwrap_or(default)) };
    let certificate = path("ssl.cert", "/etc/taky/ssl/server.crt");
    let folder = certificate.parent().map(Path::to_owned);
    let places = [
        (certificate, CertificateRole::Server),
        (path("ssl.ca", "/etc/taky/ssl/ca.crt"), CertificateRole::Truststore),
        (path("ssl.server_p12", "/etc/taky/ssl/server.p12"), CertificateRole::Server),
    ];
    let folder = folder.map(|folder| (folder, CertificateRole::File));
    for (path, role) in places.into_iter().chain(folder) {
        settings.add_place(path, role, std::slice::from_ref(&password));
    }
}

/// As `configparser` reads a boolean.
fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "yes" | "true" | "on")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As `takyctl setup` of 0.10 writes it.
    pub const EXAMPLE: &str = "[taky]
hostname = localhost
node_id = TAKY
bind_ip = 127.0.0.1
public_ip = 127.0.0.1
redis
root_dir = .

[cot_server]
port = 28089
mon_ip
mon_port
log_cot
max_persist_ttl = -1

[dp_server]
upload_path = dp-user

[ssl]
enabled = true
client_cert_required = True
ca = ./ssl/ca.crt
ca_key = ./ssl/ca.key
server_p12 = ./ssl/server.p12
server_p12_pw = hush
cert = ./ssl/server.crt
key = ./ssl/server.key
key_pw
cert_db = ./ssl/cert-db.txt
";

    pub fn owner(runs: &[Component]) -> Owner {
        Owner { folder: "/srv/tak".into(), runs: runs.to_vec(), ..Owner::default() }
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
        let settings = parse(Some(EXAMPLE), &owner(&[Component::TakyCot])).expect("it is read");
        let want = ["127.0.0.1:28089 Some(CotTls)", "127.0.0.1:8443 Some(Https)?"];
        assert_eq!(ports(&settings), want);
        assert_eq!(settings.management_socket, Some("/srv/tak/./taky-mgmt.sock".into()));
        let show =
            |place: &super::super::Place| format!("{} {:?}", place.path.display(), place.role);
        let places: Vec<_> = settings.places.iter().map(show).collect();
        assert_eq!(
            places,
            [
                "/srv/tak/./ssl/server.crt Server",
                "/srv/tak/./ssl/ca.crt Truststore",
                "/srv/tak/./ssl/server.p12 Server",
                "/srv/tak/./ssl File",
            ]
        );
        assert_eq!(settings.places[2].passwords[0].reveal(), "hush");
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn defaults_are_those_of_taky() {
        use Component::{TakyCot, TakyDps};
        let socket = |settings: &Settings| settings.management_socket.clone().unwrap_or_default();
        let none = parse(None, &owner(&[TakyCot, TakyDps])).expect("it is read");
        assert_eq!(ports(&none), ["*:8087 Some(CotTcp)", "*:8080 Some(Http)"]);
        assert_eq!(socket(&none), Path::new("/srv/tak/taky-mgmt.sock"));
        assert_eq!(none.places, []);
        let gunicorn = Owner { gunicorn: true, ..owner(&[TakyCot, TakyDps]) };
        let gunicorn = parse(None, &gunicorn).expect("it is read");
        assert_eq!(ports(&gunicorn), ["*:8087 Some(CotTcp)", "*:8080 Some(Http)?"]);
        let empty = parse(Some("[ssl]\nenabled=yes\n"), &owner(&[])).expect("it is read");
        assert_eq!(ports(&empty), ["*:8089 Some(CotTls)", "*:8443 Some(Https)?"]);
        assert_eq!(socket(&empty), Path::new("/var/taky/taky-mgmt.sock"));
        assert_eq!(empty.places[1].shown, "/etc/taky/ssl/ca.crt");
        let text = "[ssl]\nenabled=1\n[cot_server]\nport=0\nmon_ip=10.0.0.1\n[taky]\nbind_ip=::\n";
        let monitor = parse(Some(text), &owner(&[TakyCot])).expect("it is read");
        assert_eq!(ports(&monitor), ["10.0.0.1:8087 Some(CotTcp)", "*:8443 Some(Https)?"]);
    }

    #[test]
    fn the_file_is_named_on_the_command_line() {
        for (line, want) in [
            ("taky -l info -c /srv/taky.conf", Some("/srv/taky.conf")),
            ("taky -csrv.conf", Some("srv.conf")),
            ("taky -c a -c b", Some("b")),
            ("taky -c", None),
            ("taky -l critical", None),
        ] {
            let arguments: Vec<_> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(named(&arguments), want, "{line}");
        }
    }
}
