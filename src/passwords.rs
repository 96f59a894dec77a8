//! `takpulse hash-password` and `takpulse reset-password`.

use std::io::{self, IsTerminal};

use crate::access::{self, AccessError, FIRST, StateDir, password};
use crate::config::Config;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The terminal or the standard input.
    #[error("the password cannot be read: {0}")]
    Input(#[from] io::Error),
    /// The two that were typed are not the same.
    #[error("the two passwords are not the same; try again")]
    Different,
    /// Users stand in the configuration.
    #[error(
        "the users stand in the configuration (auth.users); put what `takpulse hash-password` prints \
         there, as password_hash"
    )]
    Configured,
    /// It cannot be one, or cannot be kept.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Hashes a password that is typed twice, or comes through a pipe.
///
/// # Errors
/// It cannot be read, or cannot be a password.
pub fn hash() -> Result<String, PasswordError> {
    let typed = if io::stdin().is_terminal() { ask()? } else { first_line()? };
    Ok(format!("{}\n", password::hash(&typed)?))
}

fn ask() -> Result<String, PasswordError> {
    let one = rpassword::prompt_password("Password: ")?;
    let other = rpassword::prompt_password("Again: ")?;
    if one == other { Ok(one) } else { Err(PasswordError::Different) }
}

fn first_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    // A file from Windows ends its lines with more than was meant.
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Makes a new password for the admin of the state directory; the text shows it, for the only time.
///
/// # Errors
/// The users stand in the configuration, or the state directory cannot be written.
pub fn reset(config: &Config) -> Result<String, PasswordError> {
    if !config.auth.users.is_empty() {
        return Err(PasswordError::Configured);
    }
    let made = access::reset_password(&StateDir::at(&config.state_dir))?;
    Ok(format!("{FIRST} signs in with this password from now on: {made}\n"))
}
