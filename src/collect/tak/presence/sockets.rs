//! Which ports a process listens on: its socket inodes against its network's TCP tables.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The state LISTEN as the kernel writes it.
const LISTEN: &str = "0A";

/// The listening sockets of a `/proc/<pid>/net/tcp` or `tcp6` table: address and inode.
/// Lines that are not understood are left out.
pub fn listeners(table: &str) -> Vec<(SocketAddr, u64)> {
    table.lines().filter_map(listener).collect()
}

fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let address = fields.nth(1)?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    // After the state: queues, timer, retransmits, uid, timeout, inode.
    let inode = fields.nth(5)?.parse().ok()?;
    Some((address_of(address)?, inode))
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

/// The addresses among `table` that belong to `inodes`, as addresses that can be connected to.
pub fn owned(table: &[(SocketAddr, u64)], inodes: &HashSet<u64>) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = table
        .iter()
        .filter(|(_, inode)| inodes.contains(inode))
        .map(|(address, _)| reachable(*address))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Where to connect to: a socket bound to every address is asked on loopback, and one on `[::]` on
/// IPv4's, because it takes both.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:6DB7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000000000000000 100 0 0 10 0
   1: 00000000:1F99 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 222 1 0000000000000000 100 0 0 10 0
   2: 0100007F:6DB7 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0000000000000000 20 4 30 10 -1
";
    const TABLE6: &str = "
   0: 00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 444 1 0
   1: 00000000000000000000000001000000:20FC 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 555 1 0
   2: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 666 1 0
";

    #[test]
    fn listening_sockets_are_read_and_made_reachable() {
        let mut table = listeners(TABLE);
        table.extend(listeners(TABLE6));
        let inodes = HashSet::from([111, 222, 333, 444, 555, 666, 777]);
        let addresses: Vec<_> = owned(&table, &inodes).iter().map(ToString::to_string).collect();
        assert_eq!(
            addresses,
            ["127.0.0.1:8080", "127.0.0.1:8089", "127.0.0.1:8443", "127.0.0.1:28087", "[::1]:8444"]
        );
        assert_eq!(owned(&table, &HashSet::from([333])), []);
    }

    #[test]
    fn garbage_lines_are_left_out() {
        for line in [
            "",
            "x",
            "0: 0100007F:1F90",
            "0: 0100007F 0 0A a b c d e 1",
            "0: 0100007F:ZZZZ 0 0A a b c d e 1",
            "0: 0100007:1F90 0 0A a b c d e 1",
            "0: \u{e9}100007F:1F90 0 0A a b c d e 1",
            "0: 0100007F:1F90 0 0A a b c d e x",
            "0: 0100007F:11F90 0 0A a b c d e 1",
        ] {
            assert_eq!(listeners(line), [], "{line:?}");
        }
        for link in ["socket:[]", "socket:[x]", "pipe:[1]", "/dev/null", "socket:[1"] {
            assert_eq!(socket_inode(link), None, "{link:?}");
        }
        assert_eq!(socket_inode("socket:[42]"), Some(42));
    }
}
