//! Connections on which one thing is asked after the other, and the answers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::answers::Answers;
use super::wire::Wire;

/// One connection.
pub struct Caller {
    socket: OwnedFd,
    wire: Wire,
    answers: Answers,
    is_connected: bool,
}

/// What has happened on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is connected.
    Open,
    /// Nothing that is whole.
    Nothing,
    /// An answer with this status.
    Answer(u16),
    /// The server has ended it.
    End,
}

/// Those that are waited for together.
pub struct Switchboard {
    /// Ready when one of them is.
    pub epoll: OwnedFd,
    buffer: Vec<u8>,
}

impl Switchboard {
    /// Without any.
    ///
    /// # Errors
    /// The system gives no epoll.
    pub fn new() -> io::Result<Switchboard> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Switchboard { epoll, buffer: vec![0; 32 << 10] })
    }

    /// Begins to connect, from this address.
    ///
    /// # Errors
    /// The system refuses a socket.
    pub fn call(
        &self,
        number: usize,
        from: Ipv4Addr,
        to: SocketAddr,
        wire: Wire,
    ) -> io::Result<Caller> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        if from != Ipv4Addr::LOCALHOST {
            rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
        }
        match rustix::net::connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(why) => return Err(why.into()),
        }
        epoll::add(&self.epoll, &socket, EventData::new_u64(number as u64), EventFlags::OUT)?;
        Ok(Caller { socket, wire, answers: Answers::default(), is_connected: false })
    }

    /// The numbers of those that are ready, after so many milliseconds at most.
    ///
    /// # Errors
    /// The system fails.
    pub fn ready(&self, milliseconds: u64) -> io::Result<Vec<usize>> {
        let timeout = std::time::Duration::from_millis(milliseconds);
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        let mut ready = Vec::with_capacity(64);
        match epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
        Ok(ready.into_iter().map(|event: epoll::Event| event.data.u64() as usize).collect())
    }

    /// Hears what a ready one has to say.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn hear(&mut self, number: usize, caller: &mut Caller) -> Result<Heard, String> {
        if !caller.is_connected {
            caller.is_connected = true;
            let key = EventData::new_u64(number as u64);
            epoll::modify(&self.epoll, &caller.socket, key, EventFlags::IN)
                .map_err(|why| why.to_string())?;
            return Ok(Heard::Open);
        }
        let (mut heard, answers) = (Heard::Nothing, &mut caller.answers);
        let open = caller.wire.read(&caller.socket, &mut self.buffer, |bytes, _| {
            answers.feed(bytes, |status, _| {
                heard = Heard::Answer(status);
                Ok(())
            })
        })?;
        Ok(if open { heard } else { Heard::End })
    }
}

impl Caller {
    /// Asks.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn ask(&mut self, request: &[u8]) -> Result<(), String> {
        self.wire.ask(&self.socket, request)
    }

    /// Whether its TLS session was one before.
    pub fn is_resumed(&self) -> bool {
        self.wire.is_resumed()
    }
}
