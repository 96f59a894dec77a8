//! The canary: a message from one client really reaches another. A server that has lost its broker
//! goes on answering pings, and nothing is passed on.
//!
//! What is sent reaches everybody who is connected, so it must be something that no client shows:
//! `t-x-d-d`, "remove what has this uid", for a uid that nobody has. TAK servers send the same to
//! everybody whenever a client leaves. ATAK puts up a marker for any type that it does not know,
//! unless it begins with `t` (`CotMapAdapter.adaptCotEvent`), and for this one looks the uid up,
//! finds nothing and is done (`CotDeleteImporter.importData`, in
//! <https://github.com/deptofdefense/AndroidTacticalAssaultKit-CIV>). A pong (`t-x-c-t-r`) is as
//! harmless, but TAK Server keeps it to itself (`SubmissionService.controlMsgTypes`, in
//! <https://github.com/TAK-Product-Center/Server>).

use std::time::{Duration, Instant, SystemTime};

use ring::rand::{SystemRandom, generate};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::checks::cot::{Scanner, attribute, encode, is_pong, own_ping};
use super::checks::{Timed, Trouble};
use super::judge::{Finding, Subject, Weight, Word, fine};
use super::report::{CheckName, Flavor};

/// The message is passed on within milliseconds.
pub const CANARY_LIMIT: Duration = Duration::from_secs(3);

/// The receiver's pong shows that the server has taken it in; some servers send none.
const PONG_LIMIT: Duration = Duration::from_secs(1);

/// The event is of no interest any more after so long.
const VALID: Duration = Duration::from_secs(10);

/// Ending a connection waits no longer than this.
const FAREWELL_LIMIT: Duration = Duration::from_millis(100);

/// Sends a message through `sender` and waits until it arrives at `receiver`: two connections to the
/// same CoT port. The message is sent when the receiver has been taken in: servers pass on only to those.
///
/// The error [`Trouble::Silent`] means that it did not arrive within the limit although both
/// connections held; any other, that it could not be tried. Takes at most [`CANARY_LIMIT`] and 1.2 s.
pub async fn canary<R, S>(mut receiver: R, mut sender: S) -> Timed<()>
where
    R: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut scanner = Scanner::default();
    let taken_in = take_in(&mut receiver, &mut scanner).await;
    let started = Instant::now();
    let result = match taken_in {
        Ok(()) => {
            let passing = pass(&mut receiver, &mut scanner, &mut sender);
            timeout(CANARY_LIMIT, passing).await.unwrap_or(Err(Trouble::Silent(CANARY_LIMIT)))
        }
        Err(why) => Err(why),
    };
    let took = started.elapsed();
    // A polite end keeps the server's log quiet; whether it works does not matter any more.
    let farewell = async { tokio::join!(receiver.shutdown(), sender.shutdown()) };
    let _ended = timeout(FAREWELL_LIMIT, farewell).await;
    Timed { result, took }
}

/// Pings until the pong, or for a second.
async fn take_in<R>(receiver: &mut R, scanner: &mut Scanner) -> Result<(), Trouble>
where
    R: AsyncRead + AsyncWrite + Unpin,
{
    let asking = async {
        receiver.write_all(own_ping().as_bytes()).await?;
        receiver.flush().await?;
        read_until(receiver, scanner, is_pong).await
    };
    timeout(PONG_LIMIT, asking).await.unwrap_or(Ok(()))
}

async fn pass<R, S>(receiver: &mut R, scanner: &mut Scanner, sender: &mut S) -> Result<(), Trouble>
where
    R: AsyncRead + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let uid = uid()?;
    sender.write_all(message(&uid, SystemTime::now()).as_bytes()).await?;
    sender.flush().await?;
    let arrives = |tag: &str| attribute(tag, "uid").as_ref() == Some(&uid);
    tokio::select! {
        // What the server refuses is seen at the sender's end only.
        end = drain(sender) => Err(end),
        arrived = read_until(receiver, scanner, arrives) => arrived,
    }
}

/// Reads and discards until the connection ends.
async fn drain(socket: &mut (impl AsyncRead + Unpin)) -> Trouble {
    let mut chunk = [0; 4096];
    loop {
        match socket.read(&mut chunk).await {
            Ok(0) => return Trouble::Closed,
            Ok(_) => {}
            Err(why) => return why.into(),
        }
    }
}

