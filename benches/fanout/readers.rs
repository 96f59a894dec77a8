//! The viewers: one epoll loop, level-triggered, one `recv` for each socket that is ready.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::decode::{Decoder, Stamp};
use super::http2::{self, Frames};
use super::server::Streams;
use super::tally::Tally;
use super::wire::{Speech, Wire};

/// Between two looks at the schedule so many sockets are read.
const MOST_READY: usize = 64;
/// So many connections are opened between two looks.
const MOST_OPENED: usize = 16;
/// A stalled viewer takes no more than this from the kernel, about.
const STALLED_RECEIVE_BYTES: usize = 16 << 10;
/// Not a viewer, but somebody else who has to be attended to.
const OTHERS: u64 = u64::MAX;

/// What a viewer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It reads, and is counted.
    Reader,
    /// It reads the head, and then never again.
    Stalled,
    /// It comes in the storm; only its first event counts.
    Latecomer,
}

#[derive(PartialEq, Eq)]
enum Phase {
    Connecting,
    Waiting,
    Ready,
    Gone,
}

struct Viewer {
    socket: OwnedFd,
    role: Role,
    phase: Phase,
    wire: Wire,
    /// Around the response, in HTTP/2.
    frames: Option<Frames>,
    decoder: Decoder,
    /// The number of the last event that it got.
    last: u64,
}

/// All viewers of one server.
pub struct Readers {
    epoll: OwnedFd,
    viewers: Vec<Viewer>,
    streams: Streams,
    request: Vec<u8>,
    buffer: Vec<u8>,
    /// What is yet to be opened, and how many may be under way at a time.
    wanted: Vec<Role>,
    at_a_time: usize,
    opening: usize,
    /// A latecomer is ready when it has a snapshot; otherwise its head does.
    pub awaits_snapshot: bool,
    /// How large the largest snapshot was.
    pub snapshot_bytes: usize,
    /// What the readers got.
    pub tally: Tally,
    /// Viewers that the server has ended or never served, and why the first of them.
    pub gone: usize,
    /// Why the first of them has gone.
    pub first_fault: Option<String>,
}

impl Readers {
    /// Nobody yet.
    ///
    /// # Errors
    /// The system gives no epoll.
    pub fn new(streams: Streams) -> io::Result<Readers> {
        let request = request(&streams);
        Ok(Readers {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            viewers: Vec::new(),
            streams,
            request,
            buffer: vec![0; 256 << 10],
            wanted: Vec::new(),
            at_a_time: 0,
            opening: 0,
            awaits_snapshot: false,
            snapshot_bytes: 0,
            tally: Tally::default(),
            gone: 0,
            first_fault: None,
        })
    }

    /// Wants so many viewers, of which so many may be connecting at a time; [`Readers::pump`] opens
    /// them.
    pub fn want(&mut self, count: usize, role: Role, at_a_time: usize) {
        self.wanted.extend(std::iter::repeat_n(role, count));
        self.at_a_time = at_a_time;
        if role == Role::Reader {
            self.tally.readers += u32::try_from(count).unwrap_or(u32::MAX);
        }
    }

    /// Whether all that were wanted are ready or gone.
    pub fn are_ready(&self) -> bool {
        self.wanted.is_empty() && self.opening == 0
    }

