//! Under which address the dashboard is reached, from here and from elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The address for a client on this machine.
pub fn local(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The address for clients elsewhere, where it listens to all: the one from which this machine would
/// speak to the rest of the world. Nothing is sent to find out.
pub fn seen_from_elsewhere(listen: SocketAddr) -> Option<SocketAddr> {
    if !listen.ip().is_unspecified() {
        return None;
    }
    // An address of the documentation's (RFC 5737), as far away as any other.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback()).then(|| SocketAddr::new(own, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_all_is_reached_at_one() {
        for (listen, from_here) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.7:80", "192.0.2.7:80"),
            ("127.0.0.1:80", "127.0.0.1:80"),
        ] {
            let address: SocketAddr = listen.parse().expect("an address");
            assert_eq!(local(address).to_string(), from_here);
            let elsewhere = seen_from_elsewhere(address);
            assert!(
                elsewhere.is_none_or(|seen| address.ip().is_unspecified() && seen.port() == 80)
            );
        }
    }
}
