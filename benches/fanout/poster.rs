//! Publishing by HTTP, as users do: each event is a POST of its own.
//!
//! The requests go down one connection without waiting for the answers (servers take them one after the
//! other), so that their order is kept and the driver is never held up. Every answer is read: an event
//! that is refused ends the run.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustls::StreamOwned;

use super::answers::Answers;
use super::server::Publisher;
use super::wire::{Speech, Wire};

/// How a server wants to be asked.
pub struct Manner {
    /// Lines of the head, each with its end, of an event with this topic.
    pub head: Box<dyn Fn(&str) -> String>,
    /// The body of an event with this number (from 1), topic and data.
    pub body: fn(u64, &str, &str) -> String,
    /// The answers that mean yes.
    pub accepted: &'static [u16],
}

/// A connection, encrypted or not.
trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}

/// The connection that events are posted on.
pub struct Poster {
    connection: Box<dyn Line>,
    manner: Manner,
    posted: u64,
    /// Events whose answer has not come yet.
    unanswered: usize,
    /// What the socket did not take.
    unsent: Vec<u8>,
    answers: Answers,
}

impl Poster {
    /// Connects.
    ///
    /// # Errors
    /// The server is not there.
    pub fn connect(address: SocketAddr, manner: Manner, speech: &Speech) -> io::Result<Poster> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let mut wire = speech.wire("localhost".into()).map_err(io::Error::other)?;
        if let Wire::Encrypted(session) = &mut wire {
            while session.is_handshaking() {
                session.complete_io(&mut socket)?;
            }
        }
        socket.set_nonblocking(true)?;
        let connection: Box<dyn Line> = match wire {
            Wire::Plain => Box::new(socket),
            Wire::Encrypted(session) => Box::new(StreamOwned::new(*session, socket)),
        };
        let (unsent, answers) = (Vec::new(), Answers::default());
        Ok(Poster { connection, manner, posted: 0, unanswered: 0, unsent, answers })
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.connection.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    fn read_answers(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        while self.unanswered > 0 {
            let length = match self.connection.read(&mut buffer) {
                Ok(0) => return Err(io::Error::other("the publisher's connection was ended")),
                Ok(length) => length,
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            };
            let (accepted, unanswered) = (self.manner.accepted, &mut self.unanswered);
            let answers = self.answers.feed(&buffer[..length], |status, body| {
                if !accepted.contains(&status) {
                    let why = String::from_utf8_lossy(body);
                    return Err(format!("an event was refused: {status} {why}"));
                }
                *unanswered = unanswered.checked_sub(1).ok_or("an answer to no event")?;
                Ok(())
            });
            answers.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl Publisher for Poster {
    fn publish(&mut self, topic: &str, data: &[String]) -> io::Result<()> {
        for data in data {
            self.posted += 1;
            self.unanswered += 1;
            let head = (self.manner.head)(topic);
            let body = (self.manner.body)(self.posted, topic, data);
            let length = body.len();
            let request = format!(
                "POST /publish HTTP/1.1\r\nHost: bench\r\n{head}\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            self.unsent.extend_from_slice(request.as_bytes());
        }
        self.attend()
    }

    fn attend(&mut self) -> io::Result<()> {
        self.read_answers()?;
        self.send()
    }

    fn unanswered(&self) -> usize {
        self.unanswered
    }
}
