//! Who may sign in.

use std::path::PathBuf;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use figment::value::Value;

use super::reader::{Faulted, Section};
use super::secret::Secret;
use super::values::{Read, duration, list, path, quoted};

/// A session that lasts longer is none. (A year as `humantime` counts it, so that it is shown as one.)
const YEAR_SECONDS: u64 = 31_557_600;

/// Sign-in.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// A session that nobody uses ends after this time.
    pub session_idle: Duration,
    /// Every session ends after this time.
    pub session_lifetime: Duration,
    /// Those who may; empty: the `admin` of the state directory.
    pub users: Vec<UserConfig>,
    /// Those who carry a certificate.
    pub certificates: ClientCertificatesConfig,
}

/// One user.
#[derive(Clone, Debug)]
pub struct UserConfig {
    /// What is typed at sign-in.
    pub name: String,
    /// What may be done.
    pub role: RoleConfig,
    /// Argon2id, in the PHC string format.
    pub password_hash: Secret,
}

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleConfig {
    /// Watches.
    Viewer,
    /// Does everything.
    Admin,
}

/// Sign-in with a TAK client certificate.
#[derive(Clone, Debug)]
pub struct ClientCertificatesConfig {
    /// PEM files of the authorities that sign them; empty: certificates are not asked for.
    pub ca: Vec<PathBuf>,
    /// PEM or DER files of revoked ones.
    pub crl: Vec<PathBuf>,
    /// Common names of admins; `*` is everybody.
    pub admins: Vec<String>,
    /// Common names of viewers; `*` is everybody.
    pub viewers: Vec<String>,
}

impl AuthConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Result<AuthConfig, Faulted> {
        let session_idle = section.required("session_idle", duration(1, YEAR_SECONDS));
        let session_lifetime = section.required("session_lifetime", duration(1, YEAR_SECONDS));
        let users = section.tables("users", UserConfig::read);
        let certificates =
            ClientCertificatesConfig::read(&mut section.section("client_certificates"));
        let users = users?;
        for (index, user) in users.iter().enumerate() {
            if users[..index].iter().any(|other| other.name == user.name) {
                let problem = format!("{:?} is there twice", user.name);
                return Err(section.fault("users", &problem, "give each user a name of its own"));
            }
        }
        Ok(AuthConfig {
            session_idle: session_idle?,
            session_lifetime: session_lifetime?,
            users,
            certificates: certificates?,
        })
    }
}

impl UserConfig {
    fn read(section: &mut Section<'_>) -> Result<UserConfig, Faulted> {
        let name = section.required("name", user_name);
        let role = section.required("role", role);
        let password_hash = section.required("password_hash", password_hash);
        Ok(UserConfig { name: name?, role: role?, password_hash: password_hash? })
    }
}

impl ClientCertificatesConfig {
    fn read(section: &mut Section<'_>) -> Result<ClientCertificatesConfig, Faulted> {
        let ca = section.required("ca", list(path, FILES));
        let crl = section.required("crl", list(path, FILES));
        let admins = section.required("admins", list(common_name, COMMON_NAMES));
        let viewers = section.required("viewers", list(common_name, COMMON_NAMES));
        let (ca, crl) = (ca?, crl?);
        if ca.is_empty() && !crl.is_empty() {
            let problem = "without an authority no certificate is taken, and none need be revoked";
            return Err(section.fault("crl", problem, "add ca beside it"));
        }
        Ok(ClientCertificatesConfig { ca, crl, admins: admins?, viewers: viewers? })
    }
}

const FILES: &str = "a list of files, such as [\"/opt/tak/certs/files/ca.pem\"]";
const COMMON_NAMES: &str = "a list of common names, such as [\"alice\", \"bob\"], or [\"*\"]";

fn user_name(value: &Value) -> Read<String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-@".contains(letter);
    quoted(value)
        .filter(|name| (1..=64).contains(&name.len()) && name.chars().all(plain))
        .map(str::to_owned)
        .ok_or_else(|| "1 to 64 letters, digits, '.', '_', '-' and '@', such as \"alice\"".into())
}

fn role(value: &Value) -> Read<RoleConfig> {
    match quoted(value) {
        Some("viewer") => Ok(RoleConfig::Viewer),
        Some("admin") => Ok(RoleConfig::Admin),
        _ => Err("\"viewer\" or \"admin\"".into()),
    }
}

fn password_hash(value: &Value) -> Read<Secret> {
    let is_argon2id = |text: &&str| {
        PasswordHash::new(text).is_ok_and(|hash| {
            hash.algorithm == argon2::ARGON2ID_IDENT
                && argon2::Params::try_from(&hash)
                    .is_ok_and(|params| params.m_cost() <= MOST_MEMORY_KIB && params.t_cost() <= 20)
        })
    };
    quoted(value)
        .filter(is_argon2id)
        .map(|text| Secret::new(text.to_owned()))
        .ok_or_else(|| "what `takpulse hash-password` prints: it begins with \"$argon2id$\"".into())
}

/// A hash that wants more would let everybody who tries a password take it.
const MOST_MEMORY_KIB: u32 = 256 << 10;

fn common_name(value: &Value) -> Read<String> {
    quoted(value)
        .filter(|name| !name.is_empty() && !name.chars().any(char::is_control))
        .map(str::to_owned)
        .ok_or_else(|| "a common name, such as \"alice\"".into())
}
