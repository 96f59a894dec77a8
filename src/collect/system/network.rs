//! What goes in and out of the box: the interfaces a user would name, with their rates.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use super::rates::Rates;
use super::report::Interface;
use super::sysfs;

/// Where the interfaces are below `<sys>`.
const CLASS: &str = "class/net";

/// Reads the interfaces and remembers their counters for the rates.
#[derive(Debug)]
pub(super) struct Network {
    /// Bytes received and sent.
    rates: Rates<String, 2>,
}

impl Network {
    pub(super) fn new() -> Network {
        Network { rates: Rates::new() }
    }

    /// Reads `<proc>/1/net/dev`, which is the host's also when takpulse runs in a container with
    /// the host's `/proc`, or else its own.
    pub(super) fn read(&mut self, proc: &Path, sys: &Path) -> Option<Vec<Interface>> {
        let text = ["1/net/dev", "net/dev"]
            .into_iter()
            .find_map(|file| fs::read_to_string(proc.join(file)).ok())?;
        let now = Instant::now();
        let mut interfaces = parse(&text);
        for interface in &mut interfaces {
            interface.up = up(&sys.join(CLASS).join(&interface.interface));
        }
        add_parts(&sys.join(CLASS), &mut interfaces);
        self.add_rates(now, &mut interfaces);
        Some(interfaces)
    }

    fn add_rates(&mut self, now: Instant, interfaces: &mut [Interface]) {
        let counters: HashMap<_, _> = interfaces
            .iter()
            .map(|seen| {
                let bytes = [seen.rx_bytes_total, seen.tx_bytes_total];
                (seen.interface.clone(), bytes)
            })
            .collect();
        let rates = self.rates.advance(now, counters);
        for interface in interfaces {
            if let Some([rx, tx]) = rates.get(&interface.interface) {
                interface.rx_bytes_per_s = Some(*rx);
                interface.tx_bytes_per_s = Some(*tx);
            }
        }
    }
}

/// Reads `net/dev`: two header lines, then `name: 8 received figures, 8 sent ones`.
fn parse(text: &str) -> Vec<Interface> {
    text.lines()
        .skip(2)
        .filter_map(parse_line)
        .filter(|interface| leads_out(&interface.interface))
        .collect()
}

fn parse_line(line: &str) -> Option<Interface> {
    let (name, figures) = line.rsplit_once(':')?;
    let figures: Vec<u64> =
        figures.split_whitespace().map_while(|figure| figure.parse().ok()).collect();
    // bytes packets errs drop fifo frame compressed multicast | bytes packets errs drop ...
    let [rx, _, rx_errors, rx_dropped, _, _, _, _, tx, _, tx_errors, tx_dropped, ..] = figures[..]
    else {
        return None;
    };
    Some(Interface {
        interface: name.trim().to_owned(),
        rx_bytes_total: rx,
        tx_bytes_total: tx,
        rx_errors_total: rx_errors,
        tx_errors_total: tx_errors,
        rx_dropped_total: rx_dropped,
        tx_dropped_total: tx_dropped,
        ..Interface::default()
    })
}

/// Whether the sysfs entry of an interface says that it can carry traffic.
fn up(dir: &Path) -> Option<bool> {
    match sysfs::text(dir.join("operstate"))?.as_str() {
        "up" => Some(true),
        // Tunnels and modems have no notion of a link; the file can be read only while they are up.
        "unknown" => Some(sysfs::number(dir.join("carrier")) == Some(1)),
        _ => Some(false),
    }
}

/// Says of each interface which other listed one counts its bytes as well.
fn add_parts(class: &Path, interfaces: &mut [Interface]) {
    let names: Vec<_> = interfaces.iter().map(|one| one.interface.clone()).collect();
    for interface in interfaces {
        interface.part_of =
            counted_by(class, &interface.interface).filter(|other| names.contains(other));
    }
}

/// What is nearer to the cable: there all that goes in and out is counted.
///
/// A VLAN or a macvlan leads to the interface below it, and a member of a bond to the bond, which
/// counts what its members do. A bridge counts only the box's own share of what its ports carry, not
/// what it forwards (virtual machines, Wi-Fi clients), so that its ports count and it does not.
fn counted_by(class: &Path, name: &str) -> Option<String> {
    let dir = class.join(name);
    let below = sysfs::entries(&dir, "lower_").into_iter();
    let mut below = below.filter_map(|(link, _)| Some(link.strip_prefix("lower_")?.to_owned()));
    if is_bridge(&dir) {
        return below.find(|port| leads_out(port));
    }
    let below = below.find(|other| master(&class.join(other)).as_deref() != Some(name));
    below.or_else(|| master(&dir).filter(|master| sums_up(class, master)))
}