async fn read_until(
    socket: &mut (impl AsyncRead + Unpin),
    scanner: &mut Scanner,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Trouble> {
    let mut chunk = [0; 4096];
    loop {
        let length = socket.read(&mut chunk).await?;
        if length == 0 {
            return Err(Trouble::Closed);
        }
        if scanner.take(&chunk[..length], &wanted)? {
            return Ok(());
        }
    }
}

/// One that nobody has or can guess; its end keeps it out of taky's CoT logs.
fn uid() -> Result<String, Trouble> {
    let random = generate::<[u8; 16]>(&SystemRandom::new())
        .map_err(|_| Trouble::Other("the system gives no random numbers".into()))?
        .expose();
    Ok(format!("takpulse-{:032x}-ping", u128::from_be_bytes(random)))
}

/// The event that nobody shows.
fn message(uid: &str, now: SystemTime) -> String {
    let detail = format!("<detail><link uid=\"{uid}\" relation=\"none\" type=\"none\"/></detail>");
    encode(uid, "t-x-d-d", now, VALID, &detail)
}

/// Why a canary shows nothing with this server, if it does not.
pub fn pointless(flavor: Option<Flavor>) -> Option<&'static str> {
    match flavor {
        // OpenTAKServer's `eud_handler` makes a client's queue at its first event with a `contact`.
        Some(Flavor::OpenTakServer | Flavor::FreeTakServer) => Some(
            "Not tried: this server passes messages on only to clients that have said who and where they are, and takpulse puts no marker on anybody's map.",
        ),
        _ => None,
    }
}

impl Subject {
    /// Judges the canary through the port at `address`. `has_arrived`: one has since takpulse started.
    pub fn canary(&self, address: &str, answer: &Timed<()>, has_arrived: bool) -> Finding {
        let word = self.canary_word(address, answer, has_arrived);
        let finding = self.finding(CheckName::Canary, address, Some(answer.took), word);
        Finding { soft: matches!(answer.result, Err(Trouble::Silent(_))), ..finding }
    }

    /// The canary that was not sent, because it is [`pointless`].
    pub fn no_canary(&self, address: &str, why: &str) -> Finding {
        self.finding(CheckName::Canary, address, None, (None, Weight::Hint, why.to_owned()))
    }

    fn canary_word(&self, address: &str, answer: &Timed<()>, has_arrived: bool) -> Word {
        let why = match &answer.result {
            Ok(()) => return fine("A message from one client reaches another."),
            Err(why) => why,
        };
        if let Trouble::Silent(limit) = why {
            // Where none has ever arrived, the way may be closed to takpulse alone.
            let (weight, doubt) = match has_arrived {
                true => (Weight::Blackout, ""),
                false => (Weight::Trouble, self.doubt()),
            };
            let message = format!(
                "{} takes messages on {address}, but a message from one client does not reach another within {} s: {}.{doubt}",
                self.title(),
                limit.as_secs(),
                self.restart
            );
            return (Some(false), weight, message);
        }
        let message = format!(
            "Whether a message from one client reaches another could not be tried on {address} ({why}): see the other checks of this port."
        );
        (None, Weight::Hint, message)
    }

