//! The measure that takpulse is held to: the least that a broadcaster of Server-Sent Events can do.
//!
//! One thread, one epoll, one `send` per delivery of a frame that is encoded once; no history, no
//! coalescing, no heartbeat, no HTTP beyond "a request has come". What a client's socket does not take
//! waits in a small buffer of that client's; beyond [`MOST_PENDING_BYTES`] the client is dropped.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SendFlags, sockopt};
use slab::Slab;

use super::Outcome;
use super::control::Orders;

/// What waits at most for a client that takes nothing.
const MOST_PENDING_BYTES: usize = 64 << 10;
/// As takpulse has it, so that the kernel's part is the same.
const SEND_BUFFER_BYTES: usize = 64 << 10;
const BACKLOG: i32 = 4096;
const LISTENER: u64 = u64::MAX;
const CONTROL: u64 = u64::MAX - 1;
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-cache\r\nConnection: close\r\n\r\n: raw\n\n";

struct Client {
    socket: TcpStream,
    /// Whether it has asked, and gets events.
    watches: bool,
    pending: Vec<u8>,
}

struct Broadcaster {
    epoll: OwnedFd,
    listener: TcpListener,
    control: TcpStream,
    orders: Orders,
    clients: Slab<Client>,
    buffer: Vec<u8>,
}

/// Runs until the driver ends the connection.
///
/// # Errors
/// No socket, or the driver is not there.
pub fn serve(control: SocketAddr) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    rustix::net::listen(&listener, BACKLOG)?;
    sockopt::set_tcp_nodelay(&listener, true)?;
    sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES)?;
    let mut control = TcpStream::connect(control)?;
    control.write_all(format!("{}\n", listener.local_addr()?).as_bytes())?;
    listener.set_nonblocking(true)?;
    control.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    epoll::add(&epoll, &control, EventData::new_u64(CONTROL), EventFlags::IN)?;
    let (orders, clients, buffer) = (Orders::default(), Slab::new(), vec![0; 64 << 10]);
    Broadcaster { epoll, listener, control, orders, clients, buffer }.run()
}

impl Broadcaster {
    fn run(mut self) -> Outcome {
        let mut ready = Vec::with_capacity(256);
        loop {
            ready.clear();
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), None)?;
            for event in &ready {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    CONTROL => {
                        if self.take_orders()? == 0 {
                            return Ok(());
                        }
                    }
                    key => self.attend(key as usize, event.flags),
                }
            }
        }
    }

    fn accept(&mut self) -> Outcome {
        while let Ok((socket, _)) = self.listener.accept() {
            socket.set_nonblocking(true)?;
            let entry = self.clients.vacant_entry();
            let key = EventData::new_u64(entry.key() as u64);
            epoll::add(&self.epoll, &socket, key, EventFlags::IN)?;
            entry.insert(Client { socket, watches: false, pending: Vec::new() });
        }
        Ok(())
    }

    /// Publishes all that waits, in one go; how many bytes that was.
    fn take_orders(&mut self) -> std::io::Result<usize> {
        let length = self.control.read(&mut self.buffer)?;
        let mut frames = Vec::new();
        self.orders.feed(&self.buffer[..length], |event| frames.push(event));
        for event in frames {
            self.broadcast(event.frame());
        }
        Ok(length)
    }

    fn broadcast(&mut self, frame: &[u8]) {
        let mut gone = Vec::new();
        for (key, client) in self.clients.iter_mut().filter(|(_, client)| client.watches) {
            if client.send(frame, &self.epoll, key).is_err() {
                gone.push(key);
            }
        }
        for key in gone {
            self.clients.remove(key);
        }
    }

    /// A client asks, takes what was pending, or is gone.
    fn attend(&mut self, key: usize, flags: EventFlags) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let mut kept = true;
        if flags.contains(EventFlags::OUT) {
            kept = client.flush(&self.epoll, key).is_ok();
        }
        if kept && flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            kept = client.read(&mut self.buffer, &self.epoll, key).is_ok();
        }
        if !kept {
            self.clients.remove(key);
        }
    }
}

impl Client {
    /// The driver sends its request whole: one that ends with an empty line is answered.
    fn read(&mut self, buffer: &mut [u8], epoll: &OwnedFd, key: usize) -> Result<(), Errno> {
        let length = self.socket.read(buffer).map_err(|_| Errno::IO)?;
        if length == 0 {
            return Err(Errno::PIPE);
        }
        if !self.watches && buffer[..length].ends_with(b"\r\n\r\n") {
            self.watches = true;
            self.send(HEAD, epoll, key)?;
        }
        Ok(())
    }

    fn send(&mut self, frame: &[u8], epoll: &OwnedFd, key: usize) -> Result<(), Errno> {
        let sent = if self.pending.is_empty() { self.try_send(frame)? } else { 0 };
        if sent == frame.len() {
            return Ok(());
        }
        if self.pending.is_empty() {
            let key = EventData::new_u64(key as u64);
            epoll::modify(epoll, &self.socket, key, EventFlags::IN | EventFlags::OUT)?;
        }
        self.pending.extend_from_slice(&frame[sent..]);
        if self.pending.len() > MOST_PENDING_BYTES { Err(Errno::NOBUFS) } else { Ok(()) }
    }

    fn flush(&mut self, epoll: &OwnedFd, key: usize) -> Result<(), Errno> {
        let sent = self.try_send(&self.pending)?;
        self.pending.drain(..sent);
        if self.pending.is_empty() {
            self.pending = Vec::new();
            let key = EventData::new_u64(key as u64);
            epoll::modify(epoll, &self.socket, key, EventFlags::IN)?;
        }
        Ok(())
    }

    /// How many bytes the socket took.
    fn try_send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Err(Errno::AGAIN) => Ok(0),
            outcome => outcome,
        }
    }
}
