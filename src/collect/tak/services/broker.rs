//! RabbitMQ: does it answer?
//!
//! Every handshake that is not carried through to a login leaves an "accepting" and a "client
//! unexpectedly closed TCP connection" in RabbitMQ's log, and any other end of it an error (seen
//! with 3.10). A client that ends its half of the connection before it has sent anything leaves
//! nothing, and RabbitMQ closes the other half at once: a process that is stopped or stuck does not,
//! although the kernel goes on accepting for it. So that is the usual [`Question`]. But a proxy before a
//! broker that is gone (Docker's, HAProxy), or another service on its port, ends a connection in the
//! same way: the handshake's first step is asked for when the broker is new, in the round after
//! anything was wrong with it, and every two minutes, which leaves those two lines in its log each
//! time.
//!
//! <https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf>, 2.2.4 and 4.2

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::asked;
use crate::collect::tak::certificate::printable;
use crate::collect::tak::checks::{Timed, Trouble};

/// AMQP 0-9-1's protocol header; a server that speaks another version answers with its own.
const HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

/// Connection.Start's class and method.
const START: [u8; 4] = [0, 10, 0, 10];

/// A first frame is half a kilobyte; a longer one than this is no AMQP.
const MAX_FRAME_BYTES: usize = 64 * 1024;

/// What the broker is, is asked again after this long.
const IDENTITY_KEPT: Duration = Duration::from_secs(120);

/// The longest name or version that is passed on, in characters.
const MAX_TEXT_CHARS: usize = 40;

/// How to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Only whether it is alive, without a trace in its log.
    Alive,
    /// What it is.
    Identity,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerAnswer {
    /// It closed the connection when it was asked to.
    Alive,
    /// It speaks AMQP 0-9-1, and is this: `RabbitMQ 3.10.8`; absent: it does not say.
    Speaks(Option<String>),
    /// It speaks another version of AMQP.
    OtherVersion,
    /// It took the connection and did not answer.
    Hangs,
}

/// What is remembered of a broker between rounds.
#[derive(Debug, Clone, Default)]
pub struct Broker {
    /// When it last told what it is, and has been well since then.
    identified: Option<Instant>,
    /// What it told.
    name: Option<String>,
}

impl Broker {
    /// How to ask it now.
    pub fn question(&self, now: Instant) -> Question {
        match self.identified {
            Some(at) if now.saturating_duration_since(at) < IDENTITY_KEPT => Question::Alive,
            _ => Question::Identity,
        }
    }

    /// Takes note of its answer.
    pub fn learn(&mut self, answer: &Timed<BrokerAnswer>, now: Instant) {
        match &answer.result {
            Ok(BrokerAnswer::Alive) => {}
            Ok(BrokerAnswer::Speaks(name)) => {
                self.identified = Some(now);
                self.name.clone_from(name);
            }
            Ok(BrokerAnswer::OtherVersion | BrokerAnswer::Hangs) | Err(_) => self.identified = None,
        }
    }

    /// What it is: `RabbitMQ 3.10.8`, or what every such server uses.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("RabbitMQ")
    }
}

/// Asks the broker at `host` and `port`. Takes at most 4 s.
pub async fn broker(host: &str, port: u16, question: Question) -> Timed<BrokerAnswer> {
    asked(host, port, BrokerAnswer::Hangs, |socket| ask(socket, question)).await
}

async fn ask<S>(mut socket: S, question: Question) -> Result<BrokerAnswer, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match question {
        Question::Alive => {
            socket.shutdown().await?;
            match socket.read_u8().await.map_err(Trouble::from) {
                // RabbitMQ resets the connection, others may end it in order.
                Err(Trouble::Closed) => Ok(BrokerAnswer::Alive),
                Err(why) => Err(why),
                Ok(_) => Err(Trouble::OtherProtocol),
            }
        }
        Question::Identity => {
            socket.write_all(HEADER).await?;
            identity(&mut socket).await
        }
    }
}

/// Reads the first frame: type, channel, size, payload, end.
async fn identity(socket: &mut (impl AsyncRead + Unpin)) -> Result<BrokerAnswer, Trouble> {
    let mut head = [0; 7];
    socket.read_exact(&mut head).await?;
    if head.starts_with(b"AMQP") {
        return Ok(BrokerAnswer::OtherVersion);
    }
    let [1, 0, 0, size @ ..] = head else { return Err(Trouble::OtherProtocol) };
    let size = u32::from_be_bytes(size) as usize;
    if size > MAX_FRAME_BYTES {
        return Err(Trouble::OtherProtocol);
    }
    let mut payload = vec![0; size];
    socket.read_exact(&mut payload).await?;
    match payload.strip_prefix(&START) {
        Some(start) => Ok(BrokerAnswer::Speaks(name(start))),
        None => Err(Trouble::OtherProtocol),
    }
}

/// Product and version from the server's properties, which follow the protocol's version.
fn name(start: &[u8]) -> Option<String> {
    let mut rest = Bytes(start.get(2..)?);
    let mut properties = Bytes(rest.long()?);
    let (mut product, mut version) = (None, None);
    while let Some((key, value)) = properties.entry() {
        match (key, value) {
            (b"product", Some(text)) => product = Some(text),
            (b"version", Some(text)) => version = Some(text),
            _ => {}
        }
    }
    let text = |bytes| printable(&String::from_utf8_lossy(bytes), MAX_TEXT_CHARS);
    let (product, version) = (text(product?), text(version.unwrap_or_default()));
    Some(format!("{product} {version}").trim().to_owned()).filter(|name| !name.is_empty())
}

