//! Somebody who guesses passwords, as fast and from as many places as the server answers.
//!
//! Every other guess is for the admin, the others for names that nobody has; each connection moves to
//! another address of the loopback before an address has used up its attempts. One never moves.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use super::callers::{Caller, Heard, Switchboard};
use super::clock::{self, SECOND};
use super::scenario::{RATE, WARM_UP_SECONDS, faults, latency, noise};
use super::session::{Pace, Session};
use super::table::Figure;
use super::wire::Wire;

/// Connections.
pub const CONNECTIONS: usize = 50;
/// The one that never moves, and where it stays.
const STAYS: usize = 0;
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// An address has one attempt more.
const MOST_FROM_ONE: u32 = 9;

/// Before the attack.
const BEFORE_SECONDS: f64 = 10.0;
/// Less than a minute, so that what is counted by the minute can be counted at all.
const ATTACK_SECONDS: f64 = 55.0;

/// What viewers notice of it, and how far it gets.
///
/// # Errors
/// The server is gone.
pub fn measure(
    session: &mut Session,
    viewers: usize,
    pause: u64,
    scale: f64,
) -> io::Result<Vec<Figure>> {
    session.connect(viewers)?;
    let mut pace = Pace::per_second(RATE);
    let warm = clock::now() + clock::seconds(WARM_UP_SECONDS);
    session.keep(&mut pace, warm, |_| false)?;
    let begins = warm + clock::seconds(BEFORE_SECONDS * scale);
    let before = session.readers.tally.watch(warm, begins);
    let quiet = session.meter();
    session.keep(&mut pace, begins, |_| false)?;
    let quiet = quiet.stop();

    let ends = begins + clock::seconds(ATTACK_SECONDS * scale);
    let during = session.readers.tally.watch(begins, ends);
    let mut guesses = Guesses::begin(session.streams().address, pause)?;
    session.readers.wake_by(guesses.epoll())?;
    let (meter, mut failed) = (session.meter(), Ok(()));
    session.keep(&mut pace, ends, |_| {
        failed = guesses.pump();
        failed.is_err()
    })?;
    failed?;
    let usage = meter.stop();
    session.settle()?;

    let worse = |share| {
        let windows = &session.readers.tally.windows;
        let [before, during] =
            [before, during].map(|window| windows[window].latencies.percentile_ms(share));
        during / before
    };
    let mut figures = vec![
        latency(session, before, "before: p50, ms", 0.50),
        latency(session, during, "during: p50, ms", 0.50),
        latency(session, before, "before: p99, ms", 0.99),
        latency(session, during, "during: p99, ms", 0.99),
        Figure::median("p99, during / before", worse(0.99), 2),
        latency(session, before, "before: p99.9, ms", 0.999),
        latency(session, during, "during: p99.9, ms", 0.999),
        Figure::median("before: server busy, cores", quiet.server / quiet.seconds, 2),
        Figure::median("during: server busy, cores", usage.server / usage.seconds, 2),
        Figure::median("during: driver busy, cores", usage.driver_cores, 2),
    ];
    figures.extend(guesses.outcomes.figures(usage.seconds));
    figures.extend(faults(session));
    figures.extend(noise(usage));
    Ok(figures)
}

struct Guesser {
    caller: Caller,
    address: Ipv4Addr,
    /// Guesses that counted, from this address.
    counted: u32,
    /// For the admin, while it is not answered.
    is_for_admin: bool,
    /// When it guesses again; `None`: it waits for something.
    due: Option<u64>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// Guesses that were answered, by status.
    pub answers: HashMap<u16, u64>,
    /// Guesses of the admin's password that were tried: the answer was 401.
    pub tried_for_admin: u64,
    /// Guesses that were tried, by where they came from.
    pub tried_from: HashMap<Ipv4Addr, u64>,
    /// Connections that broke or were ended.
    pub ended: u64,
}

impl Outcomes {
    fn figures(&self, seconds: f64) -> Vec<Figure> {
        let all: u64 = self.answers.values().sum();
        let answered = |status: u16| self.answers.get(&status).copied().unwrap_or(0) as f64;
        let from_one = self.tried_from.values().max().copied().unwrap_or(0);
        let stayed = self.tried_from.get(&THERE).copied().unwrap_or(0);
        vec![
            Figure::median("guesses answered a second", all as f64 / seconds, 0),
            Figure::median("answered 401 (tried), a second", answered(401) / seconds, 1),
            Figure::median("answered 429, a second", answered(429) / seconds, 0),
            Figure::median("answered 503, a second", answered(503) / seconds, 0),
            Figure::median("tried for admin (at most 30)", self.tried_for_admin as f64, 0),
            Figure::median("tried from the address that stays (at most 10)", stayed as f64, 0),
            Figure::median("most tried from any address (at most 10)", from_one as f64, 0),
            Figure::sum("connections that were ended", self.ended as f64),
        ]
    }
}

