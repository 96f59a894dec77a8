//! Is there a TAK server on this machine? Its processes, their ports, its units and its directory.
//!
//! Thin reads of `<proc>` and `<root>`; what the bytes mean is told by the pure parsers beside this
//! file. Everything here blocks: call [`Presence::read`] where blocking is allowed.
//!
//! Architecture invariant: nothing here connects to anything.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::collect::tak::report::Flavor;
use crate::config::HostConfig;

mod containers;
mod diag;
mod network;
mod placement;
mod process;
mod sockets;
mod tables;
mod times;

pub use containers::{containers_at, place};
pub use network::{Listener, Network};
pub use placement::{Placement, placement, unit_flavor};
pub use process::{Component, identify};
pub use tables::{Peer, connections, network, outgoing};

use network::{Published, Way};
use sockets::Socket;
use tables::{Tables, Whose};

/// Where units are installed, below the root.
const UNIT_DIRECTORIES: [&str; 3] =
    ["etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];

/// Where TAK Server's init scripts are, and the units that systemd makes of them. A package that was
/// removed leaves its script behind: these count only beside [`OPT_TAK`].
const SCRIPT_DIRECTORIES: [&str; 2] = ["run/systemd/generator.late", "etc/init.d"];

/// Where TAK Server is installed, below the root.
const OPT_TAK: &str = "opt/tak";

/// What the unit of a service is called.
const SERVICE: &str = ".service";

/// A command line is read up to here; the longest of a Java server is a tenth of it.
const MAX_CMDLINE_BYTES: u64 = 64 * 1024;

/// Listing a Java server's descriptors costs a millisecond of CPU, and a network that takpulse may not
/// enter many more: while the processes stay the same, ports are listed this seldom.
const PORTS_KEPT: Duration = Duration::from_secs(60);

/// Services are installed seldom, and listing a machine's hundreds costs half a millisecond of CPU.
const UNITS_KEPT: Duration = Duration::from_secs(60);

/// More ports than this are not published on one machine.
const MAX_PUBLISHED: usize = 4096;

/// A network's addresses are read up to here; a container's take a kilobyte.
const MAX_NETWORK_BYTES: u64 = 1024 * 1024;

/// A process of a TAK server.
#[derive(Debug, Clone, PartialEq)]
pub struct TakProcess {
    /// As `<proc>` shows it.
    pub pid: u32,
    /// Which part of which server.
    pub component: Component,
    /// Stopped by a signal (SIGSTOP) or a debugger: it cannot answer.
    pub suspended: bool,
    /// Its unit or container.
    pub placement: Placement,
    /// Whether its ports are in takpulse's network, or how they are reached.
    pub network: Network,
    /// Where it listens; `None`: not permitted to see, or nothing leads there.
    pub listeners: Option<Vec<Listener>>,
    /// When it was started, in Unix seconds, give or take one.
    pub started: Option<f64>,
}

impl TakProcess {
    /// A process of which nothing more is known.
    pub fn new(pid: u32, component: Component) -> TakProcess {
        TakProcess {
            pid,
            component,
            suspended: false,
            placement: Placement::default(),
            network: Network::default(),
            listeners: None,
            started: None,
        }
    }
}

/// What is to be seen of TAK servers on this machine.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    /// Running processes, without the workers of a process that is listed.
    pub processes: Vec<TakProcess>,
    /// Installed units, without repetition, the shortest name first.
    pub units: Vec<String>,
    /// When the units were listed.
    pub units_at: Option<Instant>,
    /// Whether `/opt/tak` is there: where TAK Server is installed.
    pub opt_tak: bool,
    /// For how long the machine has been up.
    pub uptime: Option<Duration>,
    /// When the ports were listed, and since when the processes are the same.
    pub ports: Option<Listed>,
}

/// How fresh the listed ports are.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// When they were read.
    at: Instant,
    /// Since when the processes are the same.
    same_since: Instant,
}

