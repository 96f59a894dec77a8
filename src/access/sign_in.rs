//! Sign-in with a password: how often it may be tried, and that hashing holds up nobody.
//!
//! Who guesses must not be able to keep the owner out. So a browser in which somebody has signed in
//! before is known again by a signed cookie, and its attempts are counted, and hashed, apart from those
//! of strangers (OWASP calls this device cookies:
//! <https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies>).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::aside::aside;
use super::attempts::{Attempts, Key};
use super::seal::Seal;
use super::session::Sessions;
use super::user::{User, Users};
use super::{AccessError, password, random, to_hex};
use crate::event::unix_now;

/// So many strangers may wait for their password to be hashed; one at a time is.
const MOST_WAITING: usize = 16;
/// So many of them are a crowd; people sign in one by one.
const CROWD: usize = 3;
/// So many known browsers of one user may wait.
const MOST_KNOWN_WAITING: usize = 4;
const DEVICE: &str = "device";

/// Who wants in.
#[derive(Clone)]
pub struct Applicant {
    /// The name that was typed.
    pub user: String,
    /// And the password.
    pub password: String,
    /// Where it comes from; a whole network counts as one where it belongs to one user.
    pub address: IpAddr,
    /// What its browser was given at an earlier sign-in.
    pub device: Option<String>,
}

/// Who is in.
pub struct SignedIn {
    /// As whom.
    pub user: User,
    /// What the browser is to hold for this session.
    pub session: String,
    /// What it is to hold for the next.
    pub device: String,
}

/// Why somebody is not in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Which of the two is wrong is not told.
    Wrong,
    /// After this time there is another attempt.
    TooOften(Duration),
    /// Too many want in at the moment.
    Busy,
    /// No session can be made.
    State(AccessError),
}

/// The door.
pub struct SignIn {
    seal: Arc<Seal>,
    users: Arc<Users>,
    sessions: Arc<Sessions>,
    attempts: Mutex<Attempts>,
    strangers: Queue,
    /// One for each user: nobody waits behind another's browsers.
    known: Mutex<HashMap<String, Queue>>,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

/// Where one waits for one's password to be hashed: a memory of 19 MiB is wanted for it.
#[derive(Clone)]
struct Queue {
    capacity: usize,
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

impl Queue {
    fn new(places: usize) -> Queue {
        let turn = Arc::new(Semaphore::new(1));
        Queue { capacity: places, places: Arc::new(Semaphore::new(places)), turn }
    }

