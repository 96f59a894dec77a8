//! Who may come in, and how: users, sessions, tokens, certificates, and the gate that asks for them, from
//! the configuration and the state directory.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::access::{
    self, AccessError, Audit, Keyring, Lifetimes, Role, Seal, Sessions, SignIn, StateDir, User,
    Users,
};
use crate::config::{AuthConfig, Config, RoleConfig, Secret, UserConfig};
use crate::http::{Certificates, Follows, Gate, Refusals, Roles, Trail};
use crate::hub::Hub;
use crate::tls::{Tls, TlsError};

/// When tokens and sessions were last used is written this often at most: SD cards die of small writes.
const BETWEEN_USES_KEPT: Duration = Duration::from_secs(60);
/// Between two looks at whether those who watch still may.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Between two looks at the files of certificates.
const BETWEEN_CERTIFICATES: Duration = Duration::from_secs(5);

/// A password for the first admin: for containers, and tests.
pub const FIRST_PASSWORD: &str = "TAKPULSE_ADMIN_PASSWORD";

/// Why nobody could come in.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The state directory.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The password that was given for the first admin.
    #[error("${FIRST_PASSWORD}: {0}")]
    FirstPassword(AccessError),
    /// A certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The gate, ready.
pub struct Doors {
    /// Before the routes.
    pub gate: Arc<Gate>,
    /// How connections are encrypted; `None`: not.
    pub tls: Option<Arc<Tls>>,
    /// The first admin's password, when it has just been made: it is known here and nowhere else.
    pub made_password: Option<Secret>,
}

impl Doors {
    /// Opens them. `first_password` is for the first admin, where there is no user yet.
    ///
    /// # Errors
    /// The state directory or a certificate cannot be used, or the password cannot be one.
    pub fn open(config: &Config, first_password: Option<&str>) -> Result<Doors, DoorError> {
        let dir = StateDir::at(&config.state_dir);
        let tls = Tls::open(&config.tls, &config.auth.certificates, &dir)?.map(Arc::new);
        let seal = Arc::new(Seal::open(&dir)?);
        let sessions = Arc::new(Sessions::open(dir.clone(), lifetimes(&config.auth))?);
        let configured: Vec<User> = config.auth.users.iter().map(user).collect();
        // Last of what can fail: a password that is made is shown, or nobody will ever know it.
        let made_password = match configured.is_empty() {
            true => make_first(&dir, first_password)?.map(Secret::new),
            false => None,
        };
        let users = Arc::new(Users::new(configured, dir.clone()));
        let gate = Gate {
            door: SignIn::new(seal.clone(), users.clone(), sessions.clone()),
            seal,
            users,
            sessions,
            keyring: Arc::new(Keyring::new(dir.clone())),
            certificates: Certificates::new(tls.clone(), roles(&config.auth)),
            refusals: Refusals::default(),
            trail: Arc::new(Trail::new(Audit::at(dir))),
        };
        Ok(Doors { gate: Arc::new(gate), tls, made_password })
    }
}

fn make_first(dir: &StateDir, given: Option<&str>) -> Result<Option<String>, DoorError> {
    access::make_first(dir, given).map_err(|why| match why {
        AccessError::Password => DoorError::FirstPassword(why),
        why => why.into(),
    })
}

fn lifetimes(config: &AuthConfig) -> Lifetimes {
    Lifetimes { idle: config.session_idle, absolute: config.session_lifetime }
}

fn roles(config: &AuthConfig) -> Roles {
    let certificates = &config.certificates;
    Roles { admins: certificates.admins.clone(), viewers: certificates.viewers.clone() }
}

fn user(config: &UserConfig) -> User {
    User {
        name: config.name.clone(),
        role: match config.role {
            RoleConfig::Viewer => Role::Viewer,
            RoleConfig::Admin => Role::Admin,
        },
        password_hash: config.password_hash.reveal().to_owned(),
    }
}

/// Writes when sessions and tokens were last used, now and then and at the end.
pub async fn keep_uses(gate: Arc<Gate>, shutdown: CancellationToken) {
    let mut ticks = interval(BETWEEN_USES_KEPT);
    ticks.tick().await; // the first tick is immediate, and there is nothing new yet
    let mut goes_on = true;
    while goes_on {
        goes_on = shutdown.run_until_cancelled(ticks.tick()).await.is_some();
        let gate = gate.clone();
        let keep = move || {
            gate.keyring.keep_uses();
            gate.sessions.keep_uses();
        };
        // A panic in there is logged by its own, and the next minute tries again.
        let _panicked = tokio::task::spawn_blocking(keep).await;
    }
}

/// Looks whether certificates have changed, or are about to end.
pub async fn look_after_certificates(tls: Arc<Tls>, shutdown: CancellationToken) {
    let mut looks = interval(BETWEEN_CERTIFICATES);
    while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
        let tls = tls.clone();
        // A panic in there is logged by its own, and the next look tries again.
        let _panicked = tokio::task::spawn_blocking(move || tls.look()).await;
    }
}

/// Ends the streams of those whose session, token or certificate has ended, and the logs that they watch.
pub async fn end_streams_of_the_gone(
    gate: Arc<Gate>,
    hub: Hub,
    follows: Arc<Follows>,
    shutdown: CancellationToken,
) {
    let mut looks = interval(BETWEEN_LOOKS);
    while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
        let mut passes = hub.passes();
        passes.extend(follows.passes());
        let fallen = gate.fallen(passes);
        hub.expel(&fallen);
        follows.expel(&fallen);
    }
}
