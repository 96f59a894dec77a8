//! `takpulse token`: makes, lists and revokes tokens, while the server runs or not.

use std::fmt::Write;

use super::token::{Tokens, read_uses};
use super::{AccessError, Scope, StateDir};
use crate::event::unix_now;

/// Makes a token; the text shows it, for the only time.
///
/// # Errors
/// The name is taken or cannot be one, or the file cannot be written.
pub fn make(dir: &StateDir, name: &str, scopes: &[Scope]) -> Result<String, AccessError> {
    let _locked = dir.lock()?;
    let mut tokens = Tokens::read(dir)?;
    let secret = tokens.make(name, scopes.to_vec())?;
    tokens.write(dir)?;
    Ok(format!("{secret}\n"))
}

/// Takes a token away; a running takpulse refuses it from the next request on.
///
/// # Errors
/// There is none of this name, or the file cannot be written.
pub fn revoke(dir: &StateDir, name: &str) -> Result<String, AccessError> {
    let _locked = dir.lock()?;
    let mut tokens = Tokens::read(dir)?;
    tokens.revoke(name)?;
    tokens.write(dir)?;
    Ok(format!("{name} is revoked\n"))
}

/// A table of all tokens: name, scopes, age and last use.
///
/// # Errors
/// The file cannot be read.
pub fn list(dir: &StateDir) -> Result<String, AccessError> {
    let (tokens, uses, now) = (Tokens::read(dir)?, read_uses(dir), unix_now() as u64);
    let ago = |time: u64| {
        let minutes = now.saturating_sub(time) / 60 * 60;
        match minutes {
            0 => "just now".to_owned(),
            _ => format!(
                "{} ago",
                humantime::format_duration(std::time::Duration::from_secs(minutes))
            ),
        }
    };
    let mut table = format!("{:<24} {:<24} {:<20} last used\n", "name", "scopes", "made");
    for (name, token) in tokens.iter() {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        // One of the same name may have been used before this one was made.
        let used = uses.get(name).filter(|time| **time >= token.created);
        let used = used.map_or("never".into(), |time| ago(*time));
        let made = ago(token.created);
        // Writing into a text cannot fail.
        let _written = writeln!(table, "{name:<24} {:<24} {made:<20} {used}", scopes.join(","));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_listed_and_revoked() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(&outer.path().join("state"));
        let secret = make(&dir, "backup", &[Scope::Publish, Scope::Stream]).expect("made");
        assert!(secret.starts_with("takpulse_"), "{secret}");
        let table = list(&dir).expect("readable");
        let line = table.lines().nth(1).expect("one token");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, ["backup", "publish,stream", "just", "now", "never"]);
        assert!(!table.contains(secret.trim()));
        revoke(&dir, "backup").expect("there");
        assert_eq!(list(&dir).expect("readable").lines().count(), 1);
        assert_eq!(make(&dir, "a b", &[]), Err(AccessError::TokenName));
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        make(&dir, "old", &[Scope::Admin]).expect("made");
        std::thread::scope(|scope| {
            scope.spawn(|| revoke(&dir, "old").expect("revoked"));
            for number in 0..8 {
                let dir = &dir;
                scope.spawn(move || make(dir, &format!("t{number}"), &[]).expect("made"));
            }
        });
        let table = list(&dir).expect("readable");
        assert_eq!(table.lines().count(), 1 + 8, "{table}");
        assert!(!table.contains("old"), "{table}");
    }
}
