//! In which containers the services are that a TAK server leans on, by the addresses that it has for
//! them.
//!
//! A container on the host's own network has no address of its own, and is not found this way.
//!
//! Everything here blocks.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::network::{self, Published};
use super::placement::placement;
use super::tables::{Whose, whose};
use super::{MAX_NETWORK_BYTES, MAX_PUBLISHED, read_into};

/// The containers (12 digits of each id) that have these addresses, or a port that is published there.
pub fn containers_at(proc: &Path, places: &[SocketAddr]) -> Vec<String> {
    if places.is_empty() {
        return Vec::new();
    }
    let (contained, published) = look(proc);
    let behind = |place: &SocketAddr| match published.iter().find(|port| port.at() == *place) {
        Some(port) => port.container(),
        None => place.ip(),
    };
    let wanted: Vec<IpAddr> = places.iter().map(behind).filter(|ip| !ip.is_loopback()).collect();
    let has_one = |process: &PathBuf| {
        let theirs = addresses(process);
        wanted.iter().any(|ip| theirs.iter().any(|own| IpAddr::V4(*own) == *ip))
    };
    let found = contained.into_iter().filter(|(_, process)| has_one(process));
    found.map(|(id, _)| id).collect()
}

/// Where a service is that the server's configuration calls this, when that says it.
pub fn place(name: &str, port: u16) -> Option<SocketAddr> {
    let ip = if name == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { name.parse().ok() };
    Some(SocketAddr::new(ip?, port))
}

/// One process of each container, and the ports that are published.
fn look(proc: &Path) -> (BTreeMap<String, PathBuf>, Vec<Published>) {
    let (mut contained, mut published) = (BTreeMap::new(), Vec::new());
    let mut cmdline = Vec::new();
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let path = entry.path();
        let cgroup = fs::read_to_string(path.join("cgroup")).unwrap_or_default();
        if let Some(id) = placement(&cgroup).container {
            contained.entry(id).or_insert(path);
        } else if published.len() < MAX_PUBLISHED && read_into(&path.join("cmdline"), &mut cmdline)
        {
            published.extend(network::published(&cmdline));
        }
    }
    (contained, published)
}

/// The addresses that are a process' and not this machine's.
fn addresses(process: &Path) -> Vec<Ipv4Addr> {
    if whose(process) != Whose::Other {
        return Vec::new();
    }
    let mut text = String::new();
    let file = File::open(process.join("net/fib_trie")).map(|file| file.take(MAX_NETWORK_BYTES));
    let read = file.and_then(|mut file| file.read_to_string(&mut text));
    read.map_or_else(|_| Vec::new(), |_| network::local_addresses(&text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A `/proc` with a process of this id, cgroup, command line, address and network.
    fn process(proc: &Path, pid: u32, cgroup: &str, cmdline: &str, address: &str, network: u32) {
        let path = proc.join(pid.to_string());
        fs::create_dir_all(path.join("net")).expect("directories");
        fs::create_dir_all(path.join("ns")).expect("directories");
        let trie = format!("Local:\n  |-- {address}\n     /32 host LOCAL\n");
        for (name, text) in [
            ("cgroup", cgroup.to_owned()),
            ("cmdline", cmdline.replace(' ', "\0")),
            ("net/fib_trie", trie),
        ] {
            fs::write(path.join(name), text).expect("written");
        }
        let link = match network {
            0 => fs::read_link("/proc/self/ns/net").expect("a link"),
            other => format!("net:[{other}]").into(),
        };
        symlink(link, path.join("ns/net")).expect("a link");
    }

    #[test]
    fn a_service_is_found_at_its_own_address_or_behind_a_published_port() {
        let dir = tempfile::tempdir().expect("a directory");
        let proc = dir.path();
        let group = |digit: &str| format!("0::/docker/{}\n", digit.repeat(64));
        process(proc, 10, &group("a"), "postgres", "172.18.0.2", 7);
        process(proc, 11, &group("a"), "postgres: checkpointer", "172.18.0.2", 7);
        process(proc, 12, &group("b"), "rabbit", "172.18.0.3", 8);
        process(proc, 13, &group("c"), "web", "192.168.1.5", 0);
        process(proc, 14, "0::/user.slice\n", "postgres", "172.18.0.9", 9);
        let proxy = "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 5432 -container-ip \
                     172.18.0.2 -container-port 5432";
        process(proc, 15, "0::/system.slice/docker.service\n", proxy, "192.168.1.5", 0);
        let ids = |digits: &[&str]| -> Vec<String> {
            digits.iter().map(|digit| digit.repeat(12)).collect()
        };
        for (what, places, expected) in [
            ("its address", &["172.18.0.2:5432"][..], ids(&["a"])),
            ("published here", &["127.0.0.1:5432"], ids(&["a"])),
            ("both", &["172.18.0.3:5672", "172.18.0.2:5432"], ids(&["a", "b"])),
            ("no container's", &["172.18.0.9:5432"], ids(&[])),
            ("on the host's network", &["192.168.1.5:5432"], ids(&[])),
            ("published by nobody", &["127.0.0.1:5672"], ids(&[])),
            ("nothing", &[], ids(&[])),
        ] {
            let places: Vec<_> = places.iter().map(|at| at.parse().expect("a place")).collect();
            assert_eq!(containers_at(proc, &places), expected, "{what}");
        }
    }

    #[test]
    fn a_name_is_a_place_only_where_it_means_the_same_everywhere() {
        for (name, expected) in [
            ("localhost", Some("127.0.0.1:5")),
            ("10.0.0.9", Some("10.0.0.9:5")),
            ("tak-database", None),
        ] {
            let place = place(name, 5).map(|place| place.to_string());
            assert_eq!(place.as_deref(), expected, "{name}");
        }
    }
}
