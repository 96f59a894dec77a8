//! Asks the kernel for TCP sockets by netlink (`sock_diag(7)`, `linux/inet_diag.h`), which picks them by
//! state for us. On a machine with a table for 262144 connections, ports cost 0.02 ms of CPU instead of
//! 5.9 for reading `/proc/net/tcp`, and connections 1.3 (1.8 with a thousand of them).
//!
//! Two structures of a fixed form: a library would bring four others along.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::sockets::{Socket, State};

/// `SOCK_DIAG_BY_FAMILY`, the type of question and answer.
const BY_FAMILY: u16 = 20;

/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;

/// `NLMSG_ERROR` and `NLMSG_DONE`, the last answers.
const ERROR: u16 = 2;
const DONE: u16 = 3;

const IPPROTO_TCP: u8 = 6;

/// Sizes of `nlmsghdr`, of `inet_diag_req_v2` and of `inet_diag_msg`.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const ANSWER: usize = 72;

/// What the kernel fills at once.
const BUFFER: usize = 32 * 1024;

/// The kernel answers at once, or something is very wrong with it.
const PATIENCE: Duration = Duration::from_secs(1);

/// More sockets than this are not counted.
pub const MAX_SOCKETS: usize = 65_536;

/// The two kinds of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4 alone.
    V4,
    /// IPv6, and IPv4 by way of it.
    V6,
}

/// Both of them.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// A way to ask, of the network that the calling thread is in. It stays with that network.
///
/// # Errors
/// The system has no netlink, or forbids it.
pub fn open() -> io::Result<OwnedFd> {
    let protocol = Some(netlink::SOCK_DIAG);
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    Ok(socket)
}

/// The sockets of a family in a state.
///
/// # Errors
/// The kernel does not answer the question: it is older than `inet_diag`, or forbids it.
pub fn sockets(netlink: &OwnedFd, family: Family, state: State) -> io::Result<Vec<Socket>> {
    send(netlink, &question(family, state), SendFlags::empty())?;
    let mut found = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let (length, _) = recv(netlink, &mut buffer[..], RecvFlags::empty())?;
        match answers(&buffer[..length.min(BUFFER)], &mut found) {
            Go::On if length > 0 => {}
            Go::On => return Err(io::ErrorKind::UnexpectedEof.into()),
            Go::Done => return Ok(found),
            Go::Failed(code) => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

fn question(family: Family, state: State) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(DUMP.to_ne_bytes());
    // Sequence and sender: there is one question at a time.
    bytes.extend([0; 8]);
    let family = match family {
        Family::V4 => AddressFamily::INET,
        Family::V6 => AddressFamily::INET6,
    };
    // The family, the protocol, no extensions.
    bytes.extend([family.as_raw() as u8, IPPROTO_TCP, 0, 0]);
    bytes.extend((1_u32 << state as u32).to_ne_bytes());
    // Any socket.
    bytes.resize(HEADER + REQUEST, 0);
    bytes
}

/// Whether there is more to come.
#[derive(Debug, PartialEq, Eq)]
enum Go {
    On,
    Done,
    /// With the system's number of the error.
    Failed(i32),
}

/// Reads the answers in what was received at once. What is not understood is left out.
fn answers(mut bytes: &[u8], found: &mut Vec<Socket>) -> Go {
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = length as usize;
        let Some(message) = bytes.get(HEADER..length) else { break };
        match kind {
            DONE => return Go::Done,
            ERROR => {
                let code = u32_at(message, 0).map_or(0, u32::cast_signed);
                return Go::Failed(code.wrapping_neg());
            }
            BY_FAMILY if found.len() < MAX_SOCKETS => found.extend(socket(message)),
            _ => {}
        }
        // Each begins at a multiple of four.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Go::On
}

/// `inet_diag_msg`: family, state, timer, retransmits; `inet_diag_sockid`: ports in the network's order,
/// addresses, interface, cookie; expiry, queues, uid, inode.
fn socket(message: &[u8]) -> Option<Socket> {
    let message: &[u8; ANSWER] = message.first_chunk()?;
    let address = |at: usize, port: usize| {
        let bytes = message.get(at..at + 16)?.first_chunk::<16>()?;
        let ip = match u16::from(message[0]) {
            family if family == AddressFamily::INET.as_raw() => {
                IpAddr::from(*bytes.first_chunk::<4>()?)
            }
            family if family == AddressFamily::INET6.as_raw() => IpAddr::from(*bytes),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes([message[port], message[port + 1]])))
    };
    let inode = u64::from(u32_at(message, 68)?);
    Some(Socket { local: address(8, 4)?, peer: address(24, 6)?, inode })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// An answer of the kernel, in front of its last one.
    fn received() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(88_u32.to_ne_bytes());
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend([2, 1, 0, 0]);
        bytes.extend(8089_u16.to_be_bytes());
        bytes.extend(50_000_u16.to_be_bytes());
        bytes.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.resize(16 + 68, 0);
        bytes.extend(4711_u32.to_ne_bytes());
        bytes.extend(20_u32.to_ne_bytes());
        bytes.extend(DONE.to_ne_bytes());
        bytes.extend([0; 14]);
        bytes
    }

    #[test]
    fn an_answer_is_read() {
        let mut found = Vec::new();
        assert_eq!(answers(&received(), &mut found), Go::Done);
        let [socket] = found[..] else { panic!("{found:?}") };
        assert_eq!(socket.local.to_string(), "127.0.0.1:8089");
        assert_eq!((socket.peer.to_string().as_str(), socket.inode), ("10.0.0.7:50000", 4711));
        let mut refused = received().split_off(88);
        refused[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        refused[16..20].copy_from_slice(&(-13_i32).to_ne_bytes());
        assert_eq!(answers(&refused, &mut found), Go::Failed(13));
    }

    #[test]
    fn any_answer_is_taken() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..5000 {
            let mut bytes = received().repeat(3);
            for _ in 0..random.usize(1..20) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            let mut found = Vec::new();
            answers(&bytes, &mut found);
            assert!(found.len() <= 6);
        }
    }

    #[test]
    fn the_kernel_tells_of_our_own_sockets() {
        let netlink = open().expect("netlink");
        let all = |family, state| sockets(&netlink, family, state).expect("the kernel answers");
        for (at, family) in [("127.0.0.1:0", Family::V4), ("[::1]:0", Family::V6)] {
            let Ok(listener) = TcpListener::bind(at) else { continue };
            let local = listener.local_addr().expect("bound");
            let client = TcpStream::connect(local).expect("connected");
            let peer = client.local_addr().expect("bound");
            let is_ours = |socket: &&Socket| socket.local == local;
            let listening = all(family, State::Listen);
            let listens = listening.iter().find(is_ours).expect("it listens");
            assert!(listens.inode > 0);
            let established = all(family, State::Established);
            assert_eq!(established.iter().find(is_ours).map(|socket| socket.peer), Some(peer));
            assert!(!listening.iter().any(|socket| socket.peer == peer));
        }
    }
}
