//! Turns what went wrong on the way to the engine into a status and a sentence that says what to do.
//!
//! The person who reads it is often a volunteer with a phone: a bare `os error 13` helps nobody.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use bollard::errors::Error;

use super::connect::Address;
use super::report::{DockerStatus, Status};
use crate::collect::CollectError;

/// Why the engine could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no socket.
    Missing,
    /// There is a socket or a port, and nobody answers on it.
    Refused,
    /// The socket may not be opened by this user, or the API refuses us.
    Forbidden,
    /// A proxy before the API refuses this request; its own words.
    Refuses(String),
    /// It took the request and gave no answer in time.
    Silent,
    /// The configured address cannot be used; why.
    BadAddress(String),
    /// The connection broke, or could not be made; why.
    Broken(String),
    /// The engine answered, but with something that makes no sense; what.
    Odd(String),
}

impl Fault {
    /// Sorts what bollard said.
    pub fn of(error: &Error) -> Fault {
        match error {
            Error::SocketNotFoundError(_) => Fault::Missing,
            Error::RequestTimeoutError => Fault::Silent,
            Error::DockerResponseServerError { status_code: 401 | 403, message } => {
                Fault::Refuses(one_line(message))
            }
            Error::DockerResponseServerError { status_code, message } => {
                Fault::Odd(format!("{status_code} {}", one_line(message)))
            }
            Error::JsonDataError { message, .. } => Fault::Odd(message.clone()),
            Error::JsonSerdeError { err } => Fault::Odd(err.to_string()),
            // Transparent: the chain begins below it.
            Error::IOError { err } => Fault::of_io((err.kind(), err.to_string())),
            other => io_kind(other).map_or_else(|| Fault::Broken(deepest(other)), Fault::of_io),
        }
    }

    /// Sorts an error of the operating system.
    pub fn of_io((kind, text): (ErrorKind, String)) -> Fault {
        match kind {
            ErrorKind::NotFound => Fault::Missing,
            ErrorKind::ConnectionRefused => Fault::Refused,
            ErrorKind::PermissionDenied => Fault::Forbidden,
            ErrorKind::TimedOut => Fault::Silent,
            _ => Fault::Broken(text),
        }
    }

    /// Whether somebody answered, and said no to this request.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Fault::Refuses(_))
    }

    /// The report for viewers.
    ///
    /// # Errors
    /// The engine answered with something that makes no sense: nobody foresaw it, so that the
    /// runner shall log it and ask less often.
    pub fn report(self, address: &Address) -> Result<DockerStatus, CollectError> {
        let message = self.message(address);
        match self {
            Fault::Odd(_) => Err(CollectError(message)),
            Fault::Forbidden | Fault::Refuses(_) => {
                Ok(DockerStatus::unreadable(Status::PermissionDenied, message))
            }
            _ => Ok(DockerStatus::unreadable(Status::Unavailable, message)),
        }
    }

    /// What happened, where, and what to do.
    pub fn message(&self, address: &Address) -> String {
        const START: &str = "sudo systemctl start docker";
        const OFF: &str = "or set collect.docker.enabled = false";
        const ELSEWHERE: &str = "or set collect.docker.host to where it listens";
        match self {
            Fault::Missing => format!(
                "no Docker socket at {address}: is Docker installed and running? {START}; {ELSEWHERE}; {OFF}"
            ),
            Fault::Refused => {
                format!("nobody answers at {address}: is Docker running? {START}; {ELSEWHERE}")
            }
            Fault::Forbidden if address.is_podmans() => format!(
                "Podman's socket {address} is there, but this user may not open it: start takpulse as the \
                 user who owns it, or as root"
            ),
            Fault::Forbidden => format!(
                "Docker's socket {address} is there, but this user may not open it: add the user \
                 to the group docker (sudo usermod -aG docker {}) and start takpulse again",
                super::connect::user_name()
            ),
            Fault::Refuses(why) => format!(
                "the Docker API at {address} refuses takpulse ({why}): if there is a proxy before \
                 it, allow GET of /version, /containers and /events"
            ),
            Fault::Silent => format!(
                "Docker at {address} took the request but gave no answer: it hangs or is \
                 overloaded; see journalctl -u docker, and restart it with sudo systemctl restart docker"
            ),
            Fault::BadAddress(why) => format!(
                "{address} is no address of a Docker engine: {why}; set collect.docker.host (or \
                 DOCKER_HOST) to unix:///var/run/docker.sock or tcp://host:2375"
            ),
            Fault::Broken(why) => {
                format!("the connection to Docker at {address} broke ({why}); trying again")
            }
            Fault::Odd(what) => format!(
                "Docker at {address} gave an answer that takpulse cannot read ({what}): see \
                 journalctl -u docker, and report it if the engine is well"
            ),
        }
    }
}

