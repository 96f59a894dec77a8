//! Puts on record what identities have had done to containers, and what was refused to them: in the
//! audit log, and with a line in takpulse's own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::spawn_blocking;
use tracing::{error, warn};

use super::client::Client;
use super::identity::Identity;
use super::quiet::Quiet;
use super::reject::ApiError;
use crate::access::{AccessError, Audit, Entry, Outcome};
use crate::containers::{Action, Found};
use crate::event::unix_now;

/// The way to the audit log.
pub struct Trail {
    audit: Arc<Audit>,
    /// By account and reason, both of which there are few of: refusals must not push out what was done.
    quiet: Mutex<Quiet<(String, &'static str)>>,
}

/// Who asks, and from where.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) identity: Identity,
    /// Where that is not known, there was no connection.
    pub(super) client: Option<Client>,
}

impl Trail {
    /// Writes there.
    pub fn new(audit: Audit) -> Trail {
        Trail { audit: Arc::new(audit), quiet: Mutex::default() }
    }

    /// Writes a line; returns when it is on the disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) async fn write(&self, entry: Entry) -> Result<(), AccessError> {
        let audit = self.audit.clone();
        let unfinished = |why: String| AccessError::State {
            path: self.audit.path(),
            why,
            advice: "see takpulse's log",
        };
        let written = spawn_blocking(move || audit.write(&entry)).await;
        written.unwrap_or_else(|why| Err(unfinished(why.to_string())))
    }

    /// Notes, once a minute for each who and why, what was refused to somebody who is known. Nobody
    /// waits for that.
    pub(super) fn refused(
        &self,
        asker: &Asker,
        container: &str,
        looked_up: Option<(&Found, Action)>,
        why: &ApiError,
    ) {
        let about = (asker.identity.account(), why.code());
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if !quiet.is_first(&about, Instant::now()) {
            return;
        }
        drop(quiet);
        let (account, code) = about;
        warn!(
            account,
            container, code, "an action on a container was refused (noted once a minute)"
        );
        let entry = Entry {
            action: looked_up.map(|(_, action)| action.as_str()),
            name: looked_up.map(|(found, _)| found.name.clone()),
            message: Some(why.message().to_owned()),
            ..asker
                .entry(Outcome::Refused, looked_up.map_or(container, |(found, _)| found.short_id()))
        };
        let audit = self.audit.clone();
        spawn_blocking(move || {
            if let Err(why) = audit.write(&entry) {
                error!(%why, "a refused action could not be put on record");
            }
        });
    }
}

impl Asker {
    /// A line about this container, of which nothing else is known yet.
    pub(super) fn entry(&self, outcome: Outcome, container: &str) -> Entry {
        Entry {
            timestamp: unix_now(),
            who: self.identity.name.to_string(),
            by: self.identity.by(),
            address: self.client.map(|client| client.address),
            via: self.client.and_then(|client| client.via),
            action: None,
            operation: None,
            container: container.to_owned(),
            name: None,
            outcome,
            message: None,
        }
    }
}
