//! Has a container started, stopped or restarted, to the end: on record first, with its progress on the
//! bus, and whether or not whoever asked is still there.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::trail::{Asker, Trail};
use crate::access::{AccessError, Entry, Outcome};
use crate::bus::Bus;
use crate::containers::{Action, Client, ContainerId, Failure, Found};
use crate::event::{Origin, Topic, unix_now};

/// When takpulse ends, what is being done has this long to be done. An engine that is left amid a stop may
/// kill at once, and amid a restart not start again (<https://github.com/moby/moby/issues/45731>).
const GRACE: Duration = Duration::from_secs(15);

/// And then this long to be put on record.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What is said of an action when takpulse ends before it does.
const CUT_SHORT: &str = "takpulse ended before the engine said that it is done: the container may be \
                         stopped and not started again; look, and start it if so";

/// What can be done to containers.
pub struct Actions {
    /// Whether anything can.
    allowed: bool,
    bus: Arc<dyn Bus>,
    origin: Arc<Origin>,
    trail: Arc<Trail>,
    /// The containers, by whole id, to which something is being done.
    busy: Mutex<HashSet<String>>,
    tasks: TaskTracker,
    ending: CancellationToken,
}

/// What is to be done.
pub(super) struct Order {
    pub(super) asker: Asker,
    pub(super) action: Action,
    pub(super) found: Found,
}

/// Why it is not begun.
pub(super) enum NotBegun {
    /// Something else is being done to the container.
    Busy,
    /// It could not be put on record.
    NotOnRecord(AccessError),
    /// takpulse ends.
    Ending,
}

/// What viewers are told, as `container_action`.
#[derive(Serialize)]
struct Progress<'a> {
    /// The same in all events of one action.
    operation: &'a str,
    /// The first 12 digits of the container's id.
    container: &'a str,
    name: &'a str,
    action: Action,
    state: State,
    /// Who asked for it.
    by: &'a str,
    /// What went wrong, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
}

/// How far it is.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    InProgress,
    Completed,
    Error,
}

impl Actions {
    /// Those that are `allowed`, until `ending`.
    pub fn new(
        allowed: bool,
        bus: Arc<dyn Bus>,
        origin: Arc<Origin>,
        trail: Arc<Trail>,
        ending: CancellationToken,
    ) -> Actions {
        let (busy, tasks) = (Mutex::default(), TaskTracker::new());
        Actions { allowed, bus, origin, trail, busy, tasks, ending }
    }

    /// Whether anything can be done.
    pub(super) fn are_allowed(&self) -> bool {
        self.allowed
    }

    /// The node whose containers they are.
    pub(super) fn node(&self) -> &str {
        self.origin.node()
    }

    /// Where refusals are noted.
    pub(super) fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Begins, and returns the operation's id when that is on record and viewers have been told.
    pub(super) async fn begin(
        self: &Arc<Self>,
        client: Client,
        order: Order,
    ) -> Result<String, NotBegun> {
        if self.ending.is_cancelled() {
            return Err(NotBegun::Ending);
        }
        let claim = Claim::on(self.clone(), &order.found.id).ok_or(NotBegun::Busy)?;
        // A number that nobody has had.
        let operation = format!("{:016x}", fastrand::u64(..));
        let (tell, told) = oneshot::channel();
        self.tasks.spawn(carry_out(claim, client, order, operation.clone(), tell));
        // Who never tells has panicked; that is in the log.
        match told.await {
            Ok(Err(why)) => Err(NotBegun::NotOnRecord(why)),
            Ok(Ok(())) | Err(_) => Ok(operation),
        }
    }

    /// When takpulse ends: waits until what is being done is on record.
    pub async fn ended(&self) {
        self.tasks.close();
        let _too_long = timeout(GRACE + LAST_WORDS, self.tasks.wait()).await;
    }

    fn publish(&self, progress: &Progress<'_>) {
        match self.origin.event(Topic::ContainerAction, unix_now(), progress) {
            Ok(event) => self.bus.publish(Arc::new(event)),
            Err(why) => error!(%why, "the progress of an action does not serialise"),
        }
    }

    fn busy(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One container, to which nothing else is done meanwhile.
struct Claim {
    actions: Arc<Actions>,
    id: String,
}

impl Claim {
    /// `None`: something is being done to it.
    fn on(actions: Arc<Actions>, id: &str) -> Option<Claim> {
        let is_free = actions.busy().insert(id.to_owned());
        is_free.then(|| Claim { actions, id: id.to_owned() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.actions.busy().remove(&self.id);
    }
}

impl Order {
    fn entry(&self, operation: &str, outcome: Outcome, message: Option<String>) -> Entry {
        Entry {
            operation: Some(operation.to_owned()),
            action: Some(self.action.as_str()),
            name: Some(self.found.name.clone()),
            message,
            ..self.asker.entry(outcome, self.found.short_id())
        }
    }

    fn progress<'a>(&'a self, operation: &'a str) -> Progress<'a> {
        Progress {
            operation,
            container: self.found.short_id(),
            name: &self.found.name,
            action: self.action,
            state: State::InProgress,
            by: &self.asker.identity.name,
            message: None,
            duration_seconds: None,
        }
    }
}

/// Puts it on record, tells viewers, does it, and tells what came of it.
async fn carry_out(
    claim: Claim,
    client: Client,
    order: Order,
    operation: String,
    tell: oneshot::Sender<Result<(), AccessError>>,
) {
    let actions = claim.actions.clone();
    let (account, action) = (order.asker.identity.account(), order.action.as_str());
    let name = order.found.name.as_str();
    if let Err(why) = actions.trail.write(order.entry(&operation, Outcome::Asked, None)).await {
        error!(account, action, name, %why, "an action is not begun: it cannot be put on record");
        let _asker_left = tell.send(Err(why));
        return;
    }
    info!(account, action, name, operation, "an action on a container begins");
    actions.publish(&order.progress(&operation));
    let _asker_left = tell.send(Ok(()));

    let started = Instant::now();
    let outcome = tokio::select! {
        outcome = act(&client, &order) => outcome.map_err(|why| why.to_string()),
        () = ended(&actions.ending) => Err(CUT_SHORT.to_owned()),
    };
    let seconds = started.elapsed().as_millis() as f64 / 1000.0;
    let state = if outcome.is_ok() { State::Completed } else { State::Error };
    let message = outcome.err();
    match &message {
        None => {
            info!(account, action, name, operation, seconds, "an action on a container is done")
        }
        Some(why) => {
            warn!(account, action, name, operation, why, "an action on a container failed")
        }
    }
    let record = match &message {
        None => order.entry(&operation, Outcome::Completed, None),
        Some(why) => order.entry(&operation, Outcome::Error, Some(why.clone())),
    };
    if let Err(why) = actions.trail.write(record).await {
        error!(account, action, name, %why, "what came of an action could not be put on record");
    }
    // Whoever sees that it is done may ask for the next, which stands below it in the record.
    drop(claim);
    let (message, duration_seconds) = (message.as_deref(), Some(seconds));
    actions.publish(&Progress { state, message, duration_seconds, ..order.progress(&operation) });
}

/// Resolves when takpulse has waited long enough.
async fn ended(ending: &CancellationToken) {
    ending.cancelled().await;
    sleep(GRACE).await;
}

/// By its id: its name may have become another's.
async fn act(client: &Client, order: &Order) -> Result<(), Failure> {
    match ContainerId::parse(&order.found.id) {
        Some(id) => client.act(id, order.action).await,
        None => Err(Failure::Failed("the engine gave the container an id that is none".into())),
    }
}
