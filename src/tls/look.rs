//! The look every few seconds: what has changed is put in force, and what ends soon is said.

use std::sync::{Arc, PoisonError};

use tracing::{info, warn};

use super::authorities::Authorities;
use super::expiry::{self, Nearness, nearness};
use super::pair::Pair;
use super::watch::Watch;
use super::{InForce, Tls, now};

/// What was seen at the last look.
pub(super) struct Looking {
    pub pair: Watch,
    pub authorities: Watch,
    /// What was last said in the log about the end of the certificate.
    pub warned: Nearness,
}

const PAIR_STAYS: &str = "the certificate cannot be read again, the old one is still served";
const AUTHORITIES_STAY: &str = "the authorities of client certificates and what they revoked cannot be read again, what was read before still counts";

impl Tls {
    /// Reads again what has changed, renews the self-signed certificate, and says in the log what
    /// ends soon. It reads files: not for the thread that serves.
    pub fn look(&self) {
        self.look_at(now());
    }

    pub(super) fn look_at(&self, now: i64) {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        self.look_at_pair(&mut looking, now);
        self.look_at_authorities(&mut looking);
        let pair = &self.in_force().pair;
        let near = nearness(pair.not_after, now);
        if near > looking.warned {
            warn_of_the_end(pair, near);
        }
        looking.warned = near;
    }

    fn look_at_pair(&self, looking: &mut Looking, now: i64) {
        let old = self.in_force();
        let (is_due, was_broken) = (self.source.is_due(&old.pair, now), looking.pair.is_broken());
        let renewed = looking.pair.look(is_due, PAIR_STAYS, || {
            InForce::new(self.source.load(now)?, old.authorities.clone(), old.trust)
        });
        let Some(new) = renewed else { return };
        let (file, until) = (new.pair.source.display(), expiry::date(new.pair.not_after));
        let is_new = new.pair.der() != old.pair.der();
        if is_new || was_broken {
            let fingerprint = new.pair.fingerprint();
            info!(%file, fingerprint, until, "the certificate was read again and is served");
        }
        if is_new {
            looking.warned = Nearness::Far;
        }
        self.put_in_force(new);
    }

    fn look_at_authorities(&self, looking: &mut Looking) {
        let old = self.in_force();
        let changed = looking.authorities.look(false, AUTHORITIES_STAY, || {
            let authorities = Arc::new(Authorities::load(&self.clients)?);
            InForce::new(old.pair.clone(), authorities, old.trust.wrapping_add(1))
        });
        if let Some(new) = changed {
            info!("the authorities of client certificates and what they revoked were read again");
            self.put_in_force(new);
        }
    }

    fn put_in_force(&self, new: InForce) {
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }
}

fn warn_of_the_end(pair: &Pair, near: Nearness) {
    let (file, date) = (pair.source.display(), expiry::date(pair.not_after));
    match near {
        Nearness::Far => {}
        Nearness::Over => {
            warn!(%file, date, "the certificate has expired and browsers refuse it; put a new one in its place");
        }
        Nearness::Month | Nearness::Fortnight | Nearness::Week => {
            warn!(%file, date, "the certificate ends soon; put a new one in its place");
        }
    }
}
