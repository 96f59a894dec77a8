//! Users: those of the configuration, or, where it names none, the `admin` of the state directory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::kept::Kept;
use super::{AccessError, Scope, StateDir, password, to_hex};

/// The users that takpulse keeps itself.
const FILE: &str = "users.json";
/// The first user.
pub const FIRST: &str = "admin";

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Watches.
    Viewer,
    /// Does everything.
    Admin,
}

impl Role {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Admin => "admin",
        }
    }

    /// What it may do, in the tokens' words.
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Role::Viewer => &[Scope::Stream, Scope::Metrics],
            Role::Admin => &[Scope::Admin],
        }
    }
}

/// Somebody who may sign in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// What is typed at sign-in.
    pub name: String,
    /// What may be done.
    pub role: Role,
    /// Argon2id, in the PHC string format.
    pub password_hash: String,
}

impl User {
    /// Changes when the password does: a session of the old one ends then.
    pub fn mark(&self) -> String {
        to_hex(&digest(&SHA256, self.password_hash.as_bytes()).as_ref()[..8])
    }
}

/// A user as the state directory keeps it.
#[derive(Clone, Serialize, Deserialize)]
struct KeptUser {
    role: Role,
    password_hash: String,
}

type KeptUsers = BTreeMap<String, KeptUser>;

fn read(dir: &StateDir) -> Result<KeptUsers, AccessError> {
    dir.read_json(FILE)
}

/// All users.
pub struct Users(Source);

enum Source {
    /// The configuration's.
    Configured(Vec<User>),
    /// Those of the state directory, as they are now.
    Kept(Box<Mutex<Kept<KeptUsers>>>),
}

impl Users {
    /// Those of the configuration; those of the state directory when there are none.
    pub fn new(configured: Vec<User>, dir: StateDir) -> Users {
        if configured.is_empty() {
            let kept = Kept::new(dir, FILE, read, "nobody can sign in with a password");
            return Users(Source::Kept(Box::new(Mutex::new(kept))));
        }
        Users(Source::Configured(configured))
    }

    /// A hash that takes as long as a user's, for whoever is none.
    pub fn some_hash(&self) -> String {
        let hash = match &self.0 {
            Source::Configured(users) => {
                let costliest = users.iter().max_by_key(|user| password::cost(&user.password_hash));
                costliest.map(|user| user.password_hash.clone())
            }
            Source::Kept(_) => self.find(FIRST).map(|user| user.password_hash),
        };
        hash.unwrap_or_else(|| password::NOBODYS.to_owned())
    }

    /// The user of this name.
    pub fn find(&self, name: &str) -> Option<User> {
        match &self.0 {
            Source::Configured(users) => users.iter().find(|user| user.name == name).cloned(),
            Source::Kept(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let KeptUser { role, password_hash } = kept.now().get(name)?.clone();
                Some(User { name: name.to_owned(), role, password_hash })
            }
        }
    }
}

/// Whether the state directory has users.
///
/// # Errors
/// It cannot be read.
pub fn has_users(dir: &StateDir) -> Result<bool, AccessError> {
    Ok(!read(dir)?.is_empty())
}

/// Makes the first admin where the state directory has no user yet. `given` is a password for it; with
/// none, one is made and returned, and can never be shown again.
///
/// # Errors
/// The password cannot be one, or the directory cannot be written.
pub fn make_first(dir: &StateDir, given: Option<&str>) -> Result<Option<String>, AccessError> {
    if has_users(dir)? {
        return Ok(None);
    }
    let _locked = dir.lock()?;
    if has_users(dir)? {
        return Ok(None);
    }
    let made = if given.is_some() { None } else { Some(password::generate()?) };
    set_password(dir, given.or(made.as_deref()).unwrap_or_default())?;
    Ok(made)
}

/// Gives the admin of the state directory a new password, and returns it. Its sessions end.
///
/// # Errors
/// The directory cannot be written.
pub fn reset_password(dir: &StateDir) -> Result<String, AccessError> {
    let _locked = dir.lock()?;
    let made = password::generate()?;
    set_password(dir, &made)?;
    Ok(made)
}

fn set_password(dir: &StateDir, password: &str) -> Result<(), AccessError> {
    let mut users = read(dir)?;
    let user = KeptUser { role: Role::Admin, password_hash: password::hash(password)? };
    users.insert(FIRST.to_owned(), user);
    dir.write_json(FILE, &users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_admin_is_made_once_and_only_the_hash_is_kept() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        let users = Users::new(Vec::new(), dir.clone());
        assert!(users.find(FIRST).is_none());
        let made = make_first(&dir, None).expect("made").expect("shown once");
        assert_eq!(make_first(&dir, None), Ok(None), "not a second time");
        let admin = users.find(FIRST).expect("known at once");
        assert_eq!(admin.role, Role::Admin);
        assert!(password::verify(&made, &admin.password_hash));
        let text = dir.read(FILE).expect("readable").expect("there");
        assert!(!text.contains(&made), "{text}");
        let reset = reset_password(&dir).expect("reset");
        let changed = users.find(FIRST).expect("known at once");
        assert!(password::verify(&reset, &changed.password_hash));
        assert!(!password::verify(&made, &changed.password_hash), "the old one is of no use");
        assert_ne!(admin.mark(), changed.mark());
    }

    #[test]
    fn the_first_admins_password_can_be_given() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        assert_eq!(make_first(&dir, Some("short")), Err(AccessError::Password));
        assert_eq!(make_first(&dir, Some("long enough")), Ok(None));
        let admin = Users::new(Vec::new(), dir).find(FIRST).expect("there");
        assert!(password::verify("long enough", &admin.password_hash));
    }

    #[test]
    fn where_the_configuration_names_users_the_kept_one_is_none() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        make_first(&dir, None).expect("made");
        let eve = User { name: "eve".into(), role: Role::Viewer, password_hash: "x".into() };
        let users = Users::new(vec![eve], dir);
        assert!(users.find(FIRST).is_none() && users.find("eve").is_some());
    }
}
