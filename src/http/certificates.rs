//! Sign-in with a client certificate: what was presented is proven at each request, as an authority may
//! revoke it while the connection is open.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::identity::{By, Identity};
use super::reject::ApiError;
use crate::access::Role;
use crate::event::unix_now;
use crate::tls::{CertificateDer, Proven, Tls};

/// The certificate that a connection was opened with, and its chain; `None`: without any.
pub(super) type Presented = Option<Arc<[CertificateDer<'static>]>>;

/// Who has which role, by common name; `*` is everybody.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// Admins.
    pub admins: Vec<String>,
    /// Viewers.
    pub viewers: Vec<String>,
}

impl Roles {
    fn of(&self, name: &str) -> Option<Role> {
        let names = |list: &[String]| list.iter().any(|one| one == "*" || one == name);
        match () {
            () if names(&self.admins) => Some(Role::Admin),
            () if names(&self.viewers) => Some(Role::Viewer),
            () => None,
        }
    }
}

/// Takes certificates.
#[derive(Default)]
pub struct Certificates {
    tls: Option<Arc<Tls>>,
    roles: Roles,
    /// What streams were opened with, by fingerprint.
    watching: Mutex<HashMap<Arc<str>, Watching>>,
}

struct Watching {
    chain: Arc<[CertificateDer<'static>]>,
    proven: Proven,
}

impl Certificates {
    /// Those that `tls` can prove.
    pub fn new(tls: Option<Arc<Tls>>, roles: Roles) -> Certificates {
        Certificates { tls, roles, watching: Mutex::default() }
    }

    /// Whom a certificate names; `None`: there is none.
    pub(super) fn identify(&self, presented: &Presented) -> Result<Option<Identity>, ApiError> {
        let (Some(tls), Some(chain)) = (&self.tls, presented) else { return Ok(None) };
        let proven =
            tls.prove(chain).map_err(|why| ApiError::certificate_refused(why.to_string()))?;
        let role = self.roles.of(&proven.name).ok_or_else(|| ApiError::no_role(&proven.name))?;
        let name = proven.name.as_str().into();
        let fingerprint: Arc<str> = proven.fingerprint.as_str().into();
        let watching = Watching { chain: chain.clone(), proven };
        self.watching().insert(fingerprint.clone(), watching);
        Ok(Some(Identity { name, by: By::Certificate { fingerprint, role } }))
    }

    /// Forgets what nobody watches with: `passes` are those of all viewers.
    pub(super) fn forget_all_but(&self, passes: &HashSet<Arc<str>>) {
        let used: HashSet<&str> =
            passes.iter().filter_map(|pass| pass.strip_prefix("certificate ")).collect();
        self.watching().retain(|fingerprint, _| used.contains(&**fingerprint));
    }

    /// Whether a certificate that a stream was opened with is still good. It is proven again when the
    /// authorities have said something new.
    pub(super) fn stands(&self, fingerprint: &str) -> bool {
        let Some(tls) = &self.tls else { return false };
        let mut watching = self.watching();
        let Some(one) = watching.get_mut(fingerprint) else { return false };
        if one.proven.trust == tls.trust() {
            return (unix_now() as i64) < one.proven.not_after;
        }
        match tls.prove(&one.chain) {
            Ok(proven) => {
                one.proven = proven;
                true
            }
            Err(_) => false,
        }
    }

    fn watching(&self) -> MutexGuard<'_, HashMap<Arc<str>, Watching>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
