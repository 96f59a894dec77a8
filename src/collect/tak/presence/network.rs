//! The network that a process is in: takpulse's own, or that of a container, and how a port in there
//! is reached from here.
//!
//! Architecture invariant: pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::sockets;

/// More addresses, routes or published ports than this are not looked at.
const MAX_LINES: usize = 4096;

/// A port that a server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Where takpulse connects to.
    pub at: SocketAddr,
    /// Which port it is where the server is; the same, unless it is published under another.
    pub inside: u16,
    /// Whether it is this process' for certain: false where only its network's ports are to be seen.
    pub own: bool,
}

/// Where a process' ports are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Network {
    /// In takpulse's own network.
    #[default]
    Ours,
    /// In another one, and this leads there.
    Own(Way),
}

/// How the ports of another network are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// Its addresses that a network of ours leads to.
    addresses: Vec<Ipv4Addr>,
    /// Its ports that are published here.
    published: Vec<Published>,
}

/// A port of a container that is published on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The container's address.
    container: IpAddr,
    /// The port in the container.
    inside: u16,
    /// Where it is published.
    at: SocketAddr,
}

impl Published {
    /// The container's address.
    pub fn container(&self) -> IpAddr {
        self.container
    }

    /// Where it is published.
    pub fn at(&self) -> SocketAddr {
        self.at
    }
}

impl Network {
    /// One for tests: its addresses, and the command lines of those who publish its ports.
    #[cfg(test)]
    pub fn made_up(addresses: &[[u8; 4]], proxies: &[&[u8]]) -> Network {
        let addresses: Vec<_> = addresses.iter().map(|ip| Ipv4Addr::from(*ip)).collect();
        let proxies: Vec<_> = proxies.iter().filter_map(|line| published(line)).collect();
        let near = [Route { network: 0, mask: 0 }];
        Network::Own(Way::new(&addresses, &[], &near, &proxies))
    }

    /// Whether it is another one than takpulse's.
    pub fn is_own(&self) -> bool {
        matches!(self, Network::Own(_))
    }

    /// Where a port in it is reached.
    pub fn outside(&self, inside: u16) -> Option<SocketAddr> {
        match self {
            Network::Ours => Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), inside)),
            Network::Own(way) => way.outside(inside),
        }
    }

    /// What listens in it, as it is reached from here; without what is not reached.
    pub fn listeners(&self, bound: &[SocketAddr], own: bool) -> Vec<Listener> {
        let mut listeners: Vec<_> = bound
            .iter()
            .filter_map(|address| {
                let at = match self {
                    Network::Ours => Some(sockets::reachable(*address)),
                    // Loopback in there is not loopback here.
                    Network::Own(_) if sockets::unmapped(*address).ip().is_loopback() => None,
                    Network::Own(way) => way.outside(address.port()),
                };
                Some(Listener { at: at?, inside: address.port(), own })
            })
            .collect();
        listeners.sort_unstable();
        listeners.dedup();
        listeners
    }
}

impl Way {
    /// `local` are the other network's addresses, `ours` those of ours, and `near` the networks that we
    /// are in.
    pub fn new(
        local: &[Ipv4Addr],
        ours: &[Ipv4Addr],
        near: &[Route],
        published: &[Published],
    ) -> Way {
        let theirs = |ip: &&Ipv4Addr| !ip.is_loopback();
        let published = published
            .iter()
            .filter(|port| local.iter().filter(theirs).any(|ip| IpAddr::V4(*ip) == port.container));
        let mut published: Vec<_> = published.copied().collect();
        // Loopback first: it is the one that no firewall minds.
        published.sort_by_key(|port| (!port.at.ip().is_loopback(), port.at));
        let addresses = local.iter().filter(theirs).filter(|ip| {
            // An address that is ours as well (rootless containers) leads to us.
            !ours.contains(ip) && near.iter().any(|route| route.has(**ip))
        });
        Way { addresses: addresses.copied().collect(), published }
    }

    /// Published ports come first: they are what clients use.
    fn outside(&self, inside: u16) -> Option<SocketAddr> {
        let published = self.published.iter().find(|port| port.inside == inside);
        let direct = || Some(SocketAddr::new((*self.addresses.first()?).into(), inside));
        published.map(|port| port.at).or_else(direct)
    }
}

/// Reads a `docker-proxy`'s command line (arguments, each ended by a NUL), of TCP ports.
pub fn published(cmdline: &[u8]) -> Option<Published> {
    let mut arguments =
        cmdline.split(|byte| *byte == 0).map(|text| std::str::from_utf8(text).unwrap_or_default());
    if !arguments.next()?.ends_with("docker-proxy") {
        return None;
    }
    let (mut tcp, mut host, mut outside, mut container, mut inside) =
        (false, None, None, None, None);
    while let Some(name) = arguments.next() {
        match name {
            "-proto" => tcp = arguments.next()? == "tcp",
            "-host-ip" => host = arguments.next()?.parse::<IpAddr>().ok(),
            "-host-port" => outside = arguments.next()?.parse().ok(),
            "-container-ip" => container = arguments.next()?.parse().ok(),
            "-container-port" => inside = arguments.next()?.parse().ok(),
            _ => {}
        }
    }
    let at = sockets::reachable(SocketAddr::new(host?, outside?));
    tcp.then_some(Published { container: container?, inside: inside?, at })
}

/// The IPv4 addresses of a network: those that its `/proc/<pid>/net/fib_trie` calls `host LOCAL`.
pub fn local_addresses(fib_trie: &str) -> Vec<Ipv4Addr> {
    let mut found: Vec<Ipv4Addr> = Vec::new();
    let mut last = None;
    for line in fib_trie.lines() {
        let line = line.trim_start();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.trim_end().parse().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = last
            && !found.contains(&address)
            && found.len() < MAX_LINES
        {
            found.push(address);
        }
    }
    found
}

