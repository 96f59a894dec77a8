//! The TCP sockets of the network that a process is in, by the cheapest way that is open.
//!
//! Everything here blocks.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::diag::{self, FAMILIES, Family};
use super::sockets::{self, Socket, State};

/// A table is read up to here: a line has 150 bytes.
const MAX_TABLE_BYTES: u64 = 150 * diag::MAX_SOCKETS as u64;

/// A connection to one of a server's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The server's port, as it is where the server is.
    pub local_port: u16,
    /// Who is connected; an IPv4 address is told as one.
    pub peer: SocketAddr,
}

/// Whose network a process is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// takpulse's own, for certain.
    Ours,
    /// Another one.
    Other,
    /// Not to be told.
    Unclear,
}

/// Compares a process' network with ours. The links to it are hidden from whoever may not trace the
/// process; the kernel's files on it are not, and are others for each network.
pub fn whose(process: &Path) -> Whose {
    let link = |path: &Path| fs::read_link(path.join("ns/net")).ok();
    let own = Path::new("/proc/self");
    if let (Some(ours), Some(theirs)) = (link(own), link(process)) {
        return if ours == theirs { Whose::Ours } else { Whose::Other };
    }
    let table = |path: &Path| fs::metadata(path.join("net/tcp")).ok();
    let id = |meta: &Metadata| (meta.dev(), meta.ino());
    match (table(own), table(process)) {
        (Some(ours), Some(theirs)) if id(&ours) == id(&theirs) => Whose::Ours,
        (Some(ours), Some(theirs)) if ours.dev() == theirs.dev() => Whose::Other,
        _ => Whose::Unclear,
    }
}

/// Tells the network that a process is in from others, also those that takpulse may not enter: the
/// kernel's files on each are others. `None`: not to be seen.
pub fn network(proc: &Path, pid: u32) -> Option<(u64, u64)> {
    let table = fs::metadata(proc.join(pid.to_string()).join("net/tcp")).ok()?;
    Some((table.dev(), table.ino()))
}

/// The sockets of a network.
pub struct Tables {
    process: PathBuf,
    /// Absent: they are read in the process' files.
    netlink: Option<OwnedFd>,
}

impl Tables {
    /// Those of the network that a process (`/proc/<pid>`) is in.
    pub fn of(process: &Path) -> Tables {
        let netlink = match whose(process) {
            Whose::Ours => diag::open(),
            Whose::Other => open_in(&process.join("ns/net")),
            Whose::Unclear => Err(io::ErrorKind::NotFound.into()),
        };
        Tables { process: process.to_owned(), netlink: netlink.ok() }
    }

    /// What listens.
    ///
    /// # Errors
    /// The process is gone.
    pub fn listening(&mut self) -> io::Result<Vec<Socket>> {
        self.sockets(&FAMILIES, State::Listen)
    }

    /// Sockets of some families.
    fn sockets(&mut self, families: &[Family], state: State) -> io::Result<Vec<Socket>> {
        if let Some(netlink) = &self.netlink {
            let each = families.iter().map(|family| diag::sockets(netlink, *family, state));
            match each.collect::<io::Result<Vec<_>>>() {
                Ok(all) => return Ok(all.concat()),
                // Left-over answers would be taken for those to the next question.
                Err(_) => self.netlink = None,
            }
        }
        let mut all = Vec::new();
        for family in families {
            let name = match family {
                Family::V4 => "net/tcp",
                Family::V6 => "net/tcp6",
            };
            match read(&self.process.join(name)) {
                Ok(text) => all.extend(sockets::table(&text, state).take(diag::MAX_SOCKETS)),
                // A machine without IPv6 has no table of it.
                Err(_) if *family == Family::V6 => {}
                Err(why) => return Err(why),
            }
        }
        Ok(all)
    }