impl Presence {
    /// Looks at every process once. What cannot be read is left out: processes come and go, and
    /// takpulse may lack permission. Ports of processes that have been the same for a while are
    /// taken from the `last` time.
    pub fn read(host: &HostConfig, last: &Presence) -> Presence {
        let opt_tak = host.root.join(OPT_TAK).is_dir();
        let (processes, published) = processes(&host.proc);
        let uptime = fs::read_to_string(host.proc.join("uptime")).ok();
        let now = Instant::now();
        let fresh = |at: &Instant| {
            last.opt_tak == opt_tak && now.saturating_duration_since(*at) < UNITS_KEPT
        };
        let (units, units_at) = match last.units_at.filter(fresh) {
            Some(at) => (last.units.clone(), at),
            None => (units(&host.root, opt_tak), now),
        };
        let mut presence = Presence {
            processes,
            units,
            units_at: Some(units_at),
            opt_tak,
            uptime: uptime.and_then(|text| times::uptime(&text)),
            ports: None,
        };
        presence.list_ports(&host.proc, &published, last, now);
        presence
    }

    fn list_ports(&mut self, proc: &Path, published: &[Published], last: &Presence, now: Instant) {
        let pids = |presence: &Presence| -> Vec<u32> {
            presence.processes.iter().map(|process| process.pid).collect()
        };
        let before = last.ports.filter(|_| pids(self) == pids(last));
        let since = |moment: Instant| now.saturating_duration_since(moment);
        if let Some(listed) = before
            // A server that starts up opens its ports one by one.
            && since(listed.same_since) > PORTS_KEPT
            && since(listed.at) < PORTS_KEPT
        {
            for (process, known) in self.processes.iter_mut().zip(&last.processes) {
                process.listeners.clone_from(&known.listeners);
                process.network.clone_from(&known.network);
            }
            self.ports = Some(listed);
            return;
        }
        let same_since = before.map_or(now, |listed| listed.same_since);
        self.ports = Some(Listed { at: now, same_since });
        // Processes mostly share a network.
        let mut ours = None;
        for process in &mut self.processes {
            let path = proc.join(process.pid.to_string());
            if tables::whose(&path) == Whose::Other {
                process.network = Network::Own(way(&path, published));
                process.listeners = elsewhere(&path, &process.network);
                continue;
            }
            process.network = Network::Ours;
            process.listeners = inodes(&path).map(|inodes| {
                let table = ours.get_or_insert_with(|| listening(&path));
                process.network.listeners(&sockets::owned(table, &inodes), true)
            });
        }
    }

    /// Which server is installed, as far as units and directories tell.
    pub fn installed_flavor(&self) -> Option<Flavor> {
        self.units
            .iter()
            .find_map(|unit| unit_flavor(unit))
            .or(self.opt_tak.then_some(Flavor::TakServer))
    }
}

/// The processes of TAK servers, and the ports that are published for containers.
fn processes(proc: &Path) -> (Vec<TakProcess>, Vec<Published>) {
    let (mut found, mut published) = (Vec::new(), Vec::new());
    let mut cmdline = Vec::new();
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let path = entry.path();
        if !read_into(&path.join("cmdline"), &mut cmdline) {
            continue;
        }
        if let Some(component) = identify(&cmdline) {
            found.push((pid, component, path));
        } else if published.len() < MAX_PUBLISHED {
            published.extend(network::published(&cmdline));
        }
    }
    found.sort_unstable_by_key(|(pid, component, _)| (*component, *pid));
    let all: HashSet<(u32, Component)> = found.iter().map(|(p, c, _)| (*p, *c)).collect();
    let boot = (!found.is_empty()).then(|| fs::read_to_string(proc.join("stat")).ok()).flatten();
    let boot = boot.and_then(|text| times::boot(&text));
    let processes = found.into_iter().filter_map(|(pid, component, path)| {
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        let (state, parent) = state_and_parent(&stat).unwrap_or(('?', 0));
        // A zombie keeps no command line, but one may have been read just before it died.
        if state == 'Z' || all.contains(&(parent, component)) {
            return None;
        }
        Some(TakProcess {
            suspended: matches!(state, 'T' | 't'),
            placement: placement(&fs::read_to_string(path.join("cgroup")).unwrap_or_default()),
            started: boot.and_then(|boot| times::started(&stat, boot)),
            ..TakProcess::new(pid, component)
        })
    });
    (processes.collect(), published)
}

