//! Sessions: who has signed in with a password, until they sign out, do nothing for long, or their time
//! is over.
//!
//! A browser holds a signed number; what it stands for is kept here and in the state directory, so that
//! a session can be ended for good, and a restart ends none.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::seal::Seal;
use super::user::{Role, User, Users};
use super::{AccessError, StateDir, random, to_hex};

/// The open ones.
const FILE: &str = "sessions.json";
/// So many of one user's may be open; the one that was used longest ago makes room. By user, so that nobody
/// can log anybody else out.
const MOST_OF_ONE: usize = 50;
const PURPOSE: &str = "session";

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Without being used.
    pub idle: Duration,
    /// In any case.
    pub absolute: Duration,
}

/// Of one session; it is no secret.
pub type SessionId = String;

/// Times are Unix seconds by the wall clock: they must mean something after a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session {
    user: String,
    /// [`User::mark`] at sign-in.
    mark: String,
    since: u64,
    seen: u64,
}

/// A session that is open.
#[derive(Clone)]
pub struct Open {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user: String,
    /// What that user may do now.
    pub role: Role,
    /// Since when, in Unix seconds.
    pub since: u64,
    /// Until when at most, in Unix seconds.
    pub until: u64,
}

/// All sessions.
pub struct Sessions {
    dir: StateDir,
    lifetimes: Lifetimes,
    held: Mutex<Held>,
    /// One writes at a time, and nobody else waits for the disk: whoever looks a session up least of all.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Held {
    open: BTreeMap<SessionId, Session>,
    /// When each was last used, as it is written down.
    written: BTreeMap<SessionId, u64>,
    unkept: Option<AccessError>,
}

impl Sessions {
    /// Those of the state directory.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn open(dir: StateDir, lifetimes: Lifetimes) -> Result<Sessions, AccessError> {
        let open: BTreeMap<SessionId, Session> = dir.read_json(FILE)?;
        let written = open.iter().map(|(id, session)| (id.clone(), session.seen)).collect();
        let held = Held { open, written, unkept: None };
        Ok(Sessions { dir, lifetimes, held: Mutex::new(held), writing: Mutex::default() })
    }

    /// How long they last.
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// Begins one at this time; returns what the browser is to hold. It waits for the disk.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn begin(&self, seal: &Seal, user: &User, now: u64) -> Result<String, AccessError> {
        let id = to_hex(&random::<16>()?);
        let session = Session { user: user.name.clone(), mark: user.mark(), since: now, seen: now };
        self.make_room(&user.name, now);
        self.held().open.insert(id.clone(), session);
        // A full disk is when the dashboard is needed most.
        if let Err(why) = self.keep() {
            warn!(%why, "a session begins, but will not outlive a restart");
        }
        Ok(format!("{id}.{}", seal.sign(PURPOSE, &id)))
    }

    /// Forgets those that are over, and as many of this user's others as must be.
    fn make_room(&self, user: &str, now: u64) {
        let mut held = self.held();
        held.open.retain(|_, session| self.lifetimes.allow(session, now));
        let own = held.open.iter().filter(|(_, session)| session.user == user);
        let mut own: Vec<(u64, SessionId)> =
            own.map(|(id, session)| (session.seen, id.clone())).collect();
        own.sort();
        let too_many = (own.len() + 1).saturating_sub(MOST_OF_ONE);
        for (_, oldest) in own.into_iter().take(too_many) {
            held.open.remove(&oldest);
        }
    }

    /// The session that a browser's cookie stands for; it counts as used.
    pub fn find(&self, seal: &Seal, users: &Users, cookie: &str, now: u64) -> Option<Open> {
        let (id, signature) = cookie.split_once('.')?;
        if !seal.is_signed(PURPOSE, id, signature) {
            return None;
        }
        self.stands(users, id, now)
    }

    /// The session of this number, with which a stream is open: that is use, whenever it was last seen.
    pub fn is_watched_with(&self, users: &Users, id: &str, now: u64) -> Option<Open> {
        if let Some(session) = self.held().open.get_mut(id) {
            session.seen = session.seen.max(now);
        }
        self.stands(users, id, now)
    }

    /// The session of this number while it is open; it counts as used.
    fn stands(&self, users: &Users, id: &str, now: u64) -> Option<Open> {
        let mut held = self.held();
        let session = held.open.get_mut(id)?;
        if !self.lifetimes.allow(session, now) {
            held.open.remove(id);
            return None;
        }
        session.seen = session.seen.max(now);
        let (since, mark) = (session.since, session.mark.clone());
        let user = users.find(&session.user).filter(|user| user.mark() == mark)?;
        drop(held);
        let until = since + self.lifetimes.absolute.as_secs();
        Some(Open { id: id.to_owned(), user: user.name, role: user.role, since, until })
    }

    /// Ends a session for good. It waits for the disk.
    ///
    /// # Errors
    /// It has ended here, but the state directory could not be told: a restart would bring it back.
    pub fn end(&self, id: &str) -> Result<(), AccessError> {
        self.held().open.remove(id);
        self.keep()
    }

    /// Writes when sessions were last used, where it matters: not each minute, as SD cards die of small
    /// writes. It waits for the disk.
    pub fn keep_uses(&self) {
        if !self.is_worth_writing() {
            return;
        }
        let outcome = self.keep().err();
        let mut held = self.held();
        if let Some(why) = outcome.as_ref().filter(|why| held.unkept.as_ref() != Some(*why)) {
            warn!(%why, "sessions cannot be kept; a restart may log people out");
        }
        held.unkept = outcome;
    }

    fn is_worth_writing(&self) -> bool {
        let step = (self.lifetimes.idle.as_secs() / 20).max(1);
        let held = self.held();
        let is_old = |(id, session): (&SessionId, &Session)| {
            held.written.get(id).is_none_or(|written| session.seen >= written + step)
        };
        held.open.len() != held.written.len() || held.open.iter().any(is_old)
    }

    /// Writes what is so when it is this one's turn: two that write at once undo nothing.
    fn keep(&self) -> Result<(), AccessError> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.held().open.clone();
        self.dir.write_json(FILE, &open)?;
        self.held().written = open.into_iter().map(|(id, one)| (id, one.seen)).collect();
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lifetimes {
    /// Whether a session may still be used. A clock that was set back makes none older.
    fn allow(self, session: &Session, now: u64) -> bool {
        let within = |since: u64, limit: Duration| now.saturating_sub(since) < limit.as_secs();
        within(session.since, self.absolute) && within(session.seen, self.idle)
    }
}

