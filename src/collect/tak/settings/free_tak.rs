//! FreeTAKServer's `FTSConfig.yaml`, below the variables that it was started with and above its
//! defaults (`MainConfig.py` of 2.2).
//!
//! Architecture invariant: pure.

use std::path::PathBuf;

use super::fault::Syntax;
use super::owner::{Environment, Owner};
use super::yaml::Scalars;
use super::{SetPort, Settings};
use crate::collect::tak::report::CertificateRole;
use crate::collect::tak::targets::Role;
use crate::config::Secret;

/// What the variables may name otherwise.
const FILE: &str = "/opt/fts/FTSConfig.yaml";

/// Where its certificates are by default.
const CERTIFICATES: &str = "/opt/fts/certs";

/// Of its own certificates by default.
const PASSWORD: &str = "supersecret";

/// Which file it reads, if it is there.
pub(super) fn file(environment: &Environment) -> PathBuf {
    environment.get("FTS_CONFIG_PATH").unwrap_or(FILE).into()
}

/// Reads it; without a file, an empty text.
///
/// # Errors
/// It is no YAML.
pub(super) fn parse(text: &str, owner: &Owner) -> Result<Settings, Syntax> {
    let file = Scalars::parse(text)?;
    let get = |key: &str| {
        let section = |name: &str| file.get(&format!("{name}.{key}"));
        let in_file = || section("Addresses").or(section("Filesystem")).or(section("Certs"));
        owner.environment.get(key).or_else(in_file)
    };
    let mut settings = Settings::default();
    for (key, default, role, expected) in [
        ("FTS_COT_PORT", 8087, Role::CotTcp, true),
        // Each of the other services can be switched off while it runs.
        ("FTS_SSLCOT_PORT", 8089, Role::CotTls, false),
        ("HTTPTakAPIPort", 8080, Role::Http, false),
        ("HTTPSTakAPIPort", 8443, Role::Https, false),
    ] {
        let port = get(key).map_or(Some(default), |text| text.parse().ok());
        if let Some(port) = port.filter(|port| *port > 0) {
            let (role, name) = (Some(role), key.to_owned());
            let connectionless = false;
            settings.add_port(SetPort {
                port,
                address: None,
                role,
                expected,
                connectionless,
                name,
            });
        }
    }
    let password = Secret::new(get("FTS_CLIENT_CERT_PASSWORD").unwrap_or(PASSWORD).to_owned());
    let folder = owner.path(get("FTS_CERTS_PATH").unwrap_or(CERTIFICATES));
    for (key, default, role) in [
        ("FTS_SERVER_PEMDIR", "server.pem", CertificateRole::Server),
        ("FTS_CADIR", "ca.pem", CertificateRole::Truststore),
        ("FTS_SERVER_P12DIR", "server.p12", CertificateRole::Server),
    ] {
        // The defaults of the files do not follow the folder.
        let default = || PathBuf::from(CERTIFICATES).join(default);
        let path = get(key).map_or_else(default, |name| owner.path(name));
        settings.add_place(path, role, std::slice::from_ref(&password));
    }
    settings.add_place(folder, CertificateRole::File, std::slice::from_ref(&password));
    Ok(settings)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const EXAMPLE: &str = "System:
  FTS_SECRET_KEY: hush
Addresses:
  FTS_COT_PORT: 15777
  FTS_SSLCOT_PORT: 58089
Filesystem:
  FTS_CERTS_PATH: /srv/certs
Certs:
  FTS_CLIENT_CERT_PASSWORD: hush
";

    fn shown(text: &str, environ: &[u8]) -> (Vec<u16>, Vec<String>) {
        let environment = Environment::parse(environ);
        let owner = Owner { folder: "/".into(), environment, ..Owner::default() };
        let settings = parse(text, &owner).expect("it is YAML");
        assert!(!format!("{settings:?}").contains("hush"));
        let show = |place: &super::super::Place| {
            format!("{} {}", place.shown, place.passwords[0].reveal())
        };
        (
            settings.ports.iter().map(|port| port.port).collect(),
            settings.places.iter().map(show).collect(),
        )
    }

    #[test]
    fn variables_are_above_the_file_and_the_file_above_the_defaults() {
        let (ports, places) = shown("", b"");
        assert_eq!(ports, [8087, 8089, 8080, 8443]);
        assert_eq!(places[0], "/opt/fts/certs/server.pem supersecret");
        assert_eq!(places[3], "/opt/fts/certs supersecret");
        let (ports, places) = shown(EXAMPLE, b"FTS_SSLCOT_PORT=7\0FTS_CADIR=/srv/my.pem\0");
        assert_eq!(ports, [15777, 7, 8080, 8443]);
        assert_eq!(
            places,
            [
                "/opt/fts/certs/server.pem hush",
                "/srv/my.pem hush",
                "/opt/fts/certs/server.p12 hush",
                "/srv/certs hush",
            ]
        );
        assert_eq!(shown("Addresses:\n  FTS_COT_PORT: 99999\n", b"").0, [8089, 8080, 8443]);
    }

    #[test]
    fn its_file_is_told_by_the_variables() {
        assert_eq!(file(&Environment::default()), PathBuf::from(FILE));
        let environment = Environment::parse(b"FTS_CONFIG_PATH=/etc/fts.yaml");
        assert_eq!(file(&environment), PathBuf::from("/etc/fts.yaml"));
    }
}