/// The attack.
pub struct Guesses {
    switchboard: Switchboard,
    guessers: Vec<Guesser>,
    target: SocketAddr,
    pause: u64,
    addresses: u32,
    guesses: u64,
    /// What came of it.
    pub outcomes: Outcomes,
}

impl Guesses {
    /// Begins; each connection rests so long between an answer and the next guess.
    ///
    /// # Errors
    /// The system refuses a socket.
    pub fn begin(target: SocketAddr, pause: u64) -> io::Result<Guesses> {
        let (switchboard, outcomes) = (Switchboard::new()?, Outcomes::default());
        let guessers = Vec::new();
        let mut guesses =
            Guesses { switchboard, guessers, target, pause, addresses: 0, guesses: 0, outcomes };
        for number in 0..CONNECTIONS {
            let address = guesses.address(number);
            let guesser = guesses.come(number, address, 0)?;
            guesses.guessers.push(guesser);
        }
        Ok(guesses)
    }

    /// Ready when there is something to do; but not for the pauses.
    pub fn epoll(&self) -> &std::os::fd::OwnedFd {
        &self.switchboard.epoll
    }

    /// Does what is to be done now, and waits for nothing.
    ///
    /// # Errors
    /// The system refuses a socket.
    pub fn pump(&mut self) -> io::Result<()> {
        for number in self.switchboard.ready(0)? {
            let heard = self.switchboard.hear(number, &mut self.guessers[number].caller);
            match heard {
                Ok(Heard::Nothing) => {}
                Ok(Heard::Open) => self.guessers[number].due = Some(0),
                Ok(Heard::Answer(status)) => self.answered(number, status)?,
                Ok(Heard::End) | Err(_) => {
                    self.outcomes.ended += 1;
                    let Guesser { address, counted, .. } = self.guessers[number];
                    self.guessers[number] = self.come(number, address, counted)?;
                }
            }
        }
        let now = clock::now();
        for number in 0..CONNECTIONS {
            if self.guessers[number].due.is_some_and(|due| due <= now) {
                self.guess(number);
            }
        }
        Ok(())
    }

    fn answered(&mut self, number: usize, status: u16) -> io::Result<()> {
        *self.outcomes.answers.entry(status).or_default() += 1;
        let guesser = &mut self.guessers[number];
        guesser.due = Some(clock::now() + self.pause);
        if status == 401 {
            guesser.counted += 1;
            self.outcomes.tried_for_admin += u64::from(guesser.is_for_admin);
            *self.outcomes.tried_from.entry(guesser.address).or_default() += 1;
        }
        if guesser.counted >= MOST_FROM_ONE && number != STAYS {
            let address = self.address(number);
            self.guessers[number] = self.come(number, address, 0)?;
        }
        Ok(())
    }

    /// What fails here is seen as the connection's end.
    fn guess(&mut self, number: usize) {
        self.guesses += 1;
        let guess = self.guesses;
        let guesser = &mut self.guessers[number];
        guesser.due = None;
        guesser.is_for_admin = number % 2 == 1;
        let user = if guesser.is_for_admin { "admin".into() } else { format!("nobody-{guess}") };
        let body = format!("{{\"user\":\"{user}\",\"password\":\"guess-{guess}\"}}");
        let request = format!(
            "POST /api/login HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if guesser.caller.ask(request.as_bytes()).is_err() {
            guesser.due = Some(clock::now() + SECOND);
        }
    }

    fn come(&self, number: usize, address: Ipv4Addr, counted: u32) -> io::Result<Guesser> {
        let caller = self.switchboard.call(number, address, self.target, Wire::Plain)?;
        Ok(Guesser { caller, address, counted, is_for_admin: false, due: None })
    }

    /// The next one for this connection.
    fn address(&mut self, number: usize) -> Ipv4Addr {
        if number == STAYS {
            return THERE;
        }
        self.addresses += 1;
        let (third, fourth) = (1 + self.addresses / 250 % 250, 1 + self.addresses % 250);
        Ipv4Addr::new(127, 0, third as u8, fourth as u8)
    }
}