/// A network that this machine is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    network: u32,
    mask: u32,
}

impl Route {
    fn has(self, ip: Ipv4Addr) -> bool {
        u32::from(ip) & self.mask == self.network
    }
}

/// The networks that are reached without a gateway, of a `/proc/<pid>/net/route`.
pub fn near(route: &str) -> Vec<Route> {
    let read = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // Words in the machine's own order, of addresses in the network's.
        let word = |at: usize| {
            let word = u32::from_str_radix(fields.get(at)?, 16).ok()?;
            Some(u32::from_be_bytes(word.to_ne_bytes()))
        };
        let (network, gateway, mask) = (word(1)?, word(2)?, word(7)?);
        (gateway == 0 && mask != 0).then_some(Route { network, mask })
    };
    route.lines().take(MAX_LINES).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIB_TRIE: &str = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 172.17.0.0/16 2 0 2
           |-- 172.17.0.0
              /16 link UNICAST
           |-- 172.17.0.2
              /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
Local:
           |-- 172.17.0.2
              /32 host LOCAL
           |-- 192.168.1.5
              /32 host LOCAL
";

    const ROUTE: &str = "Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	0001A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
";

    fn proxy(text: &str) -> Option<Published> {
        published(format!("/usr/bin/docker-proxy {text}").replace(' ', "\0").as_bytes())
    }

    #[test]
    fn a_containers_ports_are_reached_where_they_are_published_or_at_its_address() {
        let proxies = [
            "-proto tcp -host-ip :: -host-port 18089 -container-ip 172.17.0.2 -container-port 8089",
            "-proto tcp -host-ip 10.1.2.3 -host-port 9 -container-ip 172.17.0.2 -container-port 8089",
            "-proto tcp -host-ip 0.0.0.0 -host-port 8088 -container-ip 172.17.0.3 -container-port 8088 -use-listen-fd",
            "-proto udp -host-ip 0.0.0.0 -host-port 8087 -container-ip 172.17.0.2 -container-port 8087",
            "-proto tcp -host-ip 10.1.2.3 -host-port 80 -container-ip 172.17.0.2 -container-port 8080",
        ];
        let proxies: Vec<_> = proxies.iter().filter_map(|text| proxy(text)).collect();
        assert_eq!(proxies.len(), 4);
        let local = local_addresses(FIB_TRIE);
        let ours = [Ipv4Addr::new(192, 168, 1, 5)];
        let way = Network::Own(Way::new(&local, &ours, &near(ROUTE), &proxies));
        let at = |port| way.outside(port).map(|at| at.to_string()).unwrap_or_default();
        assert_eq!(at(8089), "127.0.0.1:18089");
        assert_eq!(at(8088), "172.17.0.2:8088", "that is another container's");
        assert_eq!(at(8087), "172.17.0.2:8087");
        assert_eq!(at(8080), "10.1.2.3:80");
        let bound = ["0.0.0.0:8089", "127.0.0.1:8443", "[::]:8088", "[::ffff:127.0.0.1]:1"];
        let bound = bound.map(|text| text.parse().expect("an address"));
        let listeners = way.listeners(&bound, true);
        let shown: Vec<_> = listeners.iter().map(|l| format!("{} {}", l.at, l.inside)).collect();
        assert_eq!(shown, ["127.0.0.1:18089 8089", "172.17.0.2:8088 8088"]);
        let shown: Vec<_> = Network::Ours.listeners(&bound, true).iter().map(|l| l.at).collect();
        assert_eq!(shown.len(), 4);
        // A rootless container has our own address, which leads to us.
        let rootless = Network::Own(Way::new(&ours, &ours, &near(ROUTE), &[]));
        assert_eq!(rootless.outside(8089), None);
        // Without a network that leads there, and without a published port, nothing does.
        let nowhere = Network::Own(Way::new(&local, &[], &[], &[]));
        assert_eq!((nowhere.outside(8089), nowhere.listeners(&bound, true)), (None, vec![]));
    }

    #[test]
    fn addresses_and_routes_are_read() {
        let local: Vec<_> = local_addresses(FIB_TRIE).iter().map(ToString::to_string).collect();
        assert_eq!(local, ["127.0.0.1", "172.17.0.2", "192.168.1.5"]);
        let near = near(ROUTE);
        assert_eq!(near.len(), 2);
        for (ip, want) in
            [([192, 168, 1, 77], true), ([192, 168, 2, 1], false), ([172, 17, 9, 9], true)]
        {
            assert_eq!(near.iter().any(|route| route.has(ip.into())), want, "{ip:?}");
        }
    }

    #[test]
    fn whatever_is_no_proxy_publishes_nothing() {
        for text in [
            "",
            "-proto tcp",
            "-proto tcp -host-ip x -host-port 1 -container-ip 172.17.0.2 -container-port 1",
            "-proto tcp -host-ip 0.0.0.0 -host-port 99999 -container-ip 172.17.0.2 -container-port 1",
            "-proto tcp -host-ip 0.0.0.0 -host-port 1 -container-ip 172.17.0.2 -container-port",
        ] {
            assert_eq!(proxy(text), None, "{text}");
        }
        assert_eq!(published(b"vi\0docker-proxy\0-proto\0tcp"), None);
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2000 {
            let mut text = format!("{FIB_TRIE}{ROUTE}").into_bytes();
            for _ in 0..10 {
                let at = random.usize(..text.len());
                text[at] = random.u8(..);
            }
            let text = String::from_utf8_lossy(&text);
            assert!(local_addresses(&text).len() <= 4 && near(&text).len() <= 4);
            published(text.as_bytes());
        }
    }
}
