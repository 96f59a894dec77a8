//! taky's management socket: who is on, as taky itself knows it.
//!
//! While somebody is connected to it, taky 0.10 loses every event that a client sends, pings too:
//! its `mon_packet` asks each connection whether it is a monitor, and this one cannot be asked. So
//! takpulse
//! - asks before it opens its probes, never beside them: their pings would be lost, and taky would
//!   look hung. For the same reason none of takpulse's own connections is ever in the answer;
//! - leaves as soon as it has the answer, which takes a fraction of a millisecond;
//! - asks no more often than [`Pace`] says.
//!
//! Source: `taky/cot/mgmt.py` and `taky/cot/server.py`.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::users::Listing;

mod answer;

pub use answer::parse;

/// A server that is well answers within a millisecond. The ports are asked afterwards: both together
/// must stay below the collector's limit of at least 10 s.
pub const LIMIT: Duration = Duration::from_secs(1);

/// The question, ended by NUL as the answer is.
const QUESTION: &[u8] = b"{\"cmd\":\"status\"}\0";

/// The longest answer; it has some 300 bytes a client.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Without a change among the connections, the list is asked for again after this long.
const KEPT: Duration = Duration::from_secs(60);

/// What taky told of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Who is on; takpulse's own connections are not among them, see the module.
    pub listing: Listing,
    /// Seconds since its start.
    pub uptime_seconds: Option<f64>,
}

/// Asks the socket at `path`. Takes at most 1 s.
pub async fn ask(path: &Path) -> Told {
    let answer = match timeout(LIMIT, exchange(path)).await {
        Ok(answer) => answer.map_err(|why| fault(path, &why)),
        Err(_) => Err(format!(
            "taky does not answer on {} within {} s: it hangs.",
            path.display(),
            LIMIT.as_secs()
        )),
    };
    let (answer, uptime_seconds) = match answer.and_then(|bytes| parse(&bytes)) {
        Ok(answer) => (Ok(answer.users), (answer.anonymous, answer.uptime_seconds)),
        Err(why) => (Err(why), (0, None)),
    };
    let (anonymous, uptime_seconds) = uptime_seconds;
    let listing = Listing {
        source: "taky-mgmt.sock".into(),
        believed: true,
        stale: false,
        partial: false,
        users: answer,
        anonymous,
        note: "taky's own view of its connections.".into(),
    };
    Told { listing, uptime_seconds }
}

async fn exchange(path: &Path) -> io::Result<Vec<u8>> {
    read(UnixStream::connect(path).await?).await
}

/// Asks, and reads until NUL.
async fn read(mut socket: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Vec<u8>> {
    socket.write_all(QUESTION).await?;
    let mut answer = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    let mut rest = socket.take(MAX_BYTES);
    loop {
        let length = rest.read(&mut chunk).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match chunk[..length].iter().position(|byte| *byte == 0) {
            Some(end) => {
                answer.extend_from_slice(&chunk[..end]);
                return Ok(answer);
            }
            None => answer.extend_from_slice(&chunk[..length]),
        }
    }
}

/// What went wrong, and what to do.
fn fault(path: &Path, why: &io::Error) -> String {
    let path = path.display();
    match why.kind() {
        io::ErrorKind::NotFound => format!(
            "taky's management socket {path} is not there: taky is stopped, or its root_dir is elsewhere."
        ),
        io::ErrorKind::PermissionDenied => format!(
            "takpulse may not use taky's management socket {path}: run takpulse as root or as taky's user."
        ),
        io::ErrorKind::ConnectionRefused => {
            format!("Nobody answers on taky's management socket {path}: taky is stopped.")
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => {
            format!("taky ends the connection to {path} without a full answer: look into its log.")
        }
        _ => format!("taky's management socket {path} cannot be asked ({why})."),
    }
}

/// When to ask again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    asked: Option<Instant>,
    /// Somebody had not said who he is yet, or there was no answer.
    open: bool,
}

impl Pace {
    /// Whether to ask in this round. `changed`: the connections to taky are not those of the last
    /// round, or are not known.
    pub fn is_due(&self, changed: bool, now: Instant) -> bool {
        let Some(asked) = self.asked else { return true };
        changed || self.open || now.saturating_duration_since(asked) >= KEPT
    }

    /// Takes note of an answer.
    pub fn took(&mut self, listing: &Listing, now: Instant) {
        *self = Pace { asked: Some(now), open: listing.users.is_err() || listing.anonymous > 0 };
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    /// What is told of a server that answers with `bytes` and stays.
    async fn told(bytes: &[u8]) -> Told {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("taky-mgmt.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let bytes = bytes.to_vec();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let mut question = vec![0; QUESTION.len()];
            socket.read_exact(&mut question).await.expect("a question");
            assert_eq!(question, QUESTION);
            let _may_be_gone = socket.write_all(&bytes).await;
            let _until_it_leaves = socket.read_to_end(&mut Vec::new()).await;
        });
        let told = ask(&path).await;
        server.await.expect("it has left");
        told
    }

    #[tokio::test]
    async fn it_is_asked_and_left_at_once() {
        let bytes = b"{\"uptime\":5.5,\"clients\":[{\"uid\":\"U\",\"callsign\":\"C\"},{\"anonymous\":true}]}\0rest";
        let told = told(bytes).await;
        assert_eq!(told.uptime_seconds, Some(5.5));
        let users = told.listing.users.as_ref().expect("users");
        assert_eq!((users.len(), told.listing.anonymous, told.listing.believed), (1, 1, true));
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said_with_its_remedy() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("taky-mgmt.sock");
        let why = async |path: &Path| ask(path).await.listing.users.expect_err("no users");
        assert!(why(&path).await.contains("is not there: taky is stopped"));
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
        assert!(why(&path).await.contains("taky is stopped"), "{}", why(&path).await);
        // The tests may run as root, who may do everything.
        let denied = fault(&path, &io::ErrorKind::PermissionDenied.into());
        assert!(denied.ends_with("run takpulse as root or as taky's user."), "{denied}");
        let garbage = told(b"hello\0").await.listing.users.expect_err("no users");
        assert!(garbage.contains("is not a status of taky's"), "{garbage}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_an_end_is_given_up() {
        let why = told(b"{\"uptime\":1,").await.listing.users.expect_err("no users");
        assert!(why.contains("within 1 s: it hangs"), "{why}");
        let endless = vec![b'x'; MAX_BYTES as usize + 1];
        let why = told(&endless).await.listing.users.expect_err("no users");
        assert!(why.contains("without a full answer"), "{why}");
    }

    #[test]
    fn it_is_asked_when_somebody_came_or_left_and_seldom_otherwise() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let listing = |users, anonymous| Listing {
            source: String::new(),
            believed: true,
            stale: false,
            partial: false,
            users,
            anonymous,
            note: String::new(),
        };
        assert!(pace.is_due(false, start));
        pace.took(&listing(Ok(vec![]), 0), start);
        for (changed, seconds, due) in [(false, 15, false), (true, 15, true), (false, 60, true)] {
            assert_eq!(pace.is_due(changed, after(seconds)), due, "{changed} {seconds}");
        }
        for open in [listing(Ok(vec![]), 1), listing(Err("x".into()), 0)] {
            pace.took(&open, start);
            assert!(pace.is_due(false, after(1)), "{open:?}");
        }
    }
}