    /// Who is connected to these ports. Only the families that something listens with are looked at.
    fn connections(&mut self, ports: &[u16]) -> io::Result<Vec<Peer>> {
        let mut families = Vec::new();
        for family in FAMILIES {
            let listening = self.sockets(&[family], State::Listen)?;
            if listening.iter().any(|socket| ports.contains(&socket.local.port())) {
                families.push(family);
            }
        }
        let all = self.sockets(&families, State::Established)?;
        let ours = all.into_iter().filter(|socket| ports.contains(&socket.local.port()));
        let peer = |socket: Socket| Peer {
            local_port: socket.local.port(),
            peer: sockets::unmapped(socket.peer),
        };
        Ok(ours.map(peer).collect())
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_TABLE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Enters another network to open a way to ask there: on a thread of its own, which ends in it.
fn open_in(network: &Path) -> io::Result<OwnedFd> {
    let network = File::open(network)?;
    let enter = move || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        diag::open()
    };
    let thread = thread::Builder::new().name("other-network".into()).spawn(enter)?;
    thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

/// Who is connected to a server's ports (as they are where it is), takpulse itself among them: those of
/// the network that the process is in. `None`: not to be seen.
pub fn connections(proc: &Path, pid: u32, ports: &[u16]) -> Option<Vec<Peer>> {
    Tables::of(&proc.join(pid.to_string())).connections(ports).ok()
}

/// What the network that a process is in is connected to elsewhere, by the other end's port: where its
/// database is, for one whose name means something in a container only. `None`: not to be seen.
pub fn outgoing(proc: &Path, pid: u32, port: u16) -> Option<Vec<SocketAddr>> {
    let mut tables = Tables::of(&proc.join(pid.to_string()));
    let all = tables.sockets(&FAMILIES, State::Established).ok()?;
    let mut ends: Vec<_> = all
        .into_iter()
        .map(|socket| sockets::unmapped(socket.peer))
        .filter(|peer| peer.port() == port)
        .collect();
    ends.sort_unstable();
    ends.dedup();
    Some(ends)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn own_pid() -> u32 {
        std::process::id()
    }

    #[test]
    fn connections_are_told_with_their_peers() {
        let proc = Path::new("/proc");
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = server.local_addr().expect("bound").port();
        let at = |ports: &[u16]| connections(proc, own_pid(), ports).expect("our own are seen");
        assert_eq!(at(&[port]), []);
        let client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let peer = client.local_addr().expect("bound");
        assert_eq!(at(&[port]), [Peer { local_port: port, peer }]);
        assert_eq!(at(&[]), []);
        let to = outgoing(proc, own_pid(), port).expect("our own are seen");
        assert_eq!(to, [SocketAddr::from(([127, 0, 0, 1], port))]);
    }

    #[test]
    fn an_ipv4_client_of_an_ipv6_socket_is_told_as_such() {
        let Ok(server) = TcpListener::bind("[::]:0") else { return };
        let port = server.local_addr().expect("bound").port();
        let client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let peer = client.local_addr().expect("bound");
        let seen = connections(Path::new("/proc"), own_pid(), &[port]).expect("seen");
        assert_eq!(seen, [Peer { local_port: port, peer }]);
    }

    #[test]
    fn without_netlink_the_files_tell_the_same() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = server.local_addr().expect("bound").port();
        let client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let peer = client.local_addr().expect("bound");
        let mut tables = Tables { process: "/proc/self".into(), netlink: None };
        let seen = tables.connections(&[port]).expect("they are read");
        assert_eq!(seen, [Peer { local_port: port, peer }]);
        let listens = tables.listening().expect("they are read");
        assert!(listens.iter().any(|socket| socket.local.port() == port));
    }

    #[test]
    fn what_cannot_be_seen_is_not_called_nobody() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(connections(root.path(), 7, &[8089]), None);
        assert_eq!(outgoing(root.path(), 7, 5432), None);
        assert_eq!(network(root.path(), 7), None);
        let own = network(Path::new("/proc"), own_pid());
        assert!(own.is_some() && own == network(Path::new("/proc/self/task"), own_pid()));
        assert_eq!(whose(Path::new("/proc/self")), Whose::Ours);
        assert_eq!(whose(root.path()), Whose::Unclear);
    }
}
