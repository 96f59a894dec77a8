//! The gate before the routes: who is asking, and whether that may be answered.
//!
//! Everything goes through here, so that no route has to remember to ask.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tracing::warn;
use warp::http::header::AUTHORIZATION;
use warp::http::{HeaderMap, Method};

use super::certificates::{Certificates, Presented};
use super::client::Client;
use super::cookies;
use super::identity::{By, Identity};
use super::quiet::Quiet;
use super::reject::ApiError;
use super::route::{Need, Route, need};
use super::trail::{Asker, Trail};
use crate::access::{Keyring, Role, Scope, Seal, Sessions, SignIn, Users};
use crate::event::unix_now;

/// The header in which a page of ours proves that it is one.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";
const CSRF: &str = "csrf";

/// The gate.
pub struct Gate {
    /// Signs cookies.
    pub seal: Arc<Seal>,
    /// Who may sign in.
    pub users: Arc<Users>,
    /// Who has.
    pub sessions: Arc<Sessions>,
    /// The tokens.
    pub keyring: Arc<Keyring>,
    /// Takes passwords.
    pub door: SignIn,
    /// Takes certificates.
    pub certificates: Certificates,
    /// Refusals of those who said who they are.
    pub refusals: Refusals,
    /// Where it is put on record what was refused to them.
    pub trail: Arc<Trail>,
}

/// What is known of a request's far end before it says anything.
#[derive(Default)]
pub(super) struct FarEnd {
    /// It came over HTTPS.
    pub(super) secure: bool,
    /// The certificate that its connection was opened with.
    pub(super) certificate: Presented,
    /// Where it is.
    pub(super) client: Option<Client>,
}

/// Counted, and logged once a minute for each who is known and once for all others: who holds a wrong
/// token asks again and again.
#[derive(Default)]
pub struct Refusals {
    count: AtomicU64,
    quiet: Mutex<Quiet<Option<String>>>,
}

impl Gate {
    /// Lets a request in or not; with who is asking, if that is known.
    pub(super) fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        far_end: &FarEnd,
    ) -> Result<Option<Identity>, ApiError> {
        let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if !is_read && is_cross_site(headers) {
            return Err(ApiError::cross_site());
        }
        let need = need(path);
        if need == Need::Nothing {
            return Ok(self.identify(headers, far_end).ok().flatten());
        }
        let identity =
            self.identify(headers, far_end).inspect_err(|why| self.refused(None, path, why))?;
        let identity = identity.ok_or_else(ApiError::unauthorized)?;
        let allowed = self.allow(&identity, need, is_read, headers);
        if let Err(why) = allowed {
            self.refused(Some(&identity), path, &why);
            if let Some(container) = Route::ContainerActions.filled_in(path).filter(|_| !is_read) {
                let asker = Asker { identity, client: far_end.client };
                self.trail.refused(&asker, container, None, &why);
            }
            return Err(why);
        }
        Ok(Some(identity))
    }

    fn allow(
        &self,
        identity: &Identity,
        need: Need,
        is_read: bool,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        match need {
            Need::Scope(scope) if !identity.may(scope) => return Err(not_for(identity, scope)),
            _ => {}
        }
        if !is_read && identity.is_sent_by_browsers() {
            let token = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
            if !token.is_some_and(|token| self.seal.is_signed(CSRF, &identity.pass(), token)) {
                return Err(ApiError::csrf());
            }
        }
        Ok(())
    }

    /// What a page of this identity's proves itself with.
    pub(super) fn csrf(&self, identity: &Identity) -> String {
        self.seal.sign(CSRF, &identity.pass())
    }

    /// Who is asking: a token, else a session, else a certificate.
    fn identify(
        &self,
        headers: &HeaderMap,
        far_end: &FarEnd,
    ) -> Result<Option<Identity>, ApiError> {
        if let Some(token) = bearer_token(headers) {
            let bearer = self.keyring.bearer(token).ok_or_else(ApiError::wrong_token)?;
            return Ok(Some(Identity { name: bearer.name.as_str().into(), by: By::Token(bearer) }));
        }
        let cookie = cookies::Kind::Session.read(&self.seal, headers, far_end.secure);
        let open = cookie.and_then(|cookie| {
            self.sessions.find(&self.seal, &self.users, &cookie, unix_now() as u64)
        });
        if let Some(open) = open {
            let name = open.user.as_str().into();
            return Ok(Some(Identity { name, by: By::Password(open) }));
        }
        self.certificates.identify(&far_end.certificate)
    }

    /// Those of these passes that let nobody in any more. Being watched with counts as use.
    pub fn fallen(&self, passes: HashSet<Arc<str>>) -> Vec<Arc<str>> {
        self.certificates.forget_all_but(&passes);
        passes.into_iter().filter(|pass| !self.stands(pass)).collect()
    }

    fn stands(&self, pass: &str) -> bool {
        match pass.split_once(' ') {
            Some(("password", id)) => {
                self.sessions.is_watched_with(&self.users, id, unix_now() as u64).is_some()
            }
            Some(("token", mark)) => self.keyring.stands(mark),
            Some(("certificate", fingerprint)) => self.certificates.stands(fingerprint),
            _ => false,
        }
    }

    fn refused(&self, identity: Option<&Identity>, path: &str, why: &ApiError) {
        let refused = self.refusals.count.fetch_add(1, Ordering::Relaxed) + 1;
        let account = identity.map(Identity::account);
        let mut quiet = self.refusals.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if !quiet.is_first(&account, Instant::now()) {
            return;
        }
        drop(quiet);
        let why = why.message();
        warn!(account, path, why, refused, "a request was refused (further ones are counted)");
    }

    /// How many requests were refused to those who said who they are.
    pub(super) fn refused_count(&self) -> u64 {
        self.refusals.count.load(Ordering::Relaxed)
    }
}

fn not_for(identity: &Identity, scope: Scope) -> ApiError {
    match identity.by {
        By::Token(_) => ApiError::wrong_scope(scope.as_str()),
        _ => ApiError::wrong_role(identity.role() == Role::Viewer),
    }
}

/// Another scheme is not for us: a proxy that asks for a password passes its own on.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A browser says so where it can (<https://www.w3.org/TR/fetch-metadata/>).
fn is_cross_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    site.is_some_and(|site| site != b"same-origin" && site != b"none")
}
