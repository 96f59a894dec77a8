//! Visitors: each connects, asks whether the server is alive, and goes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use super::callers::{Caller, Heard, Switchboard};
use super::clock;
use super::scenario::{WARM_UP_SECONDS, noise};
use super::session::Session;
use super::table::Figure;
use super::wire::{self, Speech};

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
/// Visitors at a time: enough that the server never waits for one.
pub const AT_A_TIME: usize = 16;

/// What visits cost; with `resuming`, over TLS everybody has been there before.
///
/// # Errors
/// A visitor was not served.
pub fn measure(session: &Session, resuming: bool, seconds: f64) -> io::Result<Vec<Figure>> {
    let streams = session.streams();
    let speech = match streams.speech {
        Speech::Plain => Speech::Plain,
        _ => Speech::Tls(wire::client(b"http/1.1", resuming).map_err(io::Error::other)?),
    };
    let mut visits = Visits::begin(streams.address, speech)?;
    visits.until(clock::now() + clock::seconds(WARM_UP_SECONDS))?;
    let (done, resumed, meter) = (visits.done, visits.resumed, session.meter());
    visits.until(clock::now() + clock::seconds(seconds))?;
    let (done, resumed, usage) = (visits.done - done, visits.resumed - resumed, meter.stop());
    let each = usage.server / done as f64;
    let mut figures = vec![
        Figure::median("server CPU, µs a visit", each * 1e6, 1),
        Figure::median("visits/s of one busy server core (from its CPU)", 1.0 / each, 0),
        Figure::median("visits/s", done as f64 / usage.seconds, 0),
        Figure::noise("resumed sessions, %", 100.0 * resumed as f64 / done as f64),
        Figure::noise("server busy, cores", usage.server / usage.seconds),
        Figure::noise("driver busy, cores", usage.driver_cores),
    ];
    figures.extend(noise(usage));
    Ok(figures)
}

/// Those who have come.
pub struct Visits {
    switchboard: Switchboard,
    visitors: Vec<Caller>,
    address: SocketAddr,
    speech: Speech,
    /// Visits that are over.
    pub done: u64,
    /// Those of them with a session that was one before.
    pub resumed: u64,
}

impl Visits {
    /// Opens the door.
    ///
    /// # Errors
    /// The system refuses a socket.
    pub fn begin(address: SocketAddr, speech: Speech) -> io::Result<Visits> {
        let (switchboard, visitors) = (Switchboard::new()?, Vec::new());
        let mut visits = Visits { switchboard, visitors, address, speech, done: 0, resumed: 0 };
        for number in 0..AT_A_TIME {
            let visitor = visits.come(number)?;
            visits.visitors.push(visitor);
        }
        Ok(visits)
    }

    /// Visitors come and go until then.
    ///
    /// # Errors
    /// One of them was not served.
    pub fn until(&mut self, end: u64) -> io::Result<()> {
        while clock::now() < end {
            for number in self.switchboard.ready(10)? {
                self.attend(number).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// Each has a name of its own for the server, so that nobody uses another's ticket.
    fn come(&self, number: usize) -> io::Result<Caller> {
        let wire = self.speech.wire(format!("visitor-{number}")).map_err(io::Error::other)?;
        self.switchboard.call(number, Ipv4Addr::LOCALHOST, self.address, wire)
    }

    fn attend(&mut self, number: usize) -> Result<(), String> {
        let visitor = &mut self.visitors[number];
        match self.switchboard.hear(number, visitor)? {
            Heard::Open => visitor.ask(REQUEST),
            Heard::Nothing => Ok(()),
            Heard::Answer(200) => {
                self.done += 1;
                self.resumed += u64::from(visitor.is_resumed());
                Ok(())
            }
            Heard::Answer(status) => Err(format!("a visitor was answered {status}")),
            Heard::End => {
                self.visitors[number] = self.come(number).map_err(|why| why.to_string())?;
                Ok(())
            }
        }
    }
}