    /// [`Readers::pump`] waits no longer when this is ready.
    ///
    /// # Errors
    /// The system refuses.
    pub fn wake_by(&self, others: &OwnedFd) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, others, EventData::new_u64(OTHERS), EventFlags::IN)?)
    }

    /// How many are wanted or connecting, or have gone.
    pub fn unserved(&self) -> usize {
        self.wanted.len() + self.opening + self.gone
    }

    /// Opens, waits for at most this long, and reads what has come. Below a millisecond it does not
    /// wait at all: epoll counts in those.
    ///
    /// # Errors
    /// The system refuses a socket.
    pub fn pump(&mut self, longest: Duration) -> io::Result<()> {
        for _ in 0..MOST_OPENED {
            if self.opening >= self.at_a_time || self.wanted.is_empty() {
                break;
            }
            self.open()?;
        }
        let more = self.opening < self.at_a_time && !self.wanted.is_empty();
        let milliseconds = if more { 0 } else { longest.as_millis() };
        let timeout = Timespec::try_from(Duration::from_millis(milliseconds as u64))
            .unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
        let mut ready = Vec::with_capacity(MOST_READY);
        match epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
        for event in ready.iter().filter(|event| event.data.u64() != OTHERS) {
            let viewer = event.data.u64() as usize;
            if let Err(fault) = self.attend(viewer) {
                self.lose(viewer, fault);
            }
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        let Some(role) = self.wanted.pop() else { return Ok(()) };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        if role == Role::Stalled {
            sockopt::set_socket_recv_buffer_size(&socket, STALLED_RECEIVE_BYTES)?;
        }
        match rustix::net::connect(&socket, &self.streams.address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(why) => return Err(why.into()),
        }
        let key = EventData::new_u64(self.viewers.len() as u64);
        epoll::add(&self.epoll, &socket, key, EventFlags::OUT)?;
        let speech = &self.streams.speech;
        let wire = speech.wire("localhost".into()).map_err(io::Error::other)?;
        let frames = matches!(speech, Speech::Http2(_)).then(Frames::default);
        let (phase, decoder) = (Phase::Connecting, Decoder::new());
        self.viewers.push(Viewer { socket, role, phase, wire, frames, decoder, last: 0 });
        self.opening += 1;
        Ok(())
    }

    /// Asks for the stream on a new connection; on another, reads once what is there.
    fn attend(&mut self, number: usize) -> Result<(), String> {
        let viewer = &mut self.viewers[number];
        match viewer.phase {
            Phase::Connecting => {
                viewer.wire.ask(&viewer.socket, &self.request)?;
                viewer.phase = Phase::Waiting;
                let key = EventData::new_u64(number as u64);
                epoll::modify(&self.epoll, &viewer.socket, key, EventFlags::IN)
                    .map_err(|why| why.to_string())
            }
            Phase::Waiting | Phase::Ready => self.read(number),
            Phase::Gone => Ok(()),
        }
    }

    fn read(&mut self, number: usize) -> Result<(), String> {
        let Viewer { socket, role, wire, frames, decoder, last, .. } = &mut self.viewers[number];
        let (tally, role, mut snapshot_bytes) = (&mut self.tally, *role, 0);
        let open = wire.read(socket, &mut self.buffer, |bytes, now| {
            let mut frame = |frame: &[u8]| match (role, Stamp::read(frame)) {
                (Role::Reader, Some(stamp)) => tally.deliver(stamp, last, now),
                (Role::Latecomer, None) if frame.starts_with(b"event:system_metrics") => {
                    snapshot_bytes = frame.len();
                }
                _ => {}
            };
            let mut decode = |bytes: &[u8]| {
                let fed = decoder.feed(bytes, &mut frame);
                fed.map_err(|broken| format!("no stream of events: {}", broken.0))
            };
            match frames {
                Some(frames) => frames.feed(bytes, decode),
                None => decode(bytes),
            }
        })?;
        if !open {
            return Err("the server has ended the connection".into());
        }
        let viewer = &mut self.viewers[number];
        if viewer.decoder.has_ended() {
            return Err("the server has ended the stream".into());
        }
        self.snapshot_bytes = self.snapshot_bytes.max(snapshot_bytes);
        let waits = role == Role::Latecomer && self.awaits_snapshot && snapshot_bytes == 0;
        if viewer.phase == Phase::Waiting && viewer.decoder.has_head() && !waits {
            viewer.phase = Phase::Ready;
            self.opening -= 1;
            if role == Role::Stalled {
                epoll::delete(&self.epoll, &viewer.socket).map_err(|why| why.to_string())?;
            }
        }
        Ok(())
    }

    fn lose(&mut self, number: usize, fault: String) {
        let viewer = &mut self.viewers[number];
        self.opening -= usize::from(viewer.phase != Phase::Ready);
        viewer.phase = Phase::Gone;
        let _was_there = epoll::delete(&self.epoll, &viewer.socket);
        self.gone += 1;
        self.first_fault.get_or_insert(fault);
    }
}

/// What every viewer asks.
fn request(streams: &Streams) -> Vec<u8> {
    let Streams { address, path, token, speech } = streams;
    let authorization = token.as_ref().map(|token| format!("Bearer {token}")).unwrap_or_default();
    if let Speech::Http2(_) = speech {
        return http2::request(&address.to_string(), path, &authorization);
    }
    let authorization = match token {
        Some(_) => format!("Authorization: {authorization}\r\n"),
        None => String::new(),
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Accept: text/event-stream\r\n\r\n"
    )
    .into_bytes()
}