    /// Whether so many are there that it looks like somebody who guesses.
    fn is_crowded(&self) -> bool {
        self.capacity - self.places.available_permits() >= CROWD
    }
}

impl SignIn {
    /// For these users.
    pub fn new(seal: Arc<Seal>, users: Arc<Users>, sessions: Arc<Sessions>) -> SignIn {
        SignIn {
            seal,
            users,
            sessions,
            attempts: Mutex::default(),
            strangers: Queue::new(MOST_WAITING),
            known: Mutex::default(),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// How many attempts succeeded and failed since the start; those over a limit count as failed.
    pub fn counts(&self) -> (u64, u64) {
        (self.succeeded.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// Whether strangers are turned away at the moment: it is known before their password is.
    pub fn is_crowded(&self) -> bool {
        self.strangers.places.available_permits() == 0
    }

    /// Lets somebody in, or not.
    ///
    /// # Errors
    /// The name or the password is wrong, it was tried too often, or it cannot be done now.
    pub async fn sign_in(&self, applicant: Applicant) -> Result<SignedIn, Refusal> {
        let (user, address) = (applicant.user.clone(), applicant.address);
        let outcome = self.try_to(applicant).await;
        match &outcome {
            Ok(_) => {
                self.succeeded.fetch_add(1, Ordering::Relaxed);
                info!(user, %address, "somebody has signed in");
            }
            Err(why) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                // What was typed as a name may be a password, and is not written down.
                let user = self.users.find(&user).map_or("an unknown one".into(), |user| user.name);
                match why {
                    Refusal::Wrong => {
                        warn!(user, %address, "a sign-in failed: the name or the password is wrong")
                    }
                    Refusal::State(why) => {
                        warn!(user, %address, %why, "a sign-in failed: no session can be made")
                    }
                    // A crowd is not worth a line each; the one that filled the measure has one.
                    Refusal::TooOften(_) | Refusal::Busy => {}
                }
            }
        }
        outcome
    }

    async fn try_to(&self, applicant: Applicant) -> Result<SignedIn, Refusal> {
        let taken = Instant::now();
        let device =
            applicant.device.as_deref().and_then(|held| self.known_device(&applicant.user, held));
        let (keys, queue) = match device {
            Some(device) => (vec![Key::Device(device)], self.queue_of(&applicant.user)),
            None => {
                let keys = vec![Key::Address(applicant.address), Key::User(applicant.user.clone())];
                (keys, self.strangers.clone())
            }
        };
        let place = queue.places.clone().try_acquire_owned().map_err(|_| Refusal::Busy)?;
        self.attempts().take(&keys, taken).map_err(Refusal::TooOften)?;
        let in_crowd = queue.is_crowded();
        let turn = queue.turn.acquire_owned().await.map_err(|_| Refusal::Busy)?;
        let (seal, users, sessions) =
            (self.seal.clone(), self.users.clone(), self.sessions.clone());
        // Who goes away meanwhile does not make room for more than one at a time.
        let checked = aside(in_crowd, move || {
            let _until_done = (turn, place);
            check(&seal, &users, &sessions, &applicant)
        });
        let signed_in = checked.await.unwrap_or(Err(Refusal::Busy))?;
        self.attempts().give_back(&keys, taken);
        Ok(signed_in)
    }

    /// Where this user's known browsers wait. There are as many queues as users who have been in.
    fn queue_of(&self, user: &str) -> Queue {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(user.to_owned()).or_insert_with(|| Queue::new(MOST_KNOWN_WAITING)).clone()
    }

    /// The browser's number, when this user has signed in with it before.
    fn known_device(&self, user: &str, held: &str) -> Option<String> {
        let (id, signature) = held.split_once('.')?;
        let signed = self.seal.is_signed(DEVICE, &device_text(user, id), signature);
        signed.then(|| device_text(user, id))
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn device_text(user: &str, id: &str) -> String {
    format!("{user}\n{id}")
}

/// The slow part: not for the thread that serves.
fn check(
    seal: &Seal,
    users: &Users,
    sessions: &Sessions,
    applicant: &Applicant,
) -> Result<SignedIn, Refusal> {
    let user = users.find(&applicant.user);
    // Where there is no such user, another's hash takes the same time.
    let hash = user.as_ref().map_or_else(|| users.some_hash(), |user| user.password_hash.clone());
    let is_right = password::verify(&applicant.password, &hash);
    let user = user.filter(|_| is_right).ok_or(Refusal::Wrong)?;
    let session = sessions.begin(seal, &user, unix_now() as u64).map_err(Refusal::State)?;
    let id = to_hex(&random::<16>().map_err(Refusal::State)?);
    let device = format!("{id}.{}", seal.sign(DEVICE, &device_text(&user.name, &id)));
    Ok(SignedIn { user, session, device })
}

#[cfg(test)]
mod tests {
    use super::super::StateDir;
    use super::super::session::Lifetimes;
    use super::super::user::make_first;
    use super::*;

    const PASSWORD: &str = "long enough";

    fn door(outer: &tempfile::TempDir) -> Arc<SignIn> {
        let dir = StateDir::at(outer.path());
        make_first(&dir, Some(PASSWORD)).expect("made");
        let hour = Duration::from_secs(3600);
        let lifetimes = Lifetimes { idle: hour, absolute: hour };
        let sessions = Sessions::open(dir.clone(), lifetimes).expect("readable");
        let seal = Seal::open(&dir).expect("a key");
        let users = Users::new(Vec::new(), dir);
        Arc::new(SignIn::new(Arc::new(seal), Arc::new(users), Arc::new(sessions)))
    }

    fn applicant(user: &str, password: &str, last: u8) -> Applicant {
        let address = [192, 0, 2, last].into();
        Applicant { user: user.into(), password: password.into(), address, device: None }
    }

    /// What comes of this many attempts that are made at once.
    async fn at_once(
        door: &Arc<SignIn>,
        applicants: impl Iterator<Item = Applicant>,
    ) -> [usize; 3] {
        let mut tasks = tokio::task::JoinSet::new();
        for applicant in applicants {
            let door = door.clone();
            tasks.spawn(async move { door.sign_in(applicant).await.err() });
        }
        let mut counts = [0; 3];
        while let Some(refusal) = tasks.join_next().await {
            match refusal.expect("no panic") {
                Some(Refusal::Wrong) => counts[0] += 1,
                Some(Refusal::TooOften(_)) => counts[1] += 1,
                Some(Refusal::Busy) => counts[2] += 1,
                other => panic!("{other:?}"),
            }
        }
        counts
    }

    #[tokio::test]
    async fn fifty_guesses_at_once_from_one_address_are_ten() {
        let outer = tempfile::tempdir().expect("a directory");
        let door = door(&outer);
        let [wrong, _, _] = at_once(&door, (0..50).map(|_| applicant("admin", "guess", 1))).await;
        assert_eq!(wrong, 10);
        assert_eq!(door.counts(), (0, 50));
        // The right password does not help from there, and helps from elsewhere.
        let right = |last| door.sign_in(applicant("admin", PASSWORD, last));
        assert!(matches!(right(1).await.err(), Some(Refusal::TooOften(_))));
        assert!(right(2).await.is_ok());
    }

    #[tokio::test]
    async fn guesses_from_everywhere_do_not_lock_the_owner_out_of_a_known_browser() {
        let outer = tempfile::tempdir().expect("a directory");
        let door = door(&outer);
        let device = door.sign_in(applicant("admin", PASSWORD, 1)).await.expect("in").device;
        let mut wrong = 0;
        for from in (0..200).step_by(10) {
            let crowd = (from..from + 10).map(|last| applicant("admin", "guess", last));
            wrong += at_once(&door, crowd).await[0];
        }
        assert_eq!(wrong, 30, "for one user, wherever from");
        let own = |device: &str, password: &str| {
            let known =
                Applicant { device: Some(device.into()), ..applicant("admin", password, 1) };
            door.sign_in(known)
        };
        assert!(own(&device, PASSWORD).await.is_ok(), "the owner gets in");
        let forged = device.replacen(|_: char| true, "x", 1);
        assert!(matches!(own(&forged, PASSWORD).await.err(), Some(Refusal::TooOften(_))));
        for _ in 0..10 {
            assert_eq!(own(&device, "guess").await.err(), Some(Refusal::Wrong));
        }
        let stolen = own(&device, PASSWORD).await.err();
        assert!(matches!(stolen, Some(Refusal::TooOften(_))), "a stolen one is of little use");
    }

    #[tokio::test]
    async fn an_unknown_user_is_refused_as_a_known_one_is() {
        let outer = tempfile::tempdir().expect("a directory");
        let door = door(&outer);
        for user in ["admin", "nobody"] {
            let refused = door.sign_in(applicant(user, "guess", 1)).await.err();
            assert_eq!(refused, Some(Refusal::Wrong), "{user}");
            let crowd = (10..60).map(|last| applicant(user, "guess", last));
            let [wrong, ..] = at_once(&door, crowd).await;
            assert_eq!(wrong, MOST_WAITING, "{user}");
        }
    }
}
