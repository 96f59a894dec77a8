//! One server with its viewers, and the two ways to publish to them: on a schedule that nothing holds
//! up (an open loop), and as fast as deliveries come in (a closed one).

use std::io;
use std::time::Duration;

use super::clock::{self, MILLISECOND, SECOND};
use super::cores::Cores;
use super::decode::Stamp;
use super::meter::Meter;
use super::readers::{Readers, Role};
use super::server::{Kind, Server, Streams};

/// The topic of what is published: an occurrence, of which nothing may be left out for a newer one.
const TOPIC: &str = "note";
/// The data of an event whose frame has about 310 bytes.
pub const DATA_BYTES: usize = 276;
/// So many connections are opened at a time: below 128, which a listener's queue holds by custom.
const AT_A_TIME: usize = 100;
/// Until everybody must be connected.
const CONNECTED: u64 = 60 * SECOND;
/// What has not arrived when nothing has for so long is lost.
const PATIENCE: u64 = 2 * SECOND;

/// A server and its viewers.
pub struct Session {
    server: Server,
    /// The viewers.
    pub readers: Readers,
    /// How many bytes of data each event has.
    pub data_bytes: usize,
}

/// A schedule.
#[derive(Clone, Copy)]
pub struct Pace {
    next: u64,
    interval: u64,
}

impl Pace {
    /// So many events a second, from now on.
    pub fn per_second(rate: u64) -> Pace {
        let interval = SECOND / rate;
        Pace { next: clock::now() + interval, interval }
    }
}

impl Session {
    /// Starts the server; about `snapshot`, see [`Server::start`].
    ///
    /// # Errors
    /// It does not start.
    pub fn open(kind: Kind, snapshot: bool, cores: Cores) -> io::Result<Session> {
        let server = Server::start(kind, snapshot, cores)?;
        let readers = Readers::new(server.streams.clone())?;
        Ok(Session { server, readers, data_bytes: DATA_BYTES })
    }

    /// Where and how the server is spoken to.
    pub fn streams(&self) -> &Streams {
        &self.server.streams
    }

    /// The processes of the server.
    pub fn processes(&self) -> &[u32] {
        &self.server.processes
    }

    /// Begins to measure what the server uses.
    pub fn meter(&self) -> Meter {
        Meter::start(self.processes())
    }

    /// Connects so many readers.
    ///
    /// # Errors
    /// See [`Session::connected`].
    pub fn connect(&mut self, count: usize) -> io::Result<()> {
        self.readers.want(count, Role::Reader, AT_A_TIME);
        self.connected()
    }

