//! Is there a TAK server on this machine? Its processes, their ports, its units and its directory.
//!
//! Thin reads of `<proc>` and `<root>`; what the bytes mean is told by the pure parsers beside this
//! file. Everything here blocks: call [`Presence::read`] where blocking is allowed.
//!
//! Architecture invariant: nothing here connects to anything.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::collect::tak::report::Flavor;
use crate::config::HostConfig;

mod placement;
mod process;
mod sockets;

pub use placement::{Placement, placement, unit_flavor};
pub use process::{Component, identify};

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

/// The kernel walks its whole table of connections for a list of listening sockets, which takes
/// milliseconds of CPU: while the processes stay the same, they are listed this seldom.
const PORTS_KEPT: Duration = Duration::from_secs(60);

/// A process of a TAK server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakProcess {
    /// As `<proc>` shows it.
    pub pid: u32,
    /// Which part of which server.
    pub component: Component,
    /// Stopped by a signal (SIGSTOP) or a debugger: it cannot answer.
    pub suspended: bool,
    /// Its unit or container.
    pub placement: Placement,
    /// Where it listens; `None`: not permitted to see, or it is in a network of its own (a
    /// container), where its ports have other numbers than outside.
    pub listeners: Option<Vec<SocketAddr>>,
}

/// What is to be seen of TAK servers on this machine.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    /// Running processes, without the workers of a process that is listed.
    pub processes: Vec<TakProcess>,
    /// Installed units, without repetition, the shortest name first.
    pub units: Vec<String>,
    /// Whether `/opt/tak` is there: where TAK Server is installed.
    pub opt_tak: bool,
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
        let mut presence = Presence {
            processes: processes(&host.proc),
            units: units(&host.root, opt_tak),
            opt_tak,
            ports: None,
        };
        presence.list_ports(&host.proc, last, Instant::now());
        presence
    }

    fn list_ports(&mut self, proc: &Path, last: &Presence, now: Instant) {
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
            }
            self.ports = Some(listed);
            return;
        }
        let same_since = before.map_or(now, |listed| listed.same_since);
        self.ports = Some(Listed { at: now, same_since });
        let mut table = None;
        for process in &mut self.processes {
            let path = proc.join(process.pid.to_string());
            process.listeners = inodes(&path).map(|inodes| {
                sockets::owned(table.get_or_insert_with(|| listening(&path)), &inodes)
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

fn processes(proc: &Path) -> Vec<TakProcess> {
    let mut found = Vec::new();
    let mut cmdline = Vec::new();
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let path = entry.path();
        if read_into(&path.join("cmdline"), &mut cmdline)
            && let Some(component) = identify(&cmdline)
        {
            found.push((pid, component, path));
        }
    }
    found.sort_unstable_by_key(|(pid, component, _)| (*component, *pid));
    let all: HashSet<(u32, Component)> = found.iter().map(|(p, c, _)| (*p, *c)).collect();
    found
        .into_iter()
        .filter_map(|(pid, component, path)| {
            let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
            let (state, parent) = state_and_parent(&stat).unwrap_or(('?', 0));
            // A zombie keeps no command line, but one may have been read just before it died.
            if state == 'Z' || all.contains(&(parent, component)) {
                return None;
            }
            Some(TakProcess {
                pid,
                component,
                suspended: matches!(state, 'T' | 't'),
                placement: placement(&fs::read_to_string(path.join("cgroup")).unwrap_or_default()),
                listeners: None,
            })
        })
        .collect()
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

/// The sockets that a process has open; `None` when they are not to be seen, or are in another
/// network than ours.
fn inodes(process: &Path) -> Option<HashSet<u64>> {
    let network = |path: &Path| fs::read_link(path.join("ns/net")).ok();
    let ours = network(Path::new("/proc/self"));
    if let (Some(ours), Some(its)) = (ours, network(process))
        && ours != its
    {
        return None;
    }
    let links = fs::read_dir(process.join("fd")).ok()?.flatten();
    let links = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    Some(links.filter_map(|link| sockets::socket_inode(link.to_str()?)).collect())
}

/// What listens in the network of a process.
fn listening(process: &Path) -> Vec<(SocketAddr, u64)> {
    ["net/tcp", "net/tcp6"]
        .iter()
        .filter_map(|name| fs::read_to_string(process.join(name)).ok())
        .flat_map(|text| sockets::listeners(&text))
        .collect()
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
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A machine's files, made up.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Machine {
            let dir = tempfile::tempdir().expect("a directory");
            fs::create_dir(dir.path().join("proc")).expect("proc");
            Machine(dir)
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(path, text).expect("a file");
        }

        fn read(&self) -> Presence {
            Presence::read(
                &HostConfig {
                    proc: self.0.path().join("proc"),
                    sys: self.0.path().join("sys"),
                    root: self.0.path().into(),
                },
                &Presence::default(),
            )
        }
    }

    #[test]
    fn a_taky_is_found_with_its_port_and_without_its_workers() {
        let machine = Machine::new();
        machine.file("proc/7/cmdline", "python3\0/v/bin/taky\0");
        machine.file("proc/7/stat", "7 (taky (x) y) T 1 7 7 0");
        machine.file("proc/7/cgroup", "0::/system.slice/taky-cot.service\n");
        machine.file("proc/7/net/tcp", "0: 0100007F:6DB7 0:0 0A 0 0 0 0 0 81\n");
        fs::create_dir(machine.0.path().join("proc/7/fd")).expect("fd");
        symlink("socket:[81]", machine.0.path().join("proc/7/fd/4")).expect("a link");
        machine.file("proc/8/cmdline", "/v/bin/taky_dps\0");
        machine.file("proc/8/stat", "8 (taky_dps) S 1 8");
        machine.file("proc/9/cmdline", "/v/bin/taky_dps\0");
        machine.file("proc/9/stat", "9 (taky_dps) S 8 8");
        machine.file("proc/10/cmdline", "bash\0");
        machine.file("proc/uptime", "1 1");

        let found = machine.read().processes;
        assert_eq!(found.iter().map(|p| p.pid).collect::<Vec<_>>(), [7, 8]);
        assert!(found[0].suspended && !found[1].suspended);
        assert_eq!(found[0].placement.unit.as_deref(), Some("taky-cot.service"));
        let port = "127.0.0.1:28087".parse().expect("an address");
        assert_eq!(found[0].listeners, Some(vec![port]));
        assert_eq!(found[1].listeners, None, "no fd directory: not permitted");
    }

    #[test]
    fn ports_are_listed_seldom_while_the_processes_stay_the_same() {
        let machine = Machine::new();
        machine.file("proc/7/cmdline", "taky\0");
        machine.file("proc/7/net/tcp", "0: 0100007F:6DB7 0:0 0A 0 0 0 0 0 81\n");
        fs::create_dir(machine.0.path().join("proc/7/fd")).expect("fd");
        symlink("socket:[81]", machine.0.path().join("proc/7/fd/4")).expect("a link");
        let proc = machine.0.path().join("proc");
        let start = Instant::now();
        let mut last = Presence::default();
        let mut listed = Vec::new();
        // A round each 20 s; another process joins before the last.
        for round in 0..9 {
            if round == 8 {
                machine.file("proc/8/cmdline", "taky_dps\0");
            }
            let mut now = Presence { processes: processes(&proc), ..Presence::default() };
            now.list_ports(&proc, &last, start + Duration::from_secs(20 * round));
            listed.push(now.ports.is_some_and(|ports| Some(ports.at) != last.ports.map(|p| p.at)));
            assert_eq!(now.processes[0].listeners.as_ref().map(Vec::len), Some(1));
            last = now;
        }
        assert_eq!(listed, [true, true, true, true, false, false, true, false, true]);
    }

    #[test]
    fn units_and_the_directory_tell_that_a_server_is_installed() {
        let machine = Machine::new();
        assert_eq!(machine.read().installed_flavor(), None);
        machine.file("etc/systemd/system/takserver-api.service", "");
        machine.file("etc/systemd/system/takpulse.service", "");
        assert_eq!(machine.read().units, ["takserver-api.service"]);
        assert_eq!(machine.read().installed_flavor(), Some(Flavor::TakServer));
        machine.file("etc/init.d/takserver", "");
        machine.file("opt/tak/CoreConfig.xml", "");
        assert_eq!(machine.read().units, ["takserver.service", "takserver-api.service"]);
    }

    #[test]
    fn what_cannot_be_started_as_a_server_does_not_count_as_one() {
        let machine = Machine::new();
        for left_over in [
            "etc/init.d/takserver",
            "run/systemd/generator.late/takserver.service",
            "etc/systemd/system/takserver-backup.timer",
            "etc/systemd/system/takserver-backup.service",
            "etc/systemd/system/taky-backup.service",
            "etc/systemd/system/taky.socket",
            "etc/systemd/system/takserver",
            "lib/systemd/system/opentakserver.service",
        ] {
            machine.file(left_over, "");
        }
        let mask = machine.0.path().join("etc/systemd/system/opentakserver.service");
        symlink("/dev/null", mask).expect("a masked unit");
        assert_eq!(machine.read().units, Vec::<String>::new());
        assert_eq!(machine.read().installed_flavor(), None);
    }

    #[test]
    fn the_unit_that_starts_all_parts_of_a_taky_site_comes_first() {
        let machine = Machine::new();
        for name in ["taky-edge-cot", "taky-edge-dps", "taky-edge", "taky-backup"] {
            machine.file(&format!("etc/systemd/system/{name}.service"), "");
        }
        let units = machine.read().units;
        assert_eq!(units, ["taky-edge.service", "taky-edge-cot.service", "taky-edge-dps.service"]);
        assert_eq!(machine.read().installed_flavor(), Some(Flavor::Taky));
    }

    #[test]
    fn a_directory_alone_tells_it_too() {
        let machine = Machine::new();
        machine.file("opt/tak/CoreConfig.xml", "");
        assert_eq!(machine.read().installed_flavor(), Some(Flavor::TakServer));
    }

    #[test]
    fn a_stat_is_read_whatever_the_process_is_called() {
        let cases = [
            ("7 (a) R 1 7", Some(('R', 1))),
            ("7 (a) b) T 12 7", Some(('T', 12))),
            ("7 (a) T", None),
            ("7 (a", None),
            ("", None),
        ];
        for (stat, want) in cases {
            assert_eq!(state_and_parent(stat), want, "{stat}");
        }
    }
}