/// Reads a small file into a buffer that is used again and again; false when it cannot be read.
fn read_into(path: &Path, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    File::open(path)
        .and_then(|file| file.take(MAX_CMDLINE_BYTES).read_to_end(buffer))
        .is_ok_and(|length| length > 0)
}

/// The state letter and the parent's pid of a `/proc/<pid>/stat`. The name before them is in
/// parentheses and may hold anything, parentheses too.
fn state_and_parent(stat: &str) -> Option<(char, u32)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The sockets that a process has open; `None` when they are not to be seen.
fn inodes(process: &Path) -> Option<HashSet<u64>> {
    let links = fs::read_dir(process.join("fd")).ok()?.flatten();
    let links = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    Some(links.filter_map(|link| sockets::socket_inode(link.to_str()?)).collect())
}

/// The sockets of a process: as long as they are the same, so are its connections. `None`: not to be
/// seen, or its workers have them.
pub fn own_sockets(proc: &Path, process: &TakProcess) -> Option<BTreeSet<u64>> {
    let is_alone = matches!(process.component, Component::TakyCot | Component::TakMessaging);
    let inodes = inodes(&proc.join(process.pid.to_string())).filter(|_| is_alone)?;
    Some(inodes.into_iter().collect())
}

/// What listens in the network of a process.
fn listening(process: &Path) -> Vec<Socket> {
    Tables::of(process).listening().unwrap_or_default()
}

/// How the network of a process in a container is reached.
fn way(process: &Path, published: &[Published]) -> Way {
    let text = |path: &Path| {
        let mut text = String::new();
        let file = File::open(path).map(|file| file.take(MAX_NETWORK_BYTES));
        file.and_then(|mut file| file.read_to_string(&mut text)).map_or(String::new(), |_| text)
    };
    let addresses = |path: &Path| network::local_addresses(&text(&path.join("net/fib_trie")));
    let ours = Path::new("/proc/self");
    let near = network::near(&text(&ours.join("net/route")));
    Way::new(&addresses(process), &addresses(ours), &near, published)
}

/// What listens in another network. Whoever may not see which process has which socket knows of all of
/// them together; `None`: nothing of it is reached, so that nothing is known.
fn elsewhere(process: &Path, network: &Network) -> Option<Vec<Listener>> {
    let mut bound = listening(process);
    let inodes = inodes(process);
    if let Some(inodes) = &inodes {
        bound.retain(|socket| inodes.contains(&socket.inode));
    }
    let bound: Vec<_> = bound.iter().map(|socket| socket.local).collect();
    let listeners = network.listeners(&bound, inodes.is_some());
    (!listeners.is_empty() || bound.is_empty()).then_some(listeners)
}

/// The services of a TAK server that could be started: not timers, sockets or masked ones.
fn units(root: &Path, opt_tak: bool) -> Vec<String> {
    let mut units: Vec<String> = UNIT_DIRECTORIES
        .iter()
        .flat_map(|directory| names(&root.join(directory)))
        .filter(|name| name.ends_with(SERVICE))
        .collect();
    if opt_tak {
        let scripts = SCRIPT_DIRECTORIES.iter().flat_map(|directory| names(&root.join(directory)));
        units.extend(scripts.map(|name| match name.ends_with(SERVICE) {
            true => name,
            false => format!("{name}{SERVICE}"),
        }));
    }
    let masked = |name: &str| {
        let link = fs::read_link(root.join(UNIT_DIRECTORIES[0]).join(name));
        link.is_ok_and(|to| to == Path::new("/dev/null"))
    };
    // `takyctl systemd` makes `taky-<host>.service` to start all parts of a site.
    let all = units.clone();
    let starts_site = |name: &str| {
        let stem = name.strip_suffix(SERVICE).filter(|stem| stem.starts_with("taky-"));
        stem.is_some_and(|stem| all.contains(&format!("{stem}-cot{SERVICE}")))
    };
    units.retain(|name| (unit_flavor(name).is_some() || starts_site(name)) && !masked(name));
    units.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    units.dedup();
    units
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests;