    /// Connects readers and as many that stall, by turns.
    ///
    /// # Errors
    /// See [`Session::connected`].
    pub fn connect_beside_stalled(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            self.readers.want(1, Role::Reader, AT_A_TIME);
            self.readers.want(1, Role::Stalled, AT_A_TIME);
        }
        self.connected()
    }

    /// Waits until everybody that was wanted is there.
    ///
    /// # Errors
    /// Somebody was refused, or it takes too long.
    fn connected(&mut self) -> io::Result<()> {
        let deadline = clock::now() + CONNECTED;
        while !self.readers.are_ready() && clock::now() < deadline {
            self.pump(clock::now() + 10 * MILLISECOND)?;
        }
        self.check()
    }

    /// # Errors
    /// A viewer has gone or was never served.
    fn check(&self) -> io::Result<()> {
        match &self.readers.first_fault {
            Some(fault) => {
                Err(io::Error::other(format!("{} viewers gone: {fault}", self.readers.gone)))
            }
            None if !self.readers.are_ready() => {
                Err(io::Error::other("not every viewer was served in time"))
            }
            None => Ok(()),
        }
    }

    /// Connects one that is not counted, and waits until it has a snapshot.
    ///
    /// # Errors
    /// See [`Session::connected`].
    pub fn await_snapshot(&mut self) -> io::Result<()> {
        self.readers.awaits_snapshot = true;
        self.readers.want(1, Role::Latecomer, 1);
        self.connected()
    }

    /// Keeps to the schedule until then, or until this is so.
    ///
    /// # Errors
    /// The server is gone.
    pub fn keep(
        &mut self,
        pace: &mut Pace,
        until: u64,
        mut done: impl FnMut(&Readers) -> bool,
    ) -> io::Result<()> {
        while clock::now() < until && !done(&self.readers) {
            let mut due = Vec::new();
            while pace.next <= clock::now() {
                due.push(pace.next);
                pace.next += pace.interval;
            }
            self.publish(&due)?;
            self.pump(pace.next.min(until))?;
        }
        Ok(())
    }

    /// Publishes until then, with at most so many events that are not yet delivered to everybody.
    ///
    /// # Errors
    /// The server is gone.
    pub fn saturate(&mut self, most: usize, until: u64) -> io::Result<()> {
        let (mut delivered, mut progress) = (0, clock::now());
        while clock::now() < until {
            let under_way = self.readers.tally.under_way().max(self.server.publisher.unanswered());
            let room = most.saturating_sub(under_way);
            self.publish(&vec![clock::now(); room])?;
            // Below a millisecond the readers would not wait but spin, and look busy.
            self.pump(clock::now() + 2 * MILLISECOND)?;
            if self.readers.tally.delivered != delivered {
                (delivered, progress) = (self.readers.tally.delivered, clock::now());
            } else if clock::now() > progress + PATIENCE {
                self.readers.tally.give_up();
            }
        }
        Ok(())
    }

    /// Publishes so many events to nobody, at most so many at a time without an answer.
    ///
    /// # Errors
    /// The server is gone, or answers no more.
    pub fn publish_unseen(&mut self, mut count: usize, most: usize) -> io::Result<()> {
        while count > 0 {
            let some = count.min(most);
            self.publish(&vec![clock::now(); some])?;
            self.settle_answers()?;
            count -= some;
        }
        self.readers.tally.give_up();
        Ok(())
    }

    /// Waits until everything has arrived; what does not is lost.
    ///
    /// # Errors
    /// The server is gone, or answers no more.
    pub fn settle(&mut self) -> io::Result<()> {
        let (mut delivered, mut progress) = (0, clock::now());
        while self.readers.tally.under_way() > 0 && clock::now() < progress + PATIENCE {
            self.pump(clock::now() + 2 * MILLISECOND)?;
            if self.readers.tally.delivered != delivered {
                (delivered, progress) = (self.readers.tally.delivered, clock::now());
            }
        }
        self.readers.tally.give_up();
        self.settle_answers()
    }

    /// Waits until every event is answered.
    fn settle_answers(&mut self) -> io::Result<()> {
        let deadline = clock::now() + PATIENCE;
        while self.server.publisher.unanswered() > 0 {
            if clock::now() > deadline {
                return Err(io::Error::other("the server does not answer for every event"));
            }
            self.pump(clock::now() + MILLISECOND)?;
        }
        Ok(())
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// The system fails the readers.
    pub fn idle(&mut self, nanoseconds: u64) -> io::Result<()> {
        let until = clock::now() + nanoseconds;
        while clock::now() < until {
            self.pump(until)?;
        }
        Ok(())
    }

    /// Publishes one event for each of these times.
    fn publish(&mut self, times: &[u64]) -> io::Result<()> {
        if times.is_empty() {
            return Ok(());
        }
        let (tally, bytes) = (&mut self.readers.tally, self.data_bytes);
        let data: Vec<String> =
            times.iter().map(|&at| Stamp { sequence: tally.publish(), at }.data(bytes)).collect();
        self.server.publisher.publish(TOPIC, &data)
    }

    /// Reads what has come, or waits for it until then.
    fn pump(&mut self, until: u64) -> io::Result<()> {
        self.server.publisher.attend()?;
        self.readers.pump(Duration::from_nanos(until.saturating_sub(clock::now())))
    }
}
