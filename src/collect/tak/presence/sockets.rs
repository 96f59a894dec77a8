//! The TCP sockets of a network, as `/proc/<pid>/net/tcp` and `tcp6` list them, and which of them belong
//! to a process.
//!
//! Architecture invariant: pure.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The states that are looked for, by the kernel's own number (`include/net/tcp_states.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A connection.
    Established = 1,
    /// A port.
    Listen = 10,
}

/// A TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Its own end.
    pub local: SocketAddr,
    /// The other end; unspecified while it listens.
    pub peer: SocketAddr,
    /// By which a process' descriptor is known to be it.
    pub inode: u64,
}

/// The sockets of a table that are in a state. Lines that are not understood are left out.
pub fn table(text: &str, state: State) -> impl Iterator<Item = Socket> {
    text.lines().filter_map(move |line| socket(line, state))
}

fn socket(line: &str, state: State) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let peer = fields.next()?;
    if u8::from_str_radix(fields.next()?, 16).ok()? != state as u8 {
        return None;
    }
    // After the state: queues, timer, retransmits, uid, timeout, inode.
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Socket { local: address_of(local)?, peer: address_of(peer)?, inode })
}

/// Reads `0100007F:1F97`; each group of eight digits is one 32-bit word in the machine's own order.
fn address_of(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok();
    let ip = match ip.len() {
        8 => IpAddr::from(word(0)?.to_ne_bytes()),
        32 => {
            let mut bytes = [0; 16];
            for (group, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(group * 8)?.to_ne_bytes());
            }
            IpAddr::from(bytes)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The inode in a `/proc/<pid>/fd` link such as `socket:[81234]`.
pub fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The addresses among `listening` that belong to `inodes`, as they are bound.
pub fn owned(listening: &[Socket], inodes: &HashSet<u64>) -> Vec<SocketAddr> {
    let own = listening.iter().filter(|socket| inodes.contains(&socket.inode));
    own.map(|socket| socket.local).collect()
}

/// An IPv4 address that was written as an IPv6 one, as IPv4.
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Where to connect to within the same network: a socket bound to every address is asked on loopback,
/// and one on `[::]` on IPv4's, because it takes both.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        false => unmapped(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:6DB7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000000000000000 100 0 0 10 0
   1: 00000000:1F99 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 222 1 0000000000000000 100 0 0 10 0
   2: 0100007F:6DB7 0200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:6DB7 0200007F:C351 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
";
    const TABLE6: &str = "
   0: 00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 444 1 0
   1: 00000000000000000000000001000000:20FC 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 555 1 0
   2: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 666 1 0
   3: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:C350 01 00000000:00000000 00:00000000 00000000  0 0 777 1 0
";

    #[test]
    fn listening_sockets_are_read_and_made_reachable() {
        let all: Vec<_> = table(TABLE, State::Listen).chain(table(TABLE6, State::Listen)).collect();
        let inodes = HashSet::from([111, 222, 333, 444, 555, 666, 777]);
        let addresses: Vec<_> =
            owned(&all, &inodes).into_iter().map(|at| reachable(at).to_string()).collect();
        assert_eq!(
            addresses,
            ["127.0.0.1:28087", "127.0.0.1:8089", "127.0.0.1:8443", "[::1]:8444", "127.0.0.1:8080"]
        );
        assert_eq!(owned(&all, &HashSet::from([333])), []);
    }

    #[test]
    fn connections_are_read_with_their_other_end() {
        let all: Vec<_> = table(TABLE, State::Established)
            .chain(table(TABLE6, State::Established))
            .map(|socket| format!("{} {}", unmapped(socket.local), unmapped(socket.peer)))
            .collect();
        assert_eq!(all, ["127.0.0.1:28087 127.0.0.2:50000", "127.0.0.1:8080 127.0.0.2:50000"]);
    }

    #[test]
    fn garbage_lines_are_left_out() {
        for line in [
            "",
            "x",
            "0: 0100007F:1F90",
            "0: 0100007F 0:0 0A a b c d e 1",
            "0: 0100007F:ZZZZ 00000000:0 0A a b c d e 1",
            "0: 0100007:1F90 00000000:0 0A a b c d e 1",
            "0: \u{e9}100007F:1F90 00000000:0 0A a b c d e 1",
            "0: 0100007F:1F90 00000000:0 0A a b c d e x",
            "0: 0100007F:11F90 00000000:0 0A a b c d e 1",
            "0: 0100007F:1F90 x 0A a b c d e 1",
        ] {
            assert_eq!(table(line, State::Listen).count(), 0, "{line:?}");
        }
        for link in ["socket:[]", "socket:[x]", "pipe:[1]", "/dev/null", "socket:[1"] {
            assert_eq!(socket_inode(link), None, "{link:?}");
        }
        assert_eq!(socket_inode("socket:[42]"), Some(42));
    }

    #[test]
    fn a_mangled_table_is_read_as_far_as_it_goes() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2000 {
            let mut bytes = TABLE6.as_bytes().to_vec();
            for _ in 0..random.usize(1..8) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..bytes.len()));
            let text = String::from_utf8_lossy(&bytes);
            assert!(table(&text, State::Listen).count() <= 4);
        }
    }
}