#[cfg(test)]
mod tests {
    use super::super::user::{make_first, reset_password};
    use super::*;

    const LIFETIMES: Lifetimes =
        Lifetimes { idle: Duration::from_secs(100), absolute: Duration::from_secs(1000) };

    struct World {
        outer: tempfile::TempDir,
        seal: Seal,
        users: Users,
    }

    impl World {
        fn new() -> World {
            let outer = tempfile::tempdir().expect("a directory");
            let dir = StateDir::at(outer.path());
            make_first(&dir, Some("long enough")).expect("made");
            let seal = Seal::open(&dir).expect("a key");
            World { seal, users: Users::new(Vec::new(), dir), outer }
        }

        fn dir(&self) -> StateDir {
            StateDir::at(self.outer.path())
        }

        fn sessions(&self) -> Sessions {
            Sessions::open(self.dir(), LIFETIMES).expect("readable")
        }

        fn begin(&self, sessions: &Sessions, now: u64) -> String {
            let user = self.users.find("admin").expect("there");
            sessions.begin(&self.seal, &user, now).expect("begun")
        }

        fn is_open(&self, sessions: &Sessions, cookie: &str, now: u64) -> bool {
            sessions.find(&self.seal, &self.users, cookie, now).is_some()
        }
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_not_longer_than_its_time() {
        let world = World::new();
        let sessions = world.sessions();
        let cookie = world.begin(&sessions, 5000);
        for now in (5000..6000).step_by(99) {
            assert!(world.is_open(&sessions, &cookie, now), "{now}");
        }
        assert!(!world.is_open(&sessions, &cookie, 6000), "its time is over");
        let cookie = world.begin(&sessions, 5000);
        assert!(world.is_open(&sessions, &cookie, 5099));
        assert!(!world.is_open(&sessions, &cookie, 5199), "nobody used it");
        assert!(!world.is_open(&sessions, &cookie, 5100), "and it does not come back");
        let cookie = world.begin(&sessions, 5000);
        let id = cookie.split_once('.').expect("signed").0;
        let watched = |now| sessions.is_watched_with(&world.users, id, now).is_some();
        assert!(watched(5900), "a stream is open");
        assert!(world.is_open(&sessions, &cookie, 5999));
        assert!(!watched(6000), "its time is over");
    }

    #[test]
    fn a_restart_ends_no_session_and_brings_none_back() {
        let world = World::new();
        let sessions = world.sessions();
        let [stays, ends] = [world.begin(&sessions, 10), world.begin(&sessions, 10)];
        let id = ends.split_once('.').expect("signed").0;
        sessions.end(id).expect("ended");
        assert!(!world.is_open(&sessions, &ends, 20));
        assert!(world.is_open(&sessions, &stays, 90));
        sessions.keep_uses();
        let again = world.sessions();
        assert!(world.is_open(&again, &stays, 150), "its last use is remembered");
        assert!(!world.is_open(&again, &ends, 20));
    }

    #[test]
    fn what_is_not_signed_here_is_no_session() {
        let world = World::new();
        let sessions = world.sessions();
        let cookie = world.begin(&sessions, 10);
        let (id, signature) = cookie.split_once('.').expect("signed");
        for forged in ["", ".", id, &format!("{id}."), &format!("{id}.{}", &signature[2..])] {
            assert!(!world.is_open(&sessions, forged, 10), "{forged}");
        }
        assert!(!world.is_open(&world.sessions(), &format!("0{cookie}"), 10));
    }

    #[test]
    fn a_new_password_ends_the_sessions_of_the_old_one() {
        let world = World::new();
        let sessions = world.sessions();
        let cookie = world.begin(&sessions, 10);
        assert!(world.is_open(&sessions, &cookie, 10));
        reset_password(&world.dir()).expect("reset");
        assert!(!world.is_open(&sessions, &cookie, 10));
    }

    #[test]
    fn their_number_has_an_end_and_nobody_logs_anybody_else_out() {
        let world = World::new();
        let sessions = world.sessions();
        let admins = world.begin(&sessions, 10);
        let user = User { name: "x".into(), role: Role::Viewer, password_hash: String::new() };
        let mut ids = Vec::new();
        for number in 0..=MOST_OF_ONE as u64 {
            let cookie = sessions.begin(&world.seal, &user, 11 + number).expect("begun");
            ids.push(cookie.split_once('.').expect("signed").0.to_owned());
        }
        let held = sessions.held();
        assert_eq!(held.open.len(), MOST_OF_ONE + 1);
        assert!(!held.open.contains_key(&ids[0]) && held.open.contains_key(&ids[1]));
        drop(held);
        assert!(world.is_open(&sessions, &admins, 80));
    }
}