/// The bond, team or bridge that an interface is a member of.
fn master(dir: &Path) -> Option<String> {
    let link = fs::read_link(dir.join("master")).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

/// Whether a master counts what its members carry; Open vSwitch's hardly counts anything.
fn sums_up(class: &Path, master: &str) -> bool {
    master != "ovs-system" && !is_bridge(&class.join(master))
}

fn is_bridge(dir: &Path) -> bool {
    dir.join("bridge").is_dir()
}

/// Beginnings of the names of the inner wiring of containers and virtual machines. Bridges that
/// somebody made (`br0`, `vmbr0`) are not among them: they are an uplink.
const INSIDE: [&str; 17] = [
    "azv",
    "cilium_",
    "cni-podman",
    "docker",
    "flannel.",
    "fwbr",
    "fwln",
    "fwpr",
    "incusbr",
    "kube-",
    "lxc",
    "lxdbr",
    "nodelocaldns",
    "podman",
    "veth",
    "virbr",
    "vnet",
];

/// What the kernel and its modules put there on their own, with a number behind it: a VPN may well
/// be called `site-b`.
const NUMBERED: [&str; 12] = [
    "cbr", "cni", "dummy", "erspan", "gre", "gretap", "ifb", "ip6_vti", "ip6tnl", "sit", "teql",
    "tunl",
];

/// Whether traffic on it leaves or enters the box: ethernet, Wi-Fi, mobile, VPN.
fn leads_out(name: &str) -> bool {
    let inside = INSIDE.iter().any(|prefix| name.starts_with(prefix));
    let numbered = NUMBERED.iter().any(|prefix| {
        let number = name.strip_prefix(prefix).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    // Docker's networks and Calico's containers.
    let hashed = is_hash(name, "br-", 12) || is_hash(name, "cali", 11);
    name != "lo" && !inside && !numbered && !hashed
}

/// Whether a name is `prefix` and so many hexadecimal digits.
fn is_hash(name: &str, prefix: &str, digits: usize) -> bool {
    name.strip_prefix(prefix).is_some_and(|hash| {
        hash.len() == digits && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;
    use crate::collect::system::fixture::tree;

    const HEADER: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
";

    #[test]
    fn counters_are_read_in_their_columns() {
        let text = format!(
            "{HEADER}    lo:    3345      32    0    0    0     0          0         0     3345      32    0    0    0     0       0          0\n  \
             eth0: 404001296   11093    1    2    0     0          0         0   546035    5706    3    4    0     0       0          0\n"
        );
        assert_eq!(
            parse(&text),
            [Interface {
                interface: "eth0".into(),
                rx_bytes_total: 404_001_296,
                tx_bytes_total: 546_035,
                rx_errors_total: 1,
                tx_errors_total: 3,
                rx_dropped_total: 2,
                tx_dropped_total: 4,
                ..Interface::default()
            }]
        );
    }

    #[test]
    fn lines_that_are_none_are_left_out() {
        let seen = |line: &str| {
            parse(&format!("{HEADER}{line}"))
                .into_iter()
                .map(|interface| (interface.interface, interface.rx_bytes_total))
                .next()
        };
        let full = " 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0";
        assert_eq!(seen(&format!("wlan0:7{full}")), Some(("wlan0".into(), 7)));
        assert_eq!(seen(&format!("eth0:1: 8{full}")), Some(("eth0:1".into(), 8)));
        for garbage in [
            "",
            "eth0",
            "eth0:",
            "eth0: 1 2 3 4 5 6 7 8 9 10 11",
            "eth0: -1 0 0 0 0 0 0 0 9 0 0 0",
            "eth0: 99999999999999999999999 0 0 0 0 0 0 0 9 0 0 0",
            "eth0: x y z",
            "\0\0\0:",
        ] {
            assert_eq!(seen(garbage), None, "{garbage:?}");
        }
        assert!(parse("").is_empty());
        assert!(parse("\n").is_empty());
    }

    #[test]
    fn interfaces_that_lead_out_are_shown_and_inner_wiring_is_not() {
        let outward = "eth0 enp3s0 end0 eth0.10 wlan0 wlp2s0 wwan0 usb0 ppp0 bnep0 bond0 \
                       tun0 tap0 wg0 tailscale0 zt5u4uptmb br0 vmbr0 br-lan br-1234567890ag \
                       site-b green california sit";
        for name in outward.split_whitespace() {
            assert!(leads_out(name), "{name} leads out");
        }
        let inner = "lo veth1a2b3c4 docker0 docker_gwbridge br-0f3c9a1b2d4e virbr0 vnet3 cni0 \
                     cni-podman0 podman1 flannel.1 cali0123456789a lxcbr0 ifb0 dummy0 tunl0 sit0";
        for name in inner.split_whitespace() {
            assert!(!leads_out(name), "{name} is inner wiring");
        }
    }

    #[test]
    fn the_hosts_interfaces_are_preferred_and_rates_follow() {
        let line =
            |name: &str, rx: u64| format!("{HEADER}{name}: {rx} 0 0 0 0 0 0 0 50 0 0 0 0 0 0 0\n");
        let root = tree(&[
            ("net/dev", &line("eth9", 1)),
            ("1/net/dev", &line("eth0", 1_000)),
            ("class/net/eth0/operstate", "up\n"),
        ]);
        let mut network = Network::new();
        let start = Instant::now();
        let mut first = network.read(root.path(), root.path()).expect("readable");
        assert_eq!(first[0].interface, "eth0");
        assert_eq!(first[0].up, Some(true));
        assert_eq!(first[0].rx_bytes_per_s, None);

        network.rates = Rates::new();
        network.add_rates(start, &mut first);
        first[0].rx_bytes_total += 5_000;
        network.add_rates(start + Duration::from_secs(5), &mut first);
        assert_eq!(first[0].rx_bytes_per_s, Some(1_000));
        assert_eq!(first[0].tx_bytes_per_s, Some(0));

        fs::remove_dir_all(root.path().join("1")).expect("removed");
        let own = network.read(root.path(), root.path()).expect("readable");
        assert_eq!(own[0].interface, "eth9");
        assert_eq!(own[0].up, None, "no sysfs entry, not known");
        fs::remove_dir_all(root.path().join("net")).expect("removed");
        assert_eq!(network.read(root.path(), root.path()), None);
    }

    /// Which interface each of these is a part of. `links`: `bond0 < eth0` is a member of a bond,
    /// `br0 << eth0` a port of a bridge, `eth0 - eth0.10` a VLAN on it.
    fn check_parts(links: &[&str], expected: &[(&str, Option<&str>)]) {
        let names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        let line = |name: &&str| format!("{name}: 1 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n");
        let dev = HEADER.to_owned() + &names.iter().map(line).collect::<String>();
        let root = tree(&[("net/dev", &dev)]);
        let class = root.path().join(CLASS);
        let link = |from: &str, name: &str, to: &str| {
            let dir = class.join(from);
            fs::create_dir_all(&dir).expect("created");
            symlink(format!("../{to}"), dir.join(name)).expect("linked");
        };
        for line in links {
            let [left, how, right] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}: left, how and right");
            };
            if how == "-" {
                link(right, &format!("lower_{left}"), left);
                continue;
            }
            link(left, &format!("lower_{right}"), right);
            link(right, "master", left);
            if how == "<<" {
                fs::create_dir_all(class.join(left).join("bridge")).expect("created");
            }
        }
        let read = Network::new().read(root.path(), root.path()).expect("readable");
        let parts: Vec<_> =
            read.iter().map(|one| (one.interface.as_str(), one.part_of.as_deref())).collect();
        assert_eq!(parts, expected, "{links:?}");
    }

    #[test]
    fn bytes_that_two_interfaces_count_are_a_part_of_the_one_nearer_to_the_cable() {
        check_parts(&[], &[("eth0", None), ("wlan0", None)]);
        check_parts(
            &["bond0 < eth0", "bond0 < eth1"],
            &[("eth0", Some("bond0")), ("eth1", Some("bond0")), ("bond0", None)],
        );
        check_parts(&["eth0 - eth0.10"], &[("eth0", None), ("eth0.10", Some("eth0"))]);
        // An access point: what it forwards from port to port never shows on the bridge.
        check_parts(
            &["br0 << eth0", "br0 << wlan0"],
            &[("eth0", None), ("wlan0", None), ("br0", Some("eth0"))],
        );
        // Proxmox, with a bond and a VLAN below the bridge.
        check_parts(
            &["bond0 < eth0", "bond0 - bond0.10", "vmbr0 << fwpr1p0", "vmbr0 << bond0.10"],
            &[
                ("eth0", Some("bond0")),
                ("bond0", None),
                ("bond0.10", Some("bond0")),
                ("vmbr0", Some("bond0.10")),
            ],
        );
    }

    #[test]
    fn what_is_not_listed_or_does_not_count_takes_nothing_from_a_sum() {
        check_parts(&["docker0 << eth0"], &[("eth0", None)]);
        check_parts(&["eth0 - eth0.10"], &[("eth0.10", None)]);
        check_parts(&["br0 << veth1a"], &[("br0", None)]);
        check_parts(&["ovs-system < eth0"], &[("eth0", None), ("ovs-system", None)]);
    }

    #[test]
    fn a_tunnel_without_a_link_state_is_up_while_its_carrier_can_be_read() {
        for (operstate, carrier, expected) in [
            ("up\n", "1\n", Some(true)),
            ("down\n", "0\n", Some(false)),
            ("dormant\n", "0\n", Some(false)),
            ("unknown\n", "1\n", Some(true)),
            ("unknown\n", "", Some(false)),
            ("", "1\n", None),
        ] {
            let sys = tree(&[("operstate", operstate), ("carrier", carrier)]);
            assert_eq!(up(sys.path()), expected, "{operstate:?} {carrier:?}");
        }
    }
}