/// The operating system's error at the bottom of it, when there is one.
fn io_kind(error: &Error) -> Option<(ErrorKind, String)> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some((io.kind(), io.to_string()));
        }
        cause = error.source();
    }
    None
}

/// The last sentence of the chain: those before it only say that there is one.
fn deepest(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    one_line(&text)
}

/// A proxy's answer may be a whole page.
fn one_line(text: &str) -> String {
    shortened(text, 160)
}

/// On one line, and no longer than so many letters.
pub fn shortened(text: &str, most_letters: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(most_letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.into() }
    }

    fn io(kind: ErrorKind) -> Error {
        Error::IOError { err: io::Error::from(kind) }
    }

    #[test]
    fn every_fault_has_a_status_and_says_what_to_do() {
        let unix = Address::Socket("/var/run/docker.sock".into());
        for (error, status, says) in [
            (
                Error::SocketNotFoundError("x".into()),
                Some(Status::Unavailable),
                "no Docker socket at /var/run/docker.sock: is Docker installed and running? sudo \
                 systemctl start docker; or set collect.docker.host to where it listens; or set \
                 collect.docker.enabled = false",
            ),
            (
                io(ErrorKind::NotFound),
                Some(Status::Unavailable),
                "no Docker socket at /var/run/docker.sock: ",
            ),
            (
                io(ErrorKind::ConnectionRefused),
                Some(Status::Unavailable),
                "nobody answers at /var/run/docker.sock: is Docker running? sudo systemctl start docker",
            ),
            (
                io(ErrorKind::PermissionDenied),
                Some(Status::PermissionDenied),
                "Docker's socket /var/run/docker.sock is there, but this user may not open it: add \
                 the user to the group docker (sudo usermod -aG docker ",
            ),
            (
                server(403, "<html>\n<b>Forbidden</b>\n"),
                Some(Status::PermissionDenied),
                "refuses takpulse (<html> <b>Forbidden</b>): if there is a proxy before it, allow GET",
            ),
            (
                Error::RequestTimeoutError,
                Some(Status::Unavailable),
                "gave no answer: it hangs or is overloaded",
            ),
            (
                io(ErrorKind::ConnectionReset),
                Some(Status::Unavailable),
                "the connection to Docker at /var/run/docker.sock broke (connection reset); trying again",
            ),
            (
                Error::UnsupportedURISchemeError { uri: "x".into() },
                Some(Status::Unavailable),
                "URI scheme is not supported",
            ),
            (
                server(500, "out of order"),
                None,
                "gave an answer that takpulse cannot read (500 out of order): see journalctl -u docker",
            ),
            (
                Error::JsonDataError { message: "garbage".into(), column: 1 },
                None,
                "cannot read (garbage)",
            ),
        ] {
            let (got, text) = match Fault::of(&error).report(&unix) {
                Ok(report) => {
                    (Some(report.engine.status), report.engine.message.unwrap_or_default())
                }
                Err(CollectError(text)) => (None, text),
            };
            assert_eq!(got, status, "{error:?}");
            assert!(text.contains(says), "{text:?} should say {says:?}");
        }
    }

    #[test]
    fn nobody_is_sent_into_dockers_group_for_podmans_socket() {
        let podman = Address::Socket("/run/user/1000/podman/podman.sock".into());
        let text = Fault::Forbidden.message(&podman);
        assert!(text.contains("as the user who owns it, or as root"), "{text}");
        assert!(!text.contains("usermod"), "{text}");
    }
}