/// What is left to read of a frame.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes after their length in four bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        self.take(length as usize)
    }

    /// A table's next entry; the value only where it is a text. A type that the specification does
    /// not know ends the table: how long its value is, is not known either.
    fn entry(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let length = self.take(1)?[0];
        let key = self.take(length.into())?;
        let value = match self.take(1)?[0] {
            b'S' => return Some((key, Some(self.long()?))),
            b'F' | b'A' | b'x' => self.long(),
            b't' | b'b' | b'B' => self.take(1),
            b's' | b'u' | b'U' => self.take(2),
            b'I' | b'i' | b'f' => self.take(4),
            b'D' => self.take(5),
            b'l' | b'L' | b'd' | b'T' => self.take(8),
            b'V' => self.take(0),
            _ => None,
        };
        value.map(|_| (key, None))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ANSWER_LIMIT;
    use super::*;

    /// What RabbitMQ 3.10.8 sends.
    const RABBITMQ: &[u8] = include_bytes!("fixtures/connection_start.bin");

    /// What a service that answers with `bytes` and closes is taken for.
    async fn answer_to(bytes: &[u8]) -> Result<BrokerAnswer, Trouble> {
        let (near, mut far) = tokio::io::duplex(8192);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let mut header = [0; 8];
            far.read_exact(&mut header).await.expect("a header");
            assert_eq!(&header, HEADER);
            let _reader_may_be_gone = far.write_all(&bytes).await;
        });
        ask(near, Question::Identity).await
    }

    #[tokio::test]
    async fn answers_are_told_apart() {
        let huge = [&[1, 0, 0, 0xff, 0xff, 0xff, 0xff][..], &[0; 4096]].concat();
        let cases: [(&[u8], Result<BrokerAnswer, Trouble>); 8] = [
            (RABBITMQ, Ok(BrokerAnswer::Speaks(Some("RabbitMQ 3.10.8".into())))),
            (&[1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 10, 0xce], Ok(BrokerAnswer::Speaks(None))),
            (b"AMQP\0\x01\0\0", Ok(BrokerAnswer::OtherVersion)),
            (b"", Err(Trouble::Closed)),
            (&RABBITMQ[..100], Err(Trouble::Closed)),
            (&huge, Err(Trouble::OtherProtocol)),
            (&[1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 50, 0xce], Err(Trouble::OtherProtocol)),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", Err(Trouble::OtherProtocol)),
        ];
        for (bytes, want) in cases {
            assert_eq!(answer_to(bytes).await, want, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_quiet_question_sends_nothing_and_waits_for_the_end() {
        let (near, mut far) = tokio::io::duplex(64);
        let other = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.expect("it ends");
            all
        });
        let answer = tokio::time::timeout(ANSWER_LIMIT, ask(near, Question::Alive)).await;
        assert_eq!(answer, Ok(Ok(BrokerAnswer::Alive)));
        assert_eq!(other.await.expect("no panic"), b"");
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"220 mail").await.expect("it is taken");
        assert_eq!(ask(near, Question::Alive).await, Err(Trouble::OtherProtocol));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_takes_the_connection_and_is_silent_hangs() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        for question in [Question::Alive, Question::Identity] {
            let answer = broker("127.0.0.1", port, question).await;
            assert_eq!(answer.result, Ok(BrokerAnswer::Hangs), "{question:?}");
        }
        drop(listener);
        let answer = broker("127.0.0.1", port, Question::Alive).await;
        assert_eq!(answer.result, Err(Trouble::Refused));
    }

    #[test]
    fn its_log_is_spared_while_it_is_well() {
        let mut broker = Broker::default();
        let start = Instant::now();
        let at = |minutes: u64| start + Duration::from_secs(minutes * 60);
        let answer = |result| Timed { result, took: Duration::ZERO };
        let speaks = || answer(Ok(BrokerAnswer::Speaks(Some("RabbitMQ 3.10.8".into()))));
        assert_eq!((broker.question(at(0)), broker.name()), (Question::Identity, "RabbitMQ"));
        broker.learn(&speaks(), at(0));
        assert_eq!((broker.question(at(1)), broker.name()), (Question::Alive, "RabbitMQ 3.10.8"));
        // Whatever closes a connection may be something else by now.
        broker.learn(&answer(Ok(BrokerAnswer::Alive)), at(1));
        assert_eq!(broker.question(at(1)), Question::Alive);
        assert_eq!(broker.question(at(2)), Question::Identity);
        for bad in [Ok(BrokerAnswer::Hangs), Err(Trouble::Refused)] {
            broker.learn(&speaks(), at(60));
            broker.learn(&answer(bad.clone()), at(61));
            assert_eq!(broker.question(at(61)), Question::Identity, "{bad:?}");
        }
    }

    #[test]
    fn garbage_makes_no_name_but_a_short_one() {
        let mut random = fastrand::Rng::with_seed(91);
        for _ in 0..20_000 {
            let mut frame = RABBITMQ[11..].to_vec();
            for _ in 0..random.usize(1..8) {
                let at = random.usize(..frame.len());
                frame[at] = random.u8(..);
            }
            if random.bool() {
                frame.truncate(random.usize(..frame.len()));
            } else {
                let at = random.usize(..frame.len());
                let piece = frame[random.usize(..at.max(1))..].to_vec();
                frame.splice(at..at, piece);
            }
            let name = name(&frame).unwrap_or_default();
            assert!(name.chars().count() <= 2 * MAX_TEXT_CHARS + 1, "{name}");
            assert!(!name.chars().any(char::is_control), "{name:?}");
        }
    }
}