    /// Why it may be that users have no such trouble.
    fn doubt(&self) -> &'static str {
        match self.flavor {
            Some(Flavor::TakServer) => {
                " (If users have no such trouble: takpulse's certificate may belong to groups that only send or only receive.)"
            }
            _ => {
                " (If users have no such trouble: this server does not pass on what takpulse sends; set canary = false.)"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// What a server does with the sender's bytes.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Server {
        Relays,
        /// After much that others have sent.
        RelaysLate,
        RelaysWithoutPongs,
        Swallows,
        DropsSender,
        DropsReceiver,
        SpeaksHttp,
    }

    const PONG: &[u8] = b"<event uid='takPong' type='t-x-c-t-r'/>";

    async fn serve(server: Server, mut receiver: DuplexStream, mut sender: DuplexStream) {
        let mut chunk = [0; 4096];
        let _ping = receiver.read(&mut chunk).await.expect("a ping");
        match server {
            Server::RelaysWithoutPongs => {}
            Server::DropsReceiver => return drop(receiver),
            Server::SpeaksHttp => receiver.write_all(b"HTTP/1.1 400").await.expect("sent"),
            _ => receiver.write_all(PONG).await.expect("sent"),
        }
        let length = sender.read(&mut chunk).await.expect("a message");
        match server {
            Server::RelaysLate => {
                for number in 0..2000 {
                    let other = format!("<event uid=\"takpulse-{number}-ping\" type=\"t-x-d-d\"/>");
                    receiver.write_all(other.as_bytes()).await.expect("sent");
                }
                receiver.write_all(&chunk[..length]).await.expect("sent");
            }
            Server::Relays | Server::RelaysWithoutPongs => {
                receiver.write_all(&chunk[..length]).await.expect("sent");
            }
            _ => {}
        }
        let mut all = Vec::new();
        if server == Server::DropsSender {
            drop(sender);
        } else {
            let _ended = sender.read_to_end(&mut all).await;
        }
        let _ended = receiver.read_to_end(&mut all).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_arrives_or_not() {
        let silent = Err(Trouble::Silent(CANARY_LIMIT));
        let cases = [
            (Server::Relays, Ok(())),
            (Server::RelaysLate, Ok(())),
            (Server::RelaysWithoutPongs, Ok(())),
            (Server::Swallows, silent),
            (Server::DropsSender, Err(Trouble::Closed)),
            (Server::DropsReceiver, Err(Trouble::Closed)),
            (Server::SpeaksHttp, Err(Trouble::OtherProtocol)),
        ];
        for (server, want) in cases {
            let (receiver, far_receiver) = duplex(4096);
            let (sender, far_sender) = duplex(4096);
            let serving = tokio::spawn(serve(server, far_receiver, far_sender));
            assert_eq!(canary(receiver, sender).await.result, want, "{server:?}");
            serving.await.expect("no panic");
        }
    }

    #[test]
    fn the_message_is_one_that_nobody_shows() {
        assert_eq!(
            message("takpulse-1-ping", SystemTime::UNIX_EPOCH),
            "<event version=\"2.0\" uid=\"takpulse-1-ping\" type=\"t-x-d-d\" how=\"m-g\" \
             time=\"1970-01-01T00:00:00.000Z\" start=\"1970-01-01T00:00:00.000Z\" \
             stale=\"1970-01-01T00:00:10.000Z\"><point lat=\"0\" lon=\"0\" hae=\"0\" \
             ce=\"9999999.0\" le=\"9999999.0\"/><detail><link uid=\"takpulse-1-ping\" \
             relation=\"none\" type=\"none\"/></detail></event>"
        );
        let (one, other) = (uid().expect("random"), uid().expect("random"));
        assert_ne!(one, other);
        assert!(one.starts_with("takpulse-") && one.ends_with("-ping") && one.len() == 46, "{one}");
    }

    #[test]
    fn the_outcome_is_judged() {
        let tak = Some(Flavor::TakServer);
        type Case<'a> = (Result<(), Trouble>, Option<Flavor>, bool, Option<bool>, Weight, &'a str);
        let silent = || Err(Trouble::Silent(CANARY_LIMIT));
        let (taky, failed) = (Some(Flavor::Taky), Some(false));
        let cases: [Case<'_>; 6] = [
            (
                Ok(()),
                tak,
                false,
                Some(true),
                Weight::Fine,
                "A message from one client reaches another.",
            ),
            (
                silent(),
                taky,
                true,
                failed,
                Weight::Blackout,
                "taky takes messages on a:1, but a message from one client does not reach another within 3 s: restart it.",
            ),
            (silent(), tak, true, failed, Weight::Blackout, "within 3 s: restart it."),
            (silent(), tak, false, failed, Weight::Trouble, "belong to groups"),
            (silent(), taky, false, failed, Weight::Trouble, "set canary = false"),
            (
                Err(Trouble::Closed),
                tak,
                true,
                None,
                Weight::Hint,
                "could not be tried on a:1 (the connection was closed",
            ),
        ];
        for (result, flavor, has_arrived, ok, weight, says) in cases {
            let soft = result == silent();
            let answer = Timed { result, took: Duration::from_millis(1) };
            let finding = Subject::of(flavor).canary("a:1", &answer, has_arrived);
            assert_eq!((finding.check.ok, finding.weight), (ok, weight), "{answer:?}");
            assert_eq!(finding.soft, soft, "{answer:?}");
            assert!(finding.check.message.contains(says), "{}", finding.check.message);
        }
        for (flavor, is_pointless) in [
            (None, false),
            (Some(Flavor::Taky), false),
            (tak, false),
            (Some(Flavor::OpenTakServer), true),
            (Some(Flavor::FreeTakServer), true),
        ] {
            assert_eq!(pointless(flavor).is_some(), is_pointless, "{flavor:?}");
            let Some(why) = pointless(flavor) else { continue };
            let finding = Subject::of(flavor).no_canary("a:1", why);
            assert_eq!((finding.check.ok, finding.weight), (None, Weight::Hint));
        }
    }
}
